"""The parts of which encoder graphs are built.

Docstrings give the shapes of values. B is the batch size, T the padded length, H the number of heads, D the size of a
head, S the number of mask slots in a row, and M the number of masks in the batch. Hidden states are flat,
(B·T, hidden), so that each linear layer is one Gemm with the checkpoint's own (out, in) matrix.

Every family saves work in two ways, which change no result:
- The head and its softmax run only at the M masked positions.
- In the last layer, only the masked positions have a query, an attention output, and a feed-forward. Keys and values
  are computed everywhere.

S is the largest number of masks in any row of the batch. Slots that a row does not need point at position 0, and the
head does not see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fillmask.errors import UnsupportedModelError
from fillmask.models.encoders.graph import GraphBuilder, Value

# Far below any score, and finite, so that a row of padding alone gives numbers and not NaN.
BLOCKED = -1e9


@dataclass(frozen=True)
class GraphInputs:
    """The inputs of every encoder graph, and shapes derived from them.

    Attributes:
        ids: token ids, (B, T).
        attention_mask: 1 for a token, 0 for padding, (B, T).
        slots: position of each mask slot in its row, (B, S).
        masks: which of the B·S slots are masks, flat indices, (M,).
    """

    ids: Value
    attention_mask: Value
    slots: Value
    masks: Value


def inputs(g: GraphBuilder) -> GraphInputs:
    """Declare the inputs that every encoder graph has."""
    return GraphInputs(
        g.input("input_ids", "batch", "length"),
        g.input("attention_mask", "batch", "length"),
        g.input("mask_slots", "batch", "slots"),
        g.input("mask_chosen", "masks"),
    )


def linear(
    g: GraphBuilder,
    x: Value,
    prefix: str,
    out_size: int,
    in_size: int,
    *,
    bias: bool = True,
    rows: tuple[int, int] | None = None,
) -> Value:
    """x @ weight.T + bias, for flat x (N, in_size).

    Args:
        rows: first and last row of the matrix that are used; all by default.
    """
    parts = [x, g.weight(f"{prefix}.weight", out_size, in_size, rows=rows)]
    if bias:
        parts.append(g.weight(f"{prefix}.bias", out_size, rows=rows))
    return g.op("Gemm", *parts, transB=1)


def grouped_linear(g: GraphBuilder, x: Value, prefix: str, out_size: int, in_size: int, groups: int) -> Value:
    """A linear layer for flat x (N, in_size) whose matrix is block-diagonal; the file holds the blocks, (groups, in, out).

    Raises:
        UnsupportedModelError: the sizes do not fall into so many groups.
    """
    if groups == 1:
        return linear(g, x, prefix, out_size, in_size)
    if groups == 0 or in_size % groups or out_size % groups:
        raise UnsupportedModelError(
            f"config.json has num_groups={groups}; expected a divisor of {in_size} and {out_size}"
        )
    blocks = g.weight(f"{prefix}.weight", groups, in_size // groups, out_size // groups)
    x = g.op("Transpose", g.op("Reshape", x, g.int64_vector(-1, groups, in_size // groups)), perm=[1, 0, 2])
    y = g.op("Transpose", g.op("MatMul", x, blocks), perm=[1, 0, 2])
    return g.op("Add", g.op("Reshape", y, g.int64_vector(-1, out_size)), g.weight(f"{prefix}.bias", out_size))


def layer_norm(g: GraphBuilder, x: Value, prefix: str, size: int, eps: float, *, bias: bool = True) -> Value:
    parts = [x, g.weight(f"{prefix}.weight", size)]
    if bias:
        parts.append(g.weight(f"{prefix}.bias", size))
    return g.op("LayerNormalization", *parts, axis=-1, epsilon=eps)


def rms_norm(g: GraphBuilder, x: Value, prefix: str, size: int, eps: float) -> Value:
    """x (N, size) divided by the root of its mean square, and scaled."""
    mean_square = g.op("ReduceMean", g.op("Mul", x, x), g.int64_vector(-1), keepdims=1)
    x = g.op("Div", x, g.op("Sqrt", g.op("Add", mean_square, g.float32(eps))))
    return g.op("Mul", x, g.weight(f"{prefix}.weight", size))


def activation(g: GraphBuilder, x: Value, name: str) -> Value:
    """The activation function that a config names as `name`.

    Raises:
        UnsupportedModelError: it is not implemented.
    """
    match name:
        case "gelu" | "gelu_python":
            return g.op("Gelu", x)
        case "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_python_tanh":
            return g.op("Gelu", x, approximate="tanh")
        case "relu":
            return g.op("Relu", x)
        case "silu" | "swish":
            return g.op("Mul", x, g.op("Sigmoid", x))
        case "tanh":
            return g.op("Tanh", x)
        case "sigmoid":
            return g.op("Sigmoid", x)
        case "quick_gelu":
            return g.op("Mul", x, g.op("Sigmoid", g.op("Mul", x, g.float32(1.702))))
        case _:
            raise UnsupportedModelError(
                f"config.json names the activation {name!r}; expected gelu, gelu_new, relu, silu, tanh, sigmoid or quick_gelu"
            )


def add(g: GraphBuilder, terms: Sequence[Value]) -> Value:
    """The sum of one or more values of the same shape."""
    total, *others = terms
    for term in others:
        total = g.op("Add", total, term)
    return total


def embed(g: GraphBuilder, table: Value, ids: Value, size: int) -> Value:
    """Rows of an embedding table for ids of any shape, flat: (N, size)."""
    return g.op("Gather", table, g.op("Reshape", ids, g.int64_vector(-1)))


def padding_bias(g: GraphBuilder, inputs: GraphInputs) -> Value:
    """0 for a token and `BLOCKED` for padding, to be added to scores: (B, 1, 1, T)."""
    padded = g.op("Cast", g.op("Sub", g.int64(1), inputs.attention_mask), to=1)
    return g.op("Unsqueeze", g.op("Mul", padded, g.float32(BLOCKED)), g.int64_vector(1, 2))


def split_heads(g: GraphBuilder, x: Value, like: Value, heads: int, head_size: int) -> Value:
    """(B·L, H·D) to (B, H, L, D), where `like` is any value of shape (B, L)."""
    shape = g.op("Concat", g.op("Shape", like), g.int64_vector(heads, head_size), axis=0)
    return g.op("Transpose", g.op("Reshape", x, shape), perm=[0, 2, 1, 3])


def attend(g: GraphBuilder, q: Value, k: Value, v: Value, bias: Value, heads: int, head_size: int) -> Value:
    """Scaled dot-product attention.

    Args:
        q: (B, H, L, D), L being T or S. k, v: (B, H, T, D).
        bias: added to the scores, broadcast to (B, H, L, T).

    Returns:
        (B·L, H·D).
    """
    scores = g.op("MatMul", g.op("Mul", q, g.float32(head_size**-0.5)), g.op("Transpose", k, perm=[0, 1, 3, 2]))
    shares = g.op("Softmax", g.op("Add", scores, bias), axis=-1)
    mixed = g.op("Transpose", g.op("MatMul", shares, v), perm=[0, 2, 1, 3])
    return g.op("Reshape", mixed, g.int64_vector(-1, heads * head_size))


def at_slots(g: GraphBuilder, x: Value, inputs: GraphInputs) -> Value:
    """Rows of flat x (B·T, n) at the mask slots: (B·S, n)."""
    length = g.op("Slice", g.op("Shape", inputs.ids), g.int64_vector(1), g.int64_vector(2))
    batch = g.op("Squeeze", g.op("Shape", inputs.ids, start=0, end=1), g.int64_vector(0))
    starts = g.op("Mul", g.op("Range", g.int64(0), batch, g.int64(1)), length)
    flat = g.op("Add", inputs.slots, g.op("Unsqueeze", starts, g.int64_vector(1)))
    return g.op("Gather", x, g.op("Reshape", flat, g.int64_vector(-1)))


def mean_over_tokens(g: GraphBuilder, x: Value, inputs: GraphInputs) -> Value:
    """The mean of x (B, T, n) over the tokens of each row, its padding left out: (B, n)."""
    real = g.op("Cast", g.op("Unsqueeze", inputs.attention_mask, g.int64_vector(2)), to=1)
    total = g.op("ReduceSum", g.op("Mul", x, real), g.int64_vector(1), keepdims=0)
    return g.op("Div", total, g.op("ReduceSum", real, g.int64_vector(1), keepdims=0))


def logits(g: GraphBuilder, x: Value, labels: int) -> None:
    """Declare a classifier's output: the logits of each row, (B, labels)."""
    g.output(x, "logits", "batch", labels)


def log_probabilities(g: GraphBuilder, logits: Value, vocab_size: int) -> None:
    """Declare the graph's output: log-probabilities at the masks, (M, vocabulary)."""
    g.output(g.op("LogSoftmax", logits, axis=-1), "log_probabilities", "masks", vocab_size)
