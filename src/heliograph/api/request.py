"""What a door hands to the application and what it takes back (spec/sending 1.1: one request, one answer, HTTP 200).

The application is a plain function, ``app(request, reply)``. It calls ``reply(answer)`` exactly once, from the event
loop: before it returns (a balance, a refusal) or any time later (a text, after the commit that holds it). No task and
no future is made per request: a batch keeps the ``reply`` objects of its items and calls them when it is on disk. A
reply whose client went away is dropped by the door, so the caller never needs to ask whether anybody still listens.
"""

from collections.abc import AsyncIterator, Callable

import msgspec

TEXT = b"text/plain; charset=utf-8"
HTML = b"text/html; charset=utf-8"
JSON = b"application/json; charset=utf-8"
EVENTS = b"text/event-stream; charset=utf-8"


class Request(msgspec.Struct, frozen=True):
    """One request, its body complete.

    `path` is percent-decoded (UTF-8, what is no UTF-8 replaced) and has no query; `query` is what follows the first
    '?', still encoded. Names in `headers` are lower-case; the values of a repeated header are joined by ", ".
    `client` is the IP address behind the trusted proxies, without port or zone; `secure` says that the client spoke
    TLS, to us or to such a proxy. `received_ns` is the door's clock, nanoseconds since the epoch, when the request
    was complete.
    """

    method: str
    path: str
    query: bytes = b""
    headers: dict[bytes, bytes] = {}
    body: bytes = b""
    client: str = "127.0.0.1"
    secure: bool = False
    received_ns: int = 0

    def cookie(self, name: str) -> str | None:
        """The value of a cookie, None when the client sent no such one (RFC 6265, 5.4)."""
        wanted = name.encode("latin-1")
        for pair in self.headers.get(b"cookie", b"").split(b";"):
            key, equals, value = pair.strip().partition(b"=")
            if equals and key == wanted:
                return value.strip(b'"').decode("latin-1")
        return None


class Response(msgspec.Struct, frozen=True):
    """An answer that is complete; the door adds Content-Length, Server and Connection.

    `headers` are pairs of name and value without line ends; a value that has one fails the answer.
    """

    status: int
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Stream(msgspec.Struct, frozen=True):
    """An answer that is written while it comes into being, such as server-sent events.

    The door takes the next piece when the one before fits the socket's buffer, and closes the iterator (`aclose`, where
    it has one) when the client leaves or the door stops. A `length` in bytes that is known beforehand (of a file) is
    told to the client, who then knows how far he is; pieces that do not add up to it break the connection.
    """

    chunks: AsyncIterator[bytes]
    content_type: bytes = EVENTS
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ((b"Cache-Control", b"no-cache"),)
    length: int | None = None


Answer = Response | Stream
Reply = Callable[[Answer], None]
App = Callable[[Request, Reply], None]


def plain(text: str, status: int = 200) -> Response:
    """A text page in UTF-8."""
    return Response(status, TEXT, text.encode())


def html(text: str, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Response:
    """An HTML page in UTF-8."""
    return Response(status, HTML, text.encode(), headers)


def json(value: object, status: int = 200) -> Response:
    """Anything msgspec can write, as JSON in UTF-8."""
    return Response(status, JSON, msgspec.json.encode(value))


def redirect(location: str, status: int = 303) -> Response:
    """Sends the client elsewhere; the address is percent-encoded where it is no ASCII or a control character."""
    safe = b"".join(b"%c" % c if 0x20 < c < 0x7F else b"%%%02X" % c for c in location.encode())
    return Response(status, TEXT, b"", ((b"Location", safe),))
