"""What is done with each text: one short file a task, all behind the same two protocols.

A `Task` holds a model. `prepare` cuts a shard's texts into pieces of work
(batches for the engine, mostly) and may be called while the shard before is
computed; the pieces are run in any order on as many threads as the task's
model likes (`callers`); `answers` puts the shard's columns together.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fillmask.batch.columns import Column
from fillmask.choices import BATCH_TASKS
from fillmask.errors import InputError

# Rows a shard, by how long a row takes: a shard is what is lost at most when a job is killed.
SHARD_ROWS = {"fill": 10_000, "restore": 500, "correct": 500, "score": 2_000, "marginals": 2_000, "classify": 10_000}


@dataclass(frozen=True)
class ModelOptions:
    """How to open a model, as for `fillmask.FillMask`; `threads` None for all cores."""

    model: str | None = None
    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    device: str | None = None


@dataclass(frozen=True)
class TaskOptions:
    """A task, its parameters (see each task's `DEFAULTS`) and its model."""

    task: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    model: ModelOptions = field(default_factory=ModelOptions)


class Work(Protocol):
    """A shard's texts on their way through a model.

    Attributes:
        pieces: how many pieces of work there are.
    """

    pieces: int

    def run(self, piece: int) -> int:
        """Do one piece, on any thread, and return how many masks that were."""
        ...

    def answers(self) -> tuple[Sequence[Column], Mapping[int, str]]:
        """When all pieces are done: columns for the texts that have an answer, in order, and by its place why a text has none."""
        ...


class Task(Protocol):
    """A model ready for one task.

    Attributes:
        callers: on how many threads pieces should be run.
        provenance: model, revision, digest of its files, engine and precision.
        columns: names of the columns of its answers.
    """

    callers: int
    provenance: Mapping[str, Any]
    columns: tuple[str, ...]

    def prepare(self, texts: Sequence[str]) -> Work:
        """Cut texts into pieces."""
        ...


def parameters(options: TaskOptions) -> dict[str, Any]:
    """The task's parameters, with their defaults.

    Raises:
        InputError: no such task or parameter.
    """
    module = _module(options.task)
    defaults: dict[str, Any] = module.DEFAULTS
    unknown = sorted(set(options.parameters) - set(defaults))
    if unknown:
        raise InputError(f"{options.task} has no parameter {unknown[0]!r}; expected any of {', '.join(defaults)}")
    return {**defaults, **options.parameters}


def columns(options: TaskOptions) -> tuple[str, ...]:
    """Names of the columns that the task's answers have, without opening a model."""
    names: tuple[str, ...] = _module(options.task).columns(parameters(options))
    return names


def load(options: TaskOptions) -> Task:
    """The task with its model.

    Raises:
        InputError: no such task or parameter, or one that cannot be used.
        CheckpointError: the model cannot be opened.
    """
    task: Task = _module(options.task).load(options.model, parameters(options))
    return task


def _module(task: str) -> Any:
    if task not in BATCH_TASKS:
        raise InputError(f"there is no task {task!r}; expected one of {', '.join(BATCH_TASKS)}")
    return importlib.import_module(f"fillmask.batch.tasks.{task}")
