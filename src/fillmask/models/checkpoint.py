"""Find a checkpoint and open it: the bundled model, a Hugging Face folder, or a model of the hub.

A checkpoint is a folder with config.json, model.safetensors (or shards) and
tokenizer files. Opening one reads and checks its config; weights stay mapped
and the tokenizer is read when asked for.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from fillmask.errors import CheckpointNotFoundError, CorruptCheckpointError, InputError
from fillmask.models import encoders, heads, hub
from fillmask.models.config import Config
from fillmask.models.heads import Task
from fillmask.models.weights import Weights
from fillmask.tokenization.tokenizer import Tokenizer, load_tokenizer

BUNDLED = "bundled"
_PICKLE = "a pickle, which can run code and is never read"
# Weights in other forms, by what they are.
_OTHER_WEIGHTS = {
    _PICKLE: ("pytorch_model*", "model*.bin", "model*.pt", "model*.pth", "*.ckpt"),
    "a TensorFlow file": ("*.h5", "*.ckpt.index"),
    "a Flax file": ("*.msgpack",),
    "a file of llama.cpp": ("*.gguf",),
    "an ONNX file": ("*.onnx",),
}
_BUNDLED_FOLDER = Path(__file__).parent.parent / "bundled"


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint folder.

    Attributes:
        name: what it was opened by.
        revision: its commit on the hub; None for a local folder.
        files: names of its files, and of those on the hub that were not downloaded.
    """

    name: str
    folder: Path
    config: Config
    revision: str | None = None
    files: tuple[str, ...] = ()

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
        """The tokenizer.

        Raises:
            CheckpointNotFoundError: there are no tokenizer files, or only a SentencePiece model.
            CorruptCheckpointError: they cannot be read.
        """
        _check_vocabulary(self.name if self.revision else str(self.folder), self.files, self.config)
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
    return _open_folder(name.repository, folder, folder.name, hub.listed_files(name, folder.name))


def open_tokenizer(name: str | Path, config: Config) -> Tokenizer:
    """The tokenizer of another folder or hub id, for the model of a config.

    Raises:
        CheckpointNotFoundError: no such folder or hub id, or no tokenizer files.
        CorruptCheckpointError: the files cannot be read.
    """
    folder = Path(name).expanduser()
    if not _is_folder(folder):
        hub_name = hub.parse(str(name))
        if hub_name is None:
            raise CheckpointNotFoundError(f"there is no tokenizer {str(name)!r}; expected a folder or a hub id")
        folder = hub.fetch(hub_name)
    return load_tokenizer(folder, encoders.longest(config))


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


def _open_folder(
    name: str, folder: Path, revision: str | None = None, listed: Collection[str] | None = None
) -> Checkpoint:
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
    names = _names(folder) if listed is None else [*listed, *_names(folder)]
    _check_weights(name if revision else str(folder), names, config)
    return Checkpoint(name, folder, config, revision, tuple(names))


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _check_weights(model: str, names: Collection[str], config: Config) -> None:
    """Refuse a model whose files, by their names, hold no weights that fillmask reads."""
    if not {"model.safetensors", "model.safetensors.index.json"}.isdisjoint(names):
        return
    for form, patterns in _OTHER_WEIGHTS.items():
        others = sorted(name for name in names if any(fnmatch(name, pattern) for pattern in patterns))
        if others:
            how = f"convert it: {_conversion(model, config)}" if form == _PICKLE else "use a copy that has it"
            raise CheckpointNotFoundError(
                f"{model} has its weights only as {others[0]}, {form}; expected model.safetensors; {how}"
            )
    raise CheckpointNotFoundError(f"{model} has no weights: model.safetensors is missing; expected the weights there")


def _check_vocabulary(model: str, names: Collection[str], config: Config) -> None:
    """Refuse a model whose files, by their names, hold a vocabulary only as a SentencePiece model."""
    if any(name in names for name in ("tokenizer.json", "vocab.txt", "vocab.json")):
        return
    pieces = sorted(name for name in names if name.endswith((".model", ".spm")))
    if pieces:
        raise CheckpointNotFoundError(
            f"{model} has its tokenizer only as {pieces[0]}, a SentencePiece model; expected tokenizer.json; convert it:"
            f" pip install transformers torch sentencepiece, then {_conversion(model, config)}"
        )


def _conversion(model: str, config: Config) -> str:
    """A command line that writes a model and its tokenizer, with transformers, in the form that is read here."""
    tasks = ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")
    names = heads.class_names(config)
    task = next((task for task in tasks if any(name.endswith(task) for name in names)), "ForMaskedLM")
    return (
        f'python -c "from transformers import AutoModel{task} as M, AutoTokenizer as T;'
        f" [C.from_pretrained('{model}').save_pretrained('FOLDER') for C in (M, T)]\""
    )
