"""Which tokens make up the words of a text.

A tokenizer splits a text into words before it looks for tokens, at spaces and
punctuation. Scripts that are written without spaces (Chinese, Japanese, Thai,
Lao, Khmer, Burmese) leave whole clauses together. There the default word
boundaries of Unicode (UAX #29) split further: a Han character or a Hiragana
is a word by itself, and so is a syllable of Thai; Katakana stays together. A
boundary inside a token is no boundary, since a token cannot be split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from fillmask.tokenization.encoding import Word

_FIRST = "\u0e00"  # Thai; no script without spaces has characters before it


@cache
def _patterns() -> tuple[Any, Any]:
    """What finds a character of a script without spaces, and what finds word boundaries."""
    import regex  # of the base install; a text in Latin letters does not wait for it

    unspaced = r"[\p{Line_Break=Complex_Context}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]"
    return regex.compile(unspaced), regex.compile(r"(?w)\b")


def words_of(text: str, raw: Any) -> Iterator[Word]:
    """The words of a text, in its order.

    Args:
        raw: the `tokenizers.Encoding` of the text.
    """
    offsets: Sequence[tuple[int, int]] = raw.offsets
    groups: dict[tuple[int | None, int], list[int]] = {}
    for place, (word, is_special) in enumerate(zip(raw.word_ids, raw.special_tokens_mask, strict=True)):
        if not is_special:
            # A token that belongs to no word, as those added to a vocabulary, is one.
            groups.setdefault((word, -1 if word is not None else place), []).append(place)
    for places in groups.values():
        for part in _split(text, places, offsets):
            start, end = offsets[part[0]][0], offsets[part[-1]][1]
            word_text = text[start:end]
            start += len(word_text) - len(word_text.lstrip())
            yield Word(start, max(start, start + len(word_text.strip())), tuple(part))


def _split(text: str, places: Sequence[int], offsets: Sequence[tuple[int, int]]) -> Iterator[Sequence[int]]:
    """The places of a word of the tokenizer, in parts at the boundaries of Unicode if its script has no spaces."""
    start, end = offsets[places[0]][0], offsets[places[-1]][1]
    word_text = text[start:end]
    if len(places) == 1 or max(word_text, default="") < _FIRST or not _patterns()[0].search(word_text):
        yield places
        return
    inside = {boundary for place in places for boundary in range(offsets[place][0] + 1, offsets[place][1])}
    boundaries = [start + match.start() for match in _patterns()[1].finditer(word_text)]
    boundaries = [boundary for boundary in boundaries if start < boundary < end and boundary not in inside]
    part: list[int] = []
    for place in places:
        if part and boundaries and offsets[place][0] >= boundaries[0]:
            yield part
            part = []
        while boundaries and offsets[place][0] >= boundaries[0]:
            boundaries.pop(0)
        part.append(place)
    yield part
