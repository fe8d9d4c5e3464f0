"""Columns of tables are answered as lists are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fillmask import FillMask

TEXTS = ["The <mask> barked.", "A <mask> and a <mask>."]


def _pandas() -> Any:
    return pytest.importorskip("pandas").Series(TEXTS)


def _polars() -> Any:
    return pytest.importorskip("polars").Series(TEXTS)


def _numpy() -> Any:
    return pytest.importorskip("numpy").array(TEXTS)


def _arrow() -> Any:
    return pytest.importorskip("pyarrow").chunked_array([TEXTS[:1], TEXTS[1:]])


def _datasets() -> Any:
    return pytest.importorskip("datasets").Dataset.from_dict({"text": TEXTS})["text"]


@pytest.mark.parametrize("column", [_pandas, _polars, _numpy, _arrow, _datasets])
def test_a_column_is_answered_as_a_list(column: Callable[[], Any], modernbert_folder: Path) -> None:
    unmask = FillMask(modernbert_folder, threads=1)
    assert unmask(column()) == unmask(TEXTS)


def test_columns_are_scored_as_lists(modernbert_folder: Path) -> None:
    unmask = FillMask(modernbert_folder, threads=1)
    texts = ["The dog barked.", "A cat slept."]
    column = pytest.importorskip("pandas").Series(texts)
    assert [score.score for score in unmask.score(column)] == [score.score for score in unmask.score(texts)]
    assert len(unmask.log_probabilities(column)) == len(texts)


def test_other_iterables_still_stream(modernbert_folder: Path) -> None:
    unmask = FillMask(modernbert_folder, threads=1)
    answers = unmask(text for text in TEXTS)
    assert not isinstance(answers, list)
    assert list(answers) == unmask(TEXTS)
