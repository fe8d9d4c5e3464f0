"""Truncation: as the backend does it, without telling the backend; the options that cannot be used; the files."""

import json
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tiny
from tokenizers import Tokenizer as Backend
from tokenizers import models, normalizers, pre_tokenizers, processors

from fillmask.errors import CorruptCheckpointError, InputError
from fillmask.tasks.targets import look_up
from fillmask.tokenization.tokenizer import Tokenizer, load_tokenizer

SPECIAL = {"mask_token": "<mask>", "pad_token": "<pad>"}
ENDS = [("<s>", 0), ("</s>", 2)]
PROCESSORS = {
    "as trained": None,
    "bert": processors.BertProcessing(ENDS[1], ENDS[0]),
    "roberta": processors.RobertaProcessing(ENDS[1], ENDS[0]),
    "template": processors.TemplateProcessing("<s> $A </s>", "<s> $A </s> $B:1 </s>:1", ENDS),
    "at the end": processors.TemplateProcessing("$A:1 </s>:2 <s>:2", "$A $B:1 </s>:1", ENDS),
    "none": processors.ByteLevel(),
}


def tokenizer(name: str, limit: int = 40, side: str = "right") -> Tokenizer:
    backend = Backend.from_str(tiny.tokenizer().to_str())
    if PROCESSORS[name] is not None:
        backend.post_processor = PROCESSORS[name]
    return Tokenizer(backend, SPECIAL, limit, truncation_side=side)


def text(rng: random.Random) -> str:
    return " ".join(rng.choice(["the dog", "bakery", "Zürich </s>", "<mask>", "😀"]) for _ in range(rng.randint(0, 15)))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", PROCESSORS)
def test_truncation_is_the_backends(name: str, side: str) -> None:
    ours, rng, cut = tokenizer(name, side=side), random.Random(0), 0
    asked = Backend.from_str(ours.backend.to_str())
    for _ in range(200):
        first, second = text(rng), text(rng) if rng.random() < 0.6 else None
        strategy, limit = rng.choice(["longest_first", "only_first", "only_second"]), rng.randint(1, 30)
        options: dict[str, Any] = {"truncation": strategy, "max_length": limit}
        options["add_special_tokens"] = added = rng.random() < 0.7
        if limit < (asked.num_special_tokens_to_add(second is not None) if added else 0):
            with pytest.raises(InputError, match="as many as there are special tokens"):
                ours.encode_text(first + " the dog went to the town", options, pair=second)
            continue
        asked.enable_truncation(limit, strategy=strategy, direction=side)
        try:
            expected = asked.encode(first, second, add_special_tokens=added)
        except Exception:  # the text that may be cut is too short, or is not there
            with pytest.raises(InputError, match=f"truncation is '{strategy}'"):
                ours.encode_text(first, options, pair=second)
            continue
        found = ours.encode_text(first, options, pair=second)
        assert (found.ids, found.type_ids) == (expected.ids, expected.type_ids)
        asked.no_truncation()
        cut += len(asked.encode(first, second, add_special_tokens=added).ids) > limit
    assert cut > 50


def test_threads_truncate_at_once() -> None:
    ours, long = tokenizer("as trained"), "the dog went to the bakery " * 100
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(
                lambda _: len(ours.encode_text(long, {"truncation": True}, any_length=True).ids), range(400)
            )
            assert set(found) == {40}
    finally:
        sys.setswitchinterval(interval)


def test_a_length_by_itself_truncates() -> None:
    ours, long = tokenizer("template"), "the dog went to the bakery"
    assert len(ours.encode_text(long, {"max_length": 5}).ids) == 5
    assert (
        ours.encode_text(long, {"max_length": 5}).ids
        == ours.encode_text(long, {"max_length": 5, "truncation": True}).ids
    )
    whole = ours.encode_text(long).ids
    for more in ({"truncation": False}, {"truncation": "do_not_truncate"}, {"padding": True}):
        assert ours.encode_text(long, {"max_length": 5, **more}).ids == whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_length": 1}, "max_length is 1; expected 2 or more"),
        ({"max_length": 0}, "max_length is 0; expected a whole number, 1 or more"),
        ({"max_length": -3, "truncation": True}, "max_length is -3; expected a whole number, 1 or more"),
        ({"max_length": "8", "truncation": True}, "max_length is '8'; expected a whole number"),
        ({"max_length": True}, "max_length is True; expected a whole number"),
        ({"max_length": 8.0}, r"max_length is 8\.0; expected a whole number"),
        (
            {"truncation": "nonsense"},
            "truncation is 'nonsense'; expected True, False or one of longest_first, only_first",
        ),
        ({"truncation": 1}, "truncation is 1; expected True, False"),
        ({"truncation": "only_second", "max_length": 3}, "there is no second text to truncate"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tokenizer("template").encode_text("the dog went to the bakery", options)


BERT = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4}
WORDS = {"The": 5, "the": 6, "dog": 7, "café": 8, "cafe": 9, "##s": 10, "日": 11, "本": 12, "日本": 13}


def write_bert(folder: Path, **files: Any) -> Path:
    """A cased BERT's tokenizer of few words; `files` are JSON by their names, without the ending."""
    backend = Backend(models.WordPiece(BERT | WORDS, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    backend.add_special_tokens(list(BERT))
    backend.save(str(folder / "tokenizer.json"))
    for name, value in ({"config": {"model_type": "bert"}} | files).items():
        (folder / f"{name}.json").write_text(json.dumps(value), "utf-8")
    return folder


def write_bytes(folder: Path, *, bare: bool, **files: Any) -> Path:
    """A RoBERTa's tokenizer whose only words are "a" and " a"."""
    backend = Backend(models.BPE({t: n for n, t in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "Ġ", "Ġa"])}, [("Ġ", "a")]))  # fmt: skip
    backend.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    if bare:
        backend.model.save(str(folder))
    else:
        backend.save(str(folder / "tokenizer.json"))
    for name, value in ({"config": {"model_type": "roberta"}} | files).items():
        (folder / f"{name}.json").write_text(json.dumps(value), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, ["the", "cafe", "日", "本"]),
        ({"tokenizer_config": {"do_lower_case": False}}, ["The", "café", "日", "本"]),
        ({"tokenizer_config": {"strip_accents": False}}, ["the", "café", "日", "本"]),
        ({"tokenizer_config": {"tokenize_chinese_chars": False}}, ["the", "cafe", "日本"]),
        ({"tokenizer_config": {"tokenizer_class": "PreTrainedTokenizerFast"}}, ["The", "café", "日", "本"]),
        ({"tokenizer_config": {"tokenizer_class": "TokenizersBackend"}}, ["The", "café", "日", "本"]),
        ({"config": {"model_type": "modernbert"}}, ["The", "café", "日", "本"]),
        ({"config": {"model_type": "modernbert"}, "tokenizer_config": {"tokenizer_class": "BertTokenizer"}}, ["The", "café", "日", "本"]),
        ({"config": {"model_type": "roberta"}, "tokenizer_config": {"tokenizer_class": "BertTokenizerFast"}}, ["the", "cafe", "日", "本"]),
        ({"config": {"model_type": "bert", "tokenizer_class": "TokenizersBackend"}}, ["The", "café", "日", "本"]),
        ({"config": {"model_type": "t5"}}, ["The", "café", "日", "本"]),
    ],
)  # fmt: skip
def test_the_config_or_its_class_wins(files: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    assert load_tokenizer(write_bert(tmp_path, **files), 64).tokenize("The café 日本") == expected


@pytest.mark.parametrize("bare", [False, True])
def test_the_space_before_a_text(bare: bool, tmp_path: Path) -> None:
    assert load_tokenizer(write_bytes(tmp_path, bare=bare), 64).tokenize("a a") == ["a", "Ġa"]
    said = {"add_prefix_space": True}
    assert load_tokenizer(write_bytes(tmp_path, bare=bare, tokenizer_config=said), 64).tokenize("a a") == ["Ġa", "Ġa"]


def test_the_mask_of_a_bare_vocabulary_takes_the_space_before_it(tmp_path: Path) -> None:
    assert load_tokenizer(write_bytes(tmp_path, bare=True), 64).tokenize("a <mask>") == ["a", "<mask>"]
    said = {"mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": False, "special": True}}
    told = load_tokenizer(write_bytes(tmp_path, bare=True, tokenizer_config=said), 64)
    assert told.tokenize("a <mask>") == ["a", "Ġ", "<mask>"]


@pytest.mark.parametrize(
    ("files", "new"),
    [
        ({"added_tokens": {"<b>": 15, "<a>": 14}}, ["<a>", "<b>"]),
        ({"tokenizer_config": {"added_tokens_decoder": {"15": {"content": "<b>"}, "14": {"content": "<a>"}}}}, ["<a>", "<b>"]),
        ({"tokenizer_config": {"extra_special_tokens": ["<b>", "<a>"]}}, ["<b>", "<a>"]),
        ({"tokenizer_config": {"additional_special_tokens": ["<a>"]}}, ["<a>"]),
        ({"special_tokens_map": {"additional_special_tokens": ["<a>"], "bos_token": "<b>"}}, ["<b>", "<a>"]),
    ],
)  # fmt: skip
def test_tokens_are_added(files: dict[str, Any], new: list[str], tmp_path: Path) -> None:
    ours = load_tokenizer(write_bert(tmp_path, **files), 64)
    assert [ours.convert_tokens_to_ids(token) for token in new] == list(range(14, 14 + len(new)))
    assert ours.tokenize(f"dog{new[0]}dogs") == ["dog", new[0], "dog", "##s"]
    assert len(ours) == 14 + len(new)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tokenizer_config": {"do_lower_case": "yes"}}, "do_lower_case='yes'; expected true or false"),
        ({"tokenizer_config": {"do_lower_case": None}}, "do_lower_case=None; expected true or false"),
        ({"tokenizer_config": {"strip_accents": 1}}, "strip_accents=1; expected true or false"),
        ({"tokenizer_config": {"truncation_side": "top"}}, 'truncation_side=\'top\'; expected "left" or "right"'),
        ({"tokenizer_config": {"mask_token": 4}}, "mask_token=4; expected a text, or an object"),
        ({"tokenizer_config": {"pad_token": {"content": "[PAD]", "lstrip": "no"}}}, "flags that are true or false"),
        ({"tokenizer_config": {"added_tokens_decoder": {"x": {"content": "a"}}}}, "expected an object from ids"),
        ({"tokenizer_config": {"added_tokens_decoder": ["a"]}}, "expected an object from ids"),
        ({"tokenizer_config": {"extra_special_tokens": "a"}}, "extra_special_tokens='a'; expected a list"),
        ({"added_tokens": {"<a>": "14"}}, "added_tokens.json holds .*; expected an object from tokens to ids"),
    ],
)
def test_files_that_cannot_be_used(files: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(CorruptCheckpointError, match=message) as caught:
        load_tokenizer(write_bert(tmp_path, **files), 64)
    assert "\n" not in str(caught.value)


def test_an_unknown_target_is_cut_where_a_text_is(tmp_path: Path) -> None:
    for side, piece in (("right", "dog"), ("left", "##s")):
        ours = load_tokenizer(write_bert(tmp_path, tokenizer_config={"truncation_side": side}), 64)
        ids, messages = look_up(ours, ["dogs"])
        assert ids.tolist() == [WORDS[piece]]
        assert messages == [
            f"The specified target token `dogs` does not exist in the model vocabulary. Replacing with `{piece}`."
        ]


def test_the_side_that_tokenizer_json_names(tmp_path: Path) -> None:
    folder = write_bert(tmp_path)
    backend = Backend.from_file(str(folder / "tokenizer.json"))
    backend.enable_truncation(8, direction="left")
    backend.save(str(folder / "tokenizer.json"))
    ours = load_tokenizer(folder, 64)
    assert ours.encode_text("the dog dog dogs", {"truncation": True, "max_length": 4}).ids == [2, 7, 10, 3]


def test_plain_ids_of_many_texts() -> None:
    ours = tokenizer("as trained")
    texts = ["the dog", "", "bakery"]
    assert ours.encode_plain(texts) == [ours.encode(text, add_special_tokens=False) for text in texts]
    backend = Backend(models.WordLevel({"the": 0, "dog": 1}, unk_token="<none>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    assert Tokenizer(backend, {}, 40).encode_plain(["the dog", "the cat", "dog"]) == [[0, 1], None, [1]]


def test_windows_are_those_of_a_backend_that_truncates() -> None:
    for name in PROCESSORS:
        ours, rng = tokenizer(name), random.Random(1)
        truncating = Backend.from_str(ours.backend.to_str())
        for _ in range(50):
            words, length = text(rng) + " the dog", rng.randint(4, 12)
            truncating.enable_truncation(length)
            first = truncating.encode(words)
            expected = [(part.ids, part.special_tokens_mask) for part in (first, *first.overflowing)]
            parts = ours.encode_windows(words, length)
            assert [(part.ids, part.special_tokens_mask) for part in parts] == expected
            # The backend forgets the segment of the parts after the first.
            assert all(set(part.type_ids) == set(first.type_ids) for part in parts)
    with pytest.raises(InputError, match="the length is 2; expected room for a token"):
        tokenizer("bert").encode_windows("the dog", 2)
