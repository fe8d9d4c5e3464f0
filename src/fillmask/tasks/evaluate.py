"""How well does a model know its language? Accuracy at masks, and pseudo-perplexity.

Loss and perplexity are counted per token, in nats: they compare models of one
tokenizer, on the same text and the same masks, and nothing else. Windows and
masks are drawn by `masked_windows` and judged by `Tally`, neither of which
needs a model, so that a baseline can be measured on the very masks of a model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from fillmask.errors import CorpusError, InputError
from fillmask.runtime.checks import check_token_ids
from fillmask.runtime.engines import Floats, Ints
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.tokenizer import Tokenizer, check_text

_Item = TypeVar("_Item")
DEEPEST = 100  # ranks that are told apart
LOSS_BINS = np.linspace(0, 20, 81)  # nats; a larger loss counts in the last bin
_CHUNK = 256  # texts that are planned into batches together; bounds memory


@dataclass(frozen=True)
class MaskedAccuracy:
    """What a model makes of hidden tokens.

    Attributes:
        masks: hidden tokens that were scored.
        loss: mean of −log p(true token), in nats.
        top1: share of masks whose likeliest token is the true one, 0 to 1.
        top5: share of masks with the true token among the five likeliest, 0 to 1.
        within: the same for the k likeliest, k = 1 … `DEEPEST`.
    """

    masks: int
    loss: float
    top1: float
    top5: float
    within: tuple[float, ...] = field(default=(), compare=False, repr=False)

    @property
    def perplexity(self) -> float:
        """exp(loss)."""
        return _exp(self.loss)


@dataclass(frozen=True)
class PseudoPerplexity:
    """The likelihood of whole texts, each token given all the others.

    Attributes:
        tokens: tokens that were scored, special tokens not among them.
        log_likelihood: the pseudo-log-likelihood, the sum of log p(token | all other tokens), in nats.
        histogram: tokens by their loss, −log p, in the bins between `LOSS_BINS`.
    """

    tokens: int
    log_likelihood: float
    histogram: tuple[int, ...] = field(default=(), compare=False, repr=False)

    @property
    def loss(self) -> float:
        """−log_likelihood a token, in nats."""
        return -self.log_likelihood / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(−log_likelihood / tokens)."""
        return _exp(self.loss)


@dataclass(frozen=True, eq=False)
class MaskedWindow:
    """A stretch of a document, and which of its tokens are hidden.

    Attributes:
        ids: the true token ids, special tokens included, (length,).
        type_ids: segment of each token, (length,).
        special: whether each token is a special one, (length,).
        positions: the hidden places, ascending and never special, (masks,), one at least.
    """

    ids: Ints
    type_ids: Ints
    special: npt.NDArray[np.bool_]
    positions: Ints

    @property
    def labels(self) -> Ints:
        """The tokens that are hidden, (masks,)."""
        return self.ids[self.positions]

    def hidden(self, mask_token_id: int) -> MaskedInput:
        """The window as a model sees it, with the mask token at the hidden places."""
        ids = self.ids.copy()
        ids[self.positions] = mask_token_id
        return MaskedInput(ids.tolist(), self.type_ids.tolist(), self.positions.tolist())


class Tally:
    """Running sums of a `MaskedAccuracy`."""

    def __init__(self) -> None:
        self._masks = 0
        self._loss = 0.0
        self._ranks = np.zeros(DEEPEST + 1, np.int64)  # masks by the rank of the true token; further ones at 0

    def add(self, log_probabilities: npt.NDArray[np.floating[Any]], labels: Ints) -> None:
        """Count some masks.

        A token as likely as the true one counts as likelier: who cannot tell
        them apart has not found it.

        Args:
            log_probabilities: (masks, vocabulary).
            labels: the true tokens, (masks,).
        """
        true = log_probabilities[np.arange(len(labels)), labels]
        # Counted from below, so that NaN is a miss.
        rank = log_probabilities.shape[1] - (log_probabilities < true[:, None]).sum(axis=1)
        self._masks += len(labels)
        self._loss -= float(true.sum(dtype=np.float64))
        self._ranks += np.bincount(np.where(rank <= DEEPEST, rank, 0), minlength=DEEPEST + 1)

    def result(self) -> MaskedAccuracy:
        """The means so far; at least one mask must have been counted."""
        within = (np.cumsum(self._ranks[1:]) / self._masks).tolist()
        return MaskedAccuracy(self._masks, self._loss / self._masks, within[0], within[4], tuple(within))


def masked_accuracy(
    model: MaskedLM,
    documents: Iterable[str],
    *,
    rate: float = 0.15,
    length: int = 128,
    max_rows: int | None = None,
    seed: int = 0,
) -> MaskedAccuracy:
    """Hide some tokens of every window and score the true ones.

    The arguments are those of `masked_windows`. Memory does not grow with the
    number of documents, but for the `max_rows` windows that are kept.

    Raises:
        CorpusError: there is no text.
        InputError: an argument cannot be used, or the tokenizer is of another model.
    """
    mask = _mask_token_id(model.tokenizer)
    windows = masked_windows(model.tokenizer, documents, rate=rate, length=length, max_rows=max_rows, seed=seed)
    tally = Tally()
    for log_probabilities, labels in _scored(model, ((w.hidden(mask), w.labels) for w in windows)):
        tally.add(log_probabilities, labels)
    return tally.result()


def pseudo_perplexity(
    model: MaskedLM, sentences: Iterable[str], *, max_sentences: int | None = None, seed: int = 0
) -> PseudoPerplexity:
    """Mask each token of each sentence in turn and score it (Salazar et al. 2020).

    A sentence that is too long for the model is cut into windows, and a token
    then sees its own window. Empty sentences are passed over. Memory does not
    grow with the number of sentences.

    Args:
        max_sentences: take so many, drawn evenly by `seed`; all of them by default.

    Raises:
        CorpusError: there is no text.
        InputError: a sentence is not a text, or the tokenizer is of another model.
    """
    mask = _mask_token_id(model.tokenizer)
    tokenizer = model.tokenizer
    if max_sentences is not None:
        sentences = (s for _, s in _sample(enumerate(sentences), max_sentences, seed))
    windows = (w for s in sentences for w in _windows(tokenizer, s, tokenizer.model_max_length))
    singles = (
        MaskedWindow(w.ids, w.type_ids, w.special, w.positions[at : at + 1])
        for w in windows
        for at in range(len(w.positions))
    )
    tokens, total = 0, 0.0
    histogram = np.zeros(len(LOSS_BINS) - 1, np.int64)
    for log_probabilities, labels in _scored(model, ((w.hidden(mask), w.labels) for w in singles)):
        tokens += 1
        value = float(log_probabilities[0, labels[0]])
        total += value
        if not math.isnan(value):
            histogram[min(int(np.searchsorted(LOSS_BINS, -value, "right")) - 1, len(histogram) - 1)] += 1
    if tokens == 0:
        raise CorpusError("there is no text to score; expected sentences with at least one token")
    return PseudoPerplexity(tokens, total, tuple(histogram.tolist()))


def masked_windows(
    tokenizer: Tokenizer,
    documents: Iterable[str],
    *,
    rate: float = 0.15,
    length: int = 128,
    max_rows: int | None = None,
    seed: int = 0,
) -> Iterator[MaskedWindow]:
    """Cut documents into consecutive windows and hide some tokens of each.

    Args:
        rate: share of a window's tokens to hide, special tokens not counted
            (0 < rate ≤ 1); rounded to whole tokens, one at least.
        length: tokens a window, special tokens included; the last of a document may be shorter.
        max_rows: take so many windows, drawn evenly from all documents; all of them by default.
        seed: decides the draw and the masks. The masks of a window are the
            same whatever `max_rows` is.

    Yields:
        Windows in the order of the text.

    Raises:
        CorpusError: there is no text.
        InputError: an argument is out of range, or a document is not a text.
    """
    if not 0 < rate <= 1:
        raise InputError(f"rate is {rate}; expected a share above 0 and up to 1")
    if max_rows is not None and max_rows < 1:
        raise InputError(f"max_rows is {max_rows}; expected 1 or more")
    if seed < 0:
        raise InputError(f"seed is {seed}; expected 0 or more")
    shortest = tokenizer.backend.num_special_tokens_to_add(False) + 1
    if not shortest <= length <= tokenizer.model_max_length:
        raise InputError(f"length is {length}; this model takes {shortest} to {tokenizer.model_max_length} tokens")
    numbered = enumerate(w for document in documents for w in _windows(tokenizer, document, length))
    return _hide(numbered if max_rows is None else _sample(numbered, max_rows, seed), rate, seed)


def _hide(windows: Iterable[tuple[int, MaskedWindow]], rate: float, seed: int) -> Iterator[MaskedWindow]:
    """The numbered windows with `rate` of their positions."""
    empty = True
    for number, window in windows:
        count = max(1, round(rate * len(window.positions)))
        positions = np.random.default_rng([seed, number]).choice(window.positions, count, replace=False)
        yield MaskedWindow(window.ids, window.type_ids, window.special, np.sort(positions))
        empty = False
    if empty:
        raise CorpusError("there is no text to evaluate on; expected documents with at least one token")


def _sample(items: Iterable[tuple[int, _Item]], count: int, seed: int) -> list[tuple[int, _Item]]:
    """`count` numbered items drawn evenly from a stream (reservoir sampling), in its order."""
    rng = np.random.default_rng(seed)
    kept: list[tuple[int, _Item]] = []
    for item in items:
        if len(kept) < count:
            kept.append(item)
        elif (slot := int(rng.integers(item[0] + 1))) < count:
            kept[slot] = item
    return sorted(kept, key=lambda item: item[0])


def _windows(tokenizer: Tokenizer, text: str, length: int) -> Iterator[MaskedWindow]:
    """Consecutive windows of at most `length` tokens; their positions are all tokens that are not special."""
    check_text(text)
    # Special tokens may also be written out in the text, and [UNK] stands for what is not in the vocabulary.
    special_ids = [number for number, token in tokenizer.backend.get_added_tokens_decoder().items() if token.special]
    for encoding in tokenizer.encode_windows(text, length):
        ids = np.asarray(encoding.ids, np.int64)
        special = np.asarray(encoding.special_tokens_mask, bool) | np.isin(ids, special_ids)
        if not special.all():
            yield MaskedWindow(ids, np.asarray(encoding.type_ids, np.int64), special, np.flatnonzero(~special))


def _scored(model: MaskedLM, items: Iterable[tuple[MaskedInput, Ints]]) -> Iterator[tuple[Floats, Ints]]:
    """Log-probabilities (masks, vocabulary) and labels (masks,) of each item, batch by batch."""
    stream = iter(items)
    while chunk := list(islice(stream, _CHUNK)):
        check_token_ids(max(int(labels.max()) for _, labels in chunk), model.vocab_size)
        for index, log_probabilities in model.log_probabilities([masked for masked, _ in chunk]):
            yield log_probabilities, chunk[index][1]


def _mask_token_id(tokenizer: Tokenizer) -> int:
    if tokenizer.mask_token_id is None:
        raise InputError("The tokenizer does not define a `mask_token`.")
    return tokenizer.mask_token_id


def _exp(loss: float) -> float:
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf
