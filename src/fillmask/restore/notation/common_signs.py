"""Signs that transcripts of any kind have: masks, notes, doubt, struck-through text, redactions, broken characters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from fillmask.restore.notation.document import (
    Break,
    Gone,
    Hidden,
    Piece,
    counted,
    one_word,
    roughly,
    unknown,
)
from fillmask.restore.notation.notes import NOTE, meaning
from fillmask.restore.notation.signs import Sign, lost, nothing, unclear

LETTER = r"[^\W\d_]"
_DOUBT = r"(?:unclear|uncertain|illegible|questionable)"
_STRUCK = r"(?:strike(?:-?through|-?out)?|struck(?: (?:out|through))?|deletion|deleted|del|crossed[ -]?out|cancelled)"
_TAGS = (
    r"(?:underlined?|underscored?|bold(?:face)?|italics?|insert(?:ion|ed)?|superscript|subscript|circled|boxed|image|"
    r"(?:left|right|top|bottom)? ?margin|start page|end page|page break|double underlined?|upside down|vertical)"
)
_BARS = "█▓▒▇■◼⬛"
_SQUARES = "□▯◻"


def _note(match: re.Match[str]) -> Sequence[Piece] | None:
    gone = meaning(match.group())
    return None if gone is None else [Piece(match.start(), match.group(), gone)]


def _between_tags(match: re.Match[str]) -> Sequence[Piece]:
    """Of `[unclear]barn[/unclear]`: the letters are hard to read; without letters they are lost."""
    opening = re.match(r"\[{1,2}[^\]]*\]{1,2}|<[^>]*>", match.group())
    closing = re.search(r"(?:\[{1,2}/[^\]]*\]{1,2}|</[^>]*>)\Z", match.group())
    assert opening is not None
    assert closing is not None
    start, end = match.start() + opening.end(), match.start() + closing.start()
    if not re.search(r"\w", match.string[start:end]):
        return [Piece(match.start(), match.group(), unknown())]
    return unclear(match.string, match.start(), match.end(), start, end)


def _struck(match: re.Match[str]) -> Sequence[Piece]:
    return [Piece(match.start(), match.group(), Hidden(match.group()))]


def _doubted(match: re.Match[str]) -> Sequence[Piece]:
    """Of `[barn?]`: the words in the brackets."""
    inner = re.search(r"\w.*\w|\w", match.group(), re.DOTALL)
    assert inner is not None
    start = match.start()
    return unclear(match.string, start, match.end(), start + inner.start(), start + inner.end())


def _doubted_before(match: re.Match[str]) -> Sequence[Piece]:
    """Of `Fenner[?]`: the letters before the sign."""
    end = match.start() + len(match.group().partition("[")[0])
    return unclear(match.string, match.start(), match.end(), match.start(), end)


def _question(match: re.Match[str]) -> Sequence[Piece]:
    """Of `[?]`: something; of more question marks, a letter each where they are part of a word."""
    count = match.group().count("?")
    if count == 1:
        return [Piece(match.start(), match.group(), unknown())]
    attached = counted(count).attached
    return [
        Piece(match.start(), match.group(), Gone(unknown().alone if count == 3 else counted(count).alone, attached))
    ]


def _letters(match: re.Match[str]) -> Sequence[Piece]:
    """A letter for each character."""
    return [Piece(match.start(), match.group(), counted(len(match.group())))]


def _stars(match: re.Match[str]) -> Sequence[Piece] | None:
    """Of `d**n`; a word with two runs of stars is emphasized."""
    line = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
    before = line.rpartition(" ")[2]
    after = re.match(r"\S*", match.string[match.end() :])
    if "*" in before or (after is not None and "*" in after.group()):
        return None
    return _letters(match)


@lru_cache(maxsize=4)
def _has_model_signs(source: str) -> bool:
    """Whether a text has signs of the models for inscriptions: `?` among letters, or `#` by itself."""
    return re.search(rf"{LETTER}\?{{2,}}{LETTER}|(?<!^)(?<=[ ])#(?=[ .,;])", source, re.MULTILINE) is not None


def _dashes(match: re.Match[str]) -> Sequence[Piece] | None:
    """Dashes among letters are a dash in a text that has no other sign of these models."""
    return _letters(match) if _has_model_signs(match.string) else None


def _bars(match: re.Match[str]) -> Sequence[Piece]:
    count = len(match.group())
    return [Piece(match.start(), match.group(), Gone(unknown().alone, roughly(count).attached))]


def _empty(match: re.Match[str]) -> Sequence[Piece] | None:
    """Of `[   ]`: blanks; not the box of a list."""
    line = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
    if re.fullmatch(r"\s*(?:[-*+]|\d+[.)])\s+", line):
        return None
    blanks = len(match.group()) - 2
    return [Piece(match.start(), match.group(), Gone(unknown().alone, roughly(blanks).attached))]


def _space(match: re.Match[str]) -> Sequence[Piece]:
    return [Piece(match.start(), match.group(), Break("word"))]


COMMON_SIGNS = (
    Sign("word", r"<mask>|\[MASK\]", lost(one_word()), ("`<mask>`", "`[MASK]`"), "exactly one word"),
    Sign(
        "unclear_tags",
        rf"(?i:\[{{1,2}}{_DOUBT}\]{{1,2}}[^\[\]\n]{{0,200}}\[{{1,2}}/{_DOUBT}\]{{1,2}}|<{_DOUBT}>[^<>\n]{{0,200}}</{_DOUBT}>)",
        _between_tags,
        ("`[unclear]barn[/unclear]`", "`<unclear>barn</unclear>`"),
        "hard to read: likely these letters; lost where there are none",
    ),
    Sign(
        "struck",
        rf"~~[^~\n]{{1,200}}~~|(?i:<(?:del|s|strike)>[^<>\n]{{0,200}}</(?:del|s|strike)>"
        rf"|\[{{1,2}}{_STRUCK}\]{{1,2}}[^\[\]\n]{{0,200}}\[{{1,2}}/{_STRUCK}\]{{1,2}}"
        rf"|\[{{1,2}}{_STRUCK}[:;][^\[\]\n]{{0,200}}\]{{1,2}}|\[{{1,2}}{_STRUCK}\]{{1,2}})"
        r"|(?:\w\u0336[\u0300-\u036f]*)(?:[ ]?\w\u0336[\u0300-\u036f]*)*",
        _struck,
        ("`~~cat~~`", "`<del>cat</del>`", "`[strikethrough]cat[/strikethrough]`", "`[crossed out: cat]`", "`c̶a̶t̶`"),
        "struck through: not read",
    ),
    Sign(
        "tags",
        rf"(?i:\[{{1,2}}/?{_TAGS}\]{{1,2}})",
        nothing,
        ("`[[underlined]]very[[/underlined]]`", "`[insertion]new[/insertion]`"),
        "how something is written: read without the tags",
    ),
    Sign(
        "blank_note",
        r"(?i:\[{1,2} ?(?:left )?blank(?: (?:page|space|line|in (?:the )?(?:ms|manuscript|original)))? ?\]{1,2})",
        _space,
        ("`[blank]`", "`[blank space]`"),
        "nothing was written there: no loss",
    ),
    Sign(
        "note",
        NOTE,
        _note,
        (
            "`[illegible]`",
            "`[torn]`",
            "`[page torn]`",
            "`[[unclear]]`",
            "`[undecipherable]`",
            "`[REDACTED]`",
            "`(illegible)`",
        ),
        "lost, nobody knows how much; the guide has more such notes",
    ),
    Sign(
        "doubt_before",
        rf"(?<!\w)[\w’']*{LETTER}\[\?\](?!\w)",
        _doubted_before,
        ("`Fenner[?]`",),
        "hard to read: likely this word",
    ),
    Sign(
        "question",
        r"\[{1,2} ?\?+ ?\]{1,2}",
        _question,
        ("`[?]`", "`[???]`", "`s[????]`"),
        "lost, nobody knows how much; of a word, as many characters as question marks",
    ),
    Sign(
        "doubted",
        r"\[{1,2} ?[\w’'.&-]*\w(?: [\w’'.&-]*\w){0,2} ?\?\]{1,2}",
        _doubted,
        ("`[barn?]`", "`[[John Fenner?]]`"),
        "hard to read: likely these words",
    ),
    Sign(
        "empty",
        r"\[[ \t\u00a0]+\]",
        _empty,
        ("`[   ]`", "`ba[  ]ry`"),
        "lost, nobody knows how much; of a word, about as many characters as blanks",
    ),
    Sign(
        "bars",
        rf"[{_BARS}]{{2,}}(?:[ ]?[{_BARS}]{{2,}})*|█",
        _bars,
        ("`██████`",),
        "redacted: lost, nobody knows how much",
    ),
    Sign(
        "exemption",
        r"\([bk]\) ?\(\d\)(?: ?\([A-Z]\))?(?:(?:, ?| ?; ?| ?/ ?| )\([bk]\) ?\(\d\)(?: ?\([A-Z]\))?)*",
        lost(unknown()),
        ("`(b)(6)`", "`(b)(7)(C)`"),
        "redacted by law: lost, nobody knows how much",
    ),
    Sign(
        "squares",
        rf"[{_SQUARES}]+|\ufffd+",
        _letters,
        ("`□□`", "U+FFFD"),
        "characters that cannot be shown: one each",
    ),
    Sign(
        "questions",
        rf"(?<={LETTER})\?+(?={LETTER})|(?<!\S)\?{{2,}}(?={LETTER})",
        _letters,
        ("`ba???ry`",),
        "among letters: one character each",
    ),
    Sign(
        "stars",
        rf"(?<={LETTER})\*{{2,}}(?={LETTER})|(?<={LETTER}{LETTER})\*(?={LETTER})|(?<={LETTER})\*(?={LETTER}{LETTER})",
        _stars,
        ("`d**n`",),
        "among letters: one character each; a word with stars round a part of it is emphasized",
    ),
    Sign(
        "hash",
        r"(?<=[ ])#(?=[ .,;:!?\n]|\Z)(?! ?\d)",
        lost(unknown()),
        ("`the # and`",),
        "by itself: lost, nobody knows how much",
    ),
    Sign(
        "dashes_in_word",
        rf"(?<={LETTER})-{{2,}}(?={LETTER})",
        _dashes,
        ("`bou--t`",),
        "among letters, in a text that also has `ba???ry` or `#`: one character each; else a dash",
    ),
)
