"""The words of the word list, and pairs of them, that fit the holes of a context, as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fillmask.errors import InputError
from fillmask.restore.damage import Hole, Known, Lost
from fillmask.restore.decoding.automaton import Region
from fillmask.restore.decoding.compilation import compile_region
from fillmask.restore.decoding.spelling import readings
from fillmask.restore.decoding.tokenized_context import TokenizedContext
from fillmask.restore.decoding.vocabulary import BYTES, WORDPIECE
from fillmask.restore.word_list import WordList
from fillmask.tokenization.tokenizer import Tokenizer

_MOST_WORDS = 2_000  # of the list in a hole, the most frequent
_MOST_TOKENS = 6  # of a word or a pair; rarer spellings are left to the search
_MOST_PAIRS = 300
_PAIR_LOST = 8  # lost characters of a hole in which pairs of words are looked for
_DECIDED_SHARE = 0.99  # of the frequency of all words that fit, for a hole that the list decides
_DECIDED_WORDS = 8
_CHANGED_PART = 3  # of an unclear word one letter in so many may be another one
_SHORT = 2  # lost characters that may hide a space and still be decided


@dataclass(frozen=True)
class ListedWord:
    """A word that fits a hole: as written there, its tokens, and its log-frequency in nats."""

    text: str
    tokens: tuple[int, ...]
    log_frequency: float


class ListedWords:
    """Finds and tokenizes the words that fit each hole, once a hole."""

    def __init__(self, words: WordList, tokenizer: Tokenizer, context: TokenizedContext) -> None:
        self._words = words
        self._tokenizer = tokenizer
        self._context = context
        self._fitting: dict[int, tuple[ListedWord, ...]] = {}
        self._groups: dict[int, dict[int, list[ListedWord]]] = {}

    def words(self, hole: int) -> tuple[ListedWord, ...]:
        """The words that fit a hole, the most frequent first."""
        if hole not in self._fitting:
            self._fitting[hole] = tuple(self._find(hole))
        return self._fitting[hole]

    def token_counts(self, hole: int) -> list[int]:
        """Numbers of tokens that the words of a hole take."""
        return sorted(self._grouped(hole))

    def words_of(self, hole: int, count: int) -> list[ListedWord]:
        """The words of `count` tokens that fit a hole."""
        return self._grouped(hole)[count]

    def _grouped(self, hole: int) -> dict[int, list[ListedWord]]:
        if hole not in self._groups:
            groups: dict[int, list[ListedWord]] = {}
            for word in self.words(hole):
                if len(word.tokens) <= _MOST_TOKENS:
                    groups.setdefault(len(word.tokens), []).append(word)
            self._groups[hole] = groups
        return self._groups[hole]

    def decides(self, hole: int) -> bool:
        """Whether one word has nearly all of the frequency of the words that fit a damaged word of known length."""
        constraint = self._context.holes[hole]
        if constraint.targets is not None or not _is_damaged_word(constraint):
            return False
        words = [word for word in self.words(hole) if " " not in word.text]
        if not words or len(words) > _DECIDED_WORDS:
            return False
        shares = np.exp([word.log_frequency for word in words])
        return bool(shares[0] >= _DECIDED_SHARE * shares.sum())

    def _find(self, hole: int) -> Sequence[ListedWord]:
        constraint = self._context.holes[hole]
        try:
            automaton = compile_region(Region(constraint))
        except InputError:
            return ()
        words, logs = self._words.words, self._words.log_frequencies
        indices = self._words.matching(automaton, constraint.least, constraint.most)
        if (transcription := constraint.transcription) is not None:
            indices = np.array([i for i in indices if is_near(words[i], transcription)], np.int64)
        indices = indices[:_MOST_WORDS]
        frequencies = {words[index]: float(logs[index]) for index in indices}
        if _may_be_pair(constraint):
            pairs = self._words.matching_pairs(automaton, constraint.most or 0, _MOST_PAIRS)
            frequencies |= {f"{words[i]} {words[j]}": float(logs[i] + logs[j]) for i, j in pairs}
        texts = list(frequencies)
        region = self._context.plain(hole).region
        vocabulary = self._context.vocabulary
        lead = "" if vocabulary.kind == WORDPIECE else region.lead
        encodings = self._tokenizer.encode_plain([lead + text for text in texts])
        listed: dict[str, ListedWord] = {}
        for text, encoding in zip(texts, encodings, strict=True):
            tokens = tuple(encoding or ())
            if not tokens or any(vocabulary.spelled_or_none(token) is None for token in tokens):
                continue
            spelled = [text] if vocabulary.kind == BYTES else readings(vocabulary, region, tokens)
            for written in spelled[:1]:
                if constraint.admits(written) and written not in listed:
                    listed[written] = ListedWord(written, tokens, frequencies[text])
        return tuple(listed.values())


def is_near(text: str, transcription: str) -> bool:
    """Whether a text reads no more letters of an unclear word otherwise than an editor may have misread."""
    differences = sum(a != b for a, b in zip(text, transcription, strict=False)) + abs(len(text) - len(transcription))
    return differences <= max(1, len(transcription) // _CHANGED_PART)


def _may_be_pair(hole: Hole) -> bool:
    """Whether letters survive beside a stretch of known length that may hide one space."""
    lost = [element for element in hole.elements if isinstance(element, Lost)]
    return (
        len(lost) < len(hole.elements)
        and any(element.spaces for element in lost)
        and all(element.most is not None for element in lost)
        and 2 <= sum(element.most or 0 for element in lost) <= _PAIR_LOST
    )


def _is_damaged_word(hole: Hole) -> bool:
    """Whether letters of a word survive, the number of lost ones is known, and they hardly hide a space."""
    lost = [element for element in hole.elements if isinstance(element, Lost)]
    known = [element for element in hole.elements if isinstance(element, Known)]
    if not lost or not known or any(not element.certain or " " in element.text for element in known):
        return False
    count = sum(element.least for element in lost)
    return all(element.most == element.least for element in lost) and (
        count <= _SHORT or not any(element.spaces for element in lost)
    )
