"""Precision, recall and F1 by hand."""

import numpy as np
import pytest

from fillmask.training.confusion import Confusion


def test_by_hand() -> None:
    true = np.array([0, 0, 0, 1, 1, 2, 0])
    answers = np.array([0, 0, 1, 1, 0, 1, 0])
    found = Confusion.of(["a", "b", "c"], true, answers)
    np.testing.assert_array_equal(found.matrix, [[3, 1, 0], [1, 1, 0], [0, 1, 0]])
    assert found.accuracy == pytest.approx(4 / 7)
    a, b, c = found.by_label.values()
    assert (a.precision, a.recall, a.f1, a.examples) == (3 / 4, 3 / 4, 3 / 4, 4)
    assert (b.precision, b.recall, b.examples) == (pytest.approx(1 / 3), 1 / 2, 2)
    assert b.f1 == pytest.approx(2 / 5)
    assert (c.precision, c.recall, c.f1, c.examples) == (0, 0, 0, 1)
    assert found.macro_f1 == pytest.approx((3 / 4 + 2 / 5) / 3)
    assert found.to_dict()["confusion"] == [[3, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_nothing_to_judge_by() -> None:
    with pytest.raises(ValueError, match="no examples"):
        Confusion(("a", "b"), np.zeros((2, 2), np.int64))
