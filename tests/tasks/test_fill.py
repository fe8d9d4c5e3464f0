"""What FillMask does beyond transformers' call: windows in long texts, streams, lists of thousands of targets."""

import copy
import json
import pickle
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tiny
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from tiny import LONGEST, SENTENCES

from fillmask import FillMask
from fillmask.errors import CorruptCheckpointError, FillMaskWarning, InputError, NoMaskError, TextTooLongError
from fillmask.models.checkpoint import open_checkpoint
from fillmask.tasks.engine_benchmark import compare, sample_documents
from fillmask.tokenization.encoding import Encoding
from fillmask.tokenization.windows import shared_windows, window

LONG = " ".join(SENTENCES[:12])


@pytest.fixture(scope="module")
def unmask(modernbert_folder: Path) -> FillMask:
    return FillMask(modernbert_folder)


def with_masks(*places: int) -> str:
    """The long text with these words masked."""
    words = LONG.split(" ")
    return " ".join("<mask>" if place in places else word for place, word in enumerate(words))


@given(
    length=st.integers(1, 60),
    head=st.integers(0, 2),
    tail=st.integers(0, 2),
    longest=st.integers(5, 30),
    data=st.data(),
)
def test_a_window_is_a_centred_stretch(length: int, head: int, tail: int, longest: int, data: st.DataObject) -> None:
    place = head + data.draw(st.integers(0, length - 1))
    ids = list(range(head + length + tail))
    found = window(Encoding(ids, [i % 7 for i in ids], head, tail), [place], longest)
    inner = found.ids[head : len(found.ids) - tail]
    assert len(found.ids) == min(longest, len(ids))
    assert list(found.ids[:head]) == ids[:head]
    assert list(found.ids[len(found.ids) - tail :]) == ids[head + length :]
    assert list(inner) == list(range(inner[0], inner[0] + len(inner)))
    assert list(found.type_ids) == [i % 7 for i in found.ids]
    (at,) = found.positions
    assert found.ids[at] == place
    before, after = place - inner[0], inner[-1] - place
    reaches_an_end = inner[0] == head or inner[-1] == head + length - 1
    assert abs(before - after) <= 1 or reaches_an_end


@given(
    length=st.integers(1, 200), head=st.integers(0, 2), tail=st.integers(0, 2), longest=st.integers(6, 40), data=st.data()
)  # fmt: skip
def test_shared_windows_serve_every_mask_once_and_amid_text(
    length: int, head: int, tail: int, longest: int, data: st.DataObject
) -> None:
    places = sorted(data.draw(st.sets(st.integers(head, head + length - 1), min_size=1)))
    ids = list(range(head + length + tail))
    found = list(shared_windows(Encoding(ids, [0] * len(ids), head, tail), places, longest))
    assert [part.ids[at] for part in found for at in part.positions] == places
    room = longest - head - tail
    assert len(found) <= min(len(places), 2 * length // room + 1)
    for part in found:
        inner = part.ids[head : len(part.ids) - tail]
        assert len(part.ids) <= longest
        for at in part.positions:
            before, after = at - head, head + len(inner) - 1 - at
            assert before >= room // 4 - 1 or inner[0] == head
            assert after >= room // 4 - 1 or inner[-1] == head + length - 1


def test_shared_windows_answer_like_a_window_for_each_mask() -> None:
    """With the bundled model: the same best token nearly always, and distributions that are near each other."""
    unmask, longest = FillMask(precision="float32"), 128
    ids = unmask.tokenizer.encode(" ".join(" ".join(sample_documents()).split()))[:400]
    places = list(range(3, 395, 4))
    hidden = [unmask.mask_token_id if place in places else token for place, token in enumerate(ids)]
    encoding = Encoding(hidden, [0] * len(hidden), 1, 1)
    shared = np.empty((len(places), unmask.model.vocab_size), np.float32)
    own = np.empty_like(shared)
    windows = list(shared_windows(encoding, places, longest))
    starts = np.cumsum([0, *(len(part.positions) for part in windows)])
    for index, rows in unmask.model.log_probabilities(windows):
        shared[starts[index] : starts[index + 1]] = rows
    for index, rows in unmask.model.log_probabilities([window(encoding, [place], longest) for place in places]):
        own[index] = rows[0]
    assert len(windows) <= 7
    assert (shared.argmax(axis=1) == own.argmax(axis=1)).mean() > 0.9
    assert (np.exp(own) * (own - shared)).sum(axis=1).mean() < 0.05


def test_a_long_text_is_an_error_unless_windows_are_asked_for(unmask: FillMask) -> None:
    with pytest.raises(TextTooLongError, match=f"the model takes {LONGEST}; .*long_text='window'"):
        unmask(with_masks(50))
    assert len(unmask(with_masks(50), long_text="window")) == 5
    assert len(FillMask(unmask.model.checkpoint.folder, long_text="window")(with_masks(50))) == 5
    with pytest.raises(InputError, match="long_text is 'cut'; expected 'error' or 'window'"):
        unmask("a <mask>", long_text="cut")


@pytest.mark.parametrize("place", [0, 1, 90, -1])
def test_a_mask_in_a_long_text_is_read_in_its_window(unmask: FillMask, place: int) -> None:
    """The same answer as for the window's own text, and the sequence is the whole text."""
    place %= len(LONG.split(" "))
    text = with_masks(place)
    encoding = unmask.tokenizer.encode_text(text, any_length=True)
    at = encoding.ids.index(unmask.mask_token_id)
    part = window(encoding, [at], LONGEST)
    ((_, expected),) = unmask.model.log_probabilities([part])
    found = unmask(text, long_text="window")
    assert [c["token"] for c in found] == np.argsort(-expected[0], kind="stable")[:5].tolist()
    words = LONG.split(" ")
    assert (
        found[0]["sequence"].split()
        == " ".join([*words[:place], found[0]["token_str"].strip(), *words[place + 1 :]]).split()
        or found[0]["token_str"].strip() == ""
    )


def test_several_masks_in_a_long_text(unmask: FillMask) -> None:
    text = with_masks(3, 5, 170)
    rows = unmask(text, long_text="window")
    assert [len(row) for row in rows] == [5, 5, 5]
    encoding = unmask.tokenizer.encode_text(text, any_length=True)
    places = [n for n, token in enumerate(encoding.ids) if token == unmask.mask_token_id]
    for row, place in zip(rows, places, strict=True):
        ((_, expected),) = unmask.model.log_probabilities([window(encoding, [place], LONGEST)])
        assert row[0]["token"] == int(expected[0].argmax())
        assert row[0]["sequence"].count("<mask>") == 2


def test_short_texts_are_untouched_by_windows(unmask: FillMask) -> None:
    texts = ["The <mask> dog", "A <mask> and a <mask>", with_masks(9)[:150]]
    assert unmask(texts, long_text="window") == unmask(texts)
    mixed = unmask([texts[0], with_masks(60, 90), texts[1]], long_text="window")
    assert [len(found) for found in mixed] == [5, 2, 2]
    # Another batch adds up in another order: equal to rounding.
    assert [c["token"] for c in mixed[0]] == [c["token"] for c in unmask(texts[0])]


def test_streams_are_read_as_they_are_answered(unmask: FillMask) -> None:
    taken = 0

    def texts() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"The dog number {taken} went to the <mask>"

    results = unmask(texts())
    for _ in range(70):
        next(results)
    assert 70 <= taken <= 192


def test_a_bad_text_in_a_stream_comes_after_the_answers_before_it(unmask: FillMask) -> None:
    results = unmask(iter(["a <mask>", "the <mask>", "no blank", "an <mask>"]))
    assert len(next(results)) == 5
    assert len(next(results)) == 5
    with pytest.raises(NoMaskError):
        next(results)


def test_many_targets_are_looked_up_once(unmask: FillMask, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = list(unmask.tokenizer.vocab)[10:300]
    first = unmask("The <mask> dog", targets=targets)
    monkeypatch.setitem(vars(unmask.tokenizer), "vocab", {})  # would find nothing any more
    with warnings.catch_warnings(action="error"):
        assert unmask("The <mask> dog", targets=list(targets)) == first
    with pytest.warns(FillMaskWarning) as told:
        unmask("The <mask> dog", targets=targets[:-1])
    assert len(told) == 21
    assert "does not exist in the model vocabulary. Replacing with" in str(told[0].message)
    assert str(told[20].message) == "269 more of the 289 targets do not exist in the model vocabulary."


def test_a_target_that_the_model_lacks_is_refused(modernbert_folder: Path, tmp_path: Path) -> None:
    """The tokenizer has a token more than the model."""
    shutil.copytree(modernbert_folder, tmp_path, dirs_exist_ok=True)
    more = tiny.tokenizer().from_str(tiny.tokenizer().to_str())
    more.add_tokens(["zzzword"])
    more.save(str(tmp_path / "tokenizer.json"))
    unmask = FillMask(tmp_path)
    assert len(unmask("The <mask>.")) == 5
    with pytest.raises(
        InputError,
        match=r"the target 'zzzword' id \d+, and the model has \d+ tokens; the tokenizer is of another model",
    ):
        unmask("The <mask>.", targets=["dog", "zzzword"])


def test_a_limit_above_the_models_is_the_models(unmask: FillMask) -> None:
    options = {"truncation": True, "max_length": 10 * LONGEST}
    assert unmask(with_masks(2), tokenizer_kwargs=options) == unmask(
        with_masks(2), tokenizer_kwargs={"truncation": True}
    )


def test_a_bad_text_of_a_list_is_named(modernbert_folder: Path) -> None:
    fill = FillMask(modernbert_folder)
    with pytest.raises(NoMaskError, match=r"No mask_token .*\(text 2 of 3\)$"):
        fill(["a <mask>", "no mask", "b <mask>"])
    with pytest.raises(InputError, match=r"has a <mask> in it.*\(text 2 of 2\)$"):
        fill.score(["a text", "a <mask>"])
    with pytest.raises(NoMaskError, match=r"missing$"):
        fill(["no mask"])


def test_padding_that_the_model_lacks(modernbert_folder: Path, tmp_path: Path) -> None:
    """A padding token that was added and never given to the model: no answer depends on it."""
    shutil.copytree(modernbert_folder, tmp_path, dirs_exist_ok=True)
    more = tiny.tokenizer().from_str(tiny.tokenizer().to_str())
    more.add_special_tokens(["<newpad>"])
    more.save(str(tmp_path / "tokenizer.json"))
    path = tmp_path / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pad_token": "<newpad>"}))
    texts = ["The <mask>.", "The old dog went to the <mask> early."]
    assert FillMask(tmp_path)(texts) == FillMask(modernbert_folder)(texts)


def test_weights_that_are_not_numbers_are_told(modernbert_folder: Path, tmp_path: Path) -> None:
    tensors = load_file(modernbert_folder / "model.safetensors")
    shutil.copytree(modernbert_folder, tmp_path, dirs_exist_ok=True)
    tensors["decoder.bias"][5] = np.nan
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CorruptCheckpointError, match=r"the model's answer is not a number \(NaN\)"):
        FillMask(tmp_path)("The <mask>.")
    with pytest.raises(CorruptCheckpointError, match="not a number"):
        list(compare(open_checkpoint(tmp_path), sample_documents(), masks=50, contenders=[("onnxruntime", "float32")]))


def test_a_copy_opens_the_model_again(modernbert_folder: Path) -> None:
    unmask = FillMask(modernbert_folder, top_k=2, precision="int8", device=-1)
    for other in (copy.deepcopy(unmask), pickle.loads(pickle.dumps(unmask))):
        assert other("The <mask>.", num_workers=0) == unmask("The <mask>.")
        assert other.model.engine.precision == "int8"
