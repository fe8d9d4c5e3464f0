"""Export of a trained model as a standard Hugging Face folder, written atomically."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForMaskedLM
from transformers.utils import logging

from fillmask.errors import TrainingError

SHARD = "16MB"  # largest file of weights, where shards are asked for
_INDEX = "model.safetensors.index.json"


@contextmanager
def quiet() -> Iterator[None]:
    """Silences transformers' progress bars and log messages."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(before)


def export(model: Any, folder: Path, *, half: bool = True, shards: bool = False) -> None:
    """Writes config.json and model.safetensors as transformers does.

    A model that was trained on sentence pairs is written without the head that
    judged them. The config asks for float32, so that transformers and fillmask
    both compute in it, whatever the weights are stored in.

    Args:
        half: store weights in float16.
        shards: files of at most 16 MB with an index, not one.

    Raises:
        TrainingError: the folder cannot be written.
    """
    staging = folder / ".export"
    try:
        with quiet():
            # A copy, so that neither the dtype nor a compiled forward of the model in training is touched.
            twin = copy.deepcopy(model).to("cpu", torch.float16 if half else torch.float32)
            if "MaskedLM" not in type(twin).__name__:
                twin.save_pretrained(staging)
                twin = AutoModelForMaskedLM.from_pretrained(staging, dtype=twin.dtype)
                shutil.rmtree(staging)
            twin.save_pretrained(staging, **({"max_shard_size": SHARD} if shards else {}))
        config = json.loads((staging / "config.json").read_text("utf-8"))
        config["dtype"] = "float32"
        (staging / "config.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        file_names = sorted(p.name for p in staging.iterdir() if p.name.startswith("model") or p.name == "config.json")
        for name in file_names:
            # safetensors writes files that none but their owner may read.
            (staging / name).chmod((staging / "config.json").stat().st_mode & 0o777)
        for name in file_names:
            os.replace(staging / name, folder / name)
        for stale in folder.glob("model*.safetensors*"):
            if stale.name not in file_names:
                stale.unlink()
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise TrainingError(
            f"cannot write the model to {folder}: {reason}; make room and run the same command again"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
