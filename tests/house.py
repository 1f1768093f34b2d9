"""The services on a real database, as the program builds them, with time as the test gives it.

async with open_house(backend, tmp_path) as house:
    answer = await house.send("79161234567", text="hello")
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.databases import fresh_database

from heliograph.core.accounts import Account
from heliograph.core.deliveries import Outcome, Receipt, What
from heliograph.core.links import Codes
from heliograph.core.messages import Accepted, Message, Quote, Recipient, Submission
from heliograph.core.money import SCALE
from heliograph.core.reasons import Refusal
from heliograph.core.tariffs import Prices, Zone
from heliograph.services import accounts, carriers, ledgers, routes, tariffs
from heliograph.services.attempts import Attempts, Job, missing_of
from heliograph.services.callbacks import Callbacks
from heliograph.services.clicks import Clicks
from heliograph.services.desk import Desk, message_of
from heliograph.services.dispatch import Dispatch
from heliograph.services.errands import Errands, Letter, MailError
from heliograph.services.histories import Histories
from heliograph.services.inbound import Incoming
from heliograph.services.links import Links
from heliograph.services.quotas import Quotas
from heliograph.services.receipts import Receipts
from heliograph.services.snapshot import Snapshots
from heliograph.services.staging import Staging, sweep_all
from heliograph.services.statuses import Statuses
from heliograph.services.submit import Submitting
from heliograph.store.database import Broken, Database, Done, Step
from heliograph.store.secrets import Secrets

NOW = 1_790_000_000_000  # 2026-09-21, 17:13 in Moscow
PHONE = "79161234567"
KAZAKH = "77011234567"
PRICE = 15_000  # a part to Russia; Kazakhstan 5, a number query 0.5, no price elsewhere
NORTH, SOUTH = 1, 2
BASE = "https://s.example.ru/"
HANDLER = "http://127.0.0.1:9/told"


class Store:
    """The database, with a disk that is full while ``fault`` is set."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.fault: Exception | None = None
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def write(self, steps: Sequence[Step], done: Done) -> None:
        """The real write, unless the disk is full."""
        self.writes += 1
        if self.fault is not None:
            asyncio.get_running_loop().call_soon(done, None, self.fault)
            return
        self._db.write(steps, done)


def Answer(what: str, ref: str = "", code: int = 0, err: int = 0, retry_ms: int = 0) -> Outcome:
    """What a carrier says to one part."""
    return Outcome(What(what), ref, code, err, retry_ms, "north-1", NOW, NOW)


def Report(ref: str, status: int = 1, phone: str = PHONE, err: int = 0, hlr: dict[str, str] | None = None) -> Receipt:
    """A receipt."""
    return Receipt(ref, phone, status, err, NOW, f"id:{ref} stat:{status}", hlr)


class Letters:
    """A mail server that keeps what it gets; while ``fault`` is set it raises that."""

    def __init__(self) -> None:
        self.sent: list[Letter] = []
        self.fault: MailError | None = None

    async def send(self, letter: Letter) -> None:
        """One letter."""
        if self.fault is not None:
            raise self.fault
        self.sent.append(letter)


class House:
    """One run of the program on its store."""

    def __init__(self, store: Store) -> None:
        self.db = store
        self.now = NOW
        self.tasks: set[asyncio.Task[None]] = set()
        self.snapshots = Snapshots(store, lambda secret: secret)  # type: ignore[arg-type]
        self.desk = Desk(store, self.snapshots)  # type: ignore[arg-type]
        self.quotas = Quotas()
        self.staging = Staging(self.desk, self.quotas, self.spawn)
        self.submitting = Submitting(self.desk, self.quotas, self.staging)
        self.dispatch = Dispatch(self.desk)
        codes = Codes(b"k" * 32)
        self.links = self.submitting.links = Links(self.desk, codes, BASE, self.spawn)
        self.quotas.restore = self.links.restore
        self.clicks = Clicks(self.desk, self.dispatch, codes, self.spawn)
        self.attempts = Attempts(self.desk, self.dispatch)
        self.receipts = Receipts(self.desk, self.dispatch, self.attempts)
        self.incoming = Incoming(self.desk, self.spawn)
        self.letters = Letters()
        self.errands = Errands(self.desk, self.submitting, self.letters, lambda: self.now)
        self.callbacks = Callbacks(self.desk)
        self.statuses = Statuses(self.desk, self.spawn)
        self.histories = Histories(self.desk, self.spawn)
        self.again: list[tuple[int, int]] = []
        self.over: list[int] = []
        self.rerouted: list[int] = []
        self.attempts.over = lambda message: self.over.append(message.int_id)
        self.attempts.again = lambda message, due_ms: self.again.append((message.int_id, due_ms))
        self.receipts.rerouted = lambda message: self.rerouted.append(message.int_id)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """As the program does."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def open(self) -> int:
        """Start as the program does; how many texts are unsure."""
        await self.snapshots.load()
        await self.desk.open(self.now)
        await sweep_all(self.desk)
        await self.quotas.rebuild(self.db, list(self.snapshots.current.accounts.values()), self.now)  # type: ignore[arg-type]
        unsure = await self.dispatch.recover(self.now)
        await self.receipts.open(self.now)
        await self.incoming.reactions.open(self.now)
        await self.desk.batch.settle()
        return unsure

    async def restart(self, after_ms: int = 1000) -> "House":
        """A new run on the same store, as after a crash: nothing of this one's memory is left."""
        next_one = House(self.db)
        next_one.now = self.now + after_ms
        await next_one.open()
        return next_one

    # -- the customer --------------------------------------------------------------
    @property
    def account(self) -> Account:
        """The one account, "shop"."""
        return self.snapshots.current.accounts_by_login["shop"]

    async def set(self, **settings: str) -> None:
        """Settings of the account."""
        await accounts.set_settings(self.db, "shop", settings)  # type: ignore[arg-type]
        await self.snapshots.refresh()

    async def set_carrier(self, name: str = "north", **settings: str) -> None:
        """Settings of a carrier."""
        await carriers.alter(self.db, _secrets(), name, settings=settings)  # type: ignore[arg-type]
        await self.snapshots.refresh()

    def accept(self, submission: Submission) -> asyncio.Future[Accepted | Refusal]:
        """Hand a submission over; the answer comes later."""
        future: asyncio.Future[Accepted | Refusal] = asyncio.get_running_loop().create_future()
        self.submitting.accept(self.account, submission, self.now, future.set_result)
        return future

    def price(self, submission: Submission) -> asyncio.Future[Quote | Refusal]:
        """Ask for the price of a submission; the answer comes later."""
        future: asyncio.Future[Quote | Refusal] = asyncio.get_running_loop().create_future()
        self.submitting.price(self.account, submission, self.now, future.set_result)
        return future

    async def send(self, *phones: str, text: str = "hello", **more: Any) -> Accepted | Refusal:
        """One text to these numbers, answered."""
        return await self.accept(make(*phones, text=text, **more))

    async def accepted(self, *phones: str, text: str = "hello", **more: Any) -> list[Message]:
        """The messages of a submission that must be accepted, as the desk holds them."""
        answer = await self.send(*(phones or (PHONE,)), text=text, **more)
        assert isinstance(answer, Accepted), answer
        rows = await self.db.all("messages.latest", 2**62, self.account.id, 100_000)
        ids = [row[0] for row in rows if row[2] == answer.id]
        found = [await self.dispatch.get(int_id) for int_id in sorted(ids)]
        return [message for message in found if message is not None]

    # -- the carrier ----------------------------------------------------------------
    async def start(self, message: Message) -> Job:
        """Claim a text and commit its start mark, as the dispatcher does."""
        message.tries += 1
        done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self.dispatch.start(message, self.now, lambda _, error: done.set_result(error))
        assert await done is None
        return Job(message, missing_of(message))

    async def answer(self, job: Job, *answers: Answer) -> None:
        """The carrier's answers to the parts asked for, in their order, stored."""
        numbers = job.missing or range(1, len(answers) + 1)
        total = len(job.message.part_states) or len(answers)
        for number, answer in zip(numbers, answers, strict=True):
            self.attempts.record(job, number, total, answer, self.now)  # type: ignore[arg-type]
        await self.desk.batch.settle()

    async def sent(self, ref: str = "a1", phone: str = PHONE, text: str = "hello", **more: Any) -> Message:
        """A text that the carrier has accepted."""
        (message,) = await self.accepted(phone, text=text, **more)
        await self.answer(await self.start(message), Answer("accepted", ref))
        return message

    async def report(self, report: Report, carrier_id: int = NORTH) -> bool:
        """A receipt; whether it was stored."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.receipts.record(carrier_id, report, done.set_result, self.now)  # type: ignore[arg-type]
        stored = await done
        await self.desk.batch.settle()
        return stored

    # -- what is on disk --------------------------------------------------------------
    async def row(self, message: Message | int) -> Message:
        """A message as it is stored."""
        row = await self.db.one("messages.get", message if isinstance(message, int) else message.int_id)
        assert row is not None
        return message_of(row)

    async def queued(self, message: Message) -> Any:
        """The queue row: carrier, lane, due, started, unsure."""
        return await self.db.one("queue.get", message.int_id)

    async def stored(self) -> list[Message]:
        """All messages of the account, oldest first."""
        return [message_of(row) for row in await self.db.all("messages.latest", 2**62, self.account.id, 100_000)][::-1]

    async def ledger(self, message: Message) -> list[tuple[str, int]]:
        """Names and amounts of a message's entries."""
        rows = await self.db.all("ledger.of_message", message.account_id, message.int_id)
        return [(row[2], row[3]) for row in rows]

    async def events(self, message: Message) -> list[str]:
        """The names of a message's story."""
        return [row[1] for row in await self.db.all("events.of", message.int_id)]

    async def balance(self) -> int:
        """The balance on disk; the ledger must prove it, and memory must agree."""
        await self.desk.batch.settle()
        assert (await ledgers.check(self.db)).faults == ()  # type: ignore[arg-type]
        overview = await accounts.show(self.db, "shop")  # type: ignore[arg-type]
        assert self.desk.purses.left(self.account.id) == overview.balance
        return overview.balance


def make(*phones: str, text: str = "hello", **more: Any) -> Submission:
    """One text to these numbers; the rest as given."""
    return Submission(recipients=tuple(Recipient(phone, text) for phone in phones), **more)


def overdraft() -> Broken:
    """What a database says when a balance would fall below its credit."""
    return Broken("check", "overdraft")


class _Plain:
    """Secrets that stay as they are: no key file is needed here."""

    def seal(self, text: str) -> str:
        return text

    def unseal(self, text: str) -> str:
        return text


def _secrets() -> Secrets:
    return _Plain()  # type: ignore[return-value]


@asynccontextmanager
async def open_house(backend: str, tmp_path: Path, **settings: str) -> AsyncIterator[House]:
    """An account "shop" with 1000.00, a tariff, the carriers north and south and a route to each, north first."""
    async with fresh_database(backend, tmp_path) as db:
        zones = (
            Zone(1, "Russia", ("RU",), Prices(sms=PRICE, hlr=5_000)),
            Zone(2, "Neighbours", ("KZ",), Prices(sms=5 * SCALE)),
            Zone(3, "No route", ("DE",), Prices(sms=SCALE)),
        )
        await tariffs.create(db, "basic", zones=zones)
        await accounts.create(
            db, "shop", tariff="basic", now_ms=NOW, settings={"any_sender": "yes", "sender": "Shop", **settings}
        )
        await accounts.top_up(db, "shop", 1000 * SCALE, now_ms=NOW)
        for name, route, priority in (("north", "first", 10), ("south", "second", 0)):
            await carriers.create(db, _secrets(), name)
            await routes.create(db, route, carrier=name, priority=priority, conditions={"countries": "RU,KZ"})
        house = House(Store(db))
        await house.open()
        yield house
        await asyncio.gather(*house.tasks)
        await house.desk.batch.settle()
