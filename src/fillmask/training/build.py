"""Pretraining from text: `fillmask train pretrain` as a function."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from fillmask.errors import FillMaskError, InputError, TrainingError
from fillmask.models.checkpoint import open_checkpoint
from fillmask.training import families
from fillmask.training.objectives import MaskedTokens, SentencePairs
from fillmask.training.pretrain import Pretraining
from fillmask.training.processes import Processes
from fillmask.training.recipe import Recipe
from fillmask.training.reporting import Reporter
from fillmask.training.session import RunOptions, TrainingSession, TrainingText, make_folder
from fillmask.training.sweep import check_one_process, sweep
from fillmask.training.tokenizer import read_tokenizer, save_tokenizer, take_tokenizer, train_tokenizer
from fillmask.training.warm_start import (
    StartingModel,
    WarmStart,
    check_can_start,
    check_row_length,
    open_model,
    settings_of,
    start_bias,
)

KIND_OF = {"bert": "wordpiece", "distilbert": "wordpiece", "electra": "wordpiece", "mpnet": "wordpiece",
           "convbert": "wordpiece", "nomic_bert": "wordpiece", "albert": "unigram", "deberta-v2": "unigram",
           "camembert": "unigram", "xlm-roberta": "unigram"}  # fmt: skip
# Values of a family's config that are decided elsewhere, and where.
_FOLLOWS = {
    "family": "--family", "size": "--size", "vocab_size": "the tokenizer", "special": "the tokenizer",
    "max_positions": "--max-positions", "dropout": "--dropout", "model_type": "--family",
}  # fmt: skip
_VOCABULARY_TEXT = 200_000_000  # characters that a tokenizer learns from, at most


@dataclass(frozen=True)
class PretrainingOptions:
    """The model to create, and how to train it.

    Attributes:
        family, size: see `families`.
        overrides: values of the family's config.
        tokenizer: a folder or hub id whose vocabulary is taken; else the output folder's own, else one is learned.
        vocab_size, lowercase: of a tokenizer that is learned.
        initial: a checkpoint to begin from in place of random weights; it gets the vocabulary of `tokenizer`, if that is given.
        grow_head: make a head for an initial checkpoint that has none.
        recipe: `tokens` of 0 asks for `epochs` times the text.
        samples: texts with one mask that are filled as the model learns; parts of the held-out text by default.
        sweep_tokens: compare rates first, on so many tokens each (0: a tenth of the training), and train at the best.
        log_every, validate_every: see `TrainingSession.train`.
    """

    family: str = "modernbert"
    size: str = "small"
    overrides: dict[str, Any] = field(default_factory=dict)
    tokenizer: str | None = None
    vocab_size: int = 16384
    lowercase: bool = False
    initial: str | None = None
    grow_head: bool = False
    max_positions: int = 512
    recipe: Recipe = field(default_factory=lambda: Recipe(tokens=0))
    epochs: float = 10.0
    samples: Sequence[str] = ()
    sweep_tokens: int | None = None
    log_every: int | None = None
    validate_every: int | None = None

    @property
    def warm_start(self) -> WarmStart:
        """New parts of the initial checkpoint."""
        return WarmStart(self.grow_head, self.tokenizer if self.initial is not None else None)


def pretrain(
    text: TrainingText,
    folder: Path,
    settings: PretrainingOptions,
    running: RunOptions | None = None,
) -> int:
    """Trains a model into `folder`, continuing an interrupted run, and returns the number of unusable rows.

    Raises:
        CorpusError: the text cannot be used.
        TrainingError: the training cannot start or go on.
        InputError: a setting cannot be used.
        CheckpointError: the tokenizer or the initial model cannot be opened.
    """
    running = running or RunOptions()
    reporter, processes = running.reporter, running.processes
    if settings.family not in families.FAMILIES:
        raise InputError(f"there is no family {settings.family!r}; expected one of {', '.join(families.FAMILIES)}")
    for name in settings.overrides:
        if name in _FOLLOWS:
            raise InputError(
                f"the model's {name!r} follows from {_FOLLOWS[name]}; leave it out of the config's \"model\""
            )
    if settings.initial is not None:
        initial = open_checkpoint(settings.initial)
        check_can_start(initial, settings.warm_start)
        check_row_length(initial, settings.recipe)
        if settings.recipe.objective != "mlm":
            raise InputError(
                f"--objective {settings.recipe.objective} trains a new model, and {initial.name} has no head for sentence pairs;"
                " leave --initial or --objective away"
            )
    elif settings.grow_head:
        raise InputError("a head is grown for a model that there is; name it with --initial")
    if processes.first:
        make_folder(folder)
    tokenizer = _tokenizer(text, folder, settings, processes, reporter)
    session = TrainingSession(folder, tokenizer, running)
    recipe = settings.recipe
    session.read(text, seed=recipe.seed, sentences=recipe.objective != "mlm")
    if not recipe.tokens:
        recipe = replace(recipe, tokens=max(recipe.batch_tokens, int(settings.epochs * len(session.corpus.tokens))))
    data = session.rows(recipe)
    facts: dict[str, str] = {}
    made_of = _made_of(settings, folder)

    def begin(recipe: Recipe) -> Pretraining:
        """Creates a run of the recipe from the start model."""
        start = _model(settings, recipe, session)
        if start.facts:
            start_bias(start.model, data.rows[recipe.lengths[0]])
        facts.update(start.facts)
        objective = MaskedTokens(start.model) if recipe.objective == "mlm" else SentencePairs(start.model)
        return session.pretraining(start.model, data, recipe, made_of, objective)

    if settings.sweep_tokens is not None:
        check_one_process(processes)
        recipe = sweep(begin, recipe, session.work, reporter, tokens=settings.sweep_tokens)
    run = begin(recipe)
    run.resume(session.work)
    if run.step < recipe.steps:
        reporter.say(
            f"{settings.family}, {run.model.num_parameters() / 1e6:.1f}M parameters, {recipe.tokens:,} tokens in"
            f" {recipe.steps:,} steps on {running.machine.device}"
        )
    last = session.train(
        run, samples=settings.samples, log_every=settings.log_every, validate_every=settings.validate_every
    )
    if processes.first:
        accuracy = (last.validation if last else None) or run.validate()
        results = {
            "loss on held-out text, 15% of tokens hidden": f"{accuracy['loss']:.3f}",
            "hidden token is the likeliest (top-1)": f"{accuracy['top1']:.1%}",
            "hidden token is among the five likeliest (top-5)": f"{accuracy['top5']:.1%}",
        } if accuracy else {"held-out text": "none"}  # fmt: skip
        session.write_card(
            f"A masked language model of the {settings.family} family, trained from text with `fillmask train pretrain`.",
            run, results, base_model=settings.initial, facts=facts,
        )  # fmt: skip
    return len(session.bad.rows)


def _made_of(settings: PretrainingOptions, folder: Path) -> dict[str, Any]:
    """Returns what determines the model before the first step."""
    if settings.initial is not None:
        initial = contents_of(settings.initial, folder)
        return {"command": "pretrain", "initial": initial, **settings_of(settings.warm_start)}
    return {
        "command": "pretrain", "family": settings.family, "size": settings.size,
        "max_positions": settings.max_positions, "model": dict(settings.overrides),
    }  # fmt: skip


def contents_of(name: str | Path | None, output: Path) -> dict[str, str]:
    """Identifies a checkpoint in a state: its name, and a digest of its config and weights.

    Args:
        output: where the training writes; a model in that folder changes as it is trained, and has no digest.

    Raises:
        CheckpointError: it cannot be opened.
    """
    checkpoint = open_checkpoint(name)
    if checkpoint.folder.resolve() == output.resolve():
        return {"name": checkpoint.title, "digest": "its own"}
    digest = hashlib.blake2b(digest_size=8)
    for path in (checkpoint.folder / "config.json", *sorted(checkpoint.folder.glob("model*.safetensors"))):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "blake2b").digest())
    return {"name": checkpoint.title, "digest": digest.hexdigest()}


def _tokenizer(
    text: TrainingText, folder: Path, settings: PretrainingOptions, processes: Processes, reporter: Reporter
) -> Tokenizer:
    path = folder / "tokenizer.json"

    def ensure() -> None:
        origin = settings.tokenizer or settings.initial
        if origin is not None:
            take_tokenizer(origin, folder, settings.max_positions)
        elif not path.exists():
            kind = KIND_OF.get(settings.family, "bpe")
            reporter.say(
                f"learning a {kind} vocabulary of {settings.vocab_size:,} tokens, since {folder} has no tokenizer.json"
            )
            learned = train_tokenizer(
                text.sources, settings.vocab_size, kind=kind, lowercase=settings.lowercase, seed=settings.recipe.seed,
                max_characters=_VOCABULARY_TEXT, on_bad=lambda _: None,  # named when the text is tokenised
            )  # fmt: skip
            save_tokenizer(learned, folder, settings.max_positions)

    if processes.first:
        ensure()
    processes.wait()
    return read_tokenizer(folder)


def _model(settings: PretrainingOptions, recipe: Recipe, session: TrainingSession) -> StartingModel:
    torch.manual_seed(recipe.seed)
    size = session.tokenizer.get_vocab_size(with_added_tokens=True)
    if settings.initial is None:
        try:
            config = families.make_config(
                settings.family, settings.size, size, session.vocabulary.special, max_positions=settings.max_positions,
                dropout=recipe.dropout, **settings.overrides,
            )  # fmt: skip
            return StartingModel(families.make_model(config, recipe.objective), {})
        except FillMaskError:
            raise
        except Exception as error:  # transformers and torch raise many kinds for values that do not go together
            why = " ".join(str(error).split()) or type(error).__name__
            values = ", ".join(f"{name}={value!r}" for name, value in settings.overrides.items()) or settings.size
            raise TrainingError(
                f'no {settings.family} model can be made with {values}: {why:.200}; change the config\'s "model"'
            ) from error
    return open_model(settings.initial, session.tokenizer, dropout=recipe.dropout, warm_start=settings.warm_start)
