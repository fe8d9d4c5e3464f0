"""`batch --task marginals` gives what the library gives, and goes on where it was."""

import json
from pathlib import Path
from typing import Any

import pytest

from fillmask.batch import local, tasks
from fillmask.batch.job import BatchJob
from fillmask.batch.tasks import ModelOptions, TaskOptions
from fillmask.data.files import find_files
from fillmask.errors import InputError
from fillmask.runtime.masked_lm import MaskedLM
from fillmask.tasks.marginals import TokenLogProbabilities, log_probabilities_each
from fillmask.tasks.targets import Targets

TEXTS = ["The old dog went to the bakery.", "Bread, and two coins.", "The old dog went to the bakery.", "word " * 200]


def answers(folder: Path) -> list[dict[str, Any]]:
    lines = [line for path in sorted(folder.glob("part-*")) for line in path.read_text("utf-8").splitlines()]
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("convention", ["masked", "wild-type"])
@pytest.mark.parametrize("words", [None, ["dog", "cat"]])
def test_answers_are_those_of_the_library(modernbert_folder: Path, tmp_path: Path, convention: str, words: list[str] | None) -> None:  # fmt: skip
    (tmp_path / "in.txt").write_text("\n".join(TEXTS), "utf-8")
    parameters = {"convention": convention, "targets": words}
    options = TaskOptions("marginals", parameters, ModelOptions(str(modernbert_folder), threads=2))
    job = BatchJob(find_files([str(tmp_path / "in.txt")]), tmp_path / "out", options, "jsonl", 2)
    summary = local.run(job)
    assert (summary.rows, summary.rejected) == (3, 1)
    assert local.run(job).computed == 0
    model = MaskedLM(str(modernbert_folder))
    targets = Targets.from_words(model.tokenizer, words, model.vocab_size) if words else None
    expected = log_probabilities_each(model, TEXTS[:3], convention=convention, targets=targets)
    for row, text in zip(answers(tmp_path / "out"), expected, strict=True):
        assert isinstance(text, TokenLogProbabilities)
        assert row["token"] == list(text.tokens)
        assert row["log_probability"] == pytest.approx(text.own.tolist(), rel=1e-4)
        assert row["pseudo_log_likelihood"] == pytest.approx(text.pseudo_log_likelihood, rel=1e-4)
        assert row["pseudo_perplexity"] == pytest.approx(text.pseudo_perplexity, rel=1e-3)
        if targets is not None:
            assert row["target"] == model.tokenizer.convert_ids_to_tokens(targets.inside.tolist())
            assert row["target_log_probability"] == [pytest.approx(values, rel=1e-4) for values in text.values.tolist()]


def test_parquet_has_the_same_columns(modernbert_folder: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="Parquet needs the data extra")
    (tmp_path / "in.txt").write_text("\n".join(TEXTS[:2]), "utf-8")
    options = TaskOptions("marginals", {"targets": ["dog"]}, ModelOptions(str(modernbert_folder), threads=1))
    local.run(BatchJob(find_files([str(tmp_path / "in.txt")]), tmp_path / "out", options))
    table = pq.read_table(tmp_path / "out")
    assert table.column_names == ["row", "text", *tasks.columns(options)]
    assert [len(row) for row in table.column("target_log_probability").to_pylist()] == [len(row) for row in table.column("token").to_pylist()]  # fmt: skip


def test_a_convention_that_there_is_not() -> None:
    with pytest.raises(InputError, match="convention is 'wild'; expected one of masked, wild-type"):
        tasks.load(TaskOptions("marginals", {"convention": "wild"}))
