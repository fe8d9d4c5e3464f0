"""Which arithmetic `precision="auto"` takes, and why.

Whether int8 keeps a model's answers depends on the model, and how much time it saves depends on the machine. So "auto"
follows a measurement where there is one (`fillmask models bench` makes it and keeps it in the cache): the fastest
precision of the engine that agrees with float32 on enough masks. Without a measurement, "auto" takes what needs no
proof: float32, or bfloat16 (with the likeliest words rescored) where the engine and the machine compute in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fillmask.data.atomic import write_bytes
from fillmask.runtime.graph_cache import cache_folder, graph_key
from fillmask.runtime.processor import processor, usable_cores

if TYPE_CHECKING:
    from fillmask.models.checkpoint import Checkpoint

# Share of masks whose best word must be float32's for "auto" to take a precision.
AGREEMENT = {"float32": 0.0, "bfloat16": 0.99, "int8": 0.98}
# And masks that it must have been measured on: a share of 98% is then known to within a point (95% interval).
LEAST_MASKS = 1000


@dataclass(frozen=True)
class PrecisionChoice:
    """A precision and the reason for it, in words."""

    precision: str
    reason: str


@dataclass(frozen=True)
class EngineMeasurement:
    """One engine and precision beside float32 on onnxruntime, for one checkpoint on one machine.

    Attributes:
        agreement: share of masks with the same best word.
        divergence: mean KL divergence from float32, in nats.
        masks: how many masks that was measured on.
        phrase_ms: milliseconds for one short text.
        tokens_per_second: on a batch of texts of 128 tokens.
    """

    engine: str
    precision: str
    agreement: float
    divergence: float
    masks: int
    phrase_ms: float
    tokens_per_second: float

    @property
    def enough(self) -> bool:
        """Whether it was measured on enough masks to be trusted; float32 needs no proof."""
        return self.precision == "float32" or self.masks >= LEAST_MASKS

    @property
    def agrees(self) -> bool:
        return self.enough and self.agreement >= AGREEMENT[self.precision]


def choose_precision(checkpoint: Checkpoint, engine: str, *, bfloat16: bool) -> PrecisionChoice:
    """The precision that "auto" means for a checkpoint on an engine; `bfloat16` says whether it computes in that here."""
    rows = [row for row in recorded(checkpoint) if row.engine == engine]
    agreeing = [row for row in rows if row.agrees]
    if agreeing:
        best = max(agreeing, key=lambda row: row.tokens_per_second)
        reason = (
            f"the fastest of {len(rows)} measured here ({best.tokens_per_second:,.0f} tokens a second)"
            f" that keeps the answers ({best.agreement:.1%} of {best.masks:,} best words)"
        )
        if not all(row.enough for row in rows):
            reason += f"; fewer than {LEAST_MASKS:,} masks are too few to trust another precision"
        return PrecisionChoice(best.precision, reason)
    if bfloat16:
        return PrecisionChoice("bfloat16", f"{engine} computes in it on this machine; not measured for this model")
    return PrecisionChoice(
        "float32", "exact; `fillmask models bench` measures whether a faster one keeps this model's answers"
    )


def recorded(checkpoint: Checkpoint) -> list[EngineMeasurement]:
    """What was measured for the checkpoint on this machine; empty where nothing was."""
    try:
        rows = json.loads(_path(checkpoint).read_text("utf-8"))
        return [EngineMeasurement(**row) for row in rows]
    except (OSError, ValueError, TypeError):
        return []


def record(checkpoint: Checkpoint, rows: Sequence[EngineMeasurement]) -> None:
    """Keep a measurement in the cache, in place of an earlier one; without effect where nothing can be written."""
    text = json.dumps([asdict(row) for row in rows], indent=1)
    with contextlib.suppress(OSError):
        path = _path(checkpoint)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, text.encode())


def _path(checkpoint: Checkpoint) -> Path:
    """Named by the model's layout, its files (sizes and times), the processor, and the cores that may be used."""
    machine = processor()
    files = sorted(checkpoint.folder.glob("*.safetensors"))
    stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    parts = [graph_key(checkpoint), stats, machine.name, sorted(machine.extensions), usable_cores()]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    return cache_folder() / "measured" / f"{digest}.json"
