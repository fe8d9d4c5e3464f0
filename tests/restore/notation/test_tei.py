"""TEI: what elements say, what is read, what is not well-formed, and that nothing is fetched or expanded."""

import re
import time
from pathlib import Path

import pytest

from fillmask import NotationError
from fillmask.restore.damage import Element, Hole, Known, Lost
from fillmask.restore.notation import detect, parse

_UNKNOWN = Lost(1, None, True)
_WORD = Lost(1, None)


def _parts(body: str) -> tuple[str | Hole, ...]:
    source = f"<TEI><teiHeader>[...] <gap/></teiHeader>\n <text><body><ab>{body}</ab></body></text></TEI>"
    document = parse(source)
    assert document.notation == "tei"
    assert document.print() == source
    return document.damaged.parts


@pytest.mark.parametrize(
    ("gap", "elements"),
    [
        ('<gap reason="lost" quantity="3" unit="character"/>', [Lost(3, 3, True)]),
        ("<gap quantity='3' unit='chars'/>", [Lost(3, 3, True)]),
        ('<gap quantity="3"/>', [Lost(3, 3, True)]),
        ('<gap quantity="3.0" unit="character"/>', [Lost(3, 3, True)]),
        ('<gap extent="3 letters"/>', [Lost(3, 3, True)]),
        ('<gap quantity="4" unit="character" precision="low"/>', [Lost(2, 6, True, 4)]),
        ('<gap atLeast="2" atMost="5" unit="character"/>', [Lost(2, 5, True)]),
        ('<gap atMost="5" unit="character"/>', [Lost(0, 5, True)]),
        ('<gap atLeast="2" unit="character"/>', [Lost(2, None, True)]),
        ('<gap extent="unknown" unit="character"/>', [_UNKNOWN]),
        ('<gap extent="unknown" unit="line"/>', [_UNKNOWN]),
        ('<gap quantity="3" unit="line"/>', [_UNKNOWN]),
        ('<gap quantity="2" unit="cm"/>', [_UNKNOWN]),
        ("<gap/>", [_UNKNOWN]),
        ("<gap></gap>", [_UNKNOWN]),
        ('<gap quantity="2" unit="character"><desc>a hole <hi>of a worm</hi></desc></gap>', [Lost(2, 2, True)]),
        ('<gap quantity="100000" unit="character"/>', [_UNKNOWN]),
        ('<gap quantity="1" unit="word"/>', [_WORD]),
        ('<gap quantity="2" unit="words"/>', [_WORD, Known(" "), _WORD]),
        ('<gap quantity="2" unit="word" precision="low"/>', [_UNKNOWN]),
        ('b<gap quantity="2" unit="character"/>ery', [Known("b"), Lost(2, 2), Known("ery")]),
        ('<supplied>b<gap quantity="2" unit="character"/></supplied>ery', [Known("b"), Lost(2, 2), Known("ery")]),
        ('b<gap quantity="2"/>e<lb n="2" break="no"/>ry', [Known("b"), Lost(2, 2), Known("ery")]),
        ('b<gap quantity="2"/>e-\n  <lb break="no"/>ry', [Known("b"), Lost(2, 2), Known("ery")]),
        ("b<unclear>ak</unclear>ery", [Known("b"), Known("ak", False), Known("ery")]),
        ("<choice><unclear>b</unclear><unclear>d</unclear></choice>ark", [Known("b", False), Known("ark")]),
        ("<tei:gap xmlns:tei='http://www.tei-c.org/ns/1.0' tei:quantity='2'/>", [Lost(2, 2, True)]),
    ],
)
def test_one_hole(gap: str, elements: list[Element]) -> None:
    assert _parts(f"went, {gap}; and") == ("went, ", Hole(tuple(elements)), "; and")


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("the <supplied reason='lost'>bak</supplied>ery", "the bakery"),
        ("the <surplus>the</surplus> ba<surplus>ba</surplus>kery", "the bakery"),
        ("a <del>cat</del><add>dog</add>", "a dog"),
        ("a <subst><del>cat</del><add>dog</add></subst>", "a dog"),
        ("<del rend='erasure'>Geta</del> went", "Geta went"),
        ("<expan><abbr>D</abbr><ex>is</ex></expan>", "Dis"),
        ("<choice><abbr>Mr</abbr><expan>Mister</expan></choice>", "Mister"),
        ("<choice><sic>bakry</sic><corr>bakery</corr></choice>", "bakery"),
        ("<choice><orig>ye</orig><reg>the</reg></choice> <sic>bakry</sic>", "the bakry"),
        ("<app><lem>this</lem><rdg>that</rdg></app>", "this"),
        ("<app><rdg>that</rdg><rdg>this</rdg></app>", "that"),
        ("a<note>not <gap/> this</note> b", "a b"),
        ("R&amp;D &lt;3 caf&#233; &#x41;b", "R&D <3 café Ab"),
        ("one<lb/>two<pb/>three", "one two three"),
        ("<![CDATA[a <b> & c]]> d<!-- <gap/> --><?x y?>e", "a <b> & c de"),
        ("<w>one</w><w>two</w><pc>,</pc> <w part='I'>th</w><w part='F'>ree</w>", "one two, three"),
        ("went ... to … <gap reason='ellipsis'/>", "went ... to … …"),
        ("<p>one</p><p>two</p><l>three</l><l>four</l>", "one\ntwo\nthree four"),
        ("<salute>Dear Ann,</salute><p>hi</p>", "Dear Ann,\nhi"),
    ],
)
def test_what_is_read(body: str, read: str) -> None:
    assert _parts(body) == (read,)


def test_only_the_edition_is_read() -> None:
    document = parse(
        "<TEI><text><body><div type='apparatus'><p>no</p></div><div type='edition'><div type='textpart'><ab>yes <gap/>"
        "</ab></div></div><div type='translation'><p>no <gap/></p></div></body></text></TEI>"
    )
    assert document.damaged.parts == ("yes ", Hole((_UNKNOWN,)))


def test_lines_are_kept_for_printing() -> None:
    document = parse(
        "<body>\n<ab>\n<lb n='1'/>Dear Ann, I\n<lb n='2'/>went to the ba<lb n='3' break='no'/>kery <gap/></ab></body>"
    )
    assert document.damaged.filled(["today"]) == "Dear Ann, I went to the bakery today"
    assert document.laid_out(["today"]) == "Dear Ann, I\nwent to the ba-\nkery today"
    assert document.places == (("<gap/>", 4, 53),)


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("<p>one\n<b>two</p>", 2, "mismatch"),
        ("<p>one", 1, "not well-formed XML"),
        ("<p>one</p>two</p>", 1, "not well-formed XML"),
        ("<p>&nbsp;</p>", 1, "nbsp"),
        ("<!DOCTYPE TEI SYSTEM 'tei.dtd'>\n<p>&nbsp;</p>", 2, "the entity &nbsp; is not declared"),
        ("<p>\x00</p>", 1, "not well-formed XML"),
        ("<p a='1' a='2'/>", 1, "duplicate attribute"),
        ("<x:p/>", 1, "unbound prefix"),
        ("<ead xmlns='urn:isbn:1-931666-22-9'/>", 1, "expected TEI, PAGE XML, ALTO or hOCR"),
        ("<a>" * 300 + "</a>" * 300, 1, "not well-formed XML"),
    ],
)
def test_what_is_not_well_formed_names_its_place(source: str, line: int, what: str) -> None:
    with pytest.raises(NotationError, match=re.escape(what)) as caught:
        parse(source, notation="tei")
    assert caught.value.line == line
    assert caught.value.column >= 1


def test_entities_do_not_expand() -> None:
    laughs = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 20))
    with pytest.raises(NotationError, match="a document type with declarations of its own"):
        parse(f"<?xml version='1.0'?>\n<!-- c --><!DOCTYPE p [<!ENTITY l0 'ha'>{laughs}]>\n<p>&l19;</p>")


def test_nothing_is_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the secret", "utf-8")
    for doctype in (
        f"<!DOCTYPE p [<!ENTITY x SYSTEM '{secret.as_uri()}'>]>",
        f"<!DOCTYPE p SYSTEM '{secret.as_uri()}'>",
    ):
        with pytest.raises(NotationError) as caught:
            parse(f"{doctype}<p>&x;</p>", notation="tei")
        assert "secret" not in str(caught.value).replace(str(secret), "")


@pytest.mark.parametrize(
    ("source", "notation"),
    [
        ('<?xml version="1.0"?><TEI/>', "tei"),
        ('\ufeff  <TEI xmlns="http://www.tei-c.org/ns/1.0"></TEI>', "tei"),
        ("<!-- a --><TEI></TEI>", "tei"),
        ("<p>one</p>", "tei"),
        ("<mask> went to the bakery", "plain"),
        ("<- this way ...", "plain"),
        ("a <p>b</p>", "plain"),
    ],
)
def test_tei_is_known_by_its_root(source: str, notation: str) -> None:
    assert detect(source) == notation


@pytest.mark.parametrize(
    "between", ["\n" * 20_000, " \t" * 10_000, '<?xml-model href="a"?>\n' * 2_000, "<!-- a -->" * 2_000]
)
def test_much_before_the_root_is_passed_over_step_by_step(between: str) -> None:
    """Twenty-five newlines took seconds, and each more twice as long."""
    begun = time.perf_counter()
    document = parse(f'<?xml version="1.0"?>{between}<TEI><text><body><p>I am <gap/> here</p></body></text></TEI>')
    assert len(document.damaged.holes) == 1
    with pytest.raises(NotationError, match="declarations of its own"):
        parse(f'<?xml version="1.0"?>{between}<!DOCTYPE TEI [<!ENTITY a "b">]><TEI/>')
    assert time.perf_counter() - begun < 10


@pytest.mark.parametrize("hyphen", ["", "-", "\u00ad"])
@pytest.mark.parametrize("before", ["", "\n", "\n  ", " ", "\r\n\t"])
@pytest.mark.parametrize("after", ["", "\n"])
def test_a_word_over_the_end_of_a_line_has_one_hyphen_and_one_line_end(hyphen: str, before: str, after: str) -> None:
    source = f'<ab>a hus{hyphen}{before}<lb n="2" break="no"/>{after}band and <gap quantity="4" unit="character"/></ab>'
    document = parse(source, notation="tei")
    assert document.damaged.parts[0] == "a husband and "
    assert document.laid_out(["your"]) == f"a hus{hyphen or '-'}\nband and your"
    assert document.print() == source
