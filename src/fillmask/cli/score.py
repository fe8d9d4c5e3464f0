"""`fillmask score`: how likely texts are, whole and word by word."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import click

from fillmask.choices import LONG_TEXT_MODES, SCORING_METHODS
from fillmask.cli import complain
from fillmask.cli.options import model_options
from fillmask.data.lines import chunks, lines, reason

if TYPE_CHECKING:
    from fillmask.tasks.fill import FillMask
    from fillmask.tasks.score import Score


@click.command("score")
@click.argument("file", required=False, type=click.File("rb"), metavar="[FILE]")
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
@model_options
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a text: {text, score, tokens, pseudo_perplexity, words: [{word, start, end, score, tokens}]}.",
)
def command(
    file: IO[bytes] | None,
    texts: tuple[str, ...],
    method: str,
    long_text: str,
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
    from fillmask.tasks.fill import FillMask

    if bool(texts) == (file is not None):
        raise click.UsageError("expected a FILE (- for stdin) or --text, not both")
    scorer = FillMask(model, long_text=long_text, **engine)
    write = _json_line if as_json else _drawn if sys.stdout.isatty() else _plain
    count = failures = 0
    for chunk in chunks(lines(file) if file is not None else iter(texts)):
        failures += _write(scorer, chunk, count + 1, method, write, alone=len(texts) == 1)
        count += len(chunk)
        sys.stdout.flush()
    if not count:
        complain("there is no text to score; expected one a line")
        return 1
    if not failures:
        return 0
    return 1 if len(texts) == 1 else 3


def _write(
    scorer: FillMask, texts: list[str], first: int, method: str, write: Callable[[Score], None], *, alone: bool
) -> int:
    """Write the scores of the texts, name those that cannot be scored, and return how many these are."""
    from fillmask.errors import InputError

    failures = 0
    number = 0
    while number < len(texts):
        scores = scorer.score(iter(texts[number:]), method=method)
        try:
            for score in scores:
                number += 1
                write(score)
        except InputError as error:
            told = reason(texts[number], error)
            complain(told if alone else f"text {first + number}: {told}")
            number += 1
            failures += 1
    return failures


def _json_line(score: Score) -> None:
    from dataclasses import asdict

    found = asdict(score)
    words = found.pop("words")
    click.echo(json.dumps({**found, "pseudo_perplexity": score.pseudo_perplexity, "words": words}, ensure_ascii=False))


def _plain(score: Score) -> None:
    click.echo(f"{score.score:.4f}\t{score.pseudo_perplexity:.2f}\t{' '.join(score.text.split())}")


def _drawn(score: Score) -> None:
    from fillmask.cli.drawing import draw_score

    draw_score(score)
