"""Bytes of a connection into requests (RFC 9112, sections 2 to 7; spec/clients 2.4 for what clients do not escape)."""

import logging
import re
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httptools

from heliograph.api.request import Answer, Request, Response, plain
from heliograph.core.sources import source_of

if TYPE_CHECKING:
    from heliograph.gateways.http import HttpDoor, Limits
    from heliograph.gateways.http_connection import HttpConnection

log = logging.getLogger("heliograph.gateways.http")

BAD_REQUEST = plain("bad request", 400)
HEAD_TOO_LARGE = plain("request head too large", 431)
TOO_SLOW = plain("request timed out", 408)
BUSY = plain("too busy", 503)

# Repeated headers of one request: each is joined to those before, which costs the square of their number.
MAX_REPEATS = 100
# Bytes from which on a body counts for its client: a few recipients and a text are far below, and cost nothing so.
LARGE = 64 * 1024

_METHOD = re.compile(rb"[A-Z]{3,7} /")
_VERSION = re.compile(rb" HTTP/1\.[01]\r\n")
_UNSAFE = re.compile(rb"[^\x21-\x7e]")
_SLASHES = re.compile("/{2,}")
_BLANK_LINE = re.compile(rb"\n\r?\n")


class MalformedHeadError(Exception):
    """A head that the parser takes and we do not: HTTP/0.9, which is what a line end within a URL looks like."""


class Exchange:
    """One request and the right to answer it, once: the `reply` that the application is given.

    `refusal` is set when the door itself answers, in place of the application, and closes the connection with it.
    """

    __slots__ = ("connection", "keep", "refusal", "replied", "request", "version")

    def __init__(self, request: Request, version: str, keep: bool, refusal: Response | None = None) -> None:
        self.connection: HttpConnection | None = None  # set when the exchange is handed on
        self.request = request
        self.version = version
        self.keep = keep
        self.refusal = refusal
        self.replied = False

    def __call__(self, answer: Answer) -> None:
        connection = self.connection
        if self.replied or connection is None:
            log.error("http_reply_twice", extra={"path": self.request.path})
            return
        self.replied = True
        self.connection = None
        connection.answer(self, answer)


class RequestReader:
    """Parses the bytes of one connection; complete requests and refusals appear in `ready`, in their order.

    After a refusal, or a request that asks for the connection's close, it is `deaf`: bytes are ignored.
    """

    # The parser refers back to this object, so it goes when the connection does (native/README.md).
    __deletable__ = ("_parser",)

    def __init__(self, door: "HttpDoor", peer: str, trusted: bool, secure: bool) -> None:
        self._door = door
        self._peer = peer
        self._trusted = trusted
        self._secure = secure
        self._parser = httptools.HttpRequestParser(self)
        self.ready: deque[Exchange] = deque()
        self.deaf = False
        self.complete = 0  # requests read so far
        # Whose share of the door it is: behind a trusted proxy, of the client of the latest request.
        self.source = "" if trusted else source_of(peer)
        self.since = 0.0  # the door's time when the unfinished head, or this part of the body, began
        self._began = 0.0  # and when the body did
        self.in_body = False
        self.continue_due = False  # the client waits for "100 Continue"
        self.head = bytearray()  # bytes of an unfinished head
        self._head_alone = True  # they begin with the head, not with the rest of a request before it
        self._raw = False  # the parser has given up that head, and it waits for its repair
        self._repaired = False
        self._fed = 0  # the most that the head can be long
        self._in_head = False
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._joined = 0
        self._version = ""
        self._keep = True
        self._chunks: list[bytes] = []
        self._size = 0
        self._window = 0  # bytes of the body when the present progress window began
        self._large = 0  # bytes of the body that are counted as its client's share
        self._payer = ""

    def feed(self, data: bytes) -> None:
        """Takes the bytes of one read. Never raises: what is no request becomes a refusal in `ready`."""
        if self._raw:
            self.head += data
            self._repair()
            return
        self._fed = len(self.head) + len(data)
        complete = self.complete
        while data:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self.deaf:
                    return
                if self._parser.get_method() == b"CONNECT":
                    self.refuse(BAD_REQUEST)
                    return
                data = self._without_upgrade() + data[upgrade.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
                continue
            except httptools.HttpParserError:
                # A deaf reader has its refusal, or its client sends more than the request it wanted to close with.
                if not self.deaf:
                    self._recover(data, self.complete == complete)
                return
            break
        if self.deaf:
            return
        if self.complete != complete:
            self.head.clear()
        if self._in_head:
            self._keep_head(data, self.complete == complete)
        elif self.head:
            self.head.clear()

    def _without_upgrade(self) -> bytes:
        """The head of a request that offers another protocol, without the offer, to be parsed anew.

        The parser would not read its body. Java's client offers h2c with its first request, POST or not; the offer
        may be ignored (RFC 9110, 7.8).
        """
        self._take_body()
        self.continue_due = False
        line = b"%b %b HTTP/%b\r\n" % (self._parser.get_method(), self._url, self._version.encode())
        kept = [b"%b: %b\r\n" % header for header in self._headers.items() if header[0] != b"upgrade"]
        return line + b"".join(kept) + b"\r\n"

    def close(self) -> None:
        """Forgets an unfinished request and the parser, which refers back to this object."""
        self.deaf = True
        self._take_body()
        if self._trusted:
            self._door.shares.give(self.source)
            self.source = ""
        del self._parser

    def _keep_head(self, data: bytes, alone: bool) -> None:
        """Notes an unfinished head: for its size, its time limit, and in case it must be repaired."""
        if not self.head:
            self.since = self._door.now
            self._head_alone = alone
        self.head += data
        if len(self.head) > self._door.max_head:
            self.refuse(HEAD_TOO_LARGE)

    # --- requests whose text was not escaped

    def _recover(self, data: bytes, alone: bool) -> None:
        """After an error of the parser: an unescaped head gets its second chance, all else is refused."""
        if not self._in_head or self._repaired or not (alone and self._head_alone):
            self.refuse(BAD_REQUEST)
            return
        if not self.head:
            self.since = self._door.now
        self.head += data
        self._repair()

    def _repair(self) -> None:
        """Escapes what the client did not, once the whole request line is there, and parses the head anew.

        A line end is taken for text only after the '?' and only when no empty line comes before " HTTP/1.x", so the
        end of a head is never moved.
        """
        head = self.head
        end = _VERSION.search(head)
        line = bytes(head[: end.start()] if end else head)
        method, _, target = line.partition(b" ")
        path = target.partition(b"?")[0]
        if not _METHOD.match(line) or _BLANK_LINE.search(line) or b"\n" in path or b"\r" in path:
            self.refuse(BAD_REQUEST)
        elif len(head) > self._door.max_head:
            self.refuse(HEAD_TOO_LARGE)
        elif end is None:
            self._raw = True
        else:
            safe = _UNSAFE.sub(lambda byte: b"%%%02X" % ord(byte[0]), target)
            rest = bytes(head[end.start() :])
            head.clear()
            self._raw = False
            self._repaired = True
            self._parser = httptools.HttpRequestParser(self)
            self.feed(b"%b %b%b" % (method, safe, rest))

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._joined = 0
        self._in_head = True

    def on_url(self, piece: bytes) -> None:
        self._url += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer after chunks
        name = name.lower()
        headers = self._headers
        if name in headers:
            self._joined += 1
            if self._joined > MAX_REPEATS:
                self.refuse(HEAD_TOO_LARGE)
                return
            value = headers[name] + (b"; " if name == b"cookie" else b", ") + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        headers = self._headers
        self._keep = self._parser.should_keep_alive()
        if self._keep and b"connection" not in headers and b"proxy-connection" not in headers:
            # Only HTTP/1.1 stays open unasked. The parser formats its version anew each time, a tenth of the parsing.
            self._version = "1.1"
        else:
            self._version = self._parser.get_http_version()
            if self._version == "0.9":
                raise MalformedHeadError
        self._in_head = self._repaired = False
        if self.deaf:
            return
        self._head_alone = True
        if self._fed > self._door.max_head and self._head_size() > self._door.max_head:
            self.refuse(HEAD_TOO_LARGE)
        elif b"content-length" in headers or b"transfer-encoding" in headers:
            self._begin_body(headers)
        if self._trusted and not self.deaf:
            self._count_client(headers)

    def _count_client(self, headers: dict[bytes, bytes]) -> None:
        """Behind a trusted proxy: a head that makes its client hold more than his share of connections is refused.

        He is known with the head, so a body that comes slowly is counted from its beginning. A request of the proxy's
        own (no client is named) counts for nobody.
        """
        shares = self._door.shares
        client, _ = self._door.proxies.resolve(self._peer, self._secure, headers)
        source = "" if client == self._peer else source_of(client)
        if source == self.source:
            return
        shares.give(self.source)
        self.source = source if shares.take(source) else ""
        if self.source != source:
            self._door.turned_away += 1
            self.refuse(BUSY)

    def _head_size(self) -> int:
        # ": " and the line end are 4 bytes a header.
        return len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers.items())

    def _begin_body(self, headers: dict[bytes, bytes]) -> None:
        self.in_body = True
        self._window = 0
        self._began = self.since = self._door.now
        if int(headers.get(b"content-length") or 0) > self._door.max_body:
            self._refuse_body()
        elif self._version == "1.1" and headers.get(b"expect", b"").lower() == b"100-continue":
            self.continue_due = True

    def on_body(self, piece: bytes) -> None:
        if self.deaf:
            return
        self.continue_due = False
        self._chunks.append(piece)
        self._size += len(piece)
        room = self._door.receive(len(piece))
        if self._size > LARGE:
            room = self._take_share() and room
        if self._size > self._door.max_body:
            self._refuse_body()
        elif not room:
            self.refuse(BUSY)

    def on_message_complete(self) -> None:
        if self.deaf or self._parser.should_upgrade():
            return
        self.complete += 1
        self.continue_due = False
        body = self._take_body() if self.in_body else b""
        self.ready.append(Exchange(self._build(body), self._version, self._keep))
        if not self._keep:
            self.deaf = True

    def _take_share(self) -> bool:
        """Counts what has come of a large body for its client; False when he holds too much of all that is received."""
        if not self._large:
            self._payer = self.source
        more = self._size - self._large
        taken = self._door.large.take(self._payer, more)
        if taken:
            self._large += more
        return taken

    def _take_body(self) -> bytes:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._door.receiving -= self._size
        if self._large:
            self._door.large.give(self._payer, self._large)
            self._large = 0
        self._chunks = []
        self._size = 0
        self.in_body = False
        return body

    def _build(self, body: bytes) -> Request:
        url = self._url
        if url[:1] != b"/" and b"://" in url:
            # The absolute form, as sent to a proxy (RFC 9112, 3.2.2).
            url = b"/" + url.partition(b"://")[2].partition(b"/")[2]
        raw, _, query = url.partition(b"?")
        path = raw.decode("latin-1")
        if "%" in path:
            path = unquote(path, "utf-8", "replace")
        if "//" in path:
            # A base address that ends in a slash, with "/sys/…" put behind it; web servers take that as one.
            path = _SLASHES.sub("/", path)
        client, secure = self._peer, self._secure
        if self._trusted:
            client, secure = self._door.proxies.resolve(client, secure, self._headers)
        method = self._parser.get_method().decode()
        return Request(method, path, query, self._headers, body, client, secure, self._door.clock())

    # --- refusals

    def _refuse_body(self) -> None:
        """A body over the limit is answered in the application's words, without having been read."""
        door = self._door
        door.too_large_bodies += 1
        request = self._build(b"")
        self._end_with(Exchange(request, self._version, False, door.say(door.too_large, request)))

    def refuse(self, refusal: Response) -> None:
        """Puts a refusal after the requests that are still to be answered; the connection closes with it."""
        self._door.bad_requests += 1
        self._end_with(Exchange(Request("", ""), "1.1", False, refusal))

    def _end_with(self, exchange: Exchange) -> None:
        self._take_body()
        self.deaf = True
        self._raw = self._in_head = self.continue_due = False
        self.head.clear()
        self.ready.append(exchange)

    def lags(self, now: float, limits: "Limits") -> bool:
        """Whether the body comes too slowly: too little since the last such question, or on the whole.

        The first ends a client that has stopped; the second one that sends just enough for ever, since a body of 32 MiB
        in pieces of 16 KiB, one in 60 s each, would take 34 hours.
        """
        if now - self.since > limits.body_s:
            if self._size - self._window < limits.body_progress:
                return True
            self._window = self._size
            self.since = now
        return now - self._began > limits.body_s + self._size / limits.body_rate
