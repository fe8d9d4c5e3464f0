"""The calls of `mlm.tokenizer` that tutorials make, against transformers' tokenizer of the same folder."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="conformance is held against transformers, which the train extra brings")

import torch
from pipelines import Both
from transformers import AutoTokenizer

TEXT = "The old dog went to the bakery."
TEXTS = [TEXT, "It was good.", "She found two coins there, and it was enough"]


@pytest.fixture
def theirs(both: Both) -> Any:
    return AutoTokenizer.from_pretrained(both.folder)


def plain(encoding: Any) -> dict[str, Any]:
    """Names and values, arrays and tensors as lists."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in encoding.items()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": True},
        {"padding": "max_length", "max_length": 20, "truncation": True},
        {"truncation": True, "max_length": 5},
        {"add_special_tokens": False},
        {"return_token_type_ids": True},
        {"return_attention_mask": False},
        {"return_offsets_mapping": True, "return_special_tokens_mask": True},
        {"padding": "longest", "return_tensors": "np"},
        {"padding": True, "return_tensors": "pt", "return_length": True},
    ],
)
def test_calls(both: Both, theirs: Any, options: dict[str, Any]) -> None:
    for text in (TEXT, TEXTS, [TEXT], ""):
        found, expected = both.ours.tokenizer(text, **options), theirs(text, **options)
        assert plain(found) == plain(expected)
    pairs = both.ours.tokenizer(TEXTS, TEXTS[::-1], **options)
    assert plain(pairs) == plain(theirs(TEXTS, TEXTS[::-1], **options))


def test_tensors(both: Both) -> None:
    encoding = both.ours.tokenizer(TEXT, return_tensors="pt")
    assert isinstance(encoding.input_ids, torch.Tensor)
    assert encoding["input_ids"].shape == (1, len(both.ours.tokenizer.encode(TEXT)))
    assert isinstance(both.ours.tokenizer(TEXT, return_tensors="np")["input_ids"], np.ndarray)
    assert encoding.tokens() == both.ours.tokenizer.convert_ids_to_tokens(encoding.input_ids[0])
    with pytest.raises(ValueError, match="padding=True"):
        both.ours.tokenizer(TEXTS, return_tensors="np")
    with pytest.raises(ValueError, match="return_tensors is 'tf'; expected 'np' or 'pt'"):
        both.ours.tokenizer(TEXTS, return_tensors="tf")
    with pytest.raises(AttributeError, match="no 'labels'; it has input_ids"):
        _ = encoding.labels


def test_sizes_and_special_tokens(both: Both, theirs: Any) -> None:
    ours = both.ours.tokenizer
    assert (len(ours), ours.vocab_size) == (len(theirs), theirs.vocab_size)
    for role in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"):
        for name in (f"{role}_token", f"{role}_token_id"):
            assert getattr(ours, name) == getattr(theirs, name), name
    assert sorted(ours.all_special_ids) == sorted(theirs.all_special_ids)
    assert sorted(ours.all_special_tokens) == sorted(theirs.all_special_tokens)
    assert ours.special_tokens_map == theirs.special_tokens_map
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.get_added_vocab() == theirs.get_added_vocab()
    assert ours.num_special_tokens_to_add() == theirs.num_special_tokens_to_add()
    assert (ours.is_fast, ours.padding_side, ours.model_input_names) == (True, "right", theirs.model_input_names)
    with pytest.raises(AttributeError, match="no attribute 'chat_template'"):
        _ = ours.chat_template


def test_tokens_ids_and_texts(both: Both, theirs: Any) -> None:
    ours = both.ours.tokenizer
    ids, tokens = theirs.encode(TEXT), theirs.tokenize(TEXT)
    assert ours.encode(TEXT) == ids
    assert ours.encode(TEXT, TEXTS[1]) == theirs.encode(TEXT, TEXTS[1])
    assert ours.encode(TEXT, add_special_tokens=False) == theirs.encode(TEXT, add_special_tokens=False)
    assert ours.encode(TEXT, truncation=True, max_length=4) == theirs.encode(TEXT, truncation=True, max_length=4)
    assert ours.tokenize(TEXT) == tokens
    assert ours.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)
    assert ours.convert_ids_to_tokens(ids[1]) == theirs.convert_ids_to_tokens(ids[1])
    assert ours.convert_ids_to_tokens(ids, skip_special_tokens=True) == tokens
    assert ours.convert_tokens_to_ids(tokens) == theirs.convert_tokens_to_ids(tokens)
    assert ours.convert_tokens_to_ids([tokens[0], "no such token"]) == theirs.convert_tokens_to_ids([tokens[0], "no such token"])  # fmt: skip
    assert ours.convert_tokens_to_string(tokens) == theirs.convert_tokens_to_string(tokens)
    for given in (ids, np.array(ids), torch.tensor(ids), ids[2]):
        assert ours.decode(given) == theirs.decode(given)
        assert ours.decode(given, skip_special_tokens=True) == theirs.decode(given, skip_special_tokens=True)
    rows = theirs(TEXTS, padding=True)["input_ids"]
    for batch in (rows, np.array(rows), torch.tensor(rows)):
        assert ours.batch_decode(batch, skip_special_tokens=True) == theirs.batch_decode(
            batch, skip_special_tokens=True
        )
