"""`fillmask train finetune`: teach a model to classify texts."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fillmask.choices import INPUT_FORMATS
from fillmask.cli.reading import read_options, table_reading_options
from fillmask.cli.train.options import SEED, THREADS, Amount
from fillmask.cli.train.publishing import push_options

if TYPE_CHECKING:
    from fillmask.training.finetune import Epoch, FinetuningResult

TABLE_FORMATS = tuple(name for name in INPUT_FORMATS if name != "text")


@click.command("finetune")
@click.argument("data", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path), metavar="DATA")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), metavar="FOLDER", help="The checkpoint folder to make.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace FOLDER if it is a checkpoint already.")
@click.option("--model", "-m", metavar="NAME", envvar="FILLMASK_MODEL", help="Where to start: a checkpoint folder or a hub id.  [default: the bundled model]")  # fmt: skip
@click.option("--text", "text", default="text", show_default=True, metavar="COLUMN", help="The column of texts.")
@click.option("--pair", metavar="COLUMN", help="A column of second texts, for pairs.")
@click.option("--label", default="label", show_default=True, metavar="COLUMN", help="The column of labels.")
@click.option("--validation", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="Examples to judge by, in the same form.  [default: a share of DATA]")  # fmt: skip
@click.option("--split", "--share", "share", default=0.15, show_default=True, metavar="SHARE", help="Share of DATA to judge by, the same of each label, where there is no FILE.")  # fmt: skip
@click.option("--input-format", type=click.Choice(TABLE_FORMATS), help="Format of the tables.  [default: by suffix]")
@table_reading_options
@click.option("--epochs", default=10, show_default=True, help="At most so many passes over DATA.")
@click.option("--patience", default=3, show_default=True, help="Stop after so many epochs that are no better.")
@click.option("--batch-size", default=32, show_default=True, help="Texts a step.")
@click.option(
    "--lr",
    type=Amount(min=0, min_open=True),
    help="Learning rate.  [default: by the width of the model: 5e-5 at 768, 4.5e-4 at 256]",
)
@click.option("--max-length", default=256, show_default=True, help="Tokens of a text; the rest is cut off.")
@click.option("--pooling", type=click.Choice(["auto", "cls", "mean"]), default="auto", show_default=True, help="ModernBERT: what the head sees, the first token or the mean of all; auto is as its config says.")  # fmt: skip
@click.option("--class-weights", type=click.Choice(["none", "balanced"]), default="none", show_default=True, help="Make each label count alike, however rare.")  # fmt: skip
@click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16"]), default="auto", show_default=True, help="Arithmetic; auto is bfloat16 on a GPU.")  # fmt: skip
@click.option("--device", metavar="NAME", envvar="FILLMASK_DEVICE", help="cpu, cuda or cuda:1.  [default: a GPU if there is one]")  # fmt: skip
@click.option("--threads", type=THREADS, envvar="FILLMASK_THREADS", help="Threads to use.  [default: all cores]")  # fmt: skip
@click.option("--save-seconds", type=Amount(min=0), default=300.0, show_default=True, help="Keep a state to resume from so often, and after each epoch.")  # fmt: skip
@click.option(
    "--seed", type=SEED, default=0, show_default=True, help="Decides the split, the order and the new weights."
)
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as one JSON object.")
@push_options("output")
def command(
    data: Path, output: Path, overwrite: bool, model: str | None, text: str, pair: str | None, label: str,
    validation: Path | None, share: float, input_format: str | None, encoding: str | None, quote: str, separator: str | None,
    zstd_window: int | None, device: str | None, threads: int | None, save_seconds: float, as_json: bool,
    **recipe: Any,
) -> int:  # fmt: skip
    """Teach a model to classify texts, from a table of texts and labels.

    DATA is CSV, TSV, JSON (lines, or an array) or Parquet, with a heading;
    plain or .gz, .xz, .bz2, .zst; a pipe, or - for stdin. The model of the best epoch is written to FOLDER, a standard
    checkpoint, with its metrics, confusion matrix and model card. Rows without
    a text or a label are passed over and named. The same command goes on
    where it was interrupted.

    \b
      fillmask train finetune reviews.csv -o my-sentiment
      fillmask classify -m my-sentiment "What a lovely day!"
    """
    from fillmask.cli import complain
    from fillmask.errors import MissingExtraError
    from fillmask.models.checkpoint import open_checkpoint
    from fillmask.training.labelled import Columns, labels_of, read_labelled, split
    from fillmask.training.state import WORK

    # What is wrong with the data is said before torch is loaded, which takes seconds.
    columns = Columns(text, label, pair)
    reading = read_options(encoding, quote, separator, zstd_window)
    table = read_labelled(data, columns, reading, input_format)
    labels = labels_of(table)
    held_out = None if validation is None else read_labelled(validation, columns, reading, input_format)
    try:
        import torch

        from fillmask.tasks import plots  # noqa: F401  # before the work rather than after it
        from fillmask.training.classifier_folder import check_output, metrics_of, save
        from fillmask.training.finetune import FinetuningRecipe, finetune
    except MissingExtraError:
        raise
    except ImportError as missing:
        raise MissingExtraError("fine-tuning", "train") from missing
    settings = FinetuningRecipe(**recipe)
    check_output(output, overwrite=overwrite)
    train, judged = split(table, share, settings.seed) if held_out is None else (table, held_out)
    tables = [(data, table)] if validation is None or held_out is None else [(data, table), (validation, held_out)]
    for path, read in tables:
        for warning in read.warnings:
            complain(f"warning: {warning}")
        for complaint in read.complaints():
            complain(f"warning: {path}: {complaint}; passed over")
    if threads is not None:
        torch.set_num_threads(threads)
    quiet = as_json or not sys.stderr.isatty()
    if not as_json:
        click.echo(f"{len(train.examples):,} examples to train on, {len(judged.examples):,} to judge by; labels {', '.join(labels)}")  # fmt: skip
    result = finetune(
        open_checkpoint(model), train, judged, labels, settings, device=device, work=output / WORK, save_seconds=save_seconds,
        on_epoch=None if as_json else _show_epoch, on_step=None if quiet else _show_step,
    )  # fmt: skip
    save(result, output, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(metrics_of(result), ensure_ascii=False))
    else:
        _show(result, output)
    return 0


def _show_step(step: int, steps: int) -> None:
    click.echo(f"\r  step {step} of {steps}" if step < steps else "\r\033[K", nl=False, err=True)


def _show_epoch(epoch: Epoch) -> None:
    judged = epoch.validation
    click.echo(
        f"  epoch {epoch.number:<3} loss {epoch.loss:.4f}   judged: loss {epoch.validation_loss:.4f}  accuracy {judged.accuracy:6.1%}"
        f"  macro-F1 {judged.macro_f1:.3f}  {epoch.seconds:5.1f} s{'  *' if epoch.best else ''}"
    )


def _show(result: FinetuningResult, output: Path) -> None:
    best = result.best
    widest = max(5, *map(len, result.labels))
    click.echo(f"{'label'.ljust(widest)}  precision  recall     F1  examples")
    for name, of in best.validation.by_label.items():
        click.echo(f"{name.ljust(widest)}  {of.precision:9.3f}  {of.recall:6.3f}  {of.f1:5.3f}  {of.examples:8,}")
    click.echo(f"{output}: epoch {best.number}, accuracy {best.validation.accuracy:.1%}; see README.md and confusion.png there")  # fmt: skip
