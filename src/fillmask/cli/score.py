"""`fillmask score`: how likely texts are, whole and word by word."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from fillmask.choices import LONG_TEXT_MODES, MARGINAL_CONVENTIONS, SCORING_METHODS
from fillmask.cli.options import TextPath, model_options
from fillmask.cli.reading import read_options, text_reading_options
from fillmask.cli.texts import answer_texts
from fillmask.data.lines import read_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fillmask.errors import InputError
    from fillmask.runtime.masked_lm import MaskedLM
    from fillmask.tasks.marginals import TokenLogProbabilities
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
@click.option("--per-token", is_flag=True, help="Give the log-probability of each token, in place of words.")
@click.option(
    "--convention",
    type=click.Choice(MARGINAL_CONVENTIONS),
    default="masked",
    show_default=True,
    help="per-token: mask each position in turn, or read the text as it is.",
)
@click.option(
    "--targets",
    multiple=True,
    metavar="WORD,...",
    help="per-token: also the log-probability of each of these at every position; may be repeated.",
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
    per_token: bool,
    convention: str,
    targets: tuple[str, ...],
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

    --per-token gives masked or wild-type marginals: the log-probability of
    each token where it stands, and those of --targets in its place. Piped,
    each token is a line: number of the text, position, token, log-probability,
    and one for each target.

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
    if (targets or convention != "masked") and not per_token:
        raise click.UsageError("--targets and --convention are options of --per-token")
    scorer = MaskedLM(model, RuntimeOptions(**engine))
    reading = read_options(encoding, zstd_window=zstd_window)
    source = read_lines(file, reading) if file is not None else iter(texts)
    if per_token:
        words = [word for group in targets for word in group.split(",") if word]
        return _per_token(scorer, source, words, convention, long_text == "window", as_json, single=len(texts) == 1)
    write = _json_line if as_json else _drawn if sys.stdout.isatty() else _plain
    return answer_texts(
        source,
        lambda chunk: score_each(scorer, chunk, method=method, windows=long_text == "window"),
        lambda _, score: write(score),
        single=len(texts) == 1,
        verb="score",
    )


def _per_token(
    scorer: MaskedLM,
    source: Iterator[str],
    words: list[str],
    convention: str,
    windows: bool,
    as_json: bool,
    *,
    single: bool,
) -> int:
    """Write the log-probabilities of each token of the texts."""
    import numpy as np

    from fillmask.tasks.marginals import log_probabilities_each
    from fillmask.tasks.targets import Targets

    targets = Targets.from_words(scorer.tokenizer, words, scorer.vocab_size) if words else None
    if targets is not None:
        targets.warn()
    names = [] if targets is None else scorer.tokenizer.convert_ids_to_tokens(targets.inside.tolist())
    count = 0

    def write(text: str, answer: TokenLogProbabilities) -> None:
        nonlocal count
        count += 1
        rows = answer.values.tolist() if words else [[] for _ in answer.tokens]
        values = zip(answer.tokens, answer.own.tolist(), rows, strict=True)
        if not as_json:
            for position, (token, own, row) in enumerate(values, start=1):
                click.echo("\t".join([f"{count}", f"{position}", token, *(f"{value:.4f}" for value in (own, *row))]))
            return
        tokens = [
            {
                "token": token,
                "log_probability": own,
                **({"targets": dict(zip(names, row, strict=True))} if words else {}),
            }
            for token, own, row in values
        ]
        facts = {
            "text": text,
            "convention": convention,
            "pseudo_log_likelihood": answer.pseudo_log_likelihood,
            "pseudo_perplexity": answer.pseudo_perplexity,
            "tokens": tokens,
        }
        click.echo(json.dumps(facts, ensure_ascii=False))

    def answer_each(chunk: list[str]) -> Iterator[TokenLogProbabilities | InputError]:
        # Without targets nothing but the text's own tokens is written: keep no row of the vocabulary.
        columns = targets or Targets(np.zeros(0, np.int64), np.zeros(0, np.int64), 0)
        return log_probabilities_each(scorer, chunk, convention=convention, targets=columns, windows=windows)

    return answer_texts(source, answer_each, write, single=single, verb="score")


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
