"""The labels of each text, by a fine-tuned model; see `fillmask.tasks.classify`.

Columns: `label` and `label_score`, lists of the `top_k` best, best first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fillmask.batch.columns import Column, Lists, offsets
from fillmask.batch.tasks import ModelOptions
from fillmask.batch.tasks.models import provenance
from fillmask.errors import InputError
from fillmask.runtime.engine_selection import throughput_threads
from fillmask.runtime.engines import default_engine
from fillmask.tasks.classify import Classifier, Label

DEFAULTS: dict[str, Any] = {"top_k": 1, "truncate": False}
_PIECE = 64  # texts


def columns(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return ("label", "label_score")


def load(options: ModelOptions, parameters: Mapping[str, Any]) -> ClassifyTask:
    from fillmask.models.checkpoint import open_checkpoint

    if options.model is None:
        raise InputError("the bundled model has no labels; name a fine-tuned one with --model")
    if parameters["top_k"] < 1:
        raise InputError(f"top_k is {parameters['top_k']}; expected 1 or more")
    engine = options.engine
    if engine == "auto":
        engine = default_engine(open_checkpoint(options.model), options.device)
    inside, callers = throughput_threads(engine, options.threads)
    classifier = Classifier(
        options.model, engine=options.engine, precision=options.precision, threads=inside, device=options.device
    )
    return ClassifyTask(classifier, callers, parameters)


class ClassifyTask:
    """The task; see `fillmask.batch.tasks.Task`."""

    def __init__(self, classifier: Classifier, callers: int, parameters: Mapping[str, Any]) -> None:
        self.classifier, self.callers = classifier, callers
        self.columns = columns(parameters)
        self.top_k = int(parameters["top_k"])
        self.options: dict[str, Any] = {"truncation": True} if parameters["truncate"] else {}
        self.provenance = provenance(classifier.checkpoint, classifier.engine.name, classifier.engine.precision)

    def prepare(self, texts: Sequence[str]) -> ClassifyWork:
        """Pieces of texts of about the same length."""
        return ClassifyWork(self, texts)


class ClassifyWork:
    """The texts of a shard; see `fillmask.batch.tasks.Work`."""

    def __init__(self, task: ClassifyTask, texts: Sequence[str]) -> None:
        self._task, self._texts = task, texts
        unique = sorted(dict.fromkeys(texts), key=lambda text: (-len(text), text))
        self._pieces = [unique[start : start + _PIECE] for start in range(0, len(unique), _PIECE)]
        self.pieces = len(self._pieces)
        self._labels_of: dict[str, list[Label]] = {}
        self._failures: dict[str, str] = {}

    def run(self, piece: int) -> int:
        texts = self._pieces[piece]
        try:
            labels = self._labels(texts)
        except InputError:
            # One bad text spoils a batch: classify each alone.
            labels = {}
            for text in texts:
                try:
                    labels |= self._labels([text])
                except InputError as error:
                    self._failures[text] = str(error)
        self._labels_of.update(labels)
        return 0

    def _labels(self, texts: list[str]) -> dict[str, list[Label]]:
        task = self._task
        return dict(zip(texts, task.classifier(texts, top_k=task.top_k, **task.options), strict=True))

    def answers(self) -> tuple[list[Column], dict[int, str]]:
        failures = {place: self._failures[t] for place, t in enumerate(self._texts) if t in self._failures}
        answers = [self._labels_of[text] for text in self._texts if text in self._labels_of]
        ends = offsets([len(labels) for labels in answers])
        labels = [label for of_text in answers for label in of_text]
        return [
            Column("label", "list<string>", Lists(ends, [label["label"] for label in labels])),
            Column("label_score", "list<double>", Lists(ends, [float(label["score"]) for label in labels])),
        ], failures
