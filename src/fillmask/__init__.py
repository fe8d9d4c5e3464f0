"""fillmask: fill masks, restore missing text, with masked language models. Fast, and without torch.

from fillmask import pipeline
mlm = pipeline("fill-mask")
mlm("I am <mask> to the bakery")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"  # before the imports: modules below read it

from fillmask.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CorpusError,
    CorruptCheckpointError,
    FillMaskError,
    FillMaskWarning,
    InputError,
    MissingExtraError,
    NoMaskError,
    NotationError,
    TargetsError,
    TextTooLongError,
    TrainingError,
    UnsupportedModelError,
)

if TYPE_CHECKING:
    from fillmask.pipelines import FillMask, pipeline
    from fillmask.tasks.score import Score, WordScore

__all__ = [
    "CheckpointError",
    "CheckpointNotFoundError",
    "CorpusError",
    "CorruptCheckpointError",
    "FillMask",
    "FillMaskError",
    "FillMaskWarning",
    "InputError",
    "MissingExtraError",
    "NoMaskError",
    "NotationError",
    "Score",
    "TargetsError",
    "TextTooLongError",
    "TrainingError",
    "UnsupportedModelError",
    "WordScore",
    "__version__",
    "pipeline",
]

# Imported when they are used: a command's --help needs no model.
_MODULES = {
    "FillMask": "fillmask.pipelines",
    "Score": "fillmask.tasks.score",
    "WordScore": "fillmask.tasks.score",
    "pipeline": "fillmask.pipelines",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'fillmask' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
