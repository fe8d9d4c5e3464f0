"""What a word may have been before it was misread: listed words that the channel turns into it.

Candidates are found by undoing operations of the channel and looking the
results up in the word list: one operation of any kind, or one that the channel
knows well and then another. Words that ran together are split, words that fell
apart are joined.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from fillmask.restore.correction.channel import LONGEST, ConfusionChannel
from fillmask.restore.word_list import WordList

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'"
_MOST = 5  # candidates of a word
_KNOWN_OPERATIONS = -9.5  # nats: operations rarer than that are not undone before another
_FREQUENT_OPERATIONS = -7.5  # nats: of operations that are undone two at a time
_HOPELESS = 9.0  # nats below the best candidate by channel and frequency
_SHORTEST_PART = 2  # characters of a word that is split off, "a" and "I" apart
_LONGEST_WORD = 28
_SHORTEST_SIMILAR = 6  # characters of a word for which similar words are looked up
_SIMILAR = 30  # similar words that are looked at
_UNLIKELY = -30.0  # nats: a better candidate by one operation makes it needless to undo two
_NEAR = -6.0  # nats: how much less likely a neighbour may be than the word


class Candidates:
    """Finds candidates, each word once.

    Args:
        words: the word list.
        channel: how letters come to be misread.
    """

    def __init__(self, words: WordList, channel: ConfusionChannel) -> None:
        self._words = words
        self._channel = channel
        self._plain = {word.lower() for word in words.words}
        self.of = lru_cache(maxsize=20_000)(self._of)
        self.near = lru_cache(maxsize=20_000)(self._near)

    def is_listed(self, word: str) -> bool:
        """Whether the list has the word, in its case or, with a capital, in lower case; parts of a possessive count."""
        stem = word.removesuffix("'s").removesuffix("’s")
        return self._words.log_frequency(word) is not None or self._words.log_frequency(stem) is not None

    def prior(self, text: str, observed: str) -> float:
        """Log-probability of the words of a candidate and of their being misread as `observed`, in nats."""
        return self.frequency(text) + float(self._channel.log_probability(text, observed))

    def log_channel(self, text: str, observed: str) -> float:
        """Log-probability of a text being misread as `observed`, in nats."""
        return float(self._channel.log_probability(text, observed))

    def frequency(self, text: str) -> float:
        """Log-frequency of the words of a text, those that are not listed by their spelling, in nats."""
        total = 0.0
        for word in text.split():
            known = self._words.log_frequency(word)
            if known is None and word.endswith(("'s", "’s")):
                stem = self._words.log_frequency(word[:-2])
                known = None if stem is None else stem - 4.0
            total += self._words.spelling.log_probability(word) - _UNLISTED if known is None else known
        return total

    def best_prior(self, observed: str) -> float:
        """The prior of the likeliest candidate of a word, the word itself among them, in nats."""
        return max(self.prior(text, observed) for text in (observed, *self.of(observed)[:1]))

    def _of(self, observed: str) -> tuple[str, ...]:
        """The likeliest candidates of a word, best first, without the word itself."""
        if len(observed) > _LONGEST_WORD:
            return ()
        texts = {text for text in self._undone(observed) if text != observed}
        if self._are_unlikely(texts, observed):
            if len(observed) >= _SHORTEST_SIMILAR:
                texts |= {_in_case_of(observed, text) for text in self._words.similar(observed, _SIMILAR)} - {observed}
            elif observed.islower():  # of names with two letters misread there are too many
                texts |= {text for text in self._undone_twice(observed) if text != observed}
        texts |= set(self._splits(observed))
        scored = sorted(((self.prior(text, observed), text) for text in texts), key=lambda row: (-row[0], row[1]))
        return tuple(text for value, text in scored[:_MOST] if value > scored[0][0] - _HOPELESS)

    def _are_unlikely(self, texts: set[str], observed: str) -> bool:
        return all(self.prior(text, observed) < _UNLIKELY for text in texts)

    def _near(self, word: str) -> tuple[str, ...]:
        """The listed words that one well known operation turns into a listed word."""
        own = self._words.log_frequency(word) or 0.0
        texts = {
            text
            for text, value in self._known_steps(word)
            if text != word
            and (count := self._words.counts.get(text))
            and math.log(count / self._words.total) + value - own > _NEAR
        }
        return tuple(sorted(texts, key=lambda text: (-self.prior(text, word), text))[:_MOST])

    def _lookup(self, text: str) -> Iterator[str]:
        """A text as a listed word, in the case of the text."""
        if len(text) < 2 and text not in ("a", "I", "A", "O"):
            return
        if text in self._words or (_is_capitalized(text) and text.lower() in self._words):
            yield text

    def _undone(self, observed: str) -> Iterator[str]:
        for text, _ in self._known_steps(observed):
            yield from self._lookup(text)
        for at in range(len(observed) + 1):
            before, after = observed[:at], observed[at:]
            for letter in _LETTERS:
                yield from self._lookup(before + letter + after)
                if after:
                    yield from self._lookup(before + letter + after[1:])
            if after:
                yield from self._lookup(before + after[1:])

    def _undone_twice(self, observed: str) -> Iterator[str]:
        for once in {text for text, _ in self._known_steps(observed, _FREQUENT_OPERATIONS)}:
            for twice, _ in self._known_steps(once, _FREQUENT_OPERATIONS):
                yield from self._lookup(twice)

    def _known_steps(self, observed: str, floor: float = _KNOWN_OPERATIONS) -> Iterator[tuple[str, float]]:
        """The texts that one operation of the channel turns into `observed`."""
        for at in range(len(observed) + 1):
            for length in range(min(LONGEST, len(observed) - at) + 1):
                for text, value in self._channel.reverse.get(observed[at : at + length], ()):
                    if value < floor:
                        break
                    if " " not in text:
                        yield observed[:at] + text + observed[at + length :], value

    def _splits(self, observed: str) -> Iterator[str]:
        for at in range(1, len(observed)):
            first, second = observed[:at], observed[at:]
            if all(len(part) >= _SHORTEST_PART or part in ("a", "I") for part in (first, second)) and all(
                part in self._words or (part[:1].isupper() and part.lower() in self._words) for part in (first, second)
            ):
                yield f"{first} {second}"


def _in_case_of(observed: str, text: str) -> str:
    """A listed word with a capital where what was read has one."""
    return text[:1].upper() + text[1:] if observed[:1].isupper() and text.islower() else text


def _is_capitalized(text: str) -> bool:
    return text[:1].isupper() and (text[1:].islower() or text.isupper())


_UNLISTED = 3.0  # nats: what a word that is not listed costs beside its spelling
