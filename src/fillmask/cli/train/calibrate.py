"""`fillmask train calibrate`: fit the confidence of restorations on held-out text."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fillmask.cli.options import model_options
from fillmask.cli.train.options import SEED

if TYPE_CHECKING:
    from rich.progress import Progress

    from fillmask.runtime.masked_lm import MaskedLM


@click.command("calibrate")
@click.argument("texts", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@model_options
@click.option(
    "--holes", type=click.IntRange(min=5), default=36, show_default=True, help="Holes of each kind of damage."
)
@click.option("--seed", type=SEED, default=1, show_default=True, help="Seed of the damage.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write here.  [default: the model's folder]"
)
@click.option(
    "--pairs",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Fit corrections too, on these pairs: what was read, a tab, and the text as it is, in each line.",
)
@click.option("--only-pairs", is_flag=True, help="Fit corrections alone.")
@click.option("--json", "as_json", is_flag=True, help="Say what was fitted as one JSON object.")
def command(
    texts: tuple[Path, ...],
    model: str | None,
    holes: int,
    seed: int,
    out: Path | None,
    pairs: Path | None,
    only_pairs: bool,
    as_json: bool,
    **engine: Any,
) -> None:
    """Fit the priors and probabilities of restored readings on TEXT files.

    The texts (one paragraph a line, documents apart by an empty line; plain or
    compressed) must be ones that the model has not been trained on. They are
    damaged on purpose and restored, and restoration.json is written into the
    model's folder; `fillmask restore` uses it from then on. Several files are
    drawn from in turn, one passage each: a file for each kind of text weighs
    them alike.

    With --pairs the probabilities of `fillmask correct` are fitted too, on the
    pairs and on as much of the texts, which are to be left as they are; they
    are written as correction.json.

    \b
      fillmask train calibrate validation.txt.xz --model runs/letters
      fillmask train calibrate letters.txt novels.txt records.txt
      fillmask train calibrate validation.txt.xz --pairs pairs.tsv
    """
    from rich.console import Console
    from rich.progress import Progress

    from fillmask.restore.calibration import calibration_file, fitting
    from fillmask.runtime.masked_lm import MaskedLM
    from fillmask.runtime.options import RuntimeOptions
    from fillmask.training.corpus import read_documents

    language = MaskedLM(model, RuntimeOptions(**engine))
    documents = {path.name: list(read_documents(path)) for path in texts}
    if only_pairs and pairs is None:
        raise click.UsageError("--only-pairs without --pairs: there is nothing to fit")
    folder = language.checkpoint.folder if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    written: list[tuple[Path, dict[str, Any], str]] = []
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        if not only_pairs:
            task = bar.add_task("reading damaged text", total=None)
            fitted = fitting.fit(
                language,
                documents,
                holes=holes,
                seed=seed,
                on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
            path = calibration_file.save(fitted, folder)
            written.append((path, dict(fitted.fitted_on), f"{fitted.fitted_on['holes']} holes of each strategy"))
        if pairs is not None:
            written.append(_fit_corrections(language, pairs, documents, seed, folder, bar))
    for path, fitted_on, what in written:
        if as_json:
            click.echo(json.dumps({"file": str(path), **fitted_on}))
        else:
            click.echo(f"{path}: fitted on {what}")


def _fit_corrections(
    language: MaskedLM,
    pairs: Path,
    documents: dict[str, list[str]],
    seed: int,
    folder: Path,
    bar: Progress,
) -> tuple[Path, dict[str, Any], str]:
    from fillmask.restore.correction import fitting, judgement
    from fillmask.restore.correction.pairs import read_pairs

    misread = list(read_pairs(pairs))
    clean = fitting.clean_passages([text for texts in documents.values() for text in texts], misread, seed)
    task = bar.add_task("reading misread text", total=None)
    weights = fitting.fit(
        language,
        [*misread, *((text, text) for text in clean)],
        on_progress=lambda done, total: bar.update(task, completed=done, total=total),
    )
    path = judgement.save(weights, folder)
    return path, dict(weights.fitted_on), f"{weights.fitted_on['suspicious_words']} suspicious words"
