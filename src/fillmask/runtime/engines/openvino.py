"""OpenVINO on the CPU: the same graph in float32, in bfloat16 where the processor has it, or in int8.

bfloat16 halves the bytes and doubles the arithmetic rate of processors with
AVX512-BF16 or AMX; the likeliest words are scored once more in float32
(`rescoring`). In int8, OpenVINO rounds each token's activations itself, in
groups, where the processor has VNNI. Without VNNI it multiplies the int8
weights by float32 activations, so that no sum can saturate.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from fillmask.errors import InputError, MissingExtraError
from fillmask.runtime.engines import CPU_BUDGET, int8
from fillmask.runtime.engines.rescoring import Head, with_hidden
from fillmask.runtime.graph_cache import cached_graph
from fillmask.runtime.huge_pages import large_pages
from fillmask.runtime.telemetry import silent_openvino

try:
    with silent_openvino():
        import openvino as ov
    from openvino import opset13
except ImportError as missing:
    raise MissingExtraError("the openvino engine", "openvino") from missing

if TYPE_CHECKING:
    from fillmask.models.checkpoint import Checkpoint
    from fillmask.models.encoders import Graph
    from fillmask.runtime.engines import Batch, Floats

_HINTS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
_GROUP = 64  # activations that share a step in int8


def has_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this processor."""
    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVino:
    """A compiled model over the checkpoint's graph.

    Raises:
        InputError: bfloat16 is asked for and the processor has none.
    """

    name = "openvino"
    budget = CPU_BUDGET

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        precision: str = "float32",
        threads: int | None = None,
        labels: int | None = None,
    ) -> None:
        if precision == "bfloat16" and not has_bfloat16():
            raise InputError("this processor has no bfloat16 arithmetic; use precision='float32' or 'int8'")
        self.precision = precision
        settings: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP if precision == "int8" else 0,
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        graph = cached_graph(checkpoint, int8.integer_weights if precision == "int8" else None, labels=labels)
        self._head: Head | None = None
        linear = with_hidden(graph) if precision == "bfloat16" and labels is None else None
        if linear is not None:
            graph, matrix, bias = linear
            weights = checkpoint.weights
            self._head = Head(weights.floats(matrix), None if bias is None else weights.floats(bias))
        core = ov.Core()
        self._weights = checkpoint.weights
        with large_pages(), self._weights.passing_through():
            # The constants are views of these arrays: they must outlive the compiling.
            tensors = int8.tensors(checkpoint.weights, graph.references)
            self._compiled = core.compile_model(_model(core, graph, tensors), "CPU", settings)
        self._inputs = {i.any_name for i in self._compiled.inputs}
        # A request holds buffers of its own: one a thread.
        self._requests = threading.local()

    def run(self, batch: Batch) -> Floats:
        """Log-probabilities at the places asked for, (masks, vocabulary); or a classifier's logits, (rows, labels)."""
        feeds = {name: value for name, value in vars(batch).items() if name in self._inputs}
        if hasattr(self._requests, "own"):
            outputs = self._requests.own.infer(feeds, share_inputs=True)
        else:
            self._requests.own = self._compiled.create_infer_request()
            # The plugin repacks the matrices when they are first multiplied with.
            with large_pages(), self._weights.passing_through():
                outputs = self._requests.own.infer(feeds, share_inputs=True)
        result: Floats = np.array(outputs[0], np.float32)  # the request's buffer is used again
        if self._head is not None:
            self._head.rescore(result, outputs["hidden"])
        return result


def _model(core: ov.Core, graph: Graph, tensors: dict[str, Any]) -> ov.Model:
    """The graph as OpenVINO's, with its weights as constants that share the arrays' memory.

    The graph is read with its weights as inputs, which then become constants: a model inside one protobuf
    message could not be larger than 2 GB, and would be copied several times.
    """
    import onnx
    from onnx import helper

    proto = onnx.load_from_string(graph.model)
    external = [t for t in proto.graph.initializer if t.name in tensors]
    inner = [t for t in proto.graph.initializer if t.name not in tensors]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(inner)
    proto.graph.input.extend(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in external)
    model = core.read_model(proto.SerializeToString())
    for parameter in model.get_parameters():
        name = parameter.output(0).get_any_name()
        if name in tensors:
            array = np.ascontiguousarray(tensors[name]).view()
            array.flags.writeable = True  # it is never written, but no other memory is shared
            constant = opset13.constant(array, shared_memory=True)
            parameter.output(0).replace(constant.output(0))
            model.remove_parameter(parameter)
    return model
