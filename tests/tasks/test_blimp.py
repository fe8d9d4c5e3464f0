"""BLiMP: scores as those of `FillMask.score`, nothing computed twice, ties wrong, and files that are none."""

import gzip
import json
import lzma
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tiny import SENTENCES

from fillmask import CorpusError, FillMask, InputError
from fillmask.choices import SCORING_METHODS
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.blimp import Blimp, Pair, Paradigm, blimp, read_pairs
from fillmask.tasks.score import pseudo_log_likelihoods
from fillmask.tokenization.masked_input import MaskedInput

TEXTS = [*SENTENCES[:6], "The unbelievable house, beyond the sea.", "A sea.", SENTENCES[2]]


@pytest.fixture(scope="module", params=["roberta_folder", "modernbert_folder"])
def scorer(request: pytest.FixtureRequest) -> FillMask:
    return FillMask(request.getfixturevalue(request.param))


def test_scores_are_those_of_each_method_alone(scorer: FillMask) -> None:
    found = pseudo_log_likelihoods(scorer.model, TEXTS, methods=SCORING_METHODS)
    assert found.shape == (len(TEXTS), 3)
    for column, method in enumerate(SCORING_METHODS):
        expected = [score.score for score in scorer.score(TEXTS, method=method)]
        np.testing.assert_allclose(found[:, column], expected, atol=1e-3)
    # The same text has the same score to the last bit: a tie stays one.
    assert (found[2] == found[-1]).all()


def test_no_row_is_computed_twice(scorer: FillMask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[MaskedInput] = []
    ask = scorer.model.log_probabilities

    def log_probabilities(items: Sequence[MaskedInput]) -> Iterator[tuple[int, np.ndarray]]:
        asked.extend(items)
        return ask(items)

    monkeypatch.setattr(scorer.model, "log_probabilities", log_probabilities)
    texts = ["The old dog went home.", "The old cat went home."]
    both = pseudo_log_likelihoods(scorer.model, texts, methods=("original", "word-l2r"))
    together = len(asked)
    rows = {(tuple(item.ids), tuple(item.positions)) for item in asked}
    assert len(rows) == together
    asked.clear()
    apart = [pseudo_log_likelihoods(scorer.model, [t], methods=(m,))[0, 0] for t in texts for m in ("original", "word-l2r")]  # fmt: skip
    assert together < len(asked)
    np.testing.assert_allclose(both.reshape(-1), apart, atol=1e-3)


def test_errors_of_texts(scorer: FillMask) -> None:
    assert pseudo_log_likelihoods(scorer.model, []).shape == (0, 2)
    with pytest.raises(InputError, match="has no tokens"):
        pseudo_log_likelihoods(scorer.model, ["One.", ""])
    with pytest.raises(InputError, match="method is 'best'"):
        pseudo_log_likelihoods(scorer.model, ["One."], methods=("best",))


def pairs_of(texts: Sequence[str], paradigm: str, phenomenon: str = "binding") -> list[Pair]:
    return [Pair(paradigm, phenomenon, good, bad) for good, bad in pairwise(texts)]


def test_accuracy_is_counted(scorer: FillMask) -> None:
    pairs = [*pairs_of(SENTENCES[:9], "one"), *pairs_of(SENTENCES[20:26], "two"), *pairs_of(SENTENCES[9:12], "three", "ellipsis")]  # fmt: skip
    done: list[tuple[int, int]] = []
    found = blimp(scorer.model, pairs, on_progress=lambda *at: done.append(at))
    assert done == [(8, 15), (13, 15), (15, 15)]
    assert [(p.name, p.phenomenon, p.pairs) for p in found.paradigms] == [("one", "binding", 8), ("two", "binding", 5), ("three", "ellipsis", 2)]  # fmt: skip
    for paradigm in found.paradigms:
        mine = [pair for pair in pairs if pair.paradigm == paradigm.name]
        for method in found.methods:
            scores = [[s.score for s in scorer.score([p.good, p.bad], method=method)] for p in mine]
            assert paradigm.accuracy[method] == np.mean([good > bad for good, bad in scores])
    limited = blimp(scorer.model, pairs, limit=2, methods=("original",))
    assert [p.pairs for p in limited.paradigms] == [2, 2, 2]


def test_a_tie_is_wrong(scorer: FillMask) -> None:
    found = blimp(scorer.model, [Pair("same", "binding", text, text) for text in SENTENCES[:3]])
    assert found.accuracy == {"original": 0, "word-l2r": 0}


def test_means_are_over_paradigms() -> None:
    found = Blimp(
        ("original",),
        (
            Paradigm("a", "binding", 1000, {"original": 0.5}),
            Paradigm("b", "binding", 10, {"original": 1.0}),
            Paradigm("c", "argument_structure", 10, {"original": 0.6}),
        ),
    )
    assert found.phenomena == {"argument_structure": {"original": 0.6}, "binding": {"original": 0.75}}
    assert found.accuracy == {"original": pytest.approx(0.7)}
    assert found.to_dict()["paradigms"]["b"] == {"phenomenon": "binding", "pairs": 10, "accuracy": {"original": 1.0}}


def row(**more: object) -> str:
    return json.dumps({"sentence_good": "A dog runs.", "sentence_bad": "A dog run.", "UID": "p", "linguistics_term": "t"} | more)  # fmt: skip


def test_files(tmp_path: Path) -> None:
    text = row() + "\n\n" + row(UID="q", linguistics_term="s-selection") + "\n"
    (tmp_path / "a.jsonl").write_text(text)
    with lzma.open(tmp_path / "b.jsonl.xz", "wt") as out:
        out.write(text)
    with gzip.open(tmp_path / "c.jsonl.gz", "wt") as out:
        out.write(text)
    expected = [Pair("p", "t", "A dog runs.", "A dog run."), Pair("q", "argument_structure", "A dog runs.", "A dog run.")]  # fmt: skip
    for name in ("a.jsonl", "b.jsonl.xz", "c.jsonl.gz"):
        assert read_pairs(tmp_path / name) == expected
    assert read_pairs(tmp_path) == 3 * expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "there are no pairs"),
        ("a.jsonl", row(UID=3).encode(), "line 1 has no UID; expected a pair"),
        ("a.jsonl", (row() + "\nnull").encode(), "line 2: the JSON is null; expected an object"),
        ("a.jsonl", b"{", "line 1: not JSON"),
        ("a.jsonl", b"\xff\xfe\x00", "not utf-16"),
        ("a.jsonl.xz", b"no xz", "cannot read"),
    ],
)
def test_files_that_are_none(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        read_pairs(path)


def test_options(modernbert_folder: Path) -> None:
    model = MaskedLM(modernbert_folder)
    with pytest.raises(CorpusError, match="no pairs to judge"):
        blimp(model, [])
    with pytest.raises(InputError, match="limit is 0"):
        blimp(model, pairs_of(SENTENCES[:2], "a"), limit=0)
    with pytest.raises(InputError, match="no method"):
        blimp(model, pairs_of(SENTENCES[:2], "a"), methods=())


def test_the_whole_of_blimp_is_read() -> None:
    path = Path(__file__).resolve().parents[3] / "shared" / "eval" / "blimp.jsonl.xz"
    if not path.exists():
        pytest.skip("BLiMP is not beside the repository (../shared/eval)")
    pairs = read_pairs(path)
    assert len(pairs) == 67_000
    assert len({pair.paradigm for pair in pairs}) == 67
    assert len({pair.phenomenon for pair in pairs}) == 12
