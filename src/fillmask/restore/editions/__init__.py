"""A restoration written out: as text, JSON, Markdown, a TEI edition, one HTML page, or drawn in a terminal.

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

__all__ = ["render"]

_MODULES = {"json": "as_json"}


def render(restoration: Restoration, format: str) -> str:
    """The restoration in a format of `fillmask.choices.EDITION_FORMATS`; it ends with a newline.

    Raises:
        InputError: no such format.
    """
    if format not in EDITION_FORMATS:
        raise InputError(f"there is no format {format!r}; expected one of {', '.join(EDITION_FORMATS)}")
    module = import_module(f"fillmask.restore.editions.{_MODULES.get(format, format)}")
    rendered: str = module.render(restoration)
    return rendered
