"""The core object: what are the log-probabilities at these masked positions?

Everything a user sees is built on that one question. `MaskedLM` knows ids and
positions; texts belong to the tasks above it, graphs to the engine below.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

from fillmask.models import encoders
from fillmask.models.checkpoint import Checkpoint, open_checkpoint, open_tokenizer
from fillmask.runtime import engines
from fillmask.runtime.batching import collate, plan
from fillmask.runtime.checks import check_numbers, check_token_ids
from fillmask.runtime.engines import Floats
from fillmask.runtime.options import DEFAULTS, RuntimeOptions
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.tokenizer import Tokenizer


class MaskedLM:
    """A checkpoint with its tokenizer and an engine.

    Args:
        model: None for the bundled model, a checkpoint folder, or a hub id (`id` or `id@revision`).
        options: how to run it.
        tokenizer: in place of the checkpoint's own; its ids must be those that the model was trained on.

    Raises:
        CheckpointError: the model cannot be opened.
        InputError: no such engine or precision.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        options: RuntimeOptions = DEFAULTS,
        *,
        tokenizer: str | Path | Tokenizer | None = None,
    ) -> None:
        self.checkpoint: Checkpoint = open_checkpoint(model, revision=options.revision)
        if tokenizer is None or str(tokenizer) == str(model):
            self.tokenizer: Tokenizer = self.checkpoint.tokenizer
        elif isinstance(tokenizer, Tokenizer):
            self.tokenizer = copy.copy(tokenizer)
            longest = encoders.longest(self.checkpoint.config)
            self.tokenizer.model_max_length = min(tokenizer.model_max_length, longest or tokenizer.model_max_length)
        else:
            self.tokenizer = open_tokenizer(tokenizer, self.checkpoint.config)
        self.engine = engines.load(self.checkpoint, options)
        self.vocab_size = self.checkpoint.config.integer("vocab_size")

    def log_probabilities(self, items: Sequence[MaskedInput]) -> Iterator[tuple[int, Floats]]:
        """Log-probabilities at the positions of each item.

        Yields:
            The item's index and an array (positions, vocabulary), in the order
            in which batches are computed, so that a caller can reduce each
            before the next is made. Every index comes exactly once.

        Raises:
            CorruptCheckpointError: the model's answer is not a number.
            InputError: a token id is outside the model's vocabulary.
        """
        for indices in plan(items, self.engine.budget):
            log_probabilities = self.one_batch([items[i] for i in indices])
            start = 0
            for index in indices:
                stop = start + len(items[index].positions)
                yield index, log_probabilities[start:stop]
                start = stop

    def one_batch(self, items: Sequence[MaskedInput]) -> Floats:
        """Log-probabilities at the positions of all items, one after the other: (masks, vocabulary), from one batch.

        Raises:
            CorruptCheckpointError: the model's answer is not a number.
            InputError: a token id is outside the model's vocabulary.
        """
        batch = collate(items, self.checkpoint.padding_id)
        check_token_ids(int(batch.input_ids.max()), self.vocab_size)
        log_probabilities = self.engine.run(batch)
        check_numbers(log_probabilities[:, :1])  # the softmax spreads a NaN over its row
        return log_probabilities
