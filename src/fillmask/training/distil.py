"""A small model from a large one of the same vocabulary: DistilBERT's recipe (Sanh et al. 2019).

The student has every other layer of its teacher, with the teacher's weights,
and learns from the teacher's soft answers, the true tokens, and the direction
of the teacher's hidden states. The soft answers are asked at the hidden tokens
alone, as logits are computed nowhere else. A student of another shape or
family can be taken instead, as long as its vocabulary is the teacher's.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from fillmask.errors import TrainingError
from fillmask.models.checkpoint import check_fills, open_checkpoint
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.evaluate import MaskedAccuracy
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.training import families
from fillmask.training.build import contents_of
from fillmask.training.derived import derive, in_words
from fillmask.training.objectives import Distillation, DistillationWeights
from fillmask.training.recipe import DISTILLATION, Recipe
from fillmask.training.session import RunOptions, TrainingSession, TrainingText
from fillmask.training.warm_start import open_model


@dataclass(frozen=True)
class DistillationResult:
    """Student and teacher on held-out text, and their speed in texts of 128 tokens a second."""

    folder: Path
    bad_rows: int
    student: MaskedAccuracy | None
    teacher: MaskedAccuracy | None
    student_speed: float
    teacher_speed: float


def halved(teacher: Any) -> Any:
    """Copies a teacher with every other layer, starting with the first.

    Raises:
        TrainingError: the teacher has one layer, or its layers share their weights.
    """
    config = copy.deepcopy(teacher.config)
    count = families.depth(config)
    if config.model_type == "albert" or count < 2:
        raise TrainingError(
            f"a student cannot take every other layer of this {config.model_type} model"
            f" ({'its layers share their weights' if count > 1 else 'it has one layer'}); choose its shape: --family and --size"
        )
    layers = list(range(0, count, 2))
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[n] for n in layers]
    config.num_hidden_layers = len(layers)
    student = families.make_model(config)
    prefix = _layer_prefix(teacher)
    new_number = {str(old): str(new) for new, old in enumerate(layers)}
    weights = {}
    for name, tensor in teacher.state_dict().items():
        before, separator, rest = name.partition(prefix)
        if not separator:
            weights[name] = tensor
            continue
        number, _, inner = rest.partition(".")
        if number in new_number:
            weights[f"{before}{prefix}{new_number[number]}.{inner}"] = tensor
    missing, unexpected = student.load_state_dict(weights, strict=False)
    # ModernBERT's first layer has no norm of its own; it stays the first. Nothing else may be left over.
    if missing or unexpected:
        raise TrainingError(f"the teacher's layers do not fit a student: {', '.join([*missing, *unexpected][:3])}")
    return student


def _layer_prefix(model: Any) -> str:
    for name, module in model.base_model.named_modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == families.depth(model.config):
            return f".{name}."
    raise TrainingError(f"{type(model).__name__} has no list of layers to take every other of")


def distil(
    teacher: str | Path | None,
    text: TrainingText,
    folder: Path,
    *,
    weights: DistillationWeights | None = None,
    student: str | Path | None = None,
    family: str | None = None,
    size: str | None = None,
    recipe: Recipe = DISTILLATION,
    running: RunOptions | None = None,
) -> DistillationResult:
    """Trains a student of `teacher` into `folder`.

    Args:
        student: a checkpoint to begin from; else a fresh model of `family` and `size`; else every other layer of the teacher.
        recipe: `tokens` of 0 asks for three times the text.

    Raises:
        CorpusError: the text cannot be used.
        TrainingError: the vocabularies differ, or the training cannot start or go on.
        CheckpointError: a model cannot be opened.
    """
    running = running or RunOptions()
    if student is not None:
        _check_student(student, teacher)
    work = derive(teacher, text, folder, recipe, running)
    session = work.session
    large = open_model(teacher, session.tokenizer).model
    torch.manual_seed(work.recipe.seed)
    small = _student(student, family, size, large, session)
    machine = running.machine
    large.set_attn_implementation(machine.attention or ("sdpa" if machine.device.startswith("cuda") else "eager"))
    large.to(torch.device(machine.device))
    objective = Distillation(small, large, weights or DistillationWeights())
    made_of = {
        "command": "distil", "teacher": contents_of(teacher, folder), "student": contents_of(student, folder) if student else None,
        "family": family, "size": size, "weights": asdict(objective.weights),
    }  # fmt: skip
    run = session.pretraining(small, work.data, work.recipe, made_of, objective)
    running.reporter.say(
        f"student of {small.num_parameters() / 1e6:.1f}M parameters and {families.depth(small.config)} layers, teacher of"
        f" {large.num_parameters() / 1e6:.1f}M and {families.depth(large.config)}"
        + ("" if objective.aligned else "; they differ in width, so that the cosine of hidden states is left out")
    )
    session.train(run)
    qualities: list[MaskedAccuracy | None] = [None, None]
    speeds = [0.0, 0.0]
    if running.processes.first:
        qualities = [work.judge(name) for name in (folder, teacher)]
        speeds = speed([MaskedLM(folder), MaskedLM(teacher)], work.data.rows[work.recipe.lengths[0]])
        results, record = {}, {}
        for name, quality, rate in zip(("student", "teacher"), qualities, speeds, strict=True):
            results[name] = (in_words(quality) + "; " if quality else "") + f"{rate:,.0f} texts a second"
            record[name] = {**(vars(quality) if quality else {}), "texts_per_second": rate}
            running.reporter.say(f"{name}: {results[name]}")
        summary = f"A student of {work.origin.name}, made with `fillmask train distil`."
        work.finish(run, summary, results, ("distillation.json", record))
    running.processes.wait()
    return DistillationResult(folder, len(session.bad.rows), qualities[0], qualities[1], speeds[0], speeds[1])


def _check_student(student: str | Path, teacher: str | Path | None) -> None:
    models = open_checkpoint(student), open_checkpoint(teacher)
    check_fills(models[0])
    student_vocabulary, teacher_vocabulary = (model.tokenizer.vocab for model in models)
    if student_vocabulary != teacher_vocabulary:
        raise TrainingError(
            f"the student {models[0].name} and the teacher {models[1].name} have different vocabularies ({len(student_vocabulary):,} and"
            f" {len(teacher_vocabulary):,} tokens); a student needs its teacher's"
        )


def _student(
    student: str | Path | None, family: str | None, size: str | None, teacher: Any, session: TrainingSession
) -> Any:
    if student is not None:
        return open_model(student, session.tokenizer).model
    if family is None and size is None:
        return halved(teacher)
    config = families.make_config(
        family or teacher.config.model_type, size or "small", teacher.config.vocab_size, session.vocabulary.special
    )
    return families.make_model(config)


def speed(models: list[MaskedLM], rows: Any, *, seconds: float = 2.0) -> list[float]:
    """Measures rows a second, one mask each, with the models taking turns so that other load affects all of them."""
    texts = [MaskedInput([int(t) for t in row], [0] * len(row), [len(row) // 2]) for row in rows[:32]]
    for model in models:
        _run(model, texts)
    spent, texts_read = [0.0] * len(models), 0
    while sum(spent) < seconds * len(models):
        for number, model in enumerate(models):
            start = time.perf_counter()
            _run(model, texts)
            spent[number] += time.perf_counter() - start
        texts_read += len(texts)
    return [texts_read / s for s in spent]


def _run(model: MaskedLM, texts: list[MaskedInput]) -> None:
    answers: Iterator[Any] = model.log_probabilities(texts)
    for _ in answers:
        pass
