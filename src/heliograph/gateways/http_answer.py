"""Answers as bytes (RFC 9112, sections 4 to 7; spec/clients 2.4: Content-Length and never chunks for what is whole)."""

from functools import lru_cache
from http import HTTPStatus

from heliograph.api.request import Response, Stream

LAST_CHUNK = b"0\r\n\r\n"

# Statuses that have no body, and so no Content-Length (RFC 9110, 6.4.1 and 8.6).
_BODILESS = frozenset({204, 304})


@lru_cache(maxsize=256)
def _start(status: int, content_type: bytes, connection: bytes) -> bytes:
    """All of the head that repeats from answer to answer, up to the length."""
    try:
        phrase = HTTPStatus(status).phrase.encode()
    except ValueError:
        phrase = b"Status"
    if b"\r" in content_type or b"\n" in content_type:
        raise ValueError("line end in the content type")
    head = b"HTTP/1.1 %d %b\r\nServer: Heliograph\r\n" % (status, phrase)
    if content_type:
        head += b"Content-Type: %b\r\n" % content_type
    return head + connection


def _connection(version: str, keep: bool) -> bytes:
    """HTTP/1.1 stays open unless told otherwise, HTTP/1.0 the other way round."""
    if keep:
        return b"Connection: keep-alive\r\n" if version == "1.0" else b""
    return b"Connection: close\r\n"


def _extra(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    for name, value in headers:
        if b"\r" in value or b"\n" in value or b"\r" in name or b"\n" in name:
            raise ValueError("line end in a header")
    return b"".join(b"%b: %b\r\n" % pair for pair in headers)


def render(answer: Response, version: str, keep: bool, head_only: bool) -> bytes:
    """A whole answer; `head_only` leaves the body out but states its length. ValueError for a header with a line end."""
    start = _start(answer.status, answer.content_type, _connection(version, keep))
    if answer.headers:
        start += _extra(answer.headers)
    body = answer.body
    if answer.status in _BODILESS:
        return start + b"\r\n"
    return b"%bContent-Length: %d\r\n\r\n%b" % (start, len(body), b"" if head_only else body)


def stream_head(stream: Stream, version: str, keep: bool) -> bytes:
    """The head of a stream: with its length where that is known, else chunked for HTTP/1.1, and ended by the connection's
    close for HTTP/1.0."""
    if stream.length is not None:
        start = _start(stream.status, stream.content_type, _connection(version, keep))
        return b"%b%bContent-Length: %d\r\n\r\n" % (start, _extra(stream.headers), stream.length)
    chunked = version != "1.0"
    start = _start(stream.status, stream.content_type, _connection(version, keep and chunked))
    return start + _extra(stream.headers) + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n")


def chunk(piece: bytes) -> bytes:
    """One chunk (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
