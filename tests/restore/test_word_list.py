"""The word list: counted, kept, looked up, and walked with an automaton."""

import math
import re
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from fillmask import CorpusError, CorruptCheckpointError, FillMask
from fillmask.cli.train.lexicon import command
from fillmask.restore import word_list
from fillmask.restore.damage import Hole, Known, Lost
from fillmask.restore.decoding.automaton import Region
from fillmask.restore.decoding.compilation import compile_region
from fillmask.restore.word_list import WordList

WORDS = WordList({"the": 90, "bakery": 5, "battery": 4, "Paris": 3, "don't": 2, "a": 40, "an": 20, "ant": 1}, total=200)


def test_words_are_counted_by_case_with_apostrophes() -> None:
    words = word_list.count(["The cat, the cat; don't!", "the CAT's 1st well-known"], size=4)
    assert words.counts == {"cat": 2, "the": 2, "CAT's": 1, "The": 1}
    assert words.total == 10


def test_a_list_is_extended_by_a_text() -> None:
    words = word_list.extended(WORDS, ["the Wendlebury mill", "the end"])
    assert words.counts["the"] == 92
    assert words.counts["Wendlebury"] == 1
    assert words.total == 205


def test_frequency_in_another_case() -> None:
    assert WORDS.log_frequency("the") == pytest.approx(math.log(90 / 200))
    assert WORDS.log_frequency("The") == pytest.approx(math.log(90 / 200) + math.log(0.02))
    assert WORDS.log_frequency("THE") == WORDS.log_frequency("The")
    assert WORDS.log_frequency("paris") is None
    assert WORDS.log_frequency("tbe") is None


def test_a_saved_list_comes_back(tmp_path: Path) -> None:
    path = word_list.save(WORDS, tmp_path)
    again = word_list.load(path)
    assert (again.words, again.counts, again.total) == (WORDS.words, WORDS.counts, WORDS.total)
    assert word_list.of_checkpoint(tmp_path) is word_list.of_checkpoint(tmp_path)
    assert word_list.of_checkpoint(tmp_path / "nothing") is None


@pytest.mark.parametrize("content", [b"", b"word", b"word\tmany", b"word\t0", b"\xff\xfe"])
def test_a_broken_list_says_what_is_expected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words.tsv"
    path.write_bytes(content)
    with pytest.raises(CorruptCheckpointError, match="expected one word a line with its count"):
        word_list.load(path)


def test_the_list_of_the_bundled_model_is_small_and_large() -> None:
    folder = FillMask().model.checkpoint.folder
    assert (folder / word_list.NAME).stat().st_size < 1_000_000
    words = word_list.bundled()
    assert words is not None
    assert len(words) == 100_000
    assert "bakery" in words
    assert words.spelling.log_probability("bakeries") > words.spelling.log_probability("bqkzrxss") + 5


HOLES = [
    Hole((Known("b"), Lost(2, 2), Known("ery"))),
    Hole((Known("ba"), Lost(1, 4), Known("y"))),
    Hole((Lost(1, None),)),
    Hole((Known("A", certain=False), Known("nt"))),
    Hole((Lost(3, 3, spaces=True),)),
]


@pytest.mark.parametrize("hole", HOLES, ids=str)
def test_the_words_that_fit_are_those_that_the_hole_admits(hole: Hole) -> None:
    indices = WORDS.matching(compile_region(Region(hole)), hole.least, hole.most)
    assert [WORDS.words[index] for index in indices] == [word for word in WORDS.words if hole.admits(word)]


@given(known=st.text("abetn ", max_size=3), lost=st.integers(1, 7))
def test_the_pairs_that_fit_are_those_that_the_hole_admits(known: str, lost: int) -> None:
    if known != known.strip() or "  " in known:
        return
    hole = Hole((*([Known(known)] if known else []), Lost(lost, lost, spaces=True)))
    pairs = WORDS.matching_pairs(compile_region(Region(hole)), len(known) + lost, 10_000)
    texts = {f"{WORDS.words[i]} {WORDS.words[j]}" for i, j in pairs}
    assert texts == {f"{a} {b}" for a, b in product(WORDS.words, repeat=2) if hole.admits(f"{a} {b}")}


def test_the_command_counts_and_says_what(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("one two two\n\nthree three three\n", "utf-8")
    result = CliRunner().invoke(command, [str(text), "--out", str(tmp_path / "model"), "--size", "2"])
    assert result.exit_code == 0, result.output
    assert re.search(r"2 words, 83\.3% of the 6 in the text", result.output)
    assert word_list.load(tmp_path / "model" / word_list.NAME).counts == {"three": 3, "two": 2}


def test_a_text_without_words_is_refused() -> None:
    with pytest.raises(CorpusError, match="no words"):
        word_list.count(["1, 2; 3"])


def test_the_list_decides_a_damaged_word_with_one_look() -> None:
    restoration = FillMask().restore("We bought bread at the b__ery in the village.")
    assert restoration.gaps[0].readings[0].text == "bakery"
    assert restoration.cost.forward_passes == 1
