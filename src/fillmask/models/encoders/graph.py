"""Write an ONNX graph node by node.

Weights are not copied into the graph: an initializer is a reference into the
checkpoint (`name` or `name[start:stop]`, see `Weights.floats`) which the
engine supplies when it loads the graph. A graph is thus a few kilobytes, can
be cached, and serves any weights of the same layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NewType

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from fillmask.errors import CorruptCheckpointError
from fillmask.models.weights import Weights

# The name of a value in the graph: an input, an initializer, or a node's output.
Value = NewType("Value", str)

OPSET = 20
# Old checkpoints, converted from TensorFlow, call a layer norm's weight and bias so.
_OLD_NORM_NAMES = ((".weight", ".gamma"), (".bias", ".beta"))


class GraphBuilder:
    """Collects nodes; every method returns the name of a value in the graph.

    Args:
        weights: the checkpoint's.
        base: the module of the encoder. As in transformers, a file that was saved from the encoder alone names its
            tensors without it.
    """

    def __init__(self, weights: Weights, base: str) -> None:
        self.weights = weights
        self._base = f"{base}."
        self._read: set[str] = set()
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, *shape: str) -> Value:
        """An int64 input with named dimensions."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.INT64, list(shape)))
        return Value(name)

    def output(self, value: Value, name: str, *shape: str | int) -> None:
        """Declare `value` as the float output `name`."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def op(self, kind: str, *inputs: Value, **attributes: Any) -> Value:
        """One node with one output."""
        return self.split(kind, *inputs, outputs=1, **attributes)[0]

    def split(self, kind: str, *inputs: Value, outputs: int, **attributes: Any) -> list[Value]:
        """One node with several outputs."""
        names = [Value(f"{kind}_{len(self._nodes)}_{i}") for i in range(outputs)]
        self._nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def int64_vector(self, *values: int) -> Value:
        """A constant int64 vector."""
        return self._constant(f"ints_{'_'.join(map(str, values))}", np.array(values, np.int64))

    def int64(self, value: int) -> Value:
        """A constant int64 scalar."""
        return self._constant(f"int_{value}", np.array(value, np.int64))

    def float32(self, value: float) -> Value:
        """A constant float32 scalar."""
        return self._constant(f"float_{value!r}", np.array(value, np.float32))

    def float32_array(self, name: str, values: npt.NDArray[np.float32]) -> Value:
        """A constant float32 array."""
        return self._constant(name, values)

    def int64_array(self, name: str, values: npt.NDArray[np.int64]) -> Value:
        """A constant int64 array."""
        return self._constant(name, values)

    def _constant(self, name: str, value: npt.NDArray[Any]) -> Value:
        name = f"const/{name}"
        if name not in self._initializers:
            self._initializers[name] = numpy_helper.from_array(value, name)
        return Value(name)

    def has(self, name: str) -> bool:
        """Whether the checkpoint holds this tensor, which then counts as read."""
        return self._stored_name(name) is not None

    def _stored_name(self, name: str) -> str | None:
        """What the checkpoint calls a tensor; None where it has no such tensor."""
        names = [name]
        names += [name.removesuffix(new) + old for new, old in _OLD_NORM_NAMES if name.endswith(new)]
        names += [other.removeprefix(self._base) for other in names if other.startswith(self._base)]
        stored = next((other for other in names if other in self.weights), None)
        if stored is not None:
            self._read.add(stored)
        return stored

    def unread(self) -> list[str]:
        """The checkpoint's tensors that nobody asked for."""
        return [name for name in self.weights if name not in self._read]

    def weight(self, name: str, *shape: int, rows: tuple[int, int] | None = None) -> Value:
        """A tensor of the checkpoint, or some of its rows, after checking its whole shape.

        Raises:
            CorruptCheckpointError: it is missing, or not of the shape that the config asks for.
        """
        stored = self._stored_name(name)
        if stored is None:
            raise CorruptCheckpointError(
                f"the weights do not fit the config: tensor {name} is missing; expected it with shape {list(shape)}"
            )
        name = stored
        stored_shape = self.weights.shape(name)
        if stored_shape != shape:
            raise CorruptCheckpointError(
                f"the weights do not fit the config: tensor {name} has shape {list(stored_shape)}; expected {list(shape)}"
            )
        reference = name if rows is None else f"{name}[{rows[0]}:{rows[1]}]"
        if reference not in self._initializers:
            tensor = TensorProto(name=reference, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
            tensor.dims.extend((rows[1] - rows[0], *shape[1:]) if rows else shape)
            tensor.external_data.add(key="location", value="checkpoint")
            self._initializers[reference] = tensor
        return Value(reference)

    def references(self) -> tuple[str, ...]:
        """References to weights that the graph must be given."""
        return tuple(name for name, t in self._initializers.items() if t.data_location == TensorProto.EXTERNAL)

    def tables(self) -> tuple[str, ...]:
        """Those of the references in which rows are looked up."""
        return looked_up(self._nodes, self.references())

    def serialize(self, name: str) -> bytes:
        """The serialised model."""
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._initializers.values()))
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10, producer_name="fillmask"
        )
        serialized: bytes = model.SerializeToString()
        return serialized


def looked_up(nodes: Iterable[onnx.NodeProto], references: Sequence[str]) -> tuple[str, ...]:
    """The references that a Gather reads rows of."""
    read = {node.input[0] for node in nodes if node.op_type == "Gather"}
    return tuple(name for name in references if name in read)
