"""Steps that adaptation and distillation share: a model made from another one.

Both take the other model's vocabulary, train for some times the length of the
text, and judge models on the documents that were held out.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fillmask.data.documents import documents
from fillmask.errors import InputError
from fillmask.models.checkpoint import Checkpoint, open_checkpoint
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.evaluate import MaskedAccuracy, masked_accuracy
from fillmask.training.held_out import held_out_documents
from fillmask.training.pretrain import Pretraining, TrainingRows
from fillmask.training.recipe import EPOCHS, Recipe, fitted
from fillmask.training.reporting import write
from fillmask.training.session import RunOptions, TrainingSession, TrainingText
from fillmask.training.state import STATE, WORK
from fillmask.training.tokenizer import copy_tokenizer, read_tokenizer, save_tokenizer, take_tokenizer
from fillmask.training.warm_start import WarmStart, check_can_start

_JUDGED_ROWS = 500  # windows of 128 tokens that a model is measured on


@dataclass(frozen=True)
class Derivation:
    """A training that begins from another model.

    Attributes:
        origin: that model.
        recipe: with the number of tokens, and rows that the model can read.
    """

    origin: Checkpoint
    text: TrainingText
    session: TrainingSession
    recipe: Recipe
    data: TrainingRows

    def judge(self, model: str | Path | None) -> MaskedAccuracy | None:
        """Measures a model on masked tokens of the held-out documents; None if no document is held out."""
        below = self.session.division.below
        if self.text.validation:
            held = (d.text for source in self.text.validation for d in documents(source, lambda _: None))
        elif below:
            held = (text for text in held_out_documents(self.text.sources, below, self.recipe.seed))
        else:
            return None
        opened = MaskedLM(model)
        length = min(128, opened.tokenizer.model_max_length)
        return masked_accuracy(opened, held, length=length, max_rows=_JUDGED_ROWS)

    def finish(
        self,
        run: Pretraining,
        summary: str,
        results: Mapping[str, Any],
        record: tuple[str, Mapping[str, Any]] | None,
        facts: Mapping[str, str] | None = None,
    ) -> None:
        """Writes the model card and the results as JSON."""
        if record:
            name, values = record
            write(self.session.work / name, json.dumps(values, indent=2) + "\n")
        base = self.origin.name if self.origin.revision else None
        self.session.write_card(summary, run, results, base_model=base, facts=facts)


def derive(
    origin: str | Path | None,
    text: TrainingText,
    folder: Path,
    recipe: Recipe,
    running: RunOptions,
    *,
    least: int = 0,
    most: float = math.inf,
    warm_start: WarmStart | None = None,
) -> Derivation:
    """Opens the other model, copies its tokenizer or the new one, and makes rows of the text.

    Args:
        recipe: `tokens` of 0 asks for three times the text, of `least` to `most` tokens.

    Raises:
        CheckpointError: the model cannot be opened.
        InputError: the folder is the model's own, or holds a model that this training did not make.
        CorpusError: the text cannot be used.
    """
    checkpoint = open_checkpoint(origin)
    if folder.resolve() == checkpoint.folder.resolve():
        raise InputError(f"{folder} is the model itself; give the new one a folder of its own")
    warm_start = warm_start or WarmStart()
    check_can_start(checkpoint, warm_start)
    longest = checkpoint.tokenizer.model_max_length
    tokenizer = checkpoint.tokenizer.backend
    with tempfile.TemporaryDirectory() as staging:
        if warm_start.tokenizer is not None:
            take_tokenizer(warm_start.tokenizer, Path(staging), longest)
            tokenizer = read_tokenizer(Path(staging))
        _check_room(folder, Path(staging) if warm_start.tokenizer is not None else checkpoint.folder)
        session = TrainingSession(folder, tokenizer, running)
        if running.processes.first:
            if warm_start.tokenizer is None and not (checkpoint.folder / "tokenizer.json").exists():
                save_tokenizer(session.tokenizer, folder, longest)
            copy_tokenizer(checkpoint.folder if warm_start.tokenizer is None else Path(staging), folder)
    recipe = fitted(recipe, longest)
    session.read(text, seed=recipe.seed)
    tokens = recipe.tokens or int(min(most, max(least, EPOCHS * len(session.corpus.tokens))))
    recipe = replace(recipe, tokens=max(tokens, recipe.batch_tokens))
    return Derivation(checkpoint, text, session, recipe, session.rows(recipe))


def _check_room(folder: Path, origin: Path) -> None:
    """Refuses a folder that holds another model, before any file in it is replaced.

    Args:
        origin: the folder of the tokenizer that the training takes.
    """
    if not (folder / "config.json").exists():
        return
    origin_tokenizer, folder_tokenizer = origin / "tokenizer.json", folder / "tokenizer.json"
    other = (
        origin_tokenizer.exists()
        and folder_tokenizer.exists()
        and origin_tokenizer.read_bytes() != folder_tokenizer.read_bytes()
    )
    if other or not (folder / WORK / STATE).exists():
        what = " with another vocabulary" if other else ", and no unfinished training of this command"
        raise InputError(f"{folder} holds a model{what}; use another folder, or delete that one first")


def in_words(accuracy: MaskedAccuracy) -> str:
    """`loss 3.21, top-1 45.2%, top-5 63.0% of 2,100 hidden tokens`."""
    return f"loss {accuracy.loss:.3f}, top-1 {accuracy.top1:.1%}, top-5 {accuracy.top5:.1%} of {accuracy.masks:,} hidden tokens"
