"""`fillmask train channel`: learn how letters are misread from pairs."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("channel")
@click.argument("pairs", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("channel.json"),
    show_default=True,
    help="Write this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Say what was learnt as one JSON object.")
def command(pairs: Path, out: Path, as_json: bool) -> None:
    """Learn from PAIRS how letters are misread.

    PAIRS has one pair a line: what was read, a tab, and the text as it is; or
    it is JSON lines with ocr and text. Confusions that the pairs do not show
    keep a small probability.

    \b
      fillmask train channel pairs.tsv --out channel.json
      fillmask correct page.txt --channel channel.json
    """
    from fillmask.restore.correction import channel as channels
    from fillmask.restore.correction.pairs import read_pairs

    channel = channels.learn(read_pairs(pairs), channels.general())
    channels.save(channel, out)
    if as_json:
        click.echo(json.dumps({"file": str(out), "operations": len(channel.operations), **channel.fitted_on}))
    else:
        lines, characters = channel.fitted_on["lines"], channel.fitted_on["characters"]
        click.echo(f"{out}: {len(channel.operations)} confusions from {lines:,} pairs of {characters:,} characters")
