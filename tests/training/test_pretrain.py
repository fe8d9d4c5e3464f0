"""The training loop: it learns, it resumes to the same curve, and what it exports is standard."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra")
pytest.importorskip("transformers", reason="training needs the train extra")

from transformers import AutoModelForMaskedLM, AutoTokenizer, ModernBertForMaskedLM

from fillmask import FillMask
from fillmask.training import pretrain
from fillmask.training.corpus import Source, tokenize
from fillmask.training.packing import SpecialIds, packed
from fillmask.training.tokenizer import save_tokenizer, special_ids, train_tokenizer

SHAPE = pretrain.Shape(hidden_size=32, layers=2, intermediate_size=48, head_size=16, max_positions=64)
RECIPE = pretrain.Recipe(
    tokens=16 * 32 * 60,
    batch_tokens=16 * 32,
    warmup_steps=5,
    stages=(pretrain.Stage(0.7, 32, 0.3), pretrain.Stage(1.0, 64, 0.15)),
)


@dataclasses.dataclass
class Data:
    folder: Path
    rows: dict[int, pretrain.Rows]
    special: SpecialIds
    vocabulary: int


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("pretrain")
    animals, places = ("cat", "dog", "bird", "horse"), ("town", "sea", "hill", "wood")
    lines = [f"The {a} that lives by the {p} goes to the {p} again and again." for a in animals for p in places]
    rng = np.random.default_rng(0)
    (folder / "corpus.txt").write_text("\n\n".join("\n".join(rng.permutation(lines)) for _ in range(40)))
    sources = [Source(folder / "corpus.txt")]
    backend = train_tokenizer(sources, 320)
    save_tokenizer(backend, folder / "model", 64)
    special = special_ids(backend)
    corpus = tokenize(sources, backend, folder)
    return Data(folder, {n: packed(corpus, special, n, 0, folder) for n in (32, 64)}, special, backend.get_vocab_size())


def start(data: Data, recipe: pretrain.Recipe = RECIPE, *, compile: bool = False) -> pretrain.Pretraining:
    torch.manual_seed(0)
    model = ModernBertForMaskedLM(SHAPE.config(data.vocabulary, data.special))
    return pretrain.Pretraining(model, data.rows, data.rows[32][:64], data.special, recipe, compile=compile)


def test_it_learns_and_exports_a_checkpoint_that_both_libraries_read(data: Data, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, tokens=16 * 32 * 150)
    run = start(data, recipe)
    reports = list(run.run(tmp_path, log_every=50, validate_every=150))
    assert reports[-1].step == recipe.steps
    assert reports[-1].loss < 0.5 * reports[0].loss
    assert reports[-1].validation["top1"] > 0.5
    curve = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [record["step"] for record in curve] == [50, 100, 150]

    folder = data.folder / "model"
    pretrain.export(run.model, folder)
    reference = AutoModelForMaskedLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert reference.dtype == torch.float32
    text = "The cat that lives by the<mask> goes to the town"
    inputs = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        logits = reference(**inputs).logits[0, inputs.input_ids[0] == tokenizer.mask_token_id]
    best = logits.softmax(-1).topk(5)
    ours = FillMask(folder)(text)
    assert [c["token"] for c in ours] == best.indices[0].tolist()
    np.testing.assert_allclose([c["score"] for c in ours], best.values[0].numpy(), rtol=1e-3)


def test_resumed_runs_follow_the_same_curve(data: Data, tmp_path: Path) -> None:
    """Stopped and taken up five times, across the change of stage and into the decay."""
    recipe = dataclasses.replace(RECIPE, tokens=16 * 32 * 20)
    whole = start(data, recipe)
    losses = [float(whole.train_step()) for _ in range(recipe.steps)]
    resumed: list[float] = []
    for stop in (1, 7, 13, 14, 20):
        run = start(data, recipe)
        assert run.resume(tmp_path) == bool(resumed)
        assert run.step == len(resumed)
        resumed += [float(run.train_step()) for _ in range(stop - run.step)]
        run.save(tmp_path)
    np.testing.assert_allclose(resumed, losses, atol=1e-5)


def test_resuming_another_recipe_is_refused(data: Data, tmp_path: Path) -> None:
    start(data).save(tmp_path)
    other = start(data, dataclasses.replace(RECIPE, seed=1))
    with pytest.raises(ValueError, match="was trained with seed=0, not 1"):
        other.resume(tmp_path)


def test_a_longer_run_may_go_on(data: Data, tmp_path: Path) -> None:
    start(data).save(tmp_path)
    assert start(data, dataclasses.replace(RECIPE, tokens=2 * RECIPE.tokens)).resume(tmp_path)


def test_nothing_to_resume(data: Data, tmp_path: Path) -> None:
    assert not start(data).resume(tmp_path)


def test_segments_do_not_see_each_other(data: Data) -> None:
    """Hidden states of a phrase are the same alone and packed beside another."""
    run = start(data)
    run.model.train(False)
    ids = torch.tensor([[0, 10, 11, 12, 2, 0, 20, 21, 2, 1]])
    segments = torch.tensor([[1, 1, 1, 1, 1, 2, 2, 2, 2, 0]])
    with torch.no_grad():
        together = pretrain.encode(run.model, ids, segments)
        alone = pretrain.encode(run.model, ids[:, 5:9], segments[:, 5:9])
    torch.testing.assert_close(together[:, 5:9], alone, atol=1e-5, rtol=1e-5)


def test_the_loss_is_transformers_loss(data: Data) -> None:
    """Against the class's own forward over all positions, with labels -100 where nothing is masked."""
    run = start(data)
    run.model.train(False)
    inputs = run._tensors(data.rows[32][:4], 6, np.random.default_rng(0))
    ids, _, positions, labels = inputs
    one_segment = torch.ones_like(ids)
    with torch.no_grad():
        loss, logits = pretrain.masked_loss(run.model, ids, one_segment, positions, labels)
        expected = torch.full_like(ids, -100).reshape(-1)
        expected[positions] = labels
        reference = run.model(input_ids=ids, labels=expected.reshape(ids.shape)).loss
    assert logits.shape == (len(positions), data.vocabulary)
    torch.testing.assert_close(loss, reference, atol=1e-5, rtol=1e-5)


def test_rates_rise_stay_and_fall() -> None:
    recipe = pretrain.Recipe(tokens=8192 * 1000, warmup_steps=100, decay=0.4)
    factors = [recipe.rate_factor(step) for step in range(1000)]
    assert factors[0] == pytest.approx(0.01)
    assert factors[99:601] == [1.0] * 502
    assert factors[800] == pytest.approx(0.5)
    assert factors[999] == pytest.approx(0.0025)
    assert [recipe.stage_at(s).rate for s in (0, 299, 300, 600, 850, 999)] == [0.30, 0.30, 0.25, 0.20, 0.15, 0.15]


def test_rows_of_every_stage_are_needed(data: Data) -> None:
    with pytest.raises(ValueError, match=r"no rows of length \[128, 256\]"):
        start(data, pretrain.Recipe(tokens=1000))


def test_a_loss_that_is_no_number_stops_the_run(data: Data, tmp_path: Path) -> None:
    run = start(data)
    with torch.no_grad():
        run.model.decoder.bias.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="lower lr"):
        list(run.run(tmp_path, log_every=1))
