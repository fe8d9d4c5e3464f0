"""Masked accuracy and pseudo-perplexity, against a loop that asks for one mask or one window at a time."""

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import LONGEST, SENTENCES, tokenizer, write_modernbert

from fillmask import CorpusError, InputError
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks import evaluate
from fillmask.tasks.evaluate import (
    MaskedAccuracy,
    MaskedWindow,
    PseudoPerplexity,
    Tally,
    masked_accuracy,
    masked_windows,
    pseudo_perplexity,
)
from fillmask.tokenization.masked_input import MaskedInput
from fillmask.tokenization.tokenizer import Tokenizer

DOCUMENTS = [" ".join(SENTENCES[:20]), "", SENTENCES[3], "\n".join(SENTENCES[20:31])]
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


@pytest.fixture(scope="module", params=["modernbert_folder", "roberta_folder"])
def model(request: pytest.FixtureRequest) -> MaskedLM:
    return MaskedLM(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def vocabulary(modernbert_folder: Path) -> Tokenizer:
    return MaskedLM(modernbert_folder).tokenizer


def alone(model: MaskedLM, ids: list[int], positions: list[int]) -> np.ndarray:
    """Log-probabilities with no other text in the batch, (positions, vocabulary)."""
    masked = [model.tokenizer.mask_token_id if i in positions else n for i, n in enumerate(ids)]
    ((_, found),) = model.log_probabilities([MaskedInput(masked, [0] * len(ids), positions)])
    return found


def same(a: MaskedWindow, b: MaskedWindow) -> bool:
    return np.array_equal(a.ids, b.ids) and np.array_equal(a.positions, b.positions)


@pytest.mark.parametrize("max_rows", [None, 7])
def test_masked_accuracy_is_that_of_one_window_at_a_time(model: MaskedLM, max_rows: int | None) -> None:
    drawn = {"rate": 0.3, "length": 24, "max_rows": max_rows, "seed": 5}
    losses, top1, top5 = [], [], []
    for window in masked_windows(model.tokenizer, DOCUMENTS, **drawn):
        ids = window.ids.tolist()
        for position, row in zip(window.positions, alone(model, ids, window.positions.tolist()), strict=True):
            best = sorted(range(len(row)), key=lambda token: -row[token])
            losses.append(-float(row[ids[position]]))
            top1.append(best[0] == ids[position])
            top5.append(ids[position] in best[:5])
    found = masked_accuracy(model, DOCUMENTS, **drawn)
    assert found.masks == len(losses)
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert found.perplexity == pytest.approx(math.exp(np.mean(losses)), rel=1e-4)
    assert (found.top1, found.top5) == (np.mean(top1), np.mean(top5))


def test_pseudo_perplexity_is_that_of_one_mask_at_a_time(model: MaskedLM) -> None:
    sentences = [*SENTENCES[:5], "", "Bread.", SENTENCES[9]]
    total, tokens = 0.0, 0
    for sentence in sentences:
        ids = model.tokenizer.encode(sentence)
        for position in range(1, len(ids) - 1):
            total += float(alone(model, ids, [position])[0, ids[position]])
            tokens += 1
    found = pseudo_perplexity(model, iter(sentences))
    assert found.tokens == tokens
    assert found.log_likelihood == pytest.approx(total, rel=1e-5)
    assert found.perplexity == pytest.approx(math.exp(-total / tokens), rel=1e-4)


def test_long_sentences_are_cut(model: MaskedLM) -> None:
    text = " ".join(SENTENCES[:12])
    ids = model.tokenizer.encode(text, add_special_tokens=False)
    windows = [ids[i : i + LONGEST - 2] for i in range(0, len(ids), LONGEST - 2)]
    assert len(windows) > 1
    total = sum(
        float(alone(model, [0, *window, 2], [at])[0, token])
        for window in windows
        for at, token in enumerate(window, start=1)
    )
    found = pseudo_perplexity(model, [text])
    assert found.tokens == len(ids)
    assert found.log_likelihood == pytest.approx(total, rel=1e-5)


def test_sentences_are_read_as_they_are_scored(model: MaskedLM, monkeypatch: pytest.MonkeyPatch) -> None:
    read, waiting = 0, []
    ask = model.log_probabilities

    def sentences() -> Iterator[str]:
        nonlocal read
        for _ in range(60):
            read += 1
            yield "The old dog."

    def log_probabilities(items: list[MaskedInput]) -> Iterator[tuple[int, np.ndarray]]:
        waiting.append((read, len(items)))
        return ask(items)

    monkeypatch.setattr(evaluate, "_CHUNK", 16)
    monkeypatch.setattr(model, "log_probabilities", log_probabilities)
    pseudo_perplexity(model, sentences())
    assert waiting[0][0] < 10
    assert max(count for _, count in waiting) == 16


def test_windows_hold_every_token_once(vocabulary: Tokenizer) -> None:
    windows = list(masked_windows(vocabulary, DOCUMENTS, length=20))
    assert {w.ids[0] for w in windows} == {0}
    assert {w.ids[-1] for w in windows} == {2}
    assert all(w.special.tolist() == [True, *[False] * (len(w.ids) - 2), True] for w in windows)
    assert max(len(w.ids) for w in windows) == 20
    tokens = [n for w in windows for n in w.ids[~w.special].tolist()]
    assert tokens == [n for d in DOCUMENTS for n in vocabulary.encode(d, add_special_tokens=False)]
    # The tokenizer itself is as it was: it does not cut what comes next.
    assert len(vocabulary.encode(DOCUMENTS[0])) > 20


@given(rate=st.floats(0.01, 1), length=st.integers(3, LONGEST), seed=st.integers(0, 9))
@settings(max_examples=40)
def test_the_rate_is_kept_in_every_window(vocabulary: Tokenizer, rate: float, length: int, seed: int) -> None:
    for window in masked_windows(vocabulary, DOCUMENTS, rate=rate, length=length, seed=seed):
        expected = max(1, round(rate * (~window.special).sum()))
        assert len(set(window.positions.tolist())) == len(window.positions) == expected
        assert np.all(np.diff(window.positions) > 0)
        assert not window.special[window.positions].any()


def test_special_tokens_are_never_masked(vocabulary: Tokenizer) -> None:
    """Also where they are written out in the text."""
    (window,) = masked_windows(vocabulary, ["The <mask> dog</s> went <unk> home<pad>"], rate=1, length=64)
    ids = {vocabulary.convert_tokens_to_ids(token) for token in SPECIALS}
    assert not ids & set(window.labels.tolist())
    assert vocabulary.decode(window.labels.tolist()) == "The dog went  home"
    hidden = window.hidden(4)
    assert [n for i, n in enumerate(hidden.ids) if i not in hidden.positions] == [0, 4, 2, 3, 1, 2]
    assert {hidden.ids[i] for i in hidden.positions} == {4}
    assert 4 not in window.labels


def test_masks_are_spread_evenly(vocabulary: Tokenizer) -> None:
    seen = Counter(
        p for seed in range(1000) for w in masked_windows(vocabulary, ["The old dog went home."], seed=seed) for p in w.positions.tolist()
    )  # fmt: skip
    expected = seen.total() / len(seen)
    assert max(abs(count - expected) for count in seen.values()) < 5 * math.sqrt(expected)


def test_each_window_has_masks_of_its_own(vocabulary: Tokenizer) -> None:
    windows = [w for w in masked_windows(vocabulary, DOCUMENTS, length=32) if len(w.ids) == 32]
    assert len({tuple(w.positions.tolist()) for w in windows}) == len(windows) > 5


def test_the_same_seed_gives_the_same(model: MaskedLM) -> None:
    first = masked_accuracy(model, iter(DOCUMENTS), length=16, max_rows=5, seed=3)
    assert first == masked_accuracy(model, DOCUMENTS, length=16, max_rows=5, seed=3)
    assert first != masked_accuracy(model, DOCUMENTS, length=16, max_rows=5, seed=4)


def test_rows_are_drawn_evenly_and_keep_their_masks(vocabulary: Tokenizer) -> None:
    every = list(masked_windows(vocabulary, DOCUMENTS, length=32, seed=0))
    drawn: Counter[int] = Counter()
    for seed in range(300):
        rows = list(masked_windows(vocabulary, DOCUMENTS, length=32, max_rows=4, seed=seed))
        places = [next(i for i, w in enumerate(every) if np.array_equal(w.ids, row.ids)) for row in rows]
        assert places == sorted(set(places))
        assert len(places) == 4
        drawn.update(places)
        if seed == 0:
            assert all(same(every[i], row) for i, row in zip(places, rows, strict=True))
    expected = 300 * 4 / len(every)
    assert max(abs(drawn[i] - expected) for i in range(len(every))) < 5 * math.sqrt(expected)
    assert len(list(masked_windows(vocabulary, DOCUMENTS, length=32, max_rows=10_000))) == len(every)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0}, "rate is 0; expected"),
        ({"rate": 1.1}, r"rate is 1.1; expected"),
        ({"rate": math.nan}, "rate is nan; expected"),
        ({"length": 2}, "length is 2; this model takes 3 to 128 tokens"),
        ({"length": 129}, "length is 129; this model takes 3 to 128 tokens"),
        ({"max_rows": 0}, "max_rows is 0; expected"),
        ({"seed": -1}, "seed is -1; expected"),
    ],
)
def test_options_out_of_range_are_refused(vocabulary: Tokenizer, options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        masked_windows(vocabulary, DOCUMENTS, **options)


@pytest.mark.parametrize("texts", [[], [""], ["<s></s>", "<mask>"]])
def test_no_text_is_an_error(model: MaskedLM, texts: list[str]) -> None:
    with pytest.raises(CorpusError, match="no text to evaluate on"):
        masked_accuracy(model, texts)
    with pytest.raises(CorpusError, match="no text to evaluate on"):
        masked_accuracy(model, texts, max_rows=3)
    with pytest.raises(CorpusError, match="no text to score"):
        pseudo_perplexity(model, texts)


def test_what_is_no_text_is_refused(model: MaskedLM) -> None:
    with pytest.raises(InputError, match="of type int; expected a text"):
        masked_accuracy(model, [3])
    with pytest.raises(InputError, match="lone surrogate"):
        pseudo_perplexity(model, ["\ud800"])


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    model = MaskedLM(write_modernbert(tmp_path, vocab_size=50))
    with pytest.raises(InputError, match="the tokenizer is of another model"):
        masked_accuracy(model, DOCUMENTS)
    with pytest.raises(InputError, match="the tokenizer is of another model"):
        pseudo_perplexity(model, DOCUMENTS)


def test_a_tokenizer_without_a_mask_is_refused(model: MaskedLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "tokenizer", Tokenizer(tokenizer(), {}, LONGEST))
    for measure in (masked_accuracy, pseudo_perplexity):
        with pytest.raises(InputError, match="does not define a `mask_token`"):
            measure(model, DOCUMENTS)


def test_a_tie_and_nan_are_misses() -> None:
    tally = Tally()
    tally.add(np.array([[-0.5, -0.5, -9, -9, -9, -9, -9]]), np.array([0]))
    assert tally.result() == MaskedAccuracy(1, 0.5, top1=0.0, top5=1.0)
    tally = Tally()
    tally.add(np.full((2, 7), -math.log(7)), np.array([0, 6]))
    assert tally.result() == MaskedAccuracy(2, math.log(7), top1=0.0, top5=0.0)
    tally = Tally()
    tally.add(np.full((1, 7), math.nan), np.array([0]))
    assert tally.result().top5 == 0
    assert math.isnan(tally.result().loss)


def test_the_share_within_each_rank() -> None:
    tally = Tally()
    rows = np.tile(-np.arange(1.0, 201), (4, 1))  # the likeliest token is 0
    tally.add(rows, np.array([0, 1, 5, 150]))
    found = tally.result()
    assert (found.top1, found.top5) == (0.25, 0.5)
    assert len(found.within) == evaluate.DEEPEST
    assert (found.within[0], found.within[1], found.within[5], found.within[-1]) == (0.25, 0.5, 0.75, 0.75)


def test_losses_are_counted_in_bins(model: MaskedLM) -> None:
    found = pseudo_perplexity(model, SENTENCES[:8])
    assert sum(found.histogram) == found.tokens
    middles = (evaluate.LOSS_BINS[1:] + evaluate.LOSS_BINS[:-1]) / 2
    assert np.average(middles, weights=found.histogram) == pytest.approx(found.loss, abs=0.13)


def test_some_sentences_drawn_evenly(model: MaskedLM) -> None:
    every = pseudo_perplexity(model, SENTENCES)
    some = pseudo_perplexity(model, SENTENCES, max_sentences=6, seed=1)
    assert 0 < some.tokens < every.tokens / 5
    assert some == pseudo_perplexity(model, SENTENCES, max_sentences=6, seed=1)
    assert some != pseudo_perplexity(model, SENTENCES, max_sentences=6, seed=2)


def test_the_guides_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    guide = Path(__file__).resolve().parents[2] / "docs" / "guide" / "evaluate.md"
    (block,) = re.findall(r"```python\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)
    exec(compile(block, guide.name, "exec"), {})
    top5, perplexity, accuracy = capsys.readouterr().out.splitlines()
    assert 0.2 < float(top5) < 1
    assert float(perplexity) > 1
    assert "word-l2r" in accuracy


def test_a_hopeless_model_has_infinite_perplexity() -> None:
    assert MaskedAccuracy(1, 800.0, 0.0, 0.0).perplexity == math.inf
    assert PseudoPerplexity(2, -1600.0).perplexity == math.inf
