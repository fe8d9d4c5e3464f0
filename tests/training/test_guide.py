"""The newcomer's path, as the guide to training writes it, on less text and for fewer tokens."""

import json
import random
import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs the train extra")
pytest.importorskip("transformers", reason="training needs the train extra")

from fillmask.cli import run

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "training.md"
PATH = "## From five megabytes of text to fills"
WARM_START = "## Start from an encoder that fills no masks"


def commands(heading: str) -> list[list[str]]:
    """The command lines of the first block under the heading, without the name of the program."""
    section = GUIDE.read_text("utf-8").partition(heading)[2]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found, f"no commands under {heading!r}"
    lines = [shlex.split(line, comments=True) for line in found[1].splitlines()]
    assert all(line[0] == "fillmask" for line in lines)
    return [line[1:] for line in lines]


def test_the_guides_commands_go_from_text_to_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(0)
    doing, places = ("going", "walking", "running"), ("bakery", "station", "market", "river")
    documents = [[f"I am {rng.choice(doing)} to the {rng.choice(places)} today." for _ in range(9)] for _ in range(250)]
    (tmp_path / "my.txt").write_text("\n\n".join("\n".join(lines) for lines in documents))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FILLMASK_THREADS", "1")
    path = commands(PATH)
    assert [line[:2] for line in path] == [["train", "tokenizer"], ["train", "pretrain"], ["fill", "-m"]]
    for line in path:
        smaller = ["1.6e5" if line[at - 1] == "--tokens" else word for at, word in enumerate(line)]
        capsys.readouterr()
        assert run(smaller) == 0
    filled = capsys.readouterr().out.splitlines()
    assert len(filled) == 5
    shares = [float(line.split("\t")[0]) for line in filled]
    assert shares == sorted(shares, reverse=True)
    # It is on its way; that it arrives is for the tests of the commands, whose text is made for it.
    curve = [json.loads(line)["loss"] for line in Path("my-model/training/curve.jsonl").read_text().splitlines()]
    assert curve[-1] < 0.8 * curve[0]
    for name in ("config.json", "model.safetensors", "tokenizer.json", "README.md", "training/curve.png", "training/state.pt"):  # fmt: skip
        assert (tmp_path / "my-model" / name).exists(), name


def test_the_guides_warm_start_goes_from_an_encoder_to_fills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The section's commands, from an encoder with random weights and another vocabulary."""
    rng = random.Random(0)
    doing, places = ("going", "walking", "running"), ("bakery", "station", "market", "river")
    documents = [[f"I am {rng.choice(doing)} to the {rng.choice(places)} today." for _ in range(9)] for _ in range(250)]
    (tmp_path / "letters.txt").write_text("\n\n".join("\n".join(lines) for lines in documents))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FILLMASK_THREADS", "1")
    write_encoder(tmp_path / "sentence-encoder", tmp_path / "letters.txt")
    path = commands(WARM_START)
    assert [line[:2] for line in path] == [["train", "tokenizer"], ["train", "adapt"], ["fill", "-m"]]
    refused = [word for word in path[1] if word != "--grow-head"]
    assert run(path[0]) == 0
    capsys.readouterr()
    assert run(refused) == 1
    assert "--grow-head" in capsys.readouterr().err
    assert run([*path[1], "--tokens", "6e4", "--batch-tokens", "1024", "--lr", "5e-3"]) == 0
    capsys.readouterr()
    assert run(path[2]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    curve = [json.loads(line)["loss"] for line in Path("letters-model/training/curve.jsonl").read_text().splitlines()]
    assert curve[-1] < 0.8 * curve[0]
    card = Path("letters-model/README.md").read_text()
    for fact in (
        "| new head | cls.predictions",
        "| new vocabulary | ",
        "match nothing",
        '"average": 0.2',
        '"hold": 0.05',
        '"body_rate": 0.5',
    ):
        assert fact in card, fact


def write_encoder(folder: Path, text: Path) -> None:
    """A bare BertModel with an uncased vocabulary, as sentence encoders are."""
    from transformers import AutoModel

    from fillmask.data.documents import CorpusFile
    from fillmask.training import families
    from fillmask.training.export import quiet
    from fillmask.training.tokenizer import save_tokenizer, special_ids, train_tokenizer

    tokenizer = train_tokenizer([CorpusFile(text)], 200, kind="wordpiece", lowercase=True)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = families.make_config("bert", "tiny", tokenizer.get_vocab_size(), special_ids(tokenizer), **shape)
    with quiet():
        AutoModel.from_config(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder, 512)
