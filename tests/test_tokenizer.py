"""Truncation: as the backend does it, without telling the backend; and the options that cannot be used."""

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import tiny
from tokenizers import Tokenizer as Backend
from tokenizers import processors

from fillmask.errors import InputError
from fillmask.tokenizer import Tokenizer

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


def tokenizer(name: str, limit: int = 40) -> Tokenizer:
    backend = Backend.from_str(tiny.tokenizer().to_str())
    if PROCESSORS[name] is not None:
        backend.post_processor = PROCESSORS[name]
    return Tokenizer(backend, SPECIAL, limit)


def text(rng: random.Random) -> str:
    return " ".join(rng.choice(["the dog", "bakery", "Zürich </s>", "<mask>", "😀"]) for _ in range(rng.randint(0, 15)))


@pytest.mark.parametrize("name", PROCESSORS)
def test_truncation_is_the_backends(name: str) -> None:
    ours, rng, cut = tokenizer(name), random.Random(0), 0
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
        asked.enable_truncation(limit, strategy=strategy)
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
