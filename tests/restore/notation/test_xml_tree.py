"""The tree of XML: the same as lxml's, with the places of its nodes."""

from random import Random

import pytest
from grammar import document
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from fillmask import NotationError
from fillmask.restore.notation.xml_tree import (
    Element,
    Source,
    Text,
    declared_utf8,
    escape,
    is_well_formed,
    parse_xml,
    quoted,
    repeated_ids,
)

_SOURCE = (
    '\ufeff<?xml version="1.0" encoding="iso-8859-1"?>\n<!DOCTYPE a SYSTEM "x.dtd"><!-- é </a> --><a xmlns:t="u">'
    '<t:b x="1" xml:id="q"/>té\r\nx &amp; y<c></c>z<![CDATA[a<b&c]]>&#65;<?p <d> ?><d\n>w</d ></a>\n'
)


def _shape(element: Element) -> list[object]:
    """Names, attributes, and text, as lxml has them."""
    name = f"{{{element.namespace}}}{element.name}" if element.namespace else element.name
    shape: list[object] = [name]
    for child in element.children:
        if isinstance(child, Element):
            shape.append(_shape(child))
        elif isinstance(shape[-1], str) and len(shape) > 1:
            shape[-1] += child.text
        else:
            shape.append(child.text)
    return shape


def _lxml_shape(element: etree._Element) -> list[object]:
    shape: list[object] = [element.tag]

    def add(text: str | None) -> None:
        if text and len(shape) > 1 and isinstance(shape[-1], str):
            shape[-1] += text
        elif text:
            shape.append(text)

    add(element.text)
    for child in element:
        if isinstance(child.tag, str):
            shape.append(_lxml_shape(child))
        add(child.tail)
    return shape


def test_the_tree_is_that_of_lxml() -> None:
    random = Random(1)
    for source in [_SOURCE, *(document(random, "tei")[0] for _ in range(200))]:
        root = parse_xml(source)
        plain = source.removeprefix("\ufeff").replace("iso-8859-1", "utf-8")
        assert _shape(root) == _lxml_shape(etree.fromstring(plain.encode()))


def test_every_node_knows_its_place() -> None:
    root = parse_xml(_SOURCE)
    for element in root.elements():
        written = _SOURCE[element.start : element.end]
        assert written.startswith("<" + (f"{element.prefix}:" if element.prefix else "") + element.name)
        assert written.endswith(">")
        assert element.is_empty_tag == written.endswith("/>")
        for number, child in enumerate(element.children):
            assert child.position == number
            assert child.parent is element
            assert element.content_start <= child.start < child.end <= element.content_end
            if isinstance(child, Text) and child.end - child.start == len(child.text) and child.text != "\n":
                assert _SOURCE[child.start : child.end] == child.text
    assert [e.attributes.get("xml:id") for e in root.elements()] == [None, "q", None, None]
    assert [child.text for child in root.children if isinstance(child, Text) and child.in_cdata] == ["a<b&c"]


def test_stretches_of_the_source_are_well_formed_by_themselves() -> None:
    source = Source(_SOURCE, parse_xml(_SOURCE))
    at = _SOURCE.index("a<b&c")
    assert source.between(at, at + 5) == "a<b&c"  # all that is between the marks
    assert source.between(at + 1, at + 2) == "<![CDATA[<]]>"
    begin = _SOURCE.index("<a xmlns")
    cut = source.between(begin, at + 1) + "x" + source.between(at + 1, len(_SOURCE))
    assert "".join(parse_xml(cut).all_text()) == parse_xml(_SOURCE).all_text().replace("a<b", "ax<b")
    assert source.parent_at(begin).name == "a"
    assert source.node_at(0) is source.root
    assert source.unused_id("q") == "q-2"
    assert source.unused_id("r") == "r"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("<a>&nbsp;</a>", "line 1, column 4: the entity &nbsp; is not declared"),
        ("<!DOCTYPE a SYSTEM 'b'>\n<a>é&nbsp;</a>", "line 2, column 5: the entity &nbsp; is not declared"),
        ("<a>\n<b></a>", "line 2, column 6: not well-formed XML: mismatched tag"),
        ("<!-- é -->\n<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "line 2, column 1: a document type with declarations"),
        ("", "line 1, column 1: not well-formed XML: no element found"),
    ],
)
def test_what_is_wrong_has_a_place(source: str, message: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse_xml(source)
    assert str(caught.value).startswith(message)


def test_entities_of_html_are_known_where_they_are_asked_for() -> None:
    source = '<!DOCTYPE html PUBLIC "a" "b"><p>a&nbsp;b&eacute;</p>'
    assert parse_xml(source, html_entities=True).all_text() == "a\u00a0bé"


@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_what_is_written_is_read_back(text: str, value: str) -> None:
    source = f"<a b={quoted(value)}>{escape(text)}</a>"
    assert is_well_formed(source)
    root = parse_xml(source)
    assert escape(root.all_text()) == escape(text.replace("\r\n", "\n").replace("\r", "\n"))
    assert quoted(root.attributes["b"]) == quoted(value)


def test_ids_and_declarations() -> None:
    assert repeated_ids('<a xml:id="b"><c xml:id="b"/><d id="b"/></a>') == {"b"}
    assert repeated_ids("") == set()
    assert not is_well_formed("<a>")
    assert (
        declared_utf8("\ufeff<?xml version='1.0' encoding='latin-1'?><a/>")
        == "<?xml version='1.0' encoding='UTF-8'?><a/>"
    )
    assert declared_utf8("<a/>") == "<a/>"
