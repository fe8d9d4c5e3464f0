"""`fillmask train pretrain`: train a masked language model from text."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from fillmask.cli.train.on_ray import on_ray, ray_options
from fillmask.cli.train.options import (
    ABOVE_ZERO,
    TOKENS,
    VOCABULARY,
    TrainingArguments,
    exit_code,
    from_json,
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
from fillmask.data.values import type_with_article
from fillmask.training.masking import CORRUPTIONS, UNITS, Masking
from fillmask.training.recipe import Recipe, Stage, stages

# Also in `fillmask.training`, which needs torch and is not imported for --help.
_FAMILIES = ("modernbert", "bert", "roberta", "distilbert", "albert", "electra", "mpnet", "deberta-v2", "camembert",
             "xlm-roberta", "nomic_bert", "convbert")  # fmt: skip
_SIZES = ("tiny", "small", "medium", "base")


@click.command("pretrain")
@text_options
@split_options
@click.option("--config", type=click.Path(exists=True, dir_okay=False, path_type=Path), is_eager=True, callback=from_json,
              help="JSON with any of these options by name; flags win. Also \"model\": values of the family's own config,"
              " and \"stages\": [[until, length, rate], ...].")  # fmt: skip
@click.option("--family", type=click.Choice(_FAMILIES), default="modernbert", show_default=True, help="Kind of model.")
@click.option("--size", type=click.Choice(_SIZES), default="small", show_default=True,
              help="Width and layers: tiny 128×4, small 256×6, medium 512×8, base 768×12.")  # fmt: skip
@click.option(
    "--tokenizer",
    metavar="NAME",
    help="Folder or hub id of a vocabulary.  [default: FOLDER's own, else one is learned]",
)
@click.option("--vocab-size", type=VOCABULARY, default=16384, show_default=True, help="Of a tokenizer that is learned.")
@click.option("--lowercase", is_flag=True, help="Of a tokenizer that is learned.")
@click.option(
    "--initial",
    metavar="NAME",
    help="Begin from this model in place of random weights; it gets the vocabulary of --tokenizer, if that is given.",
)
@click.option(
    "--max-positions", type=click.IntRange(min=8), default=512, show_default=True, help="Longest text of the model."
)
@click.option("--tokens", type=TOKENS, default=None, help="Train on so many tokens.")
@click.option(
    "--epochs", type=ABOVE_ZERO, default=10.0, show_default=True, help="Without --tokens: go through the text so often."
)
@click.option("--length", type=click.IntRange(min=16), default=128, show_default=True, help="Tokens of a row of text.")
@click.option(
    "--last-length", type=click.IntRange(min=16), default=None, help="In the last stage.  [default: the same]"
)
@click.option(
    "--mask-rate",
    default="0.3:0.15",
    show_default=True,
    metavar="FROM[:TO]",
    help="Share of the tokens that is hidden.",
)
@click.option(
    "--mask-schedule",
    type=click.Choice(["linear", "cosine", "constant"]),
    default="linear",
    show_default=True,
    help="How the share goes down, in four stages.",
)
@click.option(
    "--mask-unit",
    type=click.Choice(UNITS),
    default="token",
    show_default=True,
    help="What is hidden: tokens, whole words, spans of words, gaps of characters.",
)
@click.option(
    "--corruption",
    type=click.Choice(CORRUPTIONS),
    default="mask",
    show_default=True,
    help="What stands there: the mask, or BERT's 80% mask, 10% random, 10% kept.",
)
@click.option(
    "--static-masks",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="N fixed maskings of every row, as BERT had 10.  [default: always new ones]",
)
@click.option(
    "--objective",
    type=click.Choice(["mlm", "nsp", "sop"]),
    default="mlm",
    show_default=True,
    help="Beside hidden tokens: BERT's next sentence, ALBERT's sentence order.",
)
@click.option(
    "--phrase-share",
    type=click.FloatRange(0, 1),
    default=0.35,
    show_default=True,
    help="Share of the documents that is cut into single phrases.",
)
@learning_options()
@rate_options(Recipe(tokens=0))
@click.option("--warmup-steps", type=click.IntRange(min=1), default=300, show_default=True, help="Rates rise so long.")
@click.option(
    "--schedule",
    type=click.Choice(["wsd", "linear", "cosine"]),
    default="wsd",
    show_default=True,
    help="Rates then stay and fall at the end, or fall all the way.",
)
@click.option(
    "--decay",
    type=click.FloatRange(0, 1),
    default=0.4,
    show_default=True,
    help="Share of the training over which wsd falls.",
)
@click.option(
    "--dropout", type=click.FloatRange(0, 0.9), default=0.0, show_default=True, help="Of the model in training."
)
@click.option(
    "--sample",
    "samples",
    multiple=True,
    metavar="TEXT",
    help="Fill this text's mask as the model learns; may be repeated.  [default: held-out text]",
)
@click.option(
    "--log-every",
    type=click.IntRange(min=1),
    default=None,
    help="Steps between points of the curve.  [default: 50; in a short run a fortieth of it]",
)
@click.option(
    "--validate-every",
    type=click.IntRange(min=1),
    default=None,
    help="Steps between judgements on held-out text.  [default: 500; in a short run a tenth of it]",
)
@click.option("--model-json", hidden=True)
@click.option("--stages-json", hidden=True)
@machine_options
@ray_options
@push_options("folder")
@gathered
def command(
    arguments: TrainingArguments, seed: int, config: Path | None, tokens: float | None, length: int, last_length: int | None,
    mask_rate: str, mask_schedule: str, mask_unit: str, corruption: str, static_masks: int, objective: str,
    phrase_share: float, batch_tokens: int, optimizer: str, lr: float, muon_lr: float, warmup_steps: int, schedule: str,
    decay: float, dropout: float, body_rate: float | None, hold: float | None, average: float, sweep: bool,
    sweep_tokens: float | None, model_json: str | None, stages_json: str | None, ray: str | None, workers: int | None,
    **settings: Any,
) -> int:  # fmt: skip
    """Train a masked language model from FILES into FOLDER.

    FILES are text (a blank line between documents), JSONL or Parquet, plain or
    compressed; files, globs, folders, - for stdin; =SHARE after a name takes
    that share of its documents. FOLDER becomes a standard Hugging Face
    checkpoint with a model card; the curves are in FOLDER/training. The same
    command goes on where it was interrupted.

    \b
      fillmask train pretrain my.txt -o my-model --tokens 5e6
      fillmask train pretrain "texts/*.jsonl.zst" -o my-model --family bert --size tiny --objective nsp
      torchrun --nproc-per-node 2 -m fillmask.cli train pretrain my.txt -o my-model
      fillmask train pretrain my.txt -o my-model --ray auto --workers 4 --threads 8
    """
    if ray is not None:
        return on_ray(ray, workers, arguments.threads, arguments.device, arguments.folder)
    if workers is not None:
        raise usage("--workers goes with --ray")
    if objective != "mlm" and mask_unit == "gap":
        raise usage("gaps change where sentences end; choose another --mask-unit with sentence pairs")
    trial_tokens = sweep_tokens_of(sweep, sweep_tokens)
    start, _, end = mask_rate.partition(":")
    try:
        rates = float(start), float(end or start)
    except ValueError:
        raise usage(f"--mask-rate is {mask_rate!r}; expected a share, or two with a colon between") from None
    if not all(0 < rate < 1 for rate in rates):
        raise usage(f"--mask-rate is {mask_rate}; expected shares above 0 and below 1")
    planned = stages(*rates, mask_schedule, length=length, last_length=last_length or length)
    if stages_json:
        try:
            planned = tuple(Stage(float(until), int(n), float(rate)) for until, n, rate in json.loads(stages_json))
        except (TypeError, ValueError, OverflowError):
            raise usage('"stages" of the config: expected a list of [until, length, rate]') from None
        ends = [0.0, *(stage.until for stage in planned)]
        if not planned or not all(before < end <= 1 for before, end in pairwise(ends)):
            raise usage(
                f'"stages" of the config end at {", ".join(f"{end:g}" for end in ends[1:]) or "nothing"}; expected shares of'
                " the training in rising order, above 0 and up to 1"
            )
    overrides = json.loads(model_json or "{}")
    if not isinstance(overrides, dict):
        raise usage(f'"model" of the config is {type_with_article(overrides)}; expected an object')
    if max(stage.length for stage in planned) > settings["max_positions"]:
        raise usage(f"rows of {max(s.length for s in planned)} tokens are longer than --max-positions")
    recipe = Recipe(
        tokens=int(tokens or 0), batch_tokens=batch_tokens, optimizer=optimizer, lr=lr, muon_lr=muon_lr,
        warmup_steps=warmup_steps, schedule=schedule, decay=decay, dropout=dropout, seed=seed, stages=planned,
        masking=Masking(mask_unit, corruption, static_masks), objective=objective,
        body_rate=body_rate or 1.0, hold=hold or 0.0, average=average,
    )  # fmt: skip
    with arguments.training(
        tokens=tokens, epochs=settings["epochs"], held_out=0.01, phrase_share=phrase_share
    ) as (text, running):  # fmt: skip
        from fillmask.training.build import PretrainingOptions, pretrain

        options = PretrainingOptions(recipe=recipe, overrides=overrides, sweep_tokens=trial_tokens, **settings)
        bad_rows = pretrain(text, arguments.folder, options, running)
    return exit_code(bad_rows)
