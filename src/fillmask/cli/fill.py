"""`fillmask fill`: rank the words that fit each mask."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from fillmask.choices import LONG_TEXT_MODES
from fillmask.cli.options import model_options
from fillmask.cli.texts import answer_texts, mask_progress, texts_of

if TYPE_CHECKING:
    from fillmask.tasks.fill import FilledMasks


@click.command("fill")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--top-k", "-k", type=click.IntRange(min=1), default=5, show_default=True, help="Answers a mask.")
@click.option(
    "--targets",
    multiple=True,
    metavar="WORD,...",
    help="Choose among these words only, each with the space before it; may be repeated.",
)
@click.option(
    "--multi-token",
    is_flag=True,
    help="Rank the --targets as whole words and phrases of any number of tokens, by their joint probability.",
)
@click.option(
    "--long-text",
    type=click.Choice(LONG_TEXT_MODES),
    default="error",
    show_default=True,
    help="For a text longer than the model: refuse it, or read each mask in the stretch round it.",
)
@model_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a text: {text, masks: [[{score, token, token_str, sequence}]]}.",
)
def command(
    texts: tuple[str, ...],
    top_k: int,
    targets: tuple[str, ...],
    multi_token: bool,
    long_text: str,
    model: str | None,
    as_json: bool,
    **engine: Any,
) -> int:
    """Rank the words that fit each mask of TEXT.

    A mask is written <mask> or [MASK]. With - as TEXT, texts are read from
    stdin, one a line; blank lines are passed over.

    Inside a text a target is a word of its own, with the space before it. One
    that the vocabulary has not as one token is replaced by its first piece,
    with a warning, or read as a whole with --multi-token; a hole in `fillmask
    restore` may be a word of any length.

    \b
      fillmask fill "I am <mask> to the bakery"
      fillmask fill --targets walking,running "I am <mask> to the bakery"
      fillmask fill --json - < phrases.txt

    On a terminal the answers are drawn; piped, each is a line: probability,
    word and filled text, separated by tabs. Texts that cannot be filled are
    named on stderr, and the exit code is then 3 (1 for a single text).
    """
    from fillmask.runtime.masked_lm import MaskedLM
    from fillmask.runtime.options import RuntimeOptions
    from fillmask.tasks.fill import FillOptions, MaskFiller
    from fillmask.tasks.targets import Targets

    words = [word for group in targets for word in group.split(",") if word]
    if targets and not words:
        raise click.UsageError("--targets names no word")
    if multi_token and not words:
        raise click.UsageError("--multi-token ranks --targets; name some")
    with mask_progress() as on_progress:
        filler = MaskFiller(MaskedLM(model, RuntimeOptions(**engine)), on_progress)
        options = FillOptions(top_k, long_text=long_text)
        fill_each: Callable[[list[str]], Any] = partial(filler.fill_each, options=options)
        if multi_token:
            from fillmask.tasks.phrases import PhraseFiller

            fill_each = PhraseFiller(filler.model, words, top_k=top_k, windows=long_text == "window").fill_each
        elif words:
            word_targets = Targets.from_words(filler.model.tokenizer, words, filler.model.vocab_size)
            word_targets.warn()
            fill_each = partial(filler.fill_each, options=replace(options, targets=word_targets))
        write = _json_line if as_json else partial(_draw, filler.texts.mask_token) if sys.stdout.isatty() else _plain
        single = len(texts) == 1 and texts[0] != "-"
        return answer_texts(texts_of(texts), fill_each, write, single=single, verb="fill")


def _json_line(text: str, masks: FilledMasks) -> None:
    click.echo(json.dumps({"text": text, "masks": masks}, ensure_ascii=False))


def _plain(text: str, masks: FilledMasks) -> None:
    for row in masks:
        for candidate in row:
            fields = (
                f"{candidate['score']:.4f}",
                candidate["token_str"].strip(),
                " ".join(candidate["sequence"].split()),
            )
            click.echo("\t".join(fields))


def _draw(mask_token: str, text: str, masks: FilledMasks) -> None:
    from fillmask.cli.drawing import draw

    draw(text, masks, mask_token)
