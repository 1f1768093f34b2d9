"""Documents from strangers: what is read, what is refused, and that nothing else happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.wire.xml import MAX_DEPTH, MAX_ELEMENTS, Element, XmlError, find_encoding, parse_document

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]><lolz>&d;</lolz>"""
FILE = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
AWAY = b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>'
PARAMETER = b'<!DOCTYPE a [<!ENTITY % x SYSTEM "file:///etc/passwd"> %x;]><a/>'
BLOWUP = b'<!DOCTYPE a [<!ENTITY x "' + b"x" * 10_000 + b'">]><a>' + b"&x;" * 1000 + b"</a>"


def read(data: bytes, charset: str = "") -> Element:
    return parse_document(data, find_encoding(data, charset))


@pytest.mark.parametrize("document", [BOMB, FILE, AWAY, PARAMETER, BLOWUP], ids=range(5))
def test_dtd_is_refused_where_it_begins(document: bytes) -> None:
    """Entities that grow or read files need a DTD to be declared in."""
    with pytest.raises(XmlError, match="DTD"):
        read(document)


@pytest.mark.parametrize(
    "document",
    [b"", b" ", b"<", b"<a", b"<a>", b"<a></b>", b"<a/><b/>", b"<a>&x;</a>", b"<a b=c/>", b"<x:a/>", b"\0", b"<a>\0</a>",
     b"<a>\x01</a>", b"<a>&#0;</a>", b"<a>&#xD800;</a>", "<a>ж</a>".encode("cp1251"), b"\xff\xfe<\0a", b"text", b'{"a": 1}',
     b'<?xml version="1.0" encoding="utf-16"?><a/>', b" <?xml version='1.0'?><a/>"],
)  # fmt: skip
def test_what_is_no_document_is_an_error(document: bytes) -> None:
    """Of one kind, whose words may be shown."""
    with pytest.raises(XmlError):
        read(document)


def test_depth_is_bounded() -> None:
    """Deeper nesting than any envelope has is refused, and the allowed depth is read."""
    assert read(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH).name == "a"
    with pytest.raises(XmlError, match="nested"):
        read(b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1))
    with pytest.raises(XmlError, match="nested"):
        read(b"<a>" * 1_000_000)


def test_number_of_elements_is_bounded() -> None:
    """Megabytes of tags cost no more than the first ten thousand."""
    with pytest.raises(XmlError, match="elements"):
        read(b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>")


@pytest.mark.parametrize(
    "document",
    [
        b"<a " + b" ".join(b'a%d="1"' % n for n in range(200_000)) + b"/>",
        b"<a " + b" ".join(b'xmlns:a%d="u"' % n for n in range(100_000)) + b"/>",
        b"<a>" + b"<b " + b'c="' + b"&lt;" * 100_000 + b'"/></a>',
        b"<a><" + b"x" * 1_000_000,
        b"<a><!--" + b"x" * 1_000_000,
        b"<a xmlns='" + b"u" * 1_000_000 + b"'>" + b"<b/>" * 9_000 + b"</a>",
    ],
    ids=("attributes", "namespaces", "value", "name", "comment", "namespace"),
)
def test_long_tags_are_refused_early(document: bytes) -> None:
    """A tag is read as a whole, so a megabyte of it would hold the loop; a long namespace stands in every name."""
    with pytest.raises(XmlError, match="longer than"):
        read(document)
    with pytest.raises(XmlError, match="namespaces"):
        read(b"<a xmlns='" + b"u" * 2_000 + b"'/>")
    with pytest.raises(XmlError, match="namespaces"):
        read(b"<a>" + b'<b xmlns:c="u"/>' * 1_001 + b"</a>")


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "windows-1251"])
def test_long_texts_are_read(codec: str) -> None:
    """Text is no tag: fifty thousand numbers are one value, escaped, plain or as CDATA."""
    for text, written in (("79001112233," * 50_000, None), ("ж&<" * 50_000, None), ("<a>" * 50_000, "<![CDATA[{}]]>")):
        inside = written.format(text) if written else text.replace("&", "&amp;").replace("<", "&lt;")
        assert read(f"<a>{inside}</a>".encode(codec), codec).text == text


@pytest.mark.parametrize(
    ("charset", "declared", "codec"),
    [
        ("", "", "utf-8"),
        ("", "UTF-8", "utf-8"),
        ("", "utf8", "utf-8"),
        ("", "windows-1251", "cp1251"),
        ("", "koi8-r", "koi8-r"),
        ("", "utf-16", "utf-16"),
        ("utf-16", "", "utf-16"),
        ("windows-1251", "utf-8", "cp1251"),
        ("utf-8", "windows-1251", "utf-8"),
        ('"UTF-8"', "", "utf-8-sig"),
    ],
)
def test_text_is_read_in_the_encoding_that_is_said(charset: str, declared: str, codec: str) -> None:
    """A byte order mark goes before the Content-Type, that before the document's own declaration."""
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    assert read(f"{declaration}<a>Привет</a>".encode(codec), charset).text == "Привет"


@pytest.mark.parametrize("name", ["martian", "idna", "utf-7", "punycode", "shift_jis", "x" * 40])
def test_unknown_encoding_is_an_error(name: str) -> None:
    """Python knows more codecs than documents may ask for."""
    with pytest.raises(XmlError, match="encoding"):
        read(f'<?xml version="1.0" encoding="{name}"?><a/>'.encode())
    with pytest.raises(XmlError, match="encoding"):
        read(b"<a/>", name)


def test_names_are_found_in_any_namespace() -> None:
    """Generated clients have namespaces of their own."""
    root = read(
        b'<x:a xmlns:x="urn:1" xmlns:y="urn:2" y:k="v" k="w"><b xmlns="urn:3">1<!-- - -->2<![CDATA[<3>]]></b><b/></x:a>'
    )
    assert (root.name, root.namespace, root.attribute("k"), root.attribute("k", "urn:2")) == ("a", "urn:1", "w", "v")
    assert root.child_text("b") == "12<3>"
    assert (root.child("c"), root.child_text("c"), root.attribute("z")) == (None, "", "")


@given(st.binary(max_size=300), st.sampled_from(["", "utf-8", "utf-16", "windows-1251"]))
def test_any_bytes_are_a_document_or_an_error(data: bytes, charset: str) -> None:
    """No other exception leaves the parser."""
    for document in (data, b"<a>" + data, b"<a " + data + b"/>", b"<?xml" + data, b"<!" + data):
        try:
            assert read(document, charset).name
        except XmlError:
            pass


@given(st.recursive(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")),
                    lambda inner: st.lists(inner, max_size=4), max_leaves=12))  # fmt: skip
def test_what_is_written_is_read(tree: object) -> None:
    """Texts come back letter for letter."""

    def write(node: object) -> str:
        inside = (
            "".join(map(write, node))
            if isinstance(node, list)
            else str(node).replace("&", "&amp;").replace("<", "&lt;")
        )
        return f"<n>{inside}</n>".replace("]]>", "]]&gt;")

    def strip(element: Element) -> object:
        return [strip(child) for child in element.children] if element.children else element.text

    def plain(node: object) -> object:
        return ([plain(child) for child in node] if node else "") if isinstance(node, list) else node

    assert strip(read(write(tree).encode())) == plain(tree)
