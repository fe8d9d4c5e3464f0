"""`fillmask train adapt`: continue a model on text of your domain."""

from __future__ import annotations

from dataclasses import replace

import click

from fillmask.cli.train.options import (
    TOKENS,
    TrainingArguments,
    exit_code,
    gathered,
    learning_options,
    machine_options,
    rate_options,
    split_options,
    sweep_tokens_of,
    text_options,
)
from fillmask.cli.train.publishing import push_options
from fillmask.training.masking import UNITS, Masking
from fillmask.training.recipe import ADAPTATION, EPOCHS, HELD_OUT

_HOLD, _BODY_RATE = 0.05, 0.5  # of a model with a new head or vocabulary


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
@click.option("--tokenizer", metavar="NAME", default=None,
              help="Folder or hub id of a vocabulary that the model gets in place of its own.")  # fmt: skip
@learning_options("0.05 with a new head or vocabulary, else 0", "0.5 with a new head or vocabulary, else 1")
@machine_options
@push_options("folder")
@gathered
def command(
    arguments: TrainingArguments, model: str, seed: int, tokens: float | None, lr: float, muon_lr: float, batch_tokens: int, mask_unit: str,
    tokenizer: str | None, grow_head: bool, optimizer: str, body_rate: float | None, hold: float | None, average: float,
    sweep: bool, sweep_tokens: float | None,
) -> int:  # fmt: skip
    """Continue MODEL on the text of FILES, and write the result to FOLDER.

    MODEL is a folder, a hub id, or bundled. A twentieth of the documents is
    held out, and the model is measured on it before and after. The same
    command goes on where it was interrupted.

    A model without a head that fills masks (a sentence encoder, a classifier,
    a bare encoder) gets one with --grow-head; --tokenizer gives a model another
    vocabulary, each embedding the mean of the old ones of the same text.

    \b
      fillmask train adapt bundled letters.txt -o letters-model
      fillmask train adapt sentence-encoder/ letters.txt -o letters-model --grow-head --tokenizer bundled
      fillmask restore --model letters-model damaged.txt
    """
    renewed = grow_head or tokenizer is not None
    recipe = replace(
        ADAPTATION, tokens=int(tokens or 0), lr=lr, muon_lr=muon_lr, batch_tokens=batch_tokens,
        masking=Masking(mask_unit), seed=seed, optimizer=optimizer, average=average,
        hold=(_HOLD if renewed else 0.0) if hold is None else hold,
        body_rate=(_BODY_RATE if renewed else 1.0) if body_rate is None else body_rate,
    )  # fmt: skip
    trial_tokens = sweep_tokens_of(sweep, sweep_tokens)
    with arguments.training(tokens=tokens, epochs=EPOCHS, held_out=HELD_OUT) as (text, running):
        from fillmask.training.adapt import adapt_model
        from fillmask.training.warm_start import WarmStart

        result = adapt_model(
            model, text, arguments.folder, recipe=recipe, running=running, warm_start=WarmStart(grow_head, tokenizer),
            sweep_tokens=trial_tokens,
        )  # fmt: skip
    return exit_code(result.bad_rows)
