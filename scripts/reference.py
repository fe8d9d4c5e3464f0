"""Write docs/reference/commands.md: the help of every command, as it is printed.

    python scripts/reference.py

A test fails where the page and the commands differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from fillmask.cli import fillmask

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "commands.md"
_WIDTH = 100


def rendered() -> str:
    """The page."""
    parts = ["# Commands\n\nMade from the commands' own help by `scripts/reference.py`.\n"]
    parts += [f"## {path}\n\n```text\n{text}\n```\n" for path, text in _helps(fillmask, "fillmask", None)]
    return "\n".join(parts)


def _helps(command: click.Command, path: str, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    context = click.Context(
        command,
        info_name=path.rsplit(maxsplit=1)[-1],
        parent=parent,
        help_option_names=["-h", "--help"],
        max_content_width=_WIDTH,
        terminal_width=_WIDTH,
    )
    yield path, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _helps(inner, f"{path} {name}", context)


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(rendered(), "utf-8")
