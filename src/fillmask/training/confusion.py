"""The confusion matrix of a classifier, and the metrics derived from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class OfLabel:
    """Precision, recall and their harmonic mean for one label, each 0 where it has no denominator, and its examples."""

    precision: float
    recall: float
    f1: float
    examples: int


@dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of (label, answer), (labels, labels).

    Raises:
        ValueError: there are no examples.
    """

    labels: tuple[str, ...]
    matrix: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if not self.matrix.sum():
            raise ValueError("there are no examples to judge by")

    @classmethod
    def of(cls, labels: Sequence[str], true: npt.NDArray[np.int64], answers: npt.NDArray[np.int64]) -> Confusion:
        """From the numbers of true labels and of answers, (examples,) both."""
        flat = np.bincount(true * len(labels) + answers, minlength=len(labels) ** 2)
        return cls(tuple(labels), flat.reshape(len(labels), len(labels)).astype(np.int64))

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.matrix) / self.matrix.sum())

    @property
    def macro_f1(self) -> float:
        """The mean F1 of the labels, each counting alike however rare it is."""
        return float(np.mean([label.f1 for label in self.by_label.values()]))

    @property
    def by_label(self) -> dict[str, OfLabel]:
        scores = {}
        for number, name in enumerate(self.labels):
            right = int(self.matrix[number, number])
            answered, there = int(self.matrix[:, number].sum()), int(self.matrix[number].sum())
            precision, recall = right / max(1, answered), right / max(1, there)
            scores[name] = OfLabel(precision, recall, 2 * right / max(1, answered + there), there)
        return scores

    def to_dict(self) -> dict[str, Any]:
        """Returns all values as JSON values."""
        return {
            "examples": int(self.matrix.sum()),
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "labels": {name: vars(label) for name, label in self.by_label.items()},
            "confusion": self.matrix.tolist(),
        }
