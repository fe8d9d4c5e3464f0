"""Masking: which tokens of a row are hidden, and what replaces them.

Units: single tokens (BERT), whole words (BERT's later releases), spans of
words (SpanBERT, Joshi et al. 2020), or gaps of some characters as damaged
texts have them. In their place: the mask, which Wettig et al. 2022 ("Should
You Mask 15% in Masked Language Modeling?") find at least as good as BERT's 80%
mask, 10% random and 10% kept tokens, which are there too.

A batch always has the same number of slots for its masks, whatever was hidden:
on a CPU a changing number makes oneDNN prepare new kernels at every step (five
times slower), on a GPU it defeats compiled graphs. Slots left over carry the
label `IGNORED`. The rate is that of the tokens that may be masked; special
tokens and padding never are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fillmask.training.packing import segments
from fillmask.training.vocabulary import MaskingVocabulary

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

UNITS = ("token", "word", "span", "gap")
CORRUPTIONS = ("mask", "bert")
IGNORED = -100  # label of an unused slot, torch's own
_SPARE = 32  # slots for the last span or gap of a batch, which may reach over the rate

# SpanBERT: lengths in words from a geometric distribution with p = 0.2, cut off at 10 and made to sum to one (mean 3.8).
SPAN_LENGTHS = np.arange(1, 11)
SPAN_SHARES = 0.8 ** (SPAN_LENGTHS - 1) / (0.8 ** (SPAN_LENGTHS - 1)).sum()
# Gaps: lengths in characters, of a mean of 6 and 30 at most: a few letters, a word, two or three words.
GAP_LENGTHS = np.arange(1, 31)
GAP_SHARES = 0.85 ** (GAP_LENGTHS - 1) / (0.85 ** (GAP_LENGTHS - 1)).sum()
_SPAN_SUMS, _GAP_SUMS = np.cumsum(SPAN_SHARES), np.cumsum(GAP_SHARES)
_FRAGMENTS = 0.5  # share of the gaps that leave the other letters of a damaged word in sight


@dataclass(frozen=True)
class Masking:
    """How tokens are hidden.

    Attributes:
        unit: one of `UNITS`.
        corruption: "mask", or "bert" for 80% masks, 10% random tokens and 10% left as they are.
        duplicates: 0 for new masks whenever a row is seen (RoBERTa); n for n fixed maskings of each row (BERT has 10).
    """

    unit: str = "token"
    corruption: str = "mask"
    duplicates: int = 0


@dataclass(frozen=True)
class MaskedBatch:
    """A batch of rows with some tokens hidden.

    Attributes:
        input_ids: rows as the model sees them, (rows, length).
        segment_ids: segment of each token, 1 up, and 0 for padding, (rows, length).
        positions: hidden places as indices into the flattened batch, (slots,); 0 in unused slots.
        labels: the tokens that were there, (slots,); `IGNORED` in unused slots.
    """

    input_ids: Ints
    segment_ids: Ints
    positions: Ints
    labels: Ints


class Masker:
    """Hides tokens of rows.

    Args:
        vocabulary: of the rows.
        masking: how.
    """

    def __init__(self, vocabulary: MaskingVocabulary, masking: Masking | None = None) -> None:
        self.vocabulary = vocabulary
        self.masking = masking or Masking()

    def slots(self, rows: int, length: int, rate: float) -> int:
        """Slots of a batch of so many rows."""
        spare = _SPARE if self.masking.unit in ("span", "gap") else 0
        return rows * math.ceil(rate * length) + spare

    def __call__(self, rows: npt.NDArray[Any], rate: float, rng: np.random.Generator) -> MaskedBatch:
        """Hide `rate` of the tokens of `rows`, (rows, length)."""
        ids = rows.astype(np.int64)
        allowed = ~self.vocabulary.forbidden[ids]
        match self.masking.unit:
            case "token":
                hidden, together = _tokens(allowed, rate, rng), None
            case "word":
                hidden, together = _words(allowed, self.vocabulary.word_starts(ids), rate, rng), None
            case "span":
                hidden, together = _spans(allowed, self.vocabulary.word_starts(ids), rate, rng)
            case _:
                ids, hidden = _gaps(ids, allowed, self.vocabulary, rate, rng)
                together = None
        return self._batch(ids, hidden, together, rate, rng)

    def _batch(
        self, ids: Ints, hidden: Bools, together: Ints | None, rate: float, rng: np.random.Generator
    ) -> MaskedBatch:
        special, slots = self.vocabulary.special, self.slots(len(ids), ids.shape[1], rate)
        places = np.flatnonzero(hidden.reshape(-1))[:slots]
        positions, truth = np.zeros(slots, np.int64), np.full(slots, IGNORED, np.int64)
        positions[: len(places)] = places
        truth[: len(places)] = ids.reshape(-1)[places]
        shown = ids.copy()
        flat = shown.reshape(-1)
        if self.masking.corruption == "mask":
            flat[places] = special.mask
        else:
            # SpanBERT draws once for a span, BERT for each token.
            draws = rng.random(len(places)) if together is None else rng.random(ids.size)[together.reshape(-1)[places]]
            random = rng.choice(self.vocabulary.ordinary, len(places))
            flat[places] = np.where(draws < 0.8, special.mask, np.where(draws < 0.9, random, flat[places]))
        return MaskedBatch(shown, segments(ids, special), positions, truth)


def _tokens(allowed: Bools, rate: float, rng: np.random.Generator) -> Bools:
    """The same share of every row, to a token: each row is rounded up or down so that the whole comes out right."""
    targets = np.floor(np.cumsum(rate * allowed.sum(axis=1)) + rng.random())
    counts = np.diff(targets, prepend=0.0)
    keys = rng.random(allowed.shape, np.float32)
    keys[~allowed] = 2.0
    ranks = np.argsort(np.argsort(keys, axis=1), axis=1)
    hidden: Bools = (ranks < counts[:, None]) & allowed
    return hidden


def _words(allowed: Bools, starts: Bools, rate: float, rng: np.random.Generator) -> Bools:
    """Whole words, spread evenly over the rows."""
    word = (np.cumsum(starts.reshape(-1)) - 1).reshape(allowed.shape)  # number of the word of each token
    count = int(word[-1, -1]) + 1
    sizes = np.bincount(word[allowed], minlength=count)
    first = np.unique(word, return_index=True)[1]
    row = first // allowed.shape[1]
    # Words in random order within their rows; each comes at the share of its row that those before it make up.
    order = np.lexsort((rng.random(count), row))
    before = np.cumsum(sizes[order]) - sizes[order]
    offsets = np.concatenate([[0], np.cumsum(allowed.sum(axis=1))[:-1]])
    turn = np.empty(count)
    turn[order] = (before - offsets[row[order]]) / np.maximum(1, allowed.sum(axis=1))[row[order]]
    queue = np.argsort(turn + 1e-9 * rng.random(count))
    queue = queue[sizes[queue] > 0]
    total, reached = rate * allowed.sum(), np.cumsum(sizes[queue])
    full = int(np.searchsorted(reached, total, side="right"))
    hidden_words = np.zeros(count, bool)
    hidden_words[queue[:full]] = True
    if full < len(queue):  # the word that reaches over the total: as often as makes the mean right
        remaining = total - (reached[full - 1] if full else 0)
        hidden_words[queue[full]] = rng.random() < remaining / sizes[queue[full]]
    hidden: Bools = hidden_words[word] & allowed
    return hidden


def _spans(allowed: Bools, starts: Bools, rate: float, rng: np.random.Generator) -> tuple[Bools, Ints]:
    """SpanBERT's spans of whole words, and the number of the span of each hidden token."""
    hidden, together = np.zeros(allowed.shape, bool), np.zeros(allowed.shape, np.int64)
    number, owed = 0, 0.0
    for row in range(len(allowed)):
        begins = np.flatnonzero(starts[row] & allowed[row])
        owed += rate * int(allowed[row].sum())
        last = row == len(allowed) - 1
        for _ in range(4 * len(begins)):
            if owed <= 0:
                break
            at = int(rng.integers(len(begins)))
            words = _draw(SPAN_LENGTHS, _SPAN_SUMS, rng)
            start = int(begins[at])
            stop = int(begins[at + words]) if at + words < len(begins) else allowed.shape[1]
            barred = np.flatnonzero(~allowed[row, start:stop] | hidden[row, start:stop])
            stop = start + int(barred[0]) if len(barred) else stop  # a span ends where its segment does, or at another
            if stop <= start:
                continue
            if last and stop - start > owed and rng.random() >= owed / (stop - start):
                break
            hidden[row, start:stop] = True
            number += 1
            together[row, start:stop] = number
            owed -= stop - start
    return hidden, together


def _gaps(
    ids: Ints, allowed: Bools, vocabulary: MaskingVocabulary, rate: float, rng: np.random.Generator
) -> tuple[Ints, Bools]:
    """Gaps of some characters, anywhere: in half of them every word that is touched is hidden whole, as restoration
    asks; in the others its surviving letters stay, tokenised round the gap, and the masks stand for the lost letters.

    Returns:
        The rows and which of their tokens are hidden: a row is tokenised anew where a gap goes through a token,
        cut or padded to its length.
    """
    rows = np.full_like(ids, vocabulary.special.pad)
    hidden = np.zeros(ids.shape, bool)
    starts = vocabulary.word_starts(ids)
    owed = 0.0
    for row in range(len(ids)):
        owed += rate * int(allowed[row].sum())
        edits, owed = _row_gaps(ids[row], allowed[row], starts[row], vocabulary, owed, row == len(ids) - 1, rng)
        new: list[int] = []
        lost: list[bool] = []
        at = 0
        for start, stop, left_ids, lost_ids, right_ids in edits:
            kept_ids = ids[row, at:start].tolist()
            new += [*kept_ids, *left_ids, *lost_ids, *right_ids]
            lost += [False] * (len(kept_ids) + len(left_ids)) + [True] * len(lost_ids) + [False] * len(right_ids)
            at = stop
        rest = ids[row, at:].tolist()
        new += rest
        lost += [False] * len(rest)
        length = ids.shape[1]
        while len(new) > length:  # first what was padding, then the end of the last segment, never its end mark
            cut = len(new) - 1 if new[-1] == vocabulary.special.pad else len(new) - 2
            owed += lost[cut]
            del new[cut], lost[cut]
        rows[row, : len(new)] = new
        hidden[row, : len(new)] = lost
    return rows, hidden


def _draw(lengths: Ints, sums: npt.NDArray[np.float64], rng: np.random.Generator) -> int:
    return int(lengths[min(int(np.searchsorted(sums, rng.random(), side="right")), len(lengths) - 1)])


_Edit = tuple[int, int, tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def _row_gaps(
    ids: Ints,
    allowed: Bools,
    starts: Bools,
    vocabulary: MaskingVocabulary,
    owed: float,
    last: bool,
    rng: np.random.Generator,
) -> tuple[list[_Edit], float]:
    """Gaps of one row, in order: the tokens replaced, then the ids left of the gap, in it, and right of it."""
    places = np.flatnonzero(allowed)
    if not len(places):
        return [], owed
    unavailable = ~allowed
    weights = np.cumsum(vocabulary.lengths[ids[places]])
    edits: list[_Edit] = []
    for _ in range(4 * len(places)):
        if owed <= 0:
            break
        character = int(rng.integers(weights[-1]))
        place = int(np.searchsorted(weights, character, side="right"))
        first = int(places[place])
        offset = character - (int(weights[place - 1]) if place else 0)
        size = _draw(GAP_LENGTHS, _GAP_SUMS, rng)
        stop, reach = first, offset + size
        while stop < len(ids) and allowed[stop] and reach > 0:
            reach -= int(vocabulary.lengths[ids[stop]])
            stop += 1
        edit = None
        if rng.random() < _FRAGMENTS:
            edit = _fragments(ids, first, stop, offset, max(0, -reach), vocabulary)
        if edit is None:
            while first > 0 and not starts[first] and allowed[first - 1]:
                first -= 1
            while stop < len(ids) and allowed[stop] and not starts[stop]:
                stop += 1
            edit = (first, stop, (), tuple(ids[first:stop].tolist()), ())
        first, stop, _, gone, _ = edit
        # A token of known text between two gaps keeps them apart.
        if unavailable[max(0, first - 1) : stop + 1][allowed[max(0, first - 1) : stop + 1]].any():
            continue
        if last and len(gone) > owed and rng.random() >= owed / len(gone):
            break
        unavailable[first:stop] = True
        edits.append(edit)
        owed -= len(gone)
    return sorted(edits), owed


def _fragments(
    ids: Ints, first: int, stop: int, offset: int, right: int, vocabulary: MaskingVocabulary
) -> _Edit | None:
    """A gap that begins `offset` characters into token `first` and leaves `right` characters of the last one."""
    texts = [vocabulary.texts[i] for i in ids[first:stop]]
    if not all(texts):
        return None
    text = "".join(t for t in texts if t)
    parts = text[:offset], text[offset : len(text) - right], text[len(text) - right :]
    cuts = [vocabulary.cut(part) for part in parts]
    if cuts[0] is None or not cuts[1] or cuts[2] is None:
        return None
    return first, stop, cuts[0], cuts[1], cuts[2]
