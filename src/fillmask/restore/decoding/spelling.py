"""The readings that a row of tokens spells in a hole, as they are written in the text.

Byte-level tokens say their text themselves. Other tokenizers lower-case or
drop accents, and WordPiece leaves spaces out: there the letters that survive
are written as they stand in the hole, and a space is put wherever the hole
admits one and writing asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from fillmask.restore.damage import Element, Hole, Known, fitted
from fillmask.restore.decoding.automaton import Region, is_cut
from fillmask.restore.decoding.vocabulary import BREAK_MARK, BYTES, WORDPIECE, Vocabulary

_MOST = 16  # ways of setting spaces that are tried
_NO_SPACE_BEFORE = set(",.;:!?)]}%'’”…-–—/")
_NO_SPACE_AFTER = set("([{'‘“-–—/$£€#")


def readings(vocabulary: Vocabulary, region: Region, tokens: Sequence[int]) -> list[str]:
    """Every reading that the tokens spell and the hole admits, the best-set first; usually one."""
    pieces = [vocabulary.spelled(token) for token in tokens]
    if vocabulary.kind == BYTES:
        text = b"".join(piece for piece in pieces if isinstance(piece, bytes)).decode()
        inner = text[len(region.lead) : len(text) - len(region.tail)]
        return [inner] if region.hole.admits(inner) else []
    text = "".join(piece for piece in pieces if isinstance(piece, str))
    texts: list[str] = []
    for way in _spaced(text) if vocabulary.kind == WORDPIECE else [text]:
        inner = way[len(region.lead) : len(way) - len(region.tail)]
        written = restored(vocabulary, region.hole, inner)
        if written is not None and region.hole.admits(written) and written not in texts:
            texts.append(written)
    return texts


def _spaced(text: str) -> list[str]:
    """The ways of setting spaces between WordPiece words: where letters meet always, beside punctuation as usual first."""
    words = text.split(BREAK_MARK)[1:]
    ways = [words[0]] if words else [""]
    for word in words[1:]:
        grown = []
        for way in ways:
            loose, tight = f"{way} {word}", way + word
            if not (is_cut(way[-1]) or is_cut(word[0])):
                grown.append(loose)
            elif word[0] in _NO_SPACE_BEFORE or way[-1] in _NO_SPACE_AFTER:
                grown += [tight, loose]
            else:
                grown += [loose, tight]
        ways = grown[:_MOST] if len(grown) <= _MOST else grown[:: len(grown) // _MOST]
    return ways


def restored(vocabulary: Vocabulary, hole: Hole, text: str) -> str | None:
    """`text` with the known characters of the hole written as they survive; None where they are not in it."""
    if hole.targets is not None:
        for target in hole.targets:
            if "".join(map(vocabulary.normalize, target)) == text:
                return target
        return None
    plain: list[Element] = [
        replace(e, text="".join(map(vocabulary.normalize, e.text))) if isinstance(e, Known) else e
        for e in hole.elements
    ]
    ends = fitted(plain, text, loosely=True)
    if ends is None:
        return None
    shown = []
    for written, element, (start, end) in zip(hole.elements, plain, pairwise([0, *ends]), strict=True):
        part = text[start:end]
        if isinstance(written, Known) and isinstance(element, Known):
            shown.append(written.text if part == element.text else _unclear(vocabulary, written.text, part))
        else:
            shown.append(part)
    return "".join(shown)


def _unclear(vocabulary: Vocabulary, written: str, read: str) -> str:
    """Each character as it looks where it was read so, and as read elsewhere."""
    if len(written) != len(read):
        return read
    return "".join(w if vocabulary.normalize(w) == r else r for w, r in zip(written, read, strict=True))
