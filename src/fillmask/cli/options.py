"""Options that every command which runs a model has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

# Also in `fillmask.engines`, which is not imported for --help.
ENGINES = ("auto", "onnxruntime", "openvino", "torch")
PRECISIONS = ("auto", "float32", "bfloat16", "int8")

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
    click.option(
        "--threads", type=click.IntRange(min=1), envvar="FILLMASK_THREADS", help="Threads to use.  [default: all cores]"
    ),
)


def model_options(command: _Command) -> _Command:
    """Add --model, --engine, --precision, --device and --threads, passed on by these names."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
