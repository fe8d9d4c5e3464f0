"""The Leiden conventions, as papyrologists and epigraphers write damage.

    [...]  [. . .]       lost letters, one dot a letter; [.... ..] shows a word boundary
    [c. 4]  [- ca. 7 -]  about so many letters, as [+4+]; [c. 4-6] from four to six; [-7-] exactly seven
    [---]  [- - -]       lost, nobody knows how much; so are [---?] and [c. ?]
    [2 lines lost]       a note of a loss, see `notes`
    [abc]                lost and supplied by the editor: read. [the k..g] and [---ing] mix both
    a̤ḅ (dot below)       unclear: likely this letter
    ..                   outside brackets: traces of letters, one dot a letter
    <abc>                left out by the writer, supplied by the editor: read
    {abc}                written by mistake, superfluous: not read
    [[abc]]  ⟦abc⟧       erased: read, for the sentence was written with it
    d(is)                an abbreviation spelled out: read; brackets that touch no letter are ordinary ones
    |                    the end of a line; within a word the word goes on
    (?)  (!)             the editor's doubt or surprise: not read

And of plain text: `<mask>`, `[MASK]` for one word, `_` for one letter, a blank of several for a loss of any length.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator

from fillmask.errors import FillMaskWarning, NotationError
from fillmask.restore.notation.assembly import assemble
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
    one_word,
    unknown,
)
from fillmask.restore.notation.notes import ABOUT, DASH, NOTE, letters_lost, meaning, seems
from fillmask.restore.notation.plain import dots

_FILL = rf"[{DASH}. ]*"
# About so many: `c. 4`, and `+4+`, which some write for `± 4`. So many as nobody knows: `c. ?`.
_ROUGHLY = rf"{_FILL}(?:{ABOUT}{{count}} ?\??|\+ ?{{count}} ?\+){_FILL}"
_COUNT = rf"(?:\d+(?: ?[{DASH}] ?\d+)?)"
_UNCOUNTED = rf"{_FILL}{ABOUT}\?{_FILL}"
_SIGN = re.compile(
    r"(?P<word><mask>|\[MASK\])"
    rf"|(?P<unknown>\[ ?(?:[{DASH}] ?)+\??\]|\[{_UNCOUNTED}\])"
    rf"|(?P<about>\[{_ROUGHLY.format(count=_COUNT)}\])"
    rf"|(?P<note>{NOTE})"
    rf"|(?P<exact>\[ ?[{DASH}.][{DASH}. ]*\d+[{DASH}. ]*[{DASH}.] ?\])"
    r"|(?P<counted>\[[ \n]*[.…][.… \n]*\])"
    r"|(?P<open>\[\[|⟦|\[|\{|<)"
    r"|(?P<close>[\]⟧}>])"
    r"|(?P<doubt>\([?!]\))"
    r"|(?P<expansion>(?<=[^\W\d_])\((?P<spelled>[^\W\d_]+)\))"
    r"|(?P<dots>[.…]+)"
    rf"|(?P<dashes>[{DASH}](?: ?[{DASH}])+)"
    r"|(?P<blank>_+)"
    r"|(?P<bar>\|+)"
    r"|(?P<paragraph>(?:\r\n|\r(?!\n)|\n)[^\S\r\n]*(?:\r\n?|\n)\s*)"
)
_CLOSERS = {"[": "]", "[[": "]]", "⟦": "⟧", "{": "}", "<": ">"}
_KINDS: dict[str, MarkKind] = {"[": "supplied", "[[": "erased", "⟦": "erased", "{": "surplus", "<": "omitted"}
_DEEPEST = 50
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
    rf"|\w\u0323|⟦|\[\[[^\[\]\n]+\]\]"
    rf"|(?<={_LETTER})\[(?!sic\]|MASK\]){_LETTER}[^\[\]\n]*\]|\[(?!MASK\])[^\[\]\n]*{_LETTER}\](?={_LETTER})"
    rf"|(?<={_LETTER})\{{{_LETTER}+\}}|\{{{_LETTER}+\}}(?={_LETTER})"
)
# A letter typed with its dot as one character is the same sign, but not in what is written with such letters: in
# Vietnamese (by its đ, its horns and hooks) and in transcripts of Indian and Semitic languages (by their macrons).
_DOTTED_LETTER = re.compile(f"[{_DOTTED}]")
_OWN_DOTS = re.compile("[đĐơƠưƯảẢẻẺỉỈỏỎủỦỷỶāĀēĒīĪōŌūŪ]")
# Those of the writer's omissions, where they are not the tags of HTML.
_OMITTED = re.compile(rf"(?<={_LETTER})<(?!mask>){_LETTER}+>|<(?!mask>){_LETTER}+>(?={_LETTER})")


def looks_leiden(source: str) -> bool:
    """Whether a text has a sign of the Leiden conventions that plain text has not."""
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
    return assemble("leiden", source, _Reader(source, keep_ellipses).pieces(), lines=True)


class _Reader:
    def __init__(self, source: str, keep_ellipses: bool) -> None:
        self.source = source
        self.keep_ellipses = keep_ellipses
        self.open: list[tuple[str, int]] = []  # bracket, and where it opened

    def pieces(self) -> Iterator[Piece]:
        done = position = 0
        while sign := _SIGN.search(self.source, position):
            before = list(self._text(done, sign.start()))  # while the brackets round it are the open ones
            found = self._sign(sign)
            if not found:  # ordinary text after all
                position = sign.end()
                continue
            yield from before
            yield from found
            done = position = found[-1].end
        yield from self._text(done, len(self.source))
        if self.open:
            raise self._unclosed()

    def _sign(self, sign: re.Match[str]) -> list[Piece]:
        """What a sign says; nothing where it is no sign in its place."""
        start, text = sign.start(), sign.group()
        match sign.lastgroup:
            case "word":
                return [self._lost(start, text, one_word())]
            case "unknown":
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
                letters = self._text(start + 1, sign.end() - 1)
                return [Piece(start, "(", opening), *letters, Piece(sign.end() - 1, ")", closing)]
            case "open":
                if len(self.open) == _DEEPEST:
                    raise malformed(self.source, start, f"brackets more than {_DEEPEST} deep")
                self.open.append((text, start))
                if text == "[" and (seeming := seems(self.source, start)):
                    self._warn_of(seeming, start)
                return [Piece(start, text, Mark(_KINDS[text], True))]
            case "close":
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
        found = self.source[start]
        if not self.open:
            raise malformed(self.source, start, f"'{found}' closes nothing; expected an opening bracket before it")
        bracket, where = self.open.pop()
        closer = _CLOSERS[bracket]
        if not self.source.startswith(closer, start):
            line, _ = Lines(self.source).locate(where)
            raise malformed(
                self.source, start, f"'{found}' where '{closer}' is expected, for the '{bracket}' opened in line {line}"
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

    def _text(self, start: int, end: int) -> Iterator[Piece]:
        """Text without signs, its unclear letters apart."""
        if self._superfluous:
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
        found = letters_lost(re.findall(r"\d+", sign.group()), about=sign.lastgroup == "about")
        if found is None:
            raise malformed(self.source, sign.start(), _NO_SIZE.format(sign.group()))
        return found

    def _counted(self, start: int, text: str) -> list[Piece]:
        """Of `[...]`, `[. . .]` and `[.... ..]`: dots, and blanks that show word boundaries unless they part all dots."""
        inner = text[1:-1]
        if (" " not in inner.strip() and "\n" not in inner) or re.fullmatch(r"\.(?: \.)+", inner.strip()):
            return [self._lost(start, text, counted(dots(inner)))]
        runs = list(re.finditer(r"[.…]+|[ \n]+", inner))
        found = [Piece(start, "[", None)]
        for run in runs:
            where = start + 1 + run.start()
            if run.group().isspace():
                found += self._text(where, where + len(run.group()))
            else:
                word = counted(dots(run.group())).attached
                found.append(self._lost(where, run.group(), Gone(word, word)))
        return [*found, Piece(start + len(text) - 1, "]", None)]

    def _are_letters(self, sign: re.Match[str]) -> bool:
        """Whether dots that are not alone in brackets are lost letters, and not the end of a sentence or an abbreviation."""
        text, (start, end) = sign.group(), sign.span()
        if self.keep_ellipses and not self.open and dots(text) == 3:
            return False
        if len(text) > 1 or text == "…":
            return True
        before, after = self.source[start - 1 : start], self.source[end : end + 1]
        if not self._in_brackets:
            return False
        left, right = self.source[:start].rstrip()[-1:], self.source[end:].lstrip()[:1]
        beside_loss = [bool(re.fullmatch(f"[{DASH}]", sign)) for sign in (left, right)]
        if beside_loss[0] and (beside_loss[1] or right in ("]", "⟧") or after.isalpha()):
            return True
        if before in ("[", "⟦"):
            return after.isalpha() or after in ("]", "⟧") or beside_loss[1]
        return before.isalpha() and after.isalpha()

    def _line_end(self, sign: re.Match[str]) -> Break:
        around = self.source[max(0, sign.start() - 1) : sign.start()], self.source[sign.end() : sign.end() + 1]
        return Break("line", joined=all(character and not character.isspace() for character in around))
