"""Both libraries' pipelines on the same checkpoints and the same generated calls: the same results, errors and warnings."""

import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("torch", reason="conformance is held against transformers, which the train extra brings")

from pipelines import Both
from tiny import SENTENCES
from transformers.pipelines import fill_mask as reference

CALLS = 240  # for each checkpoint
PLAIN = {"tokenizer_kwargs": None}


@dataclass
class Call:
    """A call that both libraries are given."""

    inputs: Any
    options: dict[str, Any] = field(default_factory=dict)
    generator: bool = False


@dataclass
class Outcome:
    """What came of it: a result or an error's message, and the warnings."""

    result: Any = None
    error: str | None = None
    warned: list[str] = field(default_factory=list)


def sentence(rng: random.Random, mask: str, masks: int) -> str:
    words = rng.choice(SENTENCES).split()
    words = words[: rng.randint(3, len(words))]
    for place in rng.sample(range(len(words)), min(masks, len(words))):
        words[place] = rng.choice([mask, mask, mask + ",", f"({mask}"])
    odd = ["", "", "", "Ünïcödé ", "  two  spaces ", "\ttab ", "😀 ", "CAPITALS ", "x" * 30 + " ", "it 's n't . "]
    return rng.choice(odd) + " ".join(words)


def targets(rng: random.Random, vocabulary: list[str]) -> Any:
    pool = [
        *rng.sample(vocabulary, 6), "dog", "Ġdog", " dog", "bakery", "unheardof", "Zürich", "two words", "", " ", "[UNK]",
    ]  # fmt: skip
    kind = rng.random()
    if kind < 0.1:
        return rng.choice(pool)
    if kind < 0.2:
        return rng.choice([[], [""], ""])
    chosen = rng.choices(pool, k=rng.randint(1, 8))  # with duplicates
    return tuple(chosen) if rng.random() < 0.2 else chosen


def calls(both: Both) -> Iterator[Call]:
    rng = random.Random(f"{both.folder.name[:4]}")
    vocabulary = sorted(both.ours.tokenizer.vocab)
    for _ in range(CALLS):
        options: dict[str, Any] = {}
        if rng.random() < 0.5:
            options["top_k"] = rng.choice([1, 2, 3, 7, 50])
        if rng.random() < 0.4:
            options["targets"] = targets(rng, vocabulary)
        if rng.random() < 0.15:
            options["tokenizer_kwargs"] = rng.choice([
                {"truncation": True}, {"truncation": True, "max_length": 9}, {"max_length": 9},
                {"truncation": "only_first", "max_length": 9}, {"truncation": False, "max_length": 9},
            ])  # fmt: skip
        if rng.random() < 0.1:
            options["batch_size"] = rng.choice([1, 3])
        if rng.random() < 0.6:
            inputs: Any = sentence(rng, both.mask, rng.choice([0, 1, 1, 1, 1, 2, 2, 3, 5]))
        else:
            inputs = [sentence(rng, both.mask, rng.choice([1, 1, 1, 2])) for _ in range(rng.randint(1, 4))]
            if rng.random() < 0.1:
                inputs.append("nothing is hidden here")
        yield Call(inputs, options, generator=isinstance(inputs, list) and rng.random() < 0.3)


def given(call: Call) -> Any:
    return (text for text in call.inputs) if call.generator else call.inputs


def asked(pipeline: Any, call: Call) -> Any:
    result = pipeline(given(call), **call.options)
    return list(result) if call.generator else result


def ours(both: Both, call: Call) -> Outcome:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outcome = Outcome(asked(both.ours, call))
        except ValueError as error:
            outcome = Outcome(error=str(error))
    outcome.warned = [str(w.message) for w in caught]
    return outcome


def theirs(both: Both, call: Call, monkeypatch: pytest.MonkeyPatch) -> Outcome:
    said: list[str] = []
    monkeypatch.setattr(reference.logger, "warning", said.append)
    try:
        outcome = Outcome(asked(both.theirs, call))
    except (ValueError, reference.PipelineException) as error:
        outcome = Outcome(error=str(error))
    outcome.warned = said
    return outcome


def assert_same(found: Any, expected: Any) -> None:
    """The same structure and values, and scores to 1e-4 of themselves."""
    if isinstance(expected, list):
        assert isinstance(found, list)
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
        return
    assert list(found) == list(expected) == ["score", "token", "token_str", "sequence"]
    assert found["score"] == pytest.approx(expected["score"], rel=1e-4)
    assert {k: v for k, v in found.items() if k != "score"} == {k: v for k, v in expected.items() if k != "score"}
    assert {k: type(v) for k, v in found.items()} == {k: type(v) for k, v in expected.items()}


def test_the_same_calls_have_the_same_outcomes(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {"results": 0, "errors": 0, "warnings": 0}
    for call in calls(both):
        expected, found = theirs(both, call, monkeypatch), ours(both, call)
        try:
            if expected.error is None:
                assert found.error is None
                assert_same(found.result, expected.result)
            else:
                # Ours says more, and begins as theirs.
                assert found.error is not None
                assert found.error.startswith(expected.error)
            assert found.warned == expected.warned
        except AssertionError as error:
            raise AssertionError(f"{call}: {error}") from error
        seen["results"] += expected.error is None
        seen["errors"] += expected.error is not None
        seen["warnings"] += bool(expected.warned)
    assert sum(seen.values()) >= CALLS
    assert min(seen.values()) >= 10, seen


def test_constructor_options(both: Both) -> None:
    import transformers

    import fillmask

    for options in ({"top_k": 2}, {"targets": ["dog", "cat"]}, {"tokenizer_kwargs": {"truncation": True}}):
        text = f"The old {both.mask} went to the bakery"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = transformers.pipeline("fill-mask", model=str(both.folder), device="cpu", **options)(text)
            assert_same(fillmask.pipeline("fill-mask", model=both.folder, **options)(text), expected)  # type: ignore[arg-type]
