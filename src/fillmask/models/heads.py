"""Which head a checkpoint holds, and which of its tensors belong to no part of the model that runs.

This module knows names of tensors and of classes. It does not know what a tensor holds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Literal

from fillmask.errors import CorruptCheckpointError, UnsupportedModelError
from fillmask.models.config import Config

Task = Literal["fill", "classify"]

# What saves each task's head, as transformers names classes. A class for pretraining holds a mask head too.
_CLASSES_OF_TASK: dict[Task, tuple[str, ...]] = {
    "fill": ("ForMaskedLM", "ForPreTraining", "WithLMHeadModel", "LMHeadModel"),
    "classify": ("ForSequenceClassification",),
}
_HEAD_OF_TASK: dict[Task, str] = {"fill": "masked language model head", "classify": "classification head"}
_REMEDY: dict[Task, str] = {
    "fill": "use a masked language model, such as the one that it was trained from",
    "classify": "make a classifier with `fillmask train finetune`, or use a model that was trained to classify",
}
# Buffers that transformers computes anew, whatever a file holds.
_BUFFERS = re.compile(
    r"(^|\.)(position_ids|token_type_ids|inv_freq|original_inv_freq|encoder\.embed_positions\.weight)$"
)
# Poolers, and heads for other tasks: a published checkpoint often keeps those that it was pretrained with.
_POOLERS = re.compile(r"(^|\.)pooler(\.|$)")
_HEADS = re.compile(
    r"^(classifier|pre_classifier|score|qa_outputs|qa_classifier|seq_relationship|sop_classifier|contact_head|head|"
    r"decoder|cls|predictions|lm_head|lm_predictions|mask_predictions|pred_layer|sequence_summary|discriminator_predictions|"
    r"generator_predictions|generator_lm_head|vocab_transform|vocab_layer_norm|vocab_projector)(\.|$)"
)


def class_names(config: Config) -> list[str]:
    """The classes that the config says the checkpoint was saved from; empty where it says none."""
    names = config.raw("architectures", []) or []
    return [str(name) for name in names] if isinstance(names, list) else []


def is_saved_for(config: Config, task: Task) -> bool:
    """Whether a class that the config names holds the task's head, or the config names no class."""
    names = class_names(config)
    return not names or any(name.endswith(_CLASSES_OF_TASK[task]) for name in names)


def starts_with_any(name: str, prefixes: Iterable[str]) -> bool:
    """Whether a tensor is one of these modules, or inside one."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def no_head(checkpoint: str, config: Config, task: Task, modules: Iterable[str]) -> UnsupportedModelError:
    """The error for a checkpoint without a task's head.

    Args:
        checkpoint: its name.
        modules: where the head's tensors would be.
    """
    names = class_names(config)
    holds = f"it is a {', '.join(names)}" if names else "config.json names no class in architectures"
    if names and is_saved_for(config, task):
        holds = f"config.json names {', '.join(names)}, but the weights hold no such tensors"
    other: Task = "classify" if task == "fill" else "fill"
    remedy = _REMEDY[task]
    if names and is_saved_for(config, other):
        remedy += f"; `fillmask {other}` takes this one"
    where = " or ".join(f"{module}.*" for module in modules)
    head = _HEAD_OF_TASK[task] + (f" ({where})" if where else "")
    return UnsupportedModelError(f"{checkpoint} has no {head}: {holds}; {remedy}")


def unread_tensors(names: Collection[str], base: str, head: Collection[str], ignored: Iterable[str] = ()) -> list[str]:
    """Of the tensors that a model did not read, those that it should have read, sorted.

    Buffers that transformers computes anew, poolers, and heads for other tasks are left out.

    Args:
        names: the tensors that were not read.
        base: the module of the encoder, such as `bert`.
        head: the modules of the head that runs.
        ignored: patterns of tensors that a file of the family may hold for nothing.
    """

    def may_be_left(name: str) -> bool:
        if is_buffer(name) or _POOLERS.search(name) or any(re.search(pattern, name) for pattern in ignored):
            return True
        return not starts_with_any(name, [base, *head]) and _HEADS.match(name) is not None

    return sorted(name for name in names if not may_be_left(name))


def is_buffer(name: str) -> bool:
    """Whether a tensor is a buffer that transformers computes anew."""
    return _BUFFERS.search(name) is not None


def check_all_read(names: Collection[str], base: str, head: Collection[str], ignored: Iterable[str] = ()) -> None:
    """Refuse weights that hold tensors for which the model has no place; arguments as for `unread_tensors`.

    Raises:
        CorruptCheckpointError: there are such tensors.
    """
    unread = unread_tensors(names, base, head, ignored)
    if unread:
        raise CorruptCheckpointError(
            f"the weights do not fit the config: {in_short(unread)} {'has' if len(unread) == 1 else 'have'} no place in"
            " the model; expected the config.json that was saved with these weights"
        )


def in_short(names: Collection[str]) -> str:
    """Names of tensors for a message: the first, and how many more there are."""
    first, *others = sorted(names)
    return f"tensor {first}" if not others else f"tensor {first} and {len(others)} more"
