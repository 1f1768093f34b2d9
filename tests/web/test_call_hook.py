"""The hook of lines without SIP on a real socket: what it takes, what it refuses, and that a repeat does nothing twice."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable

import pytest

from heliograph import config
from heliograph.api.request import Reply, Request
from heliograph.gateways.http import HttpDoor
from heliograph.web.hooks import MOST, CallHook, read_call

SECRET = "a-secret-of-the-line"
NOW_S = 1_790_000_000
FORM = b"from=79161234567&to=78005550000"


class FakeCalls:
    """Notes calls; says the same of each, or waits until it is told (`slow`)."""

    def __init__(self, kept: bool | None = True, slow: bool = False) -> None:
        self.kept = kept
        self.slow = slow
        self.seen: list[tuple[str, str, int]] = []
        self.pending: list[Callable[[bool | None], None]] = []

    def call(self, caller: str, called: str, now_ms: int, done: Callable[[bool | None], None], at_ms: int = 0) -> None:
        assert now_ms == NOW_S * 1000
        self.seen.append((caller, called, at_ms))
        if self.slow:
            self.pending.append(done)
        else:
            done(self.kept)


def sign(body: bytes, at_s: int = NOW_S, secret: str = SECRET) -> str:
    """As docs/calls.md says."""
    return f"t={at_s},v1={hmac.new(secret.encode(), b'%d.%b' % (at_s, body), hashlib.sha256).hexdigest()}"


def ask(hook: CallHook, body: bytes = FORM, signature: str | None = None, method: str = "POST") -> tuple[int, bytes]:
    """One request over a socket."""

    async def story() -> tuple[int, bytes]:
        door = HttpDoor(hook)
        host, port = await door.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        head = f"{method} /hooks/call HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        if signature != "":
            head += f"X-Heliograph-Signature: {sign(body) if signature is None else signature}\r\n"
        writer.write(head.encode() + b"\r\n" + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        await door.stop(1)
        return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]

    return asyncio.run(story())


def make(calls: FakeCalls, secret: str = SECRET) -> CallHook:
    """The hook at a fixed time."""
    return CallHook(calls, secret, lambda: NOW_S * 1000)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (FORM, ("79161234567", "78005550000", 0)),
        (
            b"from=%2B7+916+123-45-67&to=78005550000&ts=1789999990",
            ("+7 916 123-45-67", "78005550000", 1_789_999_990_000),
        ),
        (
            b'{"from": "79161234567", "to": 78005550000, "ts": 1789999990}',
            ("79161234567", "78005550000", 1_789_999_990_000),
        ),
        (b' {"from": 79161234567, "to": "5055", "line": "north"}', ("79161234567", "5055", 0)),
    ],
)
def test_signed_call_is_taken(body: bytes, wanted: tuple[str, str, int]) -> None:
    """A form or a JSON object; numbers as the line writes them."""
    for kept, answer in ((True, b'{"expected":true}'), (False, b'{"expected":false}')):
        calls = FakeCalls(kept)
        assert ask(make(calls), body) == (200, answer)
        assert calls.seen == [wanted]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t=1,v1=",
        sign(FORM + b"1"),
        sign(FORM, secret="another-secret-of-a-line"),
        sign(FORM, NOW_S - 301),
        sign(FORM, NOW_S + 301),
        sign(FORM).replace(f"t={NOW_S}", f"t={NOW_S + 1}"),
        sign(FORM).upper(),
        "v1=" + sign(FORM),
    ],
)
def test_unsigned_call_is_refused(signature: str) -> None:
    """No signature, one of another body, secret or time: nobody is confirmed by it."""
    calls = FakeCalls()
    assert ask(make(calls), signature=signature)[0] == 401
    assert calls.seen == []


def test_signature_is_good_for_five_minutes_and_among_others() -> None:
    """Clocks differ; a line that changes its secret may sign with both."""
    good = sign(FORM)
    for signature in (sign(FORM, NOW_S - 300), sign(FORM, NOW_S + 300), good.replace(",", f",v1={'0' * 64},")):
        assert ask(make(FakeCalls()), signature=signature)[0] == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", b"400: from is no number\n"),
        (b"from=79161234567", b"400: to is no number\n"),
        (b"from=alice&to=78005550000", b"400: from is no number\n"),
        (b"from=79161234567&to=78005550000&ts=soon", b"400: ts is no time in UNIX seconds\n"),
        (b'{"from": true, "to": []}', b"400: from is no number\n"),
        (b'{"from": 79161234567, "to": "78005550000", "ts": -1}', b"400: ts is no time in UNIX seconds\n"),
        (b'{"from": ', b"400: the body is neither a form nor a JSON object\n"),
        (b"\xff\xfe", b"400: the body is neither a form nor a JSON object\n"),
        (b"from=" + "٧٩١٦".encode(), b"400: the body is neither a form nor a JSON object\n"),
        (b"from=%D9%A7%D9%A9%D9%A1%D9%A6&to=1", b"400: from is no number\n"),
    ],
)
def test_bad_body_is_error_400(body: bytes, words: bytes) -> None:
    """In words, and nothing is taken."""
    calls = FakeCalls()
    assert ask(make(calls), body) == (400, words)
    assert calls.seen == []


def test_hook_without_secret_is_closed() -> None:
    """Nobody may confirm numbers at an installation that has not asked for it, however he signs."""
    calls = FakeCalls()
    assert ask(make(calls, ""), signature=sign(FORM, secret=""))[0] == 404
    assert ask(make(calls), method="GET")[0] == 405
    assert ask(make(calls), b"x" * 5000)[0] == 401
    assert calls.seen == []


def request(body: bytes = FORM, at_s: int = NOW_S) -> Request:
    """A signed request."""
    return Request("POST", "/hooks/call", headers={b"x-heliograph-signature": sign(body, at_s).encode()}, body=body)


def test_repeated_request_gets_the_answer_it_had() -> None:
    """While the first is on its way, and afterwards; a later one is a new call."""
    calls = FakeCalls(slow=True)
    hook = make(calls)
    answers: list[object] = []
    reply: Reply = lambda answer: answers.append(getattr(answer, "body", None))  # noqa: E731
    hook(request(), reply)
    hook(request(), reply)
    assert (len(calls.seen), answers) == (1, [])
    calls.pending[0](True)
    hook(request(), reply)
    assert (len(calls.seen), answers) == (1, [b'{"expected":true}'] * 3)
    hook(request(at_s=NOW_S + 1), reply)
    assert len(calls.seen) == 2
    assert hook.taken == 1


def test_call_that_could_not_be_kept_may_come_again() -> None:
    """503, and the very same request is taken then."""
    calls = FakeCalls(None)
    hook = make(calls)
    statuses: list[int] = []
    reply: Reply = lambda answer: statuses.append(getattr(answer, "status", 0))  # noqa: E731
    hook(request(), reply)
    calls.kept = True
    hook(request(), reply)
    assert (statuses, len(calls.seen)) == ([503, 200], 2)


def test_remembered_answers_are_bounded() -> None:
    """Those whose signature is no longer good go, and never more than a bound stay."""
    now_s = [NOW_S]
    calls = FakeCalls()
    calls.call = lambda caller, called, now_ms, done, at_ms=0: done(True)  # type: ignore[method-assign]
    hook = CallHook(calls, SECRET, lambda: now_s[0] * 1000)
    for second in range(3):
        hook(request(at_s=NOW_S + second), lambda answer: None)
    assert len(hook._known) == 3
    now_s[0] += 302
    hook(request(at_s=now_s[0]), lambda answer: None)
    assert len(hook._known) == 2
    assert MOST * 400 < 32 * 2**20  # some 400 bytes each


def test_numbers_may_be_written_with_a_plus_that_a_form_turns_into_a_blank() -> None:
    """Nobody escapes it; and it says that +84912345678 is of Vietnam, and not 8 491 234-56-78 of Ryazan."""
    assert read_call(Request("POST", "/", body=b"from=+79161234567&to=+78005550000&ts=+5")) == (
        "+79161234567",
        "+78005550000",
        5,
    )
    assert read_call(Request("POST", "/", body=b"from=+%2B79161234567+&to=78005550000+"))[:2] == (
        "+79161234567",
        "78005550000",
    )


def test_short_secret_stops_the_start_and_none_is_shown() -> None:
    """A secret that can be guessed confirms anything; one that is printed is none."""
    with pytest.raises(config.ConfigError, match=r"calls\.hook_secret: 16 characters or more"):
        config.load(None, {"HELIOGRAPH_CALLS_HOOK_SECRET": "short"})
    found = config.load(None, {"HELIOGRAPH_CALLS_HOOK_SECRET": SECRET})
    assert found.calls.hook_secret == SECRET
    assert SECRET not in str(config.mask(found))
