"""Correction with the bundled model: what is changed, what is left alone, and how it is printed."""

import json
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from fillmask import FillMask, InputError, NotationError
from fillmask.cli.correct import command
from fillmask.restore.correction.correction import Correction, joined
from fillmask.restore.correction.corrector import Corrector, blocks_of
from fillmask.restore.correction.editions import as_same_xml, as_tei
from fillmask.restore.correction.xml_text import XmlText
from fillmask.runtime.masked_lm import MaskedLM

READ = "Tbe farrner sold liis cow at tlie market, and weut home witb tbe rnoney in bis poeket.\n"
CLEAN = (
    "Mr. Fenner, of 12 Caroline Street, went to the market on the 3rd of March 1862 with his wife Harriet. They sold a"
    " cow for £25, and came home late in the evening with the money in a purse.\n"
)
TEI = "{http://www.tei-c.org/ns/1.0}"


@pytest.fixture(scope="module")
def corrector() -> Corrector:
    return Corrector(MaskedLM())


@pytest.fixture(scope="module")
def correction(corrector: Corrector) -> Correction:
    return corrector.correct(READ)


def test_what_is_surely_misread_is_mended(correction: Correction) -> None:
    words = correction.text.split()
    assert words[0] == "The"
    assert {"farmer", "the", "with", "money"} <= set(words)
    assert len(words) == len(READ.split())
    assert correction.text.endswith(".\n")


def test_clean_text_is_left_alone(corrector: Corrector) -> None:
    assert corrector.correct(CLEAN).text == CLEAN


def test_the_words_of_a_correction_stand_where_it_says(correction: Correction) -> None:
    assert correction.source == READ
    assert correction.calibrated
    for word in correction.words:
        assert READ[word.source_start : word.source_end] == word.source
        assert correction.text[word.start : word.end] == word.text
        assert word.changed == (word.source != word.text)
        assert sum(r.probability for r in word.readings) + word.none_of_these == pytest.approx(1)
        assert not word.changed or word.probability >= correction.min_probability
    assert all(a.source_end <= b.source_start for a, b in pairwise(correction.words))
    assert json.loads(json.dumps(correction.to_dict()))["words"][0]["line"] == 1


def test_a_higher_threshold_changes_less_and_marks_more(corrector: Corrector, correction: Correction) -> None:
    strict = corrector.correct(READ, min_probability=1.0)
    assert strict.text == READ
    assert {w.source_start for w in strict.words} >= {w.source_start for w in correction.changes}
    with pytest.raises(InputError, match="min_probability is 2; expected a number from 0 to 1"):
        corrector.correct(READ, min_probability=2)


def test_blocks_in_a_row_are_the_text(corrector: Corrector) -> None:
    text = (READ + CLEAN) * 12
    blocks = list(blocks_of([text[:100], text[100:5000], text[5000:]]))
    assert len(blocks) > 1
    assert "".join(blocks) == text
    assert blocks == list(blocks_of([text]))
    assert "".join(blocks_of(["word " * 3000])) == "word " * 3000
    corrections = list(corrector.blocks([READ, CLEAN]))
    whole = joined(corrections)
    assert whole.source == READ + CLEAN
    assert all(whole.source[w.source_start : w.source_end] == w.source for w in whole.words)


def test_an_edition_keeps_what_was_read(correction: Correction) -> None:
    root = ElementTree.fromstring(as_tei(correction))
    assert [e.text for e in root.iter(f"{TEI}sic")] == [word.source for word in correction.changes]
    assert [e.text for e in root.iter(f"{TEI}corr")] == [word.text for word in correction.changes]
    assert all(e.get("resp") == "#fillmask" and e.get("cert") for e in root.iter(f"{TEI}corr"))
    assert len(list(root.iter(f"{TEI}unclear"))) == len(correction.words) - len(correction.changes)


SOURCE = (
    '<?xml version="1.0"?>\n<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt><title>Tbe</title>'
    "</titleStmt></fileDesc></teiHeader><text><body><!-- tbe --><p>Tbe farrner &amp; his wife went to tbe market"
    " <choice><sic>tlie</sic><corr>the</corr></choice>.</p></body></text></TEI>"
)


def test_tei_stays_as_it_is_beside_the_changes(corrector: Corrector) -> None:
    text = XmlText(SOURCE)
    edition = as_same_xml(corrector.correct(text.text), text)
    assert "<choice><sic>tbe</sic><corr " in edition
    assert "<!-- tbe -->" in edition
    assert "<title>Tbe</title>" in edition
    assert "<choice><sic>tlie</sic><corr>the</corr></choice>" in edition
    assert " &amp; his wife" in edition
    ElementTree.fromstring(edition)


PAGE = (
    '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"><Page><TextRegion id="r1">'
    '<TextLine id="l1"><TextEquiv conf="0.7"><Unicode>Tbe farmer went to tbe market with</Unicode></TextEquiv>'
    '</TextLine><TextLine id="l2"><TextEquiv index="0"><Unicode>tbe money in his pocket.</Unicode></TextEquiv>'
    "</TextLine></TextRegion></Page></PcGts>"
)


def test_a_page_gets_a_reading_before_the_one_that_it_had(corrector: Corrector) -> None:
    text = XmlText(PAGE)
    root = ElementTree.fromstring(as_same_xml(corrector.correct(text.text), text))
    namespace = root.tag.partition("}")[0] + "}"
    for line, before in zip(root.iter(f"{namespace}TextLine"), text.text.split("\n"), strict=True):
        readings = {e.get("index"): e[0].text for e in line if e.tag == f"{namespace}TextEquiv"}
        assert readings["1"] == before
        assert readings["0"] == before.replace("Tbe", "The").replace("tbe", "the")


def test_other_xml_is_refused() -> None:
    with pytest.raises(NotationError, match="expected TEI with a text, or PAGE XML"):
        XmlText("<html><body>text</body></html>")


def test_the_facade_corrects() -> None:
    assert FillMask().correct("He went to tbe market with his wife.").text == "He went to the market with his wife."


def run(*arguments: str, input: str | bytes | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(command, list(arguments), input=input)
    return result.exit_code, result.output


def test_the_command_writes_each_format(tmp_path: Path) -> None:
    file = tmp_path / "page.txt"
    file.write_text(READ, "utf-8")
    code, text = run(str(file))
    assert code == 0
    assert text.startswith("The ")
    assert json.loads(run(str(file), "--json")[1])["text"] == text
    assert "<sic>Tbe</sic>" in run(str(file), "--format", "tei")[1]
    assert "1:1  Tbe  → The" in run(str(file), "--format", "terminal")[1]
    assert run(str(file), "-o", str(tmp_path / "out.txt")) == (0, "")
    assert (tmp_path / "out.txt").read_text("utf-8") == text
    (tmp_path / "edition.xml").write_text(SOURCE, "utf-8")
    assert "<corr" in run(str(tmp_path / "edition.xml"))[1]


def test_standard_input_is_read_block_by_block() -> None:
    code, text = run("-", input=(READ + CLEAN) * 30)
    assert code == 0
    assert text.count("\n") == 60
    assert text.count("Fenner") == 30


@pytest.mark.parametrize(
    ("arguments", "input", "message"),
    [
        (["-"], b"", "there is no text"),
        (["-"], b"caf\xe9 at the market\n", "is not utf-8 at byte 3"),
        (["-", "--format", "xml"], b"text", "is no XML"),
        (["-", "--json", "--format", "tei"], b"text", "two formats"),
        (["-", "--min-probability", "2"], b"text", "0<=x<=1"),
        (["-", "-o", "/nowhere/out.txt"], b"text", "there is no folder"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], input: bytes, message: str) -> None:
    result = CliRunner().invoke(command, arguments, input=input)
    assert result.exit_code != 0
    assert message in f"{result.output} {result.exception}"
