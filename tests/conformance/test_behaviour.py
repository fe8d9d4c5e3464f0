"""The fill-mask pipeline's behaviours, one test each; where transformers does the same, it is asked too."""

import warnings
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="conformance is held against transformers, which the train extra brings")

from pipelines import Both

import fillmask
from fillmask.errors import FillMaskWarning, InputError, NoMaskError, TargetsError, TextTooLongError

KEYS = ["score", "token", "token_str", "sequence"]


def phrase(both: Both) -> str:
    return f"The old dog went to the {both.mask} early."


def tokens(row: list[dict[str, Any]]) -> list[int]:
    return [candidate["token"] for candidate in row]


def known(both: Both, count: int) -> list[str]:
    """Words of the vocabulary."""
    return sorted(token for token in both.ours.tokenizer.vocab if token.strip("Ġ#").isalpha())[:count]


def test_five_answers_by_default_best_first(both: Both) -> None:
    found = both.ours(phrase(both))
    assert [list(candidate) for candidate in found] == [KEYS] * 5
    scores = [candidate["score"] for candidate in found]
    assert scores == sorted(scores, reverse=True)
    assert len(both.theirs(phrase(both))) == 5


def test_top_k_at_the_call_wins_over_the_constructors(both: Both) -> None:
    unmask = fillmask.pipeline("fill-mask", model=both.folder, top_k=2)
    assert len(unmask(phrase(both))) == 2
    assert len(unmask(phrase(both), top_k=3)) == 3
    assert unmask(phrase(both), top_k=3)[:2] == unmask(phrase(both))


def test_several_masks_give_a_list_each_and_keep_the_others(both: Both) -> None:
    text = f"The {both.mask} dog {both.mask} there"
    for pipeline in (both.ours, both.theirs):
        first, second = pipeline(text, top_k=2)
        assert len(first) == len(second) == 2
        for candidate in (*first, *second):
            assert candidate["sequence"].count(both.mask) == 1
            assert any(candidate["sequence"].startswith(start) for start in ("<s>", "[CLS]"))


def test_several_inputs_nest(both: Both) -> None:
    one, two = phrase(both), f"A {both.mask} and a {both.mask}"
    assert [len(found) for found in both.ours([one, two], top_k=3)] == [3, 2]
    assert [len(found) for found in both.theirs([one, two], top_k=3)] == [3, 2]


def test_a_list_of_one_is_the_text(both: Both) -> None:
    for pipeline in (both.ours, both.theirs):
        assert pipeline([phrase(both)]) == pipeline(phrase(both))


def test_top_k_is_capped_at_the_targets(both: Both) -> None:
    words = known(both, 3)
    for pipeline in (both.ours, both.theirs):
        assert len(pipeline(phrase(both), targets=words, top_k=5)) == 3


def test_duplicate_targets_collapse(both: Both) -> None:
    words = known(both, 2)
    for pipeline in (both.ours, both.theirs):
        assert tokens(pipeline(phrase(both), targets=words * 3)) == tokens(pipeline(phrase(both), targets=words))
        assert len(pipeline(phrase(both), targets=words * 3)) == 2


def test_targets_that_were_predicted_keep_their_scores(both: Both) -> None:
    free = both.ours(phrase(both))
    words = [both.ours.tokenizer.convert_ids_to_tokens(candidate["token"]) for candidate in free]
    assert both.ours(phrase(both), targets=words) == free


def test_token_str_is_the_decoded_token(both: Both) -> None:
    for candidate in both.ours(phrase(both), top_k=50):
        assert candidate["token_str"] == both.theirs.tokenizer.decode([candidate["token"]])


@pytest.mark.parametrize("targets", [[], [""], ""])
def test_no_target_is_an_error(both: Both, targets: Any) -> None:
    message = "At least one target must be provided when passed."
    with pytest.raises(ValueError, match=message):
        both.theirs(phrase(both), targets=targets)
    with warnings.catch_warnings(action="ignore"), pytest.raises(TargetsError, match=message):
        both.ours(phrase(both), targets=targets)


def test_a_target_outside_the_vocabulary_is_its_first_piece(both: Both) -> None:
    with pytest.warns(FillMaskWarning, match="`dogbakery` does not exist in the model vocabulary. Replacing with `"):
        (found,) = both.ours(phrase(both), targets=["dogbakery"])
    assert found["token"] == both.theirs.tokenizer("dogbakery", add_special_tokens=False)["input_ids"][0]


def test_an_impossible_target_is_dropped(both: Both) -> None:
    word = known(both, 1)
    with pytest.warns(FillMaskWarning, match="anything meaningful, ignoring it"):
        found = both.ours(phrase(both), targets=[*word, ""])
    assert len(found) == 1


@pytest.mark.parametrize("text", ["nothing is hidden", "", " "])
def test_no_mask_is_an_error(both: Both, text: str) -> None:
    with pytest.raises(NoMaskError, match=r"No mask_token .* found on the input"):
        both.ours(text)
    with pytest.raises(NoMaskError):
        both.ours([phrase(both), text])


@pytest.mark.parametrize("wrong", [[None], None, 3, b"a <mask>", {"text": "a <mask>"}, [["a <mask>"]]])
def test_what_is_no_text_is_an_error(both: Both, wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a text \(str\) or a list of texts") as raised:
        both.ours(wrong)
    assert isinstance(raised.value, InputError)
    if wrong == [None]:
        with pytest.raises(ValueError):  # noqa: PT011
            both.theirs(wrong)


def test_a_lone_surrogate_is_an_error(both: Both) -> None:
    with pytest.raises(InputError, match=r"lone surrogate \('\\ud800'\) at character 2"):
        both.ours(f"a \ud800 {both.mask}")


def test_truncation(both: Both) -> None:
    text = f"The {both.mask} dog " + "went to the town " * 200
    options = {"truncation": True}
    found, expected = (p(text, tokenizer_kwargs=options) for p in (both.ours, both.theirs))
    assert tokens(found) == tokens(expected)
    assert found[0]["sequence"] == expected[0]["sequence"]


@pytest.mark.parametrize(
    "options",
    [
        {"max_length": 9}, {"max_length": 9, "truncation": "only_first"}, {"max_length": 9, "truncation": False},
        {"max_length": 9, "truncation": None}, {"max_length": 9, "padding": True}, {"max_length": 9, "padding": "longest"},
    ],
)  # fmt: skip
def test_a_length_by_itself_truncates(both: Both, options: dict[str, Any]) -> None:
    text = f"The {both.mask} dog went to the bakery early, and to the town at noon."
    with warnings.catch_warnings(action="ignore"):  # transformers says that padding changes it
        found, expected = (p(text, tokenizer_kwargs=options) for p in (both.ours, both.theirs))
    assert tokens(found) == tokens(expected)
    assert found[0]["sequence"] == expected[0]["sequence"]


def test_generators_stream(both: Both) -> None:
    texts = [phrase(both), f"A {both.mask} dog"]
    for pipeline in (both.ours, both.theirs):
        found = pipeline(text for text in texts)
        assert iter(found) is not None
        assert not isinstance(found, list)
        assert [tokens(row) for row in found] == [tokens(pipeline(text)) for text in texts]


# What is different on purpose (docs/design.md).


@pytest.mark.parametrize("spelling", ["<mask>", "[MASK]"])
def test_both_spellings_of_the_mask_work_with_every_model(both: Both, spelling: str) -> None:
    text = f"The old dog went to the {spelling} early."
    assert both.ours(text) == both.ours(phrase(both))
    assert tokens(both.ours(text)) == tokens(both.theirs(phrase(both)))


def test_a_text_too_long_is_an_error_that_says_so(both: Both) -> None:
    with pytest.raises(TextTooLongError, match=r"the text has \d+ tokens and the model takes 128; "):
        both.ours(f"The {both.mask} dog " + "went to the town " * 200)


def test_an_empty_list_is_an_empty_list(both: Both) -> None:
    assert both.ours([]) == []


def test_top_k_above_the_vocabulary_is_all_of_it(both: Both) -> None:
    size = both.ours.model.vocab_size
    found = both.ours(phrase(both), top_k=size + 10)
    assert len({candidate["token"] for candidate in found}) == len(found) == size
    assert sum(candidate["score"] for candidate in found) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("top_k", [-1, 1.5, "3", True])
def test_a_wrong_top_k_is_an_error(both: Both, top_k: Any) -> None:
    with pytest.raises(InputError, match=r"top_k is .*; expected a whole number, 0 or more"):
        both.ours(phrase(both), top_k=top_k)


def test_another_task_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no task 'text-generation'; use pipeline.*restore"):
        fillmask.pipeline("text-generation")
