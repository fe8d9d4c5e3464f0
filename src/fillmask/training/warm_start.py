"""The start model of a training: opened from a checkpoint, with a new head or a new vocabulary on request.

A sentence encoder, a classifier or a bare encoder has no head that fills masks. `--grow-head` makes its family's: the
dense layer starts as the identity, norms at one, biases at zero, and the decoder is tied to the word embeddings as the
family has it. A new vocabulary takes its embeddings from the old one (`fillmask.training.transplant`). The bias of the
output then starts at the logarithm of each token's frequency in the text, which the model would have to learn first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from fillmask.errors import CheckpointError, TrainingError, UnsupportedModelError
from fillmask.models import encoders
from fillmask.models.checkpoint import Checkpoint, check_fills, open_checkpoint
from fillmask.models.heads import is_buffer
from fillmask.runtime.engines.torch_loading import check_encoder
from fillmask.training import families
from fillmask.training.export import quiet
from fillmask.training.packing import SpecialIds
from fillmask.training.recipe import Recipe
from fillmask.training.tokenizer import special_ids
from fillmask.training.transplant import transplant

_FREQUENCY_ROWS = 50_000  # that are counted for the bias of the output, about


@dataclass(frozen=True)
class WarmStart:
    """Parts of a model to replace before training.

    Attributes:
        grow_head: make a head where there is none.
        tokenizer: a folder or hub id whose vocabulary the model gets; None keeps the model's own.
    """

    grow_head: bool = False
    tokenizer: str | None = None


@dataclass(frozen=True)
class StartingModel:
    """A transformers model in float32, and its new parts.

    Attributes:
        facts: lines of the model card; empty if nothing is new.
    """

    model: Any
    facts: dict[str, str]


def settings_of(warm_start: WarmStart) -> dict[str, Any]:
    """Returns the settings that a training's state keeps; empty if nothing is new."""
    return {name: value for name, value in asdict(warm_start).items() if value}


def check_can_start(checkpoint: Checkpoint, warm_start: WarmStart) -> None:
    """Refuse a model that was fine-tuned to another task, unless it is to get a new head.

    Raises:
        UnsupportedModelError: it was, and no new head is asked for.
    """
    if warm_start.grow_head:
        return
    try:
        check_fills(checkpoint)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{error}; or give it a new head: --grow-head") from error


def check_row_length(checkpoint: Checkpoint, recipe: Recipe) -> None:
    """Refuses rows that are longer than the model's positions.

    Raises:
        TrainingError: a stage's rows are too long.
    """
    longest = encoders.longest(checkpoint.config)
    if longest is not None and max(recipe.lengths) > longest:
        raise TrainingError(
            f"rows of {max(recipe.lengths)} tokens are longer than the {longest} that {checkpoint.name} reads; lower"
            " --length, --last-length or the stages of the config"
        )


def open_model(
    name: str | Path | None, tokenizer: Tokenizer, *, dropout: float = 0.0, warm_start: WarmStart | None = None
) -> StartingModel:
    """A checkpoint's model with the vocabulary of `tokenizer`.

    Raises:
        TrainingError: its family cannot be trained, it has no head, or it is of another vocabulary.
        CheckpointError: it cannot be opened.
    """
    warm_start = warm_start or WarmStart()
    checkpoint = open_checkpoint(name)
    family = checkpoint.config.family
    if family not in families.FAMILIES:
        raise TrainingError(f"{checkpoint.name} is of the family {family!r}, which cannot be trained here")
    model, missing = _load(checkpoint, dropout)
    facts = {}
    if any(key.endswith(".weight") for key in missing):
        if not warm_start.grow_head:
            raise TrainingError(
                f"{checkpoint.name} has no head that fills masks (its weights lack {missing[0]}); name a masked language"
                " model, or make a head for it: --grow-head"
            )
        grow_head(model, missing)
        facts["new head"] = f"{', '.join(missing)}: identity, zero bias, decoder tied to the word embeddings"
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    old_tokenizer = checkpoint.tokenizer.backend
    if warm_start.tokenizer is not None and old_tokenizer.get_vocab(True) != tokenizer.get_vocab(True):
        model, unmatched = with_vocabulary(model, old_tokenizer, tokenizer)
        facts["new vocabulary"] = (
            f"{size:,} tokens; each embedding is the mean of the old embeddings of the same text, but for"
            f" {unmatched:,} tokens that match nothing and start at random"
        )
    elif model.config.vocab_size < size:
        raise TrainingError(
            f"the tokenizer has {size:,} tokens and {checkpoint.name} has {model.config.vocab_size:,};"
            " they are of different vocabularies: use the model's own tokenizer, or move the model to the other: --tokenizer"
        )
    return StartingModel(model, facts)


def _load(checkpoint: Checkpoint, dropout: float) -> tuple[Any, list[str]]:
    """The model, and the names of the parameters of its head that the checkpoint does not have."""
    from transformers import AutoConfig, AutoModelForMaskedLM

    with quiet():
        config = AutoConfig.from_pretrained(checkpoint.folder)
        families.set_dropout(config, dropout)
        for name, value in encoders.transformers_options(checkpoint.config, checkpoint.weights).items():
            setattr(config, name, value)
        try:
            model, report = AutoModelForMaskedLM.from_pretrained(
                checkpoint.folder, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True,
                ignore_mismatched_sizes=True,
            )  # fmt: skip
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{checkpoint.name} cannot be opened: {str(error).splitlines()[0]}") from error
    check_encoder(model, report, checkpoint, other_head=False)
    return model, sorted(name for name in report["missing_keys"] if not is_buffer(name))


@torch.no_grad()
def grow_head(model: Any, missing: Sequence[str]) -> None:
    """Set the head's parameters that a checkpoint does not have: the identity, ones of norms, zeros.

    Args:
        model: a masked language model of transformers.
        missing: their names. The decoder is not among them where it is tied to the word embeddings.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    decoder = model.get_output_embeddings()
    for name in missing:
        parameter = parameters[name]
        if parameter.ndim == 2 and parameter is not decoder.weight:
            nn.init.eye_(parameter)
        elif parameter.ndim == 2:
            parameter.copy_(model.get_input_embeddings().weight)
        elif name.endswith(".weight"):
            nn.init.ones_(parameter)
        else:
            nn.init.zeros_(parameter)
    model.tie_weights()


@torch.no_grad()
def with_vocabulary(model: Any, old: Tokenizer, new: Tokenizer) -> tuple[Any, int]:
    """The same model with the vocabulary of `new`, and how many of its tokens match nothing in `old`.

    Embeddings, and the decoder where it is not tied to them, are transplanted; the bias of the output starts at zero.

    Raises:
        TrainingError: the family counts its positions from the padding token, which has another id in `new`.
    """
    special = special_ids(new)
    _check_padding(model.config, special)
    config = type(model.config).from_dict({
        **model.config.to_dict(), "vocab_size": new.get_vocab_size(with_added_tokens=True), "pad_token_id": special.pad, "bos_token_id": special.bos,
        "cls_token_id": special.bos, "eos_token_id": special.eos, "sep_token_id": special.eos,
    })  # fmt: skip
    renewed = families.make_model(config)
    output = model.get_output_embeddings()
    of_vocabulary = {id(p) for p in (model.get_input_embeddings().weight, output.weight, output.bias) if p is not None}
    sources = dict(model.named_parameters(remove_duplicate=False))
    unmatched = 0
    for name, parameter in renewed.named_parameters():
        source = sources[name]
        if id(source) not in of_vocabulary and source.shape == parameter.shape:
            parameter.copy_(source)
        elif source.ndim == 1:
            nn.init.zeros_(parameter)
        else:
            moved = transplant(source.detach(), old, new)
            parameter.copy_(moved.embeddings)
            unmatched = moved.unmatched
    renewed.tie_weights()
    return renewed, unmatched


def _check_padding(config: Any, special: SpecialIds) -> None:
    if config.model_type in families.POSITIONS_AFTER_PADDING and config.pad_token_id != special.pad:
        raise TrainingError(
            f"positions of {config.model_type} models count from the padding token, {config.pad_token_id} in this model and"
            f" {special.pad} in the new vocabulary; choose a vocabulary whose padding token is {config.pad_token_id}"
        )


@torch.no_grad()
def start_bias(model: Any, rows: Any) -> None:
    """Set the bias of the output to the logarithm of each token's frequency in `rows`, (rows, length); special tokens get the lowest."""
    bias = model.get_output_embeddings().bias
    if bias is None:
        return
    counted = np.asarray(rows[:: max(1, len(rows) // _FREQUENCY_ROWS)])  # from all files of the text
    counts = np.bincount(counted.ravel(), minlength=len(bias)).astype(np.float64)
    special = [
        token
        for token in (model.config.pad_token_id, model.config.bos_token_id, model.config.eos_token_id)
        if token is not None
    ]
    counts[special] = 0
    logarithms = np.log(counts + 1)
    bias.copy_(torch.from_numpy(logarithms - logarithms.mean()).to(bias.dtype))
