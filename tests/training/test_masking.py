"""Masks have the statistics of their papers: rates to 0.2% over a million tokens, never a special token."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from tiny import SENTENCES

from fillmask.training.corpus import CorpusFile, split_sentences, tokenize
from fillmask.training.masking import GAP_LENGTHS, IGNORED, SPAN_LENGTHS, SPAN_SHARES, UNITS, Masker, Masking
from fillmask.training.packing import packed
from fillmask.training.pairs import make_pairs, token_types
from fillmask.training.recipe import Recipe, stages
from fillmask.training.tokenizer import KINDS, train_tokenizer
from fillmask.training.vocabulary import MaskingVocabulary

CHUNK = 8


@pytest.fixture(scope="module", params=KINDS)
def texts(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MaskingVocabulary, npt.NDArray[np.uint16]]:
    """A vocabulary of each kind and rows of 128 tokens, packed from short documents."""
    folder = tmp_path_factory.mktemp("masking")
    rng = np.random.default_rng(0)
    words = sorted(
        {w for s in SENTENCES for w in s.split()} | {"extraordinarily", "notwithstanding", "counterclockwise"}
    )
    (folder / "text.txt").write_text(
        "\n\n".join(" ".join(rng.choice(words, rng.integers(5, 120))) for _ in range(1500))
    )
    tokenizer = train_tokenizer(
        [CorpusFile(folder / "text.txt")], 320 if request.param == "bpe" else 90, kind=request.param
    )
    vocabulary = MaskingVocabulary(tokenizer)
    corpus = tokenize([CorpusFile(folder / "text.txt")], tokenizer, folder)
    return vocabulary, packed(corpus, vocabulary.special, 128, 0, folder)


def _million(rows: npt.NDArray[np.uint16], tokens: int) -> npt.NDArray[np.uint16]:
    return np.tile(rows, (math.ceil(tokens / rows.size), 1))[: tokens // 128 // CHUNK * CHUNK]


@pytest.mark.parametrize("unit", UNITS)
def test_rates_and_special_tokens(texts: tuple[MaskingVocabulary, npt.NDArray[np.uint16]], unit: str) -> None:
    vocabulary, rows = texts
    masker, rng = Masker(vocabulary, Masking(unit)), np.random.default_rng(1)
    # A million tokens for every unit with one kind of vocabulary, fewer with the others.
    bpe = len(vocabulary.forbidden) > 200
    rows = _million(rows, 1_050_000 if bpe else 250_000)
    for rate in (0.15, 0.3) if unit == "token" else (0.15,):
        masked = maskable = 0
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            batch = masker(part, rate, rng)
            used = batch.labels != IGNORED
            assert len(batch.labels) == masker.slots(CHUNK, 128, rate)
            assert not vocabulary.forbidden[batch.labels[used]].any()
            flat = batch.input_ids.reshape(-1)
            assert (flat[batch.positions[used]] == vocabulary.special.mask).all()
            assert (batch.input_ids == vocabulary.special.mask).sum() == used.sum()
            if unit != "gap":  # gaps may be tokenised anew
                flat[batch.positions[used]] = batch.labels[used]
                np.testing.assert_array_equal(batch.input_ids, part)
            masked += int(used.sum())
            maskable += int((~vocabulary.forbidden[part]).sum())
        assert abs(masked / maskable - rate) < 0.002


def test_berts_eighty_ten_ten(texts: tuple[MaskingVocabulary, npt.NDArray[np.uint16]]) -> None:
    vocabulary, rows = texts
    rows = _million(rows, 600_000)
    batch = Masker(vocabulary, Masking(corruption="bert"))(rows, 0.15, np.random.default_rng(0))
    used = batch.labels != IGNORED
    shown, true = batch.input_ids.reshape(-1)[batch.positions[used]], batch.labels[used]
    assert abs((shown == vocabulary.special.mask).mean() - 0.8) < 0.01
    lucky = 0.1 / len(vocabulary.ordinary)  # a random token may be the true one
    assert abs((shown == true).mean() - 0.1 - lucky) < 0.01
    random = shown[(shown != true) & (shown != vocabulary.special.mask)]
    assert not vocabulary.forbidden[random].any()
    assert len(np.unique(random)) > 0.9 * len(vocabulary.ordinary)


def test_tokens_are_hidden_evenly(texts: tuple[MaskingVocabulary, npt.NDArray[np.uint16]]) -> None:
    """Each row to a token, and each place as often as any other within five standard deviations."""
    vocabulary, _ = texts
    rows = np.full((8000, 128), vocabulary.ordinary[3], np.uint16)
    batch = Masker(vocabulary)(rows, 0.15, np.random.default_rng(0))
    positions = batch.positions[batch.labels != IGNORED]
    assert set(np.bincount(positions // 128)) <= {19, 20}
    times = np.bincount(positions % 128, minlength=128)
    assert abs(times / 8000 - 0.15).max() < 5 * (0.15 * 0.85 / 8000) ** 0.5


def test_words_are_hidden_whole(texts: tuple[MaskingVocabulary, npt.NDArray[np.uint16]]) -> None:
    vocabulary, rows = texts
    batch = Masker(vocabulary, Masking("word"))(rows[:200], 0.15, np.random.default_rng(0))
    hidden = batch.input_ids == vocabulary.special.mask
    starts = vocabulary.word_starts(rows[:200].astype(np.int64))
    inside = ~starts[:, 1:]
    assert inside.sum() > 1000
    np.testing.assert_array_equal(hidden[:, 1:][inside], hidden[:, :-1][inside])


def test_spans_are_geometric_and_of_whole_words() -> None:
    """One word a token, no ends in sight: the lengths are those of SpanBERT's distribution, of a mean of 3.8."""
    assert (SPAN_LENGTHS * SPAN_SHARES).sum() == pytest.approx(3.797, abs=0.01)
    rows, vocabulary = _one_word_a_token(20_000)
    batch = Masker(vocabulary, Masking("span"))(rows, 0.02, np.random.default_rng(0))
    lengths = _runs(batch.input_ids == vocabulary.special.mask)
    # At 2% spans hardly meet, and the end of a row cuts few of them.
    shares = np.bincount(lengths, minlength=11)[1:11] / len(lengths)
    assert len(lengths) > 8000
    assert abs(shares - SPAN_SHARES).max() < 0.02


def test_gaps_have_lengths_of_characters(texts: tuple[MaskingVocabulary, npt.NDArray[np.uint16]]) -> None:
    """What a gap's masks and the letters left round it spell is the text that was there."""
    vocabulary, rows = texts
    part = rows[:256]
    batch = Masker(vocabulary, Masking("gap"))(part, 0.15, np.random.default_rng(3))
    truth = batch.input_ids.copy()
    used = batch.labels != IGNORED
    truth.reshape(-1)[batch.positions[used]] = batch.labels[used]
    changed = 0
    for before, after in zip(part, truth, strict=True):
        spelled = [
            "".join(vocabulary.texts[i] or "?" for i in row if not vocabulary.forbidden[i]) for row in (before, after)
        ]
        a, b = (s.replace(" ", "") for s in spelled)
        assert a.startswith(b[:-1])  # the end of a row that grew is cut off
        changed += list(before) != list(after)
    assert changed > 32  # letters that survive were tokenised anew
    assert GAP_LENGTHS.max() == 30


def _one_word_a_token(count: int) -> tuple[npt.NDArray[np.uint16], MaskingVocabulary]:
    tokenizer = train_tokenizer([CorpusFile(Path(__file__))], 600, kind="wordpiece")
    vocabulary = MaskingVocabulary(tokenizer)
    starting = [i for i in vocabulary.ordinary if (vocabulary.texts[i] or "").startswith(" ")]
    rows = np.random.default_rng(0).choice(starting, (count, 128)).astype(np.uint16)
    return rows, vocabulary


def _runs(hidden: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    padded = np.pad(hidden, ((0, 0), (1, 1))).astype(np.int8)
    edges = np.diff(padded, axis=1)
    return np.argwhere(edges == -1)[:, 1] - np.argwhere(edges == 1)[:, 1]


def test_schedules() -> None:
    assert [s.rate for s in stages(0.30, 0.15)] == [0.30, 0.25, 0.20, 0.15]
    assert [s.rate for s in stages(0.30, 0.15, "cosine")] == [0.30, 0.2625, 0.1875, 0.15]
    assert [s.rate for s in stages(0.4, 0.15, "constant")] == [0.4] * 4
    assert [s.length for s in stages(0.3, 0.15, last_length=256)] == [128, 128, 128, 256]
    recipe = Recipe(tokens=8192 * 1000, warmup_steps=100, stages=stages(0.3, 0.15, last_length=256))
    factors = [recipe.rate_factor(step) for step in range(1000)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[99:601] == [1.0] * 502
    assert factors[800] == pytest.approx(0.5)
    assert factors[999] == pytest.approx(0.0025)
    assert [recipe.stage_at(s).rate for s in (0, 249, 250, 500, 750, 999)] == [0.30, 0.30, 0.25, 0.20, 0.15, 0.15]
    for schedule in ("linear", "cosine"):
        falling = Recipe(tokens=8192 * 1000, warmup_steps=100, schedule=schedule)
        after = [falling.rate_factor(step) for step in range(100, 1000)]
        assert after == sorted(after, reverse=True)
        assert after[450] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("objective", ["nsp", "sop"])
def test_sentence_pairs(tmp_path: Path, objective: str) -> None:
    """Half of the pairs follow each other in their document; for the others B is foreign, or A and B are exchanged."""
    places = ("bakery", "river", "town", "market")
    documents = [
        " ".join(f"Document{d} has a sentence number{n} about the {places[n % 4]}." for n in range(24))
        for d in range(60)
    ]
    (tmp_path / "text.txt").write_text("\n\n".join(documents))
    sources = [CorpusFile(tmp_path / "text.txt")]
    assert len(split_sentences(documents[0])) == 24
    tokenizer = train_tokenizer(sources, 400, kind="wordpiece")
    special = MaskingVocabulary(tokenizer).special
    corpus = tokenize(sources, tokenizer, tmp_path, sentences=True)
    pairs = make_pairs(corpus, special, 64, np.arange(len(corpus)), objective, 0)
    assert abs(pairs.labels.mean() - 0.5) < 0.1
    types = token_types(pairs.rows.astype(np.int64), special)
    for row, kinds, changed in zip(pairs.rows, types, pairs.labels, strict=True):
        assert row[0] == special.bos
        assert (row == special.eos).sum() == 2
        assert kinds[row == special.pad].sum() == 0
        a, b = (tokenizer.decode(row[(kinds == k) & (row != special.pad)].tolist()) for k in (0, 1))
        owners = [{w for w in part.split() if w.startswith("document") or w.startswith("Document")} for part in (a, b)]
        numbers = [[int(w[6:]) for w in part.split() if w.startswith("number") and w[6:].isdigit()] for part in (a, b)]
        if objective == "sop" or not changed:
            assert owners[0] == owners[1] or not all(owners)
        elif all(owners):
            assert owners[0] != owners[1]
        if all(numbers) and (objective == "sop" or not changed):
            assert (numbers[0][-1] < numbers[1][0]) == (not changed)
