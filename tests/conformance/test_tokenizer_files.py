"""What a folder's files say of its tokenizer besides the vocabulary: transformers' AutoTokenizer on the same folder."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="conformance is held against transformers, which the train extra brings")

from tiny import SENTENCES
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

from fillmask.tokenization.tokenizer import Tokenizer, load_tokenizer

TEXTS = [
    "The old dog went to the {mask} early.",
    "THE OLD DOG Went to {mask} and café Café ÜBER über naïve",
    "{mask} is first, and last is {mask}",
    "a{mask}b  <New> <new> [NEW] [new] a<New>b  <New>  x",
    "日本語 dog 日 本",
    "<s> </s> <pad> [CLS] [SEP] [PAD] [UNK] [MASK] <mask> written out",
    "<One> <Two> <one> a <Two>b",
    " leading and trailing ",
    "",
]
LEARNT = [*SENTENCES, "Café café ÜBER über naive naïve ÉÈ", "日本語 日 本 語", "New new One one Two two"]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
TWO = {"__type": "AddedToken", "content": "<Two>", "lstrip": True, "rstrip": True, "normalized": True, "special": False}


def wordpiece(**options: Any) -> Backend:
    backend = Backend(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    backend.train_from_iterator(
        [*LEARNT, *(text.lower() for text in LEARNT)],
        trainers.WordPieceTrainer(vocab_size=400, special_tokens=BERT, show_progress=False),
    )
    backend.normalizer = normalizers.BertNormalizer(**options)
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return backend


def mpnet() -> Backend:
    backend = Backend.from_str(wordpiece().to_str().replace("[PAD]", "<pad>").replace("[MASK]", "<mask>"))
    values = json.loads(backend.to_str().replace("[CLS]", "<s>").replace("[SEP]", "</s>"))
    values["post_processor"] = {"type": "RobertaProcessing", "sep": ["</s>", 3], "cls": ["<s>", 2]}
    values["post_processor"] |= {"trim_offsets": True, "add_prefix_space": False}
    return Backend.from_str(json.dumps(values))


def bytes_bpe(*, add_prefix_space: bool = False) -> Backend:
    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=ROBERTA, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )  # fmt: skip
    backend.train_from_iterator(LEARNT, trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, add_prefix_space)
    return backend


def write(folder: Path, backend: Backend, *, bare: bool, **files: Any) -> None:
    """`files` are JSON by their names, without the ending; None is no such file."""
    if not bare:
        backend.save(str(folder / "tokenizer.json"))
    elif type(backend.model).__name__ == "BPE":
        backend.model.save(str(folder))
    else:
        words = sorted(backend.get_vocab(), key=backend.get_vocab().__getitem__)
        (folder / "vocab.txt").write_text("".join(f"{word}\n" for word in words), "utf-8")
    for name, value in files.items():
        if value is not None:
            (folder / f"{name}.json").write_text(json.dumps(value), "utf-8")


def assert_same(folder: Path, model: str) -> tuple[Tokenizer, Any]:
    path = folder / "config.json"
    path.write_text(json.dumps({"model_type": model, **(json.loads(path.read_text()) if path.exists() else {})}))
    ours, theirs = load_tokenizer(folder, 512), AutoTokenizer.from_pretrained(folder)
    assert (ours.mask_token, ours.mask_token_id) == (theirs.mask_token, theirs.mask_token_id)
    assert ours.pad_token_id == theirs.pad_token_id
    assert ours.get_vocab() == theirs.get_vocab()
    for text in TEXTS:
        text = text.format(mask=ours.mask_token)
        expected = theirs(text)["input_ids"]
        assert ours.encode_text(text).ids == expected, text
        for skip in (True, False):
            assert ours.decode(expected, skip) == theirs.decode(expected, skip_special_tokens=skip)
        for longest in (3, 6):
            options = {"truncation": True, "max_length": longest}
            assert ours.encode_text(text, options).ids == theirs(text, **options)["input_ids"], text
    return ours, theirs


CONFIGS: dict[str, dict[str, Any] | None] = {
    "no config": None,
    "empty": {},
    "cased": {"do_lower_case": False},
    "uncased": {"do_lower_case": True},
    "accents kept": {"strip_accents": False},
    "accents stripped": {"do_lower_case": False, "strip_accents": True},
    "accents null": {"strip_accents": None},
    "chinese": {"tokenize_chinese_chars": False},
    "fast": {"tokenizer_class": "BertTokenizerFast"},
    "distil": {"tokenizer_class": "DistilBertTokenizer", "do_lower_case": False},
    "electra": {"tokenizer_class": "ElectraTokenizerFast"},
    "as it is": {"tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": True, "mask_token": "[MASK]",
                 "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
    "backend": {"tokenizer_class": "TokenizersBackend", "mask_token": "[MASK]", "pad_token": "[PAD]"},
}  # fmt: skip


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_berts_config_or_its_defaults_win(name: str, lowercase: bool, tmp_path: Path) -> None:
    backend = wordpiece(lowercase=lowercase, strip_accents=None if lowercase else True)
    write(tmp_path, backend, bare=False, tokenizer_config=CONFIGS[name])
    for model in ("bert", "distilbert", "nomic_bert"):
        (tmp_path / "config.json").unlink(missing_ok=True)
        assert_same(tmp_path, model)


def test_other_models_take_the_class_that_is_named(tmp_path: Path) -> None:
    """ModernBERT takes none: what its files name is not believed."""
    named = {"tokenizer_class": "BertTokenizer", "mask_token": "[MASK]", "pad_token": "[PAD]"}
    for model in ("roberta", "modernbert"):
        folder = tmp_path / model
        folder.mkdir()
        write(folder, wordpiece(lowercase=False), bare=False, tokenizer_config=named)
        assert_same(folder, model)
    for folder, named in ((tmp_path / "a", "BertTokenizer"), (tmp_path / "b", "PreTrainedTokenizerFast")):
        folder.mkdir()
        write(
            folder, wordpiece(lowercase=False), bare=False, config={"tokenizer_class": named},
            tokenizer_config={"mask_token": "[MASK]", "pad_token": "[PAD]"},
        )  # fmt: skip
        assert_same(folder, "bert")


def test_what_the_class_builds_besides_the_normalizer(tmp_path: Path) -> None:
    backend = wordpiece(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    backend.post_processor = processors.ByteLevel()
    write(tmp_path, backend, bare=False)
    assert_same(tmp_path, "bert")


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("config", [None, {"do_lower_case": False}, {"tokenizer_class": "MPNetTokenizer"}])
def test_mpnet(config: dict[str, Any] | None, bare: bool, tmp_path: Path) -> None:
    write(tmp_path, mpnet(), bare=bare, tokenizer_config=config)
    assert_same(tmp_path, "mpnet")


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        None,
        {"add_prefix_space": True},
        {"add_prefix_space": False, "tokenizer_class": "RobertaTokenizer"},
        {"tokenizer_class": "LongformerTokenizerFast", "add_prefix_space": True, "trim_offsets": False},
    ],
)
@pytest.mark.parametrize("in_file", [False, True])
def test_robertas_prefix_space(config: dict[str, Any] | None, bare: bool, in_file: bool, tmp_path: Path) -> None:
    # With the mask's flags written out, as they are wherever transformers saved it, both libraries agree on it.
    marks = {"mask_token": {"content": "<mask>", "lstrip": True, "normalized": False}}
    write(
        tmp_path, bytes_bpe(add_prefix_space=in_file), bare=bare, tokenizer_config=config, special_tokens_map=marks
    )  # fmt: skip
    assert_same(tmp_path, "roberta")


def test_the_space_before_the_mask_of_a_bare_vocabulary(tmp_path: Path) -> None:
    """The one difference: the published tokenizer.json's mask takes it."""
    write(tmp_path, bytes_bpe(), bare=True)
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    ours, theirs = load_tokenizer(tmp_path, 512), AutoTokenizer.from_pretrained(tmp_path)
    assert ours.tokenize("dog <mask>") == ours.tokenize("dog<mask>")
    assert theirs.tokenize("dog <mask>")[-2:] == ["Ġ", "<mask>"]
    assert ours.encode("dog<mask>") == theirs("dog<mask>")["input_ids"]


ADDED: dict[str, dict[str, Any]] = {
    "a file": {"added_tokens": {"<One>": 401, "<New>": 400}},
    "a file, special": {
        "added_tokens": {"<New>": 400, "[new]": 401},
        "special_tokens_map": {"additional_special_tokens": ["<New>"]},
    },
    "a list": {
        "tokenizer_config": {"added_tokens_decoder": {"401": TWO, "400": {"content": "<New>", "special": True}}}
    },
    "a list of words that there are": {
        "tokenizer_config": {"added_tokens_decoder": {"40": {"content": "dog", "single_word": True}}}
    },
    "extra": {"tokenizer_config": {"extra_special_tokens": ["<New>", "[NEW]", TWO]}},
    "extra with names": {"tokenizer_config": {"extra_special_tokens": {"new_token": "<New>"}}},
    "additional": {"tokenizer_config": {"additional_special_tokens": ["<New>", TWO]}},
    "additional in the map": {"special_tokens_map": {"additional_special_tokens": ["<One>", "<New>"]}},
    "a list stands above the map": {
        "tokenizer_config": {"added_tokens_decoder": {"400": TWO}, "mask_token": "[MASK]"},
        "special_tokens_map": {"additional_special_tokens": ["<New>"]},
    },
    "a name that is no token yet": {"tokenizer_config": {"bos_token": "<New>", "eos_token": TWO}},
    "the map's names stand above": {
        "tokenizer_config": {"bos_token": "<One>"},
        "special_tokens_map": {"bos_token": {"content": "<New>", "lstrip": True, "normalized": True}},
    },
}


# transformers cannot read a bare vocabulary without a class.
@pytest.mark.parametrize(("kind", "bare"), [("class", False), ("class", True), ("as it is", False)])
@pytest.mark.parametrize("name", ADDED)
def test_added_tokens(name: str, kind: str, bare: bool, tmp_path: Path) -> None:
    files = dict(ADDED[name])
    if kind == "as it is":
        roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
        own = {"tokenizer_class": "PreTrainedTokenizerFast", **dict(zip(roles, BERT, strict=True))}
        files["tokenizer_config"] = own | files.get("tokenizer_config", {})
    write(tmp_path, wordpiece(lowercase=True), bare=bare, **files)
    ours, _ = assert_same(tmp_path, "bert")
    assert len(ours.backend.get_added_tokens_decoder()) > len(BERT)


def test_tokens_that_the_file_does_not_call_added(tmp_path: Path) -> None:
    """A vocabulary's own `[MASK]` is cut unless it is added, and added tokens that have a name are special."""
    values = json.loads(wordpiece(lowercase=True).to_str())
    values["added_tokens"] = [t | {"special": False} for t in values["added_tokens"] if t["content"] != "[MASK]"]
    write(tmp_path, Backend.from_str(json.dumps(values)), bare=False, added_tokens={"[PAD]": 0, "<New>": 400})
    assert_same(tmp_path, "bert")


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("said", ["left", "right", None])
@pytest.mark.parametrize("baked", ["left", "right", None])
def test_truncation_side(said: str | None, baked: str | None, bare: bool, tmp_path: Path) -> None:
    backend = wordpiece(lowercase=True)
    if baked is not None:
        backend.enable_truncation(20, direction=baked)
    config = {"do_lower_case": True} | ({} if said is None else {"truncation_side": said})
    write(tmp_path, backend, bare=bare, tokenizer_config=config)
    ours, theirs = assert_same(tmp_path, "bert")
    assert ours.truncation_side == theirs.truncation_side
    for strategy in ("longest_first", "only_first", "only_second"):
        options = {"truncation": strategy, "max_length": 14}
        found = ours.encode_text("The old dog went to the bakery", options, pair="The cat found bread there early")
        expected = theirs("The old dog went to the bakery", "The cat found bread there early", **options)
        assert (found.ids, found.type_ids) == (expected["input_ids"], expected["token_type_ids"])
