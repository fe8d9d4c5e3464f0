"""Options that every command which runs a model has."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fillmask.choices import ENGINES, PRECISIONS

_Command = TypeVar("_Command", bound=Callable[..., Any])


class TextFile(click.File):
    """A file of text, opened for its bytes; - is stdin. Where there is no such file, the error says how to pass a text."""

    def __init__(self) -> None:
        super().__init__("rb")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            if isinstance(value, str) and not os.path.lexists(value):
                self.fail(f"there is no file {value!r}; a text by itself goes after -t, and - reads stdin", param, ctx)
            raise


class TextPath(click.Path):
    """The name of a file of text; - is stdin. Where there is no such file, the error says how to pass a text."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            if isinstance(value, str) and not os.path.lexists(value):
                self.fail(f"there is no file {value!r}; a text by itself goes after -t, and - reads stdin", param, ctx)
            raise


class Amount(click.FloatRange):
    """A finite number within a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


THREADS = click.IntRange(1, 1024)  # more than a machine has, and fewer than one that is asked for them can bear

_OPTIONS = (
    click.option(
        "--model",
        "-m",
        metavar="NAME",
        envvar="FILLMASK_MODEL",
        help="A checkpoint folder or a hub id.  [default: the bundled model]",
    ),
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        envvar="FILLMASK_ENGINE",
        default="auto",
        show_default=True,
        help="What runs the model; auto is onnxruntime, or torch where that cannot.",
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        envvar="FILLMASK_PRECISION",
        default="auto",
        show_default=True,
        help="Arithmetic to run it in.",
    ),
    click.option(
        "--device",
        metavar="NAME",
        envvar="FILLMASK_DEVICE",
        help="For the torch engine: cpu, cuda or cuda:1.  [default: a GPU if there is one]",
    ),
    click.option("--threads", type=THREADS, envvar="FILLMASK_THREADS", help="Threads to use.  [default: all cores]"),
)


def model_options(command: _Command) -> _Command:
    """Add --model, --engine, --precision, --device and --threads, passed on by these names."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
