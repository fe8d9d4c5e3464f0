"""The token ids of a text, and the words that they make up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Encoding:
    """Token ids of one text, or of a pair of texts.

    Attributes:
        ids: token ids, special tokens included, (length,).
        type_ids: the segment of each token, (length,).
        leading: special tokens that the tokenizer put before the text.
        trailing: special tokens that it put after the text.
    """

    ids: list[int]
    type_ids: list[int]
    leading: int = 0
    trailing: int = 0

    @classmethod
    def of(cls, raw: Any) -> Encoding:
        """The encoding that a `tokenizers.Encoding` holds."""
        special = raw.special_tokens_mask
        leading = next((n for n, is_special in enumerate(special) if not is_special), len(special))
        trailing = next((n for n, is_special in enumerate(reversed(special)) if not is_special), 0)
        return cls(raw.ids, raw.type_ids, leading, trailing)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text.

    Attributes:
        start, end: its characters in the text.
        places: the places of its tokens, ascending.
    """

    start: int
    end: int
    places: tuple[int, ...]


@dataclass(frozen=True)
class WordEncoding:
    """Token ids of a text of any length, special ones included, and the words that they make up."""

    text: str
    encoding: Encoding
    words: tuple[Word, ...]

    @property
    def ids(self) -> list[int]:
        return self.encoding.ids

    @property
    def type_ids(self) -> list[int]:
        return self.encoding.type_ids


def hide(
    ids: Sequence[int],
    places: Sequence[int],
    mask_token_id: int,
    *,
    shift: int = 0,
    start: int = 0,
    stop: int | None = None,
) -> list[int]:
    """The ids with the mask token at some places.

    Args:
        ids: of the text, or of a window of it, (length,).
        places: in the text.
        shift: what is added to a place of the text for its place in `ids`.
        start, stop: the places of `ids` that may be hidden; others are left alone.
    """
    hidden = list(ids)
    for place in places:
        if start <= place + shift < (len(hidden) if stop is None else stop):
            hidden[place + shift] = mask_token_id
    return hidden
