"""`fillmask models`: what models are there, and what one is."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fillmask.cli.options import THREADS

if TYPE_CHECKING:
    from fillmask.models.checkpoint import Checkpoint
    from fillmask.runtime.precision_selection import EngineMeasurement


@click.group("models")
def command() -> None:
    """List and describe models."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a model.")
def list_models(as_json: bool) -> None:
    """List the models that need no download: the bundled one, and the hub's cache."""
    from fillmask.errors import CheckpointError
    from fillmask.models import encoders, hub
    from fillmask.models.checkpoint import open_checkpoint

    rows = [describe(open_checkpoint())]
    for name, folder in hub.cached():
        try:
            checkpoint = open_checkpoint(folder)
            if not encoders.holds_head(checkpoint.config, checkpoint.weights, "fill"):
                continue
            rows.append(describe(checkpoint) | {"name": name.repository, "revision": name.revision})
        except CheckpointError:  # of another kind: not for fillmask
            continue
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    for row in rows:
        size = f"{row['family']:<12} {row['parameters'] / 1e6:6.1f}M parameters  {row['megabytes']:6.1f} MB"
        size += "  torch only" if row["engines"] == "torch" else ""
        room = _width() - len(size) - 1
        # A name that is longer has a line of its own.
        click.echo(
            f"{row['name']:<{max(0, min(40, room))}} {size}" if len(row["name"]) <= room else f"{row['name']}\n  {size}"
        )


@command.command("info")
@click.argument("model", required=False, metavar="[NAME]", envvar="FILLMASK_MODEL")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(model: str | None, as_json: bool) -> None:
    """Describe a model: the bundled one, a checkpoint folder, or a hub id.

    Without NAME it is what FILLMASK_MODEL says, else the bundled one.

    The last lines say which arithmetic --precision auto takes for it on each
    engine that is installed, and why.
    """
    from fillmask.models.checkpoint import open_checkpoint

    checkpoint = open_checkpoint(model)
    facts = describe(checkpoint) | selected_precisions(checkpoint)
    if as_json:
        click.echo(json.dumps(facts))
        return
    for key, value in facts.items():
        if value is None:
            continue
        shown = f"{value:,}" if isinstance(value, int) else str(value)
        click.echo(hanging(f"{key.replace('_', ' '):<16} ", shown))


def _width() -> int:
    """Columns of the terminal; a pipe has no end of a line."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize


def hanging(name: str, text: str) -> str:
    """The text after its name, wrapped to the terminal; where that is the only way, a path is cut within a word."""
    width = _width()
    if len(name) + len(text) <= width:
        return name + text
    return textwrap.fill(
        text, max(40, width), initial_indent=name, subsequent_indent=" " * len(name), break_on_hyphens=False
    )


def selected_precisions(checkpoint: Checkpoint) -> dict[str, str]:
    """Precision and reason for each engine that can run the checkpoint."""
    from fillmask.runtime import engines
    from fillmask.tasks.engine_benchmark import installed

    selections = {}
    for engine in dict.fromkeys(name for name, _ in installed(checkpoint)):
        choice = engines.select(checkpoint, engine=engine, precision="auto")
        selections[engine] = f"{choice.precision}: {choice.reason}"
    return selections


@command.command("bench")
@click.argument("model", required=False, metavar="[NAME]", envvar="FILLMASK_MODEL")
@click.option(
    "--text",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Text to hide words in, a blank line between documents.  [default: a few paragraphs of English]",
)
@click.option("--masks", type=click.IntRange(min=1), default=2000, show_default=True, help="Words to hide.")
@click.option("--threads", type=THREADS, envvar="FILLMASK_THREADS", help="Threads to use.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an engine and precision.")
def bench(model: str | None, text: Path | None, masks: int, threads: int | None, as_json: bool) -> None:
    """Measure every engine and precision on a model, here.

    Each answers the same masks as float32 and is timed. The result is kept,
    and --precision auto then takes the fastest that keeps the answers: the
    same best word at 98% of the masks (bfloat16: 99%). It trusts a
    measurement of 1,000 masks or more.
    """
    from dataclasses import asdict

    from fillmask.models.checkpoint import open_checkpoint
    from fillmask.runtime.precision_selection import record
    from fillmask.tasks.engine_benchmark import compare, sample_documents
    from fillmask.training.corpus import read_documents

    checkpoint = open_checkpoint(model)
    documents = list(read_documents(text)) if text else sample_documents()
    rows = []
    if not as_json:
        click.echo(_HEADINGS)
    for row in compare(checkpoint, documents, masks=masks, threads=threads):
        rows.append(row)
        click.echo(
            json.dumps(asdict(row))
            if as_json
            else f"{row.engine:<12} {row.precision:<10} {row.phrase_ms:>9.2f} ms {row.tokens_per_second:>13,.0f}"
            f" {row.agreement:>10.1%} {row.divergence:>11.5f}{_verdict(row)}"
        )
    record(checkpoint, rows)


def _verdict(row: EngineMeasurement) -> str:
    if row.agrees:
        return ""
    return "   not for auto" if row.enough else "   too few masks for auto"


_HEADINGS = f"{'engine':<12} {'precision':<10} {'one phrase':>12} {'tokens/s':>13} {'same best':>10} {'divergence':>11}"


@command.command("pull")
@click.argument("model", metavar="ID[@REVISION]")
def pull(model: str) -> None:
    """Download a model of the hub, and say where it is."""
    from fillmask.models.checkpoint import open_checkpoint

    checkpoint = open_checkpoint(model)
    click.echo(f"{checkpoint.name}@{checkpoint.revision}" if checkpoint.revision else checkpoint.name)
    click.echo(checkpoint.folder)


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Facts of a checkpoint that need no engine."""
    from fillmask.models import encoders

    config, weights, tokenizer = checkpoint.config, checkpoint.weights, checkpoint.tokenizer
    files = [path for path in checkpoint.folder.iterdir() if path.suffix == ".safetensors"]
    return {
        "name": checkpoint.name,
        "revision": checkpoint.revision,
        "family": config.family,
        "parameters": weights.parameters,
        "layers": config.raw("num_hidden_layers"),
        "hidden_size": config.raw("hidden_size"),
        "vocabulary": len(tokenizer),
        "longest_text": tokenizer.model_max_length,
        "mask_token": tokenizer.mask_token,
        "mask_head": encoders.describe_head(config, weights, "fill"),
        "classifier": encoders.describe_head(config, weights, "classify"),
        "engines": "onnxruntime, openvino, torch" if encoders.has_graph(config) else "torch",
        "stored_as": ", ".join(sorted({dtype for _, dtype, _ in weights.layout()})),
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        "folder": str(checkpoint.folder),
    }
