"""`fillmask train adapt`: continue a model on text of your domain."""

from __future__ import annotations

from dataclasses import replace

import click

from fillmask.cli.train.options import (
    TOKENS,
    TrainingArguments,
    exit_code,
    gathered,
    machine_options,
    rate_options,
    split_options,
    text_options,
)
from fillmask.training.masking import UNITS, Masking
from fillmask.training.recipe import ADAPTATION, EPOCHS, HELD_OUT


@click.command("adapt")
@click.argument("model", metavar="MODEL")
@text_options
@split_options
@click.option(
    "--tokens", type=TOKENS, default=None, help="Train on so many tokens.  [default: three times the text, 20M at most]"
)
@rate_options(ADAPTATION)
@click.option("--mask-unit", type=click.Choice(UNITS), default="token", show_default=True,
              help="What is hidden: tokens, whole words, spans of words, gaps of characters.")  # fmt: skip
@machine_options
@gathered
def command(
    arguments: TrainingArguments, model: str, seed: int, tokens: float | None, lr: float, muon_lr: float, batch_tokens: int, mask_unit: str
) -> int:  # fmt: skip
    """Continue MODEL on the text of FILES, and write the result to FOLDER.

    MODEL is a folder, a hub id, or bundled. A twentieth of the documents is
    held out, and the model is measured on it before and after. The same
    command goes on where it was interrupted.

    \b
      fillmask train adapt bundled letters.txt -o letters-model
      fillmask restore --model letters-model damaged.txt
    """
    recipe = replace(
        ADAPTATION, tokens=int(tokens or 0), lr=lr, muon_lr=muon_lr, batch_tokens=batch_tokens,
        masking=Masking(mask_unit), seed=seed,
    )  # fmt: skip
    with arguments.training(tokens=tokens, epochs=EPOCHS, held_out=HELD_OUT) as (text, running):
        from fillmask.training.adapt import adapt_model

        done = adapt_model(model, text, arguments.folder, recipe=recipe, running=running)
    return exit_code(done.bad_rows)
