"""restore(): the whole way from a damaged text to ranked readings, on tiny models whose answers mean nothing."""

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tiny import SENTENCES

from fillmask import FillMask, InputError
from fillmask.choices import STRATEGIES
from fillmask.restore import Progress, Restoration, restore
from fillmask.restore.notation import parse

LETTER = "The old [---] went to the b[..]ery early.\nShe found [---] there, and it w_s [c. 4]."


@pytest.fixture(scope="module", params=["roberta_folder", "modernbert_folder"])
def unmask(request: pytest.FixtureRequest) -> FillMask:
    return FillMask(request.getfixturevalue(request.param), threads=1)


def check(found: Restoration, notation: str = "auto") -> None:
    """What holds for every restoration."""
    document = parse(found.source, notation=notation)
    holes = document.damaged.holes
    assert len(found.gaps) == len(holes)
    best = [gap.best.text if gap.best else "" for gap in found.gaps]
    assert found.text == document.damaged.filled(best)
    for number, (gap, hole) in enumerate(zip(found.gaps, holes, strict=True)):
        assert gap.index == number
        assert found.text[gap.start : gap.end] == best[number]
        assert (gap.source, gap.line, gap.column) == document.places[number]
        texts = [r.text for r in gap.readings]
        assert len(set(texts)) == len(texts)
        probabilities = [r.probability for r in gap.readings]
        assert sum(probabilities) + gap.none_of_these == pytest.approx(1)
        if not gap.locked:
            assert all(hole.admits(t) for t in texts)
            assert probabilities == sorted(probabilities, reverse=True)
    assert 0 <= found.confidence <= 1
    assert found.hypotheses[0].text == found.text
    for hypothesis in found.hypotheses:
        ranked = [{r.text: r.probability for r in gap.readings} for gap in found.gaps]
        shares = [of[text] for of, text in zip(ranked, hypothesis.readings, strict=True) if of]
        assert hypothesis.probability == pytest.approx(math.prod(shares))
    assert sum(h.probability for h in found.hypotheses) <= 1 + 1e-9
    scores = [h.score for h in found.hypotheses]
    assert scores == sorted(scores, reverse=True)
    assert len({h.readings for h in found.hypotheses}) == len(found.hypotheses)
    assert json.loads(json.dumps(found.to_dict()))["text"] == found.text


@pytest.mark.parametrize("notation", ["auto", "plain", "leiden", "tei"])
def test_what_is_no_text_is_refused_in_words(unmask: FillMask, notation: str) -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        unmask.restore("I am [...] here \ud800", notation=notation)
    with pytest.raises(InputError, match="expected a text"):
        unmask.restore(None, notation=notation)  # type: ignore[arg-type]


def test_a_hole_with_too_many_ways_is_read_and_can_be_left(unmask: FillMask) -> None:
    begun = time.perf_counter()
    check(unmask.restore("I am a[c. 30]b[c. 30]c here and <mask>------------------.", notation="leiden"), "leiden")
    left = unmask.restore("I am a[c. 31]b[c. 30]c here", notation="leiden", cancelled=lambda: True)
    assert not left.complete
    assert time.perf_counter() - begun < 30


def test_what_is_said_of_a_hole_is_text_too(unmask: FillMask) -> None:
    with pytest.raises(InputError, match="lone surrogate"):
        unmask.restore("I am [...] here", targets={0: ["\ud800"]})
    with pytest.raises(InputError, match="expected a text"):
        unmask.restore("I am [...] here", targets={0: [1]})  # type: ignore[list-item]
    with pytest.raises(InputError, match="lone surrogate"):
        unmask.restore("I am [...] here", locked={0: "\ud800"})
    with pytest.raises(InputError, match="lone surrogate"):
        unmask.restore("I am [...] here", lexicon=["\ud800"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_reads_every_hole(unmask: FillMask, strategy: str) -> None:
    found = unmask.restore(LETTER, strategy=strategy, readings=5)
    check(found)
    assert found.strategy == strategy
    assert found.complete
    assert all(gap.readings for gap in found.gaps)
    assert all(len(gap.readings) <= 5 for gap in found.gaps)
    assert found.cost.forward_passes > 0
    assert found.cost.rows >= found.cost.forward_passes
    again = unmask.restore(LETTER, strategy=strategy, readings=5)
    assert again.gaps == found.gaps
    assert again.hypotheses == found.hypotheses


@pytest.mark.parametrize(
    "text",
    [
        "...",
        "... went home.",
        "The dog went ...",
        "zqx[..]zq went home.",
        "The “b[.]g” dog, (...) he said.",
        "日本[..] and 😀 […] home",
        "[...] [...] [...]",
        "a [....................] b",
        "one\n\n[...]\n\ntwo",
        "\t[..]\u00a0x ...",
    ],
)
def test_an_admissible_answer_for_every_hole(unmask: FillMask, text: str) -> None:
    found = unmask.restore(text)
    check(found)
    assert all(gap.readings for gap in found.gaps)


def test_a_text_without_holes_is_itself(unmask: FillMask) -> None:
    found = unmask.restore("Nothing is lost.")
    assert (found.text, found.gaps, found.confidence, found.complete) == ("Nothing is lost.", (), 1.0, True)
    check(found)
    assert unmask.restore("").text == ""


def test_locked_readings_stand_and_are_read_with(unmask: FillMask) -> None:
    plain = unmask.restore(LETTER)
    found = unmask.restore(LETTER, locked={0: "horse", 2: "two coins"})
    check(found)
    assert [gap.locked for gap in found.gaps] == [True, False, True, False, False]
    assert found.gaps[0].readings[0].text == "horse"
    assert found.gaps[0].readings[0].probability == 1
    assert "The old horse went" in found.text
    assert [r.probability for r in found.gaps[1].readings] != [r.probability for r in plain.gaps[1].readings]
    everything = unmask.restore(LETTER, locked=dict(enumerate(["fox", "bakery", "bread", "was", "good"])))
    assert everything.confidence == 1
    assert everything.cost.rows == 0


def test_targets_are_the_only_readings(unmask: FillMask) -> None:
    found = unmask.restore(LETTER, targets={0: ["dog", "brown horse", "fox", "dog"], 1: ["bakery", "market"]})
    check_texts = {r.text for r in found.gaps[0].readings}
    assert check_texts == {"dog", "brown horse", "fox"}
    assert found.gaps[0].none_of_these == pytest.approx(0)
    assert [r.text for r in found.gaps[1].readings] == ["bakery"]
    with pytest.raises(InputError, match="none of the targets of hole 1 fits"):
        unmask.restore(LETTER, targets={1: ["market"]})


def test_a_name_of_a_lexicon_that_fits_what_survives_is_lifted() -> None:
    unmask = FillMask(threads=1)
    text = "My friend Mr. F[....]r was there."

    def shares(*lexicon: str) -> dict[str, float]:
        return {r.text: r.probability for r in unmask.restore(text, lexicon=lexicon).gaps[0].readings}

    assert "Fenner" not in shares()
    assert next(iter(shares("Fenner").items())) == ("Fenner", pytest.approx(0.98, abs=0.02))
    several = shares("Fenner", "Fowler", "Fisher")
    assert next(iter(several)) == "Fisher"  # among its words the model decides
    assert shares("Xanthippe", "dog") == shares()  # neither fits
    elsewhere = unmask.restore("I am ... to the bakery.", lexicon=["Fenner"]).gaps[0]
    assert elsewhere.readings[0].text == unmask.restore("I am ... to the bakery.").gaps[0].readings[0].text


def test_names_of_a_lexicon_are_proposed_and_preferred(unmask: FillMask) -> None:
    name = "Xanthippe"
    without = unmask.restore("The old [.........] went to the river.")
    assert name not in [r.text for r in without.gaps[0].readings]
    found = unmask.restore("The old [.........] went to the river.", lexicon=[name, "dog"], readings=50)
    probability = {r.text: r.probability for r in found.gaps[0].readings}[name]
    # A name that the search found by itself has the same features; here it is proposed, and raised.
    assert probability > 0
    assert "dog" not in [r.text for r in found.gaps[0].readings]
    plain = unmask.restore("The old ... went to the river.", readings=80).gaps[0]
    raised = unmask.restore("The old ... went to the river.", readings=80, lexicon=["dog"]).gaps[0]
    share = [{r.text: r.probability for r in gap.readings}.get("dog", 0.0) for gap in (plain, raised)]
    assert share[1] > 3 * share[0]


def test_cancelling_keeps_what_is_done(unmask: FillMask) -> None:
    long = " ".join(f"{s} The ... dog." for s in SENTENCES[:30])
    seen: list[Progress] = []
    found = unmask.restore(long, on_progress=seen.append, cancelled=lambda: bool(seen) and seen[-1].done >= 8)
    assert not found.complete
    assert seen[-1].holes == 30
    read = [gap for gap in found.gaps if gap.readings]
    assert 8 <= len(read) < 30
    check(found)
    assert unmask.restore(long, cancelled=lambda: True).gaps[0].readings == ()


def test_long_documents_are_read_through_windows(unmask: FillMask) -> None:
    text = "\n".join(f"{s} The ... dog w_nt home." for s in SENTENCES[:24])
    assert len(unmask.tokenizer.encode(text)) > 2 * unmask.tokenizer.model_max_length
    seen: list[Progress] = []
    found = unmask.restore(text, on_progress=seen.append, beam=1)
    check(found)
    assert found.complete
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert seen[-1].done == seen[-1].holes == len(found.gaps)


def test_what_is_far_away_does_not_matter(unmask: FillMask) -> None:
    far = " ".join(SENTENCES[:12])
    a = unmask.restore(f"The cat. {far} The ... dog.")
    b = unmask.restore(f"The dog. {far} The ... dog.")
    assert a.gaps[0].readings == b.gaps[0].readings


def test_evidence_is_what_hiding_a_word_costs(unmask: FillMask) -> None:
    found = unmask.restore("The old ... went to the bakery early. She found bread there.", evidence=True)
    (gap,) = found.gaps
    words = [e.word for e in gap.evidence]
    assert sorted(words) == sorted(
        ["The", "old", "went", "to", "the", "bakery", "early", "She", "found", "bread", "there"]
    )
    for one in gap.evidence:
        assert found.text[one.start : one.end] == one.word
    weights = [abs(e.weight) for e in gap.evidence]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > 0
    best = gap.evidence[0]
    # By hand: the reading's score with the word, and with masks in its place.
    text = found.text
    encoded = unmask.tokenizer.encode_words(text)
    own = next(w for w in encoded.words if w.start == gap.start)
    assert own.end == gap.end
    hidden = next(w for w in encoded.words if w.start == best.start)
    sums = []
    for gone in ((), hidden.places):
        total = 0.0
        for place in own.places:
            ids = [
                unmask.mask_token_id if p in gone or (p in own.places and p >= place) else t
                for p, t in enumerate(encoded.ids)
            ]
            total += log_probability(unmask, ids, place, encoded.ids[place])
        sums.append(total)
    assert best.weight == pytest.approx(sums[0] - sums[1], abs=1e-3)


def log_probability(unmask: FillMask, ids: Sequence[int], place: int, token: int) -> float:
    from fillmask.tokenization.masked_input import MaskedInput

    ((_, found),) = unmask.model.log_probabilities([MaskedInput(list(ids), [0] * len(ids), [place])])
    return float(found[0, token])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "guess"}, "strategy is 'guess'; expected one of joint, independent"),
        ({"readings": 0}, "readings is 0"),
        ({"beam": 0}, "beam is 0"),
        ({"locked": {9: "dog"}}, "locked names hole 9, and the text has holes 0 to 4"),
        ({"targets": {-1: ["dog"]}}, "targets names hole -1"),
        ({"locked": {0: 5}}, "expected a text"),
    ],
)
def test_wrong_options_say_what_is_expected(unmask: FillMask, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        unmask.restore(LETTER, **options)  # type: ignore[arg-type]


def test_more_readings_are_the_same_and_more(unmask: FillMask) -> None:
    few = unmask.restore("The old ... went.", readings=3).gaps[0]
    many = unmask.restore("The old ... went.", readings=12).gaps[0]
    assert [r.text for r in many.readings[:3]] == [r.text for r in few.readings]
    assert many.none_of_these < few.none_of_these


def test_the_function_and_the_method_agree(roberta_folder: Path) -> None:
    unmask = FillMask(roberta_folder, threads=1)
    assert restore(unmask.model, LETTER).gaps == unmask.restore(LETTER).gaps


@pytest.mark.parametrize("readings", [1, 3, 30])
def test_with_one_hole_a_hypothesis_is_as_likely_as_its_reading(unmask: FillMask, readings: int) -> None:
    found = unmask.restore("The old ... went home.", readings=readings)
    (gap,) = found.gaps
    kept = gap.readings[: len(found.hypotheses)]
    assert [h.probability for h in found.hypotheses] == pytest.approx([r.probability for r in kept])
    assert found.hypotheses[0].probability <= 1 - gap.none_of_these + 1e-9


def test_a_model_without_a_calibration_says_so(unmask: FillMask) -> None:
    assert unmask.restore("The old ... went home.").calibrated is False
    bundled = FillMask(threads=1)
    assert bundled.restore("The old d_g.").calibrated
    assert not bundled.restore("The old d_g.", strategy="left-to-right").calibrated


def test_a_byte_order_mark_is_not_read(unmask: FillMask) -> None:
    found, plain = (unmask.restore(f"{mark}The [---] dog.") for mark in ("\ufeff", ""))
    assert (found.text, found.gaps) == (plain.text, plain.gaps)


def test_a_lexicon_may_be_one_name(unmask: FillMask) -> None:
    source = "The old Q[..]x went."
    one, listed = unmask.restore(source, lexicon="Quix"), unmask.restore(source, lexicon=["Quix"])
    assert one.gaps == listed.gaps
    assert "Quix" in {reading.text for reading in one.gaps[0].readings}


@pytest.mark.parametrize("text", ["", "a\nb", "a\n"])
def test_what_no_hole_can_hold_is_not_locked(unmask: FillMask, text: str) -> None:
    with pytest.raises(InputError, match=r"expected what stands in the hole, in one line"):
        unmask.restore("The [..] dog.", locked={0: text})
