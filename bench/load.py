"""The load: texts by HTTP over keep-alive connections, one request under way on each; prints one line of figures.

``python -m bench.load --port P --key K --tag T -n N -c C`` as fast as answers come; ``--rate R`` at a fixed pace, where a
text's time counts from when it was due; ``--seconds S``, or SIGTERM, ends it early. ``--logins N`` instead of a key: the
accounts b0, b1, … with login and password take turns. ``--soap`` sends envelopes. ``--tls`` speaks TLS and believes any certificate. ``--samples``
tells every answer's time as well; ``--every S`` prints a line of figures of its own every S seconds.
"""

import argparse
import asyncio
import re
import signal
import ssl
from array import array
from collections import deque
from typing import cast
from urllib.parse import quote_plus, urlencode
from xml.sax.saxutils import escape

from bench import marks
from bench.children import run_tool, say
from bench.marks import PASSWORD, login_of

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
ANSWER_S = 30.0


def name_senders(options: argparse.Namespace) -> list[dict[str, str]]:
    """Who sends, in turn: the parameters of each."""
    if options.logins:
        return [{"login": login_of(number), "psw": PASSWORD} for number in range(options.logins)]
    return [{"apikey": options.key}]


def write_request(who: dict[str, str], tag: str) -> bytes:
    """A request with places for the number of the text and, twice, its time."""
    mes = quote_plus(marks.write(tag, "@NS@")).replace("%", "%%").replace("%%40NS%%40", "%019d")
    path = f"/sys/send.php?{urlencode(who)}&phones={marks.PREFIX}%08d&fmt=3&charset=utf-8&mes={mes}"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


def write_envelope(who: dict[str, str], tag: str) -> bytes:
    """The same as a request to the SOAP service."""
    fields = {**who, "phones": f"{marks.PREFIX}%08d", "mes": marks.write(tag, "@NS@").replace("%", "%%")}
    children = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns:s="http://127.0.0.1/sys/soap.php"><e:Body><s:send>{children}</s:send></e:Body></e:Envelope>'
    ).replace("@NS@", "%019d")
    length = len(body % (0, 0, 0))
    head = "POST /sys/soap.php HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml; charset=utf-8\r\n"
    return f'{head}SOAPAction: "http://127.0.0.1/sys/soap.php"\r\nContent-Length: {length}\r\n\r\n{body}'.encode()


class Load:
    """What is still to be sent and what came of the rest."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        write = write_envelope if options.soap else write_request
        self.templates = [write(who, options.tag) for who in name_senders(options)]
        self.next = self.accepted = self.refused = self.unknown = 0
        self.sent_ns, self.taken_ns = array("q"), array("q")
        self.told = 0
        self.first_ns = self.last_ns = 0
        self.complaint = ""
        self.idle: deque[Connection] = deque()  # the longest idle first: the server closes those that stay silent
        self.alive = 0
        self.ended = False
        self.done = asyncio.get_running_loop().create_future()

    def take(self) -> int | None:
        """The number of the next text."""
        if self.ended or self.next >= self.options.n:
            return None
        self.next += 1
        return self.next - 1

    def settle(self, sent_ns: int, answer: bytes | None) -> None:
        """An answer came, or (None) never will."""
        at_ns = marks.now_ns()
        if answer is None:
            self.unknown += 1
        elif answer.startswith(b"HTTP/1.1 200") and (b'"cnt"' in answer or b"<cnt>" in answer):
            self.accepted += 1
            self.last_ns = at_ns
            self.sent_ns.append(sent_ns)
            self.taken_ns.append(at_ns - sent_ns)
        else:
            self.refused += 1
            self.complaint = self.complaint or answer[:400].decode("latin-1")
        self.look()

    def look(self) -> None:
        """Whether that was all."""
        settled = self.accepted + self.refused + self.unknown
        if settled >= self.next and (self.ended or self.next >= self.options.n) and not self.done.done():
            self.done.set_result(None)

    def end(self) -> None:
        """Send no more."""
        self.ended = True
        self.look()

    def tell(self) -> dict[str, object]:
        """The figures."""
        took_s = (self.last_ns - self.first_ns) / 1e9
        samples = {"samples": [list(self.sent_ns), list(self.taken_ns)]} if self.options.samples else {}
        return {
            "sent": self.next,
            "accepted": self.accepted,
            "refused": self.refused,
            "unknown": self.unknown,
            "first_ns": self.first_ns,
            "rate": self.accepted / took_s if took_s > 0 else 0.0,
            "answer_ms": marks.percentiles(self.taken_ns),
            "complaint": self.complaint,
            **samples,
        }

    def tell_interval(self) -> None:
        """Print the figures since the last time this was asked."""
        answer_ms = marks.percentiles(self.taken_ns[self.told :])
        self.told = len(self.taken_ns)
        say({"sent": self.next, "accepted": self.accepted, "answer_ms": answer_ms})
        asyncio.get_running_loop().call_later(self.options.every, self.tell_interval)


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.buffer = b""
        self.sent_ns = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first request goes at once, or waits for its turn."""
        self.load.alive += 1
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self.get_ready()

    def get_ready(self) -> None:
        """The next one, or a place among the idle."""
        if self.load.options.rate:
            self.load.idle.append(self)
            return
        number = self.load.take()
        if number is not None:
            self.send(number, marks.now_ns())

    def send(self, number: int, ns: int) -> None:
        """Text ``number``, counted from ``ns``."""
        assert self.transport is not None
        self.sent_ns = ns
        self.load.first_ns = self.load.first_ns or ns
        templates = self.load.templates
        self.transport.write(templates[number % len(templates)] % (number, ns, ns))

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        buffer = self.buffer + data
        head = buffer.find(b"\r\n\r\n")
        length = LENGTH.search(buffer, 0, head + 2) if head >= 0 else None
        if length is None or len(buffer) < head + 4 + int(length[1]):
            self.buffer = buffer
            return
        self.buffer = b""
        sent_ns, self.sent_ns = self.sent_ns, 0
        self.load.settle(sent_ns, buffer)
        self.get_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        """What it had asked is never answered; it is not asked again. Without any connection the load is over."""
        self.load.alive -= 1
        if self in self.load.idle:
            self.load.idle.remove(self)
        if not self.load.alive:
            self.load.ended = True
        if self.sent_ns:
            self.load.settle(self.sent_ns, None)
        self.load.look()


async def keep_pace(load: Load) -> None:
    """Text i is due at start + i/rate, whether the former ones were answered or not."""
    start_ns = marks.now_ns() + 20_000_000
    for i in range(load.options.n):
        due_ns = start_ns + int(i * 1e9 / load.options.rate)
        await asyncio.sleep(max(0.0, (due_ns - marks.now_ns()) / 1e9))
        while not load.idle:
            if not load.alive:
                return
            await asyncio.sleep(0.001)
        number = load.take()
        if number is None:
            return
        load.idle.popleft().send(number, due_ns)


def trust_anybody() -> ssl.SSLContext:
    """For a certificate that was made a minute ago."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def main() -> None:
    """Run the load of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="")
    parser.add_argument("--logins", type=int, default=0)
    parser.add_argument("--soap", action="store_true")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--samples", action="store_true")
    parser.add_argument("--every", type=float, default=0.0)
    parser.add_argument("--tag", required=True)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("-c", "--connections", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    load = Load(parser.parse_args())
    loop = asyncio.get_running_loop()
    for _ in range(load.options.connections):
        context = trust_anybody() if load.options.tls else None
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", load.options.port, ssl=context)
    loop.add_signal_handler(signal.SIGTERM, load.end)
    if load.options.every:
        loop.call_later(load.options.every, load.tell_interval)
    pace = asyncio.create_task(keep_pace(load)) if load.options.rate else None
    loop.call_later(load.options.seconds, load.end)
    await asyncio.wait([load.done], timeout=load.options.seconds + ANSWER_S)
    if pace is not None:
        pace.cancel()
    say(load.tell())


if __name__ == "__main__":
    run_tool(main)
