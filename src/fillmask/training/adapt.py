"""Continue a model on text of a domain, and see what that gained: `fillmask train adapt` as a function.

The model keeps its vocabulary and its shape. It is measured before and after
on documents of the domain that it was not trained on, by `fillmask.evaluate`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fillmask.checkpoint import open_checkpoint
from fillmask.engines.torch import find_device
from fillmask.errors import InputError
from fillmask.evaluate import MaskedAccuracy, masked_accuracy
from fillmask.masked_lm import MaskedLM
from fillmask.training.build import open_model
from fillmask.training.corpus import held_out_documents
from fillmask.training.masking import Masking
from fillmask.training.pretrain import Pretraining, Progress
from fillmask.training.processes import Processes
from fillmask.training.reading import Source, documents
from fillmask.training.recipe import Recipe, fitted, stages
from fillmask.training.reporting import Reporter, Silent, write
from fillmask.training.session import Machine, Session, Text, copy_tokenizer
from fillmask.training.tokenizer import save_tokenizer

HELD_OUT = 0.05
JUDGED_ROWS = 500  # windows of 128 tokens that a model is measured on
_EPOCHS, _LEAST, _MOST = 3.0, 100_000, 20_000_000


@dataclass(frozen=True)
class Adaptation:
    """What a model made of the domain's held-out text, before and after; None if nothing was held out."""

    folder: Path
    tokens: int
    bad_rows: int
    before: MaskedAccuracy | None = None
    after: MaskedAccuracy | None = None


def default_recipe() -> Recipe:
    """A gentle one: AdamW and Muon at a fifth of their rates for pretraining, a constant 15% hidden."""
    return Recipe(
        tokens=0, batch_tokens=4096, lr=4e-4, muon_lr=4e-3, warmup_steps=50, schedule="linear",
        stages=stages(0.15, 0.15, "constant", count=1), masking=Masking(),
    )  # fmt: skip


def adapt(
    model: str | Path | None,
    texts: Sequence[Path],
    folder: Path,
    *,
    tokens: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
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
    text = Text([Source(path) for path in texts], held_out=0.0)
    machine = Machine(str(find_device(None)), compile=False)
    adapt_model(model, text, folder, tokens=tokens, machine=machine, on_progress=on_progress, measure=False)
    return folder


def adapt_model(
    model: str | Path | None,
    text: Text,
    folder: Path,
    *,
    recipe: Recipe | None = None,
    tokens: int | None = None,
    machine: Machine | None = None,
    processes: Processes | None = None,
    reporter: Reporter | None = None,
    cache: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    measure: bool = True,
    save_seconds: float = 300.0,
) -> Adaptation:
    """Continue a model on text, and measure what it gained.

    Raises:
        CorpusError: the text cannot be used.
        TrainingError: the model cannot be trained, or the training not go on.
        CheckpointError: the model cannot be opened.
    """
    reporter, machine, processes = reporter or Silent(), machine or Machine(), processes or Processes()
    checkpoint = open_checkpoint(model)
    if folder.resolve() == checkpoint.folder.resolve():
        raise InputError(f"{folder} is the model itself; give the adapted one a folder of its own")
    session = Session(folder, checkpoint.tokenizer.backend, reporter, machine, processes, cache)
    if processes.first:
        take_tokenizer(checkpoint.folder, session)
    recipe = fitted(recipe or default_recipe(), checkpoint.tokenizer.model_max_length)
    session.read(text, seed=recipe.seed)
    wanted = tokens or recipe.tokens or int(min(_MOST, max(_LEAST, _EPOCHS * len(session.corpus.tokens))))
    recipe = replace(recipe, tokens=max(wanted, recipe.batch_tokens))
    data = session.rows(recipe)
    trained = open_model(model, session, recipe.dropout)
    run = Pretraining(
        trained, data, session.vocabulary, recipe, device=machine.device, compile=machine.compile,
        attention=machine.attention, micro_tokens=machine.micro_tokens, bfloat16=machine.bfloat16, processes=processes,
    )  # fmt: skip
    before = judge(model, text, session, recipe.seed) if measure and processes.first else None
    if before:
        reporter.say(f"before: {in_words(before)}")
    session.train(run, save_seconds=save_seconds, on_progress=on_progress)
    after = None
    if processes.first:
        after = judge(folder, text, session, recipe.seed) if measure else None
        results = {"held-out text": "not measured"}
        if before and after:
            reporter.say(f"after:  {in_words(after)}")
            results = {"before, held-out text of the domain": in_words(before), "after": in_words(after)}
            record = {"before": before.__dict__, "after": after.__dict__, "tokens": recipe.tokens}
            write(session.work / "adaptation.json", json.dumps(record, indent=2) + "\n")
        session.write_card(
            folder.resolve().name, f"{checkpoint.name}, continued on text of a domain with `fillmask train adapt`.", run,
            results, base_model=checkpoint.name if checkpoint.revision else None,
        )  # fmt: skip
        reporter.say(f"the model is in {folder}")
    processes.wait()
    return Adaptation(folder, recipe.tokens, len(session.bad.rows), before, after)


def take_tokenizer(origin: Path, session: Session) -> None:
    """The tokenizer of another checkpoint, for the session's folder."""
    if not (origin / "tokenizer.json").exists():
        save_tokenizer(session.tokenizer, session.folder, 512)
    copy_tokenizer(origin, session.folder)


def judge(model: str | Path | None, text: Text, session: Session, seed: int) -> MaskedAccuracy | None:
    """Accuracy at hidden tokens of the held-out documents; None if there are none."""
    if text.validation:
        held = (d.text for source in text.validation for d in documents(source, lambda _: None))
    elif session.division.below:
        held = (t for t in held_out_documents(text.sources, session.division.below, seed))
    else:
        return None
    opened = MaskedLM(model)
    length = min(128, opened.tokenizer.model_max_length)
    return masked_accuracy(opened, held, length=length, max_rows=JUDGED_ROWS)


def in_words(found: MaskedAccuracy) -> str:
    """`loss 3.21, top-1 45.2%, top-5 63.0% of 2,100 hidden tokens`."""
    return f"loss {found.loss:.3f}, top-1 {found.top1:.1%}, top-5 {found.top5:.1%} of {found.masks:,} hidden tokens"
