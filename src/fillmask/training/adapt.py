"""Continue a model on text of a domain, and see what that gained: `fillmask train adapt` as a function.

The model keeps its vocabulary, its shape and its calibration for restoring. It is measured before and after
on documents of the domain that it was not trained on, by `fillmask.tasks.evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fillmask.data.documents import CorpusFile
from fillmask.restore.calibration.calibration_file import carry_over
from fillmask.runtime.engines.torch import find_device
from fillmask.tasks.evaluate import MaskedAccuracy
from fillmask.training.build import contents_of, open_model
from fillmask.training.derived import derive, in_words
from fillmask.training.pretrain import TrainingProgress
from fillmask.training.recipe import ADAPTATION, Recipe
from fillmask.training.session import HardwareOptions, RunOptions, TrainingText

_LEAST, _MOST = 100_000, 20_000_000  # tokens


@dataclass(frozen=True)
class AdaptationResult:
    """What a model made of the domain's held-out text, before and after; None if nothing was held out."""

    folder: Path
    tokens: int
    bad_rows: int
    before: MaskedAccuracy | None = None
    after: MaskedAccuracy | None = None


def adapt(
    model: str | Path | None,
    texts: Sequence[Path],
    folder: Path,
    *,
    tokens: int | None = None,
    on_progress: Callable[[TrainingProgress], None] | None = None,
) -> Path:
    """Continue `model` on the texts for a while; returns the folder with the new checkpoint.

    Args:
        model: None for the bundled model, a checkpoint folder, or a hub id.
        tokens: how long; three times the text by default, within limits.
        on_progress: told how far it is.

    Raises:
        CorpusError: the texts cannot be used.
        TrainingError: the model cannot be trained.
    """
    text = TrainingText([CorpusFile(path) for path in texts], held_out=0.0)
    running = RunOptions(HardwareOptions(str(find_device(None)), compile=False), on_progress=on_progress)
    adapt_model(model, text, folder, recipe=replace(ADAPTATION, tokens=tokens or 0), running=running, measure=False)
    return folder


def adapt_model(
    model: str | Path | None,
    text: TrainingText,
    folder: Path,
    *,
    recipe: Recipe = ADAPTATION,
    running: RunOptions | None = None,
    measure: bool = True,
) -> AdaptationResult:
    """Continue a model on text, and measure what it gained.

    Args:
        recipe: `tokens` of 0 asks for three times the text, within limits.

    Raises:
        CorpusError: the text cannot be used.
        TrainingError: the model cannot be trained, or the training not go on.
        CheckpointError: the model cannot be opened.
    """
    running = running or RunOptions()
    reporter, first = running.reporter, running.processes.first
    work = derive(model, text, folder, recipe, running, least=_LEAST, most=_MOST)
    session, tokens = work.session, work.recipe.tokens
    made_of = {"command": "adapt", "model": contents_of(model, folder)}
    run = session.pretraining(open_model(model, session, work.recipe.dropout), work.data, work.recipe, made_of)
    before = work.judge(model) if measure and first else None
    if before:
        reporter.say(f"before: {in_words(before)}")
    session.train(run)
    after = None
    if first:
        after = work.judge(folder) if measure else None
        results: dict[str, Any] = {"held-out text": "not measured"}
        record = None
        if before and after:
            reporter.say(f"after:  {in_words(after)}")
            results = {"before, held-out text of the domain": in_words(before), "after": in_words(after)}
            record = ("adaptation.json", {"before": vars(before), "after": vars(after), "tokens": tokens})
        summary = f"{work.origin.name}, continued on text of a domain with `fillmask train adapt`."
        work.finish(run, summary, results, record)
        carry_over(work.origin.folder, folder)
    running.processes.wait()
    return AdaptationResult(folder, tokens, len(session.bad.rows), before, after)
