"""Adaptation to text of a domain: `fillmask train adapt` as a function.

The model keeps its vocabulary, its shape and its calibration for restoring. It is measured before and after
on documents of the domain that it was not trained on, by `fillmask.tasks.evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fillmask.data.documents import CorpusFile, documents
from fillmask.restore import word_list
from fillmask.restore.calibration.calibration_file import carry_over
from fillmask.runtime.engines.torch import find_device
from fillmask.tasks.evaluate import MaskedAccuracy
from fillmask.training.build import contents_of
from fillmask.training.derived import derive, in_words
from fillmask.training.pretrain import Pretraining, TrainingProgress
from fillmask.training.recipe import ADAPTATION, Recipe
from fillmask.training.session import HardwareOptions, RunOptions, TrainingText
from fillmask.training.sweep import check_one_process, sweep
from fillmask.training.warm_start import WarmStart, open_model, settings_of, start_bias

_LEAST, _MOST = 100_000, 20_000_000  # tokens


@dataclass(frozen=True)
class AdaptationResult:
    """Accuracy on held-out text of the domain, before and after; None if no text is held out."""

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
    """Continues to train `model` on the texts and returns the folder of the new checkpoint.

    Args:
        model: None for the bundled model, a checkpoint folder, or a hub id.
        tokens: number of training tokens; by default three times the text, within limits.
        on_progress: called after each logging interval.

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
    warm_start: WarmStart | None = None,
    sweep_tokens: int | None = None,
) -> AdaptationResult:
    """Continues to train a model on text and measures it before and after.

    A model that gets a new head or vocabulary is measured only after it is trained.

    Args:
        recipe: `tokens` of 0 asks for three times the text, within limits.
        warm_start: what is made new of the model before it is trained.
        sweep_tokens: compare rates first, on so many tokens each (0: a tenth of the training), and train at the best.

    Raises:
        CorpusError: the text cannot be used.
        TrainingError: the model cannot be trained, or the training not go on.
        CheckpointError: the model cannot be opened.
    """
    running = running or RunOptions()
    reporter, first = running.reporter, running.processes.first
    warm_start = warm_start or WarmStart()
    work = derive(model, text, folder, recipe, running, least=_LEAST, most=_MOST, warm_start=warm_start)
    session, tokens = work.session, work.recipe.tokens
    made_of = {"command": "adapt", "model": contents_of(model, folder), **settings_of(warm_start)}

    def begin(recipe: Recipe) -> Pretraining:
        """Creates a run of the recipe from the start model."""
        start = open_model(model, session.tokenizer, dropout=recipe.dropout, warm_start=warm_start)
        if start.facts:
            start_bias(start.model, work.data.rows[recipe.lengths[0]])
        facts.update(start.facts)
        return session.pretraining(start.model, work.data, recipe, made_of)

    facts: dict[str, str] = {}
    recipe = work.recipe
    if sweep_tokens is not None:
        check_one_process(running.processes)
        recipe = sweep(begin, recipe, session.work, reporter, tokens=sweep_tokens)
    run = begin(recipe)
    for name, fact in facts.items():
        reporter.say(f"{name}: {fact}")
    before = work.judge(model) if measure and first and not facts else None
    if before:
        reporter.say(f"before: {in_words(before)}")
    session.train(run)
    after = None
    if first:
        after = work.judge(folder) if measure else None
        results: dict[str, Any] = {"held-out text": "not measured"}
        record = None
        if after and facts:
            reporter.say(f"after: {in_words(after)}")
            results = {"held-out text of the domain": in_words(after)}
            record = ("adaptation.json", {"after": vars(after), "tokens": tokens})
        if before and after:
            reporter.say(f"after:  {in_words(after)}")
            results = {"before, held-out text of the domain": in_words(before), "after": in_words(after)}
            record = ("adaptation.json", {"before": vars(before), "after": vars(after), "tokens": tokens})
        summary = f"{work.origin.name}, continued on text of a domain with `fillmask train adapt`."
        work.finish(run, summary, results, record, facts)
        if not facts:  # what was fitted to a vocabulary or a head says nothing of another
            carry_over(work.origin.folder, folder)
            _learn_words(text.sources, folder)
    running.processes.wait()
    return AdaptationResult(folder, tokens, len(session.bad.rows), before, after)


def _learn_words(sources: Sequence[CorpusFile], folder: Path) -> None:
    """Add the words of the text to the model's word list, so that restoring takes them for words."""
    words = word_list.of_checkpoint(folder)
    if words is not None:
        texts = (part.text for source in sources for part in documents(source, lambda _: None))
        word_list.save(word_list.extended(words, texts), folder)
