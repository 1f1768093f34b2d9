"""XML documents from strangers: no DTD, bounded depth and number of elements (XML 1.0; Namespaces in XML 1.0).

Read by expat with handlers of our own: a document type declaration is refused where it begins, so there are no entities to
expand and nothing is ever fetched. Bytes may be fed piece by piece.
"""

import re
from xml.parsers import expat

MAX_DEPTH = 32  # an envelope with a document in it has 8
MAX_ELEMENTS = 10_000  # at some 2 µs each; twenty texts to 200 numbers are 4,100
MAX_TAG = 16_384  # bytes; expat reads a tag as a whole, and ten attributes a microsecond
MAX_NAMESPACE = 1000  # characters; it is repeated in the name of every element that is in it
MAX_NAMESPACES = 1000
PORTION = 8192  # bytes parsed at once

# expat knows the first four itself, the others by their tables of 256 characters.
_ENCODINGS = {
    "utf8": "UTF-8",
    "utf16": "UTF-16",
    "iso88591": "ISO-8859-1",
    "usascii": "US-ASCII",
    "ascii": "US-ASCII",
    "latin1": "ISO-8859-1",
    "windows1251": "windows-1251",
    "windows1252": "windows-1252",
    "cp1251": "windows-1251",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "iso88595": "iso-8859-5",
}
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]{0,80}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_MARKS = (b"\xff\xfe", b"\xfe\xff")
_BETWEEN = "\x01"  # between namespace and name: no character of XML


class XmlError(ValueError):
    """A document that cannot be read; its text may be shown and repeats nothing of the document."""


class Element:
    """An element with its text (that of its children is theirs) and its attributes, ``namespace\\x01name`` where qualified."""

    __slots__ = ("attributes", "children", "name", "namespace", "pieces")

    def __init__(self, name: str, namespace: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.namespace = namespace
        self.attributes = attributes
        self.children: list[Element] = []
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        """Its text, as written."""
        return "".join(self.pieces)

    def child(self, name: str) -> "Element | None":
        """The first child of a name, in whatever namespace."""
        for child in self.children:
            if child.name == name:
                return child
        return None

    def child_text(self, name: str) -> str:
        """The text of the first child of a name, empty when there is none."""
        child = self.child(name)
        return child.text if child is not None else ""

    def attribute(self, name: str, namespace: str = "") -> str:
        """The value of an attribute, empty when it is absent."""
        return self.attributes.get(f"{namespace}{_BETWEEN}{name}" if namespace else name, "")


class DocumentParser:
    """Reads one document: ``feed`` its bytes, then ``close``. ``encoding`` is a name of ``find_encoding``, None for what the
    bytes say themselves (a byte order mark, else UTF-8)."""

    __slots__ = ("_builder", "_fed", "_parser")

    def __init__(self, encoding: str | None = None) -> None:
        # The builder does not know its parser: no cycle is left for the collector by every request.
        self._builder = _Builder()
        parser = self._parser = expat.ParserCreate(encoding, _BETWEEN)
        parser.buffer_text = True
        parser.buffer_size = 65_536
        parser.StartElementHandler = self._builder.start
        parser.EndElementHandler = self._builder.end
        parser.CharacterDataHandler = self._builder.characters
        parser.StartNamespaceDeclHandler = self._builder.declare
        parser.StartDoctypeDeclHandler = _refuse_doctype
        self._fed = 0

    def feed(self, data: bytes) -> None:
        """Takes up to ``PORTION`` bytes; XmlError when they cannot be of a document."""
        self._parse(data, False)
        self._fed += len(data)
        if self._fed > MAX_TAG and self._fed - self._parser.CurrentByteIndex > MAX_TAG:
            raise XmlError(f"a tag or comment is longer than {MAX_TAG} bytes")

    def close(self) -> Element:
        """The root of the whole document; XmlError when it is not whole."""
        self._parse(b"", True)
        return self._builder.root.children[0]

    def _parse(self, data: bytes, last: bool) -> None:
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            words = expat.ErrorString(error.code)
            raise XmlError(f"no well-formed XML: {words}, line {error.lineno}, column {error.offset}") from None
        except (LookupError, UnicodeError):
            raise XmlError("unknown encoding") from None


class _Builder:
    """Grows the tree."""

    __slots__ = ("count", "namespaces", "open", "root")

    def __init__(self) -> None:
        self.root = Element("", "", {})
        self.open = [self.root]
        self.count = 0
        self.namespaces = 0

    def declare(self, prefix: str | None, namespace: str | None) -> None:
        self.namespaces += 1
        if self.namespaces > MAX_NAMESPACES or (namespace is not None and len(namespace) > MAX_NAMESPACE):
            raise XmlError(f"more than {MAX_NAMESPACES} namespaces, or one of more than {MAX_NAMESPACE} characters")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if self.count > MAX_ELEMENTS:
            raise XmlError(f"more than {MAX_ELEMENTS} elements")
        if len(self.open) > MAX_DEPTH:
            raise XmlError(f"elements are nested deeper than {MAX_DEPTH}")
        namespace, _, local = name.rpartition(_BETWEEN)
        element = Element(local, namespace, attributes)
        self.open[-1].children.append(element)
        self.open.append(element)

    def end(self, name: str) -> None:
        self.open.pop()

    def characters(self, text: str) -> None:
        self.open[-1].pieces.append(text)


def _refuse_doctype(name: str, system: str | None, public: str | None, internal: int) -> None:
    raise XmlError("a document type declaration (DTD) is not allowed")


def find_encoding(data: bytes, charset: str = "") -> str | None:
    """How a document's bytes are to be read: as a byte order mark says, else the ``charset`` of its Content-Type (RFC 7303,
    3), else its own declaration; None leaves it to the parser. XmlError for an encoding that is not known."""
    if data.startswith(_MARKS):
        return None
    if not charset:
        declared = _DECLARED.match(data[:200].removeprefix(b"\xef\xbb\xbf"))
        if declared is None:
            return None
        charset = declared[1].decode("ascii")
    found = _ENCODINGS.get(charset.strip().strip("\"'").lower().replace("-", "").replace("_", ""))
    if found is None:
        raise XmlError("unknown encoding")
    return found


def parse_document(data: bytes, encoding: str | None = None) -> Element:
    """The root of a document that is short enough to be read at once; XmlError."""
    parser = DocumentParser(encoding)
    for start in range(0, len(data), PORTION):
        parser.feed(data[start : start + PORTION])
    return parser.close()
