"""PAGE XML, ALTO, and hOCR: reading order, confidences, marks of the transcriber, and readings written beside them."""

import sys
from pathlib import Path

import pytest
from lxml import etree

from fillmask import InputError, NotationError
from fillmask.restore.damage import Hole, Known, Lost
from fillmask.restore.editions import render
from fillmask.restore.notation import Document, detect, parse

sys.path.insert(0, str(Path(__file__).parents[1] / "editions"))
from made import made

_PAGE = 'xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"'
_ALTO = 'xmlns="http://www.loc.gov/standards/alto/ns-v4#"'


def _line(text: str, custom: str = "", words: str = "") -> str:
    equivalent = f'<TextEquiv conf="0.7"><Unicode>{text}</Unicode></TextEquiv>' if text else ""
    return f'<TextLine custom="{custom}"><Coords points="0,0 1,1"/>{words}{equivalent}</TextLine>'


def _page(*regions: str, order: str = "") -> str:
    body = "".join(f'<TextRegion id="r{number}">{lines}</TextRegion>' for number, lines in enumerate(regions))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<PcGts {_PAGE}><Page>{order}{body}</Page></PcGts>\n'


def _word(text: str, confidence: float) -> str:
    return f'<Word><TextEquiv conf="{confidence}"><Unicode>{text}</Unicode></TextEquiv></Word>'


def _alto(*lines: str) -> str:
    body = "".join(f"<TextLine>{line}</TextLine>" for line in lines)
    return f"<alto {_ALTO}><Layout><Page><PrintSpace><TextBlock>{body}</TextBlock></PrintSpace></Page></Layout></alto>"


def _hocr(*words: tuple[str, int]) -> str:
    spans = " ".join(
        f"<span class='ocrx_word' title='bbox 0 0 1 1; x_wconf {conf}'>{word}</span>" for word, conf in words
    )
    return f"<html xmlns='http://www.w3.org/1999/xhtml'><body><p class='ocr_par'><span class='ocr_line'>{spans}</span></p></body></html>"


def _known(document: Document) -> str:
    return document.damaged.filled([hole.transcription or "X" for hole in document.damaged.holes])


def test_page_is_read_line_by_line() -> None:
    source = _page(_line("The old man &amp; the") + _line("sea rose on Mon-") + _line("day."), _line("So it was."))
    document = parse(source)
    assert detect(source) == document.notation == "page"
    assert document.damaged.parts == ("The old man & the sea rose on Monday.\nSo it was.",)
    assert document.laid_out([]) == "The old man & the\nsea rose on Mon-\nday.\n\nSo it was."
    assert document.print() == source


def test_reading_order_is_that_of_the_file() -> None:
    order = (
        '<ReadingOrder><OrderedGroup id="g"><RegionRefIndexed index="1" regionRef="r0"/>'
        '<RegionRefIndexed index="0" regionRef="r1"/></OrderedGroup></ReadingOrder>'
    )
    source = _page(
        _line("two"), _line("one b", "readingOrder {index:1;}") + _line("one a", "readingOrder {index:0;}"), order=order
    )
    document = parse(source)
    assert document.laid_out([]) == "one a\none b\n\ntwo"
    assert document.print() == source


@pytest.mark.parametrize(
    ("text", "custom", "holes"),
    [
        ("The barn fell", "unclear {offset:4; length:4;}", [Hole((Known("barn", False),))]),
        ("The barn fell", "readingOrder {index:0;} unclear {offset:5; length:2;}", [Hole((Known("b"), Known("ar", False), Known("n")))]),
        ("The  fell", "gap {offset:4; length:0;}", [Hole((Lost(1, None, True),))]),
        ("The [?] fell on [barn?]", "", [Hole((Lost(1, None, True),)), Hole((Known("barn", False),))]),
        ("He said... so _", "", []),
    ],
)  # fmt: skip
def test_marks_of_the_transcriber(text: str, custom: str, holes: list[Hole]) -> None:
    assert list(parse(_page(_line(text, custom))).damaged.holes) == holes


@pytest.mark.parametrize(
    "source",
    [
        _page(_line("The barn fell", words=_word("The", 0.98) + _word("barn", 0.4) + _word("fell", 0.9))),
        _alto(
            '<String CONTENT="The" WC="0.98"/><SP/><String CONTENT="barn" WC="0.4"/><SP/><String CONTENT="fell" WC="1"/>'
        ),
        _hocr(("The", 98), ("barn", 40), ("fell", 90)),
    ],
    ids=["page", "alto", "hocr"],
)
def test_words_of_low_confidence_are_unclear_and_readings_stand_beside_them(source: str) -> None:
    document = parse(source)
    assert document.damaged.parts == ("The ", Hole((Known("barn", False, 0.4),)), " fell")
    kept = made(source, [("barn", 0.9)])
    assert render(kept, "ocr") == source
    edition = render(made(source, [("born", 0.9), ("barn", 0.1)]), "ocr")
    etree.fromstring(edition.encode())
    assert _known(parse(edition)) == "The barn fell"  # the original stays the main reading
    assert "born" in edition
    assert len(edition) > len(source)
    removed = {
        "page": [
            '<TextEquiv index="1" conf="0.900" comments="restored by fillmask"><Unicode>The born fell</Unicode></TextEquiv>'
        ],
        "alto": [">born</ALTERNATIVE>"],
        "hocr": [
            '<ins class="alt">barn</ins><del class="alt" title="x_confs 90; x_source restored by fillmask">born</del>'
        ],
    }[document.notation]
    assert all(part in edition for part in removed)
    if document.notation == "page":
        assert edition.count('index="0"') == 1


def test_words_without_a_line_are_read_one_by_one() -> None:
    source = _page(_line("", words=_word("The", 0.98) + _word("barn", 0.4)))
    assert parse(source).damaged.parts == ("The ", Hole((Known("barn", False, 0.4),)))
    edition = render(made(source, [("born", 0.9)]), "ocr")
    assert edition.count("<TextEquiv") == 3
    etree.fromstring(edition.encode())


def test_the_line_says_where_words_touch() -> None:
    source = _page(_line("So, he", words=_word("So", 0.4) + _word(",", 0.9) + _word("he", 0.2)))
    holes = (Hole((Known("So", False, 0.4),)), Hole((Known("he", False, 0.2),)))
    assert parse(source).damaged.parts == (holes[0], ", ", holes[1])


def test_alto_keeps_hyphens_entities_and_glyphs() -> None:
    source = _alto(
        '<String CONTENT="on" WC="1"/><SP/><String CONTENT="Mon" SUBS_TYPE="HypPart1" SUBS_CONTENT="Monday"/><HYP CONTENT="-"/>',
        "<String CONTENT='day,' WC='0.3'><Glyph CONTENT='d'/></String><SP/><String CONTENT=\"R&amp;D\"/>",
    )
    document = parse(source)
    assert _known(document) == "on Monday, R&D"
    assert document.laid_out(["Monday"]) == "on Monday,\nR&D"
    edition = render(made(source, [("Monbay", 0.9)]), "ocr")
    assert ">bay,</ALTERNATIVE><Glyph" in edition
    etree.fromstring(edition.encode())


def test_other_editions_of_an_ocr_file() -> None:
    source = _page(_line("The barn", "unclear {offset:4; length:4;}"), _line("fell &lt;so&gt; [..]"))
    restoration = made(source, [("born", 0.9)], [("us", 0.9)])
    tei = render(restoration, "tei")
    etree.fromstring(tei.encode())
    assert "fell &lt;so&gt;" in tei
    assert tei.count("<ab>") == 2
    assert render(restoration, "text") == "The [born]\n\nfell <so> [us]\n"


def test_what_cannot_be_read_or_written_says_so() -> None:
    with pytest.raises(InputError, match="there is no text in the file, read as page"):
        parse(_page(""))
    with pytest.raises(NotationError, match="the root is <p>; expected <alto> of alto"):
        parse("<p/>", notation="alto")
    with pytest.raises(
        InputError, match="the format ocr writes PAGE XML, ALTO, and hOCR; the document is read as plain"
    ):
        render(made("all is well"), "ocr")
