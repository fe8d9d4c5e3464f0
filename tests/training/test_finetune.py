"""Fine-tuning: it learns, it is repeatable, and what it writes is read by both libraries, without torch and with."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra")
pytest.importorskip("transformers", reason="training needs the train extra")
pytest.importorskip("matplotlib", reason="the confusion matrix needs the plots extra")

import transformers
from huggingface_hub import ModelCard
from safetensors.numpy import load_file, save_file
from tiny import SENTENCES, write_modernbert, write_roberta

from fillmask.data.documents import CorpusFile
from fillmask.errors import CorpusError, CorruptCheckpointError, InputError, TrainingError
from fillmask.models.checkpoint import open_checkpoint
from fillmask.tasks.classify import Classifier
from fillmask.training.classifier import default_rate
from fillmask.training.classifier_folder import check_output, metrics_of, save
from fillmask.training.finetune import Epoch, FinetuningRecipe, FinetuningResult, _class_weights, finetune
from fillmask.training.labelled import Example, Labelled, labels_of, read_labelled, split
from fillmask.training.state import WORK
from fillmask.training.tokenizer import save_tokenizer, train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
RECIPE = FinetuningRecipe(epochs=10, batch_size=8, lr=5e-3, patience=10)
ANIMALS = ("dog", "cat", "horse", "fox")


def animals(count: int = 48) -> Labelled:
    """The label is the animal of the sentence."""
    named = [Example(text, None, next(a for a in ANIMALS if a in text)) for text in SENTENCES]
    return Labelled(tuple(named[:count]))


@pytest.fixture(scope="module", params=[write_modernbert, write_roberta])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with weights as small as a real one's before training: those of the other tests hardly learn."""
    found: Path = request.param(tmp_path_factory.mktemp("base"))
    tensors = load_file(found / "model.safetensors")
    small = {n: np.ones_like(t) if "norm" in n.lower() and n.endswith("weight") else t / 4 for n, t in tensors.items()}
    save_file(small, found / "model.safetensors", metadata={"format": "pt"})
    return found


def test_it_learns_and_both_libraries_read_it(folder: Path, tmp_path: Path) -> None:
    train, judged = split(animals(), 0.25)
    train = Labelled(train.examples * 3)
    seen = []
    found = finetune(open_checkpoint(folder), train, judged, labels_of(train), RECIPE, on_epoch=seen.append)
    assert [epoch.number for epoch in seen] == list(range(1, 11))
    assert seen[-1].loss < 0.5 * seen[0].loss
    assert found.best.validation.accuracy > 0.8
    assert found.best.validation.macro_f1 == max(epoch.validation.macro_f1 for epoch in seen)

    out = tmp_path / "out" / "animals"
    save(found, out)
    names = {path.name for path in out.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "metrics.json", "confusion.png", "README.md"} <= names
    config = json.loads((out / "config.json").read_text())
    assert config["id2label"] == {str(n): name for n, name in enumerate(sorted(ANIMALS))}
    assert config["label2id"] == {name: n for n, name in enumerate(sorted(ANIMALS))}
    assert [path.name for path in out.parent.iterdir()] == ["animals"], "nothing is left beside it"

    texts = [example.text for example in judged.examples]
    ours = Classifier(out)
    assert ours.engine.name == "onnxruntime"
    theirs = transformers.pipeline("text-classification", model=str(out), device="cpu")
    expected = theirs(texts)
    answers = ours(texts)
    assert [a["label"] for a in answers] == [e["label"] for e in expected]
    np.testing.assert_allclose([a["score"] for a in answers], [e["score"] for e in expected], atol=1e-4)
    # The metrics are those of the model that was written.
    right = np.mean([a["label"] == e.label for a, e in zip(answers, judged.examples, strict=True)])
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["validation"]["accuracy"] == pytest.approx(right)
    assert metrics["train"]["examples"] == len(train.examples)
    card = (out / "README.md").read_text()
    metadata = ModelCard(card).data
    assert (metadata.pipeline_tag, metadata.library_name) == ("text-classification", "fillmask")
    assert f"accuracy {right:.1%}" in card


def test_pooling(modernbert_folder: Path, roberta_folder: Path) -> None:
    train, judged = split(animals(16), 0.25)
    for pooling, kept in (("auto", "cls"), ("cls", "cls"), ("mean", "mean")):
        recipe = dataclasses.replace(RECIPE, epochs=1, pooling=pooling)
        found = finetune(open_checkpoint(modernbert_folder), train, judged, labels_of(train), recipe)
        assert found.model.config.classifier_pooling == kept
    with pytest.raises(InputError, match="the head of roberta sees the first token"):
        finetune(open_checkpoint(roberta_folder), train, judged, labels_of(train), dataclasses.replace(RECIPE, pooling="mean"))  # fmt: skip


def test_the_same_seed_gives_the_same_model(folder: Path) -> None:
    train, judged = split(animals(24), 0.25)
    recipe = dataclasses.replace(RECIPE, epochs=2)

    def weights(seed: int) -> torch.Tensor:
        found = finetune(open_checkpoint(folder), train, judged, labels_of(train), dataclasses.replace(recipe, seed=seed))  # fmt: skip
        return torch.cat([p.flatten() for p in found.model.parameters()])

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


class Killed(BaseException):
    """Not an Exception, so that nothing on the way catches it."""


def test_interrupted_anywhere_it_comes_to_the_same_model(roberta_folder: Path, tmp_path: Path) -> None:
    """Within an epoch, right after one, and after the last; with dropout. A state is kept after every step."""
    train, judged = split(animals(), 0.25)
    checkpoint, labels = open_checkpoint(roberta_folder), labels_of(train)
    assert json.loads((roberta_folder / "config.json").read_text()).get("hidden_dropout_prob", 0.1) > 0
    recipe = dataclasses.replace(RECIPE, epochs=4)
    whole = finetune(checkpoint, train, judged, labels, recipe, work=tmp_path / "whole")
    per_epoch = whole.epochs[0].step
    assert per_epoch >= 3

    taken = 0
    for stop in (2, per_epoch, per_epoch + 1, 4 * per_epoch, None):

        def step(*_: int, stop: int | None = stop) -> None:
            nonlocal taken
            taken += 1
            if taken == stop:
                raise Killed

        def run(work: Path = tmp_path / "killed") -> object:
            return finetune(checkpoint, train, judged, labels, recipe, work=work, save_seconds=0, on_step=step)

        if stop is not None:
            with pytest.raises(Killed):
                run()
            # What the epoch's last step did is kept with its judgement, and was lost: it is taken again.
            taken -= stop % per_epoch == 0
        else:
            resumed = run()
    assert taken == 4 * per_epoch
    assert [epoch_numbers(e) for e in resumed.epochs] == [epoch_numbers(e) for e in whole.epochs]
    assert curve_of(tmp_path / "killed") == curve_of(tmp_path / "whole")
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def epoch_numbers(epoch: Epoch) -> tuple[object, ...]:
    return epoch.number, epoch.step, epoch.loss, epoch.validation_loss, epoch.validation.matrix.tolist(), epoch.best


def curve_of(work: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (work / "curve.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_the_state_of_another_run_is_refused(modernbert_folder: Path, tmp_path: Path) -> None:
    train, judged = split(animals(24), 0.25)
    recipe = dataclasses.replace(RECIPE, epochs=1)

    def run(recipe: FinetuningRecipe = recipe, train: Labelled = train) -> None:
        finetune(open_checkpoint(modernbert_folder), train, judged, labels_of(train), recipe, work=tmp_path)

    run()
    with pytest.raises(TrainingError, match=r"was trained with lr=0.005, not 0.001; use another folder"):
        run(dataclasses.replace(recipe, lr=1e-3))
    with pytest.raises(
        TrainingError, match="was trained with other examples than those of this command; use another folder"
    ):
        run(train=Labelled(train.examples * 2))
    (tmp_path / "state.pt").write_bytes((tmp_path / "state.pt").read_bytes()[:1000])
    with pytest.raises(TrainingError, match="delete it to start anew"):
        run()


def test_a_finished_folder_holds_no_state(modernbert_folder: Path, tmp_path: Path) -> None:
    """An interrupted run may go on in its folder; a finished one is not overwritten unasked, and then begins anew."""
    train, judged = split(animals(16), 0.25)
    out = tmp_path / "out"
    recipe = dataclasses.replace(RECIPE, epochs=2)
    for seed in (0, 1):
        check_output(out, overwrite=seed == 1)
        found = finetune(open_checkpoint(modernbert_folder), train, judged, labels_of(train), dataclasses.replace(recipe, seed=seed), work=out / WORK)  # fmt: skip
        check_output(out, overwrite=seed == 1)
        save(found, out, overwrite=seed == 1)
        assert not (out / WORK / "state.pt").exists()
        assert [line["epoch"] for line in curve_of(out / WORK)] == [1, 2]
        assert (out / WORK / "curve.png").read_bytes()[:4] == b"\x89PNG"
        assert list((out / WORK / "tensorboard").glob("events.out.tfevents.*"))
        assert "](training/curve.png)" in (out / "README.md").read_text()
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
    with pytest.raises(InputError, match="is there already"):
        check_output(out)


def test_it_stops_when_it_gets_no_better(folder: Path) -> None:
    """Labels that have nothing to do with the texts."""
    rows = [Example(text, None, "ab"[number * 7 % 5 % 2]) for number, text in enumerate(SENTENCES[:32])]
    train, judged = split(Labelled(tuple(rows)), 0.4)
    recipe = dataclasses.replace(RECIPE, epochs=40, patience=2)
    found = finetune(open_checkpoint(folder), train, judged, ("a", "b"), recipe)
    assert len(found.epochs) < 40
    assert not any(epoch.best for epoch in found.epochs[-2:])
    best = max(found.epochs, key=lambda epoch: (epoch.validation.macro_f1, -epoch.validation_loss))
    assert found.best is best


def test_pairs(tmp_path: Path) -> None:
    """The label depends on both texts: the tokenizer puts the second one after the first."""
    dogs, cats = ([t for t in SENTENCES if a in t] for a in ("dog", "cat"))
    rows = [Example(a, b, "same" if (a in dogs) == (b in dogs) else "other") for a in (*dogs[:6], *cats[:6]) for b in (*dogs[:6], *cats[:6])]  # fmt: skip
    train, judged = split(Labelled(tuple(rows)), 0.2)
    found = finetune(open_checkpoint(write_roberta(tmp_path / "m")), train, judged, labels_of(train), dataclasses.replace(RECIPE, epochs=4))  # fmt: skip
    save(found, tmp_path / "out")
    theirs = transformers.pipeline("text-classification", model=str(tmp_path / "out"), device="cpu")
    pair = {"text": rows[0].text, "text_pair": str(rows[0].pair)}
    ours = Classifier(tmp_path / "out")
    assert ours(pair)["label"] == theirs(pair)["label"]
    assert ours(pair)["score"] == pytest.approx(theirs(pair)["score"], abs=1e-4)
    assert not np.allclose(ours.logits([pair]), ours.logits([{"text": rows[0].text}]), atol=1e-4)


def test_pairs_are_trained_with_the_segments_that_they_are_served_with(tmp_path: Path) -> None:
    """BERT's: what was judged in training is what both engines and transformers then answer."""
    folder = tmp_path / "bert"
    (tmp_path / "text.txt").write_text("\n\n".join(SENTENCES))
    vocabulary = train_tokenizer([CorpusFile(tmp_path / "text.txt")], 240, kind="wordpiece")
    save_tokenizer(vocabulary, folder, 64)
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(transformers.BertConfig(
        vocab_size=vocabulary.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, initializer_range=0.3,
    ))  # fmt: skip
    model.save_pretrained(folder)
    rows = [Example(a, b, "same" if a == b else "other") for a in SENTENCES[::6] for b in SENTENCES[::6]]
    train, judged = split(Labelled(tuple(rows)), 0.3)
    found = finetune(open_checkpoint(folder), train, judged, labels_of(train), dataclasses.replace(RECIPE, epochs=1, lr=1e-4))  # fmt: skip
    save(found, tmp_path / "out")
    pairs = [{"text": e.text, "text_pair": str(e.pair)} for e in judged.examples]
    true = [found.labels.index(e.label) for e in judged.examples]
    theirs = transformers.pipeline("text-classification", model=str(tmp_path / "out"), device="cpu", top_k=None)
    expected = [{a["label"]: a["score"] for a in answers} for answers in theirs(pairs)]
    for engine in ("onnxruntime", "torch"):
        logits = np.asarray(Classifier(tmp_path / "out", engine=engine).logits(pairs))
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        loss = -np.mean([row[label] for row, label in zip(logs, true, strict=True)])
        assert loss == pytest.approx(found.best.validation_loss, abs=1e-4)
        scores = [[e[name] for name in found.labels] for e in expected]
        np.testing.assert_allclose(np.exp(logs), scores, atol=1e-4)


def test_balanced_weights_make_each_label_count_alike() -> None:
    true = np.array([0] * 8 + [1] * 2)
    weights = _class_weights(true, 2, "balanced")
    assert weights.tolist() == [pytest.approx(10 / 16), pytest.approx(10 / 4)]
    assert weights[true].sum() == pytest.approx(len(true))
    assert weights[true[true == 0]].sum() == weights[true[true == 1]].sum()
    assert _class_weights(true, 2, "none").tolist() == [1, 1]


def test_labels_that_do_not_fit(folder: Path) -> None:
    table = animals(24)
    with pytest.raises(CorpusError, match="no example to train on has the label 'cow'"):
        finetune(open_checkpoint(folder), table, table, ("cat", "cow", "dog", "fox", "horse"), RECIPE)
    other = Labelled((Example("A cow.", None, "cow"),))
    with pytest.raises(CorpusError, match="labels that training has not: 'cow'"):
        finetune(open_checkpoint(folder), table, other, labels_of(table), RECIPE)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected 1 or more"),
        ({"lr": 0.0}, "lr is 0.0"),
        ({"class_weights": "some"}, "class_weights is 'some'; expected none, balanced"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_recipes_that_cannot_be(values: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FinetuningRecipe(**values)  # type: ignore[arg-type]


def test_where_it_may_write(tmp_path: Path) -> None:
    check_output(tmp_path / "new" / "folder")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        check_output(tmp_path / "file")
    mine = tmp_path / "mine"
    mine.mkdir()
    check_output(mine)
    (mine / "letters.txt").write_text("")
    with pytest.raises(InputError, match=r"is there already.*--overwrite"):
        check_output(mine)
    with pytest.raises(InputError, match="is no checkpoint, so it is not overwritten"):
        check_output(mine, overwrite=True)


def test_a_failed_write_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fillmask.tasks import plots

    train, judged = split(animals(16), 0.25)
    found = finetune(open_checkpoint(folder), train, judged, labels_of(train), dataclasses.replace(RECIPE, epochs=1))

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(plots, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save(found, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_link_and_the_current_folder_take_a_model(
    modernbert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, judged = split(animals(16), 0.25)
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for out, name in ((tmp_path / "link", "target"), (Path(), "here")):
        for overwrite in (False, True):
            check_output(out, overwrite=overwrite)
            found = finetune(open_checkpoint(modernbert_folder), train, judged, labels_of(train), dataclasses.replace(RECIPE, epochs=1), work=out / WORK)  # fmt: skip
            save(found, out, overwrite=overwrite)
            assert {"config.json", "model.safetensors", "README.md", WORK} <= {path.name for path in out.iterdir()}
            assert not {".new", ".old", "state.pt"} & {path.name for path in (out / WORK).iterdir()}
            assert f"# {name}\n" in (out / "README.md").read_text()
    assert (tmp_path / "link").is_symlink()
    assert len(Classifier(tmp_path / "here")("A dog.")) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "link", "target"]
    (tmp_path / "broken").symlink_to("nothing")
    with pytest.raises(InputError, match="is a link to nothing"):
        check_output(tmp_path / "broken")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_whatever_fails_at_the_end_the_state_stays(
    overwrite: bool, modernbert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every move of a file to its place: the folder is as it was, and the same command then finishes."""
    train, judged = split(animals(16), 0.25)
    out = tmp_path / "out"

    def trained(seed: int) -> FinetuningResult:
        recipe = dataclasses.replace(RECIPE, epochs=1, seed=seed)
        return finetune(open_checkpoint(modernbert_folder), train, judged, labels_of(train), recipe, work=out / WORK)

    if overwrite:
        save(trained(0), out)
    found = trained(1)
    before = contents(out)
    assert f"{WORK}/state.pt" in before
    rename = Path.rename
    for failing in range(13 if overwrite else 6):
        count = 0

        def fails(source: Path, target: Path, failing: int = failing) -> Path:
            nonlocal count
            count += 1
            if count == failing + 1:
                raise OSError(5, "Input/output error")
            return rename(source, target)

        monkeypatch.setattr(Path, "rename", fails)
        with pytest.raises(OSError, match="Input/output error"):
            save(found, out, overwrite=overwrite)
        monkeypatch.undo()
        assert contents(out) == before
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    again = trained(1)
    assert [epoch.number for epoch in again.epochs] == [1]
    save(again, out, overwrite=overwrite)
    assert f"{WORK}/state.pt" not in contents(out)
    assert len(Classifier(out)("A dog.")) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="Permission denied"):
        check_output(tmp_path / "out")


def test_rates_follow_the_width(modernbert_folder: Path) -> None:
    assert default_rate(open_checkpoint()) == pytest.approx(4.5e-4)
    assert default_rate(open_checkpoint(modernbert_folder)) == 1e-3


def test_the_sentiment_example(tmp_path: Path) -> None:
    """The bundled model, a few epochs of the example's 250 sentences, and sentences that it has not seen."""
    example = ROOT / "examples" / "sentiment"
    train, judged = split(read_labelled(example / "sentiment.csv"), 0.15)
    found = finetune(
        open_checkpoint(), train, judged, labels_of(train), FinetuningRecipe(epochs=8, patience=8, lr=6e-4)
    )
    save(found, tmp_path / "sentiment")
    unseen = read_labelled(example / "unseen.csv").examples
    assert not {e.text for e in unseen} & {e.text for e in train.examples + judged.examples}
    answers = Classifier(tmp_path / "sentiment")([example.text for example in unseen])
    right = sum(a["label"] == e.label for a, e in zip(answers, unseen, strict=True))
    assert right / len(unseen) >= 0.7
    assert metrics_of(found)["base_model"] == "bundled"


@pytest.mark.parametrize(
    "name", ["roberta.encoder.layer.0.attention.self.query.weight", "roberta.embeddings.LayerNorm.bias"]
)
def test_an_encoder_that_lacks_a_tensor_is_not_filled_up_at_random(
    name: str, roberta_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(roberta_folder, tmp_path / "model"))
    tensors = load_file(folder / "model.safetensors")
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, folder / "model.safetensors", metadata={"format": "pt"})  # fmt: skip
    train, judged = split(animals(16), 0.25)
    recipe = dataclasses.replace(RECIPE, epochs=1)
    with pytest.raises(CorruptCheckpointError, match=f"tensor {name} is missing"):
        finetune(open_checkpoint(folder), train, judged, labels_of(train), recipe)
    save_file(tensors | {name: tensors[name][..., :-1].copy()}, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CorruptCheckpointError, match=f"tensor {name} has shape"):
        finetune(open_checkpoint(folder), train, judged, labels_of(train), recipe)
