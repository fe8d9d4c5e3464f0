"""Ranking against a plain sort."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fillmask.tasks.ranking import top_indices


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(0, 4), st.integers(1, 40)), elements=st.integers(-5, 5).map(float)),
    st.integers(0, 50),
)
def test_top_indices_is_a_stable_descending_sort(values: np.ndarray, count: int) -> None:
    expected = [sorted(range(values.shape[1]), key=lambda i: (-row[i], i))[:count] for row in values]
    assert top_indices(values, count).tolist() == expected


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([4095, 4096, 4100, 9000]),
    st.sampled_from([1, 5, 64, 65, 5000]),
    st.sampled_from([3, 50, 100_000]),
)
def test_wide_rows_too(seed: int, columns: int, count: int, levels: int) -> None:
    """Rows wide enough to be looked at by lanes, with many equal values or few."""
    values = np.random.default_rng(seed).integers(0, levels, (2, columns)).astype(np.float32)
    expected = np.argsort(-values, axis=1, kind="stable")[:, :count]
    assert top_indices(values, count).tolist() == expected.tolist()
