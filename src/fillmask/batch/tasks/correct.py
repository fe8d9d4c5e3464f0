"""Texts with what was misread in them mended, a text a row; see `fillmask.restore.correction`.

Columns: `corrected`, the text; and lists with an entry for every stretch that
was changed or is doubtful: `source` as it was read, `correction` as it stands
in the text, `changed`, and `probability` that what stands is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fillmask.batch.columns import Column, Lists, offsets
from fillmask.batch.tasks import ModelOptions
from fillmask.batch.tasks.models import open_filler, provenance
from fillmask.choices import MIN_CORRECTION_PROBABILITY
from fillmask.errors import FillMaskError
from fillmask.pipelines import FillMask
from fillmask.restore.correction.correction import Correction

DEFAULTS: dict[str, Any] = {"min_probability": MIN_CORRECTION_PROBABILITY}


def columns(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return ("corrected", "source", "correction", "changed", "probability")


def load(options: ModelOptions, parameters: Mapping[str, Any]) -> CorrectTask:
    filler, callers = open_filler(options)
    filler.correct("", **parameters)  # refuses a parameter before the work begins
    return CorrectTask(filler, callers, parameters)


class CorrectTask:
    """The task; see `fillmask.batch.tasks.Task`."""

    def __init__(self, filler: FillMask, callers: int, parameters: Mapping[str, Any]) -> None:
        self.filler, self.callers, self.parameters = filler, callers, parameters
        self.columns = columns(parameters)
        model = filler.model
        self.provenance = provenance(model.checkpoint, model.engine.name, model.engine.precision)

    def prepare(self, texts: Sequence[str]) -> CorrectWork:
        """One piece for each different text."""
        return CorrectWork(self, texts)


class CorrectWork:
    """The texts of a shard; see `fillmask.batch.tasks.Work`."""

    def __init__(self, task: CorrectTask, texts: Sequence[str]) -> None:
        self._task, self._texts = task, texts
        self._different = list(dict.fromkeys(texts))
        self._corrections: dict[str, Correction] = {}
        self._failures: dict[str, str] = {}
        self.pieces = len(self._different)

    def run(self, piece: int) -> int:
        text = self._different[piece]
        try:
            correction = self._task.filler.correct(text, **self._task.parameters)
        except FillMaskError as error:
            self._failures[text] = str(error)
            return 0
        self._corrections[text] = correction
        return correction.cost.rows

    def answers(self) -> tuple[list[Column], dict[int, str]]:
        failures = {place: self._failures[t] for place, t in enumerate(self._texts) if t in self._failures}
        corrections = [self._corrections[text] for text in self._texts if text in self._corrections]
        words = [word for correction in corrections for word in correction.words]
        of_text = offsets([len(correction.words) for correction in corrections])
        return [
            Column("corrected", "string", [correction.text for correction in corrections]),
            Column("source", "list<string>", Lists(of_text, [word.source for word in words])),
            Column("correction", "list<string>", Lists(of_text, [word.text for word in words])),
            Column("changed", "list<bool>", Lists(of_text, [word.changed for word in words])),
            Column("probability", "list<double>", Lists(of_text, [word.probability for word in words])),
        ], failures
