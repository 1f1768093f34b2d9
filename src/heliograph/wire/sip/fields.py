"""The values of header fields: lists, parameters, Via, CSeq (RFC 3261, sections 7.3.1, 20.16, 20.42 and 25.1; RFC 3581)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from . import tables

Params = tuple[tuple[str, str | None], ...]

# A quotation or an address in brackets hides what is in it; one without an end goes on to the end of the text. Each
# alternative matches whatever comes after its first character, so the search never goes back.
_HIDING: Final = r'"(?:[^"\\]|\\.?)*(?:"|\Z)|<[^>]*(?:>|\Z)'
_COMMA: Final = re.compile(_HIDING + "|,", re.DOTALL)
_SEMICOLON: Final = re.compile(_HIDING + "|;", re.DOTALL)
_CSEQ: Final = re.compile(r"([0-9]{1,10})[ \t]+([A-Za-z0-9.!%*_+`'~-]+)")
_VIA: Final = re.compile(
    r"SIP\s*/\s*2\.0\s*/\s*([A-Za-z0-9-]+)\s+(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?:\s*:\s*([0-9]{1,5}))?\s*", re.I
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class FieldError(ValueError):
    """A field is not written as its grammar says; the words name the field."""


class Via(msgspec.Struct, frozen=True):
    """One hop: `transport` in capitals, `host` as sent (IPv6 in brackets), `port` None when it was not said."""

    transport: str
    host: str
    port: int | None = None
    params: Params = ()

    @property
    def branch(self) -> str:
        """The branch, empty when there is none."""
        return find(self.params, "branch") or ""

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{tables.VERSION}/{self.transport} {self.host}{port}{write_params(self.params)}"


class CSeq(msgspec.Struct, frozen=True):
    """The number of a request in its call, and its method."""

    number: int
    method: str


def split_list(value: str) -> list[str]:
    """The elements of a field that may hold several, commas in quotations and brackets left alone; empty ones are left out."""
    return [part for part in (piece.strip() for piece in _split(value, _COMMA)) if part]


def read_params(text: str) -> Params:
    """`;name=value;flag` as pairs with names in lower case; a quoted value without its quotes. Empty parts are left out."""
    params = []
    for piece in _split(text, _SEMICOLON):
        name, sign, value = piece.partition("=")
        name = name.strip().lower()
        if name:
            params.append((name, unquote(value.strip()) if sign else None))
    return tuple(params)


def write_params(params: Params) -> str:
    """Pairs as `;name=value;flag`; a value that is no token or host is quoted."""
    return "".join(f";{name}" if value is None else f";{name}={quote_if_needed(value)}" for name, value in params)


def find(params: Params, name: str) -> str | None:
    """The first value of a parameter; "" for a flag, None when it is not there."""
    for each, value in params:
        if each == name:
            return value or ""
    return None


def quote(text: str) -> str:
    """A quoted string (section 25.1)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_BARE: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~:\[\]/@-]+")


def quote_if_needed(text: str) -> str:
    """A token as it is, anything else as a quoted string."""
    return text if _BARE.fullmatch(text) else quote(text)


def unquote(text: str) -> str:
    """What a quoted string says; any other text as it is."""
    if len(text) >= 2 and text[0] == '"' and text[-1] == '"':
        return _ESCAPED.sub(r"\1", text[1:-1])
    return text


def parse_via(text: str) -> Via:
    """One element of Via; blanks are allowed where the grammar has them. FieldError."""
    head, _, _ = text.partition(";")
    found = _VIA.fullmatch(head.strip())
    port = int(found[3]) if found and found[3] else None
    if found is None or port == 0 or (port or 0) > 65535:
        raise FieldError("Via")
    return Via(found[1].upper(), found[2], port, read_params(text[len(head) :]))


def parse_cseq(text: str) -> CSeq:
    """Number and method; FieldError for a number of 2**31 or more."""
    found = _CSEQ.fullmatch(text.strip())
    if found is None or int(found[1]) > tables.MAX_CSEQ:
        raise FieldError("CSeq")
    return CSeq(int(found[1]), found[2])


def stamp(via: Via, address: str, port: int) -> Via:
    """The top Via of a request with where it came from (section 18.2.1; RFC 3581, section 4).

    `received` is set when the host written there is another or `rport` was asked for; what a sender wrote into either
    himself is not believed.
    """
    asked = find(via.params, "rport") is not None
    kept: list[tuple[str, str | None]] = [each for each in via.params if each[0] not in ("received", "rport")]
    if asked or via.host.strip("[]").lower() != address.lower():
        kept.append(("received", address))
    if asked:
        kept.append(("rport", str(port)))
    return Via(via.transport, via.host, via.port, tuple(kept))


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    parts, start = [], 0
    for found in separator.finditer(text):
        if found[0] in ",;":
            parts.append(text[start : found.start()])
            start = found.end()
    parts.append(text[start:])
    return parts
