"""How letters come to be misread: probabilities of reading one short segment of a word for another.

A channel is learnt from pairs of text and what was read of it (`learn`), or
taken from the package (`general`). It knows segments of one to three
characters; it knows no words and no models.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from fillmask.data.atomic import write_bytes
from fillmask.errors import CorpusError, InputError
from fillmask.restore.correction.alignment import edits

NAME = "channel.json"
VERSION = 1
LONGEST = 3  # characters of a segment
_BAND = 3  # a word and its reading differ in length by no more up to any place
_RARE = math.log(2e-5)  # an operation that was never counted, of one character
_CORRECT = math.log(0.98)  # a character that is read as it is, where no rate was counted
_PRIOR = 40.0  # occurrences of a segment that the prior channel counts for
_FEWEST_PAIRS_CHARACTERS = 500

# Confusions that studies of OCR and of hands report again and again, as (text, reading); each is taken to happen once
# in 400 times where no pairs were counted.
PUBLISHED = (
    *(("m", "rn"), ("rn", "m"), ("d", "cl"), ("cl", "d"), ("h", "li"), ("li", "h"), ("e", "c"), ("c", "e")),
    *(("f", "s"), ("s", "f"), ("n", "u"), ("u", "n"), ("h", "b"), ("b", "h"), ("o", "e"), ("e", "o"), ("a", "o")),
    *(("i", "l"), ("l", "i"), ("l", "1"), ("1", "l"), ("I", "l"), ("l", "I"), ("i", "1"), ("t", "l"), ("l", "t")),
    *(("o", "0"), ("0", "o"), ("O", "0"), ("S", "5"), ("s", "5"), ("S", "9"), ("B", "8"), ("g", "9"), ("G", "6")),
    *(("w", "vv"), ("vv", "w"), ("m", "in"), ("in", "m"), ("m", "ni"), ("m", "nn"), ("n", "ri"), ("ri", "n")),
    *(("u", "ii"), ("ii", "u"), ("n", "ii"), ("ii", "n"), ("w", "iv"), ("w", "ir"), ("k", "lc"), ("b", "l>")),
    *(("a", "u"), ("u", "a"), ("r", "t"), ("t", "r"), ("t", "f"), ("f", "t"), ("y", "v"), ("v", "y"), ("a", "e")),
    *(("e", "a"), ("r", "i"), ("i", "r"), ("i", "t"), ("t", "i"), ("o", "c"), ("c", "o"), ("g", "q"), ("q", "g")),
    *(("s", "a"), ("a", "s"), ("s", "e"), ("z", "x"), ("x", "z"), ("fi", "h"), ("fl", "h"), ("ff", "f"), ("th", "tb")),
    *(("tt", "t"), ("t", "tt"), ("ll", "l"), ("l", "ll"), ("ss", "s"), ("s", "ss"), ("ſ", "f"), ("s", "ſ"), ("st", "ft")),
    *(("i", ""), ("l", ""), ("t", ""), ("e", ""), ("n", ""), ("r", ""), ("s", ""), ("", "."), ("", ","), ("", "'")),
    *(("", " "), (" ", ""), ("", "-"), ("-", ""), ("T", "I"), ("I", "T"), ("C", "G"), ("G", "C"), ("E", "F"), ("F", "E")),
)  # fmt: skip
_PUBLISHED_RATE = 1 / 400


@dataclass(frozen=True, eq=False)
class ConfusionChannel:
    """Log-probabilities of operations.

    Attributes:
        operations: of reading a segment of the text (first) as another (second), where they differ, in nats.
        correct: of reading a character as it is, in nats; `default` for characters that were not counted.
        default: the same for other characters.
        fitted_on: what it was counted on, for people.
    """

    operations: Mapping[tuple[str, str], float]
    correct: Mapping[str, float] = field(default_factory=dict)
    default: float = _CORRECT
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def reverse(self) -> dict[str, list[tuple[str, float]]]:
        """For each segment as it was read, the segments that it may have been and how likely each was misread so."""
        by_reading: dict[str, list[tuple[str, float]]] = {}
        for (text, observed), value in self.operations.items():
            by_reading.setdefault(observed, []).append((text, value))
        return {key: sorted(rows, key=lambda row: (-row[1], row[0])) for key, rows in by_reading.items()}

    @cached_property
    def log_probability(self) -> Any:
        """`log_probability(text, observed)`: of reading `text` as `observed`, by the likeliest operations, in nats."""
        return lru_cache(maxsize=50_000)(self._log_probability)

    def _log_probability(self, text: str, observed: str) -> float:
        rows, columns = len(text) + 1, len(observed) + 1
        best = [[-math.inf] * columns for _ in range(rows)]
        best[0][0] = 0.0
        for i in range(rows):
            for j in range(columns):
                here = best[i][j]
                if here == -math.inf or abs(i - j) > _BAND + abs(rows - columns):
                    continue
                for a in range(0, min(LONGEST, rows - 1 - i) + 1):
                    for b in range(0, min(LONGEST, columns - 1 - j) + 1):
                        step = self._step(text[i : i + a], observed[j : j + b])
                        if step is not None and here + step > best[i + a][j + b]:
                            best[i + a][j + b] = here + step
        return best[-1][-1]

    def _step(self, text: str, observed: str) -> float | None:
        if len(text) == 1 and text == observed:
            return self.correct.get(text, self.default)
        value = self.operations.get((text, observed))
        if value is None and len(text) <= 1 and len(observed) <= 1 and text != observed:
            return _RARE
        return value


def published() -> ConfusionChannel:
    """The channel of the published confusions."""
    return ConfusionChannel({pair: math.log(_PUBLISHED_RATE) for pair in PUBLISHED})


def mixed(first: ConfusionChannel, second: ConfusionChannel) -> ConfusionChannel:
    """The channel of texts of which half came through one channel and half through the other."""
    pairs = {*first.operations, *second.operations}
    operations = {
        pair: math.log(sum(math.exp(channel.operations.get(pair, -math.inf)) for channel in (first, second)) / 2)
        for pair in pairs
    }
    correct = {
        character: math.log(
            (
                math.exp(first.correct.get(character, first.default))
                + math.exp(second.correct.get(character, second.default))
            )
            / 2
        )
        for character in {*first.correct, *second.correct}
    }
    return ConfusionChannel(operations, correct, (first.default + second.default) / 2, dict(first.fitted_on))


def learn(pairs: Iterable[tuple[str, str]], prior: ConfusionChannel | None = None) -> ConfusionChannel:
    """The channel of some pairs.

    Args:
        pairs: what was read, and the text as it is.
        prior: counted as if it had been seen a few dozen times with each segment; the published confusions by default.

    Raises:
        CorpusError: the pairs have too little text.
    """
    counts: Counter[tuple[str, str]] = Counter()
    occurrences: Counter[str] = Counter()
    characters = lines = 0
    for observed, text in pairs:
        observed, text = " ".join(observed.split()), " ".join(text.split())
        lines += 1
        characters += len(text)
        for length in range(1, LONGEST + 1):
            occurrences.update(text[at : at + length] for at in range(len(text) - length + 1))
        counts.update(edits(text, observed, LONGEST))
    if characters < _FEWEST_PAIRS_CHARACTERS:
        raise CorpusError(
            f"the pairs have {characters} characters of text; expected {_FEWEST_PAIRS_CHARACTERS} or more:"
            " give more pairs, a line each, what was read and the text, separated by a tab"
        )
    occurrences[""] = characters
    base = (prior or published()).operations
    operations = {}
    for pair in sorted({*counts, *base}):
        if counts[pair] < 2 and pair not in base:
            continue
        total = occurrences[pair[0]] + _PRIOR
        operations[pair] = math.log((counts[pair] + _PRIOR * math.exp(base.get(pair, -math.inf))) / total)
    wrong: Counter[str] = Counter()
    for (text, _), count in counts.items():
        wrong.update(dict.fromkeys(text, count))
    correct = {
        character: math.log((max(occurrences[character] - wrong[character], 0) + 0.98 * _PRIOR) / (occurrences[character] + _PRIOR))
        for character in occurrences
        if len(character) == 1
    }  # fmt: skip
    return ConfusionChannel(operations, correct, _CORRECT, {"lines": lines, "characters": characters})


def save(channel: ConfusionChannel, path: Path) -> None:
    """Write a channel as JSON."""
    values = {
        "version": VERSION,
        "fitted_on": dict(channel.fitted_on),
        "default": round(channel.default, 4),
        "correct": {character: round(value, 4) for character, value in sorted(channel.correct.items())},
        "operations": [[text, read, round(value, 3)] for (text, read), value in sorted(channel.operations.items())],
    }
    write_bytes(path, (json.dumps(values, ensure_ascii=False, indent=0) + "\n").encode())


def load(path: Path) -> ConfusionChannel:
    """Read a channel.

    Raises:
        InputError: the file cannot be read as a channel.
    """
    try:
        values = json.loads(path.read_text("utf-8"))
        if values["version"] != VERSION:
            raise ValueError(f"version is {values['version']!r}, and this fillmask reads version {VERSION}")
        operations = {(str(text), str(read)): _number(value) for text, read, value in values["operations"]}
        correct = {str(character): _number(value) for character, value in values["correct"].items()}
        return ConfusionChannel(operations, correct, _number(values["default"]), dict(values["fitted_on"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path} is not a channel: {reason}; make one: fillmask train channel pairs.tsv") from error


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -100 <= value <= 0:
        raise ValueError(f"a log-probability is {value!r}; expected a number from -100 to 0")
    return float(value)


@lru_cache(maxsize=1)
def general() -> ConfusionChannel:
    """The package's channel, made from pages that were printed, damaged, and read back, and published confusions."""
    return load(Path(__file__).with_name(NAME))
