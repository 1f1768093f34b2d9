"""What an operation of the HTTP API is: its page, parameters, replies, errors and pace, as data (design section 7; spec sending 1 and 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import msgspec

from heliograph.api.inputs import Parameter
from heliograph.api.shapes import Shape
from heliograph.core import histories
from heliograph.core.accounts import Account
from heliograph.core.exports import Task, Wanted
from heliograph.core.links import Counts
from heliograph.core.messages import Accepted, Message, Quote, Submission
from heliograph.core.ranges import Place
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.rents import Number, Rates
from heliograph.core.tariffs import Tariff
from heliograph.services.inbound import Inbound
from heliograph.services.newsfeed import Batch
from heliograph.services.statistics import Total
from heliograph.services.waits import Awaited

if TYPE_CHECKING:
    from heliograph.api.call import Call
    from heliograph.services.exports import Opened


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


class Captchas(Protocol):
    """The pictures that keep robots from a customer's form."""

    def spend(self, client: str, code: str, now_ms: int, /) -> bool:
        """Whether a picture shown to this address holds the code; right or wrong, what was shown to it is used up."""


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


class Statistics(Protocol):
    """Sums of a period."""

    def find(
        self,
        account: Account,
        start_ms: int,
        end_ms: int,
        wallet: int,
        exchanged: bool,
        done: Callable[[list[Total] | None], None],
        /,
    ) -> None:
        """One total a login and currency from ``start_ms`` up to ``end_ms`` of balance 1 or 2, ``exchanged`` into the
        account's present currency; or None when it cannot be told."""


class Tariffs(Protocol):
    """Price lists."""

    def tariff_of(self, account: Account, /) -> Tariff | None:
        """The price list of an account, None when it has none."""


class Links(Protocol):
    """Short links."""

    def find(
        self, account: Account, id: int, link: str, now_ms: int, done: Callable[[Counts | Refusal], None], /
    ) -> None:
        """Calls ``done`` with a link of the account and its clicks: by its id, or (id 0) by its address as people type it."""


class Exports(Protocol):
    """Deferred tasks: exports of the history. ``done`` is called with what was asked for, or why there is none."""

    def add(self, wanted: Wanted, name: str, now_ms: int, done: Callable[[Task | Refusal], None], /) -> None:
        """Makes a task."""

    def tasks(
        self, account_id: int, after_id: int, count: int, done: Callable[[list[Task] | Refusal], None], /
    ) -> None:
        """The first ``count`` tasks of an account with higher ids than ``after_id``."""

    def find(self, account_id: int, id: int, done: Callable[[Task | Refusal], None], /) -> None:
        """One task of an account."""

    def cancel(self, account_id: int, id: int, now_ms: int, done: Callable[[Refusal | None], None], /) -> None:
        """Cancels a task; the file of one that is done goes."""

    def open(self, account_id: int, id: int, file: str, done: Callable[[Opened | Refusal], None], /) -> None:
        """The open file of a task that is done, by its id or (0) by the file's name."""


class Histories(Protocol):
    """What was sent and what came in."""

    def find(self, account_id: int, wanted: histories.Wanted, done: Callable[[list[Message] | None], None], /) -> None:
        """The messages wanted, newest first; None when the store cannot be asked."""

    def incoming(
        self,
        account_id: int,
        after_id: int,
        since_ms: int,
        to_phones: tuple[str, ...],
        limit: int,
        done: Callable[[list[Inbound] | None], None],
        /,
    ) -> None:
        """Texts with higher ids than ``after_id`` that came at or after ``since_ms`` to one of these numbers (none: any),
        oldest first; None when the store cannot be asked."""


class Numbers(Protocol):
    """Dedicated numbers."""

    def list_free(self, account: Account, /) -> list[Number]:
        """The numbers that an account may rent."""

    def price(self, number: Number, account: Account, now_ms: int, /) -> Rates | None:
        """What one costs it; None where that cannot be told."""

    def rent(
        self, account: Account, phone: str, noprolong: bool, now_ms: int, done: Callable[[int | Refusal], None], /
    ) -> None:
        """Rents a number to an account; what was taken from it, once it is on disk."""

    def set_noprolong(
        self, account: Account, phone: str, noprolong: bool, now_ms: int, done: Callable[[int | Refusal], None], /
    ) -> None:
        """Whether a number of the account ends with the month; 0 once it is on disk."""


class Waits(Protocol):
    """Numbers confirmed by their subscribers' calls."""

    def wait(self, account: Account, given: str, now_ms: int, done: Callable[[Awaited | Refusal], None], /) -> None:
        """Waits for a call of a subscriber; the number that he is to call."""


@dataclass(slots=True)
class Services:
    """Everything operations ask. ``normalize`` makes the international number that a text means, None for a bad one;
    ``make_code`` six digits that nobody can guess."""

    credentials: Credentials
    guard: Guard
    submitting: Submitting
    statuses: Statuses
    money: Money
    places: Places
    normalize: Callable[[str], str | None]
    tariffs: Tariffs
    statistics: Statistics
    links: Links
    exports: Exports
    newsfeed: Newsfeed
    histories: Histories
    numbers: Numbers
    waits: Waits
    captchas: Captchas
    make_code: Callable[[], str]


class Newsfeed(Protocol):
    """News to be fetched."""

    def read(
        self, account: Account, after: int, limit: int, wait_s: int, done: Callable[[Batch | None], None], /
    ) -> None:
        """Calls ``done`` with what is behind a number, waiting for the first piece if need be; None when the store cannot
        be asked."""


class Pace(msgspec.Struct, frozen=True):
    """At most ``limit`` requests in ``period_s``: of identical ones, or of any to this operation."""

    limit: int
    period_s: int = 60
    identical: bool = True


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One documented action: ``/sys/<page>.php`` and ``/rest/<page>/``, chosen by ``flag`` where a page has several.

    One with an ``address`` has that path instead of the two; it answers in JSON unless ``fmt`` says otherwise, in UTF-8,
    and takes the account from the header Authorization too (Bearer with an API key, Basic with login and password).
    ``replies`` are (when, shape) for the reference; ``errors`` the numbers it answers with besides 2, 4 and 9;
    ``gives`` says in words what comes where it is no shape (a file); ``words`` replaces number and words of a reason where this page has its own.
    """

    name: str
    page: str
    address: str = ""
    title: str
    help: str
    handler: Callable[[Call], None]
    parameters: tuple[Parameter, ...]
    replies: tuple[tuple[str, Shape], ...]
    flag: str = ""
    errors: tuple[tuple[int, str], ...] = ()
    limits: tuple[str, ...] = ()
    paces: tuple[Pace, ...] = ()
    words: Mapping[Reason, tuple[int, str]] = {}
    gives: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """The addresses of the operation's page."""
        return (self.address,) if self.address else (f"/sys/{self.page}.php", f"/rest/{self.page}/")


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
