"""The training loop: it learns, it resumes to the same curve, and what it exports is standard."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra")
pytest.importorskip("transformers", reason="training needs the train extra")

from tokenizers import Tokenizer
from transformers import AutoModelForMaskedLM, AutoTokenizer

from fillmask import FillMask, TrainingError
from fillmask.training import families, pretrain
from fillmask.training.corpus import CorpusFile, tokenize
from fillmask.training.export import export
from fillmask.training.masking import IGNORED, Masking
from fillmask.training.objectives import MaskedTokens, SentencePairs
from fillmask.training.packing import packed
from fillmask.training.pairs import make_pairs
from fillmask.training.recipe import Recipe, Stage
from fillmask.training.tokenizer import save_tokenizer, train_tokenizer
from fillmask.training.vocabulary import MaskingVocabulary

RECIPE = Recipe(
    tokens=16 * 32 * 60,
    batch_tokens=16 * 32,
    warmup_steps=5,
    stages=(Stage(0.7, 32, 0.3), Stage(1.0, 64, 0.15)),
)


@dataclasses.dataclass
class Corpus:
    folder: Path
    tokenizer: Tokenizer
    vocabulary: MaskingVocabulary
    data: pretrain.TrainingRows


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("pretrain")
    animals, places = ("cat", "dog", "bird", "horse"), ("town", "sea", "hill", "wood")
    lines = [f"The {a} that lives by the {p} goes to the {p} again and again." for a in animals for p in places]
    rng = np.random.default_rng(0)
    (folder / "corpus.txt").write_text("\n\n".join("\n".join(rng.permutation(lines)) for _ in range(40)))
    sources = [CorpusFile(folder / "corpus.txt")]
    tokenizer = train_tokenizer(sources, 320)
    save_tokenizer(tokenizer, folder / "model", 64)
    vocabulary = MaskingVocabulary(tokenizer)
    tokenized = tokenize(sources, tokenizer, folder)
    rows = {n: packed(tokenized, vocabulary.special, n, 0, folder) for n in (32, 64)}
    return Corpus(folder, tokenizer, vocabulary, pretrain.TrainingRows(rows, rows[32][:64]))


def tiny_config(corpus: Corpus, family: str = "modernbert", **overrides: Any) -> Any:
    names = {"distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}}.get(
        family, {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    )
    if family in ("albert", "electra", "convbert"):
        names["embedding_size"] = 32
    if family == "nomic_bert":
        names["head_dim"] = 16
    size = corpus.tokenizer.get_vocab_size()
    return families.make_config(
        family, "tiny", size, corpus.vocabulary.special, max_positions=64, **{**names, **overrides}
    )


def start(
    corpus: Corpus, recipe: Recipe = RECIPE, *, family: str = "modernbert", **options: Any
) -> pretrain.Pretraining:
    torch.manual_seed(0)
    model = families.make_model(tiny_config(corpus, family))
    return pretrain.Pretraining(model, corpus.data, corpus.vocabulary, recipe, **{"compile": False, **options})


def test_it_learns_and_exports_a_checkpoint_that_both_libraries_read(corpus: Corpus, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, tokens=16 * 32 * 150)
    run = start(corpus, recipe)
    reports = list(run.run(tmp_path, log_every=50, validate_every=150))
    assert reports[-1].step == recipe.steps
    assert reports[-1].loss < 0.5 * reports[0].loss
    assert reports[-1].validation["top1"] > 0.5
    curve = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [record["step"] for record in curve] == [50, 100, 150]

    folder = corpus.folder / "model"
    export(run.model, folder)
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


@pytest.mark.parametrize("family", families.FAMILIES)
def test_every_family_trains_and_is_read_by_transformers(corpus: Corpus, family: str, tmp_path: Path) -> None:
    """The loss falls, is transformers' own loss, and segments of a row do not see each other."""
    run = start(corpus, dataclasses.replace(RECIPE, lr=1e-2), family=family, bfloat16=False)
    losses = [float(run.train_step()) for _ in range(8)]
    assert losses[-1] < losses[0]
    model = run.model.train(False)

    ids = torch.tensor([[0, 10, 11, 4, 2, 0, 20, 4, 2, 1]])
    segments = torch.tensor([[1, 1, 1, 1, 1, 2, 2, 2, 2, 0]])
    with torch.no_grad():
        together = families.encode(model, ids, segments)
        alone = families.encode(model, ids[:, 5:9], segments[:, 5:9])
    if family in families.NOT_CONTAINED:
        assert not torch.allclose(together[:, 5:9], alone, atol=1e-4)
    else:
        torch.testing.assert_close(together[:, 5:9], alone, atol=1e-5, rtol=1e-5)

    (batch,) = run._batches(3)
    objective = MaskedTokens(model)
    one_segment = torch.ones_like(batch.input_ids)
    with torch.no_grad():
        loss = objective(batch.input_ids, one_segment, batch.positions, batch.labels)
        used = batch.labels != IGNORED
        expected = torch.full_like(batch.input_ids, -100).reshape(-1)
        expected[batch.positions[used]] = batch.labels[used]
        reference = model(
            input_ids=batch.input_ids, attention_mask=one_segment, labels=expected.reshape(one_segment.shape)
        )
    torch.testing.assert_close(loss, reference.loss, atol=1e-4, rtol=1e-4)

    export(model, tmp_path, half=False)
    again = AutoModelForMaskedLM.from_pretrained(tmp_path).train(False)
    with torch.no_grad():
        torch.testing.assert_close(again(input_ids=ids).logits, model(input_ids=ids).logits)


@pytest.mark.parametrize(("objective", "family"), [("nsp", "bert"), ("sop", "albert")])
def test_sentence_pairs_are_learned(corpus: Corpus, tmp_path: Path, objective: str, family: str) -> None:
    sources = [CorpusFile(corpus.folder / "corpus.txt")]
    sentences = tokenize(sources, corpus.tokenizer, tmp_path, sentences=True)
    pairs = make_pairs(sentences, corpus.vocabulary.special, 64, np.arange(len(sentences)), objective, 0)
    data = pretrain.TrainingRows({64: pairs.rows}, corpus.data.validation, {64: pairs.labels})
    recipe = Recipe(
        tokens=16 * 64 * 6, batch_tokens=16 * 64, lr=5e-3, stages=(Stage(1, 64, 0.15),), objective=objective
    )
    torch.manual_seed(0)
    model = families.make_model(tiny_config(corpus, family), objective)
    run = pretrain.Pretraining(
        model, data, corpus.vocabulary, recipe, objective=SentencePairs(model), compile=False, bfloat16=False
    )
    batch = run._batches(0)[0]
    assert batch.type_ids is not None
    assert set(batch.type_ids.unique().tolist()) == {0, 1}
    with torch.no_grad():
        alone = MaskedTokens(model)(*batch.tuple())
        both = run.objective(*batch.tuple())
    assert float(both - alone) == pytest.approx(math.log(2), abs=0.2)  # an untrained judge
    losses = [float(run.train_step()) for _ in range(6)]
    assert losses[-1] < losses[0]
    export(model, tmp_path / "out")
    assert type(AutoModelForMaskedLM.from_pretrained(tmp_path / "out")).__name__ == f"{family.capitalize()}ForMaskedLM"


def test_resumed_runs_follow_the_same_curve(corpus: Corpus, tmp_path: Path) -> None:
    """Stopped and taken up five times, across the change of stage and into the decay, with dropout and static masks."""
    for masking, dropout in ((Masking(), 0.1), (Masking("span", "bert", duplicates=2), 0.0)):
        recipe = dataclasses.replace(RECIPE, tokens=16 * 32 * 20, masking=masking, dropout=dropout)
        folder = tmp_path / masking.unit
        folder.mkdir()
        whole = start(corpus, recipe)
        losses = [float(whole.train_step()) for _ in range(recipe.steps)]
        resumed: list[float] = []
        for stop in (1, 7, 13, 14, 20):
            run = start(corpus, recipe)
            assert run.resume(folder) == bool(resumed)
            assert run.step == len(resumed)
            resumed += [float(run.train_step()) for _ in range(stop - run.step)]
            run.save(folder)
        np.testing.assert_allclose(resumed, losses, atol=1e-5)


def test_static_masks_come_again(corpus: Corpus) -> None:
    """Two maskings of a row and no third, however often it is seen."""
    recipe = dataclasses.replace(RECIPE, tokens=10**7, masking=Masking(duplicates=2))
    run = start(corpus, recipe)
    rows = len(run._draws[32].usable)
    per_step = 16
    seen: dict[int, set[bytes]] = {}
    for step in range(0, 5 * rows // per_step + 1):
        picked, _ = run._draws[32](step * per_step, (step + 1) * per_step)
        shown = run._batches(step)[0].input_ids.numpy()
        for row, ids in zip(picked, shown, strict=True):
            seen.setdefault(int(row), set()).add(ids.tobytes())
    assert {len(maskings) for maskings in seen.values()} <= {1, 2}
    assert sum(len(m) == 2 for m in seen.values()) > 0.9 * len(seen)


def test_gradients_of_small_parts_add_up(corpus: Corpus) -> None:
    """A step cut in two sees the same masks and takes the same step."""
    whole, cut = start(corpus, bfloat16=False), start(corpus, micro_tokens=8 * 32, bfloat16=False)
    assert len(whole._batches(0)) == 1
    assert len(cut._batches(0)) == 2
    a, b = (torch.cat([part.input_ids for part in run._batches(0)]) for run in (whole, cut))
    assert torch.equal(a, b)
    for _ in range(5):
        assert float(whole.train_step()) == pytest.approx(float(cut.train_step()), abs=2e-3)


def test_resuming_another_recipe_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    start(corpus).save(tmp_path)
    other = start(corpus, dataclasses.replace(RECIPE, seed=1))
    with pytest.raises(TrainingError, match="was trained with seed=0, not 1"):
        other.resume(tmp_path)
    with pytest.raises(TrainingError, match="of another shape"):
        start(corpus, family="bert").resume(tmp_path)
    (tmp_path / "state.pt").write_bytes((tmp_path / "state.pt").read_bytes()[:1000])
    with pytest.raises(TrainingError, match="delete it to start anew"):
        start(corpus).resume(tmp_path)


def test_all_that_differs_is_named(corpus: Corpus, tmp_path: Path) -> None:
    """Contents by their digest, whatever they are called; the length of the run may differ, and nothing else."""
    made_of = {"text": {"name": "a.txt", "digest": "0123456789"}, "held_out": 0.05}
    start(corpus, made_of=made_of).save(tmp_path)
    longer = dataclasses.replace(RECIPE, tokens=2 * RECIPE.tokens)
    assert start(corpus, longer, made_of=made_of | {"text": {"name": "c.txt", "digest": "0123456789"}}).resume(tmp_path)
    other = {"text": {"name": "b.txt", "digest": "abcdefghij"}, "teacher": "x"}
    with pytest.raises(TrainingError) as refused:
        start(corpus, dataclasses.replace(RECIPE, lr=1e-4, warmup_steps=6), made_of=other).resume(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path / 'state.pt'} was trained with lr=0.002, not 0.0001, and warmup_steps=5, not 6, and"
        " text=a.txt (01234567), not b.txt (abcdefgh), and teacher=none, not x, and held_out=0.05, not none;"
        " use another folder, or delete it to start anew"
    )


def test_a_state_that_does_not_say_what_it_is_of(corpus: Corpus, tmp_path: Path) -> None:
    start(corpus).save(tmp_path)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    del state["made_of"]
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(TrainingError, match=r"does not say of which text and model it is.*or delete it to start anew"):
        start(corpus).resume(tmp_path)


def test_a_longer_run_may_go_on(corpus: Corpus, tmp_path: Path) -> None:
    start(corpus).save(tmp_path)
    assert start(corpus, dataclasses.replace(RECIPE, tokens=2 * RECIPE.tokens)).resume(tmp_path)


def test_nothing_to_resume(corpus: Corpus, tmp_path: Path) -> None:
    assert not start(corpus).resume(tmp_path)


def test_rows_of_every_stage_are_needed(corpus: Corpus) -> None:
    with pytest.raises(TrainingError, match=r"no rows of length \[128, 256\]"):
        start(corpus, Recipe(tokens=1000))


def test_a_loss_that_is_no_number_stops_the_run(corpus: Corpus, tmp_path: Path) -> None:
    run = start(corpus)
    with torch.no_grad():
        run.model.decoder.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="lower --lr"):
        list(run.run(tmp_path, log_every=1))


def test_configs_are_checked(corpus: Corpus) -> None:
    from fillmask import InputError

    for family, size, overrides, message in (
        ("gpt2", "tiny", {}, "there is no family 'gpt2'"),
        ("bert", "huge", {}, "there is no size 'huge'"),
        ("bert", "tiny", {"colour": 1}, "config has no colour"),
    ):
        with pytest.raises(InputError, match=message):
            families.make_config(family, size, 100, corpus.vocabulary.special, **overrides)
    with pytest.raises(InputError, match="is of bert models"):
        families.make_model(tiny_config(corpus, "roberta"), "nsp")
