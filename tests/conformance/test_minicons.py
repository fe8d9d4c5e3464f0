"""Scores beside minicons'."""

import pytest

torch = pytest.importorskip("torch", reason="minicons runs on torch")
scorer = pytest.importorskip("minicons.scorer", reason="minicons is not installed: pip install minicons")

from pipelines import Both

TEXTS = ["The old house is beyond the sea.", "She wrote a letter, unbelievably, to nobody", "There!", "We walked on"]


@pytest.mark.parametrize(("method", "theirs"), [("original", "original"), ("word-l2r", "within_word_l2r")])
def test_minicons_agrees(both: Both, method: str, theirs: str) -> None:
    peer = scorer.MaskedLMScorer(str(both.folder), "cpu")
    # A call that transformers 5 has dropped, under the name by which minicons knows it.
    peer.tokenizer.batch_encode_plus = peer.tokenizer.__call__
    expected = peer.sequence_score(TEXTS, reduction=lambda x: x.sum(0).item(), PLL_metric=theirs)
    assert [score.score for score in both.ours.score(TEXTS, method=method)] == pytest.approx(expected, abs=1e-3)
