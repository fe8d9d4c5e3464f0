"""Texts of given lengths with a mask in each, and what it takes at least to answer them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import torch
from harness import Needs
from onnx import helper, numpy_helper

import fillmask
from fillmask.tasks.engine_benchmark import sample_documents
from fillmask.training.corpus import read_documents, split_sentences

PHRASE = "Read the rest of this <mask> to understand things in more detail"


def texts(lengths: Sequence[int], unmask: fillmask.FillMask, seed: int = 0) -> list[str]:
    """One text of each length in tokens, special ones included, of words that are one token each."""
    rng = np.random.default_rng(seed)
    words = sorted({word for document in sample_documents() for word in document.split() if word.isalpha()})
    words = [word for word in words if len(unmask.tokenizer.encode(f" {word}", add_special_tokens=False)) == 1]
    made = []
    for length in lengths:
        drawn = rng.choice(words, length - 2).tolist()
        drawn[int(rng.integers(1, length - 2))] = unmask.mask_token
        text = " " + " ".join(drawn)
        assert len(unmask.tokenizer.encode(text)) == length
        made.append(text)
    return made


def sentences(path: Path, count: int, unmask: fillmask.FillMask, seed: int = 0) -> list[str]:
    """Real sentences of 6 to 100 tokens, drawn evenly from a text file, with one word of each hidden."""
    rng = np.random.default_rng(seed)
    pool = [
        s for document in islice(read_documents(path), 400) for p in document.split("\n") for s in split_sentences(p)
    ]
    drawn = []
    for index in rng.permutation(len(pool)).tolist():
        words = pool[index].split(" ")
        words[int(rng.integers(len(words)))] = unmask.mask_token
        text = " ".join(words)
        if 6 <= len(unmask.tokenizer.encode(text)) <= 100:
            drawn.append(text)
            if len(drawn) == count:
                return drawn
    raise SystemExit(f"{path} has {len(drawn)} sentences of 6 to 100 tokens; expected {count}")


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
        """The fastest of several products (4096, 768) · (768, 3072) in the best of the libraries that are installed, and of several sums
        over a gigabyte."""
        block = torch.ones(1 << 28)
        precisions = [name for name in ("float32", "bfloat16") if not Needs(name).missing]
        return cls({name: _matmul_rate(name) for name in precisions}, 4 * len(block) / _best(block.sum))


def _matmul_rate(precision: str) -> float:
    m, k, n = 4096, 768, 3072
    a, w = np.random.rand(m, k).astype(np.float32), np.random.rand(k, n).astype(np.float32)
    x, y = (torch.from_numpy(array).to(getattr(torch, precision)) for array in (a, w))
    graph = helper.make_graph(
        # Only the largest number leaves the graph, so that copying the product is not timed.
        [helper.make_node("MatMul", ["a", "w"], ["y"]), helper.make_node("ReduceMax", ["y"], ["z"], keepdims=0)],
        "product",
        [helper.make_tensor_value_info("a", onnx.TensorProto.FLOAT, [m, k])],
        [helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [])],
        [numpy_helper.from_array(w, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
    runs: list[Callable[[], object]] = [lambda: x @ y]
    if not Needs(packages=("openvino",)).missing:
        import openvino

        core = openvino.Core()
        hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
        compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": hint})
        request = compiled.create_infer_request()
        runs.append(lambda: request.infer([a], share_inputs=True))
    if precision == "float32":
        import onnxruntime

        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        runs.append(lambda: session.run(None, {"a": a}))
    return max(2 * m * k * n / _best(run) for run in runs)


def _best(run: Callable[[], object], runs: int = 12) -> float:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


@dataclass(frozen=True)
class Sizes:
    """Sizes of a BERT-like encoder; `gated` feed-forwards have a third matrix."""

    hidden: int
    inner: int
    layers: int
    vocabulary: int
    gated: bool = False

    @property
    def _forward(self) -> int:
        """Weights of a layer's feed-forward."""
        return (3 if self.gated else 2) * self.hidden * self.inner

    def operations(self, lengths: Sequence[int], masks: int = 1) -> float:
        """Float operations to answer texts of these lengths, none for padding, and in the last layer and the head
        none but for the masks."""
        h, f, n = self.hidden, self._forward, self.layers
        total = 0.0
        for t in lengths:
            layer = 2 * t * (4 * h * h + f) + 4 * t * t * h
            last = 2 * (2 * t * h * h + masks * (2 * h * h + f)) + 4 * masks * t * h
            total += (n - 1) * layer + last + 2 * masks * (h * h + h * self.vocabulary)
        return total

    @property
    def bytes(self) -> float:
        """Of the float32 weights that each batch reads: layers and head, and of the embeddings next to nothing."""
        h = self.hidden
        return 4 * (self.layers * (4 * h * h + self._forward) + h * h + h * self.vocabulary)

    def floor(self, machine: Machine, lengths: Sequence[int], precision: str, batches: int = 1) -> float:
        """Seconds that no implementation of this arithmetic goes below: operations or bytes, whichever takes longer."""
        width = {"float32": 1.0, "bfloat16": 0.5}[precision]
        return max(
            self.operations(lengths) / machine.operations[precision], batches * width * self.bytes / machine.bandwidth
        )
