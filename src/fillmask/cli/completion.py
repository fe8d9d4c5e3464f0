"""`fillmask completion`: the script by which a shell completes commands and options."""

from __future__ import annotations

import os
from pathlib import PurePath

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", required=False, type=click.Choice(_SHELLS))
def command(shell: str | None) -> None:
    """Print the script that completes fillmask's commands and options.

    Without SHELL it is for the shell that SHELL in the environment names. To
    use it, add one line to the shell's start file:

    \b
    bash  eval "$(fillmask completion bash)"             in ~/.bashrc
    zsh   eval "$(fillmask completion zsh)"              in ~/.zshrc
    fish  fillmask completion fish | source              in ~/.config/fish/config.fish
    """
    from fillmask.cli import COMPLETION_VARIABLE, fillmask

    shell = shell or PurePath(os.environ.get("SHELL", "")).name
    if shell not in _SHELLS:
        raise click.UsageError(f"found {shell or 'no shell'} in SHELL; name one of {', '.join(_SHELLS)}")
    completion = get_completion_class(shell)
    assert completion is not None  # click has these three
    click.echo(completion(fillmask, {}, "fillmask", COMPLETION_VARIABLE).source())
