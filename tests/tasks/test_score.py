"""Pseudo-log-likelihoods: by hand, by window, by stream, and the texts that have none."""

import math
import tracemalloc
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import LONGEST, SENTENCES

from fillmask import FillMask, InputError, Score, TextTooLongError
from fillmask.tasks.score import ScoringBatches
from fillmask.tokenization.encoding import Encoding
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.windows import window

TEXT = "The unbelievable house, beyond the sea."


@pytest.fixture(scope="module", params=["roberta_folder", "modernbert_folder"])
def scorer(request: pytest.FixtureRequest) -> FillMask:
    return FillMask(request.getfixturevalue(request.param))


def by_hand(scorer: FillMask, text: str, method: str) -> float:
    """Token after token, each in a call of its own."""
    found = scorer.tokenizer.backend.encode(text)
    total = 0.0
    for place, word in enumerate(found.word_ids):
        if word is None:
            continue
        same = [p for p, other in enumerate(found.word_ids) if other == word]
        gone = {"original": [place], "whole-word": same, "word-l2r": [p for p in same if p >= place]}[method]
        ids = [scorer.mask_token_id if p in gone else number for p, number in enumerate(found.ids)]
        ((_, answer),) = scorer.model.log_probabilities([MaskedInput(ids, found.type_ids, [place])])
        total += float(answer[0, found.ids[place]])
    return total


@pytest.mark.parametrize("method", ["original", "word-l2r", "whole-word"])
def test_each_method_is_what_it_says(scorer: FillMask, method: str) -> None:
    score = scorer.score(TEXT, method=method)
    assert score.score == pytest.approx(by_hand(scorer, TEXT, method), abs=1e-3)
    assert max(word.tokens for word in score.words) > 2
    assert score.score == pytest.approx(sum(word.score for word in score.words))
    assert score.pseudo_perplexity == pytest.approx(math.exp(-score.score / score.tokens))


def test_the_methods_differ(scorer: FillMask) -> None:
    scores = {scorer.score(TEXT, method=method).score for method in ("original", "word-l2r", "whole-word")}
    assert len(scores) == 3


def test_words_are_those_of_the_text(scorer: FillMask) -> None:
    text = "  Ünïted  —  we're 3\u00a0of “them”!\n"
    score = scorer.score(text)
    assert [word.word for word in score.words] == [text[word.start : word.end] for word in score.words]
    assert "".join(word.word for word in score.words) == "".join(text.split())


def test_lists_and_streams(scorer: FillMask) -> None:
    texts = list(SENTENCES[:9])
    alone = [scorer.score(text) for text in texts]

    def near(found: list[Score]) -> bool:
        return [s.text for s in found] == texts and np.allclose(
            [s.score for s in found], [s.score for s in alone], atol=1e-3
        )

    assert near(scorer.score(texts))
    assert near(list(scorer.score(iter(texts))))
    assert scorer.score([]) == []
    assert isinstance(scorer.score([TEXT]), list)


def test_a_stream_is_read_as_results_are_taken(scorer: FillMask) -> None:
    read = []

    def texts() -> Iterator[str]:
        for n in range(1000):
            read.append(n)
            yield f"The {n}"

    next(iter(scorer.score(texts())))
    assert len(read) <= 64


def test_those_before_a_bad_text_are_scored(scorer: FillMask) -> None:
    scores = scorer.score(text for text in ["One house.", "Two.", "", "Three."])
    assert [next(scores).text, next(scores).text] == ["One house.", "Two."]
    with pytest.raises(InputError, match="the text '' has no tokens"):
        next(scores)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no tokens"),
        ("a <mask> b", "has a <mask> in it"),
        (None, "of type NoneType"),
        ("\ud800", "lone surrogate"),
        (b"abc", "of type bytes"),
    ],
)
def test_texts_that_have_no_score(scorer: FillMask, text: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        scorer.score(text)  # type: ignore[call-overload]


def test_an_unknown_method(scorer: FillMask) -> None:
    with pytest.raises(InputError, match="method is 'best'; expected one of word-l2r, original, whole-word"):
        scorer.score(TEXT, method="best")


def test_long_texts(scorer: FillMask) -> None:
    text = "the sea and the old house, " * LONGEST
    with pytest.raises(TextTooLongError, match=r"score it in parts, or ask for a window"):
        scorer.score(text)
    for method in ("original", "word-l2r", "whole-word"):
        score = scorer.score(text, method=method, long_text="window")
        assert score.tokens == len(scorer.tokenizer.encode(text, add_special_tokens=False))
        # In the middle, far from both ends, every window reads the same.
        middle = [word for word in score.words if word.word == "house"][LONGEST // 2 - 2 : LONGEST // 2 + 2]
        assert np.ptp([word.score for word in middle]) < 1e-3


@pytest.mark.parametrize("method", ["original", "word-l2r", "whole-word"])
def test_a_long_text_is_read_in_the_windows_of_the_hidden_text(scorer: FillMask, method: str) -> None:
    """A window is cut before anything is hidden, and reads as if it were cut after."""
    text = "the unbelievable sea and the old bakery, " * 14
    backend, longest = scorer.tokenizer.backend.encode(text), scorer.tokenizer.model_max_length
    encoding = scorer.tokenizer.encode_text(text, any_length=True)
    assert len(encoding.ids) > longest
    total = 0.0
    for place, word in enumerate(backend.word_ids):
        if word is None:
            continue
        same = [p for p, other in enumerate(backend.word_ids) if other == word]
        gone = {"original": [place], "whole-word": same, "word-l2r": [p for p in same if p >= place]}[method]
        ids = [scorer.mask_token_id if p in gone else number for p, number in enumerate(encoding.ids)]
        row = window(Encoding(ids, encoding.type_ids, encoding.leading, encoding.trailing), [place], longest)
        total += float(scorer.model.one_batch([row])[0, encoding.ids[place]])
    assert scorer.score(text, method=method, long_text="window").score == pytest.approx(total, rel=1e-5)


def test_rows_are_made_batch_by_batch(scorer: FillMask) -> None:
    """What waits is a few numbers a token, and not the ids of its text."""
    texts = [scorer.tokenizer.encode_words(" ".join(SENTENCES[n : n + 4])) for n in range(20)]
    tracemalloc.start()
    try:
        rows = ScoringBatches(scorer.model, texts, "word-l2r")
        batches = [array("i", batch) for batch in rows.plan()]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(rows) > 1000
    assert held < 100 * len(rows)  # bytes: less than the ids of the shortest text
    assert sum(map(len, batches)) == len(rows)


def test_a_special_token_written_in_the_text_is_a_word(scorer: FillMask) -> None:
    score = scorer.score("the house </s> the sea")
    assert "</s>" in [word.word for word in score.words]


def test_folder(roberta_folder: Path) -> None:
    """The docstring's promise: a `Score` for a text."""
    assert isinstance(FillMask(roberta_folder).score("The house"), Score)
