"""Does a model know grammar? BLiMP: minimal pairs of sentences, one of them grammatical (Warstadt et al. 2020).

A pair is right if the grammatical sentence has the higher pseudo-log-likelihood; a tie is wrong. Accuracy is counted
for each of the 67 paradigms; that of a phenomenon, and that of all of BLiMP, is the mean over its paradigms. The
pairs are read from a file that the user has: nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from fillmask.data.files import find_file
from fillmask.data.tables import read_records
from fillmask.data.text import DEFAULT, ReadOptions
from fillmask.errors import CorpusError, InputError
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.score import pseudo_log_likelihoods

METHODS = ("original", "word-l2r")
# The paper has twelve phenomena: it counts selectional restrictions, which have a term of their own in the files, as
# argument structure.
_SAME_PHENOMENON = {"s-selection": "argument_structure"}
_CHUNK = 200  # pairs whose rows are planned together


@dataclass(frozen=True)
class Pair:
    """Two sentences that differ in one thing, `good` being grammatical."""

    paradigm: str
    phenomenon: str
    good: str
    bad: str


@dataclass(frozen=True)
class Paradigm:
    """The result of one paradigm: how many pairs it has, and the share that each method got right, 0 to 1."""

    name: str
    phenomenon: str
    pairs: int
    accuracy: Mapping[str, float]


@dataclass(frozen=True)
class Blimp:
    """Results by paradigm, in the order of the file."""

    methods: tuple[str, ...]
    paradigms: tuple[Paradigm, ...]

    @property
    def pairs(self) -> int:
        return sum(p.pairs for p in self.paradigms)

    @property
    def accuracy(self) -> dict[str, float]:
        """The mean over the paradigms, by method."""
        return {m: fmean(p.accuracy[m] for p in self.paradigms) for m in self.methods}

    @property
    def phenomena(self) -> dict[str, dict[str, float]]:
        """The mean over the paradigms of each phenomenon, by method; phenomena in alphabetical order."""
        members: dict[str, list[Paradigm]] = {}
        for paradigm in self.paradigms:
            members.setdefault(paradigm.phenomenon, []).append(paradigm)
        return {name: {m: fmean(p.accuracy[m] for p in members[name]) for m in self.methods} for name in sorted(members)}  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        return {
            "pairs": self.pairs,
            "accuracy": self.accuracy,
            "phenomena": self.phenomena,
            "paradigms": {
                p.name: {"phenomenon": p.phenomenon, "pairs": p.pairs, "accuracy": dict(p.accuracy)}
                for p in self.paradigms
            },
        }


def read_pairs(path: Path, options: ReadOptions = DEFAULT) -> list[Pair]:
    """The pairs of a JSON Lines file, plain or compressed, or of all such files of a folder.

    Each line is an object of BLiMP's own form: `sentence_good`, `sentence_bad`, `linguistics_term` and `UID`.

    Raises:
        CorpusError: there are no pairs, or a line is none.
    """
    files = sorted(p for p in path.iterdir() if ".jsonl" in p.suffixes) if path.is_dir() else [path]
    pairs = [pair for file in files for pair in _pairs_of(file, options)]
    if not pairs:
        raise CorpusError(f"there are no pairs in {path}; expected JSON Lines with sentence_good and sentence_bad")
    return pairs


def _pairs_of(path: Path, options: ReadOptions) -> Iterator[Pair]:
    try:
        for record in read_records(find_file(str(path), "jsonl"), (), options):
            if record.problem is not None:
                raise CorpusError(f"{path}, line {record.line}: {record.problem}")
            if record.values is not None:
                yield _pair(record.values, f"{path}, line {record.line}")
    except InputError as error:
        raise CorpusError(str(error)) from error


def _pair(row: Any, where: str) -> Pair:
    values = row if isinstance(row, dict) else {}
    keys = ("UID", "linguistics_term", "sentence_good", "sentence_bad")
    missing = [key for key in keys if not isinstance(values.get(key), str)]
    if missing:
        raise CorpusError(f"{where} has no {' or '.join(missing)}; expected a pair as BLiMP's files have it")
    paradigm, term, good, bad = (values[key] for key in keys)
    return Pair(paradigm, _SAME_PHENOMENON.get(term, term), good, bad)


def blimp(
    model: MaskedLM,
    pairs: Iterable[Pair],
    *,
    methods: Sequence[str] = METHODS,
    limit: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Blimp:
    """Judge every pair by each method.

    Args:
        methods: of `fillmask.choices.SCORING_METHODS`; the rows that they share are computed once.
        limit: so many pairs of each paradigm, the first ones; all of them by default.
        on_progress: called with the number of pairs judged so far and of all of them.

    Raises:
        InputError: no such method, a limit below 1, or a sentence that cannot be scored.
        CorpusError: there are no pairs.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}; expected 1 or more")
    if not methods:
        raise InputError("there is no method to judge by; expected at least one")
    members: dict[str, list[Pair]] = {}
    for pair in pairs:
        of_paradigm = members.setdefault(pair.paradigm, [])
        if limit is None or len(of_paradigm) < limit:
            of_paradigm.append(pair)
    if not members:
        raise CorpusError("there are no pairs to judge; expected at least one")
    total, judged = sum(map(len, members.values())), 0
    paradigms = []
    for name, of_paradigm in members.items():
        right = dict.fromkeys(methods, 0)
        for start in range(0, len(of_paradigm), _CHUNK):
            chunk = of_paradigm[start : start + _CHUNK]
            texts = [pair.good for pair in chunk] + [pair.bad for pair in chunk]
            scores = pseudo_log_likelihoods(model, texts, methods=methods)
            for method, wins in zip(methods, (scores[: len(chunk)] > scores[len(chunk) :]).sum(axis=0), strict=True):
                right[method] += int(wins)
            judged += len(chunk)
            if on_progress:
                on_progress(judged, total)
        count = len(of_paradigm)
        paradigms.append(Paradigm(name, of_paradigm[0].phenomenon, count, {m: right[m] / count for m in methods}))
    return Blimp(tuple(methods), tuple(paradigms))
