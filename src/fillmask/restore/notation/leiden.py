"""The Leiden conventions, as papyrologists and epigraphers write damage, and signs of Leiden+.

`LEIDEN_SIGNS` lists the signs, `common_signs` those that other notations have
too; a dot below a letter says that it is unclear. Brackets nest.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator

from fillmask.errors import FillMaskWarning, NotationError
from fillmask.restore.notation.assembly import assemble
from fillmask.restore.notation.common_signs import COMMON_SIGNS
from fillmask.restore.notation.document import (
    Break,
    Document,
    Gone,
    Hidden,
    Lines,
    Mark,
    MarkKind,
    Piece,
    Said,
    Unclear,
    counted,
    malformed,
    roughly,
    unknown,
)
from fillmask.restore.notation.notes import ABOUT, DASH, NOTE, letters_lost, meaning, seems
from fillmask.restore.notation.plain import DOTS, dots
from fillmask.restore.notation.signs import Addresses, Sign, Signs
from fillmask.restore.notation.unread_signs import suspicious, warn_of_unread

_FILL = rf"[{DASH}. ]*"
# About so many: `c. 4`, and `+4+`, which some write for `± 4`. So many as nobody knows: `c. ?`.
_ROUGHLY = rf"{_FILL}(?:{ABOUT}{{count}} ?\??|\+ ?{{count}} ?\+){_FILL}"
_COUNT = rf"(?:\d+(?: ?[{DASH}] ?\d+)?)"
_UNCOUNTED = rf"{_FILL}{ABOUT}\?{_FILL}"
_LONE_OPEN = r"\[(?=[ \t]*(?:\r|\n|\Z))"
_LONE_CLOSE = r"(?:(?<=\n)|(?<=\r)|(?<![\s\S]))[ \t]*\]"
_COMMON_SIGNS = tuple(sign for sign in COMMON_SIGNS if sign.name != "note")
_TAGS = [sign for sign in _COMMON_SIGNS if sign.name in ("unclear_tags", "struck", "tags")]  # before notes in brackets

LEIDEN_SIGNS = (
    *_TAGS,
    Sign(
        "unknown",
        rf"\[ ?(?:[{DASH}] ?)+\??\]|\[{_UNCOUNTED}\]|\[\.\?(?:lin)?\]|\[\.\d+(?:-\d+)?lin\]",
        None,
        ("`[---]`", "`[- - -]`", "`[---?]`", "`[c. ?]`", "`[.?]`", "`[.2lin]`"),
        "lost, nobody knows how much",
    ),
    Sign(
        "about",
        rf"\[{_ROUGHLY.format(count=_COUNT)}\]",
        None,
        ("`[c. 4]`", "`[ca. 4]`", "`[± 4]`", "`[+4+]`", "`[- ca. 7 -]`", "`[c. 4-6]`"),
        "about so many: from half as many to half as many again, by two at least; `[c. 4-6]` from four to six",
    ),
    Sign(
        "note",
        NOTE,
        None,
        ("`[2 lines lost]`", "`[ca. 7 letters]`", "`[illegible]`"),
        "a note of a loss, see the guide",
    ),
    Sign(
        "exact",
        rf"\[ ?[{DASH}.][{DASH}. ]*\d+[{DASH}. ]*[{DASH}.] ?\]|\[\.\d+(?:-\d+)?\]",
        None,
        ("`[-7-]`", "`[.6]`", "`[.1-3]`"),
        "exactly so many characters; from one to three",
    ),
    Sign(
        "counted",
        rf"\[[ \n]*[{DOTS}][{DOTS} \n]*\??\]",
        None,
        ("`[...]`", "`[. . .]`", "`[···]`", "`[.... ..]`", "`[..?]`"),
        "lost characters, one a dot; a blank is a word boundary that is known; with `?` about so many",
    ),
    Sign(
        "variant",
        r"<:[^<>|\n]{0,200}\|[a-z]+\|[^<>\n]{0,200}:>",
        None,
        ("`<:new|reg|nu:>`",),
        "what is read, the kind of the change, what is written: the first is read",
    ),
    Sign(
        "lone",
        rf"{_LONE_OPEN}|{_LONE_CLOSE}",
        None,
        ("`ba[` at the end of a line", "`]ry` at its beginning"),
        "lost up to the edge, nobody knows how much",
    ),
    *(sign for sign in _COMMON_SIGNS if sign not in _TAGS),
    Sign(
        "vacat",
        r"\(?\bvac(?:at\b|\.)(?: ?(?:c\. ?)?\d+)?(?: ?litt\.?)?\)?",
        None,
        ("`(vac. 3)`", "`vacat`"),
        "nothing was written there: no loss",
    ),
    Sign(
        "opening",
        r"\[\[|[⟦〚⟨〈⌊⸤]|\[|\{|<|\\(?=[^\\/\n]{1,80}/)",
        None,
        ("`[abc]`", "`<abc>` `⟨abc⟩` `〈abc〉`", "`{abc}`", "`[[abc]]` `⟦abc⟧` `〚abc〛`", "`\\abc/`"),
        "supplied by the editor: read, also `⌊abc⌋`; left out by the writer and supplied: read; superfluous: not read; erased: "
        "read, for the sentence was written with it; added above the line: read",
    ),
    Sign("closing", r"[\]⟧〛}>⟩〉⌋⸥/]", None, ("`]` and the others",), "the end of what such a bracket began"),
    Sign("doubt", r"\([?!]\)", None, ("`(?)`", "`(!)`"), "the editor's doubt or surprise: not read"),
    Sign(
        "expansion",
        r"(?<=[^\W\d_])\([^\W\d_]+\)",
        None,
        ("`M(iste)r`",),
        "an abbreviation spelled out: read; a hole cannot be in it",
    ),
    Sign(
        "dots",
        rf"[{DOTS}]+",
        None,
        ("`..` outside brackets",),
        "traces of letters, one character a dot",
    ),
    Sign("traces", r"\+{2,}", None, ("`+++`",), "traces of letters, one character each"),
    Sign("dashes", rf"[{DASH}](?: ?[{DASH}])+", None, ("`[---ing]`",), "in brackets: lost, nobody knows how much"),
    Sign("blank", r"_+", None, ("`___`", "`b_k_ry`"), "as in plain text"),
    Sign("bar", r"\|+", None, ("`|`",), "the end of a line; between letters the word goes on"),
    Sign(
        "paragraph",
        r"(?:\r\n|\r(?!\n)|\n)[^\S\r\n]*(?:\r\n?|\n)\s*",
        None,
        ("an empty line",),
        "the end of a paragraph: brackets close before it",
    ),
)
_SIGNS = Signs(LEIDEN_SIGNS)
_NOTE = re.compile(NOTE)
_COMMON = Signs(_COMMON_SIGNS)
_COMMON_NAMES = frozenset(sign.name for sign in _COMMON_SIGNS)
_CLOSERS = {
    "[": "]", "[[": "]]", "⟦": "⟧", "〚": "〛", "{": "}", "<": ">", "⟨": "⟩", "〈": "〉", "⌊": "⌋", "⸤": "⸥", "\\": "/"
}  # fmt: skip
_KINDS: dict[str, MarkKind] = {
    "[": "supplied", "[[": "erased", "⟦": "erased", "〚": "erased", "{": "surplus", "<": "omitted", "⟨": "omitted",
    "〈": "omitted", "⌊": "supplied", "⸤": "supplied", "\\": "added",
}  # fmt: skip
_DEEPEST = 50
_NEAR = 20  # characters
_NO_SIZE = "{} says how many letters are lost; expected at least 1, and a range that grows"

# A letter with a dot below: the mark by itself among other marks, or one of the letters that Unicode has with it.
_DOTTED = "".join(chr(code) for code in range(0x1E00, 0x1F00) if "\u0323" in unicodedata.normalize("NFD", chr(code)))
_UNCLEAR = re.compile(
    rf"(?:(?:[{_DOTTED}][\u0300-\u036f]*)|(?:[^\W_][\u0300-\u0322\u0324-\u036f]*\u0323[\u0300-\u036f]*))+"
)

# What says that a text is Leiden and not plain: signs that plain text has no use for.
_LETTER = r"[^\W\d_]"
_LEIDEN = re.compile(
    rf"\[ ?[{DASH}](?: ?[{DASH}])+ ?\??\]"
    rf"|\[{_ROUGHLY.format(count=_COUNT)}\]|\[{_UNCOUNTED}\]"
    rf"|\[[{DASH}]+ ?\d+ ?[{DASH}]+\]"
    r"|\[(?=[.… \n]*?(?:\.\.|…)) *[.…]+(?:[ \n]+[.…]+)+ *\]"  # and not [. . .], which plain text has too
    rf"|\w\u0323|[⟦〚⌊⸤]|\[\[[^\[\]\n]+\]\]|[⟨〈]{_LETTER}+[⟩〉]"
    r"|\[\.(?:\d+(?:-\d+)?(?:lin)?|\?(?:lin)?)\]|<:[^<>|\n]+\|[a-z]+\|"
    rf"|{_LETTER}\[[ \t]*$|^[ \t]*\]{_LETTER}|(?<![^\s])\+{{3,}}(?![^\s.,;:])|(?<![\w/\\:])\\{_LETTER}[\w ]*/(?!\w*[/\\])"
    rf"|(?<={_LETTER})\[(?!sic\]|MASK\]){_LETTER}[^\[\]\n]*\]|\[(?!MASK\])[^\[\]\n]*{_LETTER}\](?={_LETTER})"
    rf"|(?<={_LETTER})\{{{_LETTER}+\}}|\{{{_LETTER}+\}}(?={_LETTER})",
    re.MULTILINE,
)
# A letter typed with its dot as one character is the same sign, but not in what is written with such letters: in
# Vietnamese (by its đ, its horns and hooks) and in transcripts of Indian and Semitic languages (by their macrons).
_DOTTED_LETTER = re.compile(f"[{_DOTTED}]")
_OWN_DOTS = re.compile("[đĐơƠưƯảẢẻẺỉỈỏỎủỦỷỶāĀēĒīĪōŌūŪ]")
# Those of the writer's omissions, where they are not the tags of HTML.
_OMITTED = re.compile(rf"(?<={_LETTER})<(?!mask>){_LETTER}+>|<(?!mask>){_LETTER}+>(?={_LETTER})")


def looks_leiden(source: str) -> bool:
    """Whether a text has a sign of the Leiden conventions that plain text has not."""
    source = _COMMON.pattern.sub("; ", _NOTE.sub("; ", source))  # which plain text has too
    if _LEIDEN.search(source) or ("</" not in source and _OMITTED.search(source)):
        return True
    return _DOTTED_LETTER.search(source) is not None and _OWN_DOTS.search(unicodedata.normalize("NFC", source)) is None


def parse_leiden(source: str, *, keep_ellipses: bool = False) -> Document:
    """Read a text in Leiden notation.

    Args:
        keep_ellipses: whether three dots without brackets are punctuation, not traces of letters.

    Raises:
        NotationError: a bracket that is not closed in its paragraph, or that closes nothing.
    """
    pieces = list(_Reader(source, keep_ellipses).pieces())
    warn_of_unread(source, suspicious(pieces))
    return assemble("leiden", source, pieces, lines=True)


class _Reader:
    def __init__(self, source: str, keep_ellipses: bool) -> None:
        self.source = source
        self.keep_ellipses = keep_ellipses
        self.open: list[tuple[str, int]] = []  # bracket, and where it opened

    def pieces(self) -> Iterator[Piece]:
        end = position = 0
        addresses = Addresses(self.source)
        while sign := _SIGNS.pattern.search(self.source, position):
            if address_end := addresses.end_of(*sign.span()):
                position = max(address_end, sign.start() + 1)
                continue
            superfluous = self._superfluous  # of the text before the sign, which may open or close a bracket
            sign_pieces = self._sign(sign)
            if not sign_pieces:  # ordinary text after all
                position = sign.end()
                continue
            yield from self._text(end, sign.start(), superfluous)
            yield from sign_pieces
            end = position = sign_pieces[-1].end
        yield from self._text(end, len(self.source), self._superfluous)
        if self.open:
            raise self._unclosed()

    def _sign(self, sign: re.Match[str]) -> list[Piece]:
        """What a sign says; nothing where it is no sign in its place."""
        start, text = sign.start(), sign.group()
        if sign.lastgroup in _COMMON_NAMES:
            pieces = _SIGNS.read(sign) or ()
            return [Piece(start, text, Hidden(text))] if pieces and self._superfluous else list(pieces)
        match sign.lastgroup:
            case "unknown" | "lone":
                return [self._lost(start, text, unknown())]
            case "about" | "exact":
                return [self._lost(start, text, self._number(sign))]
            case "note":
                gone = meaning(text)
                if gone is None:
                    raise malformed(self.source, start, _NO_SIZE.format(text))
                return [self._lost(start, text, gone)]
            case "counted":
                return self._counted(start, text)
            case "variant":
                return self._variant(start, text)
            case "vacat":
                return [Piece(start, text, Break("word"))]
            case "traces":
                return [self._lost(start, text, counted(len(text)))]
            case "dots":
                return [self._lost(start, text, counted(dots(text)))] if self._are_letters(sign) else []
            case "dashes":
                return [self._lost(start, text, unknown())] if self._in_brackets else []
            case "blank":
                return [self._lost(start, text, Gone(unknown().alone, counted(len(text)).attached))]
            case "doubt":
                return [Piece(start, text, None)]
            case "bar":
                return [Piece(start, text, self._line_end(sign))]
            case "expansion":
                opening, closing = Mark("expansion", True), Mark("expansion", False)
                letters = self._text(start + 1, sign.end() - 1, self._superfluous)
                return [Piece(start, "(", opening), *letters, Piece(sign.end() - 1, ")", closing)]
            case "opening":
                if len(self.open) == _DEEPEST:
                    raise malformed(self.source, start, f"brackets more than {_DEEPEST} deep")
                self.open.append((text, start))
                if text == "[" and (seeming := seems(self.source, start)):
                    self._warn_of(seeming, start)
                return [Piece(start, text, Mark(_KINDS[text], True))]
            case "closing":
                if text == "/" and (not self.open or self.open[-1][0] != "\\"):
                    return []
                return [self._close(start)]
        if self.open:  # the end of a paragraph
            raise self._unclosed()
        return []

    def _warn_of(self, bracket: str, start: int) -> None:
        line, column = Lines(self.source).locate(start)
        warnings.warn(
            f"line {line}, column {column}: {bracket} is read as words that the editor supplied; "
            "if it tells of a loss, write [c. 7] for about seven letters or [---] for an unknown length",
            FillMaskWarning,
            stacklevel=2,
        )

    def _close(self, start: int) -> Piece:
        character = self.source[start]
        if not self.open:
            raise malformed(self.source, start, f"'{character}' closes nothing; expected an opening bracket before it")
        bracket, where = self.open.pop()
        closer = _CLOSERS[bracket]
        if not self.source.startswith(closer, start):
            line, _ = Lines(self.source).locate(where)
            raise malformed(
                self.source,
                start,
                f"'{character}' where '{closer}' is expected, for the '{bracket}' opened in line {line}",
            )
        return Piece(start, closer, Mark(_KINDS[bracket], False))

    def _unclosed(self) -> NotationError:
        bracket, where = self.open[-1]
        return malformed(
            self.source, where, f"'{bracket}' is not closed; expected '{_CLOSERS[bracket]}' before the paragraph ends"
        )

    @property
    def _in_brackets(self) -> bool:
        return any(bracket in ("[", "[[", "⟦") for bracket, _ in self.open)

    @property
    def _superfluous(self) -> bool:
        return any(bracket == "{" for bracket, _ in self.open)

    def _lost(self, start: int, text: str, gone: Gone) -> Piece:
        return Piece(start, text, Hidden(text) if self._superfluous else gone)

    def _text(self, start: int, end: int, superfluous: bool) -> Iterator[Piece]:
        """Text without signs, its unclear letters apart."""
        if superfluous:
            if end > start:
                yield Piece(start, self.source[start:end], Hidden(self.source[start:end]))
            return
        for unclear in _UNCLEAR.finditer(self.source, start, end):
            if unclear.start() > start:
                yield Piece(start, self.source[start : unclear.start()], Said(self.source[start : unclear.start()]))
            letters = unicodedata.normalize("NFD", unclear.group()).replace("\u0323", "")
            yield Piece(unclear.start(), unclear.group(), Unclear(unicodedata.normalize("NFC", letters)))
            start = unclear.end()
        if end > start:
            yield Piece(start, self.source[start:end], Said(self.source[start:end]))

    def _number(self, sign: re.Match[str]) -> Gone:
        """Of `[c. 4]`, `[c. 4-6]`, `[+4+]` or `[-4-]`."""
        loss = letters_lost(re.findall(r"\d+", sign.group()), about=sign.lastgroup == "about")
        if loss is None:
            raise malformed(self.source, sign.start(), _NO_SIZE.format(sign.group()))
        return loss

    def _counted(self, start: int, text: str) -> list[Piece]:
        """Of `[...]`, `[. . .]` and `[.... ..]`: dots, and blanks that show word boundaries unless they part all dots."""
        inner = text[1:-1]
        if inner.endswith("?"):
            return [self._lost(start, text, roughly(dots(inner)))]
        if (" " not in inner.strip() and "\n" not in inner) or re.fullmatch(r"\.(?: \.)+", inner.strip()):
            return [self._lost(start, text, counted(dots(inner)))]
        runs = list(re.finditer(rf"[{DOTS}]+|[ \n]+", inner))
        pieces = [Piece(start, "[", None)]
        for run in runs:
            where = start + 1 + run.start()
            if run.group().isspace():
                pieces += self._text(where, where + len(run.group()), self._superfluous)
            else:
                word = counted(dots(run.group())).attached
                pieces.append(self._lost(where, run.group(), Gone(word, word)))
        return [*pieces, Piece(start + len(text) - 1, "]", None)]

    def _variant(self, start: int, text: str) -> list[Piece]:
        """Of `<:new|reg|nu:>`: the first."""
        end = text.index("|")
        inner = self._text(start + 2, start + end, self._superfluous)
        return [Piece(start, "<:", None), *inner, Piece(start + end, text[end:], Hidden(text[end + 1 : -2]))]

    def _are_letters(self, sign: re.Match[str]) -> bool:
        """Whether dots that are not alone in brackets are lost letters, and not the end of a sentence or an abbreviation."""
        text, (start, end) = sign.group(), sign.span()
        if self.keep_ellipses and not self.open and dots(text) == 3:
            return False
        if len(text) > 1 or text == "…":
            return True
        if text != ".":  # a dot in the middle of a line is a mark of its own
            return self._in_brackets
        before, after = self.source[start - 1 : start], self.source[end : end + 1]
        if not self._in_brackets:
            return False
        # Of what is round it, the nearest characters are enough.
        last_before = self.source[max(0, start - _NEAR) : start].rstrip()[-1:]
        first_after = self.source[end : end + _NEAR].lstrip()[:1]
        beside_loss = [bool(re.fullmatch(f"[{DASH}]", sign)) for sign in (last_before, first_after)]
        if beside_loss[0] and (beside_loss[1] or first_after in ("]", "⟧") or after.isalpha()):
            return True
        if before in ("[", "⟦"):
            return after.isalpha() or after in ("]", "⟧") or beside_loss[1]
        return before.isalpha() and after.isalpha()

    def _line_end(self, sign: re.Match[str]) -> Break:
        around = self.source[max(0, sign.start() - 1) : sign.start()], self.source[sign.end() : sign.end() + 1]
        return Break("line", joined=all(character and not character.isspace() for character in around))
