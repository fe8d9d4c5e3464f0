"""What a call of a tokenizer returns: transformers' `BatchEncoding`, as far as tutorials use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fillmask.errors import InputError, MissingExtraError


class BatchEncoding(dict[str, Any]):
    """A dict by name whose values are attributes too: `encoding.input_ids`."""

    def __init__(self, values: Mapping[str, Any], raw: Sequence[Any]) -> None:
        super().__init__(values)
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the encoding has no {name!r}; it has {', '.join(self)}") from None

    def tokens(self, batch_index: int = 0) -> list[str]:
        """The tokens of one text, special ones included, without padding."""
        return list(self._raw[batch_index].tokens)

    def word_ids(self, batch_index: int = 0) -> list[int | None]:
        """For each token of one text the number of its word; None for a special token."""
        return list(self._raw[batch_index].word_ids)


def batch_encoding(
    raw: Sequence[Any],
    wanted: Mapping[str, bool],
    padding: bool | str | None,
    max_length: int,
    pad_token_id: int | None,
    tensors: str | None,
    *,
    single: bool,
) -> BatchEncoding:
    """The encoding of texts.

    Args:
        raw: the `tokenizers.Encoding` of each text.
        wanted: which of the optional values to return.
        padding: True or "longest", "max_length", or None.
        max_length: what "max_length" pads to.
        tensors: "np", "pt", or None for lists.
        single: whether a text was given and no list.

    Raises:
        InputError: an option cannot be used, or there is no padding token.
    """
    if padding not in (None, True, "longest", "max_length"):
        raise InputError(f"padding is {padding!r}; expected True, False, 'longest' or 'max_length'")
    if tensors not in (None, "np", "pt"):
        raise InputError(f"return_tensors is {tensors!r}; expected 'np' or 'pt'")
    lengths = [len(encoding.ids) for encoding in raw]
    length = None
    if padding is not None:
        if pad_token_id is None:
            raise InputError("the tokenizer has no padding token; encode texts one by one")
        length = max_length if padding == "max_length" else max(lengths, default=0)
    columns: dict[str, tuple[list[Any], Any]] = {"input_ids": ([list(encoding.ids) for encoding in raw], pad_token_id)}
    if wanted["token_type_ids"]:
        columns["token_type_ids"] = ([list(encoding.type_ids) for encoding in raw], 0)
    if wanted["attention_mask"]:
        columns["attention_mask"] = ([[1] * count for count in lengths], 0)
    if wanted["special_tokens_mask"]:
        columns["special_tokens_mask"] = ([list(encoding.special_tokens_mask) for encoding in raw], 1)
    if wanted["offset_mapping"]:
        columns["offset_mapping"] = ([list(encoding.offsets) for encoding in raw], (0, 0))
    values: dict[str, Any] = {}
    for name, (rows, filler) in columns.items():
        values[name] = [row + [filler] * ((length or 0) - len(row)) for row in rows]
    if wanted["length"]:
        values["length"] = [max(count, length or 0) for count in lengths]
    if tensors is not None:
        values = {name: _tensor(rows, tensors) for name, rows in values.items()}
    elif single:
        values = {name: rows[0] for name, rows in values.items()}
    return BatchEncoding(values, raw)


def _tensor(rows: Sequence[Any], tensors: str) -> Any:
    try:
        array = np.array(rows, np.int64)
    except ValueError:
        raise InputError("the texts have different numbers of tokens; ask for padding=True to get tensors") from None
    if tensors == "np":
        return array
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("return_tensors='pt'", "torch") from error
    return torch.from_numpy(array)
