"""Order per message under everything that may happen to a handler and to the sender (callbacks/sender.py, reader.py)."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.callbacks.receivers import OK, Exchange, opened, receive, until
from tests.callbacks.sending import ERROR, FAR, emptied, events, header, house_at, sending
from tests.databases import BACKENDS
from tests.house import NOW, House, make

from heliograph.callbacks import reader
from heliograph.callbacks.handlers import Handlers
from heliograph.callbacks.sender import Sender
from heliograph.core.money import SCALE
from heliograph.services import accounts
from heliograph.services.batch import Change

MOST_HELD, MOST_STALLED = 12, 3  # so little memory that it is always full
both = pytest.mark.parametrize("backend", BACKENDS)


async def tell(house: House, int_id: int, account_id: int, status: int = 1) -> int:
    """One more piece of news of a message, committed as the program does; its event id."""
    event = house.desk.take_event(house.now)
    row = (event, int_id, account_id, status, 0, house.now, house.now)
    done: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    house.desk.batch.add(Change([("callbacks.add", row)], done.set_result))
    assert await done is None
    return event


async def move(house: House, login: str, url: str) -> None:
    """An account's handler is somewhere else now."""
    await accounts.set_settings(house.db, login, {"callback_url": url})  # type: ignore[arg-type]
    await house.snapshots.refresh()


class Customers:
    """Two handlers whose answers are thrown with dice; notes what comes out of order."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.well = False
        self.messages: dict[int, int] = {}  # by event
        self.last: dict[int, int] = {}  # by message: the newest event that came
        self.came: set[int] = set()
        self.answering: set[int] = set()
        self.faults: list[str] = []

    async def script(self, exchange: Exchange) -> None:
        """Answers 200, 404 or 500, at once or late, closes or hangs."""
        while (request := await exchange.request()) is not None:
            event = int(header(request, "X-Heliograph-Event"))
            while event not in self.messages:
                await asyncio.sleep(0)
            int_id = self.messages[event]
            if event < self.last.get(int_id, 0):
                self.faults.append(f"{event} after {self.last[int_id]}")
            if int_id in self.answering:
                self.faults.append(f"{event} beside another of its message")
            self.last[int_id] = event
            self.came.add(event)
            self.answering.add(int_id)
            throw = 0 if self.well else self.dice.randint(0, 9)
            if throw % 2:
                await asyncio.sleep(self.dice.random() / 100)
            self.answering.discard(int_id)
            if throw == 9:
                await exchange.reader.read()
            if throw >= 8:
                return
            exchange.writer.write(ERROR if throw in (4, 5, 6) else OK)


class Story:
    """Two accounts with messages, a sender that is started anew now and then, and the two handlers."""

    def __init__(self, house: House, dice: random.Random, ports: list[int]) -> None:
        self.house = house
        self.dice = dice
        self.urls = [f"http://127.0.0.1:{port}/told" for port in ports]
        self.handlers = Customers(dice)
        self.owners: dict[int, int] = {}
        self.stack = AsyncExitStack()
        self.sender: Sender

    async def open(self) -> None:
        """The accounts and their messages."""
        options = {"callback_url": self.urls[0], "any_sender": "yes"}
        db = self.house.db
        await accounts.create(db, "other", tariff="basic", now_ms=NOW, settings=options)  # type: ignore[arg-type]
        await accounts.top_up(db, "other", 100 * SCALE, now_ms=NOW)  # type: ignore[arg-type]
        await self.house.desk.take_balances()
        await self.house.snapshots.refresh()
        for login in ("shop", "other"):
            account = self.house.snapshots.current.accounts_by_login[login]
            phones = [f"7916123{n:04d}" for n in range(4)]
            answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            self.house.submitting.accept(account, make(*phones), NOW, answer.set_result)
            await answer
            rows = await db.all("messages.latest", 2**62, account.id, 9)
            self.owners.update({row[0]: account.id for row in rows})
        await self.house.desk.batch.settle()
        await self.begin()

    async def begin(self) -> None:
        """A sender with little memory, which gives up soon on a handler that hangs."""
        client = await self.stack.enter_async_context(opened(total_s=0.05))
        handlers = Handlers(per_handler=4, failures=3, pause_ms=1, pause_most_ms=4)
        self.sender = await self.stack.enter_async_context(
            sending(self.house, client, most_held=MOST_HELD, most_stalled=MOST_STALLED, handlers=handlers)
        )

    async def restart(self) -> None:
        """As after a stop of the program."""
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        self.house = await self.house.restart(1000)
        if self.dice.random() < 0.7:
            await self.news()  # before the table was read
        await self.begin()
        await self.news()

    async def news(self) -> None:
        """A message has news."""
        int_id = self.dice.choice(list(self.owners))
        event = await tell(self.house, int_id, self.owners[int_id])
        self.handlers.messages[event] = int_id

    async def step(self) -> None:
        """Something happens."""
        throw = self.dice.random()
        if throw < 0.70:
            await self.news()
        elif throw < 0.82:
            await asyncio.sleep(0.003)
        elif throw < 0.92:
            self.house.now += self.dice.choice((1, 1_000, 240_000))
            self.sender.look()
        elif throw < 0.94:
            self.sender.reconsider()
        elif throw < 0.98:
            await move(self.house, self.dice.choice(("shop", "other")), self.dice.choice(self.urls))
        else:
            await self.restart()

    async def end(self) -> None:
        """The handlers are well again: everything comes."""
        self.handlers.well = True
        while await self.house.callbacks.read_due(FAR, 0, 1):
            self.house.now += 60_000
            self.sender.look()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("seed", range(6))
def test_news_of_a_message_never_overtakes_whatever_happens(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Handlers that refuse, close and hang, restarts, changed addresses, little memory: per message in order, one at a time,
    and nothing is lost."""
    monkeypatch.setattr(reader, "PAGE", 5)
    dice = random.Random(seed)

    async def story() -> None:
        handlers: list[Customers] = []

        async def script(exchange: Exchange) -> None:
            await handlers[0].script(exchange)

        async with receive(script) as one, receive(script) as two, house_at(one, "sqlite", tmp_path) as house:
            told_story = Story(house, dice, [one.port, two.port])
            handlers.append(told_story.handlers)
            try:
                await told_story.open()
                for _ in range(150):
                    await told_story.step()
                await told_story.end()
            finally:
                await told_story.stack.aclose()
            assert handlers[0].faults == []
            assert handlers[0].came == set(handlers[0].messages)

    asyncio.run(story())


async def shop_with_gate(exchange: Exchange, gate: asyncio.Event) -> None:
    """Answers 200 when the gate opens."""
    while await exchange.request() is not None:
        await gate.wait()
        exchange.writer.write(OK)


@both
def test_news_that_comes_while_the_table_is_read_at_the_start_does_not_overtake(backend: str, tmp_path: Path) -> None:
    """The server was stopped with "expired" untold; "delivered" comes in before the table has been read."""

    async def story() -> None:
        async with receive() as receiver, house_at(receiver, backend, tmp_path) as house:
            message = await house.sent("a1")
            older = await tell(house, message.int_id, message.account_id, 3)
            house.now += 1000
            async with sending(house):
                newer = await tell(house, message.int_id, message.account_id, 1)
                await emptied(house)
            assert events(receiver) == [older, newer]

    asyncio.run(story())


def test_news_that_waits_goes_to_the_new_address_in_order(tmp_path: Path) -> None:
    """The customer moves his handler while the old one hangs: what waits follows it, and nothing new overtakes that."""

    async def story() -> None:
        gate = asyncio.Event()

        async def script(exchange: Exchange) -> None:
            await shop_with_gate(exchange, gate)

        async with receive(script) as old, receive() as new, house_at(old, "sqlite", tmp_path) as house:
            first, second = await house.sent("a1", text="a"), await house.sent("a2", text="b")
            async with sending(house):
                await tell(house, first.int_id, first.account_id, 1)
                waiting = await tell(house, second.int_id, second.account_id, 3)
                await until(lambda: len(old.requests) == 1)
                await move(house, "shop", f"http://127.0.0.1:{new.port}/")
                newer = await tell(house, second.int_id, second.account_id, 1)
                await until(lambda: len(new.requests) == 2)
                assert events(new) == [waiting, newer] and len(old.requests) == 1
                gate.set()
                await emptied(house)

    asyncio.run(story())


@pytest.mark.parametrize("status", [b"201 Created", b"204 No Content", b"302 Found"])
def test_other_answers_than_200_and_404_are_repeated(status: bytes, tmp_path: Path) -> None:
    """The reference names these two; a redirect in particular has told nobody."""

    async def script(exchange: Exchange) -> None:
        while await exchange.request() is not None:
            exchange.writer.write(b"HTTP/1.1 %b\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n" % status)

    async def story() -> None:
        async with receive(script) as receiver, house_at(receiver, "sqlite", tmp_path) as house:
            message = await house.sent("a1")
            async with sending(house) as sender:
                await tell(house, message.int_id, message.account_id)
                await until(lambda: len(receiver.requests) == 1 and sender.held == 0)
                (row,) = await house.callbacks.read_due(FAR, 0, 9)
                assert (row.tries, row.due_ms) == (1, NOW + 240_000)

    asyncio.run(story())
