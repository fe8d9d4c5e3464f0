"""Log-probabilities of every token of a text, by the conventions of the literature on variant effects.

For a text x₁ … xₙ and each of its positions i (special tokens are none):

- `masked` (masked marginals): log p(x | x₁ … xᵢ₋₁, mask, xᵢ₊₁ … xₙ), a pass for each position;
- `wild-type` (wild-type marginals): log p(x | x₁ … xₙ) at position i, with nothing masked, one pass for the text.

The score of a substitution at i is the difference between the values of the new and of the old token there. The
pseudo-log-likelihood is the sum of the masked values of the text's own tokens, and the pseudo-perplexity
exp(−pseudo-log-likelihood / n).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fillmask.choices import MARGINAL_CONVENTIONS
from fillmask.errors import InputError
from fillmask.runtime.engines import Floats
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.score import encode
from fillmask.tasks.streams import answer_each
from fillmask.tasks.targets import Targets
from fillmask.tokenization.encoding import WordEncoding, hide
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.windows import shared_windows, window


@dataclass(frozen=True, eq=False)
class TokenLogProbabilities:
    """Log-probabilities at each position of a text, in nats.

    Attributes:
        text: the text.
        convention: one of `fillmask.choices.MARGINAL_CONVENTIONS`.
        ids: the tokens of the text, special ones left out, (positions,).
        tokens: the same as the vocabulary writes them.
        columns: token ids that the values are of, (columns,): the targets, or the whole vocabulary.
        values: log-probability of each column's token at each position, (positions, columns).
        own: log-probability of the text's own token at each position, (positions,).
    """

    text: str
    convention: str
    ids: npt.NDArray[np.int64]
    tokens: tuple[str, ...]
    columns: npt.NDArray[np.int64]
    values: Floats
    own: Floats

    @property
    def pseudo_log_likelihood(self) -> float:
        """The sum of `own`."""
        return math.fsum(self.own.tolist())

    @property
    def pseudo_perplexity(self) -> float:
        """exp of the mean of −`own`."""
        return math.exp(-self.pseudo_log_likelihood / len(self.own))


def log_probabilities_each(
    model: MaskedLM,
    texts: Iterable[str],
    *,
    convention: str = "masked",
    targets: Targets | None = None,
    windows: bool = False,
) -> Iterator[TokenLogProbabilities | InputError]:
    """The log-probabilities of each text, or the error of that text, as they are taken.

    Args:
        targets: the tokens whose log-probabilities to keep; None for all, which is positions × vocabulary numbers.
        windows: accept a text longer than the model; a position is then read in a window of the text.

    Raises:
        InputError: no such convention.
    """
    if convention not in MARGINAL_CONVENTIONS:
        raise InputError(f"convention is {convention!r}; expected one of {', '.join(MARGINAL_CONVENTIONS)}")
    return answer_each(
        texts,
        lambda text: encode(model, text, windows),
        lambda chunk: (_answer(model, text, convention, targets) for text in chunk),
        chunk_texts=1,
    )


def _answer(model: MaskedLM, text: WordEncoding, convention: str, targets: Targets | None) -> TokenLogProbabilities:
    places = [place for word in text.words for place in word.places]
    ids = np.array([text.ids[place] for place in places], np.int64)
    columns = np.arange(model.vocab_size) if targets is None else targets.inside
    values = np.empty((len(places), len(columns)), np.float32)
    own = np.empty(len(places), np.float32)
    inputs = _wild_type(model, text, places) if convention == "wild-type" else _masked(model, text, places)
    starts = np.cumsum([0, *(len(item.positions) for item in inputs)])
    for index, log_probabilities in model.log_probabilities(inputs):
        rows = np.arange(starts[index], starts[index + 1])
        values[rows] = log_probabilities if targets is None else log_probabilities[:, columns]
        own[rows] = log_probabilities[np.arange(len(rows)), ids[rows]]
    tokens = tuple(str(model.tokenizer.convert_ids_to_tokens(int(token_id))) for token_id in ids)
    return TokenLogProbabilities(text.text, convention, ids, tokens, columns, values, own)


def _wild_type(model: MaskedLM, text: WordEncoding, places: Sequence[int]) -> list[MaskedInput]:
    """The text as it is, asked for every position."""
    longest = model.tokenizer.model_max_length
    if len(text.ids) > longest:
        return list(shared_windows(text.encoding, places, longest))
    return [MaskedInput(text.ids, text.type_ids, places)]


def _masked(model: MaskedLM, text: WordEncoding, places: Sequence[int]) -> list[MaskedInput]:
    """The text with each position masked in turn."""
    mask, longest = model.tokenizer.mask_token_id, model.tokenizer.model_max_length
    if mask is None:
        raise InputError("The tokenizer does not define a `mask_token`.")
    inputs = []
    for place in places:
        item = MaskedInput(text.ids, text.type_ids, [place])
        if len(text.ids) > longest:
            item = window(text.encoding, [place], longest)
        inputs.append(MaskedInput(hide(item.ids, item.positions, mask), item.type_ids, item.positions))
    return inputs
