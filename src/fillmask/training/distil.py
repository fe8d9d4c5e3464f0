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
from fillmask.models import encoders
from fillmask.models.checkpoint import BUNDLED, open_checkpoint
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.evaluate import MaskedAccuracy
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.training import families
from fillmask.training.build import contents_of
from fillmask.training.derived import derive, in_words
from fillmask.training.objectives import Distillation, DistillationWeights, width
from fillmask.training.pretrain import Pretraining
from fillmask.training.recipe import DISTILLATION, Recipe, fitted
from fillmask.training.session import RunOptions, TrainingSession, TrainingText
from fillmask.training.sweep import check_one_process, sweep
from fillmask.training.warm_start import StartingModel, WarmStart, check_can_start, open_model, settings_of, start_bias


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
    grow_head: bool = False,
    move_vocabulary: bool = False,
    sweep_tokens: int | None = None,
) -> DistillationResult:
    """Trains a student of `teacher` into `folder`.

    Args:
        student: a checkpoint to begin from; else a fresh model of `family` and `size`; else every other layer of the teacher.
        recipe: `tokens` of 0 asks for three times the text.
        grow_head: make a head for a student that has none.
        move_vocabulary: give the student the teacher's vocabulary if it has another one.
        sweep_tokens: compare rates first, on so many tokens each (0: a tenth of the training), and train at the best.

    Raises:
        CorpusError: the text cannot be used.
        TrainingError: the vocabularies differ, or the training cannot start or go on.
        CheckpointError: a model cannot be opened.
    """
    running = running or RunOptions()
    warm_start = WarmStart(grow_head, str(teacher or BUNDLED) if move_vocabulary else None)
    if student is not None:
        _check_student(student, teacher, warm_start)
        longest = encoders.longest(open_checkpoint(student).config)
        recipe = recipe if longest is None else fitted(recipe, longest)
    work = derive(teacher, text, folder, recipe, running)
    session, machine = work.session, running.machine
    large = open_model(teacher, session.tokenizer).model
    large.set_attn_implementation(machine.attention or ("sdpa" if machine.device.startswith("cuda") else "eager"))
    large.to(torch.device(machine.device))
    shares = weights or DistillationWeights()
    made_of = {
        "command": "distil", "teacher": contents_of(teacher, folder), "student": contents_of(student, folder) if student else None,
        "family": family, "size": size, "weights": asdict(shares), **settings_of(warm_start),
    }  # fmt: skip
    facts: dict[str, str] = {}

    def begin(recipe: Recipe) -> Pretraining:
        """Creates a run of the recipe from the student's start."""
        torch.manual_seed(recipe.seed)
        start = _student(student, family, size, large, session, warm_start)
        if start.facts:
            start_bias(start.model, work.data.rows[recipe.lengths[0]])
        facts.update(start.facts)
        return session.pretraining(start.model, work.data, recipe, made_of, Distillation(start.model, large, shares))

    recipe = work.recipe
    if sweep_tokens is not None:
        check_one_process(running.processes)
        recipe = sweep(begin, recipe, session.work, running.reporter, tokens=sweep_tokens)
    run = begin(recipe)
    small = run.model
    aligned = width(small.config) == width(large.config)
    for name, fact in facts.items():
        running.reporter.say(f"{name}: {fact}")
    running.reporter.say(
        f"student of {small.num_parameters() / 1e6:.1f}M parameters and {families.depth(small.config)} layers, teacher of"
        f" {large.num_parameters() / 1e6:.1f}M and {families.depth(large.config)}"
        + ("" if aligned else "; they differ in width, so that the cosine of hidden states is left out")
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
        work.finish(run, summary, results, ("distillation.json", record), facts)
    running.processes.wait()
    return DistillationResult(folder, len(session.bad.rows), qualities[0], qualities[1], speeds[0], speeds[1])


def _check_student(student: str | Path, teacher: str | Path | None, warm_start: WarmStart) -> None:
    models = open_checkpoint(student), open_checkpoint(teacher)
    check_can_start(models[0], warm_start)
    student_vocabulary, teacher_vocabulary = (model.tokenizer.vocab for model in models)
    if student_vocabulary != teacher_vocabulary and warm_start.tokenizer is None:
        raise TrainingError(
            f"the student {models[0].name} and the teacher {models[1].name} have different vocabularies ({len(student_vocabulary):,} and"
            f" {len(teacher_vocabulary):,} tokens); a student needs its teacher's: --move-vocabulary gives it to the student"
        )


def _student(
    student: str | Path | None,
    family: str | None,
    size: str | None,
    teacher: Any,
    session: TrainingSession,
    warm_start: WarmStart,
) -> StartingModel:
    if student is not None:
        return open_model(student, session.tokenizer, warm_start=warm_start)
    if family is None and size is None:
        return StartingModel(halved(teacher), {})
    config = families.make_config(
        family or teacher.config.model_type, size or "small", teacher.config.vocab_size, session.vocabulary.special
    )
    return StartingModel(families.make_model(config), {})


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
