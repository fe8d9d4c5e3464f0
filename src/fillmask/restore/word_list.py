"""Words of a language with their counts: which words exist, how frequent they are, and how words are spelled.

A word list is counted on any text (`count`) and kept beside a checkpoint as `lexicon.tsv.xz`: one word a line with
its count, case-sensitive. This module knows words and characters; it knows no models, tokens, or notations.
"""

from __future__ import annotations

import lzma
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fillmask.data.atomic import write_bytes
from fillmask.errors import CorpusError, CorruptCheckpointError

if TYPE_CHECKING:
    from fillmask.restore.decoding.automaton import Automaton

NAME = "lexicon.tsv.xz"
SIZE = 100_000  # words
_HEADER = "#total"
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_OTHER_CASE = math.log(0.02)  # a word written in another case than the list's: one occurrence in fifty
_LONGEST = 28  # characters of a word that holes are compared with
_PAIRED = 24  # words that may begin, or end, a pair at one place of a hole

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


class WordList:
    """Words with counts, the most frequent first.

    Args:
        counts: how often each word occurs.
        total: occurrences of all words of the text, listed or not; the sum of `counts` by default.
    """

    def __init__(self, counts: dict[str, int], total: int | None = None) -> None:
        words = sorted(counts)
        order = np.argsort(-np.array([counts[word] for word in words]), kind="stable")
        self.words: tuple[str, ...] = tuple([words[index] for index in order.tolist()])
        self.counts: dict[str, int] = {word: counts[word] for word in self.words}
        self.total = max(1, total or sum(counts.values()))
        self._log_total = math.log(self.total)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.counts

    def log_frequency(self, word: str) -> float | None:
        """Log-probability of a word among the words of a text, in nats; None for an unlisted word.

        A word in capitals or with a capital at its beginning counts as listed if the list has it in lower case.
        """
        if count := self.counts.get(word):
            return math.log(count) - self._log_total
        if not word[:1].isupper():
            return None
        other = max(self.counts.get(word.lower(), 0), self.counts.get(word[:1] + word[1:].lower(), 0))
        return math.log(other) + _OTHER_CASE - self._log_total if other else None

    @cached_property
    def log_frequencies(self) -> Floats:
        """Log-probability of each word, (words,), in the order of `words`."""
        logs: Floats = np.log(np.fromiter(self.counts.values(), float, len(self))) - self._log_total
        return logs

    @cached_property
    def _alphabet(self) -> str:
        return "".join(sorted({character for word in self.words for character in word}))

    @cached_property
    def _by_length(self) -> dict[int, tuple[Indices, Indices]]:
        """Words of each length: their indices, (n,), and their characters as places in the alphabet, (n, length)."""
        lengths = np.fromiter(map(len, self.words), np.int64, len(self))
        alphabet = np.array([ord(character) for character in self._alphabet])
        groups = {}
        for length in range(1, _LONGEST + 1):
            indices = np.flatnonzero(lengths == length)
            if len(indices):
                codes = np.frombuffer("".join(self.words[index] for index in indices).encode("utf-32-le"), np.int32)
                groups[length] = indices, np.searchsorted(alphabet, codes).reshape(-1, length)
        return groups

    def matching(self, automaton: Automaton, shortest: int, longest: int | None) -> Indices:
        """Indices of the words that an automaton over characters accepts, the most frequent first.

        Args:
            automaton: see `fillmask.restore.decoding.automaton`.
            shortest, longest: lengths in characters of what it accepts; `longest` is None where there is no bound.
        """
        classes = self._classes(automaton)
        indices, states = self._walk(automaton, classes, automaton.start, shortest, longest)
        return np.sort(indices[automaton.accepting[states]])

    def matching_pairs(self, automaton: Automaton, longest: int, count: int) -> list[tuple[int, int]]:
        """Indices of two words with a space between that an automaton accepts, the most frequent pairs first.

        Args:
            longest: length in characters of what it accepts, at most.
            count: pairs, at most.
        """
        classes = self._classes(automaton)
        indices, states = self._walk(automaton, classes, automaton.start, 1, longest - 2)
        following = automaton.table[states, automaton.class_of(" ")]
        pairs: list[tuple[float, int, int]] = []
        for state in np.unique(following[following > 0]).tolist():
            firsts = np.sort(indices[following == state])[:_PAIRED]
            seconds, ends = self._walk(automaton, classes, state, 1, longest - 2)
            seconds = np.sort(seconds[automaton.accepting[ends]])[:_PAIRED]
            logs = self.log_frequencies
            pairs += [(float(logs[i] + logs[j]), int(i), int(j)) for i in firsts for j in seconds]
        return [(i, j) for _, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:count]]

    def _classes(self, automaton: Automaton) -> npt.NDArray[np.int32]:
        return np.array([automaton.class_of(character) for character in self._alphabet], np.int32)

    def _walk(
        self,
        automaton: Automaton,
        classes: npt.NDArray[np.int32],
        start: int,
        shortest: int,
        longest: int | None,
    ) -> tuple[Indices, npt.NDArray[np.int32]]:
        """The words that an automaton admits from a state, and the state after each."""
        words, states_after = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
        for length, (indices, places) in self._by_length.items():
            if length < shortest or (longest is not None and length > longest):
                continue
            alive = np.arange(len(indices))
            states: npt.NDArray[np.int32] = np.full(len(indices), start, np.int32)
            for place in range(length):
                states = automaton.table[states, classes[places[alive, place]]]
                going = np.flatnonzero(states)
                alive, states = alive[going], states[going]
            words.append(indices[alive])
            states_after.append(states)
        return np.concatenate(words), np.concatenate(states_after)

    @cached_property
    def _bigrams(self) -> tuple[Indices, Indices, Indices]:
        """Where the words of each pair of letters begin, by the number of the pair; the words; and pairs of each word."""
        line = _codes("\0" + "\0".join(word.lower() for word in self.words) + "\0")
        pairs = line[:-1] << _BITS | line[1:]
        owners = np.cumsum(line == _EDGE)[:-1] - 1
        order = np.argsort(pairs, kind="stable")
        starts = np.searchsorted(pairs[order], np.arange((1 << 2 * _BITS) + 1))
        return starts, owners[order], np.bincount(owners, minlength=len(self))

    def similar(self, word: str, count: int) -> list[str]:
        """The words that share most pairs of neighbouring letters with a word, whatever its case, the most similar first."""
        starts, words, sizes = self._bigrams
        line = _codes(f"\0{word.lower()}\0")
        pairs = np.unique(line[:-1] << _BITS | line[1:])
        having = np.concatenate([words[starts[pair] : starts[pair + 1]] for pair in pairs.tolist()])
        shared = np.bincount(having, minlength=len(self))
        likeness = 2 * shared / (sizes + len(pairs))
        near = np.argpartition(-likeness, min(count, len(self) - 1))[:count]
        near = near[np.argsort(-likeness[near], kind="stable")]
        return [self.words[index] for index in near.tolist() if likeness[index] > 0]

    @cached_property
    def spelling(self) -> SpellingModel:
        """A character model of the list's words."""
        return SpellingModel(self.words[:_SPELLED])


_SPELLED = 40_000  # words that the character model is made of
_ORDER = 5
_BITS = 7
_DISCOUNT = 0.75
_ALPHABET = {chr(code): number for number, code in enumerate([0, *range(33, 127)])}
_EDGE, _OTHER = 0, len(_ALPHABET)


class SpellingModel:
    """A character n-gram model of words: how much a string looks like a word, even one that was never seen.

    Args:
        words: what it is estimated from, each word once.
    """

    def __init__(self, words: Sequence[str]) -> None:
        line = _codes("\0" * (_ORDER - 1) + ("\0" * (_ORDER - 1)).join(words) + "\0" * (_ORDER - 1))
        self._tables: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        for order in range(1, _ORDER + 1):
            packed = np.zeros(len(line) - order + 1, np.int64)
            for shift in range(order):
                packed = packed << _BITS | line[shift : len(line) - order + 1 + shift]
            # An n-gram of edges alone says nothing.
            ends = packed & ((1 << _BITS) - 1)
            before = packed >> _BITS & ((1 << _BITS) - 1) if order > 1 else np.ones(len(packed), np.int64)
            packed = packed[(ends != _EDGE) | (before != _EDGE)] if order > 1 else packed
            self._tables.append(np.unique(packed, return_counts=True))
        self.log_probability = lru_cache(maxsize=20_000)(self._log_probability)

    def _log_probability(self, word: str) -> float:
        """Log-probability of a word's characters and of its end, in nats."""
        line = [_EDGE] * (_ORDER - 1) + _codes(word).tolist() + [_EDGE]
        return sum(math.log(self._share(line[at - _ORDER + 1 : at], line[at])) for at in range(_ORDER - 1, len(line)))

    def _share(self, context: Sequence[int], character: int) -> float:
        share = 1 / (_OTHER + 1)
        for length in range(len(context) + 1):
            packed = 0
            for code in context[len(context) - length :]:
                packed = packed << _BITS | code
            grams, counts = self._tables[length]
            start, stop = np.searchsorted(grams, [packed << _BITS, (packed + 1) << _BITS])
            if start == stop:
                break
            total = float(counts[start:stop].sum())
            at = start + int(np.searchsorted(grams[start:stop], packed << _BITS | character))
            observed = float(counts[at]) if at < stop and grams[at] == (packed << _BITS | character) else 0.0
            share = max(observed - _DISCOUNT, 0.0) / total + _DISCOUNT * float(stop - start) / total * share
        return share


def _codes(text: str) -> npt.NDArray[np.int64]:
    return np.fromiter((_ALPHABET.get(character, _OTHER) for character in text), np.int64, len(text))


def words_of(text: str) -> list[str]:
    """The words of a text as the list counts them: letters in a row, with apostrophes between."""
    return _WORD.findall(text)


def count(texts: Iterable[str], size: int = SIZE) -> WordList:
    """The most frequent words of some texts.

    Args:
        texts: any text, in pieces of any size that end at word boundaries.
        size: words to keep.

    Raises:
        CorpusError: the texts contain no words.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words_of(text))
    if not counts:
        raise CorpusError("the texts contain no words; expected running text")
    return WordList(dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:size]), counts.total())


def extended(words: WordList, texts: Iterable[str]) -> WordList:
    """A list with the words of more texts added, each with its occurrences there."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words_of(text))
    merged = Counter(words.counts)
    merged.update(counts)
    return WordList(dict(merged), words.total + counts.total())


def save(words: WordList, folder: Path) -> Path:
    """Write the list into a folder; returns its path."""
    rows = "".join(f"{word}\t{words.counts[word]}\n" for word in sorted(words.words))
    path = folder / NAME
    data = lzma.compress(f"{_HEADER}\t{words.total}\n{rows}".encode(), preset=9 | lzma.PRESET_EXTREME)
    write_bytes(path, data)
    return path


def load(path: Path) -> WordList:
    """Read a word list, compressed with xz or plain.

    Raises:
        CorruptCheckpointError: the file cannot be read as a word list.
    """
    try:
        data = path.read_bytes()
        text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode()
        return _parsed(text)
    except (OSError, lzma.LZMAError, ValueError) as error:
        raise CorruptCheckpointError(
            f"{path}: {error}; expected one word a line with its count, separated by a tab;"
            " count the words again: fillmask train lexicon TEXT…"
        ) from error


def _parsed(text: str) -> WordList:
    fields = text.split()
    total = None
    if fields[:1] == [_HEADER]:
        total, fields = int(fields[1]), fields[2:]
    counts = dict(zip(fields[::2], map(int, fields[1::2]), strict=True))
    if not counts or min(counts.values()) < 1:
        raise ValueError("the list has no words, or a count below 1")
    return WordList(counts, total)


def of_checkpoint(folder: Path) -> WordList | None:
    """The word list beside a checkpoint, read once while the file stays as it is; None where there is none."""
    path = folder / NAME
    try:
        status = path.stat()
    except OSError:
        return None
    return _cached(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _cached(path: Path, _modified: int, _size: int) -> WordList:
    return load(path)


def bundled() -> WordList | None:
    """The English word list of the bundled model."""
    return of_checkpoint(Path(__file__).parent.parent / "bundled")
