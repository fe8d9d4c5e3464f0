"""A training command in the workers of a Ray cluster: the same command without the Ray options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTIONS = ("--ray", "--workers")


def ray_options(command: _Command) -> _Command:
    """--ray, --workers."""
    for option in reversed((
        click.option("--ray", metavar="ADDRESS", help="Train in workers of a Ray cluster: its address, auto, or local."),
        click.option("--workers", type=click.IntRange(min=1), default=None, metavar="N",
                     help="With --ray: so many, of --threads cores each, or a GPU with --device cuda.  [default: 1]"),
    )):  # fmt: skip
        command = option(command)
    return command


def on_ray(address: str, workers: int | None, threads: int | None, device: str | None, folder: Path) -> int:
    """Runs the current command in workers.

    Raises:
        MissingExtraError: Ray is not installed.
        FillMaskError: the cluster cannot be reached, or a worker failed.
    """
    from fillmask.cli.train.ray_workers import Workers, run
    from fillmask.training.state import WORK

    arguments: Sequence[str] = click.get_current_context().find_root().obj
    settings = Workers(count=workers or 1, cpus=threads or 1, gpu=(device or "").startswith("cuda"))
    return run(without_ray(arguments), address, settings, folder / WORK / "ray")


def without_ray(arguments: Sequence[str]) -> list[str]:
    """The arguments without --ray and --workers and what follows them."""
    kept_arguments: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in _OPTIONS:
            skip = True
        elif not argument.startswith(tuple(f"{option}=" for option in _OPTIONS)):
            kept_arguments.append(argument)
    return kept_arguments
