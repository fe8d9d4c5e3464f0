"""Checks of what goes into an engine and of what comes out of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fillmask.errors import CorruptCheckpointError, InputError


def check_token_ids(highest: int, vocab_size: int, text: str = "the text") -> None:
    """Refuse a token id that the model has no embedding for.

    Args:
        highest: the highest id of a text or batch.
        text: what was encoded, for the error.

    Raises:
        InputError: the tokenizer knows more tokens than the model.
    """
    if highest >= vocab_size:
        raise InputError(
            f"the tokenizer gave {text} id {highest}, and the model has {vocab_size} tokens; the tokenizer is of another model"
        )


def check_numbers(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The values, if none of them is NaN.

    Raises:
        CorruptCheckpointError: at least one is.
    """
    if np.isnan(values).any():
        raise CorruptCheckpointError(
            "the model's answer is not a number (NaN): its weights hold NaN or infinity, or the precision is too small"
            " for them; try precision='float32', or download the model again"
        )
    return values
