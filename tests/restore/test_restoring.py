"""What surrounds decoding: options checked once, capitals, languages, open holes, and the parts of a result."""

from dataclasses import replace
from pathlib import Path

import pytest

from fillmask import FillMask, InputError
from fillmask.errors import FillMaskWarning
from fillmask.restore import RestoreOptions, parse_source, restore_document
from fillmask.restore.capitals import casing, lower, ordinary_case, upper
from fillmask.restore.damage import Damaged, Hole, Known, Lost
from fillmask.restore.editions import render
from fillmask.restore.language import foreign_language, known_share, model_language
from fillmask.restore.notation import parse
from fillmask.restore.options import check_targets
from fillmask.restore.restoration import Reading
from fillmask.restore.results import hypotheses
from fillmask.restore.word_list import WordList

_WORDS = WordList(
    {"the": 500, "of": 400, "departed": 5, "this": 90, "life": 40, "May": 20, "may": 60, "John": 30, "on": 200}
)


@pytest.fixture(scope="module")
def bundled() -> FillMask:
    return FillMask()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"notation": "greek"}, "notation is 'greek'; expected one of auto, plain, leiden, tei"),
        ({"strategy": "best"}, "strategy is 'best'; expected one of joint"),
        ({"readings": 0}, "readings is 0; expected a whole number, 1 or more"),
        ({"beam": True}, "beam is True; expected a whole number, 1 or more"),
        ({"lexicon": ["\ud800"]}, "surrogate"),
    ],
)
def test_options_that_cannot_be_used(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RestoreOptions(**arguments)  # type: ignore[arg-type]


def test_one_term_is_a_lexicon() -> None:
    assert RestoreOptions(lexicon="Fenner").lexicon == ("Fenner",)


def test_targets_go_into_their_holes() -> None:
    damaged = parse("a [..] b [...] c").damaged
    with_targets = RestoreOptions(targets={1: ["abc", "xyz"]}).for_damage(damaged)
    assert with_targets.holes == (damaged.holes[0], replace(damaged.holes[1], targets=("abc", "xyz")))
    for options, message in (
        (RestoreOptions(targets={2: ["a"]}), "targets names hole 2, and the text has holes 0 to 1"),
        (RestoreOptions(targets={0: ["abc"]}), "none of the targets of hole 0 fits"),
        (RestoreOptions(locked={0: "a\nb"}), r"locked\[0\] is .*; expected what stands in the hole, in one line"),
        (RestoreOptions(locked={-1: "a"}), "locked names hole -1"),
    ):
        with pytest.raises(InputError, match=message):
            options.for_damage(damaged)
    with pytest.raises(InputError, match="of hole 7 fits"):
        check_targets(Hole((Lost(2, 2),), targets=("abc",)), "7")


def _ordinary(text: str) -> tuple[str, frozenset[int]]:
    found = ordinary_case(parse(text).damaged, casing(_WORDS, len))
    return found.damaged.filled(["X"] * len(found.damaged.holes)), found.holes


@pytest.mark.parametrize(
    ("text", "read", "holes"),
    [
        ("JOHN SM[..]H DEPARTED THIS LI[..] ON THE 4TH OF MA[..] 1848.", "John X departed this X on the 4th of X 1848.", {0, 1, 2}),
        ("the NASA man [..] here", "the NASA man X here", set()),
        ("He said. THE [..] OF MAY. IT IS", "He said. The X of may. It Is", {0}),
        ("Mr. SMITH and [...] went", "Mr. SMITH and X went", set()),
        ("[....] THIS LIFE", "X this life", {0}),
    ],
)  # fmt: skip
def test_stretches_of_capitals_are_read_in_ordinary_case(text: str, read: str, holes: set[int]) -> None:
    assert _ordinary(text) == (read, holes)


def test_every_letter_keeps_its_place() -> None:
    text = "STRAẞE İSTANBUL ŉ ǰ"
    assert len(lower(text)) == len(upper(text)) == len(text)
    assert upper("straße") == "STRAßE"


def test_readings_that_differ_by_case_are_one() -> None:
    case = ordinary_case(parse("JOHN SM[..]H DEPARTED").damaged, casing(_WORDS, len))
    readings = (Reading("Smith", 0.5), Reading("smith", 0.2), Reading("smash", 0.3))
    assert case.capitals(0, readings) == (Reading("SMITH", 0.7), Reading("SMASH", 0.3))
    assert case.damaged.holes[0].any_case
    assert case.damaged.holes[0].admits("Smith")
    assert case.ordinary(0, "SMITH") == "Smith"


def test_a_hole_among_capitals_is_read_in_capitals(bundled: FillMask) -> None:
    found = bundled.restore("JOHN SM[..]H DEPARTED THIS LIFE ON THE 4TH OF MAY 1848.")
    assert found.gaps[0].best is not None
    assert found.gaps[0].best.text == "SMITH"
    assert all(reading.text == reading.text.upper() for reading in found.gaps[0].readings)
    assert found.text == "JOHN SMITH DEPARTED THIS LIFE ON THE 4TH OF MAY 1848."
    locked = bundled.restore("JOHN SM[..]H DEPARTED THIS LI[..].", locked={0: "SMYTH"}, evidence=True)
    assert locked.text.startswith("JOHN SMYTH DEPARTED THIS LI")
    assert all(locked.text[e.start : e.end] == e.word for e in locked.gaps[1].evidence)


def test_the_share_of_frequent_words_tells_languages_apart() -> None:
    words = WordList({"the": 900, "of": 700, "and": 600, "house": 50, "river": 40, "was": 300, "est": 1})
    english = parse("the house of the river and the house was of the river [..]").damaged
    latin = parse("Gallia est omnis divisa in partes tres quarum unam incolunt Belgae [..]").damaged
    assert known_share(english, words) == 1.0
    assert known_share(Damaged(("the house",)), words) is None
    assert known_share(english, None) is None
    assert foreign_language(english, "", "en", words) == ""
    assert "does not seem to be in the model's language (en): 9%" in foreign_language(latin, "", "en", words)
    assert "its language is la, and the model knows en" in foreign_language(english, "la", "en", words)
    assert foreign_language(latin, "en-GB", "en", words) == ""  # the document knows better


def test_the_language_of_a_model_is_in_its_card(tmp_path: Path) -> None:
    assert model_language(tmp_path) == ""
    for number, (front, language) in enumerate(
        {"language: en": "en", "tags: [x]\nlanguage:\n- de\n- en": "de", "license: mit": ""}.items()
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "README.md").write_text(f"---\n{front}\n---\n# A model\n", "utf-8")
        assert model_language(folder) == language


def test_a_text_in_another_language_is_not_calibrated(bundled: FillMask) -> None:
    latin = "Gallia est omnis divisa in par[..] tres, quarum un[..] incolunt Belgae."
    with pytest.warns(FillMaskWarning, match="does not seem to be in the model's language"):
        found = bundled.restore(latin)
    assert not found.calibrated
    assert found.to_dict()["remarks"] == list(found.remarks) != []
    for form in ("markdown", "html"):
        assert "does not seem to be in the model" in render(found, form)


def test_what_is_legible_stands_where_nothing_was_read(bundled: FillMask) -> None:
    document = parse_source("My [brother?] wrote of the b[..]ery.", RestoreOptions())
    found = restore_document(bundled.model, document, cancelled=lambda: True)
    assert not found.complete
    assert found.text == "My brother wrote of the ."
    assert found.hypotheses[0].readings == ("brother", "")


def test_holes_below_a_probability_stay_open(bundled: FillMask) -> None:
    found = bundled.restore("I have rec___ed your [......] of the [4th?].", locked={1: "letter"})
    opened = found.with_open_holes(1.0)
    assert opened.text == "I have  your letter of the 4th."
    assert [opened.text[gap.start : gap.end] for gap in opened.gaps] == ["", "letter", "4th"]
    assert opened.gaps[0].readings == found.gaps[0].readings
    assert render(found, "text", min_probability=1) == "I have rec___ed your [letter] of the 4th.\n"
    assert render(found, "json", min_probability=1) == render(found, "json")
    assert found.with_open_holes(0).text == found.text
    with pytest.raises(InputError, match="expected a number from 0 to 1"):
        found.with_open_holes(1.5)


@pytest.mark.parametrize(("text", "marked"), [("a [sic] b[..]t", "a [sic] b⟨ea⟩t\n"), ("x b[..]t", "x b[ea]t\n")])
def test_marks_are_brackets_that_the_document_has_not(bundled: FillMask, text: str, marked: str) -> None:
    assert render(bundled.restore(text, locked={0: "beat"}), "text") == marked


def test_hypotheses_are_the_best_combinations() -> None:
    damaged = Damaged(("a ", Hole((Lost(1, 1),)), " b ", Hole((Known("x", False),))))
    ranked = [((Reading("p", 0.6), Reading("q", 0.4)), 0.0), ((), 1.0)]
    found = hypotheses(damaged, ranked)
    assert [(h.text, h.probability) for h in found] == [("a p b x", 0.6), ("a q b x", 0.4)]
    assert found[0].score > found[1].score
