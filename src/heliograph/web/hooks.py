"""The hook by which lines without SIP tell of calls: POST /hooks/call, signed (docs/calls.md; RFC 2104)."""

import hashlib
import hmac
import re
from collections.abc import Callable
from typing import Protocol
from urllib.parse import parse_qsl

import msgspec

from heliograph.api.request import Reply, Request, Response, json, plain

PATH = "/hooks/call"
HEADER = b"x-heliograph-signature"
WINDOW_S = 300  # a signature is good so long before and after its time
LARGEST = 4096  # bytes of a body: three short fields
MOST = 50_000  # remembered answers; each was signed, so only the line itself can fill them
_SIGNATURE = re.compile(rb"t=(\d{1,11})((?:,v1=[0-9a-f]{64}){1,8})", re.ASCII)
_NUMBER = re.compile(r"\+?[0-9 ().-]{3,40}", re.ASCII)
_CLOSED = plain("404: there is no such page\n", 404)
_METHOD = Response(405, b"text/plain; charset=utf-8", b"405: POST\n", ((b"Allow", b"POST"),))
_UNSIGNED = plain("401: no signature, a wrong one, or one of another time\n", 401)
_LATER = Response(503, b"text/plain; charset=utf-8", b"503: send it again\n", ((b"Retry-After", b"5"),))


class Calls(Protocol):
    """What becomes of a call (services.waits)."""

    def call(
        self, caller: str, called: str, now_ms: int, done: Callable[[bool | None], None], at_ms: int = 0, /
    ) -> None:
        """Calls ``done`` with whether it was waited for, None when it could not be kept."""


class CallHook:
    """The application of the hook; closed without a secret. A request that comes again gets the answer it had."""

    def __init__(self, calls: Calls, secret: str, clock_ms: Callable[[], int]) -> None:
        self._calls = calls
        self._secret = secret.encode()
        self._clock_ms = clock_ms
        # By signature, oldest first: until when it is good, and the answer, or who waits for it.
        self._known: dict[bytes, tuple[int, bool | list[Reply]]] = {}
        self.taken = self.refused = 0

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answers exactly once, when the call is on disk."""
        if not self._secret:
            reply(_CLOSED)
            return
        if request.method != "POST":
            reply(_METHOD)
            return
        now_ms = self._clock_ms()
        signed = self._verify(request, now_ms // 1000)
        if signed is None:
            self.refused += 1
            reply(_UNSIGNED)
            return
        try:
            caller, called, ts = read_call(request)
        except ValueError as error:
            self.refused += 1
            reply(plain(f"400: {error}\n", 400))
            return
        at_s, digest = signed
        if not self._answer_again(digest, reply):
            self._remember(digest, at_s, [reply], now_ms)
            self._calls.call(caller, called, now_ms, lambda kept: self._finish(digest, at_s, kept), ts * 1000)

    def _verify(self, request: Request, now_s: int) -> tuple[int, bytes] | None:
        """The time of the signature and what it signs; None when it is not good. All are compared, in constant time."""
        found = _SIGNATURE.fullmatch(request.headers.get(HEADER, b"").strip())
        if found is None or len(request.body) > LARGEST or abs(int(found[1]) - now_s) > WINDOW_S:
            return None
        wanted = hmac.new(self._secret, found[1] + b"." + request.body, hashlib.sha256).hexdigest().encode()
        good = [hmac.compare_digest(given[3:], wanted) for given in found[2].split(b",")[1:]]
        return (int(found[1]), wanted) if any(good) else None

    def _answer_again(self, digest: bytes, reply: Reply) -> bool:
        """Whether this very request has come before: then it is answered, now or with the first."""
        known = self._known.get(digest)
        if known is None:
            return False
        if isinstance(known[1], list):
            known[1].append(reply)
        else:
            reply(_tell(known[1]))
        return True

    def _remember(self, digest: bytes, at_s: int, answer: bool | list[Reply], now_ms: int) -> None:
        self._known[digest] = (at_s + WINDOW_S, answer)
        while self._known:
            oldest = next(iter(self._known))
            until_s, found = self._known[oldest]
            if isinstance(found, list) or (until_s >= now_ms // 1000 and len(self._known) <= MOST):
                break
            del self._known[oldest]

    def _finish(self, digest: bytes, at_s: int, kept: bool | None) -> None:
        _, replies = self._known.pop(digest)
        assert isinstance(replies, list)
        if kept is not None:
            self.taken += 1
            self._remember(digest, at_s, kept, self._clock_ms())
        for reply in replies:
            reply(_LATER if kept is None else _tell(kept))


def read_call(request: Request) -> tuple[str, str, int]:
    """Who calls whom, and when in UNIX seconds (0: not said), from a form or a JSON object; ValueError in words."""
    body = request.body.strip()
    fields: dict[str, object] = {}
    try:
        if body.startswith(b"{"):
            fields = msgspec.json.decode(body, type=dict[str, object])
        else:
            fields = dict(parse_qsl(body.decode("ascii"), max_num_fields=20, encoding="utf-8", errors="strict"))
    except (msgspec.DecodeError, ValueError):
        raise ValueError("the body is neither a form nor a JSON object") from None
    numbers = []
    for name in ("from", "to"):
        text = _write(fields.get(name))
        # A blank before the number is the plus that a form makes one of; and a plus says that it is international.
        text = "+" + text.strip() if text[:1] == " " and "+" not in text else text.strip()
        if not _NUMBER.fullmatch(text):
            raise ValueError(f"{name} is no number")
        numbers.append(text)
    ts = _write(fields.get("ts")).strip()
    if ts and not (ts.isascii() and ts.isdigit() and len(ts) <= 10):
        raise ValueError("ts is no time in UNIX seconds")
    return numbers[0], numbers[1], int(ts or 0)


def _write(value: object) -> str:
    """A field as text; numbers may stand bare in JSON. Nothing else is taken for one."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return str(value)


def _tell(expected: bool) -> Response:
    return json({"expected": expected})
