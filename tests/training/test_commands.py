"""`fillmask train …` as its users run it: the newcomer's path, interruptions, several processes, bad input."""

import contextlib
import dataclasses
import io
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra")
transformers = pytest.importorskip("transformers", reason="training needs the train extra")

from safetensors.numpy import load_file, save_file

from fillmask import FillMask
from fillmask.cli import run
from fillmask.cli.train.options import Screen
from fillmask.data.documents import CorpusFile
from fillmask.training.adapt import adapt, adapt_model
from fillmask.training.distil import distil
from fillmask.training.pretrain import TrainingProgress
from fillmask.training.recipe import Recipe, stages
from fillmask.training.session import HardwareOptions, RunOptions, TrainingText

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
_SMALL = [
    "--size",
    "tiny",
    "--length",
    "32",
    "--batch-tokens",
    "512",
    "--no-compile",
    "--threads",
    "1",
    "--warmup-steps",
    "5",
]


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "fillmask.cli", "train", *map(str, arguments)]


def apart(*arguments: object, limit: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        _command(*arguments), capture_output=True, text=True, check=False, env=ENVIRONMENT, preexec_fn=limit
    )


@dataclasses.dataclass
class Done:
    returncode: int
    stderr: str


def train(*arguments: object) -> Done:
    """The command in this process, where torch is imported already."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = run(["train", *map(str, arguments)])
    return Done(code, said.getvalue())


def curve(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "training" / "curve.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "village.txt"
    rng = random.Random(0)
    animals, places, verbs = ("cat", "dog", "bird", "horse"), ("town", "sea", "hill", "wood"), ("goes", "runs", "walks")
    sentence = lambda: (  # noqa: E731
        f"The {rng.choice(animals)} that lives by the {rng.choice(places)} {rng.choice(verbs)} to the {rng.choice(places)} again."
    )
    path.write_text("\n\n".join(" ".join(sentence() for _ in range(rng.randint(2, 12))) for _ in range(400)))
    return path


@pytest.fixture(scope="module")
def model(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newcomer's path, on a smaller size: a tokenizer, a model of it."""
    folder = tmp_path_factory.mktemp("model")
    done = train("tokenizer", text, "-o", folder, "--vocab-size", 300)
    assert done.returncode == 0, done.stderr
    done = train("pretrain", text, "-o", folder, *_SMALL, "--tokens", 120_000)
    assert done.returncode == 0, done.stderr
    assert "(true: " in done.stderr  # early fills
    return folder


def can_be_looked_at(folder: Path) -> None:
    """A picture of the curves that the card shows, and TensorBoard's files."""
    assert (folder / "training" / "curve.png").read_bytes()[:4] == b"\x89PNG"
    assert "](training/curve.png)" in (folder / "README.md").read_text()
    assert list((folder / "training" / "tensorboard").glob("events.out.tfevents.*"))
    points = [json.loads(line) for line in (folder / "training" / "curve.jsonl").read_text().splitlines()]
    assert sum("validation" in point for point in points) >= 5  # enough for a curve, in a short run too


def test_the_newcomers_path(model: Path) -> None:
    (best, *_) = FillMask(model)("The cat that lives by the<mask> goes to the town again.")
    assert best["token_str"].strip() in {"town", "sea", "hill", "wood"}
    reference = transformers.pipeline("fill-mask", model=str(model))
    (theirs, *_) = reference("The cat that lives by the<mask> goes to the town again.")
    assert theirs["token_str"] == best["token_str"]
    assert theirs["score"] == pytest.approx(best["score"], rel=1e-3)
    card = (model / "README.md").read_text()
    for fact in ("village.txt | 400 |", "top-1", "tokens trained on | 119,808", '"muon_lr": 0.02', "hardware", "cores"):
        assert fact in card
    can_be_looked_at(model)
    assert curve(model)[-1] < 0.6 * curve(model)[0]


def test_adapt_reports_before_and_after(model: Path, tmp_path: Path) -> None:
    domain = tmp_path / "domain.jsonl"
    lines = [
        f"The horse that runs by the hill lives to the {w} again." for w in ("wood", "hill", "sea") for _ in range(60)
    ]
    domain.write_text(
        "".join(json.dumps({"body": f"{n % 7} {line}"}) + "\n" for n, line in enumerate(lines)) + '{"body": null}\n'
    )
    out = tmp_path / "adapted"
    done = train(
        "adapt", model, domain, "--column", "body", "-o", out, "--tokens", 40000, "--batch-tokens", 1024, "--threads", 1
    )
    assert done.returncode == 3, done.stderr  # one row of the text was null
    assert "row 181: 'body' is null" in done.stderr
    found = json.loads((out / "training" / "adaptation.json").read_text())
    assert found["after"]["loss"] < found["before"]["loss"]
    assert "before, held-out text of the domain" in (out / "README.md").read_text()
    can_be_looked_at(out)
    FillMask(out)("The<mask> again.")


def test_adapt_as_restore_calls_it(model: Path, text: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    folder = adapt(model, [text], tmp_path / "out", tokens=8192, on_progress=lambda p: steps.append(p.step))
    assert folder == tmp_path / "out"
    assert steps[-1] == 2
    FillMask(folder)("The<mask> again.")


def test_distil_halves_a_teacher_and_compares(model: Path, text: Path, tmp_path: Path) -> None:
    out = tmp_path / "student"
    done = train("distil", model, text, "-o", out, "--tokens", 40000, "--batch-tokens", 1024, "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "config.json").read_text())["num_hidden_layers"] == 2
    found = json.loads((out / "training" / "distillation.json").read_text())
    assert found["student"]["top1"] > 0.5 * found["teacher"]["top1"]
    assert found["student"]["texts_per_second"] > 0
    can_be_looked_at(out)
    FillMask(out)("The<mask> again.")
    # Another vocabulary than the teacher's is refused.
    other = tmp_path / "other"
    assert train("tokenizer", text, "-o", other, "--vocab-size", 280).returncode == 0
    for name in ("config.json", "model.safetensors"):
        (other / name).write_bytes((model / name).read_bytes())
    done = train("distil", model, text, "-o", tmp_path / "x", "--student", other)
    assert done.returncode == 1
    assert "different vocabularies" in done.stderr


def test_killed_five_times_the_curve_is_the_same(model: Path, text: Path, tmp_path: Path) -> None:
    """kill −9 at random moments; what the resumed run logs is what the uninterrupted one does, to 1e-5."""
    options = [text, "--tokenizer", model, *_SMALL, "--tokens", 51200, "--log-every", 2, "--validate-every", 50,
               "--save-seconds", 0, "--cache", tmp_path / "cache"]  # fmt: skip
    done = train("pretrain", *options, "-o", tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    rng, folder = random.Random(1), tmp_path / "killed"
    log = folder / "training" / "curve.jsonl"
    kills = 0
    while kills < 5:
        process = subprocess.Popen(
            _command("pretrain", *options, "-o", folder), stderr=subprocess.DEVNULL, env=ENVIRONMENT
        )
        # Killed some hundredths of a second after it has got some steps further: within a step, a log or a save.
        target = min(90, 18 * kills + rng.randint(2, 16))
        while process.poll() is None and (not log.exists() or _last_step(log) < target):
            time.sleep(0.01)
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run was over before it could be killed"
        kills += 1
    done = train("pretrain", *options, "-o", folder)
    assert done.returncode == 0, done.stderr
    assert len(curve(folder)) == 50
    np.testing.assert_allclose(curve(folder), curve(tmp_path / "whole"), atol=1e-5)


class Killed(BaseException):
    """Not an Exception, so that nothing on the way catches it."""


@pytest.mark.parametrize(("work", "found"), [(adapt_model, "adaptation.json"), (distil, "distillation.json")])
def test_interrupted_adaptation_and_distillation_go_on(
    work: Callable[..., object], found: str, model: Path, text: Path, tmp_path: Path
) -> None:
    """Stopped between two states, twice: the curve and what was measured are those of a run that was not."""
    recipe = Recipe(tokens=20 * 1024, batch_tokens=1024, stages=stages(0.3, 0.15, length=32, count=2))
    machine = HardwareOptions(compile=False)

    def go(folder: Path, stop: int | None = None) -> None:
        def progress(done: TrainingProgress) -> None:
            if done.step == stop:
                raise Killed

        running = RunOptions(machine, cache=tmp_path / "cache", save_seconds=0, on_progress=progress)
        work(model, TrainingText([CorpusFile(text)], held_out=0.05), folder, recipe=recipe, running=running)

    go(tmp_path / "whole")
    for stop in (7, 15):
        with pytest.raises(Killed):
            go(tmp_path / "killed", stop)
    go(tmp_path / "killed")
    assert len(curve(tmp_path / "killed")) == 20
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    one, other = (json.loads((tmp_path / name / "training" / found).read_text()) for name in ("whole", "killed"))
    for name, values in one.items():
        if isinstance(values, dict):
            values.pop("texts_per_second", None)
            other[name].pop("texts_per_second", None)
    assert one == other


def test_a_finished_folder_takes_no_other_job(model: Path, text: Path, tmp_path: Path) -> None:
    """The same command finds nothing to do and a longer one goes on; other text, rates, splits or models are refused."""
    other = tmp_path / "other.txt"
    other.write_text(text.read_text() + "\n\nOne more document.\n")
    twin = tmp_path / "twin"
    shutil.copytree(model, twin, ignore=shutil.ignore_patterns("training"))
    weights = load_file(twin / "model.safetensors")
    save_file({name: tensor * 0.5 for name, tensor in weights.items()}, twin / "model.safetensors", {"format": "pt"})
    options = ["--batch-tokens", 1024, "--threads", 1, "--cache", tmp_path / "cache"]
    for command, fresh in (
        ("adapt", [model, text]),
        ("distil", [model, text]),
        ("pretrain", [text, "--initial", model]),
    ):
        out = tmp_path / command
        asked = [command, *fresh, "-o", out, *options]
        assert train(*asked, "--tokens", 2048).returncode == 0
        before = {
            p.name: p.read_bytes()
            for p in (*out.glob("*.safetensors"), out / "README.md", out / "training" / "state.pt")
        }
        swapped = {
            "text": [other if a == text else a for a in asked],
            "model": [twin if a == model else a for a in asked],
        }
        origin = {"adapt": "model", "distil": "teacher", "pretrain": "initial"}[command]
        refusals = [
            ([*swapped["text"], "--tokens", 4096], r"with text=village\.txt \(.*\), not other\.txt \("),
            ([*swapped["model"], "--tokens", 2048], rf"with {origin}={model.name} \(.*\), not twin \("),
        ]
        if command == "adapt":
            refusals += [
                ([*swapped["text"], "--tokens", 2048], r"with text=village\.txt"),
                ([*asked, "--tokens", 2048, "--lr", 0.001], r"with lr=0\.0004, not 0\.001"),
                ([*asked, "--tokens", 2048, "--held-out", 0.2], r"held_out=0\.05, not 0\.2"),
                ([*asked, "--tokens", 2048, "--validation", other], r"validation=none, not other\.txt \("),
            ]
        for refused, message in refusals:
            done = train(*refused)
            assert done.returncode == 1
            last = done.stderr.splitlines()[-1]
            assert re.search(message, last), last
            assert last.endswith("; use another folder, or delete it to start anew")
            assert {name: p.read_bytes() for p in out.rglob("*") if (name := p.name) in before} == before
        if command == "distil":  # which times both models whenever it is done
            continue
        assert train(*asked, "--tokens", 2048).returncode == 0
        assert len(curve(out)) == 2
        assert train(*asked, "--tokens", 4096).returncode == 0
        assert len(curve(out)) == 4
        assert "| 4,096 |" in (out / "README.md").read_text()


def test_a_model_that_stands_in_the_folder_is_not_touched(model: Path, text: Path, tmp_path: Path) -> None:
    """Neither another vocabulary's nor one that another command made, nor by a new vocabulary."""
    out = tmp_path / "out"
    shutil.copytree(model, out, ignore=shutil.ignore_patterns("training"))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for arguments, message in (
        (("adapt", "bundled", text), "holds a model with another vocabulary"),
        (("distil", model, text), "holds a model, and no unfinished training of this command"),
        (("tokenizer", text, "--vocab-size", 300), "a new vocabulary would make useless"),
    ):
        done = train(*arguments, "-o", out)
        assert done.returncode == 1
        assert message in done.stderr.splitlines()[-1]
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_model_that_is_trained_on_in_its_own_folder(model: Path, text: Path, tmp_path: Path) -> None:
    """Its weights are not those that it began from, and the same command goes on nonetheless."""
    out = tmp_path / "own"
    shutil.copytree(model, out, ignore=shutil.ignore_patterns("training"))
    for tokens in (2048, 4096):
        done = train("pretrain", text, "--initial", out, "-o", out, "--batch-tokens", 1024, "--tokens", tokens)
        assert done.returncode == 0, done.stderr
    assert len(curve(out)) == 4


def _last_step(log: Path) -> int:
    try:
        return int(json.loads(log.read_text().splitlines()[-1])["step"])
    except (ValueError, IndexError):
        return 0


_ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch", "--num_machines", "1", "--mixed_precision", "no",
               "--dynamo_backend", "no", "--num_processes", "2"]  # fmt: skip
_TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_two_processes_learn_as_one(model: Path, text: Path, tmp_path: Path) -> None:
    """By torchrun, by accelerate's use of it, and as MPI starts them, which is accelerate's way on CPUs."""
    options = [text, "--tokenizer", model, *_SMALL, "--tokens", 20480, "--log-every", 10, "--validate-every", 40,
               "--precision", "float32", "--device", "cpu", "--cache", tmp_path / "cache"]  # fmt: skip
    assert train("pretrain", *options, "-o", tmp_path / "one").returncode == 0
    one = curve(tmp_path / "one")
    assert len(one) == 4

    def same(folder: Path) -> None:
        np.testing.assert_allclose(curve(folder), one, rtol=0.01)
        assert "2 processes" in (folder / "README.md").read_text()

    accelerate = [*_ACCELERATE, "--multi_gpu", "--main_process_port", str(free_port())]
    for name, launcher in (("torchrun", _TORCHRUN), ("accelerate", accelerate)):
        done = subprocess.run(
            [*launcher, *_command("pretrain", *options, "-o", tmp_path / name)[1:]],
            capture_output=True, text=True, check=False, env=ENVIRONMENT,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        same(tmp_path / name)

    meeting = ENVIRONMENT | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "ACCELERATE_USE_CPU": "True"}
    started = [
        subprocess.Popen(
            _command("pretrain", *options, "-o", tmp_path / "mpi"), stderr=subprocess.PIPE, text=True,
            env=meeting | {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": rank},
        )
        for rank in "01"
    ]  # fmt: skip
    (_, first), (_, second) = (process.communicate() for process in started)
    assert [process.returncode for process in started] == [0, 0], first + second
    assert "the model is in" in first
    assert "the model is in" not in second
    same(tmp_path / "mpi")


def test_one_process_where_several_were_asked_for_is_an_error(model: Path, text: Path, tmp_path: Path) -> None:
    """accelerate's --cpu starts one process, however many are asked for: nobody should wait twice as long unawares."""
    done = subprocess.run(
        [*_ACCELERATE, "--cpu", *_command("pretrain", text, "--tokenizer", model, "-o", tmp_path / "out")[1:]],
        capture_output=True, text=True, check=False, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("fillmask: ")]
    assert "asked for several processes and has started one" in line
    assert "torchrun --nproc-per-node" in line


def test_standard_input_and_a_config(model: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.read_bytes())))
    config = {"family": "roberta", "tokens": 2048, "batch_tokens": 512, "length": 32, "model": {"num_hidden_layers": 1}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = train(
        "pretrain", "-", "-o", tmp_path / "out", "--config", tmp_path / "config.json", "--tokenizer", model, "--size", "tiny",
        "--no-compile", "--shards",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (found["model_type"], found["num_hidden_layers"], found["hidden_size"]) == ("roberta", 1, 128)
    (tmp_path / "config.json").write_text('{"colour": "blue"}')
    done = train("pretrain", text, "-o", tmp_path / "out", "--config", tmp_path / "config.json")
    assert done.returncode == 2
    assert "has colour" in done.stderr


@pytest.mark.parametrize(
    ("config", "code", "message"),
    [
        ({"model": {"vocab_size": 5}}, 1, "'vocab_size' follows from the tokenizer"),
        ({"model": {"model_type": "roberta"}}, 1, "'model_type' follows from --family"),
        ({"model": {"dropout": 0.1}}, 1, "'dropout' follows from --dropout"),
        ({"model": {"num_hidden_layers": -1}}, 1, "num_hidden_layers is -1; expected a whole number of 1 or more"),
        ({"model": {"hidden_size": 12.5}}, 1, "hidden_size is 12.5; expected a whole number"),
        ({"model": {"num_attention_heads": 7}}, 1, "no bert model can be made with num_attention_heads=7: "),
        ({"model": {"hidden_act": "no such"}}, 1, "no bert model can be made with hidden_act='no such': "),
        ({"model": [1]}, 2, '"model" of the config is a list; expected an object'),
        ({"stages": [[0.5, 32, 0.3], [0.4, 32, 0.3]]}, 2, "end at 0.5, 0.4; expected shares of the training in rising"),
        ({"stages": [[2, 32, 0.3]]}, 2, "end at 2; expected"),
        ({"stages": []}, 2, "end at nothing; expected"),
    ],
)
def test_a_config_that_cannot_be(
    config: dict[str, object], code: int, message: str, model: Path, text: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = train(
        "pretrain", text, "-o", tmp_path / "out", "--config", tmp_path / "config.json", "--family", "bert",
        "--tokenizer", model, *_SMALL,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("fillmask: "))
    assert message in line
    assert "Traceback" not in done.stderr


def test_fewer_tokens_than_it_has_seen(model: Path, text: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "model")
    done = train("pretrain", text, "-o", tmp_path / "model", *_SMALL, "--tokens", 5000)
    assert done.returncode == 0, done.stderr
    assert (
        "trained on 119,808 tokens in 234 steps already; 9 steps were asked for, so that nothing is to be done"
        in done.stderr
    )
    assert "tokens in 9 steps" not in done.stderr


def test_the_bar_of_a_task_that_is_finished_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    with contextlib.redirect_stderr(io.StringIO()), Screen() as screen:
        screen.progress("tokenising", 1, 2, "half")
        screen.progress("training", 1, 2, "loss 9")
        screen.finished("tokenising")
        screen.finished("tokenising")  # as where the text was tokenised before
        assert screen._bars is not None
        assert [task.fields["name"] for task in screen._bars.tasks] == ["training"]


def test_bad_input_is_one_clear_line(model: Path, text: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (tmp_path / "rows.jsonl").write_text('{"body": "words"}\n')
    (tmp_path / "one.txt").write_text("a single document of a few words")
    (tmp_path / "file").write_text("")
    out = tmp_path / "out"
    fast = ("--tokenizer", model, *_SMALL)
    for arguments, code, message in (
        (("pretrain", tmp_path / "none.txt", "-o", out), 1, "there is no such file"),
        (("pretrain", tmp_path / "empty.txt", "-o", out, *fast), 1, "no text in empty.txt"),
        (("pretrain", tmp_path / "picture.txt", "-o", out, *fast), 1, "is a binary file"),
        (("pretrain", tmp_path / "one.txt", "-o", out, *fast), 1, "the text is one document"),
        (
            ("pretrain", tmp_path / "rows.jsonl", "-o", out, *fast),
            1,
            "no text in rows.jsonl (1 row could not be used)",
        ),
        (("pretrain", text, "-o", out, "--tokenizer", tmp_path, *_SMALL), 1, "has no tokenizer; make one with"),
        (("pretrain", text, "-o", out, "--mask-rate", "much"), 2, "expected a share"),
        (("pretrain", text, "-o", out, "--family", "gpt2"), 2, "gpt2"),
        (("pretrain", text, "-o", tmp_path / "file" / "x", *fast), 1, "cannot write to"),
        (("tokenizer", text, "-o", out, "--vocab-size", 100), 1, "bpe needs 261 tokens at least"),
        (("adapt", tmp_path / "nothing", text, "-o", out), 1, "there is no model"),
        (("adapt", model, text, "-o", model), 1, "is the model itself"),
        (("distil", model, text, "-o", out, "--student", model, "--size", "tiny"), 2, "--student is a model already"),
        (("distil", model, text, "-o", out, "--soft", 0, "--masked", 0, "--cosine", 0), 2, "nothing to learn"),
        (("pretrain", text, "-o", out, "--seed", 2**32), 2, "0<=x<=4294967295"),
        (("pretrain", text, "-o", out, "--batch-tokens", 10**10), 2, "1<=x<=1000000000"),
        (("pretrain", text, "-o", out, "--vocab-size", 10**8), 2, "8<=x<=10000000"),
    ):
        done = train(*arguments)
        assert done.returncode == code, (arguments, done.stderr)
        lines = [
            line
            for line in done.stderr.splitlines()
            if not line.startswith(("cannot use", "1 row could", "tokenising"))
        ]
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("fillmask: ")
        assert message in lines[0]


@pytest.fixture(scope="module")
def classifier(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    rows = "".join(
        f"The {animal} runs {n}.,{label}\n" for animal, label in (("cat", "a"), ("dog", "b")) for n in range(20)
    )
    (folder / "rows.csv").write_text(f"text,label\n{rows}")
    out = folder / "out"
    with contextlib.redirect_stdout(io.StringIO()):
        done = train(
            "finetune", folder / "rows.csv", "-o", out, "-m", model, "--epochs", 1, "--share", 0.4, "--threads", 1
        )
    assert done.returncode == 0, done.stderr
    return out


def test_a_classifier_is_refused_where_masks_are_filled(
    classifier: Path, model: Path, text: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for arguments in (
        ("fill", "-m", classifier, "a <mask>"),
        ("score", "-m", classifier, "-t", "a text"),
        ("train", "calibrate", text, "-m", classifier),
        ("train", "adapt", classifier, text, "-o", out),
        ("train", "distil", classifier, text, "-o", out),
        ("train", "distil", model, text, "-o", out, "--student", classifier),
        ("train", "pretrain", text, "-o", out, "--initial", classifier),
    ):
        with contextlib.redirect_stderr(io.StringIO()) as said:
            assert run([str(argument) for argument in arguments]) == 1
        (line,) = said.getvalue().splitlines()
        assert "has no masked language model head (decoder.*): it is a ModernBertForSequenceClassification" in line
        assert not out.exists()


@pytest.mark.parametrize("option", ["--tokens=-5", "--tokens=0", "--lr=0", "--lr=-1", "--muon-lr=nan", "--epochs=inf"])
def test_numbers_that_make_no_sense(option: str, text: Path, tmp_path: Path) -> None:
    with contextlib.redirect_stderr(io.StringIO()) as said:
        assert run(["train", "pretrain", str(text), "-o", str(tmp_path / "out"), option]) == 2
    assert option.partition("=")[0] in said.getvalue()
    assert not (tmp_path / "out").exists()


def test_a_full_disk_is_one_clear_line(model: Path, text: Path, tmp_path: Path) -> None:
    """No file may grow beyond 100 kB: the text can be tokenised, the state cannot be written."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    fast = ("--tokenizer", model, *_SMALL, "--tokens", 1024)
    cache = ("--cache", tmp_path / "cache")
    assert train("pretrain", text, "-o", tmp_path / "out", *fast, *cache).returncode == 0
    done = apart("pretrain", text, "-o", tmp_path / "full", *fast, *cache, limit=limit)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("fillmask: cannot write")
    assert "make room and run the same command again" in last
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "full").rglob("*.part"))
    assert train("pretrain", text, "-o", tmp_path / "full", *fast, *cache).returncode == 0
    # Nor can the tokenised text be, with less.
    done = apart(
        "pretrain",
        text,
        "-o",
        tmp_path / "fuller",
        *fast,
        limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000)),
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("fillmask: ")
    assert "Traceback" not in done.stderr
