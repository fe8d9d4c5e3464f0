"""Opening a model for many texts, and what identifies it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from fillmask.batch.tasks import ModelOptions
from fillmask.models.checkpoint import Checkpoint
from fillmask.models.hub import TOKENIZER_FILES
from fillmask.pipelines import FillMask
from fillmask.runtime.engine_selection import throughput_threads
from fillmask.runtime.engines import default_engine

_IDENTITY = ("config.json", *TOKENIZER_FILES)


def open_filler(options: ModelOptions, **more: Any) -> tuple[FillMask, int]:
    """A FillMask for many texts, and from how many threads to call its model.

    Raises:
        CheckpointError: the model cannot be opened.
        InputError: an option cannot be used.
    """
    from fillmask.models.checkpoint import open_checkpoint

    engine = options.engine
    if engine == "auto":
        engine = default_engine(open_checkpoint(options.model), options.device)
    inside, callers = throughput_threads(engine, options.threads)
    filler = FillMask(
        options.model, engine=options.engine, precision=options.precision, threads=inside, device=options.device, **more
    )
    return filler, callers


def provenance(checkpoint: Checkpoint, engine: str, precision: str) -> Mapping[str, Any]:
    """What answered: the same for the same files on the same engine, wherever they lie."""
    return {
        "model": checkpoint.name,
        "revision": checkpoint.revision,
        "digest": digest(checkpoint),
        "engine": engine,
        "precision": precision,
    }


def digest(checkpoint: Checkpoint) -> str:
    """BLAKE2 of the files that decide the answers."""
    hasher = hashlib.blake2b(digest_size=16)
    files = [checkpoint.folder / name for name in _IDENTITY] + sorted(checkpoint.folder.glob("*.safetensors"))
    for path in files:
        if path.exists():
            hasher.update(path.name.encode() + b"\0")
            with open(path, "rb") as data:
                while block := data.read(1 << 22):
                    hasher.update(block)
    return hasher.hexdigest()
