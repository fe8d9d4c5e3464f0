"""The `fillmask` command.

Each subcommand is a thin file of this package, imported when it is called, so
that a short question does not wait for what it does not use. This file turns
exceptions into one line on stderr and an exit code: 1 failure, 2 wrong usage,
3 some rows failed (each was named), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import click

from fillmask.cli.lazy import LazyGroup

SUBCOMMANDS = {
    "fill": "Rank the words that fit each mask of a text.",
    "restore": "Restore a damaged document.",
    "correct": "Mend what was misread in a text.",
    "score": "Say how likely texts are, whole and word by word.",
    "classify": "Say which label a text has, with a fine-tuned model.",
    "evaluate": "Measure a model: masked tokens, perplexity, grammar, restoration.",
    "batch": "Put files of any size through a task, resumably.",
    "serve": "Answer HTTP requests, with a page for people.",
    "train": "Train, adapt, distil, fine-tune and calibrate models.",
    "models": "List and describe models.",
    "doctor": "Describe this machine, and what would make fillmask faster.",
    "completion": "Print the completion script of a shell.",
}

# The completion script asks by it which words may follow.
COMPLETION_VARIABLE = "_FILLMASK_COMPLETE"

# What a person sees who types `fillmask` alone.
GREETING = """\
fillmask fills masks and restores missing text. Three things to try:

  fillmask fill "I am <mask> to the bakery"
  echo "I have re____ed your l_tt_r" | fillmask restore -
  fillmask serve        (a page for people; needs fillmask[serve])

fillmask --help lists every command. fillmask doctor describes this machine."""


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from fillmask import __version__

        click.echo(f"fillmask {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    modules={name: (f"fillmask.cli.{name}", text) for name, text in SUBCOMMANDS.items()},
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version and exit."
)
@click.pass_context
def fillmask(context: click.Context) -> None:
    """Fill masks and restore missing text with masked language models."""
    if context.invoked_subcommand is None:
        click.echo(GREETING)


def main() -> None:
    """Run the command and exit."""
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    if instruction := os.environ.get(COMPLETION_VARIABLE):
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(fillmask, {}, "fillmask", COMPLETION_VARIABLE, instruction))
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command with `arguments` and return its exit code."""
    from fillmask.errors import FillMaskError

    try:
        # Not click's own main: it turns a closed pipe into exit code 1.
        with fillmask.make_context("fillmask", list(arguments), obj=tuple(arguments)) as context:
            code = fillmask.invoke(context)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "fillmask"
        complain(f"{error.format_message().rstrip('.')}; see '{path} --help'")
        return error.exit_code
    except click.ClickException as error:
        complain(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # The reader (head, less) has gone: say nothing, and keep Python from
        # complaining when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (FillMaskError, OSError) as error:
        complain(str(error))
        return 1


def complain(message: str) -> None:
    """One line on stderr."""
    click.echo(f"fillmask: {' '.join(message.split())}", err=True)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    from fillmask.errors import FillMaskWarning

    if issubclass(category, FillMaskWarning):
        complain(f"warning: {message}")
