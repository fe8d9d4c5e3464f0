"""`fillmask evaluate`: how good a model is, in numbers that can be compared."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fillmask.choices import EVALUATION_TASKS, SCORING_METHODS, STRATEGIES
from fillmask.cli.options import model_options
from fillmask.cli.reading import read_options, text_reading_options

if TYPE_CHECKING:
    from fillmask.data.text import ReadOptions
    from fillmask.runtime.masked_lm import MaskedLM

_OPTIONS_OF = {
    "rows": ("masked", "pseudo-perplexity"),
    "rate": ("masked",),
    "length": ("masked",),
    "limit": ("blimp",),
    "methods": ("blimp",),
    "strategies": ("restoration",),
    "kinds": ("restoration",),
    "holes": ("restoration",),
}
_PAGE = 100  # columns of a table that goes to a pipe
_EVERY = 15.0  # seconds between lines of progress where there is no terminal
_Progress = Callable[[int, int], None]


@click.command("evaluate")
@click.argument("file", required=False, type=click.Path(exists=True, allow_dash=True, path_type=Path), metavar="[FILE]")
@click.option(
    "--task", type=click.Choice(EVALUATION_TASKS), default="masked", show_default=True, help="What to measure."
)
@click.option("--rows", type=click.IntRange(min=1), metavar="N", help="masked, pseudo-perplexity: take N windows or sentences, drawn evenly.  [default: all]")  # fmt: skip
@click.option("--rate", type=float, default=0.15, show_default=True, help="masked: share of tokens to hide.")
@click.option("--length", type=int, default=128, show_default=True, help="masked: tokens a window.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="blimp: the first N pairs of each paradigm.  [default: all]")  # fmt: skip
@click.option("--method", "methods", multiple=True, type=click.Choice(SCORING_METHODS), help="blimp: how to score; may be repeated.  [default: original and word-l2r]")  # fmt: skip
@click.option("--strategy", "strategies", multiple=True, type=click.Choice(STRATEGIES), help="restoration: how to decode; may be repeated.  [default: joint]")  # fmt: skip
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="restoration: of damage, such as words-2 or partial-50; may be repeated.  [default: every kind]")  # fmt: skip
@click.option("--holes", type=click.IntRange(min=1), default=24, show_default=True, help="restoration: about so many holes of each kind; a hole takes about 0.25 s, one of many words more.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides what is hidden.")
@text_reading_options
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write the JSON object to FILE.")  # fmt: skip
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Draw the result: .png, .svg or .pdf (needs the extra plots).")  # fmt: skip
def command(
    file: Path | None, task: str, rows: int | None, rate: float, length: int, limit: int | None, methods: tuple[str, ...],
    strategies: tuple[str, ...], kinds: tuple[str, ...], holes: int, seed: int, model: str | None, as_json: bool, output: Path | None,
    plot: Path | None, encoding: str | None, zstd_window: int | None, **engine: Any,
) -> int:  # fmt: skip
    """Measure a model on FILE.

    \b
    masked             hide tokens of a text: how often is the true one the
                       likeliest, or among the five likeliest?
    pseudo-perplexity  hide each token of each sentence in turn: how
                       surprising is the text?
    blimp              minimal pairs of BLiMP, from its JSON Lines (.xz, .gz,
                       .bz2 or plain) or the folder of them: how often is the
                       grammatical sentence the likelier? A tie is wrong.
    restoration        make holes in a text: how well are they restored?

    A text has a blank line between documents; - is stdin, and without FILE a
    few paragraphs of English are taken. For BLiMP, FILE is needed.

    \b
      fillmask evaluate held_out.txt --plot ranks.png
      fillmask evaluate blimp.jsonl.xz --task blimp -o blimp.json --plot blimp.png
    """
    from fillmask.runtime.masked_lm import MaskedLM
    from fillmask.runtime.options import RuntimeOptions

    _check_options(task)
    if plot is not None:  # before the work rather than after it
        importlib.import_module("fillmask.tasks.plots").check_name(plot)
    for path in (output, plot):
        if path is not None:
            _check_writable(path)
    if task == "blimp" and (file is None or str(file) == "-"):
        raise click.UsageError("--task blimp needs the FILE of BLiMP's pairs: https://github.com/alexwarstadt/blimp")
    reading = read_options(encoding, zstd_window=zstd_window)
    opened = MaskedLM(model, RuntimeOptions(**engine))
    with _progress(task, as_json) as on_progress:
        result: Any
        match task:
            case "masked":
                from fillmask.tasks.evaluate import masked_accuracy

                result = masked_accuracy(
                    opened, _documents(file, reading), rate=rate, length=length, max_rows=rows, seed=seed
                )
            case "pseudo-perplexity":
                from fillmask.tasks.evaluate import pseudo_perplexity

                result = pseudo_perplexity(opened, _sentences(file, reading), max_sentences=rows, seed=seed)
            case "blimp":
                from fillmask.tasks.blimp import METHODS, blimp, read_pairs

                assert file is not None
                pairs = read_pairs(file, reading)
                result = blimp(opened, pairs, methods=methods or METHODS, limit=limit, on_progress=on_progress)
            case _:
                restoration = importlib.import_module("fillmask.restore.calibration.evaluation")
                result = restoration.evaluate(
                    opened, list(_documents(file, reading)), strategies=strategies or ("joint",),
                    kinds=kinds or restoration.KINDS, holes=holes, seed=seed, on_progress=on_progress,
                )  # fmt: skip
    facts = _facts(opened, file, task) | _values(result, task)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
    else:
        _show(result, task)
    if output is not None:
        from fillmask.data.atomic import write_bytes

        write_bytes(output, (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode())
    if plot is not None:
        _plot(result, task, opened.checkpoint.name, plot)
    return 0


def _check_options(task: str) -> None:
    """Raise a usage error for an option of another task."""
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        tasks = _OPTIONS_OF.get(name, EVALUATION_TASKS)
        is_set = context.get_parameter_source(name) not in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
        if is_set and task not in tasks:
            raise click.UsageError(f"{parameter.opts[0]} is no option of --task {task}, but of {' and '.join(tasks)}")


def _check_writable(path: Path) -> None:
    """Fail now rather than after minutes of work; nothing is left behind.

    Raises:
        OSError: no file can be written there.
    """
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent):
        pass


def _documents(file: Path | None, reading: ReadOptions) -> Iterator[str]:
    from fillmask.tasks.engine_benchmark import sample_documents
    from fillmask.training.corpus import read_documents

    if file is None:
        return iter(sample_documents())
    return read_documents(file, reading)


def _sentences(file: Path | None, reading: ReadOptions) -> Iterator[str]:
    from fillmask.training.corpus import split_sentences

    return (s for document in _documents(file, reading) for paragraph in document.split("\n") for s in split_sentences(paragraph))  # fmt: skip


@contextmanager
def _progress(task: str, quiet: bool) -> Iterator[_Progress | None]:
    """For the tasks that say how far they are a bar on stderr, or a line now and then where that is no terminal."""
    if quiet or task not in ("blimp", "restoration"):
        yield None
        return
    if not sys.stderr.isatty():
        yield _Lines(task)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        BarColumn(40), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        bar_task = bar.add_task(task)
        yield lambda finished, total: bar.update(bar_task, completed=finished, total=total)


class _Lines:
    """A line on stderr every so many seconds."""

    def __init__(self, task: str) -> None:
        self._task, self._told = task, time.monotonic()

    def __call__(self, finished: int, total: int) -> None:
        if time.monotonic() - self._told >= _EVERY:
            self._told = time.monotonic()
            click.echo(f"{self._task} {finished / total:.0%} · {finished:,} of {total:,}", err=True)


def _facts(model: MaskedLM, file: Path | None, task: str) -> dict[str, Any]:
    """What was measured on what, for the JSON."""
    engine = model.engine
    return {
        "task": task,
        "model": model.checkpoint.name,
        "revision": model.checkpoint.revision,
        "engine": engine.name,
        "precision": engine.precision,
        "data": "sample" if file is None else file.name,
    }


def _values(result: Any, task: str) -> dict[str, Any]:
    if task == "restoration":
        return {"strategies": result.to_dict()}
    if task == "blimp":
        values: dict[str, Any] = result.to_dict()
        return values
    from dataclasses import asdict

    return asdict(result) | {"loss": result.loss, "perplexity": result.perplexity}


def _show(result: Any, task: str) -> None:
    from fillmask.cli import drawing

    match task:
        case "blimp":
            drawing.draw_blimp(result)
        case "masked":
            drawing.draw_shares({"top 1": result.top1, "top 5": result.top5}, f"{result.masks:,} masks · loss {result.loss:.4f} nats · perplexity {result.perplexity:,.2f}")  # fmt: skip
        case "pseudo-perplexity":
            click.echo(f"  pseudo-perplexity {result.perplexity:,.2f} · loss {result.loss:.4f} nats · {result.tokens:,} tokens")  # fmt: skip
        case _:
            from rich.console import Console

            table = result.table()
            if not sys.stdout.isatty():
                table.box = table.title = None
            Console(width=None if sys.stdout.isatty() else _PAGE).print(table)


def _plot(result: Any, task: str, model: str, path: Path) -> None:
    from fillmask.tasks import plots

    title = f"{model} · "
    match task:
        case "blimp":
            figure = plots.blimp(result, title + f"BLiMP, {result.pairs:,} pairs")
        case "masked":
            figure = plots.masked_accuracy(result, title + "hidden tokens")
        case "pseudo-perplexity":
            figure = plots.pseudo_perplexity(result, title + "each token in turn")
        case _:
            figure = plots.restoration(result.to_dict(), title + "restoration of hidden text")
    plots.save(figure, path)
