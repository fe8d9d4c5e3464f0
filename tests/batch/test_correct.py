"""The task `correct`: its columns, one row at a time."""

import json
from pathlib import Path

import pytest

from fillmask import InputError
from fillmask.batch.columns import plain
from fillmask.batch.tasks import TaskOptions, columns, load

CLEAN, READ = "He went to the market.", "He went to tbe market with his wife."


def test_the_answers_are_what_the_facade_says() -> None:
    task = load(TaskOptions("correct"))
    work = task.prepare([READ, CLEAN, READ])
    assert work.pieces == 2
    for piece in range(work.pieces):
        work.run(piece)
    answers, failures = work.answers()
    assert not failures
    assert [column.name for column in answers] == list(task.columns) == list(columns(TaskOptions("correct")))
    values = {column.name: plain(column.values) for column in answers}
    assert values["corrected"] == [READ.replace("tbe", "the"), CLEAN, READ.replace("tbe", "the")]
    assert values["source"] == [["tbe"], [], ["tbe"]]
    assert values["correction"] == [["the"], [], ["the"]]
    assert values["changed"] == [[True], [], [True]]
    assert values["probability"][0][0] > 0.7


def test_a_threshold_is_a_parameter() -> None:
    task = load(TaskOptions("correct", {"min_probability": 1.0}))
    work = task.prepare([READ])
    work.run(0)
    (corrected, *_), _ = work.answers()
    assert corrected.values == [READ]
    with pytest.raises(InputError, match="min_probability is 7"):
        load(TaskOptions("correct", {"min_probability": 7}))


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_a_file_is_corrected_row_by_row(tmp_path: Path, format: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs the data extra")
    from click.testing import CliRunner

    from fillmask.cli.batch import command

    source = tmp_path / "pages.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in (READ, CLEAN)), "utf-8")
    arguments = [str(source), str(tmp_path / "out"), "--task", "correct", "--format", format]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
