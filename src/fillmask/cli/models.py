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
    """List the models that need no download."""
    from fillmask.checkpoint import open_checkpoint

    rows = [describe(open_checkpoint())]
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    for row in rows:
        click.echo(
            f"{row['name']:<12} {row['family']:<12} {row['parameters'] / 1e6:6.1f}M parameters  {row['megabytes']:6.1f} MB"
        )


@command.command("info")
@click.argument("model", required=False, metavar="[NAME]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(model: str | None, as_json: bool) -> None:
    """Describe a model: the bundled one, or a checkpoint folder."""
    from fillmask.checkpoint import open_checkpoint

    facts = describe(open_checkpoint(model))
    if as_json:
        click.echo(json.dumps(facts))
        return
    for key, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) else str(value)
        click.echo(f"{key.replace('_', ' '):<16} {shown}")


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """Facts of a checkpoint that need no engine."""
    config, weights, tokenizer = checkpoint.config, checkpoint.weights, checkpoint.tokenizer
    files = [path for path in checkpoint.folder.iterdir() if path.suffix == ".safetensors"]
    return {
        "name": checkpoint.name,
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
