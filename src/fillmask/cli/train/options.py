"""Options and progress display that the commands of `fillmask train` share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fillmask.choices import INPUT_FORMATS
from fillmask.cli import complain
from fillmask.cli.options import THREADS, Amount
from fillmask.cli.reading import read_options, table_reading_options
from fillmask.errors import MissingExtraError
from fillmask.training.recipe import OPTIMIZERS

if TYPE_CHECKING:
    from fillmask.data.documents import CorpusFile
    from fillmask.data.text import ReadOptions
    from fillmask.training.processes import Processes
    from fillmask.training.recipe import Recipe
    from fillmask.training.session import RunOptions, TrainingText

_Command = TypeVar("_Command", bound=Callable[..., Any])
_LONG = 2e7  # tokens from which on a model is compiled
_CHARACTERS = 4.0  # of a token, about
_EVERY = 15.0  # seconds between lines of progress where there is no terminal


ABOVE_ZERO = Amount(min=0, min_open=True)
TOKENS = Amount(min=1)
SEED = click.IntRange(0, 2**32 - 1)  # what numpy takes
VOCABULARY = click.IntRange(8, 10**7)


def text_options(command: _Command) -> _Command:
    """FILES, -o, --column, --format, --seed, and how files are read."""
    for option in reversed((
        click.argument("files", nargs=-1, required=True, metavar="FILES..."),
        click.option("--output", "-o", "folder", type=click.Path(file_okay=False, path_type=Path), required=True,
                     metavar="FOLDER", help="Where the result goes."),
        click.option("--column", default="text", show_default=True, metavar="NAME",
                     help="Column of the text, in tables."),
        click.option("--format", "format_", type=click.Choice(["auto", *INPUT_FORMATS]), default="auto",
                     show_default=True, help="Format of the files; auto goes by their names."),
        table_reading_options,
        click.option("--seed", type=SEED, default=0, show_default=True, help="Decides all chance."),
    )):  # fmt: skip
        command = option(command)
    return command


def split_options(command: _Command) -> _Command:
    """--validation, --held-out, --cache."""
    for option in reversed((
        click.option("--validation", multiple=True, metavar="FILE", help="Text to judge by, never trained on; may be repeated."),
        click.option("--held-out", type=click.FloatRange(0, 0.5), default=None, metavar="SHARE",
                     help="Without --validation: share of the documents to hold out.  [default: 0.01; adapt and distil 0.05]"),
        click.option("--cache", type=click.Path(file_okay=False, path_type=Path),
                     metavar="FOLDER", help="Where tokenised text is kept.  [default: FOLDER/training/cache]"),
    )):  # fmt: skip
        command = option(command)
    return command


def machine_options(command: _Command) -> _Command:
    """--device, --compile, --attention, --micro-tokens, --precision, --shards, --threads, --save-seconds."""
    for option in reversed((
        click.option("--device", metavar="NAME", envvar="FILLMASK_DEVICE", help="cpu, cuda or cuda:1.  [default: a GPU if there is one]"),
        click.option("--compile/--no-compile", default=None, help="Compile the model: a minute or two first, then twice the speed.  [default: above 20 million tokens]"),
        click.option("--attention", type=click.Choice(["eager", "sdpa"]), default=None, help="[default: eager on a CPU, sdpa on a GPU]"),
        click.option("--micro-tokens", type=click.IntRange(min=1), default=None, help="Tokens that go through the model at once; larger steps add gradients up.  [default: 8192]"),
        click.option("--precision", type=click.Choice(["bfloat16", "float32"]), default="bfloat16", show_default=True, help="Arithmetic of the training."),
        click.option("--shards", is_flag=True, help="Write the weights in files of 16 MB at most."),
        click.option("--threads", type=THREADS, envvar="FILLMASK_THREADS", help="Threads to use.  [default: all cores]"),
        click.option("--save-seconds", type=Amount(min=0), default=300.0, show_default=True, help="Keep a state to resume from so often."),
    )):  # fmt: skip
        command = option(command)
    return command


def from_json(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Options from a JSON file as defaults: flags win."""
    if path is None:
        return None
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise click.BadParameter(f"{path} cannot be read as JSON ({error})") from error
    names = {(p.opts[0].lstrip("-").replace("-", "_") if p.opts else p.name): p.name for p in ctx.command.params}
    names["model"], names["stages"] = "model_json", "stages_json"
    if not isinstance(values, dict) or set(values) - set(names):
        raise click.BadParameter(
            f"{path} has {', '.join(sorted(set(values) - set(names))) if isinstance(values, dict) else type(values).__name__};"
            f" expected an object with any of {', '.join(sorted(n for n in names if n not in ('files', 'config')))}"
        )
    texts = {"model_json", "stages_json"}
    ctx.default_map = {str(names[k]): json.dumps(v) if names[k] in texts else v for k, v in values.items()}
    return path


def sources_of(
    names: tuple[str, ...], column: str, format_: str, folder: Path, options: ReadOptions
) -> list[CorpusFile]:
    """The files of a command line; stdin (`-`) and pipes are read to a file first, so that they can be read twice."""
    from fillmask.data.documents import expand
    from fillmask.data.files import suffix_of
    from fillmask.training.state import WORK

    named = []
    for name in names:
        if name == "-" or Path(name).is_fifo():
            suffix = ".txt" if format_ in ("auto", "text") else f".{format_}"
            if name != "-":
                suffix = suffix_of(name) or suffix
            named.append(str(_spool(name, folder / WORK, suffix)))
        else:
            named.append(name)
    return expand(named, column=column, format=format_, options=options)


def _spool(name: str, folder: Path, suffix: str) -> Path:
    """Stdin or a pipe as a file, decompressed and copied in small parts."""
    from fillmask.data.atomic import open_atomically
    from fillmask.data.files import open_file, read_error
    from fillmask.training.processes import launched

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{'stdin' if name == '-' else Path(name).stem}{suffix}"
    if not launched().first:
        return path
    with open_file(name) as source, open_atomically(path) as out:
        try:
            while block := source.content.read(1 << 20):
                out.write(block)
        except EOFError as error:
            raise read_error(name, error) from error
    return path


def rate_options(default: Recipe) -> Callable[[_Command], _Command]:
    """--batch-tokens, --lr, --muon-lr, with what the recipe says of them."""

    def add(command: _Command) -> _Command:
        for option in reversed((
            click.option("--batch-tokens", type=click.IntRange(1, 10**9), default=default.batch_tokens, show_default=True,
                         help="Tokens of an optimiser step."),
            click.option("--lr", type=ABOVE_ZERO, default=default.lr, show_default=True, help="AdamW's peak rate."),
            click.option("--muon-lr", type=ABOVE_ZERO, default=default.muon_lr, show_default=True, help="Muon's peak rate."),
        )):  # fmt: skip
            command = option(command)
        return command

    return add


def learning_options(hold: str = "0", body_rate: str = "1") -> Callable[[_Command], _Command]:
    """--grow-head, --optimizer, --body-rate, --hold, --average, --sweep, --sweep-tokens.

    Args:
        hold, body_rate: what the help says of their defaults.
    """

    def add(command: _Command) -> _Command:
        for option in reversed((
            click.option("--grow-head", is_flag=True, help="Make a head that fills masks for a model that has none."),
            click.option("--optimizer", type=click.Choice(OPTIMIZERS), default="muon", show_default=True,
                         help="Muon or NorMuon on hidden matrices and AdamW on the rest, or AdamW alone."),
            click.option("--body-rate", type=ABOVE_ZERO, default=None, metavar="SHARE",
                         help=f"The encoder's body learns at this share of the rates, head and embeddings at all of them.  [default: {body_rate}]"),
            click.option("--hold", type=click.FloatRange(0, 1, max_open=True), default=None, metavar="SHARE",
                         help=f"Hold the body still over this first share of the training.  [default: {hold}]"),
            click.option("--average", type=click.FloatRange(0, 1), default=0.0, show_default=True, metavar="SHARE",
                         help="The model is the mean of its weights over this last share of the training."),
            click.option("--sweep", is_flag=True, help="Compare rates first, a quarter to four times --lr and --muon-lr, and train at the best."),
            click.option("--sweep-tokens", type=TOKENS, default=None, help="Tokens of each trial.  [default: a tenth of the training]"),
        )):  # fmt: skip
            command = option(command)
        return command

    return add


@dataclass(frozen=True)
class TrainingArguments:
    """Values of `text_options`, `split_options`, and `machine_options`."""

    files: tuple[str, ...]
    folder: Path
    column: str
    format_: str
    encoding: str | None
    quote: str
    separator: str | None
    zstd_window: int | None
    validation: tuple[str, ...]
    held_out: float | None
    cache: Path | None
    device: str | None
    compile: bool | None
    attention: str | None
    micro_tokens: int | None
    precision: str
    shards: bool
    threads: int | None
    save_seconds: float

    @contextmanager
    def training(
        self, *, tokens: float | None, epochs: float, held_out: float, phrase_share: float = 0.35
    ) -> Iterator[tuple[TrainingText, RunOptions]]:
        """Opens the text and the run options, joins the process group, and leaves it at the end.

        Args:
            tokens: how many there will be, or None for `epochs` times the text; a long training is compiled.
            held_out: share of the documents, where nothing else was asked for.

        Raises:
            CorpusError: a file cannot be used.
            MissingExtraError: torch or transformers is not installed.
        """
        sources, judged = self._sources(self.files), self._sources(self.validation)
        # These take seconds to import: what may be wrong with the files is told before.
        try:
            from fillmask.training.session import HardwareOptions, RunOptions, TrainingText
        except MissingExtraError:
            raise
        except ImportError as missing:
            raise MissingExtraError("training", "train") from missing

        text = TrainingText(sources, judged, held_out if self.held_out is None else self.held_out, phrase_share)
        characters = sum(source.expected_characters for source in sources)
        long = (tokens or epochs * characters / _CHARACTERS) > _LONG
        with Screen() as screen, self._place() as (device, processes):
            machine = HardwareOptions(
                device, long if self.compile is None else self.compile, self.attention, self.micro_tokens,
                self.precision == "bfloat16", self.shards,
            )  # fmt: skip
            yield text, RunOptions(machine, processes, screen, self.cache, self.save_seconds)

    def _sources(self, names: tuple[str, ...]) -> list[CorpusFile]:
        if not names:
            return []
        options = read_options(self.encoding, self.quote, self.separator, self.zstd_window)
        return sources_of(names, self.column, self.format_, self.folder, options)

    @contextmanager
    def _place(self) -> Iterator[tuple[str, Processes]]:
        import torch

        from fillmask.runtime.engines.torch import find_device
        from fillmask.training.processes import join, leave

        if self.threads:
            torch.set_num_threads(self.threads)
        processes, device = join(str(find_device(self.device)))
        try:
            yield device, processes
        finally:
            leave()


def gathered(command: Callable[..., int]) -> Callable[..., int]:
    """The command with the options that are named in `TrainingArguments` as one argument, `arguments`."""
    names = [field.name for field in fields(TrainingArguments)]

    @wraps(command)
    def run(**values: Any) -> int:
        return command(arguments=TrainingArguments(**{name: values.pop(name) for name in names}), **values)

    return run


class Screen:
    """Progress on stderr: bars on a terminal, else a line every few seconds. Only the first process prints."""

    def __init__(self) -> None:
        from rich.console import Console

        from fillmask.training.processes import launched

        self._console = Console(stderr=True, highlight=False)
        self._quiet = not launched().first
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._told: dict[str, float] = {}

    def __enter__(self) -> Screen:
        if self._console.is_terminal and not self._quiet:
            from rich.progress import (
                BarColumn,
                Progress,
                SpinnerColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            columns = (SpinnerColumn(), TextColumn("{task.fields[name]}"), BarColumn(), TextColumn("{task.description}"),
                       TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
            self._bars = Progress(*columns, console=self._console)
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, line: str) -> None:
        """Prints a line."""
        if self._quiet:
            return
        if self._bars is not None:
            self._bars.console.print(line, markup=False)
        else:
            click.echo(line, err=True)

    def progress(self, task: str, done: float, total: float | None, text: str = "") -> None:
        """Updates the progress of a task."""
        if self._quiet:
            return
        if self._bars is not None:
            if task not in self._tasks:
                self._tasks[task] = self._bars.add_task(text, total=total, name=task)
            self._bars.update(self._tasks[task], completed=done, description=text)
        elif time.monotonic() - self._told.get(task, float("-inf")) >= _EVERY:
            self._told[task] = time.monotonic()
            share = f" {done / total:.0%}" if total else ""
            click.echo(f"{task}{share} · {text}", err=True)

    def finished(self, task: str) -> None:
        """Removes the bar of a task."""
        if self._bars is not None and task in self._tasks:
            self._bars.remove_task(self._tasks.pop(task))


def exit_code(bad_rows: int) -> int:
    """3 if some rows could not be used: the work is done, but not on all of the text."""
    return 3 if bad_rows else 0


def sweep_tokens_of(sweep: bool, sweep_tokens: float | None) -> int | None:
    """Tokens of each trial of a sweep; 0 leaves it to the training, None asks for no sweep."""
    if sweep_tokens is not None and not sweep:
        raise usage("--sweep-tokens goes with --sweep")
    return int(sweep_tokens or 0) if sweep else None


def usage(message: str) -> click.UsageError:
    """A usage error of the command that runs."""
    return click.UsageError(message)


__all__ = [
    "ABOVE_ZERO",
    "SEED",
    "THREADS",
    "TOKENS",
    "VOCABULARY",
    "Amount",
    "Screen",
    "TrainingArguments",
    "complain",
    "exit_code",
    "from_json",
    "gathered",
    "machine_options",
    "rate_options",
    "sources_of",
    "split_options",
    "text_options",
    "usage",
]  # fmt: skip
