"""How a model runs: engine, precision, threads, device, and revision, as one value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RuntimeOptions:
    """How to open and run a model.

    The public calls take these as flat arguments and build this value once.
    `runtime.engines.load` checks them, since an engine decides what it can do.

    Attributes:
        engine: one of `fillmask.choices.ENGINES`; "auto" is onnxruntime, or torch for the families that have no graph
            and for devices other than the CPU.
        precision: "auto", or one of the engine's precisions in `fillmask.choices.ENGINE_PRECISIONS`.
        threads: threads for one batch, or None for a thread for each core that this process may use.
        device: for the torch engine, "cpu", "cuda", "cuda:1", or a number as in transformers; None for a GPU if there
            is one.
        revision: branch, tag, or commit of a hub id.
    """

    engine: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    device: str | int | None = None
    revision: str | None = None


DEFAULTS = RuntimeOptions()
