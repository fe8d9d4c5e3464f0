"""Texts with masks, without a model: what the model reads for them, and how its tokens fill them.

`fill` puts the two sides of this module round a model in one process; the
service has them in different processes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from fillmask.errors import InputError, NoMaskError, TextTooLongError
from fillmask.tasks.streams import prepare_all
from fillmask.tokenization.encoding import Encoding
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.tokenizer import Tokenizer, check_text
from fillmask.tokenization.windows import shared_windows

MASK_SPELLINGS = ("<mask>", "[MASK]")
# What people write for a mask, and for a gap.
_OTHER_SPELLINGS = re.compile(r"[<\[({＜]+\s*/?\s*mask(?:ed)?\s*/?\s*[>\])}＞]+", re.IGNORECASE)
_GAPS = re.compile(r"_{2,}|\[[\s.…·-]+\]|\.{3,}|…|\?{2,}")


class Candidate(TypedDict):
    """One answer for one mask."""

    score: float
    token: int
    token_str: str
    sequence: str


@dataclass(frozen=True)
class MaskedText:
    """A tokenized text with masks.

    Attributes:
        ids: token ids of the whole text, special tokens included, (length,).
        positions: places of the masks in `ids`, ascending, (masks,).
        inputs: what the model reads; together their positions are all masks, in order.
        starts_with_mask: whether the first mask is the first token of the text.
    """

    ids: list[int]
    positions: list[int]
    inputs: list[MaskedInput]
    starts_with_mask: bool = False


def _hint(text: str) -> str:
    """What to do about a text without a mask."""
    if match := _OTHER_SPELLINGS.search(text):
        return f"{match[0]!r} is no mask: write <mask> or [MASK]"
    if match := _GAPS.search(text):
        return (
            f"{match[0]!r} is a gap of unknown length, which restore reads (fillmask restore -t TEXT,"
            " FillMask.restore); for a single word write <mask>"
        )
    return "write <mask> where a word is missing"


class MaskedTexts:
    """Reads the masked texts of one tokenizer.

    Raises:
        InputError: the tokenizer has no mask token.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        if tokenizer.mask_token is None or tokenizer.mask_token_id is None:
            raise InputError("The tokenizer does not define a `mask_token`.")
        self.tokenizer = tokenizer
        self.mask_token: str = tokenizer.mask_token
        self.mask_token_id: int = tokenizer.mask_token_id

    def read(self, text: str, options: Mapping[str, Any] | None = None, *, windows: bool = False) -> MaskedText:
        """Tokenize a text and find its masks.

        Args:
            options: transformers' `tokenizer_kwargs`.
            windows: accept a text that is longer than the model; masks are then read in windows of it
                (`fillmask.tokenization.windows.shared_windows`).

        Raises:
            NoMaskError: the text has no mask.
            TextTooLongError: the text has more tokens than the model has positions.
            InputError: it is no text, or the tokenizer cannot encode it.
        """
        check_text(text)
        return self._located(
            text, self.tokenizer.encode_text(self.with_own_masks(text), options, any_length=True), windows
        )

    def read_all(
        self, texts: Sequence[str], options: Mapping[str, Any] | None = None, *, windows: bool = False
    ) -> list[MaskedText]:
        """Several texts; see `read`. An error says which of them it belongs to."""
        return prepare_all(texts, lambda text: self.read(text, options, windows=windows))

    def read_each(self, texts: Sequence[str], *, windows: bool = False) -> list[MaskedText | InputError]:
        """Several texts or their errors; see `read`. Texts are tokenized together, on all cores and without the GIL."""
        own = [self.with_own_masks(text) for text in texts]
        results: list[MaskedText | InputError] = []
        for text, encoding in zip(texts, self.tokenizer.encode_each(own), strict=True):
            try:
                if isinstance(encoding, InputError):
                    raise encoding
                results.append(self._located(text, encoding, windows))
            except InputError as error:
                results.append(error)
        return results

    def _located(self, text: str, encoding: Encoding, windows: bool) -> MaskedText:
        ids, longest = encoding.ids, self.tokenizer.model_max_length
        if len(ids) > longest and not windows:
            raise TextTooLongError(
                f"the text has {len(ids)} tokens and the model takes {longest}; shorten it,"
                " or ask for a window round each mask (long_text='window', --long-text window)"
            )
        positions = [place for place, token in enumerate(ids) if token == self.mask_token_id]
        if not positions:
            raise NoMaskError(f"No mask_token ({self.mask_token}) found on the input; {_hint(text)}")
        if len(ids) <= longest:
            inputs = [MaskedInput(ids, encoding.type_ids, positions)]
        else:
            inputs = list(shared_windows(encoding, positions, longest))
        return MaskedText(ids, positions, inputs, positions[0] == encoding.leading)

    def with_own_masks(self, text: str) -> str:
        """The text with its masks spelled as the model's own."""
        for spelling in MASK_SPELLINGS:
            if spelling != self.mask_token:
                text = text.replace(spelling, self.mask_token)
        return text

    def candidates(
        self, ids: Sequence[int], position: int, best: Sequence[tuple[float, int]], *, single: bool
    ) -> list[Candidate]:
        """The answers for one mask.

        Args:
            ids: of the whole text, (length,).
            position: place of the mask in `ids`.
            best: probability and token id, best first.
            single: whether the text has no other mask.
        """
        return [
            {
                "score": score,
                "token": token,
                "token_str": self.tokenizer.decode(token),
                "sequence": self.filled(ids, position, token, single=single),
            }
            for score, token in best
        ]

    def filled(self, ids: Sequence[int], position: int, token: int, *, single: bool) -> str:
        """The text of `ids` with `token` at `position`.

        As in transformers, padding is dropped, and with several masks special
        tokens stay, since the other masks are among them.
        """
        pad = self.tokenizer.pad_token_id
        filled = [*ids[:position], token, *ids[position + 1 :]]
        return str(self.tokenizer.decode([i for i in filled if i != pad], skip_special_tokens=single))
