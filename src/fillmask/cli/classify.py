"""`fillmask classify`: which label a text has."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from fillmask.cli.options import model_options
from fillmask.cli.texts import answer_texts, texts_of

if TYPE_CHECKING:
    from fillmask.tasks.classify import Label

_Write = Callable[[str, "list[Label]"], None]


@click.command("classify")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--top-k", "-k", type=click.IntRange(min=1), help="Labels a text.  [default: all, at most 10; with --json and when piped, all]")  # fmt: skip
@click.option("--truncate", is_flag=True, help="Cut off the end of a text that is longer than the model; otherwise it is refused.")  # fmt: skip
@model_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a text: {text, labels: [{label, score}]}.")
def command(texts: tuple[str, ...], top_k: int | None, truncate: bool, model: str | None, as_json: bool, **engine: Any) -> int:  # fmt: skip
    """Say which label each TEXT has, by a model that was fine-tuned for it.

    With - as TEXT, texts are read from stdin, one a line; blank lines are
    passed over. A model is made by `fillmask train finetune`, or is one of the
    hub's that classifies texts.

    \b
      fillmask classify -m my-sentiment "What a lovely day!"
      fillmask classify -m my-sentiment --json - < reviews.txt

    On a terminal the answers are drawn; piped, each is a line: the best
    label's score, that label and the text, separated by tabs, or more labels
    with --top-k. Texts that cannot be read are named on stderr, and the exit
    code is then 3 (1 for a single text).
    """
    from fillmask.tasks.classify import Classifier

    if model is None:
        raise click.UsageError("--model is needed: the bundled model does not classify; `fillmask train finetune` makes one that does")  # fmt: skip
    drawn = sys.stdout.isatty() and not as_json
    shown = top_k if top_k is not None or as_json else 10 if drawn else 1
    classifier = Classifier(model, **engine)
    write: _Write = _json_line if as_json else _drawn if drawn else _plain
    return answer_texts(
        texts_of(texts),
        lambda chunk: classifier.label_each(chunk, top_k=shown, truncation=truncate),
        write,
        single=len(texts) == 1 and texts[0] != "-",
        verb="classify",
    )


def _json_line(text: str, labels: list[Label]) -> None:
    click.echo(json.dumps({"text": text, "labels": labels}, ensure_ascii=False))


def _plain(text: str, labels: list[Label]) -> None:
    for label in labels:
        click.echo(f"{label['score']:.4f}\t{label['label']}\t{' '.join(text.split())}")


def _drawn(text: str, labels: list[Label]) -> None:
    from fillmask.cli.drawing import draw_labels

    draw_labels(text, labels)
