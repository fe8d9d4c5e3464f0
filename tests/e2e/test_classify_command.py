"""`fillmask classify` and `fillmask train finetune` in processes of their own."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_cli import one_line, run
from tiny import SENTENCES, write_classifier, write_modernbert

LABELS = ("bad", "good", "neither")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_classifier(tmp_path_factory.mktemp("classifier"), *LABELS))


def test_plain_lines_when_piped(model: str) -> None:
    found = run("classify", "-m", model, "The old dog.", "A  cat.")
    assert (found.returncode, found.stderr) == (0, b"")
    rows = [line.split("\t") for line in found.stdout.decode().splitlines()]
    assert [row[2] for row in rows] == ["The old dog.", "A cat."]
    assert all(row[1] in LABELS and 0 <= float(row[0]) <= 1 for row in rows)
    assert len(run("classify", "-m", model, "-k", "2", "The old dog.").stdout.splitlines()) == 2


def test_json_of_stdin(model: str) -> None:
    texts = [f"{sentence} {n}" for n, sentence in enumerate(SENTENCES * 2)]
    found = run("classify", "-m", model, "--json", "-", stdin="\n\n".join(texts).encode())
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert [row["text"] for row in rows] == texts
    for row in rows:
        assert {label["label"] for label in row["labels"]} == set(LABELS)
        assert sum(label["score"] for label in row["labels"]) == pytest.approx(1, abs=1e-4)


def test_bad_rows_are_named_and_the_others_answered(model: str) -> None:
    long = b"old dog " * 300
    found = run("classify", "-m", model, "--json", "-", stdin=b"one\n" + long + b"\nthree\n" + long)
    assert found.returncode == 3
    assert [json.loads(line)["text"] for line in found.stdout.splitlines()] == ["one", "three"]
    first, second = found.stderr.decode().splitlines()
    assert first.startswith("fillmask: text 2: the text has ")
    assert second.startswith("fillmask: text 4: ")
    cut = run("classify", "-m", model, "--json", "--truncate", "-", stdin=b"one\n" + long)
    assert (cut.returncode, len(cut.stdout.splitlines())) == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("classify", "A dog"), 2, "--model is needed: the bundled model does not classify"),
        (("classify", "-m", "bundled", "A dog"), 1, "bundled has no classification head (classifier.*): it is a ModernBertForMaskedLM"),
        (("classify", "-m", "{model}", "-"), 1, "there is no text to classify"),
        (("classify", "-m", "{model}", "old dog " * 300), 1, "truncation=True, --truncate"),
        (("classify", "-m", "/nowhere/model", "A dog"), 1, "there is no model '/nowhere/model'"),
    ],
)  # fmt: skip
def test_errors_are_one_line(arguments: tuple[str, ...], code: int, message: str, model: str) -> None:
    found = run(*(argument.format(model=model) for argument in arguments))
    assert (found.returncode, found.stdout) == (code, b"")
    assert message in one_line(found.stderr)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_modernbert(tmp_path_factory.mktemp("base")))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    rows = [f'"{text}",{"dog" if "dog" in text else "other"}' for text in SENTENCES]
    path.write_text("text,label\n" + "\n".join(rows) + '\n"",dog\nA cow.,\n')
    return path


def test_finetune_then_classify(base: str, table: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs the train extra")
    pytest.importorskip("matplotlib", reason="training needs the train extra")
    out = tmp_path / "out"
    command = ("train", "finetune", str(table), "-m", base, "-o", str(out), "--epochs", "3", "--lr", "3e-3")
    found = run(*command, "--threads", "1")
    assert found.returncode == 0, found.stderr
    first, second = found.stderr.decode().splitlines()
    assert first == f"fillmask: warning: {table}: 1 row (row 49) has no text; passed over"
    assert second == f"fillmask: warning: {table}: 1 row (row 50) has no label; passed over"
    assert found.stdout.decode().splitlines()[-1].startswith(f"{out}: epoch ")
    again = run(*command)
    assert (again.returncode, again.stdout) == (1, b"")
    assert "is there already" in one_line(again.stderr)
    metrics = json.loads(run(*command, "--overwrite", "--json", "--threads", "1").stdout)
    assert metrics == json.loads((out / "metrics.json").read_text())
    answer = json.loads(run("classify", "-m", str(out), "--json", SENTENCES[0]).stdout)
    assert {label["label"] for label in answer["labels"]} == {"dog", "other"}


def test_a_killed_finetune_goes_on(base: str, table: Path, tmp_path: Path) -> None:
    """kill -9 in the middle; the same command then comes to the metrics of a run that was not killed."""
    pytest.importorskip("torch", reason="training needs the train extra")
    pytest.importorskip("matplotlib", reason="training needs the train extra")
    options = ("-m", base, "--epochs", "12", "--patience", "12", "--lr", "3e-3", "--batch-size", "4", "--threads", "1",
               "--save-seconds", "0")  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run("train", "finetune", str(table), "-o", str(whole), *options).returncode == 0
    command = [sys.executable, "-m", "fillmask.cli", "train", "finetune", str(table), "-o", str(killed), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    curve = killed / "training" / "curve.jsonl"
    while process.poll() is None and (not curve.exists() or len(curve.read_text().splitlines()) < 3):
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -9, "the run was over before it could be killed"
    assert not (killed / "config.json").exists()
    found = run("train", "finetune", str(table), "-o", str(killed), *options)
    assert found.returncode == 0, found.stderr
    expected, metrics = (json.loads((folder / "metrics.json").read_text()) for folder in (whole, killed))
    for one in (expected, metrics):
        for epoch in one["epochs"]:
            del epoch["seconds"]
    assert metrics == expected
    assert len(curve.read_text().splitlines()) == 12


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        ("text,stars\nGood,5\n", (), "has no column 'label'; its columns: text, stars"),
        ("text,label\nGood,a\nBad,a\n", (), "all 2 rows have the label 'a'; expected two labels or more"),
        ("text,label\nGood,\nBad,\n", (), "has no example: 2 rows (rows 1, 2) have no label"),
        ("text,label\n", (), "has no example: it has no rows"),
        ("\x89PNG\udcff\x00", (), "is a binary file"),
        ("text,label\nGood,a\nBad,b\n", ("--epochs", "0"), "epochs is 0; expected 1 or more"),
        ("text,label\nGood,a\nBad,b\n", ("--share", "2"), "expected a number between 0 and 1"),
        ("text,label\nGood,a\nBad,b\n", ("-o", "/proc/no/model"), "/proc/no"),
    ],
)
def test_finetunes_errors_are_one_line(content: str, more: tuple[str, ...], message: str, base: str, tmp_path: Path) -> None:  # fmt: skip
    pytest.importorskip("torch", reason="training needs the train extra")
    pytest.importorskip("matplotlib", reason="training needs the train extra")
    path = tmp_path / "table.csv"
    path.write_bytes(content.encode("utf-8", errors="surrogateescape"))
    found = run("train", "finetune", str(path), "-m", base, "-o", str(tmp_path / "out"), *more)
    assert found.returncode == 1
    assert message in one_line(found.stderr)
    assert not (tmp_path / "out").exists()
