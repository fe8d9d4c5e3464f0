"""Options of `train adapt` and `train pretrain` that make something new of a model, as they are called."""

import json
import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the train extra")
pytest.importorskip("transformers", reason="training needs the train extra")

from safetensors.torch import load_file, save_file
from test_guide import write_encoder
from tiny import SENTENCES, write_roberta
from tokenizers import Tokenizer

from fillmask import FillMask
from fillmask.cli import run

SHORT = ["--threads", "1", "--no-compile", "--batch-tokens", "512"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(" ".join(SENTENCES[n : n + 3]) for n in range(40)), "utf-8")
    return path


def test_a_sweep_writes_its_table_and_the_training_takes_the_best(text: Path, tmp_path: Path) -> None:
    model = write_roberta(tmp_path / "model")
    command = ["train", "adapt", str(model), str(text), "-o", str(tmp_path / "out"), *SHORT, "--tokens", "15000",
               "--sweep", "--sweep-tokens", "1000"]  # fmt: skip
    assert run(command) == 0
    work = tmp_path / "out" / "training"
    table = json.loads((work / "sweep.json").read_text())
    assert [trial["factor"] for trial in table["trials"]] == [0.25, 0.5, 1.0, 2.0, 4.0]
    best = min(table["trials"], key=lambda trial: trial["loss"])
    recipe = json.loads((work / "recipe.json").read_text())
    assert (recipe["lr"], recipe["muon_lr"]) == (best["lr"], best["muon_lr"])
    assert "| times | AdamW | Muon |" in (work / "sweep.md").read_text()
    assert not list((work / "sweep").glob("*"))
    curve = (work / "curve.jsonl").read_bytes()
    assert run(command) == 0  # nothing is left to do, and no trial is run again
    assert (work / "curve.jsonl").read_bytes() == curve


def test_pretraining_from_an_encoder_with_another_vocabulary(text: Path, tmp_path: Path) -> None:
    write_encoder(tmp_path / "encoder", text)
    vocabulary = tmp_path / "vocabulary"
    assert run(["train", "tokenizer", str(text), "-o", str(vocabulary), "--vocab-size", "400"]) == 0
    out = tmp_path / "out"
    command = ["train", "pretrain", str(text), "-o", str(out), *SHORT, "--tokens", "10000", "--length", "64", "--initial",
               str(tmp_path / "encoder"), "--tokenizer", str(vocabulary), "--optimizer", "normuon", "--average", "0.5"]  # fmt: skip
    assert run([*command, "--grow-head"]) == 0
    assert "| new vocabulary | " in (out / "README.md").read_text()
    assert json.loads((out / "config.json").read_text())["model_type"] == "bert"
    assert len(FillMask(out)("The old dog went to the<mask> early.")) == 5
    shutil.rmtree(out)


def test_an_encoder_becomes_the_student_of_a_teacher_with_another_vocabulary(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_encoder(tmp_path / "encoder", text)
    teacher, out = write_roberta(tmp_path / "teacher"), tmp_path / "out"
    command = ["train", "distil", str(teacher), str(text), "-o", str(out), *SHORT, "--tokens", "10000", "--student",
               str(tmp_path / "encoder"), "--soft", "0.7", "--masked", "0.3", "--cosine", "0", "--temperature", "1"]  # fmt: skip
    assert run([*command, "--move-vocabulary"]) == 1
    assert "--grow-head" in capsys.readouterr().err
    assert run([*command, "--grow-head"]) == 1
    assert "--move-vocabulary" in capsys.readouterr().err
    assert run([*command, "--grow-head", "--move-vocabulary", "--average", "0.2"]) == 0
    card = (out / "README.md").read_text()
    assert "| new head | " in card
    assert "| new vocabulary | " in card
    assert json.loads((out / "config.json").read_text())["model_type"] == "bert"
    assert len(FillMask(out)("The old dog went to the<mask> early.")) == 5
    curve = [json.loads(line)["loss"] for line in (out / "training" / "curve.jsonl").read_text().splitlines()]
    assert curve[-1] < curve[0]


def test_rows_are_no_longer_than_the_model_reads(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, teacher = tmp_path / "encoder", write_roberta(tmp_path / "teacher")
    write_encoder(folder, text)
    weights = load_file(folder / "model.safetensors")
    name = "embeddings.position_embeddings.weight"
    save_file(weights | {name: weights[name][:48].clone()}, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 48}
    (folder / "config.json").write_text(json.dumps(config))
    options = [str(text), *SHORT, "--tokens", "1024", "--grow-head", "-o"]
    assert run(["train", "pretrain", *options, str(tmp_path / "long"), "--initial", str(folder)]) == 1
    assert "rows of 128 tokens are longer than the 48 that" in capsys.readouterr().err
    assert run(["train", "pretrain", *options, str(tmp_path / "one"), "--initial", str(folder), "--length", "48"]) == 0
    student = ["--student", str(folder), "--move-vocabulary"]
    assert run(["train", "distil", str(teacher), *options, str(tmp_path / "two"), *student]) == 0
    assert json.loads((tmp_path / "two" / "training" / "recipe.json").read_text())["stages"][0]["length"] == 48


def test_padding_and_truncation_of_a_tokenizer_are_not_trained_on(text: Path, tmp_path: Path) -> None:
    """Sentence encoders' tokenizer.json cuts and pads every text to one length."""
    write_encoder(tmp_path / "encoder", text)
    path = tmp_path / "encoder" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    documents = text.read_text("utf-8").split("\n\n")
    expected = sum(len(tokenizer.encode(document, add_special_tokens=False).ids) for document in documents)
    tokenizer.enable_padding(length=16)
    tokenizer.enable_truncation(16)
    tokenizer.save(str(path))
    for number, command in enumerate((
        ["adapt", str(tmp_path / "encoder"), str(text), "--grow-head"],
        ["adapt", str(tmp_path / "encoder"), str(text), "--grow-head", "--tokenizer", str(tmp_path / "encoder")],
        ["pretrain", str(text), "--grow-head", "--initial", str(tmp_path / "encoder"), "--length", "64"],
    )):  # fmt: skip
        out = tmp_path / str(number)
        assert run(["train", *command, "-o", str(out), *SHORT, "--tokens", "512"]) == 0
        (facts,) = (out / "training" / "cache").glob("tokens-*/corpus.json")
        assert json.loads(facts.read_text())["tokens"] == expected


def test_options_that_do_not_go_together(text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["-o", str(tmp_path / "out"), *SHORT]
    write_encoder(tmp_path / "encoder", text)
    for command, message in (
        (["adapt", "bundled", str(text), *out, "--sweep-tokens", "1000"], "--sweep-tokens goes with --sweep"),
        (["pretrain", str(text), *out, "--grow-head"], "--initial"),
        (["pretrain", str(text), *out, "--initial", "bundled", "--objective", "nsp"], "no head for sentence pairs"),
        (["pretrain", str(text), *out, "--initial", str(tmp_path / "encoder")], "--grow-head"),
        (["adapt", str(tmp_path / "encoder"), str(text), *out], "--grow-head"),
        (["adapt", "bundled", str(text), *out, "--tokenizer", str(tmp_path / "none")], "expected a folder or a hub id"),
        (["distil", "bundled", str(text), *out, "--grow-head"], "--student"),
        (["adapt", "bundled", str(text), *out, "--tokens", "5000", "--sweep"], "is longer than the training"),
    ):
        assert run(["train", *command]) in (1, 2)
        assert message in capsys.readouterr().err, command
