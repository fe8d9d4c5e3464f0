"""Find a checkpoint and open it: the bundled model, a Hugging Face folder, or a model of the hub.

A checkpoint is a folder with config.json, model.safetensors (or shards) and
tokenizer files. Opening one reads and checks its config; weights stay mapped
and the tokenizer is read when asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fillmask.errors import CheckpointNotFoundError, CorruptCheckpointError, InputError
from fillmask.models import encoders, heads, hub
from fillmask.models.config import Config
from fillmask.models.heads import Task
from fillmask.models.weights import Weights
from fillmask.tokenization.tokenizer import Tokenizer, load_tokenizer

BUNDLED = "bundled"
_BUNDLED_FOLDER = Path(__file__).parent.parent / "bundled"


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint folder; `revision` is its commit on the hub, None for a local one."""

    name: str
    folder: Path
    config: Config
    revision: str | None = None

    @property
    def title(self) -> str:
        """What to call it in public: a hub id with its commit, or the folder's name without the way to it."""
        return self.folder.name if self.revision is None else f"{self.name}@{self.revision[:12]}"

    @cached_property
    def weights(self) -> Weights:
        """Tensors, memory-mapped."""
        return Weights.of_folder(self.folder)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return load_tokenizer(self.folder, encoders.longest(self.config))

    @property
    def padding_id(self) -> int:
        """What to fill rows up with; the model never sees it, yet it must be a token that the model has."""
        padding = self.tokenizer.pad_token_id
        return padding if padding is not None and padding < self.config.integer("vocab_size") else 0


def open_checkpoint(model: str | Path | None = None, *, revision: str | None = None) -> Checkpoint:
    """Open the bundled model (None or "bundled"), a checkpoint folder, or a model of the hub (`id` or `id@revision`).

    Raises:
        CheckpointNotFoundError: no such model, or a file of it is missing.
        CorruptCheckpointError: a file cannot be read.
        CheckpointError: the hub cannot be reached.
        InputError: a revision of what is not on the hub.
    """
    if model is None or model == BUNDLED:
        _check_no_revision(revision, "the bundled model")
        return _open_folder(BUNDLED, _BUNDLED_FOLDER)
    if not isinstance(model, (str, Path)) or not str(model):
        raise InputError(f"the model is {model!r}; expected a folder, a hub id, or nothing for the bundled model")
    folder = Path(model).expanduser()
    if _is_folder(folder):
        _check_no_revision(revision, f"the folder {model}")
        return _open_folder(str(model), folder)
    name = hub.parse(str(model)) if isinstance(model, str) else None
    if name is None:
        raise CheckpointNotFoundError(
            f"there is no model {str(model)!r}; expected a folder with config.json, model.safetensors and"
            f" tokenizer.json, a hub id such as distilbert/distilroberta-base, or {BUNDLED!r}"
        )
    if revision is not None:
        name = hub.HubName(name.repository, revision)
    folder = hub.fetch(name)
    return _open_folder(name.repository, folder, revision=folder.name)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL: no folder has it
        return False


def _check_no_revision(revision: str | None, what: str) -> None:
    if revision is not None:
        raise InputError(f"revision is {revision!r}, and {what} has none; expected a model of the hub, or no revision")


def check_fills(checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint that has no head that fills masks: one of an encoder alone, or one trained for another task.

    Raises:
        UnsupportedModelError: it has none.
    """
    check_head(checkpoint, "fill")


def check_head(checkpoint: Checkpoint, task: Task) -> None:
    """Refuse a checkpoint that does not hold the head for a task.

    For a family without a graph here this looks at the class that the config names; the torch engine looks at the
    tensors as it loads them.

    Raises:
        UnsupportedModelError: it does not hold it.
    """
    config = checkpoint.config
    if not encoders.holds_head(config, checkpoint.weights, task):
        family = encoders.FAMILIES.get(config.family)
        raise heads.no_head(checkpoint.name, config, task, () if family is None else family.head(task))


def _open_folder(name: str, folder: Path, revision: str | None = None) -> Checkpoint:
    path = folder / "config.json"
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise CheckpointNotFoundError(f"{path} is missing; expected a Hugging Face checkpoint folder") from error
    except ValueError as error:
        raise CorruptCheckpointError(f"{path} is not JSON ({error}); download it again") from error
    if not isinstance(values, dict) or "model_type" not in values:
        raise CorruptCheckpointError(f"{path} names no model_type; expected a Hugging Face model config")
    config = Config(values)
    if not any((folder / weights).exists() for weights in ("model.safetensors", "model.safetensors.index.json")):
        pickles = sorted(p.name for p in folder.glob("*.bin"))
        if pickles:
            raise CheckpointNotFoundError(
                f"{folder} has its weights in {pickles[0]} only, a pickle, which can run code and is never read;"
                " convert it: AutoModelForMaskedLM.from_pretrained(…).save_pretrained(…, safe_serialization=True)"
            )
        raise CheckpointNotFoundError(f"{folder / 'model.safetensors'} is missing; expected the weights there")
    return Checkpoint(name, folder, config, revision)
