"""`fillmask score`: how likely texts are, whole and word by word."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from fillmask.choices import LONG_TEXT_MODES, SCORING_METHODS
from fillmask.cli.options import TextPath, model_options
from fillmask.cli.reading import read_options, text_reading_options
from fillmask.cli.texts import answer_texts
from fillmask.data.lines import read_lines

if TYPE_CHECKING:
    from fillmask.tasks.score import Score


@click.command("score")
@click.argument("file", required=False, type=TextPath(), metavar="[FILE]")
@click.option("--text", "-t", "texts", multiple=True, metavar="TEXT", help="Score this text; may be repeated.")
@click.option(
    "--method",
    type=click.Choice(SCORING_METHODS),
    default="word-l2r",
    show_default=True,
    help="What is hidden with a token: the later tokens of its word, nothing, or all of its word.",
)
@click.option(
    "--long-text",
    type=click.Choice(LONG_TEXT_MODES),
    default="error",
    show_default=True,
    help="For a text longer than the model: refuse it, or read each token in the stretch round it.",
)
@text_reading_options
@model_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a text: {text, score, tokens, pseudo_perplexity, words: [{word, start, end, score, tokens}]}.",
)
def command(
    file: str | None,
    texts: tuple[str, ...],
    method: str,
    long_text: str,
    encoding: str | None,
    zstd_window: int | None,
    model: str | None,
    as_json: bool,
    **engine: Any,
) -> int:
    """Say how likely each text of FILE is: one text a line, - for stdin.

    The score of a text is its pseudo-log-likelihood in nats: each token is
    hidden in turn, and the log-probabilities of what was there are added up.

    \b
      fillmask score -t "I am going to the bakery" -t "I am bakery to the going"
      fillmask score --json sentences.txt

    On a terminal each text is drawn with its words; piped, each is a line:
    score, pseudo-perplexity and text, separated by tabs. Texts that cannot be
    scored are named on stderr, and the exit code is then 3 (1 for a single
    text).
    """
    from fillmask.runtime.masked_lm import MaskedLM
    from fillmask.runtime.options import RuntimeOptions
    from fillmask.tasks.score import score_each

    if bool(texts) == (file is not None):
        raise click.UsageError("expected a FILE (- for stdin) or --text, not both")
    scorer = MaskedLM(model, RuntimeOptions(**engine))
    write = _json_line if as_json else _drawn if sys.stdout.isatty() else _plain
    return answer_texts(
        read_lines(file, read_options(encoding, zstd_window=zstd_window)) if file is not None else iter(texts),
        lambda chunk: score_each(scorer, chunk, method=method, windows=long_text == "window"),
        lambda _, score: write(score),
        single=len(texts) == 1,
        verb="score",
    )


def _json_line(score: Score) -> None:
    from dataclasses import asdict

    fields = asdict(score)
    words = fields.pop("words")
    click.echo(json.dumps({**fields, "pseudo_perplexity": score.pseudo_perplexity, "words": words}, ensure_ascii=False))


def _plain(score: Score) -> None:
    click.echo(f"{score.score:.4f}\t{score.pseudo_perplexity:.2f}\t{' '.join(score.text.split())}")


def _drawn(score: Score) -> None:
    from fillmask.cli.drawing import draw_score

    draw_score(score)
