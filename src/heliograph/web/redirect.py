"""The redirect of short links: ``/r/CODE`` on every host, ``/CODE`` on a host that is for them alone (docs/links.md; RFC 9110, 15.4.3).

Only addresses that stand in the store are sent to, and nothing of the request comes back in an answer.
"""

import re
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

from heliograph.api.request import TEXT, Reply, Request, Response
from heliograph.core.links import LENGTH, write_location

# Programs that look a link up before a person does. Some phones are called Cubot.
_PREVIEWS = re.compile(
    rb"(?<!cu)bot|crawl|spider|preview|whatsapp|facebookexternalhit|vkshare|viber|slack-|google-|headlesschrome",
    re.IGNORECASE,
)
_PATH = re.compile(rf"/(?:r/)?([0-9A-Za-z]{{{LENGTH}}})/?", re.ASCII)
_FRESH = ((b"Cache-Control", b"no-store"),)
_NOWHERE = Response(404, TEXT, b"404: there is no such link\n", _FRESH)
_AWAY = Response(503, TEXT, b"503: try again in a minute\n", (*_FRESH, (b"Retry-After", b"60")))
_METHOD = Response(405, TEXT, b"405: GET\n", ((b"Allow", b"GET, HEAD"),))


class Follows(Protocol):
    """Where a code leads (services.clicks)."""

    def follow(self, code: str, counted: bool, now_ms: int, done: Callable[[str | None], None], /) -> None:
        """Calls ``done`` with the address, "" for an unknown code, None when that cannot be told now."""


class Redirect:
    """The application of short links. ``set_base`` names the host that is for them alone, if there is one."""

    def __init__(self, clicks: Follows, base: str = "") -> None:
        self._clicks = clicks
        self._host = b""
        self.redirected = self.unknown = self.unavailable = 0
        self.set_base(base)

    def set_base(self, base: str) -> None:
        """The address before the codes; a bare domain gives its whole host to them."""
        parts = urlsplit(base)
        self._host = parts.netloc.lower().encode() if base and parts.path in ("", "/") else b""

    def knows(self, request: Request) -> bool:
        """Whether a request is for a short link."""
        path = request.path
        if path.startswith("/r/"):
            return True
        return bool(self._host) and _host_of(request) == self._host and _PATH.fullmatch(path) is not None

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answers exactly once, a click when it is on disk."""
        if request.method not in ("GET", "HEAD"):
            reply(_METHOD)
            return
        found = _PATH.fullmatch(request.path)
        if found is None:
            self.unknown += 1
            reply(_NOWHERE)
            return

        def done(url: str | None) -> None:
            reply(self._answer(url))

        counted = request.method == "GET" and not is_preview(request)
        self._clicks.follow(found[1], counted, request.received_ns // 1_000_000, done)

    def _answer(self, url: str | None) -> Response:
        if url is None:
            self.unavailable += 1
            return _AWAY
        if not url:
            self.unknown += 1
            return _NOWHERE
        self.redirected += 1
        return _send_on(url)


def is_preview(request: Request) -> bool:
    """Whether a program looks at the link before (or instead of) a person: a messenger, a search engine, a prefetch."""
    headers = request.headers
    purpose = headers.get(b"sec-purpose", b"") or headers.get(b"purpose", b"")
    return b"prefetch" in purpose or _PREVIEWS.search(headers.get(b"user-agent", b"")) is not None


def _host_of(request: Request) -> bytes:
    host = request.headers.get(b"host", b"").lower()
    return host.removesuffix(b":443") if request.secure else host.removesuffix(b":80")


def _send_on(url: str) -> Response:
    escaped = "".join(
        letter if "!" <= letter <= "~" else "".join(f"%{byte:02X}" for byte in letter.encode())
        for letter in write_location(url)
    )
    return Response(302, b"", b"", ((b"Location", escaped.encode()), *_FRESH))
