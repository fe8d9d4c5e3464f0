"""Options of every command that reads tables or text files, and what they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from fillmask.data.text import ReadOptions

_Command = TypeVar("_Command", bound=Callable[..., Any])

_ENCODING = click.option(
    "--encoding", metavar="NAME", help="Encoding of the text.  [default: by the byte order mark, else utf-8]"
)
_WINDOW = click.option(
    "--zstd-window",
    type=click.IntRange(10, 31),
    envvar="FILLMASK_ZSTD_WINDOW",
    metavar="LOG",
    help="Largest window of .zst files, as a power of 2: 31 reads what zstd --ultra --long=31 wrote.  [default: 27]",
)
_QUOTE = click.option(
    "--quote",
    type=click.Choice(["auto", "csv", "none"]),
    default="auto",
    show_default=True,
    help="CSV, TSV: whether double quotes enclose fields (csv) or are text (none); auto tells by the file.",
)
_SEPARATOR = click.option(
    "--separator",
    metavar="CHAR",
    help="CSV, TSV: what separates fields, or tab.  [default: the one that gives the columns]",
)


def text_reading_options(command: _Command) -> _Command:
    """Add --encoding and --zstd-window, passed on by these names."""
    return _ENCODING(_WINDOW(command))


def table_reading_options(command: _Command) -> _Command:
    """Add --encoding, --quote, --separator, and --zstd-window, passed on by these names."""
    return _ENCODING(_QUOTE(_SEPARATOR(_WINDOW(command))))


def read_options(
    encoding: str | None = None, quote: str = "auto", separator: str | None = None, zstd_window: int | None = None
) -> ReadOptions:
    """The options of reading from those of the command line.

    Raises:
        InputError: one cannot be used.
    """
    from fillmask.data.text import ReadOptions

    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}
    return ReadOptions(encoding, quote, named.get(separator or "", separator), zstd_window)
