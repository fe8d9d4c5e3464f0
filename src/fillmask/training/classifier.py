"""A sequence classifier over a checkpoint's encoder: how it is opened, how texts become its inputs, its forward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fillmask.errors import InputError, MissingExtraError, UnsupportedModelError
from fillmask.models.checkpoint import Checkpoint
from fillmask.runtime.batching import collate
from fillmask.runtime.checks import check_token_ids
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.training.labelled import Example

try:
    import torch
    from transformers import AutoModelForSequenceClassification
    from transformers.utils import logging
except ImportError as missing:
    raise MissingExtraError("fine-tuning", "train") from missing

from fillmask.runtime.engines.torch import takes_types
from fillmask.runtime.engines.torch_loading import check_encoder

# Batches are padded to a multiple of this: fewer shapes, for each of which a processor's kernels are made anew.
_LENGTH_STEP = 8


def default_rate(checkpoint: Checkpoint) -> float:
    """5e-5, as is usual for models 768 wide; for narrower ones more, by the square of the ratio, and 1e-3 at most."""
    return min(1e-3, 5e-5 * (768 / checkpoint.config.integer("hidden_size", 768)) ** 2)


@dataclass
class ClassifierRunner:
    """Forward passes of one model on one device."""

    model: Any
    device: torch.device
    mixed: Any
    pad: int

    def __post_init__(self) -> None:
        self._takes_types = takes_types(self.model)

    def logits(self, rows: Sequence[MaskedInput]) -> torch.Tensor:
        """(rows, labels), float32."""
        batch = collate(rows, self.pad)
        more = -batch.input_ids.shape[1] % _LENGTH_STEP
        feeds = {
            "input_ids": np.pad(batch.input_ids, ((0, 0), (0, more)), constant_values=self.pad),
            "attention_mask": np.pad(batch.attention_mask, ((0, 0), (0, more))),
        }
        if self._takes_types and batch.token_type_ids.any():
            feeds["token_type_ids"] = np.pad(batch.token_type_ids, ((0, 0), (0, more)))
        tensors = {name: torch.from_numpy(value).to(self.device) for name, value in feeds.items()}
        with self.mixed:
            logits: torch.Tensor = self.model(**tensors).logits
        return logits.float()

    def judge(self, rows: Sequence[MaskedInput], batch_size: int) -> torch.Tensor:
        """(rows, labels), on the CPU, in the order given."""
        self.model.train(False)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
        result: torch.Tensor | None = None
        with torch.inference_mode():
            for start in range(0, len(order), batch_size):
                batch = order[start : start + batch_size]
                logits = self.logits([rows[i] for i in batch]).cpu()
                result = torch.zeros(len(rows), logits.shape[1]) if result is None else result
                result[batch] = logits
        assert result is not None
        return result


def pooling_override(checkpoint: Checkpoint, pooling: str) -> dict[str, str]:
    """Returns the config's pooling setting; empty for families without a choice."""
    if pooling == "auto":
        return {}
    if checkpoint.config.family == "modernbert":
        return {"classifier_pooling": pooling}
    if pooling == "mean":
        raise InputError(
            f"the head of {checkpoint.config.family} sees the first token; pooling='mean' is for modernbert"
        )
    return {}


def open_classifier(checkpoint: Checkpoint, labels: Sequence[str], pooling: Mapping[str, str]) -> Any:
    """Returns a classifier of transformers with the checkpoint's encoder and a head that is still to be trained.

    Raises:
        UnsupportedModelError: transformers has no classifier for the family.
        CorruptCheckpointError: the encoder's tensors do not fit the config.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it warns of the head that is to be trained
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model, report = AutoModelForSequenceClassification.from_pretrained(
            checkpoint.folder, use_safetensors=True, trust_remote_code=False, dtype=torch.float32,
            id2label=dict(enumerate(labels)), label2id={name: n for n, name in enumerate(labels)},
            num_labels=len(labels), problem_type="single_label_classification", ignore_mismatched_sizes=True,
            output_loading_info=True, **pooling,
        )  # fmt: skip
    except (ValueError, KeyError) as error:
        raise UnsupportedModelError(f"transformers has no classifier for {checkpoint.name}: {error}") from error
    finally:
        logging.set_verbosity(verbosity)
    check_encoder(model, report, checkpoint, other_head=True)
    return model


def encode_examples(checkpoint: Checkpoint, examples: Sequence[Example], max_length: int) -> list[MaskedInput]:
    tokenizer, options = checkpoint.tokenizer, {"truncation": True, "max_length": max_length}
    highest = checkpoint.config.integer("vocab_size")
    rows = []
    for example in examples:
        encoded = tokenizer.encode_text(example.text, options, pair=example.pair)
        check_token_ids(max(encoded.ids, default=0), highest)
        rows.append(MaskedInput(encoded.ids, encoded.type_ids, (0,)))
    return rows
