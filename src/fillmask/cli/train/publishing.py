"""`--push-to-hub` of the commands that make a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def push_options(folder: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """--push-to-hub and --private: upload the folder when the command has made it.

    Args:
        folder: the name of the command's argument that holds the folder.
    """

    def add(command: Callable[..., int]) -> Callable[..., int]:
        @click.option("--push-to-hub", "repository", metavar="ID", help="Upload the result to this repository of the Hugging Face hub, with its model card.")  # fmt: skip
        @click.option("--private", is_flag=True, help="Make a new repository of the hub a private one.")
        @wraps(command)
        def run(*, repository: str | None, private: bool, **values: Any) -> int:
            if repository is None:
                if private:
                    raise click.UsageError("--private goes with --push-to-hub")
                return command(**values)
            from fillmask.models.publishing import check_repository, push
            from fillmask.training.processes import launched

            check_repository(repository)
            first = launched().first  # of several processes, and known before they part
            code = command(**values)
            if first and code in (0, 3):  # 3: some rows of the text couldn't be used
                click.echo(push(values[folder], repository, private=private), err=True)
            return code

        return run

    return add
