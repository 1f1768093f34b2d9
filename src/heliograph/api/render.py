"""The only place that knows the four formats (design section 7; spec sending 1.3, 7, 8.1 and 12.3, spec clients 2.1 to 2.3).

A reply has no line break at its end: clients compare values as texts, and count lines. Each record is compiled once
per format into a function; a send reply costs about two microseconds.
"""

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from json.encoder import encode_basestring as quote
from typing import Any

from heliograph.api.request import Response
from heliograph.api.shapes import COMMAS, JSON, TEXT, XML, Ack, Field, Place, Record, Rows, Sections, Shape, Type

Value = Any
_Render = Callable[[Value], str]
_Piece = Callable[[Mapping[str, Any]], str | None]
_MEDIA = ("text/plain", "text/plain", "text/xml", "application/json")


def render(shape: Shape, value: Value, fmt: int) -> str:
    """The text of a reply, without the XML declaration; ``value`` is what the shape asks for."""
    found = _COMPILED.get((id(shape), fmt))
    if found is None:
        found = _COMPILED[id(shape), fmt] = shape, _compile(shape, fmt)
    return found[1](value)


# By identity, for hashing a shape costs more than rendering a reply; the shape is kept, so its id stays its own.
_COMPILED: dict[tuple[int, int], tuple[Shape, _Render]] = {}
_LISTS: dict[tuple[int, int], tuple[Rows, tuple[str, str, str, Callable[[Mapping[str, Any]], str]]]] = {}


def render_list(shape: Rows, fmt: int) -> tuple[str, str, str, Callable[[Mapping[str, Any]], str]]:
    """``render`` of a list in pieces, for one that is too long to be written at once: what stands before it, between two of
    its records and behind it, and the function that writes one record."""
    found = _LISTS.get((id(shape), fmt))
    if found is None:
        item = _compile_record(shape.item, fmt, lines=True)
        start, between, end = (
            ("", "\n", ""),
            ("", "\n", ""),
            (f"<{shape.root}>", "", f"</{shape.root}>"),
            ("[", ", ", "]"),
        )[fmt]
        found = _LISTS[id(shape), fmt] = shape, (start, between, end, item)
    return found[1]


def encode(text: str, fmt: int, charset: str) -> bytes:
    """A piece of a reply in ``charset`` (a published name); what the charset lacks is escaped, in text a ``?``."""
    return text.encode(charset, _FALLBACKS[fmt])


def respond(text: str, fmt: int, charset: str) -> Response:
    """A rendered reply as bytes in ``charset``."""
    return Response(200, _content_type(fmt, charset), encode(declare(fmt, charset) + text, fmt, charset))


def respond_encoded(body: bytes, fmt: int, charset: str) -> Response:
    """A reply that was rendered, declared and encoded piece by piece."""
    return Response(200, _content_type(fmt, charset), body)


def declare(fmt: int, charset: str) -> str:
    """What stands before a whole reply: the XML declaration, or nothing."""
    return f'<?xml version="1.0" encoding="{charset}"?>' if fmt == XML else ""


@cache
def _content_type(fmt: int, charset: str) -> bytes:
    return f"{_MEDIA[fmt]}; charset={charset}".encode()


def _escape_for_json(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)), error.end


codecs.register_error("heliograph.json", _escape_for_json)
_FALLBACKS = ("replace", "replace", "xmlcharrefreplace", "heliograph.json")


def _compile(shape: Shape, fmt: int) -> _Render:
    """What turns values of ``shape`` into text."""
    if isinstance(shape, Record):
        return _compile_record(shape, fmt, lines=False)
    if isinstance(shape, Rows):
        return _compile_rows(shape, fmt)
    if isinstance(shape, Sections):
        return _compile_sections(shape, fmt)
    if isinstance(shape, Ack):
        word = shape.word
        text = (word, word, f"<result>{word}</result>", f'{{"result": "{word}"}}')[fmt]
        return lambda value: text
    return (_error_as_text, _error_as_commas, _compile(_ERROR, XML), _compile(_ERROR, JSON))[fmt]


# -- errors ---------------------------------------------------------------------------------------------------------

_ERROR = Record(
    root="result",
    fields=(Field("error"), Field("error_code", Type.NUMBER), Field("id", Type.EITHER)),
)


def _error_as_text(value: Value) -> str:
    id = value.get("id")
    return f"ERROR = {value['error_code']} ({value['error']})" + (f", ID - {id}" if id is not None else "")


def _error_as_commas(value: Value) -> str:
    return f"{value.get('id') or 0},-{value['error_code']}"


# -- records --------------------------------------------------------------------------------------------------------


def _compile_record(record: Record, fmt: int, lines: bool) -> _Render:
    """``lines``: the record is one of several lines, so line breaks inside its values become blanks."""
    fields = record.ordered(fmt)
    pieces = [_compile_field(field, fmt, lines, last=field is fields[-1]) for field in fields]
    if fmt == XML:
        return _xml_record(record.root, fields, pieces)
    between = record.between if fmt == TEXT else ","
    if fmt == JSON:
        return lambda value: "{" + _join(", ", pieces, value) + "}"
    return lambda value: _join(between, pieces, value)


def _join(between: str, pieces: Sequence[_Piece], value: Mapping[str, Any]) -> str:
    return between.join([text for piece in pieces if (text := piece(value)) is not None])


def _compile_field(field: Field, fmt: int, lines: bool, last: bool) -> _Piece:
    key = field.key
    before, after, write = _frame_field(field, fmt, lines, last)
    drops_none, drops_zero = str(fmt) in field.none, str(fmt) in field.zero
    missing = None if drops_none else f"{before}{write(field.missing)}{after}"

    def piece(value: Mapping[str, Any]) -> str | None:
        found = value.get(key)
        if found is None:
            return missing
        if drops_zero and not found:
            return None
        return f"{before}{write(found)}{after}"

    return piece


def _frame_field(field: Field, fmt: int, lines: bool, last: bool) -> tuple[str, str, Callable[[Any], str]]:
    """What stands before and after a value, and how the value itself is written."""
    if field.item:
        return _frame_items(field, fmt)
    if fmt == JSON:
        return f'"{field.key}": ', "", _JSON_WRITERS[field.type]
    if fmt == XML:
        if field.place is Place.ATTRIBUTE:
            return f' {field.key}="', '"', escape_xml
        return (
            (f"<{field.key}>", f"</{field.key}>", escape_xml) if field.place is Place.ELEMENT else ("", "", escape_xml)
        )
    before, _, after = (field.text or f"{field.key} = {{}}").partition("{}") if fmt == TEXT else ("", "", "")
    if field.type is Type.NUMBER:
        return before, after, str
    bare = fmt == COMMAS and not last and not field.free
    if lines:
        return before, after, _line_without_commas if bare else _line
    return before, after, _without_commas if bare else str


def _frame_items(field: Field, fmt: int) -> tuple[str, str, Callable[[Any], str]]:
    """The same for a sequence of texts."""
    if fmt == JSON:
        return f'"{field.key}": [', "]", lambda found: ", ".join(map(_json_string, found))
    if fmt == XML:
        start, end = f"<{field.item}>", f"</{field.item}>"
        return (
            f"<{field.key}>",
            f"</{field.key}>",
            lambda found: "".join(f"{start}{escape_xml(each)}{end}" for each in found),
        )
    before, _, after = (field.text or f"{field.key} = {{}}").partition("{}") if fmt == TEXT else ("", "", "")
    return before, after, lambda found: ",".join(map(_line_without_commas, found))


def _xml_record(root: str, fields: Sequence[Field], pieces: Sequence[_Piece]) -> _Render:
    attributes = [piece for field, piece in zip(fields, pieces, strict=True) if field.place is Place.ATTRIBUTE]
    contents = [piece for field, piece in zip(fields, pieces, strict=True) if field.place is not Place.ATTRIBUTE]
    start, end = f"<{root}", f"</{root}>"

    def write(value: Mapping[str, Any]) -> str:
        return f"{start}{_join('', attributes, value)}>{_join('', contents, value)}{end}"

    return write


def _compile_rows(rows: Rows, fmt: int) -> _Render:
    start, between, end, item = render_list(rows, fmt)
    return lambda value: f"{start}{between.join(map(item, value))}{end}"


def _compile_sections(sections: Sections, fmt: int) -> _Render:
    head = _compile(sections.head, fmt)
    lists = [(name, _compile_rows(rows, fmt)) for name, rows in sections.lists]
    tail = [_compile_field(field, fmt, True, field is sections.tail[-1]) for field in sections.tail]
    between = (", ", ",", "", ", ")[fmt]
    # The lists and the tail go inside the head's object or element: its closing bracket or tag is put behind them.
    end = ("", "", f"</{sections.head.root}>", "}")[fmt]

    def write(value: Mapping[str, Any]) -> str:
        text = head(value)
        texts = [text.removesuffix(end)]
        for name, rows in lists:
            found = value.get(name)
            if found is None:
                continue
            if fmt == JSON:
                texts.append(f'{"" if texts == ["{"] else ", "}"{name}": {rows(found)}')
            elif fmt == XML:
                texts.append(rows(found))
            elif found:
                texts.append(f"\n{rows(found)}" if texts != [""] else rows(found))
        if tail:
            before = "" if texts in ([""], ["{"]) else ("\n", "\n", "", ", ")[fmt]
            texts.append(before + _join(between, tail, value))
        return "".join(texts) + end

    return write


# -- values ---------------------------------------------------------------------------------------------------------

_BREAKS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Characters that XML 1.0 cannot hold even when escaped (section 2.2); a form feed is in the GSM alphabet.
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NEEDS_XML = re.compile(r'[&<>"\x00-\x1f\ud800-\udfff\ufffe\uffff]')


def escape_xml(value: object) -> str:
    """A value as XML character data or inside an attribute in double quotes; characters XML lacks become blanks."""
    text = str(value)
    if not _NEEDS_XML.search(text):
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return _NOT_XML.sub(" ", text).replace("\r", "&#13;")


def _json_string(value: object) -> str:
    return quote(str(value))


def _json_either(value: object) -> str:
    return str(value) if type(value) is int else quote(str(value))


_JSON_WRITERS: dict[Type, Callable[[Any], str]] = {
    Type.STRING: _json_string,
    Type.NUMBER: str,
    Type.EITHER: _json_either,
}


def _without_commas(value: object) -> str:
    return str(value).replace(",", " ")


def _line(value: object) -> str:
    return _BREAKS.sub(" ", str(value))


def _line_without_commas(value: object) -> str:
    return _BREAKS.sub(" ", str(value)).replace(",", " ")
