"""OpenVINO on the CPU: the same graph, in float32, or in bfloat16 where the processor has it.

bfloat16 halves the bytes and doubles the arithmetic rate of processors with
AVX512-BF16 or AMX; OpenVINO keeps normalisations and softmax in float32.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from fillmask.engines.graphs import cached_graph, with_weights
from fillmask.errors import MissingExtraError

try:
    import openvino as ov
except ImportError as missing:
    raise MissingExtraError("the openvino engine", "openvino") from missing

if TYPE_CHECKING:
    from fillmask.checkpoint import Checkpoint
    from fillmask.engines import Batch, Floats

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVino:
    """A compiled model over the checkpoint's graph."""

    name = "openvino"

    def __init__(self, checkpoint: Checkpoint, *, precision: str, threads: int | None = None) -> None:
        core = ov.Core()
        if precision == "auto":
            capable = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
            precision = "bfloat16" if capable else "float32"
        self.precision = precision
        settings: dict[str, object] = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        model = core.read_model(with_weights(cached_graph(checkpoint), checkpoint.weights))
        self._compiled = core.compile_model(model, "CPU", settings)
        self._inputs = {i.any_name for i in self._compiled.inputs}
        # A request holds buffers of its own: one a thread.
        self._requests = threading.local()

    def run(self, batch: Batch) -> Floats:
        """Log-probabilities at the places asked for, (masks, vocabulary)."""
        if not hasattr(self._requests, "own"):
            self._requests.own = self._compiled.create_infer_request()
        feeds = {name: value for name, value in vars(batch).items() if name in self._inputs}
        (found,) = self._requests.own.infer(feeds, share_inputs=True).values()
        result: Floats = np.array(found, np.float32)  # the request's buffer is used again
        return result
