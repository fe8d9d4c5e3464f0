"""`fillmask train adapt`: continue a model on text of your domain."""

from __future__ import annotations

from pathlib import Path

import click

from fillmask.cli.train.options import (
    Screen,
    exit_code,
    expected_tokens,
    machine,
    machine_options,
    sources_of,
    split_options,
    text_options,
)


@click.command("adapt")
@click.argument("model", metavar="MODEL")
@text_options
@split_options
@click.option(
    "--tokens", type=float, default=None, help="Train on so many tokens.  [default: three times the text, 20M at most]"
)
@click.option("--lr", type=float, default=4e-4, show_default=True, help="AdamW's peak rate.")
@click.option("--muon-lr", type=float, default=4e-3, show_default=True, help="Muon's peak rate.")
@click.option(
    "--batch-tokens", type=click.IntRange(min=1), default=4096, show_default=True, help="Tokens of an optimiser step."
)
@click.option("--mask-unit", type=click.Choice(["token", "word", "span", "gap"]), default="token", show_default=True,
              help="What is hidden: tokens, whole words, spans of words, gaps of characters.")  # fmt: skip
@machine_options
def command(
    model: str, files: tuple[str, ...], folder: Path, column: str, format_: str, seed: int, validation: tuple[str, ...],
    held_out: float | None, cache: Path | None, tokens: float | None, lr: float, muon_lr: float, batch_tokens: int,
    mask_unit: str, device: str | None, compile: bool | None, attention: str | None, micro_tokens: int | None,
    precision: str, shards: bool, threads: int | None, save_seconds: float,
) -> int:  # fmt: skip
    """Continue MODEL on the text of FILES, and write the result to FOLDER.

    MODEL is a folder, a hub id, or bundled. A twentieth of the documents is
    held out, and the model is measured on it before and after.

    \b
      fillmask train adapt bundled letters.txt -o letters-model
      fillmask restore --model letters-model damaged.txt
    """
    from dataclasses import replace

    from fillmask.training.masking import Masking
    from fillmask.training.session import Text

    sources = sources_of(files, column, format_, folder)
    judged = sources_of(validation, column, format_, folder) if validation else []
    with (
        Screen() as screen,
        machine(
            device,
            compile,
            attention,
            micro_tokens,
            precision,
            shards,
            threads,
            long=(tokens or expected_tokens(sources, 3.0)) > 2e7,
        ) as (
            place,
            processes,
        ),
    ):
        from fillmask.training.adapt import HELD_OUT, adapt_model, default_recipe

        recipe = replace(
            default_recipe(), lr=lr, muon_lr=muon_lr, batch_tokens=batch_tokens, masking=Masking(mask_unit), seed=seed
        )
        text = Text(sources, judged, HELD_OUT if held_out is None else held_out)
        done = adapt_model(
            model, text, folder, recipe=recipe, tokens=int(tokens) if tokens else None, machine=place, processes=processes,
            reporter=screen, cache=cache, save_seconds=save_seconds,
        )  # fmt: skip
    return exit_code(done.bad_rows)
