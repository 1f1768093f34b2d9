"""Telling again and dropping, in the store beside a running sender (services/replays.py, callbacks/sender.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.callbacks.receivers import Exchange, receive, until
from tests.callbacks.sending import (
    ERROR,
    FAR,
    emptied,
    events,
    expired_then_delivered,
    house_at,
    receive_text,
    sending,
    told,
)
from tests.databases import BACKENDS
from tests.house import HANDLER, NOW, House, Report, open_house

from heliograph.services import replays
from heliograph.services.replays import Attempt, Result, Wanted

both = pytest.mark.parametrize("backend", BACKENDS)


async def again(house: House, wanted: Wanted) -> Result:
    """Told again, by the clock of the house."""
    return await replays.replay(house.db, wanted, lambda: house.now * 1000)  # type: ignore[arg-type]


async def finish(house: House, detail: str = "200 in 5 ms", count: int = 1) -> None:
    """All waiting news is told (or failed ``count`` times)."""
    for callback in await house.callbacks.read_due(FAR, 0, 99):
        for _ in range(count):
            house.callbacks.record(callback, detail.startswith("200"), detail, house.now)
    await house.desk.batch.settle()


async def news(house: House, *refs: str) -> list[int]:
    """Texts that were delivered: their int_ids."""
    found = []
    for ref in refs:
        message = await house.sent(ref, text=ref)
        assert await house.report(Report(ref))
        found.append(message.int_id)
    return found


@both
def test_message_is_told_again_with_the_id_of_its_status(backend: str, tmp_path: Path) -> None:
    """A handler that keeps event ids knows it for a repeat; a message that moved twice is told where it stands."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            message = await expired_then_delivered(house)
            rows = await house.callbacks.read_due(FAR, 0, 9)
            await finish(house)
            result = await again(house, Wanted((message.int_id,), state="all"))
            assert result == Result(looked=1, again=1)
            (row,) = await house.callbacks.read_due(house.now, 0, 9)
            assert (row.id, row.status, row.at_ms, row.tries) == (rows[1].id, 1, NOW, 0)
            history = await replays.show(house.db, message.int_id)  # type: ignore[arg-type]
            assert [(each.status, each.event, each.told) for each in history.attempts] == [
                (3, rows[0].id, True),
                (1, rows[1].id, True),
            ]
            assert [each.event for each in history.waiting] == [rows[1].id]

    asyncio.run(story())


@both
def test_message_that_was_never_told_gets_a_number_of_its_own(backend: str, tmp_path: Path) -> None:
    """Odd and of its time: the server's are even, so none is given twice."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            first, second = await news(house, "a", "b")
            assert await again(house, Wanted((first,), state="all")) == Result(looked=1, unwanted=1)
            await house.set(callback_url=HANDLER)
            assert await again(house, Wanted(state="failed")) == Result(looked=2)
            assert await again(house, Wanted(state="all")) == Result(looked=2, new=2)
            rows = await house.callbacks.read_due(FAR, 0, 9)
            assert [row.int_id for row in rows] == [first, second] and all(row.id % 2 for row in rows)
            assert rows[0].id > NOW * 1000 and house.desk.take_event(house.now) % 2 == 0
            assert await again(house, Wanted(state="all")) == Result(looked=2), "they wait already"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("failed", Result(looked=3, again=1, hastened=1)),
        ("told", Result(looked=3, again=1)),
        ("all", Result(looked=3, again=2, hastened=1)),
    ],
)
@both
def test_states_choose_what_is_told_again(backend: str, state: str, expected: Result, tmp_path: Path) -> None:
    """After an outage what failed; after a mistake of the customer's what he took."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            await news(house, "told")
            await finish(house)
            await news(house, "given up")
            await finish(house, "500 in 5 ms", 50)
            await news(house, "failing")
            await finish(house, "no answer in 9 ms")
            house.now += 60_000
            before = await house.callbacks.read_due(house.now, 0, 9)
            assert await again(house, Wanted(from_ms=NOW - 1000, to_ms=NOW + 1000, state=state)) == expected
            due = await house.callbacks.read_due(house.now, 0, 9)
            assert len(due) - len(before) == expected.again + expected.hastened
            assert await again(house, Wanted(from_ms=NOW + 1, state="all")) == Result()
            assert await again(house, Wanted(account_id=99, state="all")) == Result()

    asyncio.run(story())


@both
def test_incoming_text_is_told_again(backend: str, tmp_path: Path) -> None:
    """By its own id or in a span; only what belongs to an account."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            await news(house, "a")
            await receive_text(house)
            await receive_text(house, phone="79990000001")
            await finish(house)
            assert await again(house, Wanted((-1,), state="all")) == Result(looked=1, again=1)
            await finish(house)
            assert await again(house, Wanted(state="told")) == Result(looked=2, again=2)

    asyncio.run(story())


@both
def test_dropped_news_leaves_the_table_and_can_come_back(backend: str, tmp_path: Path) -> None:
    """The story says who dropped it."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            ids = await news(house, "a", "b", "c")
            clock = lambda: house.now * 1000 + 7  # noqa: E731
            assert await replays.drop(house.db, Wanted((ids[0],)), clock) == 1  # type: ignore[arg-type]
            assert await replays.drop(house.db, Wanted(from_ms=NOW + 1), clock) == 0  # type: ignore[arg-type]
            assert await replays.drop(house.db, Wanted(account_id=house.account.id), clock) == 2  # type: ignore[arg-type]
            assert await house.callbacks.read_due(FAR, 0, 9) == []
            history = await replays.show(house.db, ids[1])  # type: ignore[arg-type]
            assert "dropped by the operator" in history.attempts[-1].result and not history.attempts[-1].told
            assert await again(house, Wanted(state="failed")) == Result(looked=3, again=3)

    asyncio.run(story())


@both
def test_backlog_by_account(backend: str, tmp_path: Path) -> None:
    """Who waits, where, since when, and what was said last; the secrets of the address are not shown."""

    async def story() -> None:
        url = "https://shop.example:8443/cb!tok=9?md5=hidden"
        async with open_house(backend, tmp_path, callback_url=url) as house:
            assert await replays.list_backlog(house.db) == []  # type: ignore[arg-type]
            await news(house, "a")
            await finish(house, "500 in 5 ms")
            await news(house, "b")
            (line,) = await replays.list_backlog(house.db)  # type: ignore[arg-type]
            assert (line.login, line.host) == ("shop", "shop.example:8443")
            assert (line.waiting, line.untried, line.oldest_ms) == (2, 1, NOW)
            assert (line.next_ms, line.tries, line.answer) == (NOW + 240_000, 1, "500 in 5 ms")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("detail", "attempt"),
    [
        ("200 in 5 ms", Attempt(3, None, None, "200 in 5 ms")),
        ("status 20, event 7: 404 in 5 ms", Attempt(3, 20, 7, "404 in 5 ms")),
        ("status -2, event 7: 500 in 5 ms; given up", Attempt(3, -2, 7, "500 in 5 ms; given up")),
    ],
)
def test_lines_of_stories_are_read(detail: str, attempt: Attempt) -> None:
    """Those of the first version have no event id."""
    assert replays.read_line(3, detail) == attempt


@both
def test_running_sender_sees_what_was_put_back_within_seconds(backend: str, tmp_path: Path) -> None:
    """The command line writes into the store; nobody restarts the server."""

    async def story() -> None:
        async with receive() as receiver, house_at(receiver, backend, tmp_path) as house, sending(house):
            await news(house, "a", "b")
            await emptied(house)
            assert len(receiver.requests) == 2
            assert await again(house, Wanted(state="told")) == Result(looked=2, again=2)
            async with asyncio.timeout(5):
                await until(lambda: len(receiver.requests) == 4)
            assert sorted(events(receiver)[:2]) == sorted(events(receiver)[2:])

    asyncio.run(story())


@both
def test_running_sender_does_not_wait_for_what_was_dropped(backend: str, tmp_path: Path) -> None:
    """ "Expired" was to be told again and is dropped: "delivered", which waited behind it, goes out."""

    async def story() -> None:
        answers = [ERROR]

        async def script(exchange: Exchange) -> None:
            while await exchange.request() is not None:
                exchange.writer.write(answers[0])

        async with (
            receive(script) as receiver,
            house_at(receiver, backend, tmp_path) as house,
            sending(house) as sender,
        ):
            await house.set_carrier(failover="refused")
            message = await house.sent("a1")
            assert await house.report(Report("a1", 3))
            await until(lambda: sender.held == 0 and len(receiver.requests) == 1)
            assert await house.report(Report("a1", 1))
            answers[0] = answers[0].replace(b"500 Oops", b"200 OK")
            (first, _) = await house.callbacks.read_due(FAR, 0, 9)
            wanted = Wanted(from_ms=0, to_ms=first.at_ms)
            rows = await house.db.all("replays.rows", 0, 0, wanted.to_ms, 0, 1)
            assert await replays._drop(house.db, rows, house.now * 1000 + 1) == 1  # type: ignore[arg-type]
            async with asyncio.timeout(5):
                await emptied(house)
            assert told(receiver) == [(message.id, 3), (message.id, 1)]

    asyncio.run(story())
