"""What decides a training curve, besides the rows and the model: tokens, rates, stages and masks.

Plain data, written beside every checkpoint; needs no torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fillmask.training.masking import Masking

OPTIMIZERS = ("muon", "normuon", "adamw")
SCHEDULES = ("constant", "linear", "cosine")
EPOCHS = 3.0  # of the text, in adaptation and distillation
HELD_OUT = 0.05  # share of the documents that these are judged on


@dataclass(frozen=True)
class Stage:
    """A part of training with fixed shapes: up to `until` (share of all tokens), rows of `length`, `rate` of it masked."""

    until: float
    length: int
    rate: float


def stages(
    start: float, end: float, schedule: str = "linear", *, count: int = 4, length: int = 128, last_length: int = 0
) -> tuple[Stage, ...]:
    """Stages whose masking rate goes from `start` to `end`, "linear"ly or along a "cosine"; "constant" stays at `start`.

    Args:
        count: stages; within one, shapes and rate are fixed.
        last_length: length of the rows in the last stage, if it differs.
    """
    if schedule == "constant" or start == end:
        end = start
    rates = []
    for number in range(count):
        share = number / max(1, count - 1)
        if schedule == "cosine":
            share = (1 - math.cos(math.pi * share)) / 2
        rates.append(round(start + (end - start) * share, 4))
    return tuple(
        Stage((n + 1) / count, last_length if last_length and n == count - 1 else length, rate)
        for n, rate in enumerate(rates)
    )


@dataclass(frozen=True)
class Recipe:
    """What decides the training curve, together with the rows and the shape.

    Attributes:
        tokens: tokens to train on in all, padding and special ones included.
        batch_tokens: tokens an optimiser step.
        optimizer: one of `OPTIMIZERS`: Muon or NorMuon on the hidden matrices and AdamW on the rest, or AdamW alone.
        lr: AdamW's peak rate. muon_lr: Muon's.
        warmup_steps: rates rise so long.
        decay: over the last share of the tokens rates fall to zero, linearly ("wsd": warm-up, stable, decay);
            with "cosine" or "linear" they fall from the end of the warm-up on.
        schedule: "wsd", "linear" or "cosine".
        dropout: of the model; none by default, since text is rarely seen often enough to be learned by heart.
        stages: lengths and masking rates.
        masking: units and what stands in their place.
        body_rate: the encoder's body learns at this share of the rates; head and word embeddings at all of them.
        hold: share of the tokens at the start in which the body stays as it is.
        average: the model is the mean of its weights over this last share of the tokens; 0 for the last weights.
        objective: "mlm", or "nsp" (BERT) or "sop" (ALBERT) for sentence pairs beside it.
    """

    tokens: int
    batch_tokens: int = 8192
    optimizer: str = "muon"
    lr: float = 2e-3
    muon_lr: float = 0.02
    muon_weight_decay: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    warmup_steps: int = 300
    schedule: str = "wsd"
    decay: float = 0.4
    dropout: float = 0.0
    seed: int = 0
    # The masking rate falls from 30% to 15% (Ankner et al. 2023, "Dynamic
    # Masking Rate Schedules for MLM Pretraining"), in steps that keep shapes
    # fixed; the last stage lengthens the rows.
    stages: tuple[Stage, ...] = field(default_factory=lambda: stages(0.30, 0.15, last_length=256))
    masking: Masking = field(default_factory=Masking)
    objective: str = "mlm"
    body_rate: float = 1.0
    hold: float = 0.0
    average: float = 0.0

    @property
    def steps(self) -> int:
        return max(1, self.tokens // self.batch_tokens)

    @property
    def lengths(self) -> Sequence[int]:
        """Row lengths that the stages need."""
        return sorted({stage.length for stage in self.stages})

    def stage_at(self, step: int) -> Stage:
        share = step / self.steps
        return next((stage for stage in self.stages if share < stage.until), self.stages[-1])

    def holds(self, step: int) -> bool:
        """Whether the body stays as it is at `step`."""
        return step < round(self.hold * self.steps)

    def averages(self, step: int) -> bool:
        """Whether the weights after `step` steps are part of the mean."""
        return step > self.steps - max(1, round(self.average * self.steps)) if self.average else False

    def rate_factor(self, step: int) -> float:
        """Share of the peak learning rate at `step`."""
        warmup = min(self.warmup_steps, max(1, self.steps // 5))
        warm = min(1.0, (step + 1) / warmup)
        if self.schedule == "wsd":
            return min(warm, (self.steps - step) / max(1.0, self.decay * self.steps))
        remaining = min(1.0, (self.steps - step) / max(1, self.steps - warmup))
        return min(warm, remaining if self.schedule == "linear" else (1 - math.cos(math.pi * remaining)) / 2)


def lasting(recipe: Recipe) -> dict[str, Any]:
    """Returns the settings that a continued run must share, as JSON values: all except the number of tokens."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    del values["tokens"]
    return values


def fitted(recipe: Recipe, longest: int) -> Recipe:
    """Returns the recipe with rows of at most `longest` tokens."""
    return replace(recipe, stages=tuple(replace(s, length=min(s.length, longest)) for s in recipe.stages))


# Gentle, from a trained model: a fifth of the rates of pretraining, and a constant 15% hidden, as there is little text.
ADAPTATION = Recipe(
    tokens=0, batch_tokens=4096, lr=4e-4, muon_lr=4e-3, warmup_steps=50, schedule="linear",
    stages=stages(0.15, 0.15, "constant", count=1),
)  # fmt: skip

# The rates of pretraining: half of them, as the student begins with trained layers, were worse (docs/log/train.md).
DISTILLATION = Recipe(tokens=0, warmup_steps=100, stages=stages(0.30, 0.15))
