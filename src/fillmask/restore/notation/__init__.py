"""Reading damaged documents: plain text with holes, the Leiden conventions, EpiDoc TEI.

Each notation has one file, and all make the same `Document`.
"""

from __future__ import annotations

from fillmask.choices import NOTATIONS
from fillmask.errors import InputError, NotationError
from fillmask.restore.notation.document import Document, Place, Stretch
from fillmask.restore.notation.leiden import looks_leiden, parse_leiden
from fillmask.restore.notation.plain import parse_plain
from fillmask.tokenization.tokenizer import check_text

__all__ = ["Document", "Place", "Stretch", "detect", "parse"]


def parse(source: str, *, notation: str = "auto", keep_ellipses: bool = False, div: str | None = None) -> Document:
    """Read a damaged document.

    Args:
        source: the document.
        notation: one of `fillmask.choices.NOTATIONS`; "auto" is the one that `detect` finds.
        keep_ellipses: whether "..." and "…" without brackets are punctuation, not damage.
        div: in TEI, which `<div type="edition">` is read: its number from 1, or its `xml:id`, `subtype`, `n` or
            `xml:lang`; the first by default.

    Raises:
        NotationError: not well-formed in its notation; it names line and column.
        InputError: no such notation; the source is no text, or has a lone surrogate.
    """
    check_text(source)
    if notation not in NOTATIONS:
        raise InputError(f"there is no notation {notation!r}; expected one of {', '.join(NOTATIONS)}")
    detected = detect(source) if notation == "auto" else notation
    if div is not None and detected != "tei":
        raise InputError(f"div is {div!r}, and the document is read as {detected}; expected TEI")
    if detected == "plain":
        return parse_plain(source, keep_ellipses=keep_ellipses)
    if detected in ("page", "alto", "hocr"):
        from fillmask.restore.notation.ocr import parse_ocr

        return parse_ocr(source, detected)
    if detected == "tei":
        from fillmask.restore.notation.tei import parse_tei

        return parse_tei(source, keep_ellipses=keep_ellipses, div=div)
    try:
        return parse_leiden(source, keep_ellipses=keep_ellipses)
    except NotationError as error:
        if notation == "auto":
            error.args = (f"{error} (the document looks like Leiden notation; to read it otherwise, say plain)",)
        raise


def detect(source: str) -> str:
    """The notation of a document: by its root where it is XML, "leiden" where it has a sign that plain text has not."""
    from fillmask.restore.notation.tei_scope import looks_tei

    if looks_tei(source):
        from fillmask.restore.notation.ocr import looks_ocr

        return looks_ocr(source) or "tei"
    return "leiden" if looks_leiden(source) else "plain"
