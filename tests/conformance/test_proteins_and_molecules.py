"""Models of proteins and molecules from their published files' form: the answers of transformers' pipeline."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="conformance is held against transformers, which the train extra brings")

import transformers
from parity import random_model
from test_tokenizer_classes import AMINO_ACIDS, SMILES, write_json
from test_tokenizer_files import BERT, ROBERTA
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, trainers
from transformers import BertConfig, EsmConfig, RobertaConfig

from fillmask import FillMask
from fillmask.errors import TextTooLongError

SMALL = {
    "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 48,
    "max_position_embeddings": 66, "pad_token_id": 1,
}  # fmt: skip


def esm_2(folder: Path) -> list[str]:
    (folder / "vocab.txt").write_text("\n".join(AMINO_ACIDS))
    roles = {
        "cls_token": "<cls>",
        "eos_token": "<eos>",
        "mask_token": "<mask>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
    }
    write_json(folder, "special_tokens_map", roles)
    write_json(folder, "tokenizer_config", {"model_max_length": 1000000000000000019884624838656, "tokenizer_class": "EsmTokenizer"} | roles)  # fmt: skip
    config = EsmConfig(
        vocab_size=33, mask_token_id=32, token_dropout=True, position_embedding_type="rotary", layer_norm_eps=1e-5,
        emb_layer_norm_before=False, **SMALL,
    )  # fmt: skip
    random_model(config).save_pretrained(folder)
    return ["MKT<mask>YIAKQRQISFVKSHFSRQ", "<mask>KTAYIAKQR", "M K T <mask> Y I", "MKTJ<mask>b", "MK<mask>AY<mask>A"]


def protbert(folder: Path) -> list[str]:
    (folder / "vocab.txt").write_text("\n".join([*BERT, *"LAGVESIKRDTPNQFYMHCWXUBZO"]) + "\n")
    write_json(folder, "tokenizer_config", {"do_lower_case": False, "model_max_length": 512})
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    write_json(folder, "special_tokens_map", dict(zip(roles, BERT, strict=True)))
    random_model(BertConfig(vocab_size=30, **SMALL | {"pad_token_id": 0})).save_pretrained(folder)
    return ["M K T [MASK] Y I A K", "[MASK] A", "m k t [MASK]", "M K [MASK] Y [MASK]"]


def chemberta(folder: Path) -> list[str]:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=ROBERTA, show_progress=False)
    backend.train_from_iterator(SMILES, trainer)
    backend.model.save(str(folder))
    write_json(folder, "tokenizer_config", {"max_len": 512})
    mask = {"content": "<mask>", "single_word": False, "lstrip": True, "rstrip": False, "normalized": False}
    roles = ("bos_token", "pad_token", "eos_token", "unk_token")
    ends = {"cls_token": "<s>", "sep_token": "</s>", "mask_token": mask}
    write_json(folder, "special_tokens_map", dict(zip(roles, ROBERTA, strict=False)) | ends)
    random_model(RobertaConfig(vocab_size=backend.get_vocab_size(), **SMALL)).save_pretrained(folder)
    return ["C1=CC=CC<mask>C1", "CC(=O)O<mask>", "<mask>", "CN1C=NC2=C1C(=O)N <mask>"]


@pytest.mark.parametrize("write", [esm_2, protbert, chemberta])
def test_the_pipelines_answers(write: Callable[[Path], list[str]], tmp_path: Path) -> None:
    texts = write(tmp_path)
    assert not (tmp_path / "tokenizer.json").exists()
    ours, theirs = FillMask(tmp_path), transformers.pipeline("fill-mask", model=str(tmp_path), device="cpu")
    for text in texts:
        for answer, expected in zip(_flat(ours(text)), _flat(theirs(text)), strict=True):
            assert answer["score"] == pytest.approx(expected["score"], abs=1e-5)
            assert {k: v for k, v in answer.items() if k != "score"} == {
                k: v for k, v in expected.items() if k != "score"
            }


def _flat(answers: Any) -> list[dict[str, Any]]:
    return [answer for group in answers for answer in (group if isinstance(group, list) else [group])]


def test_a_protein_that_is_too_long(tmp_path: Path) -> None:
    """Positions begin after the padding id, rotary or not: what the model was trained with is its limit."""
    esm_2(tmp_path)
    unmask = FillMask(tmp_path)
    assert len(unmask("M" * 61 + "<mask>")) == 5
    with pytest.raises(TextTooLongError, match="the text has 65 tokens and the model takes 64"):
        unmask("M" * 62 + "<mask>")


def test_scores_of_a_protein_are_of_its_amino_acids(tmp_path: Path) -> None:
    esm_2(tmp_path)
    score = FillMask(tmp_path).score("MKTAY")
    assert [word.word for word in score.words] == list("MKTAY")
