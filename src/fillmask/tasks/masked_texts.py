"""Texts with masks and the answers for them, without a model: what it is to read, and what its numbers mean.

`fill` puts the two sides of this module round a model in the same process; a
server has them in different ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

import numpy as np
import numpy.typing as npt

from fillmask.errors import InputError, NoMaskError
from fillmask.runtime.checks import check_numbers
from fillmask.runtime.engines import Floats
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.tokenizer import Tokenizer, check_text
from fillmask.tokenization.windows import window

MASK_SPELLINGS = ("<mask>", "[MASK]")
_LANES = 256


_Text = TypeVar("_Text")
_Made = TypeVar("_Made")


def numbered(texts: Sequence[_Text], make: Callable[[_Text], _Made]) -> Iterator[_Made]:
    """What is made of each text of a list; an error says which text it is of, where there are several."""
    for number, text in enumerate(texts, start=1):
        try:
            yield make(text)
        except InputError as error:
            if len(texts) > 1:
                error.args = (f"{error} (text {number} of {len(texts)})",)
            raise


class Candidate(TypedDict):
    """One answer for one mask."""

    score: float
    token: int
    token_str: str
    sequence: str


Filled = list[Candidate] | list[list[Candidate]]
Ranked = list[list[tuple[float, int]]]  # for each mask, probability and token, best first


@dataclass(frozen=True)
class MaskedText:
    """A tokenised text with the places of its masks, and what the model is to read for them, in their order."""

    ids: list[int]
    positions: list[int]
    read: list[MaskedInput]


class MaskedTexts:
    """The texts of one tokenizer.

    Args:
        vocab_size: tokens that the model has, where that is to be held against the tokenizer's.

    Raises:
        InputError: the tokenizer has no mask token.
    """

    def __init__(self, tokenizer: Tokenizer, vocab_size: int | None = None) -> None:
        if tokenizer.mask_token is None or tokenizer.mask_token_id is None:
            raise InputError("The tokenizer does not define a `mask_token`.")
        self.tokenizer = tokenizer
        self._vocab_size = vocab_size
        self.mask_token: str = tokenizer.mask_token
        self.mask_token_id: int = tokenizer.mask_token_id

    def read(self, text: str, options: Mapping[str, Any] | None = None, *, windows: bool = False) -> MaskedText:
        """Tokenise, and find the masks.

        Args:
            options: transformers' `tokenizer_kwargs`.
            windows: let a text be longer than the model; each mask is then read in the stretch round it.

        Raises:
            NoMaskError: the text has no mask.
            TextTooLongError: the text has more tokens than the model has positions.
            InputError: it is no text.
        """
        check_text(text)
        encoding = self.tokenizer.encode_text(self.spelled(text), options, any_length=windows)
        positions = [place for place, token in enumerate(encoding.ids) if token == self.mask_token_id]
        if not positions:
            raise NoMaskError(
                f"No mask_token ({self.mask_token}) found on the input; write <mask> where a word is missing"
            )
        longest = self.tokenizer.model_max_length
        if len(encoding.ids) <= longest:
            return MaskedText(encoding.ids, positions, [MaskedInput(encoding.ids, encoding.type_ids, positions)])
        return MaskedText(encoding.ids, positions, [window(encoding, place, longest) for place in positions])

    def read_all(
        self, texts: Sequence[str], options: Mapping[str, Any] | None = None, *, windows: bool = False
    ) -> list[MaskedText]:
        """Several texts; see `read`. An error says which of them it is of."""
        return list(numbered(texts, lambda text: self.read(text, options, windows=windows)))

    def spelled(self, text: str) -> str:
        """The text with its masks as the model's own."""
        for spelling in MASK_SPELLINGS:
            if spelling != self.mask_token:
                text = text.replace(spelling, self.mask_token)
        return text

    def candidates(
        self, ids: Sequence[int], position: int, best: Sequence[tuple[float, int]], *, single: bool
    ) -> list[Candidate]:
        """What the best tokens for one mask are, and make of the text.

        Args:
            ids: of the whole text.
            best: probability and token, best first.
            single: whether the text has no other mask.
        """
        row: list[Candidate] = []
        for score, token in best:
            sequence = self.filled(ids, position, token, single=single)
            row.append(
                {"score": score, "token": token, "token_str": self.tokenizer.decode(token), "sequence": sequence}
            )
        return row

    def filled(self, ids: Sequence[int], position: int, token: int, *, single: bool) -> str:
        """The text of `ids` with `token` at `position`.

        As in transformers: padding is dropped, and with several masks special
        tokens stay, since the other masks are among them.
        """
        pad = self.tokenizer.pad_token_id
        filled = [*ids[:position], token, *ids[position + 1 :]]
        return self.tokenizer.decode([i for i in filled if i != pad], skip_special_tokens=single)

    def look_up(self, words: Sequence[str]) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Ids of target words, duplicates collapsed, and what is to be said of those that are no tokens.

        Raises:
            InputError: a word is no text, or its id is outside the model's vocabulary.
        """
        vocab = self.tokenizer.vocab
        found: dict[int, None] = {}
        told: list[str] = []
        for word in words:
            check_text(word)
            number = vocab.get(word)
            if number is None:
                pieces = self.tokenizer.encode(word, add_special_tokens=False)
                start = f"The specified target token `{word}` does not exist in the model vocabulary. "
                if not pieces:
                    told.append(start + "We cannot replace it with anything meaningful, ignoring it")
                    continue
                # As in transformers, which truncates the word to one token.
                number = pieces[-1 if self.tokenizer.truncation_side == "left" else 0]
                told.append(start + f"Replacing with `{self.tokenizer.convert_ids_to_tokens(number)}`.")
            if self._vocab_size is not None and number >= self._vocab_size:
                raise InputError(
                    f"the tokenizer gave the target {word!r:.60} id {number}, and the model has {self._vocab_size} tokens;"
                    " the tokenizer is of another model"
                )
            found[number] = None
        return np.array(list(found), np.int64), told


def ranked(log_probabilities: Floats, top_k: int, targets: npt.NDArray[np.int64] | None) -> Ranked:
    """Probability and token of the `top_k` best of each row, among the targets if there are any."""
    if targets is not None:
        log_probabilities = log_probabilities[:, targets]
    best = top_indices(log_probabilities, top_k)
    scores = np.exp(np.take_along_axis(log_probabilities, best, axis=1)).tolist()
    tokens = (best if targets is None else targets[best]).tolist()
    return [list(zip(*row, strict=True)) for row in zip(scores, tokens, strict=True)]


def top_indices(values: Floats, count: int) -> npt.NDArray[np.int64]:
    """Column indices of the `count` largest values of each row, largest first; of equals, the lower index.

    Args:
        values: (rows, columns).

    Returns:
        (rows, min(count, columns)).

    Raises:
        CorruptCheckpointError: a row is not numbers (NaN).
    """
    columns = values.shape[1]
    count = min(count, columns)
    best = np.zeros((len(values), count), np.int64)
    if count == 0:
        return best
    bounds = check_numbers(_low_bounds(values, count))
    for row, bound, places in zip(values, bounds, best, strict=True):
        picked = np.flatnonzero(row >= bound)
        places[:] = picked[np.argsort(-row[picked], kind="stable")[:count]]
    return best


def _low_bounds(values: Floats, count: int) -> Floats:
    """For each row a number that at least `count` of its values reach, and not many more.

    Columns `_LANES` apart make up a lane. The `count` best lanes hold one value each that is their largest, so the
    least of those will do; one pass over the row finds them, where a partition of the row takes several.
    """
    rows, columns = values.shape
    if columns >= 16 * _LANES and 4 * count <= _LANES:
        values = values[:, : columns - columns % _LANES].reshape(rows, -1, _LANES).max(axis=1)
        columns = _LANES
    bounds: Floats = np.partition(values, columns - count, axis=1)[:, columns - count]
    return bounds
