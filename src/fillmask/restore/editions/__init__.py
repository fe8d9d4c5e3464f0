"""A restoration written out: as text, JSON, Markdown, a TEI edition, one HTML page, the OCR file itself, or drawn in a terminal.

Each format is a module with `render(restoration) -> str`, imported when it is
asked for. `terminal` is apart: it draws on a console.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from fillmask.choices import EDITION_FORMATS
from fillmask.errors import InputError

if TYPE_CHECKING:
    from fillmask.restore.restoration import Restoration

__all__ = ["MIN_PROBABILITY", "render"]

_MODULES = {"json": "as_json"}


# From this probability up a reading stands in a text or an edition by default: more likely right than not.
MIN_PROBABILITY = 0.5
_WITH_OPEN_HOLES = ("text", "tei", "ocr")


def render(restoration: Restoration, format: str, *, min_probability: float | None = None, marks: bool = True) -> str:
    """The restoration in a format of `fillmask.choices.EDITION_FORMATS`; it ends with a newline.

    Args:
        min_probability: holes whose best reading is less probable stay open. By default `MIN_PROBABILITY` in text, TEI,
            and OCR files, and 0 elsewhere; JSON always has every reading.
        marks: whether text shows in brackets what was read.

    Raises:
        InputError: no such format, or no probability.
    """
    if format not in EDITION_FORMATS:
        raise InputError(f"there is no format {format!r}; expected one of {', '.join(EDITION_FORMATS)}")
    module = import_module(f"fillmask.restore.editions.{_MODULES.get(format, format)}")
    options = {"marks": marks} if format == "text" else {}
    if format != "json":
        default = MIN_PROBABILITY if format in _WITH_OPEN_HOLES else 0.0
        restoration = restoration.with_open_holes(default if min_probability is None else min_probability)
    rendered: str = module.render(restoration, **options)
    return rendered
