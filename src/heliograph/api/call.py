"""One request on its way through the fixed steps of an operation (design section 7; spec sending 1 and 9).

The steps: parameters, format, ban of the address, login, blocks, concurrency, pace, handler, reply. Nothing here
awaits and no task is made: what is not known at once comes back through a callback, and the reply goes out with it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NoReturn, TypeVar

from heliograph.api.operation import Operation, Services
from heliograph.api.params import Params
from heliograph.api.refusals import describe
from heliograph.api.render import declare, encode, render, render_list, respond, respond_encoded
from heliograph.api.request import Answer, Reply, Request
from heliograph.api.shapes import ERROR, Rows, Shape
from heliograph.core.accounts import Account
from heliograph.core.messages import Door
from heliograph.core.news import write_id as write_id
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.services.guard import is_within, networks_of

log = logging.getLogger("heliograph.api")
T = TypeVar("T")
Write = Callable[["Call", Shape, Any], Answer]

_NO_IDENTITY = frozenset({"login", "psw", "apikey", "fmt", "charset"})
_WITH_ID = frozenset({3, 6, 7, 8})
PORTION = 40  # items of a long list described and rendered at once: at some 25 µs each, 1 ms of the loop


class Call:
    """One request on its way through an operation; its reply goes out exactly once.

    A door whose replies have a form of their own gives ``write``: it makes the answer of a shape and its value, in place of
    the formats, and finds in ``refusal`` why there is none of the operation's own.
    """

    __slots__ = (
        "_answered",
        "_entered",
        "_reply",
        "_write",
        "account",
        "client",
        "door",
        "fmt",
        "now_ms",
        "operation",
        "params",
        "refusal",
        "services",
    )

    # Set by `begin` before any handler sees the call.
    account: Account

    def __init__(
        self,
        services: Services,
        operation: Operation,
        request: Request,
        params: Params,
        fmt: int,
        reply: Reply,
        write: Write | None = None,
        door: Door = Door.HTTP,
    ) -> None:
        self.services = services
        self.operation = operation
        self.params = params
        self.fmt = fmt
        self.client = request.client
        self.now_ms = request.received_ns // 1_000_000
        self.door = door
        self.refusal: Refusal | None = None
        self._reply = reply
        self._write = write
        self._answered = False
        self._entered = False

    def begin(self) -> None:
        """Login first; the rest follows when it is known who asks."""
        try:
            self._log_in()
        except Refused as refused:
            self.refuse(Refusal(refused.reason, refused.detail))
        except Exception:
            self.fail()

    def answer(self, shape: Shape, value: Any) -> None:
        """Renders a value and sends it."""
        self.respond(self._render(shape, value))

    def _render(self, shape: Shape, value: Any) -> Answer:
        if self._write is not None:
            return self._write(self, shape, value)
        return respond(render(shape, value, self.fmt), self.fmt, self.params.charset)

    def answer_list(self, shape: Rows, items: Sequence[T], describe: Callable[["Call", T], Mapping[str, Any]]) -> None:
        """``answer`` for a list that may be long: ``describe`` makes the value of each item, and items are described and
        rendered some at a time, so that other requests are served between. The reply is that of ``answer``.

        Up to ``PORTION`` items are answered at once; for more, an event loop must be running.
        """
        if self._write is not None:
            self.answer(shape, [describe(self, item) for item in items])
            return
        _Listing(self, shape, items, describe).go_on()

    def refuse(self, refusal: Refusal) -> None:
        """Sends an error, with the id of a message that was stored all the same (numbers 3, 6, 7, 8)."""
        self.refusal = refusal
        own = self.operation.words.get(refusal.reason)
        if own is not None:
            value: dict[str, Any] = {"error": own[1], "error_code": own[0]}
        else:
            value = describe(refusal.reason, refusal.detail)
            if refusal.id and value["error_code"] in _WITH_ID:
                value["id"] = write_id(refusal.id)
        self.answer(ERROR, value)

    def respond(self, answer: Answer) -> None:
        """Sends a finished answer and gives the concurrency slot back."""
        if self._answered:
            log.error("api_second_answer_dropped", extra={"operation": self.operation.name})
            return
        self._answered = True
        if self._entered:
            self.services.guard.leave(self.account.id)
        self._reply(answer)

    def fail(self) -> None:
        """Inside an ``except``: logs the error once and answers in the asked format, unless that has happened."""
        log.exception("api_operation_failed", extra={"operation": self.operation.name})
        if not self._answered:
            value = describe(Reason.BAD_PARAMETERS, "internal failure")
            self.respond(self._render(ERROR, value))

    def then(self, finish: Callable[["Call", T], None]) -> Callable[[T], None]:
        """A callback for a service: what goes wrong in ``finish`` becomes this call's reply, not the service's trouble."""

        def done(result: T) -> None:
            try:
                finish(self, result)
            except Refused as refused:
                self.refuse(Refusal(refused.reason, refused.detail))
            except Exception:
                self.fail()

        return done

    def pace(self, what: str, identity: str, limit: int, period_s: int = 60) -> None:
        """Refused(TOO_MANY_REQUESTS) when more than ``limit`` calls with this identity came within the period."""
        print = fingerprint(identity) if identity else 0
        if not self.services.guard.pace(self.account.id, what, print, limit, period_s, self.now_ms):
            raise Refused(Reason.TOO_MANY_REQUESTS)

    def _log_in(self) -> None:
        params = self.params
        guard = self.services.guard
        if guard.is_banned(self.client, self.now_ms):
            raise Refused(Reason.ADDRESS_BANNED)
        apikey = params.get("apikey", "")
        login = params.get("login", "")
        psw = params.get("psw", "")
        if not (apikey or psw):
            raise Refused(Reason.BAD_LOGIN)
        verify = self.services.credentials.verify
        if apikey:
            verify("", "", apikey, self.client, self.then(Call._admit))
        elif login:
            verify(login, psw, "", self.client, self.then(Call._admit))
        else:
            verify("", "", psw, self.client, self.then(Call._admit))

    def _admit(self, account: Account | Refusal | None) -> None:
        """From the login to the handler: blocks, concurrency, pace."""
        guard = self.services.guard
        if not isinstance(account, Account):
            if account is not None:
                raise Refused(account.reason, account.detail)
            self._turn_away(Reason.BAD_LOGIN)
        self.account = account
        settings = account.settings
        if settings.blocked:
            self._turn_away(Reason.ACCOUNT_BLOCKED)
        if settings.addresses and not is_within(self.client, networks_of(settings.addresses)):
            self._turn_away(Reason.ADDRESS_NOT_ALLOWED)
        if not guard.enter(account):
            raise Refused(Reason.TOO_MANY_AT_ONCE)
        self._entered = True
        for pace in self.operation.paces:
            identity = self._identity() if pace.identical else ""
            self.pace(f"{self.operation.name}/{pace.period_s}", identity, pace.limit, pace.period_s)
        self.operation.handler(self)

    def _turn_away(self, reason: Reason) -> NoReturn:
        """Error 2, and one of those that ban an address: a right password that is of no use must look like a wrong one."""
        self.services.guard.note_login_failed(self.client, self.params.get("login", ""), self.now_ms)
        raise Refused(reason)

    def _identity(self) -> str:
        return "\0".join(f"{key}={self.params[key]}" for key in sorted(self.params) if key not in _NO_IDENTITY)


class _Listing:
    """A long list on its way out, a portion a turn of the loop."""

    __slots__ = ("_call", "_describe", "_items", "_next", "_pieces", "_shape")

    def __init__(self, call: Call, shape: Rows, items: Sequence[Any], describe: Callable[[Call, Any], Any]) -> None:
        self._call = call
        self._shape = shape
        self._items = items
        self._describe = describe
        self._next = 0
        self._pieces: list[bytes] = []

    def go_on(self) -> None:
        """The next portion; whatever goes wrong is the call's reply."""
        try:
            self._render()
        except Refused as refused:
            self._call.refuse(Refusal(refused.reason, refused.detail))
        except Exception:
            self._call.fail()

    def _render(self) -> None:
        call = self._call
        fmt, charset = call.fmt, call.params.charset
        before, between, behind, write = render_list(self._shape, fmt)
        portion = self._items[self._next : self._next + PORTION]
        text = between.join([write(self._describe(call, item)) for item in portion])
        text = f"{between}{text}" if self._next else f"{declare(fmt, charset)}{before}{text}"
        self._next += PORTION
        if self._next < len(self._items):
            self._pieces.append(encode(text, fmt, charset))
            asyncio.get_running_loop().call_soon(self.go_on)
            return
        self._pieces.append(encode(text + behind, fmt, charset))
        call.respond(respond_encoded(b"".join(self._pieces), fmt, charset))


def fingerprint(identity: str) -> int:
    """63 bits that stand for a text."""
    return int.from_bytes(blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1
