"""`fillmask train distil`: make a small model from a large one."""

from __future__ import annotations

from dataclasses import replace

import click

from fillmask.cli.train.options import (
    TOKENS,
    Amount,
    TrainingArguments,
    exit_code,
    gathered,
    learning_options,
    machine_options,
    rate_options,
    split_options,
    sweep_tokens_of,
    text_options,
    usage,
)
from fillmask.cli.train.publishing import push_options
from fillmask.training.recipe import DISTILLATION, EPOCHS, HELD_OUT


@click.command("distil")
@click.argument("teacher", metavar="TEACHER")
@text_options
@split_options
@click.option("--student", metavar="NAME", help="Begin from this model.  [default: every other layer of the teacher]")
@click.option("--family", default=None, metavar="NAME", help="Or from random weights of this family, with --size.")
@click.option("--size", type=click.Choice(["tiny", "small", "medium", "base"]), default=None, help="And this size.")
@click.option("--tokens", type=TOKENS, default=None, help="Train on so many tokens.  [default: three times the text]")
@click.option(
    "--soft", type=Amount(min=0), default=5.0, show_default=True, help="Weight of the teacher's soft answers."
)
@click.option("--masked", type=Amount(min=0), default=2.0, show_default=True, help="Weight of the true tokens.")
@click.option(
    "--cosine", type=Amount(min=0), default=1.0, show_default=True, help="Weight of the direction of hidden states."
)
@click.option(
    "--temperature", type=click.FloatRange(min=0.1), default=2.0, show_default=True, help="Of the soft answers."
)
@click.option(
    "--move-vocabulary", is_flag=True, help="Give the student the teacher's vocabulary if it has another one."
)
@rate_options(DISTILLATION)
@learning_options()
@machine_options
@push_options("folder")
@gathered
def command(
    arguments: TrainingArguments, teacher: str, seed: int, student: str | None, family: str | None, size: str | None,
    tokens: float | None, soft: float, masked: float, cosine: float, temperature: float, lr: float, muon_lr: float,
    batch_tokens: int, move_vocabulary: bool, grow_head: bool, optimizer: str, body_rate: float | None, hold: float | None,
    average: float, sweep: bool, sweep_tokens: float | None,
) -> int:  # fmt: skip
    """Make a small model of TEACHER on the text of FILES, and write it to FOLDER.

    TEACHER is a folder, a hub id, or bundled. The student has every other
    layer of it and learns by DistilBERT's recipe; at the end both are measured
    on held-out text, and timed. The same command goes on where it was
    interrupted.

    Any encoder can be the student: --grow-head makes a head for one that has
    none, and --move-vocabulary gives it the teacher's vocabulary.

    \b
      fillmask train distil bert-base-uncased texts/ -o small-bert
      fillmask train distil bundled texts/ -o my-model --student sentence-encoder/ --grow-head --move-vocabulary
    """
    if student and (family or size):
        raise usage("--student is a model already; leave --family and --size away")
    if not soft + masked + cosine:
        raise usage(
            "--soft, --masked and --cosine are all 0, so that there is nothing to learn; give one a weight above 0"
        )
    if (grow_head or move_vocabulary) and not student:
        raise usage("--grow-head and --move-vocabulary are for a model to begin from; name it with --student")
    trial_tokens = sweep_tokens_of(sweep, sweep_tokens)
    recipe = replace(
        DISTILLATION, tokens=int(tokens or 0), lr=lr, muon_lr=muon_lr, batch_tokens=batch_tokens, seed=seed,
        optimizer=optimizer, body_rate=body_rate or 1.0, hold=hold or 0.0, average=average,
    )  # fmt: skip
    with arguments.training(tokens=tokens, epochs=EPOCHS, held_out=HELD_OUT) as (text, running):
        from fillmask.training.distil import distil
        from fillmask.training.objectives import DistillationWeights

        result = distil(
            teacher, text, arguments.folder, weights=DistillationWeights(soft, masked, cosine, temperature), student=student,
            family=family, size=size, recipe=recipe, running=running, grow_head=grow_head,
            move_vocabulary=move_vocabulary, sweep_tokens=trial_tokens,
        )  # fmt: skip
    return exit_code(result.bad_rows)
