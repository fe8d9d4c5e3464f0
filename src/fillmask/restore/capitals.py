"""Texts in capitals, read in ordinary case: a model knows `Smith` and hardly `SMITH`.

Each character keeps its place: what is read in ordinary case is put back in
capitals letter by letter.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from fillmask.restore.damage import Damaged, Hole, Known
from fillmask.restore.restoration import Reading
from fillmask.restore.word_list import WordList

_WORD = re.compile(r"\S+|\n")
_LETTERS = 8  # of a stretch of words that counts as one in capitals
_SENTENCE_END = re.compile(r"[.!?][\"'”’)]*$")

Cased = Callable[[str], str]  # a lower-case word as a text has it: Smith, 4th


@dataclass(frozen=True)
class OrdinaryCase:
    """A damaged text in ordinary case.

    Attributes:
        damaged: the text; letters of its capitals are lower case but for names and the beginnings of sentences.
        holes: numbers of the holes that are read in capitals.
    """

    damaged: Damaged
    holes: frozenset[int]

    def capitals(self, hole: int, readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
        """Readings of a hole as the text has them: those that differ by case alone become one."""
        if hole not in self.holes:
            return readings
        shares: dict[str, float] = {}
        for reading in readings:
            text = upper(reading.text)
            shares[text] = shares.get(text, 0.0) + reading.probability
        return tuple(Reading(text, share) for text, share in sorted(shares.items(), key=lambda item: -item[1]))

    def ordinary(self, hole: int, text: str) -> str:
        """A reading that the caller gives for a hole, in ordinary case."""
        return text[:1] + lower(text[1:]) if hole in self.holes else text


def upper(text: str) -> str:
    """A text in capitals, each letter in its place."""
    return "".join(_one(character, character.upper()) for character in text)


def lower(text: str) -> str:
    """A text in small letters, each letter in its place."""
    return "".join(_one(character, character.lower()) for character in text)


def _one(character: str, other: str) -> str:
    return other if len(other) == 1 else character


def ordinary_case(damaged: Damaged, cased: Cased) -> OrdinaryCase:
    """A text with its stretches of capitals in ordinary case.

    Args:
        cased: see `casing`.
    """
    words = _words(damaged)
    in_capitals = _in_capitals(words)
    texts = [list(part) if isinstance(part, str) else [] for part in damaged.parts]
    parts: list[str | Hole] = list(damaged.parts)
    begins_sentence = True
    holes = set()
    numbers = {place: number for number, place in enumerate(_hole_places(damaged))}
    for word, is_capital in zip(words, in_capitals, strict=True):
        for place, start, end in word.stretches:
            part = damaged.parts[place]
            if isinstance(part, Hole):
                if is_capital:
                    parts[place] = replace(part, any_case=True)
                    holes.add(numbers[place])
                begins_sentence = False
            elif is_capital:
                text_in_ordinary_case = _in_ordinary_case(part[start:end], cased, begins_sentence)
                texts[place][start:end] = text_in_ordinary_case
        begins_sentence = word.ends_sentence or (begins_sentence and not word.letters)
    for place, text in enumerate(texts):
        if text:
            parts[place] = "".join(text)
    return OrdinaryCase(Damaged(tuple(parts)), frozenset(holes))


def _hole_places(damaged: Damaged) -> list[int]:
    return [place for place, part in enumerate(damaged.parts) if isinstance(part, Hole)]


@dataclass
class _Word:
    """A word of the text, also one of holes and what touches them.

    Attributes:
        stretches: the part of the text, and the characters in it; (part, 0, 0) for a hole.
        letters: its known letters.
    """

    stretches: list[tuple[int, int, int]]
    letters: str
    ends_sentence: bool = False


def _words(damaged: Damaged) -> list[_Word]:
    words: list[_Word] = []
    joins = False
    for place, part in enumerate(damaged.parts):
        if isinstance(part, Hole):
            letters = "".join(element.text for element in part.elements if isinstance(element, Known))
            _add(words, joins, (place, 0, 0), letters)
            joins = True
            continue
        for match in _WORD.finditer(part):
            _add(words, joins and match.start() == 0, (place, *match.span()), match.group())
        joins = not part[-1:].isspace()
    return words


def _add(words: list[_Word], joins: bool, stretch: tuple[int, int, int], text: str) -> None:
    letters = "".join(filter(str.isalpha, text))
    if joins and words:
        words[-1].stretches.append(stretch)
        words[-1].letters += letters
    else:
        words.append(_Word([stretch], letters))
    words[-1].ends_sentence = text == "\n" or _SENTENCE_END.search(text) is not None


def _in_capitals(words: list[_Word]) -> list[bool]:
    """Whether each word is one of a stretch of capitals: of three words, or of two with many letters."""
    in_capitals = [False] * len(words)
    start = 0
    for end in range(len(words) + 1):
        if end < len(words) and not any(letter.islower() for letter in words[end].letters):
            continue
        stretch = words[start:end]
        capitals = [word.letters for word in stretch if sum(map(str.isupper, word.letters)) > 1]
        if len(capitals) > 2 or (len(capitals) == 2 and sum(map(len, capitals)) >= _LETTERS):
            in_capitals[start:end] = [True] * len(stretch)
        start = end + 1
    return in_capitals


def _in_ordinary_case(word: str, cased: Cased, begins_sentence: bool) -> str:
    core = re.search(r"\w.*\w|\w", word)
    if core is None or core.group() == "I":
        return word
    text = cased(lower(core.group()))
    if begins_sentence:
        text = _one(text[0], text[0].upper()) + text[1:]
    return word[: core.start()] + text + word[core.end() :]


def casing(words: WordList | None, tokens: Callable[[str], int]) -> Cased:
    """How words in small letters are written: by the word list, and where it has neither by the tokenizer.

    Args:
        tokens: how many tokens a word takes, a space before it.
    """
    listed: Mapping[str, int] = {} if words is None else words.counts

    def cased(word: str) -> str:
        title = _one(word[0], word[0].upper()) + word[1:]
        counts = listed.get(word, 0), listed.get(title, 0)
        if counts != (0, 0):
            return title if counts[1] > counts[0] else word
        if not word.isalpha():
            return word
        # A name that the list does not have is likelier than another word that it does not have.
        return title if tokens(title) <= tokens(word) else word

    return cased
