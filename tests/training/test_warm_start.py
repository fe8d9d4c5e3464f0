"""Heads and vocabularies that are made new of a model: equal to their definitions, module by module."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the train extra")
pytest.importorskip("transformers", reason="training needs the train extra")

from tiny import SENTENCES
from tokenizers import Tokenizer
from transformers import AutoModel, AutoModelForMaskedLM, AutoModelForSequenceClassification

from fillmask import TrainingError, UnsupportedModelError
from fillmask.data.documents import CorpusFile
from fillmask.models.checkpoint import open_checkpoint
from fillmask.training import families
from fillmask.training.export import quiet
from fillmask.training.tokenizer import BERT_TOKENS, SPECIAL_TOKENS, save_tokenizer, special_ids, train_tokenizer
from fillmask.training.transplant import matching_pieces, transplant
from fillmask.training.warm_start import WarmStart, check_can_start, open_model, start_bias

BPE_FAMILIES = {"modernbert", "roberta"}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n\n".join(SENTENCES), "utf-8")
    return path


@pytest.fixture(scope="module")
def cased(text: Path) -> Tokenizer:
    return train_tokenizer([CorpusFile(text)], 420)


@pytest.fixture(scope="module")
def uncased(text: Path) -> Tokenizer:
    """BERT's kind."""
    return train_tokenizer([CorpusFile(text)], 300, kind="wordpiece", lowercase=True)


def write_body(folder: Path, family: str, tokenizer: Tokenizer, loader: type = AutoModel) -> Path:
    """A checkpoint of the family without a head that fills masks."""
    names = {"distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}}.get(
        family, {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
    )
    if family in ("albert", "electra", "convbert"):
        names["embedding_size"] = 32
    if family == "nomic_bert":
        names["head_dim"] = 16
    torch.manual_seed(1)
    config = families.make_config(
        family, "tiny", tokenizer.get_vocab_size(), special_ids(tokenizer), max_positions=64, **names
    )
    with quiet():
        loader.from_config(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder, 64)
    return folder


@pytest.mark.parametrize("family", families.FAMILIES)
def test_a_grown_head_is_transformers_own(family: str, cased: Tokenizer, tmp_path: Path) -> None:
    """The body is the checkpoint's; the head is the identity, ones and zeros; the logits are those of transformers' modules."""
    folder = write_body(tmp_path, family, cased)
    with quiet():
        body = AutoModel.from_pretrained(folder, dtype=torch.float32).train(False)
    start = open_model(folder, cased, warm_start=WarmStart(grow_head=True))
    model = start.model.train(False)
    assert "identity" in start.facts["new head"]
    ids = torch.tensor([[0, 10, 11, 4, 12, 2]])
    with torch.no_grad():
        expected = body(input_ids=ids).last_hidden_state
        torch.testing.assert_close(model.base_model(input_ids=ids).last_hidden_state, expected)
        # The definition, written out: activation of the states, norm without weights, products with the embeddings.
        activation = torch.nn.functional.gelu(expected)
        if family == "nomic_bert":
            activation = torch.nn.functional.silu(expected) if "silu" in str(model.config.hidden_act) else activation
        normed = torch.nn.functional.layer_norm(activation, (32,), eps=_norm_eps(model))
        logits = normed @ body.get_input_embeddings().weight.T
        torch.testing.assert_close(model(input_ids=ids).logits, logits, atol=2e-3, rtol=2e-3)
        rows = expected.reshape(-1, 32)
        torch.testing.assert_close(families.head(model, rows), model(input_ids=ids).logits[0], atol=1e-5, rtol=1e-5)


def _norm_eps(model: object) -> float:
    norms = [m for name, m in model.named_modules() if isinstance(m, torch.nn.LayerNorm) and not name.startswith(model.base_model_prefix)]  # type: ignore[attr-defined]  # fmt: skip
    return float(norms[-1].eps)


def test_a_model_without_a_head_is_refused_and_the_flag_is_named(cased: Tokenizer, tmp_path: Path) -> None:
    folder = write_body(tmp_path / "body", "bert", cased)
    with pytest.raises(TrainingError, match=r"no head that fills masks.*--grow-head"):
        open_model(folder, cased)
    classifier = write_body(tmp_path / "classifier", "bert", cased, AutoModelForSequenceClassification)
    with pytest.raises(UnsupportedModelError, match="--grow-head"):
        check_can_start(open_checkpoint(classifier), WarmStart())
    check_can_start(open_checkpoint(classifier), WarmStart(grow_head=True))
    assert open_model(classifier, cased, warm_start=WarmStart(grow_head=True)).facts["new head"]


def test_a_head_that_is_there_stays(cased: Tokenizer, tmp_path: Path) -> None:
    folder = write_body(tmp_path, "bert", cased, AutoModelForMaskedLM)
    start = open_model(folder, cased, warm_start=WarmStart(grow_head=True))
    assert not start.facts
    with quiet():
        expected = AutoModelForMaskedLM.from_pretrained(folder).state_dict()
    for name, value in start.model.state_dict().items():
        torch.testing.assert_close(value, expected[name])


def test_transplanted_rows_equal_their_definition(cased: Tokenizer, uncased: Tokenizer) -> None:
    table = torch.randn(uncased.get_vocab_size(), 16, generator=torch.Generator().manual_seed(0))
    moved = transplant(table, uncased, cased)
    vocabulary = uncased.get_vocab()
    by_text = {cased.id_to_token(i): i for i in range(cased.get_vocab_size())}
    checked = 0
    for token, pieces in (
        ("<s>", ["[CLS]"]), ("</s>", ["[SEP]"]), ("<pad>", ["[PAD]"]), ("<mask>", ["[MASK]"]), ("<unk>", ["[UNK]"]),
        ("Ġdog", ["dog"]), ("The", ["the"]), ("Ġthe", ["the"]), (".", ["."]), ("ere", ["##ere"]),
        ("ing", ["##ing"]), ("ĠHe", ["he"]),
    ):  # fmt: skip
        if token in by_text and all(piece in vocabulary for piece in pieces):
            expected = table[[vocabulary[piece] for piece in pieces]].mean(0)
            torch.testing.assert_close(moved.embeddings[by_text[token]], expected, msg=token)
            checked += 1
    assert checked >= 8
    # Every row that matches is the mean of its pieces, and the pieces spell the token, case folded.
    for token, pieces in enumerate(moved.pieces):
        if not pieces:
            continue
        torch.testing.assert_close(moved.embeddings[token], table[list(pieces)].mean(0))
        text = cased.decode([token], skip_special_tokens=False).strip()
        if text.isalpha() and text.isascii():
            spelled = "".join(uncased.id_to_token(piece).removeprefix("##") for piece in pieces)
            assert spelled == text.lower()
    # Bytes that are parts of characters, and white space, match nothing.
    assert moved.unmatched == sum(not pieces for pieces in moved.pieces) >= 100
    nothing = moved.pieces[by_text["Ġ"]]
    assert nothing == ()
    assert torch.equal(transplant(table, uncased, cased).embeddings, moved.embeddings)


def test_pieces_begin_words_or_continue_them(uncased: Tokenizer, cased: Tokenizer) -> None:
    for token, pieces in enumerate(matching_pieces(uncased, cased)):
        text = cased.id_to_token(token)
        if not pieces or not text.lstrip("Ġ").isalpha() or not text.isascii():
            continue
        continues = uncased.id_to_token(pieces[0]).startswith("##")
        assert continues == text[0].islower(), text


@pytest.mark.parametrize("old_kind", ["bpe", "wordpiece", "unigram"])
@pytest.mark.parametrize("new_kind", ["bpe", "wordpiece", "unigram"])
def test_pieces_spell_the_token_in_every_kind_of_vocabulary(text: Path, old_kind: str, new_kind: str) -> None:
    old = train_tokenizer([CorpusFile(text)], 400 if old_kind == "bpe" else 200, kind=old_kind)
    new = train_tokenizer([CorpusFile(text)], 420 if new_kind == "bpe" else 220, kind=new_kind)
    matched = 0
    for token, pieces in enumerate(matching_pieces(old, new)):
        spelling = _letters(new, [token])
        if pieces and spelling.isalpha():
            assert _letters(old, pieces) == spelling, new.id_to_token(token)
            matched += 1
    spellings = [_letters(new, [token]) for token in range(new.get_vocab_size())]
    letters = sum(spelling.isalpha() and spelling.isascii() for spelling in spellings)
    assert matched > 0.8 * letters


def _letters(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """What tokens spell, without the marks of words; empty for special tokens."""
    tokens = [tokenizer.id_to_token(i) for i in ids]
    if any(token in SPECIAL_TOKENS + BERT_TOKENS for token in tokens):
        return ""
    return "".join(token.removeprefix("##").strip("Ġ▁") for token in tokens)


def test_a_vocabulary_to_itself_changes_nothing(uncased: Tokenizer, cased: Tokenizer) -> None:
    for tokenizer in (uncased, cased):
        for token, pieces in enumerate(matching_pieces(tokenizer, tokenizer)):
            if pieces:
                assert pieces == (token,), tokenizer.id_to_token(token)


@pytest.mark.parametrize("family", ["bert", "electra", "modernbert", "distilbert", "albert", "deberta-v2"])
def test_a_model_gets_another_vocabulary(family: str, uncased: Tokenizer, cased: Tokenizer, tmp_path: Path) -> None:
    folder = write_body(tmp_path, family, uncased, AutoModelForMaskedLM)
    before = open_model(folder, uncased).model
    start = open_model(folder, cased, warm_start=WarmStart(tokenizer="cased"))
    model = start.model
    assert "match nothing" in start.facts["new vocabulary"]
    assert model.config.vocab_size == cased.get_vocab_size()
    assert model.config.pad_token_id == special_ids(cased).pad
    expected = transplant(before.get_input_embeddings().weight.detach(), uncased, cased).embeddings
    torch.testing.assert_close(model.get_input_embeddings().weight.detach(), expected)
    torch.testing.assert_close(model.get_output_embeddings().weight.detach(), expected)
    olds = dict(before.named_parameters())
    same = [name for name, value in model.named_parameters() if value.shape == olds[name].shape]
    assert len(same) >= len(olds) - 3
    for name in same:
        torch.testing.assert_close(dict(model.named_parameters())[name], olds[name])
    assert model(input_ids=torch.tensor([[0, 10, 11, 2]])).logits.shape[-1] == cased.get_vocab_size()


def test_positions_that_count_from_the_padding_token(uncased: Tokenizer, cased: Tokenizer, tmp_path: Path) -> None:
    folder = write_body(tmp_path, "roberta", uncased, AutoModelForMaskedLM)
    with pytest.raises(
        TrainingError, match=r"count from the padding token, 0 in this model and 1 in the new vocabulary"
    ):
        open_model(folder, cased, warm_start=WarmStart(tokenizer="cased"))


def test_another_vocabulary_is_refused_and_the_flag_is_named(
    uncased: Tokenizer, cased: Tokenizer, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"different vocabularies.*--tokenizer"):
        open_model(write_body(tmp_path, "bert", uncased, AutoModelForMaskedLM), cased)


def test_the_bias_starts_at_the_frequencies(cased: Tokenizer, tmp_path: Path) -> None:
    model = open_model(write_body(tmp_path, "bert", cased), cased, warm_start=WarmStart(grow_head=True)).model
    rows = np.array([[0, 10, 10, 10, 11, 2], [0, 10, 11, 12, 2, 1]])
    start_bias(model, rows)
    bias = model.get_output_embeddings().bias.detach().numpy()
    assert bias[10] - bias[13] == pytest.approx(np.log(5), abs=1e-5)
    assert bias[11] - bias[12] == pytest.approx(np.log(3 / 2), abs=1e-5)
    assert bias[0] == bias[13]
    assert bias.mean() == pytest.approx(0, abs=1e-5)
