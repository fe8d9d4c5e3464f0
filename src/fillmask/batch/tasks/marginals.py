"""The log-probability of each token of a text where it stands, as `fillmask.tasks.marginals` has it.

Columns: `token` and `log_probability` (nats), lists with an entry for each position; `pseudo_log_likelihood`, their sum, and
`pseudo_perplexity`. With targets also `target`, the list of their tokens, and `target_log_probability`, for each position
a list of the values of the targets there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fillmask.batch.columns import Column, Lists, offsets
from fillmask.batch.tasks import ModelOptions
from fillmask.batch.tasks.models import open_filler, provenance
from fillmask.choices import MARGINAL_CONVENTIONS
from fillmask.errors import InputError
from fillmask.pipelines import FillMask
from fillmask.tasks.marginals import TokenLogProbabilities, log_probabilities_each
from fillmask.tasks.targets import Targets

DEFAULTS: dict[str, Any] = {"convention": "masked", "targets": None, "long_text": "error"}
_NO_TARGETS = Targets(np.zeros(0, np.int64), np.zeros(0, np.int64), 0)


def columns(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the columns of the answers."""
    names = ("token", "log_probability", "pseudo_log_likelihood", "pseudo_perplexity")
    return names if parameters["targets"] is None else (*names, "target", "target_log_probability")


def load(options: ModelOptions, parameters: Mapping[str, Any]) -> MarginalsTask:
    """The task with its model.

    Raises:
        InputError: a parameter cannot be used.
        CheckpointError: the model cannot be opened.
    """
    if parameters["convention"] not in MARGINAL_CONVENTIONS:
        raise InputError(
            f"convention is {parameters['convention']!r}; expected one of {', '.join(MARGINAL_CONVENTIONS)}"
        )
    filler, callers = open_filler(options)
    return MarginalsTask(filler, callers, parameters)


class MarginalsTask:
    """The task; see `fillmask.batch.tasks.Task`."""

    def __init__(self, filler: FillMask, callers: int, parameters: Mapping[str, Any]) -> None:
        self.model, self.callers = filler.model, callers
        self.columns = columns(parameters)
        self.convention, self.windows = parameters["convention"], parameters["long_text"] == "window"
        words = parameters["targets"]
        self.targets = _NO_TARGETS
        if words is not None:
            self.targets = Targets.from_words(self.model.tokenizer, words, self.model.vocab_size)
            self.targets.warn()
        self.target_tokens = [
            str(token) for token in self.model.tokenizer.convert_ids_to_tokens(self.targets.inside.tolist())
        ]
        self.has_targets = words is not None
        self.provenance = provenance(self.model.checkpoint, self.model.engine.name, self.model.engine.precision)

    def prepare(self, texts: Sequence[str]) -> MarginalsWork:
        """Each text that is not there already is a piece."""
        return MarginalsWork(self, texts)


class MarginalsWork:
    """The texts of a shard; see `fillmask.batch.tasks.Work`."""

    def __init__(self, task: MarginalsTask, texts: Sequence[str]) -> None:
        self._task, self._texts = task, texts
        self._unique = list(dict.fromkeys(texts))
        self._answers: dict[str, TokenLogProbabilities | InputError] = {}
        self.pieces = len(self._unique)

    def run(self, piece: int) -> int:
        """Compute one text, and return how many of its positions were asked for."""
        task, text = self._task, self._unique[piece]
        (answer,) = log_probabilities_each(
            task.model, [text], convention=task.convention, targets=task.targets, windows=task.windows
        )
        self._answers[text] = answer
        return 0 if isinstance(answer, InputError) else len(answer.own)

    def answers(self) -> tuple[list[Column], dict[int, str]]:
        """The columns of the texts that have an answer, and by its place why a text has none."""
        failures: dict[int, str] = {}
        texts: list[TokenLogProbabilities] = []
        for place, text in enumerate(self._texts):
            answer = self._answers[text]
            if isinstance(answer, InputError):
                failures[place] = str(answer)
            else:
                texts.append(answer)
        ends = offsets([len(text.own) for text in texts])
        result = [
            Column("token", "list<string>", Lists(ends, [token for text in texts for token in text.tokens])),
            Column("log_probability", "list<float>", Lists(ends, _joined([text.own for text in texts]))),
            Column("pseudo_log_likelihood", "double", [text.pseudo_log_likelihood for text in texts]),
            Column("pseudo_perplexity", "double", [text.pseudo_perplexity for text in texts]),
        ]
        if self._task.has_targets:
            names = self._task.target_tokens
            each = np.arange(int(ends[-1]) + 1, dtype=np.int64) * len(names)
            values = _joined([text.values.reshape(-1) for text in texts])
            result += [
                Column("target", "list<string>", Lists(offsets([len(names)] * len(texts)), names * len(texts))),
                Column("target_log_probability", "list<list<float>>", Lists(ends, Lists(each, values))),
            ]
        return result, failures


def _joined(parts: Sequence[Any]) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
