"""Words and holes from pieces: what touches a lost letter is part of the hole; lines and hyphens are read over.

Knows no notation. One pass over the pieces, with nothing in hand but a word
and the blanks after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from fillmask.restore.damage import Damaged, Element, Hole, Known
from fillmask.restore.notation.document import Break, Document, Gone, Piece, Said, Stretch, Unclear

# Marks over and under letters, which \w leaves out.
_MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u064b-\u065f\u1dc0-\u1dff\u200c\u200d\u20d0-\u20f0"
_Part = TypeVar("_Part")

_APOSTROPHES = "'’"
_SOFT = "\u00ad¬"  # hyphens that are hyphenation and nothing else
_STRENGTH = {"joined": 0, "word": 1, "space": 2, "line": 3, "paragraph": 4}
_TOKEN = re.compile(
    rf"(?P<space>\s+)|(?P<word>[\w{_MARKS}]+(?:[{_APOSTROPHES}][\w{_MARKS}]+)*)|(?P<apostrophe>[{_APOSTROPHES}])"
    rf"|(?P<hyphen>[-‐{_SOFT}])|(?P<other>[^\s\w{_APOSTROPHES}\-‐{_SOFT}{_MARKS}]+)"
)


def assemble(notation: str, source: str, pieces: Iterable[Piece], *, lines: bool, language: str = "") -> Document:
    """The document that the pieces add up to.

    Args:
        lines: whether a newline in the text ends a line (plain, Leiden); in XML only elements do.
        language: what the document says that its language is.
    """
    kept = tuple(pieces)
    assembly = _Assembly(lines)
    for piece in kept:
        assembly.read(piece)
    assembly.finish()
    damaged = Damaged(tuple(assembly.parts))
    return Document(
        source,
        notation,
        kept,
        damaged,
        tuple(assembly.layout),
        tuple(assembly.stretches),
        tuple(assembly.joins),
        language,
    )


class _Assembly:
    def __init__(self, lines: bool) -> None:
        self.lines = lines
        self.parts: list[str | Hole] = []
        self.layout: list[str | int] = []
        self.stretches: list[tuple[Stretch, ...]] = []
        self.joins: list[tuple[int, int]] = []
        # The word in hand: what its parts say and where (start, end), and how it looks should it turn out whole.
        self.word: list[tuple[Known | Gone, int, int]] = []
        self.looks: list[str] = []
        # What came after it and may yet join it to the next: (kind, characters, offset).
        self.pending: list[tuple[str, str, int]] = []
        # Blanks not yet written, since they differ at the ends: (kind, characters).
        self.blanks: list[tuple[str, str]] = []
        self.owed = False  # a line ended within the last hole: the next blank is a line end
        self.space_before = False  # of the word in hand: a space that the source has not

    def read(self, piece: Piece) -> None:
        match piece.says:
            case Said(text) | Unclear(text):
                confidence = piece.says.confidence if isinstance(piece.says, Unclear) else None
                # An entity, or letters whose mark was taken off, are one place: source and text do not run in step.
                is_one_place = text != piece.source
                for token in _TOKEN.finditer(text):
                    start = piece.start if is_one_place else piece.start + token.start()
                    end = piece.end if is_one_place else piece.start + token.end()
                    letters = Known(token.group(), isinstance(piece.says, Said), confidence)
                    self._token(token.lastgroup or "other", letters, start, end)
            case Gone():
                self._letters(piece.says, "", piece.start, piece.end)
            case Break(kind, joined):
                self.pending.append(("joined" if joined else kind, "" if kind == "word" else "\n", piece.start))

    def finish(self) -> None:
        self._flush()
        if self.lines and self.layout:
            self.layout.append("".join(raw for _, raw in self.blanks))
        self.parts, self.layout = _merged(self.parts), _merged(self.layout)

    def _token(self, kind: str, letters: Known, start: int, end: int) -> None:
        text = letters.text
        if kind == "word":
            self._letters(letters, start=start, end=end, looks=text)
        elif kind == "space":
            self.pending.append((kind_of_blank(text) if self.lines else "space", text, start))
        elif kind in ("apostrophe", "hyphen") and self.word and not self.pending:
            self.pending.append((kind, text, start))
        else:
            self._flush()
            self._write(text, text)

    def _letters(self, part: Known | Gone, looks: str, start: int, end: int) -> None:
        self._keep_apart(part, start)
        if self.pending:
            if self.word and self._joins(part):
                if self.pending[0][0] == "apostrophe":
                    _, text, offset = self.pending[0]
                    self.word.append((Known(text), offset, offset + 1))
                if self.pending[0][0] != "apostrophe":
                    _, last, offset = self.pending[-1]
                    self.joins.append((self.pending[0][2], offset + len(last)))
                self.looks.append(self._crossed())
                self.pending.clear()
            else:
                kinds = [kind for kind, _, _ in self.pending]
                if self.word and kinds[0] == "hyphen" and "line" in kinds and "paragraph" not in kinds:
                    # A hyphen of the word's own at the end of a line: no space after it.
                    self.pending = [(k if k == "hyphen" else "joined", text, at) for k, text, at in self.pending]
                self._flush()
        self.word.append((part, start, end))
        self.looks.append(looks)

    def _keep_apart(self, part: Known | Gone, start: int) -> None:
        """Put a space between a lost word and the letters or the loss that touch it in the source."""
        after = bool(self.word) and _is_whole_word(self.word[-1][0])
        if not self.word or not (after or _is_whole_word(part)):
            return
        kinds = {kind for kind, _, _ in self.pending}
        if kinds - {"joined"}:
            return
        self.pending = [("space", " ", start)]
        self._flush(space_after=after)
        self.space_before = not after

    def _crossed(self) -> str:
        """How what a word is read over looks: its hyphen, shown where the source shows none, and one line end."""
        kinds = [kind for kind, _, _ in self.pending]
        marks = "".join(raw for kind, raw, _ in self.pending if kind in ("hyphen", "apostrophe"))
        blanks = [(kind, raw) for kind, raw, _ in self.pending if kind not in ("hyphen", "apostrophe")]
        if not blanks:
            return marks
        if "joined" in kinds and "hyphen" not in kinds:
            marks = "-"
        if not self.lines:  # the blanks round an element are those of the file, not of the text
            return f"{marks}\n"
        return marks + next(raw for kind, raw in blanks if kind != "space")

    def _joins(self, part: Known | Gone) -> bool:
        """Whether what comes next goes on with the word in hand, over what is pending."""
        kinds = [kind for kind, _, _ in self.pending]
        if kinds == ["apostrophe"]:
            return True
        if "paragraph" in kinds or "word" in kinds or _is_whole_word(part) or _is_whole_word(self.word[-1][0]):
            return False
        if "joined" in kinds:
            return all(kind != "apostrophe" for kind in kinds)
        if kinds[0] != "hyphen" or "hyphen" in kinds[1:] or "apostrophe" in kinds:
            return False
        hyphen = self.pending[0][1]
        if "line" not in kinds:  # a soft hyphen within a line is not to be seen at all
            return hyphen == "\u00ad" and len(kinds) == 1
        # "Anglo-\nSaxon" has a hyphen of its own; "ba-\nkery" has not.
        return hyphen in _SOFT or isinstance(part, Gone) or part.text[0].islower()

    def _flush(self, *, space_after: bool = False) -> None:
        """End the word in hand, and write it and what is pending.

        Args:
            space_after: whether the pending space is not in the source.
        """
        if self.word:
            if all(isinstance(part, Known) and part.certain for part, _, _ in self.word):
                text = "".join(part.text for part, _, _ in self.word if isinstance(part, Known))
                self._write(text, "".join(self.looks))
            else:
                self._hole(space_after)
            self.space_before = False
            self.word.clear()
            self.looks.clear()
        for kind, text, _ in self.pending:
            if kind in ("apostrophe", "hyphen"):
                self._write(text, text)
            else:
                self.blanks.append((kind, text))
        self.pending.clear()

    def _hole(self, space_after: bool) -> None:
        attached = any(
            isinstance(first, Gone) != isinstance(second, Gone)
            and all(isinstance(part, Gone) or part.text[0] not in _APOSTROPHES for part in (first, second))
            for (first, _, _), (second, _, _) in pairwise(self.word)
        )
        stretches = []
        for part, start, end in self.word:
            if isinstance(part, Known):
                elements: tuple[Element, ...] = (part,)
            else:
                elements = part.attached if attached else part.alone
            stretches.append(Stretch(start, end, elements))
        stretches[0] = replace(stretches[0], space_before=self.space_before)
        stretches[-1] = replace(stretches[-1], space_after=space_after)
        self._blank()
        self.parts.append(Hole(_joined(element for stretch in stretches for element in stretch.elements)))
        self.layout.append(len(self.stretches))
        self.stretches.append(tuple(stretches))
        self.owed = any("\n" in look or "\r" in look for look in self.looks)

    def _write(self, text: str, looks: str) -> None:
        self._blank()
        self.parts.append(text)
        self.layout.append(looks)

    def _blank(self) -> None:
        """Write the blanks that came before what is written next."""
        kinds = {kind for kind, _ in self.blanks}
        if self.parts and kinds - {"joined"}:
            self.parts.append("\n" if "paragraph" in kinds else " ")
        raw = "".join(text for _, text in self.blanks)
        if not self.lines or any(kind in ("line", "joined") and text == "\n" for kind, text in self.blanks):
            # Elements, or a stroke that stands for the end of a line.
            ends = "\n\n" if "paragraph" in kinds else "\n" if kinds & {"line", "joined"} else " " if kinds else ""
            raw = ends if self.parts or self.lines else ""
        elif sum(kind != "joined" for kind, _ in self.blanks) > 1:
            # What stood between these blanks is not read: one of them is enough, the one that ends most.
            raw = max(self.blanks, key=lambda blank: _STRENGTH[blank[0]])[1]
        if self.owed and raw and not {"line", "paragraph", "joined"} & kinds:
            raw = "\n"
        self.owed = False if raw else self.owed
        self.layout.append(raw)
        self.blanks.clear()


def kind_of_blank(text: str) -> str:
    """What blank characters are: the end of a paragraph (an empty line), of a line or a page, or a space."""
    pages = re.sub(r"\r\n?", "\n", text).split("\f")
    if any(page.count("\n") > 1 for page in pages):
        return "paragraph"
    return "line" if len(pages) > 1 or "\n" in pages[0] else "space"


def _is_whole_word(part: Known | Gone) -> bool:
    return isinstance(part, Gone) and part.whole_words


def _joined(elements: Iterable[Element]) -> tuple[Element, ...]:
    """Known letters in a row as one element."""
    joined: list[Element] = []
    for element in elements:
        last = joined[-1] if joined else None
        if isinstance(element, Known) and isinstance(last, Known) and _are_alike(element, last):
            joined[-1] = Known(last.text + element.text, last.certain, last.confidence)
        else:
            joined.append(element)
    return tuple(joined)


def _are_alike(first: Known, second: Known) -> bool:
    return (first.certain, first.confidence) == (second.certain, second.confidence)


def _merged(parts: list[str | _Part]) -> list[str | _Part]:
    """Stretches of text in a row as one."""
    merged: list[str | _Part] = []
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        if any(texts):
            merged.append("".join(texts))
        texts.clear()
        merged.append(part)
    if any(texts):
        merged.append("".join(texts))
    return merged
