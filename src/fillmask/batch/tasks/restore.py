"""Damaged texts as read, a document a row; see `fillmask.restore`.

A text without holes is its own restoration.

Columns: `restored`, the text with the best joint reading in its holes;
`confidence`; and lists with an entry for every hole: `gap` as the text writes
it, `reading` and `probability`, lists of the best readings, best first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fillmask.batch.columns import Column, Lists, offsets
from fillmask.batch.tasks import ModelOptions
from fillmask.batch.tasks.models import open_filler, provenance
from fillmask.errors import FillMaskError
from fillmask.pipelines import FillMask
from fillmask.restore import Restoration, RestoreOptions

DEFAULTS: dict[str, Any] = {"notation": "auto", "strategy": "joint", "readings": 10}


def columns(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return ("restored", "confidence", "gap", "reading", "probability")


def load(options: ModelOptions, parameters: Mapping[str, Any]) -> RestoreTask:
    RestoreOptions(**parameters)  # refuses what cannot be used before the model is opened
    filler, callers = open_filler(options)
    return RestoreTask(filler, callers, parameters)


class RestoreTask:
    """The task; see `fillmask.batch.tasks.Task`."""

    def __init__(self, filler: FillMask, callers: int, parameters: Mapping[str, Any]) -> None:
        self.filler, self.callers, self.parameters = filler, callers, parameters
        self.columns = columns(parameters)
        model = filler.model
        self.provenance = provenance(model.checkpoint, model.engine.name, model.engine.precision)

    def prepare(self, texts: Sequence[str]) -> RestoreWork:
        """One piece for each unique text."""
        return RestoreWork(self, texts)


class RestoreWork:
    """The texts of a shard; see `fillmask.batch.tasks.Work`."""

    def __init__(self, task: RestoreTask, texts: Sequence[str]) -> None:
        self._task, self._texts = task, texts
        self._unique = list(dict.fromkeys(texts))
        self._restorations: dict[str, Restoration] = {}
        self._failures: dict[str, str] = {}
        self.pieces = len(self._unique)

    def run(self, piece: int) -> int:
        text = self._unique[piece]
        try:
            restoration = self._task.filler.restore(text, **self._task.parameters)
        except FillMaskError as error:
            self._failures[text] = str(error)
            return 0
        self._restorations[text] = restoration
        return restoration.cost.rows

    def answers(self) -> tuple[list[Column], dict[int, str]]:
        failures = {place: self._failures[t] for place, t in enumerate(self._texts) if t in self._failures}
        restorations = [self._restorations[text] for text in self._texts if text in self._restorations]
        gaps = [gap for restoration in restorations for gap in restoration.gaps]
        readings = [reading for gap in gaps for reading in gap.readings]
        of_text, of_gap = offsets([len(f.gaps) for f in restorations]), offsets([len(g.readings) for g in gaps])
        return [
            Column("restored", "string", [f.text for f in restorations]),
            Column("confidence", "double", [f.confidence for f in restorations]),
            Column("gap", "list<string>", Lists(of_text, [gap.source for gap in gaps])),
            Column("reading", "list<list<string>>", Lists(of_text, Lists(of_gap, [r.text for r in readings]))),
            Column(
                "probability", "list<list<double>>", Lists(of_text, Lists(of_gap, [r.probability for r in readings]))
            ),
        ], failures
