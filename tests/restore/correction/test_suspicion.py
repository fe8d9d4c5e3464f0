"""Which words are suspicious, and what they may have been: without a model."""

import pytest

from fillmask.restore import word_list
from fillmask.restore.correction import channel as channels
from fillmask.restore.correction.candidates import Candidates
from fillmask.restore.correction.suspicion import Noise, Suspect, suspects
from fillmask.restore.correction.units import units_of


@pytest.fixture(scope="module")
def candidates() -> Candidates:
    words = word_list.bundled()
    assert words is not None
    return Candidates(words, channels.general())


CLEAN, NOISY = 0.01, 0.1


def one(text: str, candidates: Candidates) -> Suspect:
    (suspect,) = suspects(text, candidates, NOISY)
    return suspect


def test_units_are_words_without_the_marks_around_them() -> None:
    text = "“Tbe, end-of th;e | road.” Then _x"
    units = list(units_of(text))
    assert [unit.text for unit in units] == ["Tbe", "end", "of", "th;e", "|", "road", "Then", "_x"]
    assert [unit.text for unit in units if unit.is_mark] == ["|"]
    assert [unit.text for unit in units if unit.starts_sentence] == ["Tbe", "Then"]
    assert all(text[unit.start : unit.end] == unit.text for unit in units)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        ("farrner", "farmer"),
        ("tlie", "the"),
        ("liis", "his"),
        ("poeket", "pocket"),
        ("niglit", "night"),
        ("9treet", "Street"),
        ("Tbe", "The"),
        ("ofthe", "of the"),
        ("goverment", "government"),
        ("neceſſary", "necessary"),
    ],
)
def test_a_misread_word_has_the_right_candidate(read: str, text: str, candidates: Candidates) -> None:
    assert text in candidates.of(read)
    suspect = one(f"It was {read} then.", candidates)
    assert suspect.observed == read
    assert suspect.candidates[0] == read
    assert text in suspect.candidates


@pytest.mark.parametrize("text", ["I saw tho house.", "He had bis coat.", "The table arid the chair."])
def test_a_word_that_is_easily_another_is_suspicious(text: str, candidates: Candidates) -> None:
    assert one(text, candidates).listed


@pytest.mark.parametrize(
    "text",
    [
        "The farmer sold his cow at the market.",
        "On 3rd March 1862 he paid £25 to J. Smith & Co.",
        "Louis XIV and the U.S. in the 1840s, a 1st edition",
        "* * *",
        "",
    ],
)
def test_what_is_right_is_not_suspicious(text: str, candidates: Candidates) -> None:
    assert suspects(text, candidates, CLEAN) == []


def test_words_that_fell_apart_are_joined(candidates: Candidates) -> None:
    suspect = one("the com-\nmittee met", candidates)
    assert (suspect.kind, suspect.candidates[1]) == ("join", "committee")
    assert one("the gov ernment met", candidates).candidates[1] == "government"
    assert suspects("a well-known man, and the well known", candidates, CLEAN) == []


def test_a_mark_alone_is_suspicious(candidates: Candidates) -> None:
    suspect = one("the old | house", candidates)
    assert (suspect.kind, suspect.candidates) == ("mark", ("|", ""))
    assert suspects("the old | house", candidates, CLEAN) == []
    assert suspects('the old " house', candidates, NOISY) == []


def test_noise_grows_with_what_is_misread(candidates: Candidates) -> None:
    clean = "the farmer sold his cow at the market and went home with the money in his pocket " * 3
    read = clean.replace("farmer", "farrner").replace("the", "tlie").replace("pocket", "poeket")
    assert Noise(candidates).after(clean) < 0.02
    assert 0.15 < Noise(candidates).after(read) < 1
    noise = Noise(candidates)
    assert noise.after(clean) < noise.after(read) < Noise(candidates).after(read)
