"""Ranking against a plain sort."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fillmask.fill import top_indices


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(1, 40)), elements=st.integers(-5, 5).map(float)),
    st.integers(0, 50),
)
def test_top_indices_is_a_stable_descending_sort(values: np.ndarray, count: int) -> None:
    expected = [sorted(range(values.shape[1]), key=lambda i: (-row[i], i))[:count] for row in values]
    assert top_indices(values, count).tolist() == expected
