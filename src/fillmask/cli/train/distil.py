"""`fillmask train distil`: make a small model from a large one."""

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
    usage,
)


@click.command("distil")
@click.argument("teacher", metavar="TEACHER")
@text_options
@split_options
@click.option("--student", metavar="NAME", help="Begin from this model.  [default: every other layer of the teacher]")
@click.option("--family", default=None, metavar="NAME", help="Or from random weights of this family, with --size.")
@click.option("--size", type=click.Choice(["tiny", "small", "medium", "base"]), default=None, help="And this size.")
@click.option("--tokens", type=float, default=None, help="Train on so many tokens.  [default: three times the text]")
@click.option("--soft", type=float, default=5.0, show_default=True, help="Weight of the teacher's soft answers.")
@click.option("--masked", type=float, default=2.0, show_default=True, help="Weight of the true tokens.")
@click.option("--cosine", type=float, default=1.0, show_default=True, help="Weight of the direction of hidden states.")
@click.option(
    "--temperature", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Of the soft answers."
)
@click.option("--lr", type=float, default=1e-3, show_default=True, help="AdamW's peak rate.")
@click.option("--muon-lr", type=float, default=0.01, show_default=True, help="Muon's peak rate.")
@click.option(
    "--batch-tokens", type=click.IntRange(min=1), default=8192, show_default=True, help="Tokens of an optimiser step."
)
@machine_options
def command(
    teacher: str, files: tuple[str, ...], folder: Path, column: str, format_: str, seed: int, validation: tuple[str, ...],
    held_out: float | None, cache: Path | None, student: str | None, family: str | None, size: str | None,
    tokens: float | None, soft: float, masked: float, cosine: float, temperature: float, lr: float, muon_lr: float,
    batch_tokens: int, device: str | None, compile: bool | None, attention: str | None, micro_tokens: int | None,
    precision: str, shards: bool, threads: int | None, save_seconds: float,
) -> int:  # fmt: skip
    """Make a small model of TEACHER on the text of FILES, and write it to FOLDER.

    TEACHER is a folder, a hub id, or bundled. The student has every other
    layer of it and learns by DistilBERT's recipe; at the end both are measured
    on held-out text, and timed.

    \b
      fillmask train distil bert-base-uncased texts/ -o small-bert
    """
    from dataclasses import replace

    from fillmask.training.session import Text

    if student and (family or size):
        raise usage("--student is a model already; leave --family and --size away")
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
        from fillmask.training.distil import default_recipe, distil
        from fillmask.training.objectives import Weights

        recipe = replace(default_recipe(), lr=lr, muon_lr=muon_lr, batch_tokens=batch_tokens, seed=seed)
        done = distil(
            teacher, Text(sources, judged, 0.05 if held_out is None else held_out), folder,
            weights=Weights(soft, masked, cosine, temperature), student=student, family=family, size=size, recipe=recipe,
            tokens=int(tokens) if tokens else None, machine=place, processes=processes, reporter=screen, cache=cache,
            save_seconds=save_seconds,
        )  # fmt: skip
    return exit_code(done.bad_rows)
