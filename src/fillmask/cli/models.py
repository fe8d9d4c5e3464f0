"""`fillmask models`: what models are there, and what one is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fillmask.checkpoint import Checkpoint


@click.group("models")
def command() -> None:
    """List and describe models."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a model.")
def list_models(as_json: bool) -> None:
    """List the models that need no download: the bundled one, and the hub's cache."""
    from fillmask import hub
    from fillmask.checkpoint import open_checkpoint
    from fillmask.errors import CheckpointError

    rows = [describe(open_checkpoint())]
    for name, folder in hub.cached():
        try:
            rows.append(describe(open_checkpoint(folder)) | {"name": name.repository, "revision": name.revision})
        except CheckpointError:  # of another kind or family: not for fillmask
            continue
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    for row in rows:
        click.echo(
            f"{row['name']:<40} {row['family']:<12} {row['parameters'] / 1e6:6.1f}M parameters  {row['megabytes']:6.1f} MB"
        )


@command.command("info")
@click.argument("model", required=False, metavar="[NAME]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(model: str | None, as_json: bool) -> None:
    """Describe a model: the bundled one, a checkpoint folder, or a hub id."""
    from fillmask.checkpoint import open_checkpoint

    facts = describe(open_checkpoint(model))
    if as_json:
        click.echo(json.dumps(facts))
        return
    for key, value in facts.items():
        if value is None:
            continue
        shown = f"{value:,}" if isinstance(value, int) else str(value)
        click.echo(f"{key.replace('_', ' '):<16} {shown}")


@command.command("pull")
@click.argument("model", metavar="ID[@REVISION]")
def pull(model: str) -> None:
    """Download a model of the hub, and say where it is."""
    from fillmask.checkpoint import open_checkpoint

    checkpoint = open_checkpoint(model)
    click.echo(f"{checkpoint.name}@{checkpoint.revision}" if checkpoint.revision else checkpoint.name)
    click.echo(checkpoint.folder)


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Facts of a checkpoint that need no engine."""
    config, weights, tokenizer = checkpoint.config, checkpoint.weights, checkpoint.tokenizer
    files = [path for path in checkpoint.folder.iterdir() if path.suffix == ".safetensors"]
    return {
        "name": checkpoint.name,
        "revision": checkpoint.revision,
        "family": config.family,
        "parameters": weights.parameters,
        "layers": config.integer("num_hidden_layers"),
        "hidden_size": config.integer("hidden_size"),
        "vocabulary": len(tokenizer),
        "longest_text": tokenizer.model_max_length,
        "mask_token": tokenizer.mask_token,
        "stored_as": ", ".join(sorted({dtype for _, dtype, _ in weights.layout()})),
        "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        "engine": "onnxruntime",
        "precision": "float32",
        "folder": str(checkpoint.folder),
    }
