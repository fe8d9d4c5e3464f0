"""Linear layers in int8: rewrites of a graph, one for each way that engines and processors run them.

A weight matrix is rounded once, when the graph is loaded, symmetrically and with a step of its own for every output
channel. Activations are rounded as the graph runs ("dynamic quantization"), with a step of their own for every row,
that is for every token: one step for the whole batch costs ten times the divergence on a gated feed-forward
(docs/log.md). Attention products, norms, softmax, and the embedding lookup stay in float32: little time, much harm.

onnxruntime multiplies unsigned activations by signed weights. x86-64 processors without VNNI add such products in
pairs in saturating 16 bits: 2 · 255 · 127 does not fit. There the same weights are stored unsigned, about 128:
onnxruntime widens both factors to 16 bits before it multiplies, and adds in 32 bits. The numbers are the same in
both forms, so a model gives the same answers on every processor.

The rewrites know nodes and not families, so every encoder has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fillmask.models.encoders import Graph

if TYPE_CHECKING:
    import onnx

    from fillmask.models.weights import Weights
    from fillmask.runtime.processor import Processor

# References to a matrix's rounded forms: int8 as (out, in); int8 and uint8 as (in, out); the steps of the output
# channels, (out,).
_ROUNDED, _TURNED, _UNSIGNED, _STEPS = "int8:", "int8.T:", "uint8.T:", "steps:"
_MIDDLE = 128  # what stands for zero in unsigned bytes


def products_for(processor: Processor) -> Callable[[Graph], Graph]:
    """The rewrite for onnxruntime whose sums do not saturate on a processor."""
    return signed_products if processor.sums_int8_in_32_bits else unsigned_products


def signed_products(graph: Graph) -> Graph:
    """Linear layers as onnxruntime's product of unsigned activations, rounded row by row, and signed weights."""
    return _integer_products(graph, unsigned=False)


def unsigned_products(graph: Graph) -> Graph:
    """Linear layers as onnxruntime's product of unsigned activations, rounded row by row, and unsigned weights."""
    return _integer_products(graph, unsigned=True)


def _integer_products(graph: Graph, *, unsigned: bool) -> Graph:
    from onnx import TensorProto, helper

    edit = _Edit(graph)
    unit, share, least = (edit.constant(np.array(v, np.float32)) for v in (1.0, 1 / 127, 1e-30))
    middle, middles = (edit.constant(np.array(value, np.uint8)) for value in (_MIDDLE, [_MIDDLE]))
    rows, flat = edit.constant(np.array([1], np.int64)), edit.constant(np.array([-1], np.int64))
    rounded_inputs: dict[str, tuple[str, str]] = {}

    def rounded(x: str) -> tuple[str, str]:
        """x (N, n) in uint8 about 128, and the step of each row (N, 1)."""
        if x not in rounded_inputs:
            above = edit.op("ReduceMax", x, rows, keepdims=1)
            below = edit.op("Neg", edit.op("ReduceMin", x, rows, keepdims=1))
            steps = edit.op("Mul", edit.op("Max", above, below, least), share)
            each = edit.op("Reshape", steps, flat)
            zeros = edit.op("Expand", middles, edit.op("Shape", each))
            rounded_inputs[x] = edit.op("QuantizeLinear", x, each, zeros, axis=0), steps
        return rounded_inputs[x]

    for node in edit.nodes():
        matrix = edit.matrix(node)
        if matrix is None:
            edit.keep(node)
            continue
        values, steps = rounded(node.input[0])
        out, size = edit.shape(matrix)
        prefix, kind = (_UNSIGNED, TensorProto.UINT8) if unsigned else (_TURNED, TensorProto.INT8)
        weights = edit.external(prefix + matrix, kind, size, out)
        channels = edit.external(_STEPS + matrix, TensorProto.FLOAT, out)
        product = edit.op(
            "MatMulIntegerToFloat", values, weights, unit, channels, middle, middle if unsigned else "",
            domain="com.microsoft",
        )  # fmt: skip
        if len(node.input) == 3:
            product = edit.op("Mul", product, steps)
            edit.keep(helper.make_node("Add", [product, node.input[2]], node.output))
        else:
            edit.keep(helper.make_node("Mul", [product, steps], node.output))
    return edit.finish("com.microsoft")


def integer_weights(graph: Graph) -> Graph:
    """Weights stored in int8 and widened before each linear layer, for an engine that sees through that (OpenVINO)."""
    from onnx import TensorProto

    edit = _Edit(graph)
    widened: dict[str, str] = {}
    for node in edit.nodes():
        matrix = edit.matrix(node)
        if matrix is not None:
            if matrix not in widened:
                out, size = edit.shape(matrix)
                values = edit.external(_ROUNDED + matrix, TensorProto.INT8, out, size)
                steps = edit.external(_STEPS + matrix, TensorProto.FLOAT, out)
                widened[matrix] = edit.op("DequantizeLinear", values, steps, axis=0)
            node.input[1] = widened[matrix]
        edit.keep(node)
    return edit.finish()


class _Edit:
    """A graph's nodes, written anew one by one."""

    def __init__(self, graph: Graph) -> None:
        import onnx

        self._model = onnx.load_from_string(graph.model)
        self._references = set(graph.references)
        self._new: list[onnx.NodeProto] = []
        self._tensors = {t.name: t for t in self._model.graph.initializer}

    def nodes(self) -> Sequence[onnx.NodeProto]:
        return list(self._model.graph.node)

    def matrix(self, node: onnx.NodeProto) -> str | None:
        """The weight matrix of a linear layer; None for any other node."""
        return node.input[1] if node.op_type == "Gemm" and node.input[1] in self._references else None

    def shape(self, reference: str) -> Sequence[int]:
        return tuple(self._tensors[reference].dims)

    def keep(self, node: onnx.NodeProto) -> None:
        self._new.append(node)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        name = f"int8/{kind}_{len(self._new)}"
        self._new.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"int8/constant_{len(self._tensors)}"
        self._tensors[name] = numpy_helper.from_array(value, name)
        return name

    def external(self, name: str, kind: int, *shape: int) -> str:
        """An initializer that `tensors` gives."""
        from onnx import TensorProto

        tensor = TensorProto(name=name, data_type=kind, data_location=TensorProto.EXTERNAL, dims=shape)
        tensor.external_data.add(key="location", value="checkpoint")
        self._tensors[name] = tensor
        return name

    def finish(self, *domains: str) -> Graph:
        from onnx import TensorProto, helper

        from fillmask.models.encoders.graph import looked_up

        used = {name for node in self._new for name in node.input}
        kept = [t for name, t in self._tensors.items() if name in used]
        del self._model.graph.node[:], self._model.graph.initializer[:]
        self._model.graph.node.extend(self._new)
        self._model.graph.initializer.extend(kept)
        self._model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in domains)
        references = tuple(t.name for t in kept if t.data_location == TensorProto.EXTERNAL)
        return Graph(self._model.SerializeToString(), references, looked_up(self._new, references))


def tensors(weights: Weights, references: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """The array of each reference: a tensor of the checkpoint in float32, or its rounded form."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for reference in references:
        prefix = next((p for p in (_ROUNDED, _TURNED, _UNSIGNED, _STEPS) if reference.startswith(p)), None)
        if prefix is None:
            arrays[reference] = weights.floats(reference)
        elif prefix != _STEPS:  # the steps come with the matrix
            matrix = reference.removeprefix(prefix)
            values, arrays[_STEPS + matrix] = rounded_matrix(weights.floats(matrix), turned=prefix != _ROUNDED)
            arrays[reference] = values
            if prefix == _UNSIGNED:  # in place: adding 128 to a signed byte turns its first bit round
                unsigned = values.view(np.uint8)
                arrays[reference] = np.bitwise_xor(unsigned, np.uint8(_MIDDLE), out=unsigned)
    return arrays


def rounded_matrix(
    matrix: npt.NDArray[np.float32], *, turned: bool = False
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """A matrix (out, in) rounded to int8, and the steps (out,): matrix ≈ int8 · steps. `turned` gives int8 as (in, out)."""
    largest = np.maximum(matrix.max(axis=1), -matrix.min(axis=1))
    steps = np.maximum(largest, np.float32(1e-30)) / np.float32(127)
    values = np.empty(matrix.shape[::-1] if turned else matrix.shape, np.int8)
    into = values.T if turned else values
    rows = max(1, (1 << 20) // matrix.shape[1])  # a few megabytes at a time
    for start in range(0, len(matrix), rows):
        part = slice(start, start + rows)
        with np.errstate(invalid="ignore"):  # of weights that are not numbers the steps are none either, nor the answer
            into[part] = np.rint(matrix[part] / steps[part, None])
    return values, steps
