"""TEI as projects write it: sizes in words and ranges, white space of the file, source documents, several editions."""

import warnings

import pytest

from fillmask import InputError
from fillmask.errors import FillMaskWarning
from fillmask.restore.damage import Element, Hole, Known, Lost
from fillmask.restore.notation import Document, parse

_UNKNOWN = Lost(1, None, True)
_WORD = Lost(1, None)
_TEI = 'xmlns="http://www.tei-c.org/ns/1.0"'


def _body(body: str) -> Document:
    return parse(f"<TEI {_TEI}><text><body><p>{body}</p></body></text></TEI>")


def _text(document: Document) -> str:
    return document.damaged.filled(["X"] * len(document.damaged.holes))


@pytest.mark.parametrize(
    ("attributes", "lost"),
    [
        ('quantity="3.5" unit="cm"', _UNKNOWN),
        ('quantity="2.5" unit="character"', Lost(2, 3, True)),
        ('quantity="1.5" unit="line"', _UNKNOWN),
        ('extent="2-9" unit="character"', Lost(2, 9, True)),
        ('extent="2–9 letters"', Lost(2, 9, True)),
        ('extent="2 or 3" unit="chars"', Lost(2, 3, True)),
        ('extent="two to four characters"', Lost(2, 4, True)),
        ('extent="ca. 5 letters"', Lost(3, 7, True, 5)),
        ('extent="about 5" unit="character"', Lost(3, 7, True, 5)),
        ('extent="5?" unit="character"', Lost(3, 7, True, 5)),
        ('extent="5+" unit="character"', Lost(5, None, True)),
        ('extent="up to 4 letters"', Lost(0, 4, True)),
        ('extent="three letters"', Lost(3, 3, True)),
        ('extent="one word"', _WORD),
        ('extent="several words"', _UNKNOWN),
        ('extent="1 line"', _UNKNOWN),
        ('extent="half a page"', _UNKNOWN),
        ('extent="unknown" unit="character"', _UNKNOWN),
        ('quantity="4" unit="character" precision="circa"', Lost(2, 6, True, 4)),
        ('min="2" max="5" unit="character"', Lost(2, 5, True)),
        ('atLeast="2.0" atMost="5" unit="characters"', Lost(2, 5, True)),
        ('quantity="3" unit="glyphs"', Lost(3, 3, True)),
        ('quantity="3" unit="mm"', _UNKNOWN),
    ],
)
@pytest.mark.filterwarnings("ignore::fillmask.FillMaskWarning")
def test_sizes(attributes: str, lost: Lost) -> None:
    assert _body(f"went <gap {attributes}/> home").damaged.holes == (Hole((lost,)),)


@pytest.mark.parametrize(
    "wrong", ['quantity="x"', 'quantity="-1"', 'quantity="0"', 'atLeast="5" atMost="4"', 'extent="{x}"']
)
def test_a_size_that_is_not_understood_is_listed_and_counts_as_unknown(wrong: str) -> None:
    with pytest.warns(FillMaskWarning, match=f"not understood.*line 1, column 62: <gap {wrong}"):
        document = _body(f"went <gap {wrong}/> home")
    assert document.damaged.holes == (Hole((_UNKNOWN,)),)


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("over the <gap quantity='1' unit='word'/>ground", "over the X ground"),
        ("they have<gap quantity='1' unit='word'/>fighting", "they have X fighting"),
        ("have<gap quantity='1' unit='word'/><gap quantity='2' unit='word'/>fighting", "have X X fighting"),
        ("the <gap extent='some words'/>ground", "the X ground"),
        ("(<gap quantity='1' unit='word'/>), so", "(X), so"),
        ("went<lb break='no'/><gap quantity='1' unit='word'/> so", "went X so"),
        ("the <gap quantity='1' unit='word'/>’s house", "the X house"),
    ],
)
def test_a_lost_word_is_a_word(body: str, read: str) -> None:
    assert _text(_body(body)) == read


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("ba<choice>\n  <sic>c</sic>\n  <corr>k</corr>\n</choice>ery", "bakery"),
        ("ba<choice>\n  <sic>c</sic>\n  <corr>\n   k\n </corr>\n</choice>ery", "bakery"),
        ("s<subst>\n <del>a</del>\n <add>o</add>\n</subst>rry", "sorry"),
        ("s<mod>\n <del>a</del>\n <add>o</add>\n</mod>rry", "sorry"),
        ("<expan>\n <abbr>M</abbr>\n <ex>iste</ex>\n <abbr>r</abbr>\n</expan> Fen", "Mister Fen"),
        ("<expan>per <ex>annum</ex></expan>", "per annum"),
        ("<app>\n<lem>th<hi>is</hi> one</lem>\n<rdg>that</rdg>\n</app>", "this one"),
        ("<subst><add>one</add><del rend='erasure'>two</del><add>s</add></subst>", "ones"),
        (
            "You <sic>concieve</sic><corr>conceive</corr> it; <sic>sic</sic> <corr>corr</corr>",
            "You conceive it; sic corr",
        ),
        ("a <hi rend='strikethrough'>cat</hi> dog", "a dog"),
        ("a <delSpan spanTo='#e'/>cat <hi>sat</hi> on<anchor xml:id='e'/> dog", "a dog"),
        ("went home<space quantity='3' unit='character'/>and slept", "went home and slept"),
        ("so <metamark>X</metamark>went", "so went"),
        ("fro<gap extent='1' unit='chars'/><supplied>m</supplied> it", "from it"),
        ("the carro<supplied>t</supplied><gap extent='1' unit='chars'/>s", "the carrots"),
        ("the <gap quantity='2' unit='words'/><supplied>old barn</supplied> fell", "the old barn fell"),
        ("the <gap reason='torn'/><supplied>barn</supplied> fell", "the barn fell"),
        ("the <gap reason='deleted' quantity='3'/> barn", "the barn"),
    ],
)
def test_what_is_read(body: str, read: str) -> None:
    assert _body(body).damaged.parts == (read,)


def test_a_gap_of_another_size_than_what_is_supplied_is_another_loss() -> None:
    assert len(_body("<gap quantity='9' unit='character'/><supplied>m</supplied>").damaged.holes) == 1
    edition = f'<TEI {_TEI}><text><body><div type="edition"><ab>{{}}</ab></div></body></text></TEI>'
    document = parse(edition.format('<gap reason="lost" quantity="1"/><supplied reason="lost">m</supplied>'))
    assert len(document.damaged.holes) == 1


@pytest.mark.parametrize(
    ("unclear", "confidence"),
    [
        ("<unclear>barn</unclear>", None),
        ("<unclear cert='high'>barn</unclear>", 0.95),
        ("<unclear cert='low'>barn</unclear>", 0.5),
        ("<unclear>barn<certainty locus='value' degree='0.7'/></unclear>", 0.7),
    ],
)
def test_what_the_editor_says_of_unclear_letters_is_kept(unclear: str, confidence: float | None) -> None:
    document = _body(f"the {unclear} fell")
    assert document.damaged.holes == (Hole((Known("barn", False, confidence),)),)
    assert document.damaged.holes[0].transcription == "barn"


@pytest.mark.parametrize("unclear", ["<unclear/>", "<unclear>???</unclear>", "<unclear> </unclear>"])
def test_unclear_without_a_letter_is_a_loss(unclear: str) -> None:
    elements: tuple[Element, ...] = (_UNKNOWN,)
    assert _body(f"the {unclear} fell").damaged.holes == (Hole(elements),)


def test_a_source_document_is_read_by_its_lines() -> None:
    lines = (
        "<surface><zone><line>I bought <gap quantity='5'/></line><line>for din-</line><line>ner</line></zone></surface>"
    )
    document = parse(f"<TEI {_TEI}><teiHeader><p>no</p></teiHeader><sourceDoc>{lines}</sourceDoc></TEI>")
    assert document.laid_out(["bread"]) == "I bought bread\nfor din-\nner"
    assert _text(parse(lines.replace("<surface>", f"<surface {_TEI}>"))) == "I bought X for dinner"


def test_the_first_edition_is_read_or_the_one_that_is_named() -> None:
    def div(text: str, attributes: str) -> str:
        return f'<div type="edition" {attributes}><ab>{text} <gap/></ab></div>'

    divisions = [div("one", ""), div("two", 'subtype="lemmatized"'), div("three", 'xml:id="c"')]
    source = f"<TEI {_TEI}><text><body>{''.join(divisions)}</body></text></TEI>"
    with pytest.warns(
        FillMaskWarning, match=r"3 <div type=\"edition\">, of which the first is read \(1; 2 \(lemmatized\)"
    ):
        assert _text(parse(source)) == "one X"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _text(parse(source, div="2")) == "two X"
        assert _text(parse(source, div="lemmatized")) == "two X"
        assert _text(parse(source, div="c")) == "three X"
    with pytest.raises(InputError, match=r"called 'd'; the document has: 1; 2 \(lemmatized\); 3 \(c\)"):
        parse(source, div="d")


def test_what_stands_in_other_namespaces_is_not_text() -> None:
    body = "two <m:math xmlns:m='http://www.w3.org/1998/Math/MathML'><m:mi>x</m:mi></m:math> three"
    assert _body(body).damaged.parts == ("two three",)
    wrapped = f'<o:record xmlns:o="urn:oai"><o:title>no</o:title><TEI {_TEI}><text><p>yes</p></text></TEI></o:record>'
    assert parse(wrapped).damaged.parts == ("yes",)


def test_the_language_of_the_text_is_kept() -> None:
    source = f'<TEI {_TEI} xml:lang="en"><text><body><div type="edition" xml:lang="la"><ab>a <gap/></ab></div></body></text></TEI>'
    assert parse(source).language == "la"
    assert parse(source.replace(' xml:lang="la"', "")).language == "en"
    assert parse("a [...] b").language == ""


def test_elements_of_damage_that_are_not_understood_are_listed() -> None:
    with pytest.warns(FillMaskWarning, match=r"not understood.*<lacunaStart/>.*<damageSpan spanTo"):
        _body("a <lacunaStart/> b <damageSpan spanTo='#x'/>")
