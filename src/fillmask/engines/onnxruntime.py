"""The default engine: onnxruntime on the CPU, in float32 or int8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnxruntime as ort

from fillmask.engines import ON_A_CPU, int8
from fillmask.engines.graphs import cached_graph

if TYPE_CHECKING:
    from fillmask.checkpoint import Checkpoint
    from fillmask.engines import Batch, Floats


class OnnxRuntime:
    """A session over the checkpoint's graph, with the weights handed over from the mapped file."""

    name = "onnxruntime"
    budget = ON_A_CPU

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        precision: str = "float32",
        threads: int | None = None,
        labels: int | None = None,
    ) -> None:
        self.precision = precision
        graph = cached_graph(checkpoint, int8.integer_products if precision == "int8" else None, labels=labels)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        # The arrays are views of the mapped file where it holds float32; the
        # session copies or repacks what it needs while it is made.
        tensors = int8.tensors(checkpoint.weights, graph.references)
        values = [ort.OrtValue.ortvalue_from_numpy(tensors[name]) for name in graph.references]
        options.add_external_initializers(list(graph.references), values)
        self._session = ort.InferenceSession(graph.model, options, providers=["CPUExecutionProvider"])
        self._values = values
        self._inputs = {i.name for i in self._session.get_inputs()}

    def run(self, batch: Batch) -> Floats:
        """Log-probabilities at the places asked for, (masks, vocabulary); or a classifier's logits, (rows, labels)."""
        feeds = {name: value for name, value in vars(batch).items() if name in self._inputs}
        (found,) = self._session.run(None, feeds)
        result: Floats = found
        return result
