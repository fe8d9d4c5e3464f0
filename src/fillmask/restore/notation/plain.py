"""Plain text with holes, as people write them.

`PLAIN_SIGNS` lists the signs, `common_signs` those that other notations have
too. Everything else stands as it is: [sic], (brackets), a < b.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fillmask.restore.notation.assembly import assemble
from fillmask.restore.notation.common_signs import COMMON_SIGNS
from fillmask.restore.notation.document import Document, Gone, Piece, Said, counted, roughly, trailing, unknown
from fillmask.restore.notation.signs import Addresses, Sign, Signs, lost
from fillmask.restore.notation.unread_signs import suspicious, warn_of_unread

# Dots that stand for letters: also those in the middle of the line, and leaders of one and two dots.
DOTS = ".…․‥·∙⋅•"


def _counted(match: re.Match[str]) -> Sequence[Piece]:
    sign = match.group()
    letters = dots(sign) + sign.count("_")
    if "?" in sign:
        return [Piece(match.start(), sign, roughly(letters))]
    alone = unknown().alone if sign[0] == "_" or letters == 3 else counted(letters).alone
    return [Piece(match.start(), sign, Gone(alone, counted(letters).attached))]


PLAIN_SIGNS = (
    Sign(
        "bracket",
        rf"\[ ?(?:[{DOTS}_]+|\.(?: \.)+) ?\??\]",
        _counted,
        ("`[..]`", "`[....]`", "`ba[...]ry`", "`[···]`"),
        "as many characters as dots, with `?` about so many; `[...]` and `[…]` by themselves: lost, nobody knows how much",
    ),
    *COMMON_SIGNS,
    Sign(
        "blank",
        r"_+",
        _counted,
        ("`___`", "`b_k_ry`", "`ba__ry`"),
        "lost, nobody knows how much; at letters one character each. `_very_` and `__bold__` are emphasis",
    ),
    Sign(
        "ellipsis",
        r"(?:\.{3}|…)(?=\.(?![.…]))|…[.…]*|\.(?:\.|…)(?:\.|…)+|\.…|\.(?: \.){2,}",
        lost(trailing()),
        ("`...`", "`…`", "`. . .`"),
        "lost, nobody knows how much; at a word (`bak...`) it leaves open whether the word goes on. Of four dots the last is "
        "a full stop",
    ),
)
_SIGNS = Signs(PLAIN_SIGNS)


def parse_plain(source: str, *, keep_ellipses: bool = False) -> Document:
    """Read plain text. Any text is well-formed.

    Args:
        keep_ellipses: whether ellipses without brackets are punctuation, not damage.
    """
    pieces = list(_pieces(source, keep_ellipses))
    warn_of_unread(source, suspicious(pieces))
    return assemble("plain", source, pieces, lines=True)


def _pieces(source: str, keep_ellipses: bool) -> Iterator[Piece]:
    end = position = 0
    addresses = Addresses(source)
    while match := _SIGNS.pattern.search(source, position):
        if address_end := addresses.end_of(*match.span()):
            position = max(address_end, match.start() + 1)
            continue
        pieces = None if match.lastgroup == "ellipsis" and keep_ellipses else _SIGNS.read(match)
        position = match.end()
        if not pieces:
            continue
        if match.start() > end:
            yield Piece(end, source[end : match.start()], Said(source[end : match.start()]))
        yield from pieces
        end = match.end()
    if end < len(source):
        yield Piece(end, source[end:], Said(source[end:]))


def dots(sign: str) -> int:
    """How many dots there are; an ellipsis character is three, a leader of two dots two."""
    return sum(3 if character == "…" else 2 if character == "‥" else character in DOTS for character in sign)
