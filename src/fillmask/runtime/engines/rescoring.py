"""The likeliest words again, in float32, after a head that ran in bfloat16.

A bfloat16 number has eight significant bits: logits near 10 are 0.06 apart,
so the best words of a mask tie or change places. The hidden state that the
head was given is good to more than that; the words that matter, those at
least a thousandth as likely as the best, are therefore scored once more in
float32. That is a few dozen dot products a mask, 256 at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fillmask.models.encoders import Graph
from fillmask.runtime.engines import Floats

_NATS = 7.0  # exp(-7) is a thousandth
_MOST = 256  # words of one mask


@dataclass(frozen=True)
class Head:
    """The output matrix (vocabulary, size) and its bias (vocabulary,)."""

    matrix: Floats
    bias: Floats | None

    def rescore(self, log_probabilities: Floats, hidden: Floats) -> None:
        """Make the log-probabilities (masks, vocabulary) of the likeliest words exact for hidden (masks, size), in place."""
        for row, x in zip(log_probabilities, hidden, strict=True):
            near = np.flatnonzero(row > row.max() - _NATS)
            if (
                len(near) > _MOST
            ):  # a model that does not know: fifty thousand dot products would take longer than its layers
                near = near[np.argpartition(row[near], -_MOST)[-_MOST:]]
            exact = self.matrix[near] @ x
            if self.bias is not None:
                exact += self.bias[near]
            # Logits became log-probabilities by a shift of the whole row. Rounding goes up as
            # often as down, so the mean difference tells that shift.
            exact -= (exact - row[near]).mean()
            change = np.exp(exact).sum() - np.exp(row[near]).sum()
            row[near] = exact
            row -= np.log1p(change)


def with_hidden(graph: Graph) -> tuple[Graph, str, str | None] | None:
    """The graph with the head's input as a second output, `hidden`, and the references of the head's matrix and bias.

    None where the graph does not end in one linear layer and a softmax: MobileBERT's output matrix is in two parts.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_from_string(graph.model)
    made_by = {name: node for node in model.graph.node for name in node.output}
    node = made_by[model.graph.output[0].name]
    while node.op_type in ("Identity", "LogSoftmax"):
        node = made_by[node.input[0]]
    if node.op_type != "Gemm" or not set(node.input[1:]) <= set(graph.references):
        return None
    model.graph.node.append(helper.make_node("Identity", [node.input[0]], ["hidden"]))
    model.graph.output.append(helper.make_tensor_value_info("hidden", TensorProto.FLOAT, ["masks", None]))
    bias = node.input[2] if len(node.input) == 3 else None
    return Graph(model.SerializeToString(), graph.references, graph.tables), node.input[1], bias
