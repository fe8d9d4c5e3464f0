"""Fine-tune a masked language model to classify texts.

The encoder of any checkpoint gets transformers' head for its family; all of it is trained, with AdamW, a short
warm-up and a linear decay. After each epoch the validation examples are judged; the best epoch is kept, and training
stops when several epochs in a row are no better. What is written is a standard checkpoint folder, which
`fillmask.tasks.classify` reads without torch: whole, or not at all.

What a step does depends on the seed and its number alone. A run that is killed goes on from its state, which is kept
as pretraining keeps its own (`fillmask.training.state`), and comes to the same model.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fillmask.errors import CorpusError, InputError, MissingExtraError
from fillmask.models.checkpoint import Checkpoint
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.training.classifier import (
    ClassifierRunner,
    default_rate,
    encode_examples,
    open_classifier,
    pooling_override,
)
from fillmask.training.confusion import Confusion
from fillmask.training.labelled import Labelled

try:
    import torch
except ImportError as missing:
    raise MissingExtraError("fine-tuning", "train") from missing

from fillmask.runtime.engines.torch import find_device
from fillmask.training.reporting import Curves
from fillmask.training.state import cut_curve, log, read_state, write_state

PRECISIONS = ("auto", "float32", "bfloat16")
WEIGHTS = ("none", "balanced")
POOLINGS = ("auto", "cls", "mean")
_POOL = 32  # batches whose texts are sorted by length together


@dataclass(frozen=True)
class FinetuningRecipe:
    """How to train.

    Attributes:
        epochs: at most so many passes over the examples.
        patience: stop after so many epochs in a row that are no better.
        lr: highest learning rate; see `default_rate`.
        warmup: share of all steps in which the rate rises.
        max_length: tokens of a text; the rest is cut off.
        pooling: for ModernBERT, whether the head sees the first token ("cls") or the mean of all; "auto" is what the
            checkpoint's config says.
        class_weights: "balanced" makes each label count alike, however rare it is.
        precision: "auto" is bfloat16 on a GPU and float32 elsewhere.
    """

    epochs: int = 10
    batch_size: int = 32
    lr: float | None = None
    weight_decay: float = 0.01
    warmup: float = 0.1
    patience: int = 3
    max_length: int = 256
    pooling: str = "auto"
    class_weights: str = "none"
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "max_length"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected 1 or more")
        for name, choices in (("class_weights", WEIGHTS), ("precision", PRECISIONS), ("pooling", POOLINGS)):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} is {getattr(self, name)!r}; expected {', '.join(choices)}")
        if self.lr is not None and not 0 < self.lr < 1:
            raise InputError(f"lr is {self.lr}; expected a number above 0 and below 1")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}; expected 0 or more")


@dataclass(frozen=True)
class Epoch:
    """One pass: its number from 1, mean training loss, and how the validation examples were judged after it.

    `best` says that none before was better; `step` is how many steps there were by its end.
    """

    number: int
    loss: float
    validation_loss: float
    validation: Confusion
    seconds: float
    best: bool
    step: int

    @property
    def score(self) -> tuple[float, float]:
        """Sort key of an epoch: macro-F1, then a lower loss."""
        return self.validation.macro_f1, -self.validation_loss

    def record(self) -> dict[str, Any]:
        """Returns the epoch's record in the curve."""
        return {
            "step": self.step, "epoch": self.number, "loss": self.loss, "seconds": self.seconds, "best": self.best,
            "validation": {
                "loss": self.validation_loss, "accuracy": self.validation.accuracy, "macro_f1": self.validation.macro_f1
            },
        }  # fmt: skip


@dataclass
class FinetuningResult:
    """The model of the best epoch, in float32 on the CPU, and all epochs."""

    checkpoint: Checkpoint
    model: Any
    labels: tuple[str, ...]
    recipe: FinetuningRecipe
    train: Labelled
    epochs: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> Epoch:
        return next(epoch for epoch in reversed(self.epochs) if epoch.best)

    @property
    def since_best(self) -> int:
        """Number of epochs since the best one."""
        return len(self.epochs) - self.best.number if self.epochs else 0


def finetune(
    checkpoint: Checkpoint, train: Labelled, validation: Labelled, labels: Sequence[str], recipe: FinetuningRecipe = FinetuningRecipe(), *,
    device: str | None = None, work: Path | None = None, save_seconds: float = 300.0,
    on_epoch: Callable[[Epoch], None] | None = None, on_step: Callable[[int, int], None] | None = None,
) -> FinetuningResult:  # fmt: skip
    """Trains and returns the model of the best epoch: the highest macro-F1, then the lowest loss.

    The same arguments on the same machine give the same model.

    Args:
        labels: all of them; the answer's number is its place here.
        work: a folder for the state and the curve. A run whose folder holds a state goes on from it.
        save_seconds: the state is kept after each epoch, and as often as this within one.
        on_epoch: called after each epoch, and at the start for those that a resumed run had done.
        on_step: called after each step with its number and how many an epoch has.

    Raises:
        CorpusError: a validation label is not among `labels`, or a label has no example to train on.
        InputError: the device cannot be used.
        TrainingError: the state in `work` is of another run, is damaged, or cannot be written.
        UnsupportedModelError: transformers has no classifier for the model.
    """
    numbers = {name: number for number, name in enumerate(labels)}
    for name in labels:
        if not train.counts.get(name):
            raise CorpusError(f"no example to train on has the label {name!r}; expected one at least")
    unknown = sorted(set(validation.counts) - set(labels))
    if unknown:
        raise CorpusError(f"the validation examples have labels that training has not: {', '.join(map(repr, unknown))}")
    where = find_device(device)
    torch.manual_seed(recipe.seed)
    model = open_classifier(checkpoint, labels, pooling_override(checkpoint, recipe.pooling)).to(where)
    low = recipe.precision == "bfloat16" or (recipe.precision == "auto" and where.type == "cuda")
    mixed = torch.autocast(where.type, torch.bfloat16) if low else nullcontext()
    rows = encode_examples(checkpoint, train.examples, recipe.max_length)
    judged = encode_examples(checkpoint, validation.examples, recipe.max_length)
    true, judged_true = (
        np.array([numbers[e.label] for e in table.examples], np.int64) for table in (train, validation)
    )
    weights = _class_weights(true, len(labels), recipe.class_weights).to(where)
    run = ClassifierRunner(model, where, mixed, checkpoint.tokenizer.pad_token_id or 0)

    steps = math.ceil(len(rows) / recipe.batch_size)
    peak, factor = recipe.lr or default_rate(checkpoint), _factor(recipe, steps * recipe.epochs)
    optimizer = torch.optim.AdamW(_groups(model, recipe.weight_decay), lr=peak)
    result = FinetuningResult(checkpoint, model, tuple(labels), recipe, train)
    at = _Place()
    run_settings: dict[str, Any] = {}
    if work is not None:
        work.mkdir(parents=True, exist_ok=True)
        run_settings = {**asdict(recipe), "lr": peak, "model": checkpoint.name, "labels": list(labels),
                "examples": _digest(train), "validation": _digest(validation)}  # fmt: skip
        at = _resume(work, run_settings, result, optimizer, where) or at
        cut_curve(work, at.step)
        if on_epoch:
            for epoch in result.epochs:
                on_epoch(epoch)

    def keep() -> None:
        if work is not None:
            state = {"step": at.step, "seconds": at.seconds, "recipe": run_settings, "model": model.state_dict(),
                     "optimizers": [optimizer.state_dict()], "losses": at.losses, "best": at.best,
                     "epochs": [_plain(epoch) for epoch in result.epochs]}  # fmt: skip
            write_state(work, state)

    curves = Curves(work, f"{work.resolve().parent.name} · {checkpoint.name}, fine-tuned") if work else None
    saved = time.perf_counter()
    while len(result.epochs) < recipe.epochs and result.since_best < recipe.patience:
        number, started = len(result.epochs) + 1, time.perf_counter() - at.seconds
        begun = at.step - steps * len(result.epochs)
        model.train()
        for step, batch in enumerate(_batches(rows, recipe.batch_size, [recipe.seed, number]), start=1):
            if step <= begun:
                continue
            for group in optimizer.param_groups:
                group["lr"] = peak * factor(at.step)
            # Dropout draws the same whether or not the run was resumed here.
            torch.manual_seed(hash((recipe.seed, at.step)) % (1 << 31))
            answer = torch.from_numpy(true[batch]).to(where)
            loss = torch.nn.functional.cross_entropy(run.logits([rows[i] for i in batch]), answer, weights)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            at.step += 1
            at.losses += float(loss.detach()) * len(batch)
            if step < steps and time.perf_counter() - saved > save_seconds:
                at.seconds = time.perf_counter() - started
                keep()
                saved = time.perf_counter()
            if on_step:
                on_step(step, steps)
        logits = run.judge(judged, recipe.batch_size)
        judged_loss = float(torch.nn.functional.cross_entropy(logits, torch.from_numpy(judged_true)))
        confusion = Confusion.of(labels, judged_true, logits.argmax(-1).numpy())
        better = not result.epochs or (confusion.macro_f1, -judged_loss) > result.best.score
        if better:
            at.best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        epoch = Epoch(
            number, at.losses / len(rows), judged_loss, confusion, time.perf_counter() - started, better, at.step
        )
        result.epochs.append(epoch)
        at.losses = at.seconds = 0.0
        if work is not None and curves is not None:
            log(work, epoch.record())
            curves.add(_values(epoch), epoch.step)
            curves.plot()
        keep()
        saved = time.perf_counter()
        if on_epoch:
            on_epoch(epoch)
    if curves:
        curves.close()
    model.load_state_dict(at.best)
    model.to("cpu").train(False)
    return result


@dataclass
class _Place:
    """Position of a run: its steps, the losses and seconds of the current epoch, and the best weights."""

    step: int = 0
    losses: float = 0.0
    seconds: float = 0.0
    best: dict[str, torch.Tensor] = field(default_factory=dict)


def _resume(
    work: Path,
    recipe: Mapping[str, Any],
    result: FinetuningResult,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> _Place | None:
    """Restores the state in the folder; None if there is none."""
    state = read_state(work, str(device), recipe)
    if state is None:
        return None
    result.model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizers"][0])
    for epoch in state["epochs"]:
        confusion = Confusion(result.labels, np.array(epoch["validation"], np.int64))
        result.epochs.append(Epoch(**{**epoch, "validation": confusion}))
    best = {name: value.cpu() for name, value in state["best"].items()}
    return _Place(state["step"], state["losses"], state["seconds"], best)


def _values(epoch: Epoch) -> dict[str, float]:
    """Returns the values of an epoch that TensorBoard shows."""
    judged = epoch.record()["validation"]
    return {"train/loss": epoch.loss, **{f"validation/{name}": value for name, value in judged.items()}}


def _plain(epoch: Epoch) -> dict[str, Any]:
    """Returns an epoch as plain values for the state."""
    return {**vars(epoch), "validation": epoch.validation.matrix.tolist()}


def _digest(table: Labelled) -> str:
    """Returns a digest of the examples and their order."""
    rows = json.dumps([[e.text, e.pair, e.label] for e in table.examples])
    return hashlib.blake2b(rows.encode(), digest_size=8).hexdigest()


def _batches(rows: Sequence[MaskedInput], size: int, seed: list[int]) -> Iterator[npt.NDArray[np.int64]]:
    """Indices of the rows in batches, drawn anew each epoch; texts of like length share a batch."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(rows))
    batches: list[npt.NDArray[np.int64]] = []
    for start in range(0, len(order), size * _POOL):
        pool = order[start : start + size * _POOL]
        pool = pool[np.argsort([len(rows[i].ids) for i in pool], kind="stable")]
        batches += [pool[at : at + size] for at in range(0, len(pool), size)]
    for number in rng.permutation(len(batches)):
        yield batches[number]


def _class_weights(true: npt.NDArray[np.int64], labels: int, kind: str) -> torch.Tensor:
    if kind == "none":
        return torch.ones(labels)
    counts = np.bincount(true, minlength=labels)
    return torch.tensor(len(true) / (labels * counts), dtype=torch.float32)


def _groups(model: Any, weight_decay: float) -> list[dict[str, Any]]:
    """Groups parameters: weight decay for matrices, none for norms and biases."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def _factor(recipe: FinetuningRecipe, steps: int) -> Callable[[int], float]:
    """Returns the rate schedule: a linear warm-up, then a linear decay to zero."""
    rising = max(1, round(recipe.warmup * steps))
    return lambda step: min((step + 1) / rising, max(0.0, (steps - step) / max(1, steps - rising)))
