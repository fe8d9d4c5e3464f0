"""How likely each text is: pseudo-log-likelihood, as `fillmask.tasks.score` has it.

Columns: `score` in nats, `tokens`, `pseudo_perplexity`; and where asked for
`words` and `word_scores`, lists with an entry for every word.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from fillmask.batch.columns import Column, Lists, offsets
from fillmask.batch.tasks import ModelOptions
from fillmask.batch.tasks.models import open_filler, provenance
from fillmask.choices import SCORING_METHODS
from fillmask.errors import InputError
from fillmask.pipelines import FillMask
from fillmask.tasks.score import ScoringBatches, WordScore, encode, score_of
from fillmask.tokenization.encoding import WordEncoding

DEFAULTS: dict[str, Any] = {"method": "word-l2r", "long_text": "error", "words": False}


def columns(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return ("score", "tokens", "pseudo_perplexity", *(("words", "word_scores") if parameters["words"] else ()))


def load(options: ModelOptions, parameters: Mapping[str, Any]) -> ScoreTask:
    if parameters["method"] not in SCORING_METHODS:
        raise InputError(f"method is {parameters['method']!r}; expected one of {', '.join(SCORING_METHODS)}")
    filler, callers = open_filler(options)
    return ScoreTask(filler, callers, parameters)


class ScoreTask:
    """The task; see `fillmask.batch.tasks.Task`."""

    def __init__(self, filler: FillMask, callers: int, parameters: Mapping[str, Any]) -> None:
        self.model, self.callers = filler.model, callers
        self.columns = columns(parameters)
        self.method, self.words = parameters["method"], bool(parameters["words"])
        self.windows = parameters["long_text"] == "window"
        self.provenance = provenance(self.model.checkpoint, self.model.engine.name, self.model.engine.precision)

    def prepare(self, texts: Sequence[str]) -> ScoreWork:
        """Tokenise, and plan the batches in which each token is hidden in turn."""
        return ScoreWork(self, texts)


class ScoreWork:
    """The texts of a shard; see `fillmask.batch.tasks.Work`."""

    def __init__(self, task: ScoreTask, texts: Sequence[str]) -> None:
        self._task, self._texts = task, texts
        self._failures: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._encoded: list[WordEncoding] = []
        for text in dict.fromkeys(texts):
            try:
                encoded = encode(task.model, text, task.windows)
            except InputError as error:
                self._failures[text] = str(error)
                continue
            self._numbers[text] = len(self._encoded)
            self._encoded.append(encoded)
        self._scores = [array("d", bytes(8 * len(encoded.ids))) for encoded in self._encoded]
        self._scoring = ScoringBatches(task.model, self._encoded, task.method)
        self._batches = [array("i", batch) for batch in self._scoring.plan()]
        self.pieces = len(self._batches)

    def run(self, piece: int) -> int:
        masks = 0
        for number, place, score in self._scoring.run(self._batches[piece]):
            self._scores[number][place] = score
            masks += 1
        return masks

    def answers(self) -> tuple[list[Column], dict[int, str]]:
        failures = {place: self._failures[t] for place, t in enumerate(self._texts) if t in self._failures}
        scores: list[float] = []
        tokens: list[int] = []
        perplexities: list[float] = []
        counts: list[int] = []
        words: list[WordScore] = []
        for number in (self._numbers[text] for text in self._texts if text in self._numbers):
            score = score_of(self._encoded[number], self._scores[number])
            scores.append(score.score)
            tokens.append(score.tokens)
            perplexities.append(score.pseudo_perplexity)
            if self._task.words:
                counts.append(len(score.words))
                words += score.words
        result = [
            Column("score", "double", scores),
            Column("tokens", "int32", tokens),
            Column("pseudo_perplexity", "double", perplexities),
        ]
        if self._task.words:
            ends = offsets(counts)
            result.append(Column("words", "list<string>", Lists(ends, [word.word for word in words])))
            result.append(Column("word_scores", "list<double>", Lists(ends, [word.score for word in words])))
        return result, failures
