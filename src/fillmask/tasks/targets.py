"""Target words: the tokens that a mask may be filled with.

A target is looked up in the vocabulary as it is written, as in transformers
(`look_up`). Of a list of plain words (the commands and batch jobs) each stands
for the token that the word has where the mask is: inside a text, with the
space before it (`Targets.from_words`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fillmask.errors import FillMaskWarning, TargetsError
from fillmask.runtime.checks import check_token_ids
from fillmask.tokenization.tokenizer import Tokenizer, check_text

_WARNINGS = 20  # targets of one list that a warning names

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Targets:
    """The tokens to choose among.

    Attributes:
        inside: ids for a mask inside a text, (targets,).
        at_start: ids for a mask that is the first token of its text, (targets,).
        requested: how many targets the caller named.
        warning_messages: targets that are not one token inside a text, and what stands for them.
        start_warning_messages: the same for the start of a text.
    """

    inside: Ids
    at_start: Ids
    requested: int
    warning_messages: tuple[str, ...] = ()
    start_warning_messages: tuple[str, ...] = ()

    def __len__(self) -> int:
        return min(len(self.inside), len(self.at_start))

    @classmethod
    def from_tokens(cls, tokenizer: Tokenizer, targets: Sequence[str], vocab_size: int | None = None) -> Targets:
        """Targets as the vocabulary writes them.

        Raises:
            TargetsError: none can be used.
            InputError: one is no text, or its id is outside the model's vocabulary.
        """
        ids, messages = look_up(tokenizer, targets, vocab_size)
        return cls(ids, ids, len(targets), tuple(messages))._checked()

    @classmethod
    def from_words(cls, tokenizer: Tokenizer, words: Sequence[str], vocab_size: int | None = None) -> Targets:
        """Plain words. Of a word of several tokens the first stands for it, with a warning.

        Raises:
            TargetsError: none can be used.
            InputError: one is no text, or its id is outside the model's vocabulary.
        """
        inside, messages = look_up(tokenizer, [_token_of(tokenizer, f" {word}") for word in words], vocab_size)
        at_start, more = look_up(tokenizer, [_token_of(tokenizer, word) for word in words], vocab_size)
        return cls(inside, at_start, len(words), tuple(messages), tuple(more))._checked()

    def _checked(self) -> Targets:
        if not len(self):
            self.warn(stacklevel=4)
            raise TargetsError("At least one target must be provided when passed.")
        return self

    def warn(self, stacklevel: int = 2) -> None:
        """Warn of targets that are not one token inside a text."""
        self._warn(self.warning_messages, stacklevel + 1)

    def warn_at_start(self, stacklevel: int = 2) -> None:
        """Warn of targets that are not one token at the start of a text, which matters where a mask stands there."""
        if self.start_warning_messages != self.warning_messages:
            self._warn(self.start_warning_messages, stacklevel + 1)

    def _warn(self, warning_messages: tuple[str, ...], stacklevel: int) -> None:
        # The first twenty by name, the others by their number.
        messages = list(warning_messages[:_WARNINGS])
        if (rest := len(warning_messages) - _WARNINGS) > 0:
            messages.append(f"{rest:,} more of the {self.requested:,} targets do not exist in the model vocabulary.")
        for message in messages:
            warnings.warn(message, FillMaskWarning, stacklevel=stacklevel + 1)


def _token_of(tokenizer: Tokenizer, text: str) -> str:
    """The token of a piece of text where it is one, else the piece."""
    check_text(text)
    tokens = tokenizer.tokenize(text)
    return tokens[0] if len(tokens) == 1 else text


def look_up(tokenizer: Tokenizer, targets: Sequence[str], vocab_size: int | None = None) -> tuple[Ids, list[str]]:
    """Ids of targets, duplicates collapsed, and a warning for each target that is no token.

    As in transformers, the first sub-token of such a target stands for it.

    Args:
        vocab_size: tokens that the model has, to hold the tokenizer's ids against.

    Raises:
        InputError: a target is no text, or its id is outside the model's vocabulary.
    """
    vocab = tokenizer.vocab
    ids: dict[int, None] = {}
    messages: list[str] = []
    for target in targets:
        check_text(target)
        token_id = vocab.get(target)
        if token_id is None:
            pieces = tokenizer.encode(target, add_special_tokens=False)
            start = f"The specified target token `{target}` does not exist in the model vocabulary. "
            if not pieces:
                messages.append(start + "We cannot replace it with anything meaningful, ignoring it")
                continue
            # As in transformers, which truncates the target to one token.
            token_id = pieces[-1 if tokenizer.truncation_side == "left" else 0]
            messages.append(start + f"Replacing with `{tokenizer.convert_ids_to_tokens(token_id)}`.")
        if vocab_size is not None:
            check_token_ids(token_id, vocab_size, f"the target {target!r:.60}")
        ids[token_id] = None
    return np.array(list(ids), np.int64), messages
