"""A sweep of learning rates: short trainings from the same start, on the same number of tokens.

Each trial has the recipe's shape (warm-up, decay, masks) over its own tokens and the recipe's rates times a factor. The
table is in the training's folder as sweep.json and sweep.md, and a sweep that was interrupted goes on from it.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fillmask.errors import InputError
from fillmask.training.pretrain import DivergedError, Pretraining, TrainingProgress
from fillmask.training.processes import Processes
from fillmask.training.recipe import Recipe, lasting
from fillmask.training.reporting import Reporter, write

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_LEAST_STEPS = 20


@dataclass(frozen=True)
class Trial:
    """A pair of rates and its result.

    Attributes:
        factor: of the recipe's rates.
        lr, muon_lr: the peak rates.
        loss: on held-out text, or of the last steps where none is held out, in nats; infinite if it left the numbers.
        top1, top5: shares of the hidden tokens; None where no text is held out.
        seconds: duration of the trial.
    """

    factor: float
    lr: float
    muon_lr: float
    loss: float
    top1: float | None
    top5: float | None
    seconds: float


def sweep(
    start: Callable[[Recipe], Pretraining],
    recipe: Recipe,
    folder: Path,
    reporter: Reporter,
    *,
    tokens: int | None = None,
    factors: Sequence[float] = FACTORS,
) -> Recipe:
    """Compares rates and returns the recipe with the rates of the lowest loss.

    Args:
        start: makes a run of a recipe, always from the same model.
        folder: of the training's state; the table is written there.
        tokens: of each trial; by default a tenth of the recipe's.

    Raises:
        TrainingError: a trial cannot be run.
        InputError: the trial is longer than the training.
    """
    tokens = max(tokens or recipe.tokens // 10, _LEAST_STEPS * recipe.batch_tokens)
    if tokens > recipe.tokens:
        raise InputError(
            f"a trial of {tokens:,} tokens ({_LEAST_STEPS} steps at least) is longer than the training of {recipe.tokens:,};"
            " train longer, or leave --sweep away"
        )
    conditions = {**lasting(recipe), "tokens": tokens}
    trials = _finished(folder, conditions)
    for factor in factors:
        if any(trial.factor == factor for trial in trials):
            continue
        trial = _try(start, recipe, factor, tokens, folder, reporter)
        trials.append(trial)
        reporter.say(_line(trial))
        _write_table(folder, conditions, trials)
    best = min(trials, key=lambda trial: trial.loss)
    reporter.say(f"the best rates: AdamW {best.lr:g}, Muon {best.muon_lr:g}")
    return replace(recipe, lr=best.lr, muon_lr=best.muon_lr)


def check_one_process(processes: Processes) -> None:
    """Refuse a sweep that several processes would share: they would each compare for themselves.

    Raises:
        InputError: there are several.
    """
    if processes.count > 1:
        raise InputError(
            f"a sweep runs in one process, and this training has {processes.count}; sweep first in one, then train with"
            " --lr and --muon-lr"
        )


def _try(
    start: Callable[[Recipe], Pretraining], recipe: Recipe, factor: float, tokens: int, folder: Path, reporter: Reporter
) -> Trial:
    scaled = replace(recipe, tokens=tokens, lr=recipe.lr * factor, muon_lr=recipe.muon_lr * factor)
    work = folder / "sweep" / f"{factor:g}"
    run = start(scaled)
    last: TrainingProgress | None = None
    judged: dict[str, float] = {"loss": math.inf}
    try:
        for progress in run.run(work, log_every=max(1, scaled.steps // 10), validate_every=scaled.steps):
            last = progress
        judged = (last.validation if last else None) or run.validate()
    except DivergedError as error:
        reporter.say(str(error))
    loss = judged.get("loss", last.loss if last else math.inf)
    shutil.rmtree(work, ignore_errors=True)
    return Trial(factor, scaled.lr, scaled.muon_lr, loss, judged.get("top1"), judged.get("top5"), run.seconds)


def _finished(folder: Path, conditions: dict[str, Any]) -> list[Trial]:
    """Trials of the same conditions that an interrupted sweep has written."""
    try:
        table = json.loads((folder / "sweep.json").read_text("utf-8"))
        return [Trial(**row) for row in table["trials"]] if table["conditions"] == conditions else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _write_table(folder: Path, conditions: dict[str, Any], trials: Sequence[Trial]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    ordered = sorted(trials, key=lambda trial: trial.factor)
    write(
        folder / "sweep.json",
        json.dumps({"conditions": conditions, "trials": [asdict(t) for t in ordered]}, indent=2) + "\n",
    )
    rows = [
        f"| {t.factor:g} | {t.lr:g} | {t.muon_lr:g} | {t.loss:.3f} | {_share(t.top1)} | {_share(t.top5)} | {t.seconds:.0f} |"
        for t in ordered
    ]
    head = [
        f"Rates compared on {conditions['tokens']:,} tokens each, from the same start.", "",
        "| times | AdamW | Muon | loss | top-1 | top-5 | seconds |", "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    write(folder / "sweep.md", "\n".join([*head, *rows]) + "\n")


def _line(trial: Trial) -> str:
    return (
        f"AdamW {trial.lr:g}, Muon {trial.muon_lr:g}: loss {trial.loss:.3f}, top-1 {_share(trial.top1)},"
        f" top-5 {_share(trial.top5)}, {trial.seconds:.0f} s"
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
