"""Services that answer from memory, to the protocols of `heliograph.api.operation`; they note what they were asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from heliograph.api.app import Api
from heliograph.api.operation import Operation, Services
from heliograph.api.request import Answer, Request, Response
from heliograph.core import histories
from heliograph.core.accounts import Account, Settings
from heliograph.core.exports import Place as BuildPlace
from heliograph.core.exports import State, Task, Wanted, name_file
from heliograph.core.links import Counts, plain
from heliograph.core.messages import Accepted, Message, Quote, Submission
from heliograph.core.ranges import Place
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.rents import Number, Rates
from heliograph.core.tariffs import Tariff
from heliograph.services.exports import Opened
from heliograph.services.inbound import Inbound
from heliograph.services.newsfeed import Batch
from heliograph.services.statistics import Total
from heliograph.services.waits import Awaited

NOW_MS = 1_731_576_600_000  # Thursday 14.11.2024 12:30:00 in Moscow
ALEX = Account(7, "alex", "RUR", 0, 1, Settings())
ACCEPTED = Accepted("17", 1, 16_000, 984_000, ())
QUOTE = Quote(16_000, 1, ())
MOSCOW = Place("Россия", "Russia", "RU", "МТС", "Москва", "250", "01", "25001", 180, "mobile")


@dataclass
class FakeCredentials:
    """alex/123, or the key k-demo; with `slow` answers wait in `pending`."""

    account: Account = ALEX
    slow: bool = False
    pending: list[Callable[[], None]] = field(default_factory=list)

    def verify(
        self, login: str, psw: str, apikey: str, client: str, done: Callable[[Account | Refusal | None], None]
    ) -> None:
        known = (login, psw, apikey) in {("alex", "123", ""), ("", "", "k-demo")}
        answer = self.account if known else None
        if self.slow:
            self.pending.append(lambda: done(answer))
        else:
            done(answer)


@dataclass
class FakeGuard:
    """Counts everything; nothing is ever forgotten."""

    banned: set[str] = field(default_factory=set)
    failed: list[tuple[str, str]] = field(default_factory=list)
    sends: list[bool] = field(default_factory=list)
    inside: int = 0
    left: int = 0
    paces: dict[tuple[int, str, int], int] = field(default_factory=dict)

    def is_banned(self, client: str, now_ms: int) -> bool:
        return client in self.banned

    def note_login_failed(self, client: str, login: str, now_ms: int) -> None:
        self.failed.append((client, login))

    def note_send(self, client: str, ok: bool, now_ms: int) -> None:
        self.sends.append(ok)

    def enter(self, account: Account) -> bool:
        if self.inside >= account.settings.concurrency - 1:
            return False
        self.inside += 1
        return True

    def leave(self, account_id: int) -> None:
        self.inside -= 1
        self.left += 1

    def pace(self, account_id: int, what: str, print: int, limit: int, period_s: int, now_ms: int) -> bool:
        assert 0 <= print < 2**63
        key = (account_id, what, print)
        self.paces[key] = self.paces.get(key, 0) + 1
        return self.paces[key] <= limit


@dataclass
class FakeSubmitting:
    """Gives every submission the same result, at once or (`slow`) when the test says so."""

    result: Accepted | Refusal = ACCEPTED
    quote: Quote | Refusal = QUOTE
    slow: bool = False
    asked: list[Submission] = field(default_factory=list)
    pending: list[Callable[[], None]] = field(default_factory=list)

    def accept(
        self, account: Account, submission: Submission, now_ms: int, done: Callable[[Accepted | Refusal], None]
    ) -> None:
        self.asked.append(submission)
        if self.slow:
            self.pending.append(lambda: done(self.result))
        else:
            done(self.result)

    def price(
        self, account: Account, submission: Submission, now_ms: int, done: Callable[[Quote | Refusal], None]
    ) -> None:
        self.asked.append(submission)
        if self.slow:
            self.pending.append(lambda: done(self.quote))
        else:
            done(self.quote)


@dataclass
class FakeStatuses:
    """Messages by (id, phone)."""

    messages: dict[tuple[str, str], Message] = field(default_factory=dict)
    deleted: list[tuple[str, str]] = field(default_factory=list)

    def find(
        self, account_id: int, wanted: Sequence[tuple[str, str]], done: Callable[[list[Message | None]], None]
    ) -> None:
        done([self.messages.get((id, normalize(phone) or phone)) for id, phone in wanted])

    def delete(self, account: Account, id: str, phone: str, now_ms: int, done: Callable[[bool], None]) -> None:
        self.deleted.append((id, phone))
        done((id, normalize(phone) or phone) in self.messages)


@dataclass
class FakeMoney:
    amounts: tuple[int, int, int] = (2_508_000, 0, 0)

    def balance(self, account_id: int) -> tuple[int, int, int]:
        return self.amounts


class FakePlaces:
    def look_up(self, phone: str) -> Place | None:
        return MOSCOW if phone.startswith("79") else None


@dataclass
class FakeTariffs:
    """One tariff for everybody."""

    tariff: Tariff | None = None

    def tariff_of(self, account: Account) -> Tariff | None:
        return self.tariff


@dataclass
class FakeLinks:
    """Knows one link, by id and by its address as written and as people type it."""

    counts: Counts | None = None
    full: bool = False
    asked: list[tuple[int, str]] = field(default_factory=list)

    def find(self, account: Account, id: int, link: str, now_ms: int, done: Callable[[Counts | Refusal], None]) -> None:
        self.asked.append((id, link))
        if self.full:
            done(Refusal(Reason.STORE_FULL))
            return
        known = self.counts is not None and (id == self.counts.id or (not id and plain(link) == plain(self.counts.url)))
        done(self.counts if known and self.counts is not None else Refusal(Reason.NOT_FOUND))


@dataclass
class FakeExports:
    """Tasks in memory, none of which is ever begun; `files` are those that can be fetched. `refusal` answers everything."""

    files: dict[int, bytes] = field(default_factory=dict)
    made: list[Task] = field(default_factory=list)
    refusal: Refusal | None = None

    def add(self, wanted: Wanted, name: str, now_ms: int, done: Callable[[Task | Refusal], None]) -> None:
        task = Task(
            id=len(self.made) + 1,
            account_id=wanted.account_id,
            name=name,
            wanted=wanted,
            status=State.WAITING,
            created_ms=now_ms,
            started_ms=0,
            ended_ms=0,
            file=name_file(wanted, "x" * 24),
            rows_done=0,
            rows_all=0,
            place=BuildPlace(),
            complaint="",
        )
        if self.refusal is None:
            self.made.append(task)
        done(self.refusal or task)

    def tasks(self, account_id: int, after_id: int, count: int, done: Callable[[list[Task] | Refusal], None]) -> None:
        own = [task for task in self.made if task.account_id == account_id and task.id > after_id]
        done(self.refusal or own[:count])

    def find(self, account_id: int, id: int, done: Callable[[Task | Refusal], None]) -> None:
        own = [task for task in self.made if (task.account_id, task.id) == (account_id, id)]
        done(self.refusal or (own[0] if own else Refusal(Reason.NOT_FOUND)))

    def cancel(self, account_id: int, id: int, now_ms: int, done: Callable[[Refusal | None], None]) -> None:
        self.find(account_id, id, lambda found: done(found if isinstance(found, Refusal) else None))

    def open(self, account_id: int, id: int, file: str, done: Callable[[Opened | Refusal], None]) -> None:
        own = [task for task in self.made if task.account_id == account_id and (task.id == id or task.file == file)]
        ready = [task for task in own if task.id in self.files]
        if self.refusal is not None or not ready:
            done(self.refusal or Refusal(Reason.NOT_FOUND))
            return
        content = self.files[ready[0].id]
        done(Opened(ready[0], BytesIO(content), len(content)))


@dataclass
class FakeStatistics:
    """Gives every period the same totals; None is a store that cannot be asked."""

    totals: list[Total] | None = field(default_factory=list)
    asked: list[tuple[str, int, int, int, bool]] = field(default_factory=list)

    def find(
        self,
        account: Account,
        start_ms: int,
        end_ms: int,
        wallet: int,
        exchanged: bool,
        done: Callable[[list[Any] | None], None],
    ) -> None:
        self.asked.append((account.login, start_ms, end_ms, wallet, exchanged))
        done(self.totals)


@dataclass
class FakeHistories:
    """Gives every request the same messages and texts; None is a store that cannot be asked."""

    messages: list[Message] | None = field(default_factory=list)
    texts: list[Inbound] | None = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)

    def find(self, account_id: int, wanted: histories.Wanted, done: Callable[[list[Message] | None], None]) -> None:
        self.asked.append(wanted)
        done(self.messages)

    def incoming(
        self,
        account_id: int,
        after_id: int,
        since_ms: int,
        to_phones: tuple[str, ...],
        limit: int,
        done: Callable[[list[Inbound] | None], None],
    ) -> None:
        self.asked.append((after_id, since_ms, to_phones, limit))
        done(self.texts)


@dataclass
class FakeNewsfeed:
    """Gives the same news to everybody, and notes what was asked."""

    news: Batch | None = field(default_factory=lambda: Batch((), 0, False))
    asked: list[tuple[int, int, int]] = field(default_factory=list)

    def read(self, account: Account, after: int, limit: int, wait_s: int, done: Callable[[Batch | None], None]) -> None:
        self.asked.append((after, limit, wait_s))
        done(self.news)


@dataclass
class FakeNumbers:
    """Offers the same to everybody, and gives every change the same result."""

    offers: dict[str, tuple[Number, Rates | None]] = field(default_factory=dict)
    result: int | Refusal = 0
    asked: list[tuple[str, str, bool]] = field(default_factory=list)

    def list_free(self, account: Account) -> list[Number]:
        return [number for number, _ in self.offers.values()]

    def price(self, number: Number, account: Account, now_ms: int) -> Rates | None:
        return self.offers[number.phone][1]

    def rent(
        self, account: Account, phone: str, noprolong: bool, now_ms: int, done: Callable[[int | Refusal], None]
    ) -> None:
        self.asked.append(("rent", phone, noprolong))
        done(self.result)

    def set_noprolong(
        self, account: Account, phone: str, noprolong: bool, now_ms: int, done: Callable[[int | Refusal], None]
    ) -> None:
        self.asked.append(("set", phone, noprolong))
        done(self.result)


@dataclass
class FakeWaits:
    """Gives every subscriber the same numbers to call."""

    result: Awaited | Refusal = field(default_factory=lambda: Awaited("79990001122", ("79990001122",)))
    asked: list[str] = field(default_factory=list)

    def wait(self, account: Account, given: str, now_ms: int, done: Callable[[Awaited | Refusal], None]) -> None:
        self.asked.append(given)
        done(self.result)


@dataclass
class FakeCaptchas:
    """Has shown one code to one address."""

    shown: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def spend(self, client: str, code: str, now_ms: int) -> bool:
        self.asked.append((client, code))
        return self.shown.pop(client, None) == code


def normalize(given: str) -> str | None:
    """Digits only; a leading 8 is Russia's."""
    digits = "".join(filter(str.isdigit, given))
    if len(digits) == 11:
        return "7" + digits[1:]
    return None


@dataclass
class House:
    """The API over the fakes, asked like a client asks."""

    operations: tuple[Operation, ...]
    credentials: FakeCredentials = field(default_factory=FakeCredentials)
    guard: FakeGuard = field(default_factory=FakeGuard)
    submitting: FakeSubmitting = field(default_factory=FakeSubmitting)
    statuses: FakeStatuses = field(default_factory=FakeStatuses)
    money: FakeMoney = field(default_factory=FakeMoney)
    places: FakePlaces = field(default_factory=FakePlaces)
    tariffs: FakeTariffs = field(default_factory=FakeTariffs)
    statistics: FakeStatistics = field(default_factory=FakeStatistics)
    links: FakeLinks = field(default_factory=FakeLinks)
    exports: FakeExports = field(default_factory=FakeExports)
    newsfeed: FakeNewsfeed = field(default_factory=FakeNewsfeed)
    histories: FakeHistories = field(default_factory=FakeHistories)
    numbers: FakeNumbers = field(default_factory=FakeNumbers)
    waits: FakeWaits = field(default_factory=FakeWaits)
    captchas: FakeCaptchas = field(default_factory=FakeCaptchas)
    answers: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        services = Services(
            self.credentials,
            self.guard,
            self.submitting,
            self.statuses,
            self.money,
            self.places,
            normalize,
            self.tariffs,
            self.statistics,
            self.links,
            self.exports,
            self.newsfeed,
            self.histories,
            self.numbers,
            self.waits,
            self.captchas,
            lambda: "042917",
        )
        self.api = Api(services, self.operations)

    def post(self, request: Request) -> Response | None:
        """The answer when it comes at once; all answers are in `answers`."""
        before = len(self.answers)
        self.api(request, self.answers.append)
        assert len(self.answers) - before <= 1
        if len(self.answers) == before:
            return None
        answer = self.answers[-1]
        assert isinstance(answer, Response)
        return answer

    def get(self, path: str, **params: object) -> Response:
        """A signed-in GET in UTF-8, which must be answered at once; `login=None` leaves a parameter out."""
        fields = {"login": "alex", "psw": "123", "charset": "utf-8", **params}
        query = urlencode({key: value for key, value in fields.items() if value is not None}).encode()
        answer = self.post(Request("GET", path, query, received_ns=NOW_MS * 1_000_000))
        assert answer is not None
        return answer

    def ask(self, path: str, **params: object) -> str:
        """The body of such an answer."""
        return self.get(path, **params).body.decode()

    def four(self, path: str, **params: object) -> tuple[str, ...]:
        """The bodies in formats 0 to 3, each from a fresh guard, XML without its declaration."""
        texts = []
        for fmt in range(4):
            self.guard.paces.clear()
            texts.append(self.ask(path, fmt=fmt, **params).removeprefix('<?xml version="1.0" encoding="utf-8"?>'))
        return tuple(texts)
