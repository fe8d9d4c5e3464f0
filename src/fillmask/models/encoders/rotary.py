"""Rotary positions (Su et al. 2021): queries and keys turned by angles that grow with their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fillmask.errors import CorruptCheckpointError, UnsupportedModelError
from fillmask.models.config import Config
from fillmask.models.encoders.graph import GraphBuilder, Value
from fillmask.models.encoders.ops import GraphInputs

Angles = tuple[Value, Value]


def theta(config: Config, default: float, kind: str | None = None) -> float:
    """The base of the angles.

    Args:
        default: where `rope_parameters` has none.
        kind: of the layers, where each kind has parameters of its own.

    Raises:
        UnsupportedModelError: the config asks for scaled angles, in the new spelling or in an old one.
    """
    parameters = _parameters(config, "rope_parameters")
    if kind is not None:
        parameters = parameters.get(kind) or {}
    old = _parameters(config, "rope_scaling")
    for values in (parameters, old):
        scaling = values.get("rope_type", values.get("type", "default"))
        if scaling != "default":
            where = f" in {kind}" if kind else ""
            raise UnsupportedModelError(f"config.json asks for rotary scaling {scaling!r}{where}; expected none")
    if set(old) - {"rope_type", "type"}:
        raise UnsupportedModelError(f"config.json has rope_scaling={old}; expected none, or its type alone")
    return float(parameters.get("rope_theta", default))


def _parameters(config: Config, key: str) -> dict[str, Any]:
    values = config.raw(key, {})
    if not isinstance(values, dict):
        raise CorruptCheckpointError(f"config.json has {key}={values!r}; expected an object")
    return values


def frequencies(theta: float, head_size: int) -> npt.NDArray[np.float32]:
    """By how much each pair of coordinates turns from one position to the next, in radians: (D/2,)."""
    exponents = np.arange(0, head_size, 2, dtype=np.float32) / head_size
    return (1.0 / np.power(np.float32(theta), exponents)).astype(np.float32)


def angles(
    g: GraphBuilder, inputs: GraphInputs, name: str, frequencies: npt.NDArray[np.float32], positions: int
) -> tuple[Angles, Angles]:
    """Cosines and sines of all places, (1, 1, T, D/2), and of the mask slots', (B, 1, S, D/2).

    From tables, and not computed in the graph: an engine that runs in bfloat16 would round the angles themselves,
    which are as large as the positions, where rounding their cosines does no harm.

    Args:
        name: of the tables, one for each set of frequencies.
        frequencies: (D/2,).
        positions: how many there are.
    """
    turned = np.arange(positions, dtype=np.float32)[:, None] * frequencies
    tables = g.float32_array(f"{name}/cos", np.cos(turned)), g.float32_array(f"{name}/sin", np.sin(turned))
    length = g.op("Squeeze", g.op("Shape", inputs.ids, start=1, end=2), g.int64_vector(0))
    everywhere = g.op("Unsqueeze", g.op("Range", g.int64(0), length, g.int64(1)), g.int64_vector(0, 1))
    slots = g.op("Unsqueeze", inputs.slots, g.int64_vector(1))
    return _of(g, everywhere, tables), _of(g, slots, tables)


def _of(g: GraphBuilder, places: Value, tables: Angles) -> Angles:
    cos, sin = (g.op("Gather", table, places) for table in tables)
    return cos, sin


def rotate(g: GraphBuilder, x: Value, angles: Angles) -> Value:
    """x (B, H, L, D) turned: the two halves of D are the two coordinates."""
    cos, sin = angles
    a, b = g.split("Split", x, outputs=2, axis=-1, num_outputs=2)
    first = g.op("Sub", g.op("Mul", a, cos), g.op("Mul", b, sin))
    second = g.op("Add", g.op("Mul", b, cos), g.op("Mul", a, sin))
    return g.op("Concat", first, second, axis=-1)
