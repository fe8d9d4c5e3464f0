"""The classes that build their own normalizer and pre-tokenizer: transformers' AutoTokenizer on the same folder."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="conformance is held against transformers, which the train extra brings")

from test_tokenizer_files import BERT, LEARNT, TEXTS, assert_same, bytes_bpe, wordpiece, write
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AlbertConfig, AutoModelForMaskedLM, AutoTokenizer

from fillmask import FillMask
from fillmask.errors import CheckpointNotFoundError, CorruptCheckpointError, MissingExtraError, UnsupportedModelError
from fillmask.tokenization.tokenizer import load_tokenizer

ALBERT = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
CAMEMBERT = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>", "<mask>"]


def unigram(special: list[str], *, lower: bool = False, unknown: int = 1) -> Backend:
    """A vocabulary with pieces for cased and uncased text, with and without accents, and its own way to normalize."""
    backend = Backend(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300, special_tokens=special, unk_token=special[unknown], show_progress=False
    )
    plain = [text.replace("é", "e").replace("ü", "u") for text in LEARNT]
    backend.train_from_iterator([*LEARNT, *plain, *(text.lower() for text in [*LEARNT, *plain])], trainer)
    values = json.loads(backend.to_str())
    values["model"]["unk_id"] = unknown
    backend = Backend.from_str(json.dumps(values))
    backend.normalizer = normalizers.Lowercase() if lower else normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace()
    return backend


def with_character_map(backend: Backend, folder: Path) -> Backend:
    """With the character map of a SentencePiece model, as files that were converted from one have it."""
    sentencepiece = pytest.importorskip("sentencepiece", reason="sentencepiece makes the character map")
    (folder / "text").write_text("\n".join(LEARNT), "utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text"), model_prefix=str(folder / "sp"), vocab_size=60, hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc_cf", minloglevel=2,
    )  # fmt: skip
    from transformers.convert_slow_tokenizer import import_protobuf

    proto = import_protobuf().ModelProto()
    proto.ParseFromString((folder / "sp.model").read_bytes())
    backend.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Strip()]
    )
    for path in folder.glob("sp.*"):
        path.unlink()
    return backend


CONFIGS: dict[str, dict[str, Any] | None] = {
    "no config": None,
    "empty": {},
    "cased": {"do_lower_case": False},
    "uncased": {"do_lower_case": True},
    "accents kept": {"keep_accents": True},
    "accents stripped": {"keep_accents": False, "remove_space": True},
    "cased, accents kept": {"do_lower_case": False, "keep_accents": True, "remove_space": False},
    "no space before": {"add_prefix_space": False},
    "at punctuation": {"split_by_punct": True},
    "as it is": {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": False},
}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    ("model", "special", "unknown"),
    [("albert", ALBERT, 1), ("rembert", ["<pad>", "[CLS]", "<unk>", "[SEP]", "[MASK]"], 2), ("deberta-v2", BERT, 1),
     ("xlm-roberta", ROBERTA, 3), ("xmod", ROBERTA, 3), ("camembert", CAMEMBERT, 3)],
)  # fmt: skip
def test_unigram(name: str, model: str, special: list[str], unknown: int, tmp_path: Path) -> None:
    config = CONFIGS[name]
    if name == "as it is":
        marks = {"mask_token": special[-1], "pad_token": next(t for t in special if "pad" in t.lower())}
        config = (config or {}) | marks
    for number, lower in enumerate((False, True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        backend = unigram(special, lower=lower, unknown=unknown)
        if model == "rembert":  # transformers forgets its own where the file has none
            ends = [(special[n], n) for n in (1, 3)]
            backend.post_processor = processors.TemplateProcessing(
                "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends
            )
        write(folder, backend, bare=False, tokenizer_config=config)
        assert_same(folder, model)


@pytest.mark.parametrize(("model", "special", "unknown"), [("albert", ALBERT, 1), ("xlm-roberta", ROBERTA, 3)])
@pytest.mark.parametrize("config", [None, {"do_lower_case": False, "keep_accents": True}])
def test_a_character_map_is_kept(
    config: dict[str, Any] | None, model: str, special: list[str], unknown: int, tmp_path: Path
) -> None:
    backend = with_character_map(unigram(special, unknown=unknown), tmp_path)
    write(tmp_path, backend, bare=False, tokenizer_config=config)
    ours, _ = assert_same(tmp_path, model)
    assert ours.encode("ﬁsh") == ours.encode("FISH") != ours.encode("f sh")


def test_a_class_that_another_family_names(tmp_path: Path) -> None:
    write(tmp_path, unigram(ALBERT), bare=False, tokenizer_config={"tokenizer_class": "AlbertTokenizerFast"})
    assert_same(tmp_path, "bert")


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_values_that_are_neither_true_nor_false(value: object, tmp_path: Path) -> None:
    write(tmp_path, unigram(ALBERT), bare=False, tokenizer_config={"keep_accents": value})
    (tmp_path / "config.json").write_text('{"model_type": "albert"}')
    with pytest.raises(CorruptCheckpointError, match="keep_accents"):
        load_tokenizer(tmp_path, 512)


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("config", [None, {"add_prefix_space": True}, {"do_lower_case": True}])
def test_deberta(config: dict[str, Any] | None, bare: bool, tmp_path: Path) -> None:
    text = bytes_bpe().to_str()
    for old, new in zip(
        ("<s>", "<pad>", "</s>", "<unk>", "<mask>"), ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"), strict=True
    ):
        text = text.replace(f'"{old}"', f'"{new}"')
    marks = {"mask_token": {"content": "[MASK]", "lstrip": True, "normalized": False}}
    write(tmp_path, Backend.from_str(text), bare=bare, tokenizer_config=config, special_tokens_map=marks)
    assert_same(tmp_path, "deberta")


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("model", ["ernie", "mobilebert", "squeezebert", "megatron-bert"])
@pytest.mark.parametrize("config", [None, {"do_lower_case": False}, {"strip_accents": True, "do_basic_tokenize": True}])
def test_families_of_berts_tokenizer(config: dict[str, Any] | None, model: str, bare: bool, tmp_path: Path) -> None:
    write(tmp_path, wordpiece(lowercase=True), bare=bare, tokenizer_config=config)
    assert_same(tmp_path, model)


@pytest.mark.parametrize("config", [None, {"do_lower_case": False}])
def test_roformer(config: dict[str, Any] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rjieba", reason="RoFormer's tokenizer needs the roformer extra")
    values = json.loads(wordpiece(lowercase=True).to_str())
    vocabulary = values["model"]["vocab"]
    for word in ("今天", "天气", "非常", "好", "今", "天", "气"):
        vocabulary.setdefault(word, len(vocabulary))
    for bare in (False, True):
        (tmp_path / str(bare)).mkdir()
        write(tmp_path / str(bare), Backend.from_str(json.dumps(values)), bare=bare, tokenizer_config=config)
    ours, theirs = assert_same(tmp_path / "False", "roformer")
    (tmp_path / "True" / "config.json").write_text('{"model_type": "roformer"}')
    of_list = load_tokenizer(tmp_path / "True", 512)
    for text in ("今天天气非常好。", "今天 the old dog 天气", "非常非常好 café"):
        assert of_list.encode(text) == ours.encode(text) == theirs(text)["input_ids"]
    assert ours.tokenize("今天 非常好") == ["今天", "非常", "好"]
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(MissingExtraError, match=r"fillmask\[roformer\]"):
        load_tokenizer(tmp_path / "False", 512)


AMINO_ACIDS = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO", ".", "-", "<null_1>", "<mask>"]
PROTEINS = [
    "MKTAYIAKQRQISFVKSHFSRQ", "M K T <mask> Y I", "MKT<mask>YI", "<mask>", "mkt", "MKJTJ JM", "MK.-T <null_1>", "",
    " M  K ", "MKT\nAYI", "<cls>MK<eos>", "M<unk>K", "jMKj", "é",
]  # fmt: skip


@pytest.mark.parametrize("config", [None, {"tokenizer_class": "EsmTokenizer", "model_max_length": 40}])
def test_esm(config: dict[str, Any] | None, tmp_path: Path) -> None:
    """As its published files are: vocab.txt without a last line end, a map of special tokens, and no tokenizer.json."""
    (tmp_path / "vocab.txt").write_text("\n".join(AMINO_ACIDS))
    marks = {
        "cls_token": "<cls>",
        "eos_token": "<eos>",
        "mask_token": "<mask>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
    }
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(marks))
    if config is not None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    (tmp_path / "config.json").write_text('{"model_type": "esm"}')
    ours, theirs = load_tokenizer(tmp_path, 1024), AutoTokenizer.from_pretrained(tmp_path)
    assert (ours.mask_token, ours.mask_token_id, ours.pad_token_id) == ("<mask>", 32, 1)
    assert len(ours) == len(theirs) == 33
    for text in [*PROTEINS, *TEXTS]:
        text = text.format(mask="<mask>")
        expected = theirs(text)["input_ids"]
        assert ours.encode_text(text).ids == expected, text
        for skip in (True, False):
            assert ours.decode(expected, skip) == theirs.decode(expected, skip_special_tokens=skip)
    assert ours.encode_text("MK", pair="TA").ids == theirs("MK", "TA")["input_ids"]


def test_protbert(tmp_path: Path) -> None:
    """A BERT whose words are amino acids with spaces between them, cased."""
    (tmp_path / "vocab.txt").write_text("\n".join([*BERT, *"LAGVESIKRDTPNQFYMHCWXUBZO"]) + "\n")
    write_json(tmp_path, "tokenizer_config", {"do_lower_case": False})
    write_json(
        tmp_path,
        "special_tokens_map",
        dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), BERT, strict=True)),
    )
    write_json(tmp_path, "config", {"model_type": "bert"})
    ours, theirs = load_tokenizer(tmp_path, 1024), AutoTokenizer.from_pretrained(tmp_path)
    for text in ("M K T [MASK] Y I", "m k t", "MKT", "M K T J", "M [MASK]K", ""):
        assert ours.encode_text(text).ids == theirs(text)["input_ids"], text
    assert ours.tokenize("M K [MASK] Y") == ["M", "K", "[MASK]", "Y"]


SMILES = [
    "CC(=O)OC1=CC=CC=C1C(=O)O",
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
    "C1=CC=C(C=C1)[C@@H](N)C(=O)O",
    "CCO",
    "c1ccccc1Cl",
]


@pytest.mark.parametrize("files", ["merges", "no merges", "both"])
def test_chemberta(files: str, tmp_path: Path) -> None:
    """A RoBERTa over SMILES: vocab.json and merges.txt, with an empty list of merges in one family, beside tokenizer.json in another."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=90,
        special_tokens=ROBERTA,
        show_progress=False,
        initial_alphabet=list("BFHIKPSbns#+-/\\%@.0123456789Ġ"),
    )
    backend.train_from_iterator(SMILES, trainer)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    backend.model.save(str(tmp_path))
    if files == "no merges":
        (tmp_path / "merges.txt").write_text("#version: 0.2 - Trained by `huggingface/tokenizers`\n")
    if files == "both":
        backend.save(str(tmp_path / "tokenizer.json"))
    write_json(tmp_path, "tokenizer_config", {"max_len": 512, "tokenizer_class": "RobertaTokenizer"})
    mask = {"content": "<mask>", "single_word": False, "lstrip": True, "rstrip": False, "normalized": False}
    write_json(
        tmp_path,
        "special_tokens_map",
        {
            "bos_token": "<s>",
            "eos_token": "</s>",
            "unk_token": "<unk>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "cls_token": "<s>",
            "mask_token": mask,
        },
    )
    write_json(tmp_path, "config", {"model_type": "roberta"})
    ours, theirs = load_tokenizer(tmp_path, 512), AutoTokenizer.from_pretrained(tmp_path)
    for text in [*SMILES, "C1=CC=CC<mask>C1", "CC(=O)N <mask>", "<mask>", ""]:
        assert ours.encode_text(text).ids == theirs(text)["input_ids"], text


@pytest.mark.parametrize(
    ("model", "named"),
    [("roberta", "PhobertTokenizer"), ("bert", "BertJapaneseTokenizer"), ("roberta", "BertweetTokenizer"),
     ("xlm", None), ("flaubert", "FlaubertTokenizer"), ("roberta", "HerbertTokenizerFast"), ("funnel", None)],
)  # fmt: skip
def test_a_bare_vocabulary_of_another_class_is_not_guessed_at(model: str, named: str | None, tmp_path: Path) -> None:
    """Its files have BERT's or RoBERTa's names, and another way to cut a text."""
    for backend in (wordpiece(lowercase=True), bytes_bpe()):
        folder = tmp_path / type(backend.model).__name__
        folder.mkdir()
        write(folder, backend, bare=True, tokenizer_config={"tokenizer_class": named} if named else None)
        write_json(folder, "config", {"model_type": model})
        with pytest.raises(UnsupportedModelError, match=f"its vocabulary is for .*{named or model}"):
            load_tokenizer(folder, 512)
        write(folder, backend, bare=False)
        assert load_tokenizer(folder, 512).encode("the dog")


@pytest.mark.parametrize("name", ["spiece.model", "sentencepiece.bpe.model", "spm.model", "tokenizer.model"])
def test_a_sentencepiece_model_alone(name: str, tmp_path: Path) -> None:
    AutoModelForMaskedLM.from_config(
        AlbertConfig(vocab_size=9, hidden_size=8, num_attention_heads=1, intermediate_size=8, embedding_size=4)
    ).save_pretrained(tmp_path)
    write_json(tmp_path, "tokenizer_config", {"tokenizer_class": "AlbertTokenizer", "do_lower_case": True})
    (tmp_path / name).write_bytes(b"\n\x07")
    with pytest.raises(
        CheckpointNotFoundError, match=rf"tokenizer only as {name}, a SentencePiece model.*AutoTokenizer"
    ):
        FillMask(tmp_path)


def write_json(folder: Path, name: str, value: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(value))
