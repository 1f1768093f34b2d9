"""Requests and responses to bytes and back (RFC 3261, sections 7, 18.3 and 25.1)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from . import tables
from .addresses import Address, parse_address
from .fields import CSeq, FieldError, Via, parse_cseq, parse_via, split_list

Headers = tuple[tuple[str, str], ...]

MAX_TAG: Final = 512  # characters; as of Call-ID, it is remembered

_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_LINE_END: Final = re.compile(r"\r?\n")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
_FIELD: Final = re.compile(r"([A-Za-z0-9.!%*_+`'~-]+)[ \t]*:(.*)", re.DOTALL)
_REQUEST: Final = re.compile(r"([^ ]+) ([^ ]+) (SIP/[0-9]+\.[0-9]+)", re.I)
_RESPONSE: Final = re.compile(r"(SIP/[0-9]+\.[0-9]+) ([1-6][0-9][0-9])(?: (.*))?", re.I)
_LENGTH: Final = re.compile(r"[0-9]{1,9}")
_CALL_ID: Final = re.compile(r"[!-~]{1,512}")
_HOPS: Final = re.compile(r"[0-9]{1,9}")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What requests and responses share. Names of headers are spelled one way (`tables.spell`); Content-Length is not
    among them: it is taken away in reading and made in writing."""

    headers: Headers
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """The first field of this name (spelled as `tables.spell` does), None when there is none."""
        for each, value in self.headers:
            if each == name:
                return value
        return None

    def all(self, name: str) -> list[str]:
        """Every field of this name, in order."""
        return [value for each, value in self.headers if each == name]

    def elements(self, name: str) -> list[str]:
        """The elements of all fields of this name, commas split."""
        return [part for value in self.all(name) for part in split_list(value)]

    # What `parse` has checked. Of a message made by hand they may raise FieldError.

    @property
    def via(self) -> Via:
        """The topmost Via."""
        vias = self.elements("Via")
        if not vias:
            raise FieldError("Via")
        return parse_via(vias[0])

    @property
    def cseq(self) -> CSeq:
        """CSeq."""
        return parse_cseq(self.get("CSeq") or "")

    @property
    def from_(self) -> Address:
        """From."""
        return parse_address(self.get("From") or "")

    @property
    def to(self) -> Address:
        """To."""
        return parse_address(self.get("To") or "")

    @property
    def call_id(self) -> str:
        """Call-ID."""
        return self.get("Call-ID") or ""


class Request(Message, frozen=True, kw_only=True):
    """A request; `uri` as written in the first line."""

    method: str
    uri: str


class Response(Message, frozen=True, kw_only=True):
    """A response."""

    status: int
    reason: str = ""


class MessageError(Exception):
    """Bytes that are no SIP message, or a record that cannot be written as one.

    `status` is the answer that says so; `request` is what could be read when there is enough of it to be answered
    (Via, From, To, Call-ID, CSeq), else None.
    """

    def __init__(self, reason: str, status: int = 400, request: Request | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.request = request


def parse(data: bytes, *, stream: bool = False) -> Request | Response:
    """One message: a whole datagram, or what `framing` cut from a stream, where Content-Length must be there.

    Raises `MessageError`.
    """
    if len(data) > tables.MAX_MESSAGE:
        raise MessageError("message too large", 513)
    data = data.lstrip(b"\r\n")
    blank = _BLANK_LINE.search(data)
    if blank is None:
        raise MessageError("no end of the header")
    lines = _LINE_END.split(data[: blank.start()].decode("utf-8", "surrogateescape"))
    if _CONTROL.search("".join(lines)):
        raise MessageError("control characters")
    headers, problem = _read_headers(lines[1:])
    message, version = _read_start(lines[0], headers)
    if version.upper() != tables.VERSION:
        raise _error("version", message, 505)
    if problem:
        raise _error(problem, message)
    _check(message)
    body = _cut_body(message, data[blank.end() :], stream)
    kept = tuple(each for each in headers if each[0] != "Content-Length")
    return msgspec.structs.replace(message, headers=kept, body=body)


def encode(message: Request | Response) -> bytes:
    """The bytes of a message, Content-Length included. `MessageError` for what would not be read as the same again."""
    if isinstance(message, Request):
        start = f"{message.method} {message.uri} {tables.VERSION}"
        right = _TOKEN.fullmatch(message.method) and _REQUEST.fullmatch(start)
    else:
        start = f"{tables.VERSION} {message.status} {message.reason}"
        right = _RESPONSE.fullmatch(start)
    lines = [start, *(f"{name}: {value}" for name, value in message.headers), f"Content-Length: {len(message.body)}"]
    if not right or any(_CONTROL.search(line) for line in lines):
        raise MessageError("cannot be written")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + message.body


def _read_headers(lines: list[str]) -> tuple[Headers, str]:
    """The fields, and what is wrong with them; those before the first mistake are kept, for an answer."""
    headers: list[tuple[str, str]] = []
    parts: list[str] = []  # of the field's lines, since a field of many folds must not be copied with each
    problem = ""
    for line in lines:
        if line[:1] in (" ", "\t") and headers:
            parts.append(line.strip(" \t"))
            continue
        _unfold(headers, parts)
        found = _FIELD.fullmatch(line)
        if found is None:
            problem = problem or "a line that is no header field"
            continue
        if len(headers) == tables.MAX_HEADERS:
            return tuple(headers), "too many headers"
        headers.append((tables.spell(found[1]), ""))
        parts = [found[2].strip(" \t")]
    _unfold(headers, parts)
    return tuple(headers), problem


def _unfold(headers: list[tuple[str, str]], parts: list[str]) -> None:
    if parts:
        headers[-1] = (headers[-1][0], " ".join(part for part in parts if part))
        parts.clear()


def _read_start(line: str, headers: Headers) -> tuple[Request | Response, str]:
    found = _RESPONSE.fullmatch(line)
    if found:
        return Response(headers=headers, status=int(found[2]), reason=found[3] or ""), found[1]
    found = _REQUEST.fullmatch(line)
    if found and _TOKEN.fullmatch(found[1]):
        return Request(headers=headers, method=found[1], uri=found[2]), found[3]
    raise MessageError("first line")


def _check(message: Request | Response) -> None:
    """The fields without which nobody could answer, and those that must be there once."""
    seen = set()
    for name, _ in message.headers:
        if name in seen and name in tables.SINGLE:
            raise _error(f"{name} twice", message)
        seen.add(name)
    problem = _find_problem(message)
    if problem:
        raise _error(problem, message)
    hops = message.get("Max-Forwards")
    if hops is not None and not (_HOPS.fullmatch(hops) and int(hops) <= 255):
        raise _error("Max-Forwards", message)
    if isinstance(message, Request) and message.cseq.method != message.method:
        raise _error("method of CSeq", message)


def _find_problem(message: Request | Response) -> str:
    """Why this could not be answered, "" when it could."""
    for name in tables.REQUIRED:
        if message.get(name) is None:
            return f"no {name}"
    if not _CALL_ID.fullmatch(message.call_id):
        return "Call-ID"
    for name in tables.REQUIRED:
        try:
            if name == "Via":
                vias = message.elements("Via")
                if len(vias) > tables.MAX_HEADERS or not split_list(message.get(name) or ""):
                    return name
                for via in vias:
                    parse_via(via)
            elif name == "CSeq":
                _ = message.cseq
            elif name != "Call-ID" and len(parse_address(message.get(name) or "").tag) > MAX_TAG:
                return name
        except FieldError:
            return name
    return ""


def _cut_body(message: Request | Response, rest: bytes, stream: bool) -> bytes:
    said = message.get("Content-Length")
    if said is None:
        if stream:
            raise _error("no Content-Length", message)
        return rest
    if not _LENGTH.fullmatch(said) or int(said) > len(rest):
        raise _error("Content-Length", message)
    return rest[: int(said)]


def _error(reason: str, message: Request | Response, status: int = 400) -> MessageError:
    whole = isinstance(message, Request) and not _find_problem(message)
    return MessageError(reason, status, message if whole and isinstance(message, Request) else None)
