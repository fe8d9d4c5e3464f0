"""Damage on purpose and what is measured on it."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tiny import SENTENCES

from fillmask import CorpusError, InputError
from fillmask.choices import STRATEGIES
from fillmask.restore.calibration import fitting
from fillmask.restore.calibration.evaluation import (
    Answer,
    RestorationReport,
    answered,
    calibration_error,
    compare,
    edits,
    evaluate,
    measure,
    reliability,
)
from fillmask.restore.calibration.samples import KINDS, Sample, draw
from fillmask.restore.damage import Known, Lost
from fillmask.restore.restoration import Reading
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.runtime.options import RuntimeOptions

DOCUMENTS = {
    "tales": [" ".join(SENTENCES[n : n + 12]) for n in range(0, 24, 4)],
    "more": [" ".join(reversed(SENTENCES[n : n + 12])) for n in range(0, 24, 4)],
}
ALL = [text for texts in DOCUMENTS.values() for text in texts]


def test_every_sample_can_be_read_right() -> None:
    for kind in KINDS:
        samples = list(draw(DOCUMENTS, kinds=[kind], holes=12, seed=3))
        assert sum(len(s.truths) for s in samples) >= 12
        for sample in samples:
            assert sample.kind == kind
            for hole, truth in zip(sample.damaged.holes, sample.truths, strict=True):
                assert hole.admits(truth)
            whole = sample.damaged.filled(sample.truths)
            assert any(whole in text for text in DOCUMENTS[sample.source]), whole
        assert {s.source for s in samples} == set(DOCUMENTS) or kind.startswith("document")


def lost(sample: Sample) -> int:
    return sum(len(t) for t in sample.truths) - sum(
        len(e.text) for h in sample.damaged.holes for e in h.elements if isinstance(e, Known)
    )


def test_kinds_are_what_they_say() -> None:
    for n in (1, 4, 10):
        assert all(lost(s) == n for s in draw(ALL, kinds=[f"characters-{n}"], holes=20))
    for n in (1, 3, 5):
        for s in draw(ALL, kinds=[f"words-{n}"], holes=20):
            assert s.truths[0].count(" ") == n - 1
            (element,) = s.damaged.holes[0].elements
            assert isinstance(element, Lost)
            assert element.least == element.most == len(s.truths[0])
    for s in draw(ALL, kinds=["unknown"], holes=20):
        assert s.damaged.holes[0].most is None
    for s in draw(ALL, kinds=["partial-50"], holes=20):
        assert lost(s) == max(1, round(len(s.truths[0]) / 2))
        assert any(isinstance(e, Known) for e in s.damaged.holes[0].elements)
    for s in draw(ALL, kinds=["document-10"], holes=20):
        share = lost(s) / len(s.damaged.filled(s.truths))
        assert 0.09 < share < 0.16
        assert len(s.truths) > 3


def test_damage_depends_on_the_seed_alone() -> None:
    first = list(draw(DOCUMENTS, holes=5, seed=1))
    assert first == list(draw(DOCUMENTS, holes=5, seed=1))
    assert first != list(draw(DOCUMENTS, holes=5, seed=2))
    with pytest.raises(InputError, match="no kind of damage 'fire'"):
        list(draw(DOCUMENTS, kinds=["fire"]))
    with pytest.raises(CorpusError, match="25 words or more"):
        list(draw(["too short"]))


def test_measures_by_hand() -> None:
    base = Answer("words-1", "", "bakery", 0, "bakery", 0.9, 6, True, 0.5)
    answers = [
        base,
        replace(base, rank=3, best="bakers", probability=0.8, seconds=1.5),
        replace(base, rank=None, best=None, probability=0.0, admissible=False, seconds=1.0),
        replace(base, rank=0, probability=0.4),
    ]
    found = measure(answers)
    assert (found.holes, found.top1, found.top20, found.admissible) == (4, 0.5, 0.75, 0.75)
    assert found.cer == pytest.approx((0 + 1 + 6 + 0) / 24)
    assert found.seconds == pytest.approx(3.5 / 4)
    # Bins of 0.9, 0.8, 0.0 and 0.4, one answer each.
    assert found.ece == pytest.approx((0.1 + 0.8 + 0.0 + 0.6) / 4)
    assert edits("kitten", "sitting") == 3
    assert edits("", "abc") == 3


def test_bins_of_probability() -> None:
    assert reliability([0.05, 0.95, 1.0], [False, True, True]) == [(0.05, 0.0, 1), (pytest.approx(0.975), 1.0, 2)]
    assert calibration_error([0.5] * 10, [True, False] * 5) == 0
    assert calibration_error([0.9] * 10, [True, False] * 5) == pytest.approx(0.4)
    assert calibration_error([], []) == 0


def test_systems_are_compared_on_the_same_holes() -> None:
    samples = list(draw(ALL, kinds=["words-1", "document-5"], holes=10))
    seen: list[tuple[int, int]] = []

    def knows(sample: Sample) -> list[list[Reading]]:
        return [[Reading("wrong", 0.6), Reading(t, 0.4)] for t in sample.truths]

    def silent(sample: Sample) -> list[list[Reading]]:
        return [[] for _ in sample.truths]

    report = compare({"knows": knows, "silent": silent}, samples, on_progress=lambda a, b: seen.append((a, b)))
    assert report.measured("knows").top20 == 1
    assert report.measured("knows").top1 == report.measured("silent").top20 == 0
    assert report.measured("silent").cer == pytest.approx(1, abs=1.5)
    assert seen[-1][0] == seen[-1][1] == 2 * sum(len(s.truths) for s in samples)
    (first, *_) = answered(knows, samples[0])
    assert first.rank == 1
    printed = report.to_dict()
    assert json.loads(json.dumps(printed))["knows"]["kinds"]["words-1"]["top20"] == 1


def test_a_table_is_whole_on_eighty_columns() -> None:
    """The longest names, the largest numbers: nothing is cut short."""
    answers = tuple(Answer(kind, "", "x" * 9, None, "y" * 9, 1.0, 1, True, 9.0) for kind in KINDS for _ in range(700))
    report = RestorationReport(dict.fromkeys(STRATEGIES, answers))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(report.table())
    text = console.export_text()
    assert "…" not in text
    for name in (*STRATEGIES, *KINDS, "strategy", "ms/hole", "900.0%", "1.000", "9000", f"{len(answers):,}"):
        assert name in text


def test_a_model_is_evaluated_and_calibrated(roberta_folder: Path) -> None:
    model = MaskedLM(roberta_folder, RuntimeOptions(threads=1))
    kinds = ["words-1", "partial-50", "document-10"]
    report = evaluate(model, DOCUMENTS, strategies=("independent", "joint"), kinds=kinds, holes=4)
    for strategy in ("independent", "joint"):
        found = report.measured(strategy)
        assert found.holes >= 12
        assert found.admissible == 1
        assert 0 <= found.top1 <= found.top20 <= 1
    assert {"tales", "more"} <= set(report.to_dict()["joint"]["sources"])
    with pytest.raises(InputError, match="strategy is 'guess'"):
        evaluate(model, DOCUMENTS, strategies=("guess",))
    done: list[tuple[int, int]] = []
    fitted = fitting.fit(
        model,
        DOCUMENTS,
        holes=52,
        strategies=("independent",),
        kinds=["words-1", "partial-50"],
        on_progress=lambda a, b: done.append((a, b)),
    )
    assert set(fitted.weights) == {"independent"}
    assert done[-1][0] == done[-1][1] == fitted.fitted_on["holes"]
    with pytest.raises(CorpusError, match="expected 100 or more"):
        fitting.fit(model, DOCUMENTS, holes=1, strategies=("independent",), kinds=["words-1"])
