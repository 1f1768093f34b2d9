"""Shapes and the four formats (design section 7, clients 2.1 to 2.4)."""

import json
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.api.render import escape_xml, render, respond
from heliograph.api.shapes import ACK, ERROR, Field, Place, Record, Rows, Sections, Type

PAIR = Record(
    root="pair",
    fields=(
        Field("id", Type.EITHER, text="ID = {}"),
        Field("name"),
        Field("size", Type.NUMBER, zero="03", missing="0"),
        Field("note", free=True, none="0123"),
        Field("last", none="02"),
    ),
)
FULL = {"id": 7, "name": "a,b", "size": 3, "note": "c,d", "last": "e,f"}


def four(shape: object, value: object) -> list[str]:
    return [render(shape, value, fmt) for fmt in range(4)]  # type: ignore[arg-type]


def test_record_is_written_in_four_formats() -> None:
    """In format 1 only free texts and the last value keep their commas, for clients cut there."""
    assert four(PAIR, FULL) == [
        "ID = 7, name = a,b, size = 3, note = c,d, last = e,f",
        "7,a b,3,c,d,e,f",
        "<pair><id>7</id><name>a,b</name><size>3</size><note>c,d</note><last>e,f</last></pair>",
        '{"id": 7, "name": "a,b", "size": 3, "note": "c,d", "last": "e,f"}',
    ]


def test_absent_values_leave_out_or_leave_empty() -> None:
    """Positions of format 1 hold; keys of JSON come only with something in them."""
    assert four(PAIR, {"id": "x", "size": None}) == [
        "ID = x",
        "x,,0,",
        "<pair><id>x</id></pair>",
        '{"id": "x", "last": ""}',
    ]


def test_zero_counts_as_absent_where_declared() -> None:
    """err is written in formats 1 and 2 and not in 0 and 3."""
    assert four(PAIR, {"id": 1, "name": "n", "size": 0, "last": "z"}) == [
        "ID = 1, name = n, last = z",
        "1,n,0,z",
        "<pair><id>1</id><name>n</name><size>0</size><last>z</last></pair>",
        '{"id": 1, "name": "n", "last": "z"}',
    ]


def test_orders_differ_by_format() -> None:
    """Older formats show fewer values in another order than the keys of JSON."""
    shape = Record("r", (Field("a"), Field("b"), Field("c")), text=("c", "a"), commas=("b",), xml=("b", "a"))
    assert four(shape, {"a": "1", "b": "2", "c": "3"}) == [
        "c = 3, a = 1",
        "2",
        "<r><b>2</b><a>1</a></r>",
        '{"a": "1", "b": "2", "c": "3"}',
    ]


def test_rows_are_lines_without_a_last_break() -> None:
    """A reader counts lines; breaks inside values become blanks."""
    shape = Rows("list", Record("row", (Field("id", Type.NUMBER), Field("text"))))
    rows = [{"id": 1, "text": "a\r\nb\u2028c"}, {"id": 2, "text": "d"}]
    assert four(shape, rows) == [
        "id = 1, text = a b c\nid = 2, text = d",
        "1,a b c\n2,d",
        "<list><row><id>1</id><text>a&#13;\nb\u2028c</text></row><row><id>2</id><text>d</text></row></list>",
        '[{"id": 1, "text": "a\\r\\nb\u2028c"}, {"id": 2, "text": "d"}]',
    ]
    assert four(shape, []) == ["", "", "<list></list>", "[]"]


def test_sections_put_lists_into_the_head() -> None:
    """Attributes and bodies are XML's own way; a list that is not there leaves no trace."""
    rows = Rows(
        "zones",
        Record(
            "zone",
            (Field("id", place=Place.ATTRIBUTE, text="{}"), Field("name", place=Place.BODY, text="{}")),
            between=",",
        ),
    )
    shape = Sections(Record("result", (Field("n", Type.NUMBER, none="0123"),)), (("zones", rows), ("more", rows)))
    value = {"n": 1, "zones": [{"id": "a", "name": "<x>"}]}
    assert four(shape, value) == [
        "n = 1\na,<x>",
        "1\na,<x>",
        '<result><n>1</n><zones><zone id="a">&lt;x&gt;</zone></zones></result>',
        '{"n": 1, "zones": [{"id": "a", "name": "<x>"}]}',
    ]
    assert render(shape, {"zones": []}, 3) == '{"zones": []}'
    assert render(shape, {"zones": [{"id": "a", "name": "b"}]}, 0) == "a,b"


def test_acknowledgement_and_error_have_their_shapes() -> None:
    """One form for every page."""
    assert four(ACK, None) == ["OK", "OK", "<result>OK</result>", '{"result": "OK"}']
    assert four(ERROR, {"error": "no money", "error_code": 3, "id": "a-1"}) == [
        "ERROR = 3 (no money), ID - a-1",
        "a-1,-3",
        "<result><error>no money</error><error_code>3</error_code><id>a-1</id></result>",
        '{"error": "no money", "error_code": 3, "id": "a-1"}',
    ]
    assert four(ERROR, {"error": "x", "error_code": 9})[:2] == ["ERROR = 9 (x)", "0,-9"]


@pytest.mark.parametrize(
    ("fmt", "kind"), [(0, b"text/plain"), (1, b"text/plain"), (2, b"text/xml"), (3, b"application/json")]
)
def test_content_type_names_format_and_charset(fmt: int, kind: bytes) -> None:
    """One client hands the body to a parser that it chooses by this header."""
    answer = respond("x", fmt, "koi8-r")
    assert (answer.status, answer.content_type) == (200, kind + b"; charset=koi8-r")


def test_characters_are_real_bytes_of_the_charset() -> None:
    """Known clients recode JSON before they parse it, so escapes stand only for what the charset lacks."""
    assert respond('{"a": "Ёж"}', 3, "windows-1251").body == '{"a": "Ёж"}'.encode("cp1251")
    assert respond("Ёж", 0, "koi8-r").body == "Ёж".encode("koi8-r")
    assert respond("<a>ж</a>", 2, "utf-8").body == '<?xml version="1.0" encoding="utf-8"?><a>ж</a>'.encode()


def test_characters_that_the_charset_lacks_are_escaped() -> None:
    """JSON and XML lose nothing; text has no escapes."""
    assert respond('"ж😀"', 3, "windows-1251").body == b'"\xe6\\ud83d\\ude00"'
    assert respond("ж😀", 0, "windows-1251").body == b"\xe6?"
    assert respond("<a>😀</a>", 2, "windows-1251").body.endswith(b"<a>&#128512;</a>")
    assert respond('"\ud800"', 3, "utf-8").body == b'"\\ud800"'


CHARSETS = st.sampled_from(["windows-1251", "utf-8", "koi8-r"])


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), CHARSETS)
def test_json_brings_any_text_back(text: str, charset: str) -> None:
    """Whatever somebody texted, a parser reads the same."""
    shape = Record("r", (Field("text"),))
    body = respond(render(shape, {"text": text}, 3), 3, charset).body
    assert json.loads(body.decode(charset)) == {"text": text}


@settings(max_examples=200, deadline=None)
@given(st.text(), CHARSETS)
def test_xml_is_well_formed_for_any_text(text: str, charset: str) -> None:
    """Even for characters that XML cannot hold."""
    shape = Record("r", (Field("text"), Field("at", place=Place.ATTRIBUTE)))
    body = respond(render(shape, {"text": text, "at": text}, 2), 2, charset).body
    if charset == "koi8-r":  # expat does not know it, so the declaration is taken off and the rest is decoded first
        body = body.decode(charset).partition("?>")[2].encode()
    assert ElementTree.fromstring(body).tag == "r"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(), min_size=1, max_size=4))
def test_rows_have_as_many_lines_as_messages(texts: list[str]) -> None:
    """No text can forge a line, whatever its reader takes for a line end."""
    shape = Rows("list", Record("row", (Field("id", Type.NUMBER), Field("text"))))
    for fmt in (0, 1):
        lines = render(shape, [{"id": 1, "text": text} for text in texts], fmt)
        assert len(lines.splitlines()) == len(texts)


def test_xml_escapes_what_it_must() -> None:
    """A form feed is in the GSM alphabet and not in XML."""
    assert escape_xml('a<b>&"c"\f\r\n\t') == "a&lt;b&gt;&amp;&quot;c&quot; &#13;\n\t"
    assert escape_xml(5) == "5"
