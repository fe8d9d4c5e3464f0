"""Plain text with holes, as people write them.

    ...  …  . . .        lost, nobody knows how much; at a word it leaves open whether the word goes on. Of four dots
                         the last is a full stop
    [...]  […]           the same, standing alone
    [..]  [....]         as many letters as dots; so does ba[...]ry, at letters
    ___                  lost, nobody knows how much
    b_k_ry  ba__ry       at letters: one a letter
    <mask>  [MASK]       one word
    [2 lines lost]       a note of a loss, see `notes`

Everything else stands as it is: [sic], (brackets), a < b.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fillmask.restore.notation.assembly import assemble
from fillmask.restore.notation.document import Document, Gone, Piece, Said, counted, one_word, trailing, unknown
from fillmask.restore.notation.notes import NOTE, meaning

_SIGN = re.compile(
    r"(?P<word><mask>|\[MASK\])"
    r"|(?P<bracket>\[ ?(?:[.…_]+|\.(?: \.)+) ?\])"
    rf"|(?P<note>{NOTE})"
    r"|(?P<blank>_+)"
    r"|(?P<ellipsis>(?:\.{3}|…)(?=\.(?![.…]))|…[.…]*|\.(?:\.|…)(?:\.|…)+|\.…|\.(?: \.){2,})"
)


def parse_plain(source: str, *, keep_ellipses: bool = False) -> Document:
    """Read plain text. Any text is well-formed.

    Args:
        keep_ellipses: whether ellipses without brackets are punctuation, not damage.
    """
    return assemble("plain", source, _pieces(source, keep_ellipses), lines=True)


def _pieces(source: str, keep_ellipses: bool) -> Iterator[Piece]:
    done = 0
    for sign in _SIGN.finditer(source):
        if sign.lastgroup == "ellipsis" and keep_ellipses:
            continue
        says = _meaning(sign.lastgroup or "", sign.group())
        if says is None:
            continue
        if sign.start() > done:
            yield Piece(done, source[done : sign.start()], Said(source[done : sign.start()]))
        done = sign.end()
        yield Piece(sign.start(), sign.group(), says)
    if done < len(source):
        yield Piece(done, source[done:], Said(source[done:]))


def _meaning(kind: str, sign: str) -> Gone | None:
    if kind == "word":
        return one_word()
    if kind == "note":
        return meaning(sign)
    if kind == "ellipsis":
        return trailing()
    letters = dots(sign) + sign.count("_")
    if kind == "blank" or letters == 3:
        return Gone(unknown().alone, counted(letters).attached)
    return counted(letters)


def dots(sign: str) -> int:
    """How many dots there are; an ellipsis character is three."""
    return sign.count(".") + 3 * sign.count("…")
