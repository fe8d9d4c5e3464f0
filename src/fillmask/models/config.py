"""Read a model's config.json strictly.

A family reads each value that changes its arithmetic. A value that it does
not implement is refused by name: it is never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fillmask.errors import CorruptCheckpointError, UnsupportedModelError

# Names that some families use for a value that is read for every family.
_ALIASES = {
    "hidden_size": ("dim", "d_model", "emb_dim"),
    "num_hidden_layers": ("n_layers", "num_layers"),
    "max_position_embeddings": ("n_positions",),
    "vocab_size": ("n_words",),
}


class Config:
    """A config.json with typed access.

    Each method that reads a value raises CorruptCheckpointError where the value has another type.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @property
    def family(self) -> str:
        """The value of `model_type`."""
        return self.text("model_type")

    def values(self) -> dict[str, Any]:
        """All values, as they stand in the file."""
        return dict(self._values)

    def __contains__(self, key: str) -> bool:
        """Whether the file has a value for the key, and it is not null."""
        return self._values.get(key) is not None

    def raw(self, key: str, default: Any = None) -> Any:
        """A value as it stands in the file, under its name or one that some families use instead."""
        value = self._values.get(key)
        for alias in _ALIASES.get(key, ()):
            value = self._values.get(alias) if value is None else value
        return default if value is None else value

    def integer(self, key: str, default: int | None = None) -> int:
        """A whole number, 0 or more."""
        value = self.raw(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise CorruptCheckpointError(f"config.json has {key}={value!r}; expected a whole number")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A number."""
        value = self.raw(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise CorruptCheckpointError(f"config.json has {key}={value!r}; expected a number")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.raw(key, default)
        if not isinstance(value, bool):
            raise CorruptCheckpointError(f"config.json has {key}={value!r}; expected true or false")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        value = self.raw(key, default)
        if not isinstance(value, str):
            raise CorruptCheckpointError(f"config.json has {key}={value!r}; expected a text")
        return value

    def require(self, key: str, *implemented: Any) -> None:
        """Refuse the model unless `key` is absent or one of the implemented values.

        Raises:
            UnsupportedModelError: it is something else.
        """
        value = self.raw(key, implemented[0])
        if value not in implemented:
            raise UnsupportedModelError(
                f"config.json has {key}={value!r}, which {self.family} here does not implement; expected {' or '.join(map(repr, implemented))}"
            )

    def divided(self, key: str, by: str) -> int:
        """`key` divided by `by`.

        Raises:
            CorruptCheckpointError: the division leaves a remainder.
        """
        dividend, divisor = self.integer(key), self.integer(by)
        if divisor == 0 or dividend % divisor:
            raise CorruptCheckpointError(f"config.json has {key}={dividend}, which is not a multiple of {by}={divisor}")
        return dividend // divisor
