"""Notes that say in words how much is lost: `[2 lines lost]`, `[ca. 7 letters]`, `[illegible]`.

Transcripts have them beside signs, so the plain and the Leiden notation read
them alike. A note is nothing but a note: a number with letters, words or
lines, or a word of loss by itself or with what is lost. Whatever else stands
in brackets (`[the]`, `[lost at sea]`, `[two lines]`) is text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fillmask.restore.notation.document import LONGEST_COUNT, Gone, counted, one_word, roughly, some_words, unknown
from fillmask.restore.notation.extent import number

DASH = "-‐–—−"
ABOUT = r"(?:c(?:a|irca)?\.? ?|± ?)"

_MOST_WORDS = 50
_FILL = rf"[{DASH}. ]{{0,40}}"
_NUMBER = rf"\d+(?: ?(?:[{DASH}/]|to|or) ?\d+)?"
_ROUGHLY = rf"(?:(?:about|approximately|approx\.|some) |{ABOUT})"
_LOSS = (
    r"(?:lost|missing|illegible|unreadable|effaced|destroyed|lacking|torn(?: off| away)?|unclear|undecipherable|"
    r"indecipherable|undeciphered|unintelligible|obliterated|obscured|smudged|blotted|stained|damaged|faded|"
    r"cut off|cut away|trimmed|worn|rubbed|burnt|burned|redacted|censored|blacked out|withheld)"
)
_LETTERS = r"letters?|lett\.?|litt\.?|characters?|chars?\.?"
_UNIT = rf"(?:{_LETTERS}|words?|lines?)"
_ANY = r"(?:letters?|characters?|words?|lines?|sentences?|verses?|paragraphs?|columns?|pages?|leaf|leaves|folios?)"
# In other brackets than square ones a note must say more than that something is torn or missing.
_PLAINLY_LOST = r"(?:illegible|unreadable|undecipherable|indecipherable|redacted)"
_THING = (
    r"(?:page|paper|sheet|leaf|manuscript|ms|letter|edge|corner|margin|ink|name|names|date|dates|place|signature|seal)"
)
_MANY = r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|several|some|a few|many)"
_PART = rf"(?:(?:the )?(?:rest|remainder|beginning|end)(?: of (?:the )?{_ANY})?|(?:the )?(?:text|{_ANY}|{_THING}))"
_LOST = rf"(?: (?:is |are )?{_LOSS})"

# With a number: at letters too. In words: not where it touches letters, for `f[lost]` is supplied.
_SO_MANY = rf"\[(?:{_LOSS} ?[:,{DASH}] ?)?{_FILL}{_ROUGHLY}?{_NUMBER} ?"
_COUNTED = rf"{_SO_MANY}(?:{_UNIT}{_LOST}?|{_ANY}{_LOST}) ?\??{_FILL}\]"
_TORN = r"(?:hole(?: in (?:the )?(?:paper|page|sheet|ms|manuscript))?|ink ?blot|blot|water ?(?:damage|stain)|tear)"
_SAID = (
    rf"(?:{_MANY} {_ANY}{_LOST}|(?:{_MANY} )?{_LOSS} (?:{_ANY}|{_THING}|text)|(?:{_PART} (?:is |are )?)?{_LOSS}"
    rf"|{_TORN}|lacuna|gap)"
)
_TOLD = rf"(?<!\w)(?:\[\[? ?{_SAID} ?\?? ?\]\]?|[({{<] ?(?:{_PART} )?{_PLAINLY_LOST} ?[)}}>])(?!\w)"
# `[illegible: 3 words]`
_TURNED = rf"\[{_LOSS} ?[:,{DASH}] ?(?:{_ROUGHLY}?{_NUMBER}|{_MANY}) {_ANY} ?\??\]"
NOTE = rf"(?i:{_COUNTED}|{_TURNED}|{_TOLD})"

_OF_WHAT = re.compile(rf"(?i){_SO_MANY}(?:(?P<letters>{_LETTERS})|(?P<words>words?))?")
_ABOUT_SO_MANY = re.compile(rf"(?i)\[(?:{_LOSS} ?[:,{DASH}] ?)?{_FILL}{_ROUGHLY}")
_SOME_WORDS = re.compile(
    rf"(?i)\W+(?:{_LOSS} ?[:,{DASH}] ?)?(?:(?P<many>{_MANY}|the) )?(?:{_LOSS} )?word(?P<plural>s?)\b"
)
# A bracket that seems to say how much is lost, and is not one of the notes.
_SEEMS = re.compile(
    rf"(?i)\[[^\[\]\n]{{0,80}}?\b(?:{_ANY}[^\[\]\n]{{1,40}}?\b{_LOSS}|{_LOSS} {_ANY})\b[^\[\]\n]{{0,80}}\]"
    rf"|{_SO_MANY}{_UNIT}\b[^\[\]\n]{{0,80}}\]"
)


def meaning(note: str) -> Gone | None:
    """What a note that `NOTE` matches says is lost; None where its numbers are no numbers of anything."""
    sizes = _OF_WHAT.match(note)
    if sizes is None:
        in_words = _SOME_WORDS.match(note)
        if in_words is None:
            return unknown()
        number_of_words = (
            1 if in_words["many"] == "the" else number(in_words["many"] or ("" if in_words["plural"] else "one"))
        )
        return some_words() if number_of_words is None else one_word(int(number_of_words))
    numbers = re.findall(r"\d+", note)
    about = _ABOUT_SO_MANY.match(note) is not None
    letters = letters_lost(numbers, about=about)
    if letters is None or sizes["letters"]:
        return letters
    words = count(numbers[0])
    exact = sizes["words"] and len(numbers) == 1 and not about
    return one_word(words) if exact and words is not None and words <= _MOST_WORDS else unknown()


def letters_lost(numbers: Sequence[str], *, about: bool) -> Gone | None:
    """So many letters, or from so many to so many; None where that is no number of anything.

    Args:
        numbers: one or two, as they are written.
        about: whether one number is only about right.
    """
    low, *others = map(count, numbers)
    if low == 0 or any(high is not None and low is not None and high < low for high in others):
        return None
    if low is None:
        return unknown()
    if others:
        return counted(low, others[0] or LONGEST_COUNT + 1)
    return roughly(low) if about else counted(low)


def seems(source: str, start: int) -> str:
    """The bracket at `start`, if it seems to be a note that is not understood; else nothing."""
    match = _SEEMS.match(source, start)
    return match.group() if match else ""


def count(digits: str) -> int | None:
    """A count of letters; None where there are too many to count."""
    return int(digits) if digits and len(digits) < 7 else None
