"""How likely each text is: pseudo-log-likelihood, as `fillmask.score` has it.

Columns: `score` in nats, `tokens`, `pseudo_perplexity`; and where asked for
`words` and `word_scores`, lists with an entry for every word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fillmask.batching import plan
from fillmask.errors import InputError
from fillmask.fill import FillMask
from fillmask.scale.columns import Column, Lists, offsets
from fillmask.scale.tasks import ModelOptions
from fillmask.scale.tasks.models import open_filler, provenance
from fillmask.score import METHODS, Hidden, Score, encode, hide, summed
from fillmask.tokenizer import WordEncoding

DEFAULTS: dict[str, Any] = {"method": "word-l2r", "long_text": "error", "words": False}


def columns(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return ("score", "tokens", "pseudo_perplexity", *(("words", "word_scores") if parameters["words"] else ()))


def load(options: ModelOptions, parameters: Mapping[str, Any]) -> ScoreTask:
    if parameters["method"] not in METHODS:
        raise InputError(f"method is {parameters['method']!r}; expected one of {', '.join(METHODS)}")
    filler, callers = open_filler(options)
    return ScoreTask(filler, callers, parameters)


class ScoreTask:
    """The task; see `fillmask.scale.tasks.Task`."""

    def __init__(self, filler: FillMask, callers: int, parameters: Mapping[str, Any]) -> None:
        self.model, self.callers = filler.model, callers
        self.columns = columns(parameters)
        self.method, self.words = parameters["method"], bool(parameters["words"])
        self.windows = parameters["long_text"] == "window"
        self.provenance = provenance(self.model.checkpoint, self.model.engine.name, self.model.engine.precision)

    def prepare(self, texts: Sequence[str]) -> ScoreWork:
        """Tokenise, hide each token in turn, and plan batches."""
        return ScoreWork(self, texts)


class ScoreWork:
    """The texts of a shard; see `fillmask.scale.tasks.Work`."""

    def __init__(self, task: ScoreTask, texts: Sequence[str]) -> None:
        self._task, self._texts = task, texts
        self._encoded: dict[str, WordEncoding] = {}
        self._failures: dict[str, str] = {}
        self._found: dict[str, list[float]] = {}
        self._rows: list[tuple[str, Hidden]] = []
        for text in dict.fromkeys(texts):
            try:
                encoded = encode(task.model, text, task.windows)
            except InputError as error:
                self._failures[text] = str(error)
                continue
            self._encoded[text], self._found[text] = encoded, [0.0] * len(encoded.ids)
            self._rows += [(text, row) for row in hide(task.model, encoded, task.method)]
        self._batches = list(plan([row.read for _, row in self._rows], task.model.engine.budget))
        self.pieces = len(self._batches)

    def run(self, piece: int) -> int:
        rows = [self._rows[i] for i in self._batches[piece]]
        asked = [(text, place) for text, row in rows for place in row.asked]
        tokens = np.array([self._encoded[text].ids[place] for text, place in asked])
        found = self._task.model.one_batch([row.read for _, row in rows])
        scores = found[np.arange(len(tokens)), tokens].tolist()
        for (text, place), score in zip(asked, scores, strict=True):
            self._found[text][place] = score
        return len(asked)

    def answers(self) -> tuple[list[Column], dict[int, str]]:
        failures = {place: self._failures[t] for place, t in enumerate(self._texts) if t in self._failures}
        scores = [self._score(text) for text in self._texts if text in self._encoded]
        found = [
            Column("score", "double", [s.score for s in scores]),
            Column("tokens", "int32", [s.tokens for s in scores]),
            Column("pseudo_perplexity", "double", [s.pseudo_perplexity for s in scores]),
        ]
        if self._task.words:
            ends = offsets([len(s.words) for s in scores])
            words = [word for s in scores for word in s.words]
            found.append(Column("words", "list<string>", Lists(ends, [word.word for word in words])))
            found.append(Column("word_scores", "list<double>", Lists(ends, [word.score for word in words])))
        return found, failures

    def _score(self, text: str) -> Score:
        return summed(self._encoded[text], self._found[text])
