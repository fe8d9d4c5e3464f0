"""`fillmask train lexicon`: count the words of texts for restoring and correcting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click


@click.command("lexicon")
@click.argument("texts", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out", "-o", required=True, type=click.Path(file_okay=False, path_type=Path), help="Write lexicon.tsv.xz here."
)
@click.option("--size", type=click.IntRange(min=1), default=100_000, show_default=True, help="Words to keep.")
@click.option("--json", "as_json", is_flag=True, help="Say what was counted as one JSON object.")
def command(texts: tuple[Path, ...], out: Path, size: int, as_json: bool) -> None:
    """Count the words of TEXT files and keep the most frequent ones.

    The list, lexicon.tsv.xz, is case-sensitive and has one word a line with
    its count. Beside a model, `fillmask restore` proposes its words wherever
    they fit a hole, and `fillmask correct` takes words that it lacks for
    suspicious. Fit the model's confidence again afterwards.

    \b
      fillmask train lexicon letters.txt novels.txt.xz --out my-model
      fillmask train calibrate validation.txt --model my-model
    """
    from fillmask.data.documents import read_documents
    from fillmask.restore import word_list

    def documents() -> Iterator[str]:
        for path in texts:
            yield from read_documents(path)

    words = word_list.count(documents(), size)
    out.mkdir(parents=True, exist_ok=True)
    path = word_list.save(words, out)
    if as_json:
        click.echo(json.dumps({"file": str(path), "words": len(words), "counted": words.total}))
    else:
        share = sum(words.counts.values()) / words.total
        click.echo(f"{path}: {len(words):,} words, {100 * share:.1f}% of the {words.total:,} in the text")
