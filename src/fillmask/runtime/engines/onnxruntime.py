"""The default engine: onnxruntime on the CPU, in float32 or int8."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fillmask.runtime.telemetry import silence_onnxruntime

silence_onnxruntime()  # before the import: the library reads its setting then

import onnxruntime as ort  # noqa: E402

from fillmask.runtime.engines import CPU_BUDGET, int8  # noqa: E402
from fillmask.runtime.graph_cache import cached_graph  # noqa: E402
from fillmask.runtime.huge_pages import large_pages  # noqa: E402
from fillmask.runtime.processor import processor  # noqa: E402

if TYPE_CHECKING:
    from fillmask.models.checkpoint import Checkpoint
    from fillmask.runtime.engines import Batch, Floats


class OnnxRuntime:
    """A session over the checkpoint's graph, with the weights handed over from the mapped file."""

    name = "onnxruntime"
    budget = CPU_BUDGET

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        precision: str = "float32",
        threads: int | None = None,
        labels: int | None = None,
    ) -> None:
        self.precision = precision
        graph = cached_graph(checkpoint, int8.products_for(processor()) if precision == "int8" else None, labels=labels)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        # Not in the arena, which would keep the room that each matrix took before it was repacked.
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        if threads is not None:
            options.intra_op_num_threads = threads
        with large_pages(), checkpoint.weights.passing_through():
            # The arrays are views of the mapped file where it holds float32. The session repacks the matrices of
            # products; tables that are only looked up in it reads where they are, and so they are kept.
            tensors = int8.tensors(checkpoint.weights, graph.references)
            values = {name: ort.OrtValue.ortvalue_from_numpy(tensors[name]) for name in graph.references}
            options.add_external_initializers(list(values), list(values.values()))
            self._tables = {name: values[name] for name in graph.tables}
            for name, value in self._tables.items():
                options.add_initializer(name, value)
            self._session = ort.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
        self._inputs = {i.name for i in self._session.get_inputs()}

    def run(self, batch: Batch) -> Floats:
        """Log-probabilities at the places asked for, (masks, vocabulary); or a classifier's logits, (rows, labels)."""
        feeds = {name: value for name, value in vars(batch).items() if name in self._inputs}
        result: Floats = self._session.run(None, feeds)[0]
        return result
