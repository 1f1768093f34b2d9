"""What an operation of the HTTP API is, and the fixed steps around its handler (design section 7; spec sending 1 and 9).

The steps: parameters, format, ban of the address, login, blocks, concurrency, pace, handler, reply. Nothing here
awaits and no task is made: what is not known at once comes back through a callback, and the reply goes out with it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NoReturn, Protocol, TypeVar

import msgspec

from heliograph.api.inputs import Parameter
from heliograph.api.params import Params
from heliograph.api.refusals import describe
from heliograph.api.render import render, respond
from heliograph.api.request import Answer, Reply, Request
from heliograph.api.shapes import ERROR, Shape
from heliograph.core.accounts import Account
from heliograph.core.messages import Accepted, Message, Quote, Submission
from heliograph.core.ranges import Place
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.services.guard import is_within, networks_of

log = logging.getLogger("heliograph.api")
T = TypeVar("T")


class Credentials(Protocol):
    """Who is asking."""

    def verify(
        self, login: str, psw: str, apikey: str, client: str, done: Callable[[Account | Refusal | None], None], /
    ) -> None:
        """Calls ``done`` with the account, None, or a refusal when there is no room for the check: at once when the
        answer is remembered, else after hashing."""


class Guard(Protocol):
    """What protects the service from too much: bans, concurrency, pace."""

    def is_banned(self, client: str, now_ms: int, /) -> bool:
        """Whether requests of this address are refused for now (error 4)."""

    def note_login_failed(self, client: str, login: str, now_ms: int, /) -> None:
        """Counts towards a ban: five in half an hour."""

    def note_send(self, client: str, ok: bool, now_ms: int, /) -> None:
        """Counts towards a ban: a hundred failed sends in a row."""

    def enter(self, account: Account, /) -> bool:
        """Takes one of the account's slots for simultaneous requests; False when there is none."""

    def leave(self, account_id: int, /) -> None:
        """Gives the slot back."""

    def pace(self, account_id: int, what: str, print: int, limit: int, period_s: int, now_ms: int, /) -> bool:
        """Counts a request; False when more than ``limit`` with the same 63-bit ``print`` came in the period."""


class Submitting(Protocol):
    """Takes texts, or prices them."""

    def accept(
        self, account: Account, submission: Submission, now_ms: int, done: Callable[[Accepted | Refusal], None], /
    ) -> None:
        """Calls ``done`` when the submission is on disk, or refused."""

    def price(
        self, account: Account, submission: Submission, now_ms: int, done: Callable[[Quote | Refusal], None], /
    ) -> None:
        """Calls ``done`` with what it would cost; nothing is sent."""


class Statuses(Protocol):
    """What became of messages."""

    def find(
        self, account_id: int, wanted: Sequence[tuple[str, str]], done: Callable[[list[Message | None] | None], None], /
    ) -> None:
        """The latest message of each (id, phone as typed), None where there is none; or None when it cannot be told."""

    def delete(self, account: Account, id: str, phone: str, now_ms: int, done: Callable[[bool], None], /) -> None:
        """Takes a message out of the history, and stops it when it still waits."""


class Money(Protocol):
    """Balances."""

    def balance(self, account_id: int, /) -> tuple[int, int, int]:
        """Main balance, second balance, credit, in 1/10,000 of a unit."""


class Places(Protocol):
    """Where numbers belong."""

    def look_up(self, phone: str, /) -> Place | None:
        """Country, operator and region of an international number."""


@dataclass(slots=True)
class Services:
    """Everything operations ask. ``normalize`` makes the international number that a text means, None for a bad one."""

    credentials: Credentials
    guard: Guard
    submitting: Submitting
    statuses: Statuses
    money: Money
    places: Places
    normalize: Callable[[str], str | None]


class Pace(msgspec.Struct, frozen=True):
    """At most ``limit`` requests in ``period_s``: of identical ones, or of any to this operation."""

    limit: int
    period_s: int = 60
    identical: bool = True


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One documented action: ``/sys/<page>.php`` and ``/rest/<page>/``, chosen by ``flag`` where a page has several.

    ``replies`` are (when, shape) for the reference; ``errors`` the numbers it answers with besides 2, 4 and 9;
    ``words`` replaces number and words of a reason where this page has its own.
    """

    name: str
    page: str
    title: str
    help: str
    handler: Callable[["Call"], None]
    parameters: tuple[Parameter, ...]
    replies: tuple[tuple[str, Shape], ...]
    flag: str = ""
    errors: tuple[tuple[int, str], ...] = ()
    limits: tuple[str, ...] = ()
    paces: tuple[Pace, ...] = ()
    words: Mapping[Reason, tuple[int, str]] = {}

    @property
    def paths(self) -> tuple[str, str]:
        """The addresses of the operation's page."""
        return f"/sys/{self.page}.php", f"/rest/{self.page}/"


COMMON = (
    Parameter("login", "Account login; empty with an API key in psw"),
    Parameter("psw", "Password as it is, or its MD5 or SHA-1 in lower-case hex"),
    Parameter("apikey", "API key instead of login and psw"),
    Parameter("fmt", "Reply format: 0 text, 1 values between commas, 2 XML, 3 JSON", "0 to 3", "0, on /rest/ paths 3"),
    Parameter(
        "charset",
        "Encoding of request and reply",
        "windows-1251, utf-8 or koi8-r",
        "windows-1251, on /rest/ paths utf-8",
    ),
)
"""Parameters that every operation takes."""

_NO_IDENTITY = frozenset({"login", "psw", "apikey", "fmt", "charset"})
_WITH_ID = frozenset({3, 6, 7, 8})
_MAX_ID = 2**31 - 1


class Call:
    """One request on its way through an operation; its reply goes out exactly once."""

    __slots__ = (
        "_answered",
        "_entered",
        "_reply",
        "account",
        "client",
        "fmt",
        "now_ms",
        "operation",
        "params",
        "services",
    )

    # Set by `begin` before any handler sees the call.
    account: Account

    def __init__(
        self, services: Services, operation: Operation, request: Request, params: Params, fmt: int, reply: Reply
    ) -> None:
        self.services = services
        self.operation = operation
        self.params = params
        self.fmt = fmt
        self.client = request.client
        self.now_ms = request.received_ns // 1_000_000
        self._reply = reply
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
        self.respond(respond(render(shape, value, self.fmt), self.fmt, self.params.charset))

    def refuse(self, refusal: Refusal) -> None:
        """Sends an error, with the id of a message that was stored all the same (numbers 3, 6, 7, 8)."""
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
            self.respond(respond(render(ERROR, value, self.fmt), self.fmt, self.params.charset))

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


def fingerprint(identity: str) -> int:
    """63 bits that stand for a text."""
    return int.from_bytes(blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def write_id(id: str) -> int | str:
    """A message id as it goes out: a number unless it is a text of the caller's own (spec sending 7.1)."""
    if id.isascii() and id.isdigit() and (number := int(id)) <= _MAX_ID and str(number) == id:
        return number
    return id
