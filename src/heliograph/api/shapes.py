"""Replies as data: what a reply holds and how each format writes it (design section 7; spec sending 7 and 12, seed 000).

A value is a mapping from field keys to what is to be written; ``render`` is the only reader of both. Formats are
0 text, 1 commas, 2 XML, 3 JSON.
"""

from enum import Enum
from typing import Final

import msgspec

TEXT: Final[int] = 0
COMMAS: Final[int] = 1
XML: Final[int] = 2
JSON: Final[int] = 3


class Type(Enum):
    """How JSON writes a field."""

    STRING = "string"  # quoted, whatever the value is: money, mccmnc
    NUMBER = "number"  # bare, whatever the value is
    EITHER = "number or string"  # by the value: an id is a number unless the caller gave a text


class Place(Enum):
    """Where XML puts a field."""

    ELEMENT = "element"
    ATTRIBUTE = "attribute"
    BODY = "body"


class Field(msgspec.Struct, frozen=True):
    """One value of a reply.

    ``key`` finds the value and names it in XML and JSON; ``text`` is its piece of a text line, ``key = {}`` unless
    given. In the formats of ``none`` (digits) an absent value leaves no trace, otherwise ``missing`` stands in its
    place; in those of ``zero`` a 0 leaves no trace either. ``free`` texts keep their commas in format 1, others lose them unless last.
    With an ``item`` the value is a sequence of texts: an array in JSON, in XML an element of that name for each, otherwise
    one behind the other with commas between.
    """

    key: str
    type: Type = Type.STRING
    help: str = ""
    text: str = ""
    place: Place = Place.ELEMENT
    none: str = "023"
    zero: str = ""
    missing: str = ""
    free: bool = False
    item: str = ""


class Record(msgspec.Struct, frozen=True):
    """One object. The orders of formats 0 to 2 name the keys they show; None is all fields, as declared.

    ``root`` is the XML element around it. A record whose fields hold their own blanks and brackets has an empty ``between``.
    """

    root: str
    fields: tuple[Field, ...]
    text: tuple[str, ...] | None = None
    commas: tuple[str, ...] | None = None
    xml: tuple[str, ...] | None = None
    between: str = ", "

    def ordered(self, fmt: int) -> tuple[Field, ...]:
        """The fields that a format shows, in its order."""
        keys = (self.text, self.commas, self.xml, None)[fmt]
        if keys is None:
            return self.fields
        by_key = {field.key: field for field in self.fields}
        return tuple(by_key[key] for key in keys)


class Rows(msgspec.Struct, frozen=True):
    """A list of records: lines, ``<root>`` around elements, a JSON array. Its value is a sequence of mappings."""

    root: str
    item: Record


class Sections(msgspec.Struct, frozen=True):
    """A record with lists behind it under names of their own, and fields behind those (``tail``, a line of its own).

    A list that the value lacks is left out; an empty one has no line in formats 0 and 1, and is there in 2 and 3.
    """

    head: Record
    lists: tuple[tuple[str, Rows], ...]
    tail: tuple[Field, ...] = ()


class Ack(msgspec.Struct, frozen=True):
    """Done, and nothing more to say: ``OK``. Its value is not looked at."""

    word: str = "OK"


class Error(msgspec.Struct, frozen=True):
    """A refusal: ``error_code`` (a number), ``error`` (words without brackets) and, when it is there, ``id``."""


Shape = Record | Rows | Sections | Ack | Error

ACK = Ack()
ERROR = Error()
