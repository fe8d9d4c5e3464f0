"""fillmask: fill masks, restore missing text, with masked language models. Fast, and without torch.

from fillmask import pipeline
mlm = pipeline("fill-mask")
mlm("I am <mask> to the bakery")
"""

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
