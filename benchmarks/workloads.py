"""Texts of given lengths with a mask in each, and what it takes at least to answer them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

import fillmask
from fillmask.agreement import sample_documents

PHRASE = "Read the rest of this <mask> to understand things in more detail"


def texts(lengths: Sequence[int], unmask: fillmask.FillMask, seed: int = 0) -> list[str]:
    """One text of each length in tokens, special ones included, of words that are one token each."""
    rng = np.random.default_rng(seed)
    words = sorted({word for document in sample_documents() for word in document.split() if word.isalpha()})
    words = [word for word in words if len(unmask.tokenizer.encode(f" {word}", add_special_tokens=False)) == 1]
    found = []
    for length in lengths:
        chosen = rng.choice(words, length - 2).tolist()
        chosen[int(rng.integers(1, length - 2))] = unmask.mask_token
        text = " " + " ".join(chosen)
        assert len(unmask.tokenizer.encode(text)) == length
        found.append(text)
    return found


def sentence_lengths(count: int, seed: int = 0) -> list[int]:
    """Lengths as English sentences have them: around 22 tokens, seldom under 6 or over 70."""
    drawn = np.random.default_rng(seed).lognormal(np.log(22), 0.5, count)
    return np.clip(drawn.round(), 6, 100).astype(int).tolist()


@dataclass(frozen=True)
class Machine:
    """What this machine does at best: float operations a second by precision, and bytes read a second."""

    operations: dict[str, float]
    bandwidth: float

    @classmethod
    def measured(cls) -> Machine:
        """The fastest of several products (4096, 768) · (768, 3072), and of several sums over a gigabyte."""
        rates = {}
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
            a, b = torch.rand(4096, 768).to(dtype), torch.rand(768, 3072).to(dtype)
            rates[name] = 2 * 4096 * 768 * 3072 / _best(lambda a=a, b=b: a @ b)
        block = torch.ones(1 << 28)
        return cls(rates, 4 * len(block) / _best(block.sum))


def _best(run: Callable[[], object], runs: int = 12) -> float:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@dataclass(frozen=True)
class Sizes:
    """Sizes of a BERT-like encoder."""

    hidden: int
    inner: int
    layers: int
    vocabulary: int

    def operations(self, lengths: Sequence[int], masks: int = 1) -> float:
        """Float operations to answer texts of these lengths, none for padding, and in the last layer and the head
        none but for the masks."""
        h, i, n = self.hidden, self.inner, self.layers
        total = 0.0
        for t in lengths:
            layer = 2 * t * (4 * h * h + 2 * h * i) + 4 * t * t * h
            last = 2 * (2 * t * h * h + masks * (2 * h * h + 2 * h * i)) + 4 * masks * t * h
            total += (n - 1) * layer + last + 2 * masks * (h * h + h * self.vocabulary)
        return total

    @property
    def bytes(self) -> float:
        """Of the float32 weights that each batch reads: layers and head, and of the embeddings next to nothing."""
        h, i = self.hidden, self.inner
        return 4 * (self.layers * (4 * h * h + 2 * h * i) + h * h + h * self.vocabulary)

    def floor(self, machine: Machine, lengths: Sequence[int], precision: str, batches: int = 1) -> float:
        """Seconds that no implementation of this arithmetic goes below: operations or bytes, whichever takes longer."""
        width = {"float32": 1.0, "bfloat16": 0.5}[precision]
        return max(
            self.operations(lengths) / machine.operations[precision], batches * width * self.bytes / machine.bandwidth
        )
