"""fillmask: fill masks, restore missing text, with masked language models. Fast, and without torch.

from fillmask import pipeline
mlm = pipeline("fill-mask")
mlm("I am <mask> to the bakery")
"""

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
from fillmask.tasks.fill import FillMask, pipeline
from fillmask.tasks.score import Score, WordScore

__version__ = "0.1.0"

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
