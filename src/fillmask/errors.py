"""The exceptions and warnings that fillmask raises on purpose.

FillMaskError
├── InputError (ValueError)          a text, target or option that cannot be used
│   ├── NoMaskError                  no mask in the text
│   ├── TextTooLongError             more tokens than the model has positions
│   ├── TargetsError                 no usable target
│   └── NotationError                a damaged document that is not written as its notation asks
├── CheckpointError                  a model that cannot be opened
│   ├── CheckpointNotFoundError      nothing there, or a file of it missing
│   ├── CorruptCheckpointError       a file that is truncated, lies, or does not fit the config
│   └── UnsupportedModelError        a family or a config value that is not implemented
├── MissingExtraError (ImportError)  an optional dependency is not installed
├── CorpusError                      training text that cannot be used
└── TrainingError                    a training that cannot start or go on

FillMaskWarning (UserWarning)        the call went on, but not quite as asked
"""


class FillMaskError(Exception):
    """Base of every error that fillmask raises on purpose."""


class InputError(FillMaskError, ValueError):
    """A text, a target or an option cannot be used."""


class NoMaskError(InputError):
    """The text holds no mask token."""


class TextTooLongError(InputError):
    """The text has more tokens than the model has positions."""


class TargetsError(InputError):
    """No usable target was given."""


class NotationError(InputError):
    """A damaged document is not written as its notation asks.

    Attributes:
        line, column: where, from 1.
    """

    def __init__(self, what: str, line: int, column: int) -> None:
        super().__init__(f"line {line}, column {column}: {what}")
        self.line = line
        self.column = column


class CheckpointError(FillMaskError):
    """A model cannot be opened."""


class CheckpointNotFoundError(CheckpointError):
    """There is no checkpoint at that name, or one of its files is missing."""


class CorruptCheckpointError(CheckpointError):
    """A file of the checkpoint is damaged, or does not fit its config."""


class UnsupportedModelError(CheckpointError):
    """The model's family, or a value in its config, is not implemented."""


class MissingExtraError(FillMaskError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra that is not installed: pip install 'fillmask[{extra}]'")


class CorpusError(FillMaskError):
    """Training text is missing, unreadable or empty."""


class TrainingError(FillMaskError):
    """A training cannot start, or cannot go on."""


class FillMaskWarning(UserWarning):
    """The call went on, but not quite as asked."""
