"""What a checkpoint knows of restoring: restoration.json, with the priors of lengths and the fitted confidence.

The file lies beside the weights and is used wherever it is there. Without it,
rough priors and weights stand in, and probabilities are not calibrated.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from fillmask.data.atomic import write_bytes, write_text
from fillmask.errors import CorruptCheckpointError
from fillmask.restore import word_list
from fillmask.restore.calibration.confidence import CANDIDATE, NONE, PLAIN, ConfidenceWeights
from fillmask.restore.calibration.lengths import Lengths, rough

NAME = "restoration.json"
_CORRECTION = "correction.json"  # see `fillmask.restore.correction.judgement`
VERSION = 2
_FIRST, _FIRST_FEATURES = 1, 10  # a version whose candidates have the first features only


@dataclass(frozen=True)
class Calibration:
    """Priors of lengths, the weights of each strategy, and where they came from.

    Attributes:
        lengths: priors of lengths.
        weights: of each strategy that was fitted.
        fitted_on: what the calibration saw, for people; empty for the rough one.
    """

    lengths: Lengths
    weights: Mapping[str, ConfidenceWeights]
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def of(self, strategy: str) -> ConfidenceWeights:
        """The weights of a strategy, those of the joint one where it has none of its own."""
        return self.weights.get(strategy) or self.weights.get("joint") or PLAIN

    def calibrates(self, strategy: str) -> bool:
        """Whether weights were fitted on readings of this strategy; without, probabilities are rough."""
        return strategy in self.weights


def load(folder: Path) -> Calibration:
    """The folder's restoration.json, or rough values where there is none.

    Raises:
        CorruptCheckpointError: the file is there and cannot be used.
    """
    path = folder / NAME
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return Calibration(rough(), {})
    except (OSError, UnicodeDecodeError) as error:
        raise CorruptCheckpointError(f"{path} cannot be read ({error}); fit it again: {_REMEDY}") from error
    try:
        return _read(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptCheckpointError(f"{path}: {_told(error)}; fit it again: {_REMEDY}") from error


def of_checkpoint(folder: Path) -> Calibration:
    """`load`, read once while the file stays as it is."""
    path = folder / NAME
    status = path.stat() if path.exists() else None
    return _kept(folder, None if status is None else (status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=8)
def _kept(folder: Path, _: tuple[int, int] | None) -> Calibration:
    return load(folder)


_REMEDY = "fillmask train calibrate TEXT… --model FOLDER"


def _told(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _read(values: Any) -> Calibration:
    version = values.get("version") if isinstance(values, dict) else None
    if version not in (_FIRST, VERSION):
        raise ValueError(f"version is {version!r}, and this fillmask reads versions {_FIRST} to {VERSION}")
    lengths = values["lengths"]
    tables = Lengths(
        _rows(lengths["word"], "word"),
        _rows(lengths["span"], "span"),
        _row(lengths["word_characters"], "word_characters"),
        _rows(lengths["span_characters"], "span_characters"),
        _row(lengths["words"], "words"),
    )
    weights = {}
    for strategy, of_strategy in values["weights"].items():
        weights[str(strategy)] = ConfidenceWeights(
            _named(of_strategy["candidate"], CANDIDATE, PLAIN.candidate, version),
            _named(of_strategy["none"], NONE, PLAIN.none, version),
        )
    return Calibration(tables, weights, dict(values.get("fitted_on", {})))


def _named(
    values: Mapping[str, Any], names: tuple[str, ...], plain: tuple[float, ...], version: int
) -> tuple[float, ...]:
    """Weights in the order of their names; those that the first version lacks are the plain ones."""
    count = min(len(names), _FIRST_FEATURES) if version == _FIRST else len(names)
    if set(values) != set(names[:count]):
        raise ValueError(f"the weights are of {', '.join(values)}; expected {', '.join(names[:count])}")
    return tuple(_number(values[name], name) for name in names[:count]) + plain[count:]


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}; expected a number")
    return float(value)


def _row(values: Any, name: str) -> tuple[float, ...]:
    if not isinstance(values, list) or not values:
        raise ValueError(f"{name} is {values!r:.40}; expected probabilities")
    row = tuple(_number(v, name) for v in values)
    if min(row) < 0 or abs(sum(row) - 1) > 1e-3:
        raise ValueError(f"{name} has a row that is no distribution; it sums to {sum(row):.4f}")
    return row


def _rows(values: Any, name: str) -> tuple[tuple[float, ...], ...]:
    if not isinstance(values, list) or not values:
        raise ValueError(f"{name} is {values!r:.40}; expected rows of probabilities")
    return tuple(_row(v, name) for v in values)


def carry_over(origin: Path, folder: Path) -> bool:
    """Give a model that was continued from another, with its vocabulary, that one's calibration; whether it had one.

    A short continuation moves probabilities little; without any, they would be rough. The file says whose it was. The
    word list and the weights of correction go with it.

    Raises:
        CorruptCheckpointError: the origin's file cannot be used.
    """
    stored = load(origin)
    for name in (word_list.NAME, _CORRECTION):
        if (origin / name).exists():
            write_bytes(folder / name, (origin / name).read_bytes())
    if not stored.weights:
        return False
    save(replace(stored, fitted_on={**stored.fitted_on, "model": "the one that this was adapted from"}), folder)
    return True


def save(stored: Calibration, folder: Path) -> Path:
    """Write restoration.json into the folder, whole or not at all; returns its path."""
    values = {
        "version": VERSION,
        "fitted_on": dict(stored.fitted_on),
        "weights": {
            strategy: {
                "candidate": dict(zip(CANDIDATE, weights.candidate, strict=True)),
                "none": dict(zip(NONE, weights.none, strict=True)),
            }
            for strategy, weights in stored.weights.items()
        },
        "lengths": asdict(stored.lengths),
    }
    path = folder / NAME
    write_text(path, json.dumps(values, indent=1) + "\n")
    return path
