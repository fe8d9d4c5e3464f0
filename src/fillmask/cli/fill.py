"""`fillmask fill`: rank the words that fit each mask."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from fillmask.choices import LONG_TEXT_MODES
from fillmask.cli import complain
from fillmask.cli.options import model_options
from fillmask.data.lines import chunks, lines, reason

if TYPE_CHECKING:
    from fillmask.tasks.fill import Candidate, FillMask


@click.command("fill")
@click.argument("texts", nargs=-1, required=True, metavar="TEXT...")
@click.option("--top-k", "-k", type=click.IntRange(min=1), default=5, show_default=True, help="Answers a mask.")
@click.option(
    "--targets",
    "-t",
    multiple=True,
    metavar="WORD,...",
    help="Choose among these words only, each with the space before it; may be repeated.",
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
    with a warning; a hole in `fillmask restore` may be a word of any length.

    \b
      fillmask fill "I am <mask> to the bakery"
      fillmask fill -t walking,running "I am <mask> to the bakery"
      fillmask fill --json - < phrases.txt

    On a terminal the answers are drawn; piped, each is a line: probability,
    word and filled text, separated by tabs. Texts that cannot be filled are
    named on stderr, and the exit code is then 3 (1 for a single text).
    """
    from fillmask.tasks.fill import FillMask

    words = [word for group in targets for word in group.split(",") if word]
    if targets and not words:
        raise click.UsageError("--targets names no word")
    fill = FillMask(model, top_k=top_k, long_text=long_text, **engine)
    write = _json_line if as_json else _drawn if sys.stdout.isatty() else _plain
    count = failures = 0
    for chunk in chunks(_read(texts)):
        for number, text, answer in _answers(fill, chunk, count + 1, words):
            if isinstance(answer, str):
                failures += 1
                complain(answer if len(texts) == 1 and texts[0] != "-" else f"text {number}: {answer}")
            else:
                write(fill, text, answer)
        count += len(chunk)
        sys.stdout.flush()
    if not failures:
        return 0
    return 1 if len(texts) == 1 and texts[0] != "-" else 3


def _read(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if text == "-":
            yield from lines(sys.stdin.buffer)
        else:
            yield text


def _answers(
    fill: FillMask, texts: list[str], first: int, words: list[str]
) -> Iterator[tuple[int, str, list[list[Candidate]] | str]]:
    """Number, text and candidates for each mask, or what is wrong with the text."""
    from fillmask.errors import InputError

    try:
        found = [fill(text, targets=spelled(fill, text, words)) for text in texts] if words else fill(texts)
        if len(texts) == 1 and not words:
            found = [found]
    except InputError as error:
        if len(texts) == 1:
            yield first, texts[0], reason(texts[0], error)
            return
        # One bad text spoils a batch: ask for each alone, so that the others are answered.
        for offset, text in enumerate(texts):
            yield from _answers(fill, [text], first + offset, words)
        return
    for offset, (text, answer) in enumerate(zip(texts, found, strict=True)):
        yield first + offset, text, answer if answer and isinstance(answer[0], list) else [answer]


def spelled(fill: FillMask, text: str, words: list[str]) -> list[str]:
    """The words as the vocabulary spells them where the mask stands: inside a text with the space before them.

    Of a word of several tokens the first will stand for it, which is then the beginning of a word too.
    """
    from fillmask.tasks.masked_texts import MASK_SPELLINGS

    starts = text.lstrip().startswith((fill.mask_token, *MASK_SPELLINGS))
    found: list[str] = []
    for word in words:
        written = word if starts else f" {word}"
        pieces = fill.tokenizer.tokenize(written)
        found.append(pieces[0] if len(pieces) == 1 else written)
    return found


def _json_line(fill: FillMask, text: str, masks: list[list[Candidate]]) -> None:
    click.echo(json.dumps({"text": text, "masks": masks}, ensure_ascii=False))


def _plain(fill: FillMask, text: str, masks: list[list[Candidate]]) -> None:
    for row in masks:
        for candidate in row:
            fields = (
                f"{candidate['score']:.4f}",
                candidate["token_str"].strip(),
                " ".join(candidate["sequence"].split()),
            )
            click.echo("\t".join(fields))


def _drawn(fill: FillMask, text: str, masks: list[list[Candidate]]) -> None:
    from fillmask.cli.drawing import draw

    draw(text, masks, fill.mask_token)
