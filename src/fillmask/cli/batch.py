"""`fillmask batch`: files of any size through a task, resumable."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fillmask.choices import (
    BATCH_TASKS,
    INPUT_FORMATS,
    LONG_TEXT_MODES,
    MARGINAL_CONVENTIONS,
    NOTATIONS,
    SCORING_METHODS,
    SHARD_FORMATS,
    STRATEGIES,
)
from fillmask.cli import complain
from fillmask.cli.options import Amount, model_options
from fillmask.cli.reading import read_options, table_reading_options

if TYPE_CHECKING:
    from fillmask.batch.job import BatchJob, JobSummary
    from fillmask.data.remote import AnyPath


@click.command("batch")
@click.argument("paths", nargs=-1, metavar="INPUT... OUTPUT")
@click.option(
    "--task", type=click.Choice(BATCH_TASKS), default="fill", show_default=True, help="What to do with each text."
)
@click.option("--text-column", default="text", show_default=True, metavar="NAME", help="Where the texts are.")
@click.option("--id-column", metavar="NAME", help="Where the ids are that rejects are named by.")
@click.option("--columns", metavar="NAME,...", help="Columns to carry through to the output.  [default: all]")
@click.option(
    "--input-format",
    type=click.Choice(INPUT_FORMATS),
    help="Format of the inputs.  [default: by suffix; text for stdin and pipes]",
)
@table_reading_options
@click.option(
    "--format",
    type=click.Choice(SHARD_FORMATS),
    help="Format of the output.  [default: parquet where pyarrow is installed, else jsonl]",
)
@click.option(
    "--shard-rows",
    type=click.IntRange(1, 10**9),
    metavar="N",
    help="Input rows in a file of the output.  [default: 10,000; score and marginals 2,000; restore and correct 500]",
)
@click.option("--restart", is_flag=True, help="Throw away what an earlier run left in OUTPUT.")
@click.option(
    "--top-k", "-k", type=click.IntRange(min=1), help="fill: answers a mask; classify: labels.  [default: 5; 1]"
)
@click.option("--targets", multiple=True, metavar="WORD,...", help="fill: choose among these words only; marginals: also the values of these at each position.")  # fmt: skip
@click.option("--sequences", is_flag=True, help="fill: also write the filled texts (slower, and larger).")
@click.option("--method", type=click.Choice(SCORING_METHODS), help="score: what is hidden.")
@click.option("--words", is_flag=True, help="score: also write every word with its score.")
@click.option("--notation", type=click.Choice(NOTATIONS), help="restore: how damage is written.  [default: auto]")
@click.option("--strategy", type=click.Choice(STRATEGIES), help="restore: how holes are decoded.  [default: joint]")
@click.option("--readings", type=click.IntRange(min=1), help="restore: readings a hole.  [default: 10]")
@click.option("--truncate", is_flag=True, help="classify: cut off what is longer than the model.")
@click.option("--convention", type=click.Choice(MARGINAL_CONVENTIONS), help="marginals: mask each position in turn, or read the text as it is.  [default: masked]")  # fmt: skip
@click.option(
    "--long-text",
    type=click.Choice(LONG_TEXT_MODES),
    help="fill, score, marginals: for a text longer than the model, reject it or read a window.  [default: error]",
)
@model_options
@click.option("--dry-run", is_flag=True, help="Estimate time and cost from a sample; write nothing.")
@click.option("--price-per-hour", type=Amount(min=0), metavar="PRICE", help="What this machine costs.")
@click.option("--ray", metavar="ADDRESS", help="Run on a Ray cluster: its address, auto, or local.")
@click.option("--workers", metavar="N|MIN:MAX", help="With --ray: workers, of one core each.  [default: 1: all cores]")
@click.option("--quiet", "-q", is_flag=True, help="No bar and no summary.")
@click.option("--json", "as_json", is_flag=True, help="The summary, or the estimate, as one JSON object on stdout.")
def command(
    paths: tuple[str, ...],
    input_format: str | None,
    restart: bool,
    dry_run: bool,
    price_per_hour: float | None,
    ray: str | None,
    workers: str | None,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Put every row of INPUT through a task, into a folder OUTPUT of Parquet or JSON-lines files.

    INPUT is text (one text a line), CSV, TSV, JSON (lines, or an array) or
    Parquet, plain or compressed (.gz .xz .bz2 .zst); several files, globs in
    quotes, URLs that fsspec opens (s3:// gs:// hf://), a pipe, or - for stdin.
    Columns beside the text are carried through.

    \b
      fillmask batch phrases.txt filled/
      fillmask batch 'in/*.parquet' out/ --text-column sentence --id-column key
      fillmask batch reviews.csv.gz scores/ --task score --format jsonl

    The job may be killed at any moment: the same command goes on where it was,
    and the output is the same to the byte. Rows that cannot be answered are
    listed in OUTPUT/_rejects-*.jsonl with the reason, and the exit code is then 3.
    """
    from fillmask.data.files import find_files

    inputs, output = _inputs_and_output(paths)
    job = _job(find_files(inputs, input_format), output, **options)
    if dry_run:
        return _estimate(job, price_per_hour, as_json=as_json)
    # A machine that is taken away says so by SIGTERM: what is committed stays, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        summary = _run(job, restart=restart, ray=ray, workers=workers, quiet=quiet)
    except KeyboardInterrupt:
        complain(f"interrupted; what is in {output} is whole, and the same command goes on from there")
        raise
    if as_json:
        from dataclasses import asdict

        click.echo(json.dumps(asdict(summary)))
    elif not quiet:
        _tell(summary, output)
    if summary.rejected:
        from fillmask.data.values import counted

        complain(
            f"{counted(summary.rejected, 'row')} {'was' if summary.rejected == 1 else 'were'} rejected; see {summary.rejects[0]}{' …' if len(summary.rejects) > 1 else ''}"
        )
        return 3
    return 0


def _inputs_and_output(paths: tuple[str, ...]) -> tuple[tuple[str, ...], AnyPath]:
    """INPUT... and OUTPUT; a usage error says which of them is missing."""
    example = "as in: fillmask batch phrases.txt filled/"
    if not paths:
        raise click.UsageError(f"INPUT and OUTPUT are missing, {example}")
    if len(paths) == 1:
        path = Path(paths[0])
        is_input = (
            paths[0] == "-" or path.is_file() or (path.suffix and not path.is_dir()) or set(paths[0]) & set("*?[")
        )
        if is_input:
            raise click.UsageError(f"OUTPUT is missing: the folder to write the answers to {paths[0]} into, {example}")
        raise click.UsageError(f"INPUT is missing: the files whose rows go into {paths[0]}, {example}")
    from fillmask.data.remote import path_of

    return paths[:-1], path_of(paths[-1])


def _job(inputs: Any, output: AnyPath, *, task: str, text_column: str, id_column: str | None, columns: str | None, format: str | None, shard_rows: int | None, **options: Any) -> BatchJob:  # fmt: skip
    from importlib.util import find_spec

    from fillmask.batch import tasks
    from fillmask.batch.job import BatchJob
    from fillmask.batch.tasks import ModelOptions, TaskOptions

    model = ModelOptions(**{name: options.pop(name) for name in ("model", "engine", "precision", "threads", "device")})
    reading = read_options(**{name: options.pop(name) for name in ("encoding", "quote", "separator", "zstd_window")})
    words = [word for group in options.pop("targets") for word in group.split(",") if word]
    chosen = {name: value for name, value in options.items() if value not in (None, False)}
    if words:
        chosen["targets"] = words
    known = tasks.parameters(TaskOptions(task))
    for name in chosen:
        if name not in known:
            raise click.UsageError(f"--{name.replace('_', '-')} is no option of --task {task}")
    if format is None:
        format = "parquet" if find_spec("pyarrow") else "jsonl"
    return BatchJob(
        inputs,
        output,
        TaskOptions(task, chosen, model),
        format,
        shard_rows,
        text_column,
        id_column,
        None if columns is None else tuple(name for name in columns.split(",") if name),
        reading,
    )


def _run(job: BatchJob, *, restart: bool, ray: str | None, workers: str | None, quiet: bool) -> JobSummary:
    if ray is None and workers is not None:
        raise click.UsageError("--workers goes with --ray; threads of this machine are --threads")
    bar = None
    if not quiet and sys.stderr.isatty():
        from fillmask.cli.progress import Bar

        bar = Bar()
    try:
        if ray is None:
            from fillmask.batch.local import run

            return run(job, restart=restart, on_progress=bar, on_selection=None if quiet else _say)
        from fillmask.batch.ray import run_on_ray

        return run_on_ray(job, ray, workers=_range(workers), restart=restart, on_progress=bar)
    finally:
        if bar is not None:
            bar.close()


def _say(line: str) -> None:
    click.echo(line, err=True)


def _range(workers: str | None) -> tuple[int, int | None]:
    if workers is None:
        return 1, None
    least, _, most = workers.partition(":")
    try:
        counts = int(least), int(most or least)
    except ValueError:
        counts = (0, 0)
    if not 1 <= counts[0] <= counts[1]:
        raise click.UsageError(f"--workers is {workers!r}; expected a number, or MIN:MAX")
    return counts


def _tell(summary: JobSummary, output: AnyPath) -> None:
    from fillmask.batch.estimate import duration
    from fillmask.data.values import counted

    rate = summary.computed / summary.seconds if summary.seconds else 0
    click.echo(
        f"{counted(summary.computed, 'row')} in {duration(summary.seconds)} ({rate:,.0f} rows/s, {summary.masks:,} masks);"
        f" {summary.rows:,} in {counted(summary.shards, 'file')} in {output}",
        err=True,
    )


def _estimate(job: BatchJob, price: float | None, *, as_json: bool) -> int:
    from dataclasses import asdict

    from fillmask.batch.estimate import estimate

    expected = estimate(job, price_per_hour=price)
    click.echo(json.dumps(asdict(expected)) if as_json else expected.in_words())
    return 0
