"""TEI editions: valid, faithful to their source, and read back as the text that was restored."""

import re
import sys
from io import BytesIO
from pathlib import Path
from random import Random

import pytest
from lxml import etree
from made import made

from fillmask.restore import editions
from fillmask.restore.damage import Hole, Known
from fillmask.restore.notation import parse
from fillmask.restore.restoration import Restoration

sys.path.insert(0, str(Path(__file__).parents[1] / "notation"))
from grammar import document


def render(restoration: Restoration, form: str) -> str:
    """An edition with every hole filled, however unlikely its reading."""
    return editions.render(restoration, form, min_probability=0)


_SCHEMA = etree.RelaxNG(etree.parse(Path(__file__).with_name("epidoc.rng")))
_GAP = r"<gap\b[^>]*>(?:</gap>)?"
_HEAD = (
    '<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><fileDesc><titleStmt><title>A letter</title></titleStmt>'
    "<publicationStmt><p>x</p></publicationStmt><sourceDesc><p>x</p></sourceDesc></fileDesc></teiHeader><text><body>"
    '<div type="edition">'
)
_FOOT = "</div></body></text></TEI>"


def _valid(edition: str) -> None:
    tree = etree.parse(BytesIO(edition.encode()))
    assert _SCHEMA.validate(tree), f"{_SCHEMA.error_log}\n{edition}"


def _short(edition: str) -> str:
    """An edition without what every element says of its author, and without the sizes of gaps."""
    edition = re.sub(r' resp="#?fillmask"', "", edition)
    edition = re.sub(r'(<(?:t:)?(?:app|lem|certainty|choice|sic|corr|note|ab)\b[^>]*?) cert="\w+"', r"\1", edition)
    return re.sub(r'(?<=reason="lost")(?: (?:quantity|unit|extent|precision)="\w+")+(?= cert)', "", edition)


def _edition(body: str, *readings: list[tuple[str, float]]) -> str:
    """The restored body of a TEI source."""
    edition = render(made(f"{_HEAD}{body}{_FOOT}", *readings), "tei")
    _valid(edition)
    head = _HEAD.replace("</titleStmt>", "<respStmt xml:id=").partition("<respStmt")[0]
    assert edition.startswith(head)
    assert edition.endswith(_FOOT)
    found = edition[edition.index('<div type="edition">') + len('<div type="edition">') : -len(_FOOT)]
    return _short(found)


def test_a_gap_becomes_supplied() -> None:
    body = '<ab>I am<!-- x --> <gap  reason="lost" extent="unknown" unit="character" />&#32;to  the <hi rend=\'a\'>town</hi></ab>'
    assert _edition(body, [("going", 0.85)]) == body.replace(
        '<gap  reason="lost" extent="unknown" unit="character" />',
        '<supplied reason="lost" cert="high">going</supplied>',
    )


@pytest.mark.parametrize(
    ("share", "cert"), [(0.8, "high"), (0.79, "medium"), (0.5, "medium"), (0.49, "low"), (0.0, "low")]
)
def test_certainty_in_words(share: float, cert: str) -> None:
    body = '<ab><gap quantity="2" unit="character"/></ab>'
    assert _edition(body, [("we", share)]) == f'<ab><supplied reason="lost" cert="{cert}">we</supplied></ab>'


def test_other_readings_stand_in_an_apparatus() -> None:
    body = '<ab>the b<gap quantity="2" unit="character"/>e<lb break="no"/>ry</ab>'
    assert _edition(body, [("bakery", 0.7), ("bunery", 0.2), ("boxery", 0.009)]) == (
        '<ab>the <app type="alternative">'
        '<lem>b<supplied reason="lost" cert="medium">ak</supplied>e<lb break="no"/>ry'
        '<certainty match=".." locus="value" degree="0.70"/></lem>'
        '<rdg cert="low">b<supplied reason="lost" cert="low">un</supplied>ery'
        '<certainty match=".." locus="value" degree="0.20"/></rdg></app></ab>'
    )


def test_a_hole_over_the_edge_of_an_element_has_an_apparatus_for_each_gap() -> None:
    body = '<ab><hi>b<gap quantity="1" unit="character"/></hi>k<gap quantity="1" unit="character"/>ry</ab>'
    found = _edition(body, [("bakery", 0.6), ("bikery", 0.2), ("bikary", 0.1)])
    assert found == (
        '<ab><hi>b<app type="alternative"><lem><supplied reason="lost" cert="medium">a</supplied>'
        '<certainty match=".." locus="value" degree="0.60"/></lem>'
        '<rdg cert="low"><supplied reason="lost" cert="low">i</supplied>'
        '<certainty match=".." locus="value" degree="0.30"/></rdg></app></hi>'
        'k<app type="alternative"><lem><supplied reason="lost" cert="medium">e</supplied>'
        '<certainty match=".." locus="value" degree="0.60"/></lem>'
        '<rdg cert="low"><supplied reason="lost" cert="low">a</supplied>'
        '<certainty match=".." locus="value" degree="0.10"/></rdg></app>ry</ab>'
    )


def test_letters_taken_for_others() -> None:
    same = _edition("<ab>b<unclear>a</unclear>d</ab>", [("bad", 0.9)])
    other = _edition("<ab>b<unclear>a</unclear>d</ab>", [("bed", 0.9)])
    assert same == "<ab>b<unclear>a</unclear>d</ab>"
    assert other == '<ab>b<choice><unclear>a</unclear><unclear cert="high">e</unclear></choice>d</ab>'


def test_a_gap_between_blocks_gets_a_block() -> None:
    body = '<gap reason="lost" extent="unknown" unit="line"/><ab>Dear Ann</ab>'
    assert _edition(body, [("Rome", 0.2)]).startswith('<ab><supplied reason="lost" cert="low">Rome</supplied></ab><ab>')


def test_what_is_not_read_stays_lost() -> None:
    body = '<ab>b<gap quantity="2" unit="character"/>ry</ab>'
    assert _edition(body, []) == body


def test_a_given_reading_against_the_letters_is_a_correction() -> None:
    body = '<ab>b<gap quantity="2" unit="character"/>ry</ab>'
    assert _edition(body, [("shop", 1.0)]) == (
        '<ab><choice><sic>b<gap quantity="2" unit="character"/>ry</sic><corr>shop</corr></choice></ab>'
    )


def test_a_given_reading_across_an_element_is_a_note() -> None:
    body = '<ab>the <hi>m<gap quantity="1" unit="character"/></hi>n went</ab>'
    assert _edition(body, [("women", 1.0)]) == body.replace("n went", "n<note>women</note> went")


@pytest.mark.parametrize("division", ["div1", "epigraph"])
def test_a_gap_between_blocks_has_one_of_its_own(division: str) -> None:
    body = f'<{division}><gap quantity="2" unit="character"/><p>b</p></{division}>'
    edition = render(made(_HEAD + body + _FOOT, [("we", 0.9)]), "tei")  # elements of TEI that EpiDoc has not
    assert f"<{division}><ab><supplied" in _short(edition)
    assert f"</supplied></ab><p>b</p></{division}>" in edition


def test_the_readings_have_an_author_once() -> None:
    source = f'{_HEAD}<ab><gap quantity="2" unit="character"/> b</ab>{_FOOT}'
    edition = render(made(source, [("we", 0.9)]), "tei")
    assert edition.count('<respStmt xml:id="fillmask">') == 1
    assert edition.count('resp="#fillmask"') == 1
    assert render(made(edition), "tei") == edition  # nothing is lost any more: byte for byte


def test_a_fragment_names_no_author() -> None:
    assert (
        render(made("<ab>a <gap/></ab>", [("b", 0.9)]), "tei")
        == '<ab>a <supplied reason="lost" cert="high" resp="fillmask">b</supplied></ab>'
    )


def test_prefixes_and_encodings() -> None:
    source = '\ufeff<?xml version="1.0" encoding="iso-8859-1"?>\r\n<t:ab xmlns:t="http://www.tei-c.org/ns/1.0">é <t:gap/></t:ab>\r\n'
    assert _short(render(made(source, [("b", 0.9), ("c", 0.1)]), "tei")) == (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n<t:ab xmlns:t="http://www.tei-c.org/ns/1.0">é <t:app type="alternative">'
        '<t:lem><t:supplied reason="lost" cert="high">b</t:supplied><t:certainty match=".." locus="value" degree="0.90"/></t:lem>'
        '<t:rdg cert="low"><t:supplied reason="lost" cert="low">c</t:supplied><t:certainty match=".." locus="value" degree="0.10"/>'
        "</t:rdg></t:app></t:ab>\r\n"
    )


def test_leiden_becomes_elements() -> None:
    source = (
        "The [ba]k[..]y {the} [[king]] <o>f ạnd M(iste)r [old ba-\nke]ry(?)\nMa[---]|ing & [c. 4]\n\n[---] now [ke.p]\n"
    )
    readings = [[("bakery", 0.9)], [("and", 0.9)], [("Making", 0.3)], [], [], [("keep", 0.6)]]
    edition = render(made(source, *readings), "tei")
    _valid(edition)
    edition = _short(edition)
    body = edition[edition.index('<div type="edition">') :]
    assert body == (
        '<div type="edition">\n'
        '<ab>The <supplied reason="lost">ba</supplied>k<supplied reason="lost" cert="high">er</supplied>y '
        '<surplus>the</surplus> <del rend="erasure">king</del> <supplied reason="omitted">o</supplied>f '
        '<unclear>a</unclear>nd M<ex>iste</ex>r <supplied reason="lost">old ba<lb break="no"/>ke</supplied>ry<note>?</note>\n'
        '<lb/>Ma<supplied reason="lost" cert="low">k</supplied><lb break="no"/>ing &amp; '
        '<gap reason="lost" quantity="4" unit="character" precision="low"/></ab>\n'
        '<ab><gap reason="lost" extent="unknown" unit="character"/> now '
        '<supplied reason="lost">ke<supplied reason="lost" cert="medium">e</supplied>p</supplied></ab>\n'
        "</div></body></text>\n</TEI>\n"
    )


def test_what_xml_cannot_hold() -> None:
    _valid(render(made("a \x00 \x1b[1m & < > ... \ufffe", [("b\x01\ud800<&>", 0.5), ("\ufffe", 0.4)]), "tei"))


@pytest.mark.parametrize("notation", ["plain", "leiden", "tei"])
def test_editions_of_random_documents(notation: str) -> None:
    """What is read in an edition is the text that was restored, and a TEI source is kept but for its holes."""
    random = Random(notation)
    for _ in range(400):
        source, _parts = document(random, notation)
        restoration = _restored(random, source, notation)
        edition = render(restoration, "tei")
        if notation != "tei":
            _valid(edition)
        again = parse(edition, notation="tei").damaged
        assert all(isinstance(e, Known) for hole in again.holes for e in hole.elements), source
        assert again.filled(["".join(e.text for e in h.elements) for h in again.holes]) == restoration.text, source
        if notation == "tei":
            kept = re.sub(
                r"<rdg cert.*?</rdg>|</?app[^>]*>|</?lem[^>]*>|<certainty[^>]*>|<supplied reason.*?(?:</supplied>|/>)",
                "",
                edition,
            )
            assert re.sub(_GAP, "", kept) == re.sub(_GAP, "", source)


def _restored(random: Random, source: str, notation: str) -> Restoration:
    def reading(hole: Hole, letter: str) -> str:
        return "".join(e.text if isinstance(e, Known) else letter * max(1, e.least) for e in hole.elements)

    holes = parse(source, notation=notation).damaged.holes
    ranked = [
        [(reading(hole, letter), share) for letter, share in zip("xyzäé", (0.5, 0.3, 0.1, 0.02, 0.001), strict=True)]
        for hole in holes
    ]
    return made(source, *(list(dict(r).items())[: random.randint(1, 5)] for r in ranked), notation=notation)


def test_lines_that_a_word_runs_over_are_the_same_when_read_again() -> None:
    for source in ("a hus-\nband and [....] father", "a hus|band and [....] father", "a hus-|\nband and [....] father"):
        found = made(source, [("your", 0.9)], notation="leiden")
        again = parse(render(found, "tei"))
        assert again.laid_out([]) == found.document.laid_out(["your"]) == "a hus-\nband and your father"
    laid = '<lb n="1"/>a hus\n<lb n="2" break="no"/>band and <gap quantity="4" unit="character"/> father'
    found = made(f"<ab>{laid}</ab>", [("your", 0.9)])
    assert parse(render(found, "tei")).laid_out([]) == "a hus-\nband and your father"
    assert "a hus-\\\nband and **your**" in render(found, "markdown")


_TEI = 'xmlns="http://www.tei-c.org/ns/1.0"'


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ('<?xml version="1.0"?>\n<!-- was: <xi:include href="x"/> and </titleStmt> -->', ""),
        ('<oai:record xmlns:oai="urn:oai">', "</oai:record>"),
        ("<?a </titleStmt> ?>", "<!-- end -->\n"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "t:", "tei:"])
def test_elements_are_in_the_namespace_whatever_stands_round_them(start: str, end: str, prefix: str) -> None:
    declared = _TEI if not prefix else _TEI.replace("xmlns", f"xmlns:{prefix[:-1]}")
    inner = (
        f"<TEI {declared}><teiHeader><fileDesc><titleStmt><title>a &gt; b</title></titleStmt></fileDesc></teiHeader>"
        '<text><body><p n=\'a "b"\'>sto<gap quantity="2" unit="character"/></p></body></text></TEI>'
    )
    inner = re.sub(r"(</?)(?=[A-Za-z])", rf"\1{prefix}", inner)
    edition = render(made(start + inner + end, [("store", 0.9), ("stove", 0.1)]), "tei")
    tree = etree.fromstring(edition.encode())
    mine = tree.xpath("//*[@resp='#fillmask']")
    assert {etree.QName(e).localname for e in mine} == {"app", "lem", "rdg", "supplied", "certainty"}
    assert all(etree.QName(e).namespace == "http://www.tei-c.org/ns/1.0" and e.get("cert") for e in mine)
    assert len(tree.xpath("//*[local-name()='titleStmt']/*[local-name()='respStmt']")) == 1
    kept = re.sub(rf"<{prefix}app.*</{prefix}app>|<{prefix}respStmt.*</{prefix}respStmt>", "", edition)
    assert kept == re.sub(rf"sto<{prefix}gap[^>]*>", "", start + inner + end)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "<ab>to <![CDATA[the sto]]><gap/></ab>",
            '<ab>to <![CDATA[the ]]><![CDATA[sto]]><supplied reason="lost" cert="high">re</supplied></ab>',
        ),
        (
            "<ab><gap/><![CDATA[re & so]]></ab>",
            '<ab><supplied reason="lost" cert="high">sto</supplied><![CDATA[re]]><![CDATA[ & so]]></ab>',
        ),
    ],
)
def test_sections_of_characters_are_cut_where_a_hole_begins(body: str, expected: str) -> None:
    edition = _short(render(made(f"<TEI>{body}</TEI>", [("store", 0.9)]), "tei"))
    assert edition == f"<TEI>{expected}</TEI>"


def test_a_gap_can_be_put_back() -> None:
    """What a gap says is on its <supplied>; one that says more stands as it is beside it, its id with it."""
    simple = '<gap xml:id="g1" reason="lost" quantity="2" unit="character"/>'
    edition = render(made(f"{_HEAD}<ab>sto{simple} <ptr target='#g1'/></ab>{_FOOT}", [("store", 0.9)]), "tei")
    assert (
        'sto<supplied reason="lost" xml:id="g1" quantity="2" unit="character" cert="high" resp="#fillmask">' in edition
    )
    full = '<gap xml:id="g1" reason="illegible" quantity="2" unit="character" agent="water"><desc>stain</desc></gap>'
    source = f"{_HEAD}<ab>sto{full}</ab>{_FOOT}"
    edition = render(made(source, [("store", 0.9), ("stove", 0.05)]), "tei")
    _valid(edition)
    assert edition.count('xml:id="g1"') == 1
    assert f'<rdg type="source" cert="high" resp="#fillmask">sto{full}</rdg></app>' in edition
    assert parse(edition).damaged.parts == ("store",)


def test_every_id_is_there_once() -> None:
    """Gaps of one hole, of which one can be carried and one cannot."""
    gaps = (
        '<gap xml:id="a" reason="lost" quantity="1" unit="character"/>'
        'b<gap xml:id="c" reason="illegible" quantity="1" unit="character"/>'
    )
    for body in (f"<ab>{gaps}</ab>", f"<ab><hi>x{gaps.replace('b<gap', 'b</hi><gap')}</ab>"):
        edition = render(made(_HEAD + body + _FOOT, [("xabc" if "<hi>" in body else "abc", 0.9)]), "tei")
        _valid(edition)
        assert edition.count('xml:id="a"') == edition.count('xml:id="c"') == 1


def test_unclear_letters_that_stand_are_not_touched() -> None:
    source = f"{_HEAD}<ab>of the <unclear cert='low'>cholera</unclear> in</ab>{_FOOT}"
    assert render(made(source, [("cholera", 0.6), ("colours", 0.2)]), "tei") == source


def test_one_word_of_several_that_are_unclear_is_taken_for_another() -> None:
    body = "<ab>a <unclear xml:id='u' reason='damage'>big barn fell</unclear> so</ab>"
    edition = render(made(_HEAD + body + _FOOT, [("big", 0.9)], [("born", 0.9)], [("fell", 0.9)]), "tei")
    assert _short(edition[edition.index("<ab>") : edition.index("</ab>")]) == (
        "<ab>a <unclear xml:id='u' reason='damage'>big </unclear>"
        '<choice><unclear>barn</unclear><unclear cert="high">born</unclear></choice>'
        '<unclear reason="damage"> fell</unclear> so'
    )


def test_a_lost_word_has_its_spaces() -> None:
    body = "<ab>over the <gap reason='lost' quantity='1' unit='word'/>ground, they have<gap reason='lost' quantity='1' unit='word'/>fighting</ab>"
    edition = render(made(_HEAD + body + _FOOT, [("frozen", 0.9)], [("been", 0.9)]), "tei")
    assert parse(edition).damaged.parts == ("over the frozen ground, they have been fighting",)
    plain = render(made("the <mask>ground", [("frozen", 0.9)], notation="plain"), "tei")
    assert parse(plain).damaged.parts == ("the frozen ground",)
    assert parse(render(made("the <mask>ground", []), "tei")).damaged == parse("the <mask>ground").damaged


def test_an_id_that_is_taken_is_left_to_its_owner() -> None:
    source = f'{_HEAD}<ab xml:id="fillmask">sto<gap reason="lost" extent="unknown" unit="character"/></ab>{_FOOT}'
    edition = render(made(source, [("store", 0.9)]), "tei")
    assert 'resp="#fillmask-2"' in edition
    assert edition.count('xml:id="fillmask"') == 1
    assert edition.count('<respStmt xml:id="fillmask-2">') == 1


def test_nothing_is_stated_where_nothing_was_restored() -> None:
    source = f"{_HEAD}<ab>sto<gap quantity='2'/></ab>{_FOOT}"
    assert render(made(source, []), "tei") == source
