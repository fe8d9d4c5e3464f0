"""Ranked tokens for each mask.

Columns, each a list with an entry for every mask of the text: `token`,
`token_str` and `score` (probability), lists of the `top_k` best; and
`sequence` where asked for. Targets are words as they stand inside a text. Texts that a shard has several times are read once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from fillmask.batch.columns import Column, Lists, Lookup, even, offsets
from fillmask.batch.tasks import ModelOptions
from fillmask.batch.tasks.models import open_filler, provenance
from fillmask.errors import InputError
from fillmask.pipelines import FillMask
from fillmask.runtime.batching import plan
from fillmask.tasks.masked_texts import MaskedText, MaskedTexts
from fillmask.tasks.ranking import rank_arrays
from fillmask.tasks.targets import Targets
from fillmask.tokenization.masked_input import MaskedInput

DEFAULTS: dict[str, Any] = {"top_k": 5, "targets": None, "long_text": "error", "sequences": False}
_ENCODED = 512  # texts at once


def columns(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return ("token", "token_str", "score", *(("sequence",) if parameters["sequences"] else ()))


def load(options: ModelOptions, parameters: Mapping[str, Any]) -> FillTask:
    filler, callers = open_filler(options, long_text=parameters["long_text"])
    return FillTask(filler, callers, parameters)


class FillTask:
    """The task; see `fillmask.batch.tasks.Task`."""

    def __init__(self, filler: FillMask, callers: int, parameters: Mapping[str, Any]) -> None:
        self.filler, self.callers, self.texts = filler, callers, MaskedTexts(filler.tokenizer)
        vocab_size = filler.model.vocab_size
        self.columns = columns(parameters)
        self.windows = parameters["long_text"] == "window"
        self.sequences = bool(parameters["sequences"])
        targets = parameters["targets"]
        self.targets = None if targets is None else Targets.from_words(filler.tokenizer, targets, vocab_size)
        if self.targets is not None:
            self.targets.warn()
        top_k, choices = int(parameters["top_k"]), vocab_size if self.targets is None else len(self.targets)
        if top_k < 1:
            raise InputError(f"top_k is {top_k}; expected 1 or more")
        self.top_k = min(top_k, choices)
        model = filler.model
        self.provenance = provenance(model.checkpoint, model.engine.name, model.engine.precision)

    @cached_property
    def words(self) -> list[str]:
        """The text of every token."""
        tokenizer = self.filler.tokenizer
        return tokenizer.decode_each(range(self.filler.model.vocab_size))

    def prepare(self, texts: Sequence[str]) -> FillWork:
        """Tokenise, and plan batches."""
        return FillWork(self, texts)


class FillWork:
    """The texts of a shard; see `fillmask.batch.tasks.Work`."""

    def __init__(self, task: FillTask, texts: Sequence[str]) -> None:
        self._task, self._texts = task, texts
        self._failures: dict[str, str] = {}
        self._masked: dict[str, MaskedText] = {}
        self._starts: set[int] = set()  # masks at the start of their text
        self._first: dict[str, int] = {}  # the first mask of each text, in the arrays below
        self._items: list[MaskedInput] = []
        self._at: list[int] = []  # the first mask of each item
        self._counts: dict[str, int] = {}
        masks = 0
        different = list(dict.fromkeys(texts))
        for start in range(0, len(different), _ENCODED):
            masks = self._encode(different[start : start + _ENCODED], masks)
        if self._starts and task.targets is not None:
            task.targets.warn_at_start()
        self._batches = list(plan(self._items, task.filler.model.engine.budget))
        self.pieces = len(self._batches)
        self._tokens = np.zeros((masks, task.top_k), np.int64)
        self._scores = np.zeros((masks, task.top_k), np.float32)

    def _encode(self, texts: Sequence[str], masks: int) -> int:
        """Reads some texts, the first of whose masks is number `masks`; returns the number after the last."""
        for text, masked in zip(texts, self._task.texts.read_each(texts, windows=self._task.windows), strict=True):
            if isinstance(masked, InputError):
                self._failures[text] = str(masked)
                continue
            self._first[text], self._counts[text] = masks, len(masked.positions)
            if self._task.sequences:
                self._masked[text] = masked
            if masked.starts_with_mask:
                self._starts.add(masks)
            for item in masked.inputs:
                self._items.append(item)
                self._at.append(masks)
                masks += len(item.positions)
        return masks

    def run(self, piece: int) -> int:
        task = self._task
        indices = self._batches[piece]
        items = [self._items[i] for i in indices]
        places = np.concatenate(
            [np.arange(self._at[i], self._at[i] + len(item.positions)) for i, item in zip(indices, items, strict=True)]
        )
        log_probabilities = task.filler.model.one_batch(items)
        if task.targets is None:
            self._tokens[places], self._scores[places] = rank_arrays(log_probabilities, task.top_k, None)
            return len(places)
        at_start = np.isin(places, list(self._starts))
        for rows, targets in ((~at_start, task.targets.inside), (at_start, task.targets.at_start)):
            best, scores = rank_arrays(log_probabilities[rows], task.top_k, targets)
            self._tokens[places[rows]], self._scores[places[rows]] = best, scores
        return len(places)

    def answers(self) -> tuple[list[Column], dict[int, str]]:
        failures = {place: self._failures[t] for place, t in enumerate(self._texts) if t in self._failures}
        texts = [text for text in self._texts if text in self._counts]
        counts = [self._counts[text] for text in texts]
        of_text = offsets(counts)
        # The masks of each text in turn; of a text that comes again, the same ones.
        starts = np.array([self._first[text] for text in texts], np.int64)
        masks = np.repeat(starts - of_text[:-1], counts) + np.arange(of_text[-1])
        best = even(len(masks), self._task.top_k)
        tokens = self._tokens[masks].reshape(-1)

        def column(name: str, kind: str, values: Any) -> Column:
            return Column(name, f"list<list<{kind}>>", Lists(of_text, Lists(best, values)))

        result = [
            column("token", "int32", tokens),
            column("token_str", "string", Lookup(self._task.words, tokens)),
            column("score", "float", self._scores[masks].reshape(-1)),
        ]
        if self._task.sequences:
            result.append(column("sequence", "string", self._sequences(texts)))
        return result, failures

    def _sequences(self, texts: Sequence[str]) -> list[str]:
        """Every text with every candidate of every mask, as FillMask writes them."""
        sequences: list[str] = []
        for text in texts:
            masked, first, count = self._masked[text], self._first[text], self._counts[text]
            for position, tokens in zip(masked.positions, self._tokens[first : first + count].tolist(), strict=True):
                sequences += [
                    self._task.texts.filled(masked.ids, position, token, single=count == 1) for token in tokens
                ]
        return sequences
