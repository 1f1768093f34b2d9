"""News that is kept to be fetched (services/newsfeed.py, services/batch.py; docs/callbacks.md)."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import HANDLER, NOW, House, Report, make, open_house

from heliograph.core.messages import Door
from heliograph.services.batch import Change
from heliograph.services.newsfeed import DAY_MS, Batch, Newsfeed
from heliograph.store.database import Full

both = pytest.mark.parametrize("backend", BACKENDS)


def feed_of(house: House) -> Newsfeed:
    feed = Newsfeed(house.desk, house.spawn, lambda: house.now)
    house.desk.batch.watch["feed.add"] = feed.note
    return feed


async def read(feed: Newsfeed, house: House, after: int = 0, limit: int = 100, wait_s: int = 0) -> Batch:
    future: asyncio.Future[Batch | None] = asyncio.get_running_loop().create_future()
    feed.read(house.account, after, limit, wait_s, future.set_result)
    found = await future
    assert found is not None
    return found


async def store_incoming(house: House, phone: str = "79161234567", text: str = "yes", **more: Any) -> None:
    """An incoming text as carriers bring it."""
    arrival = SimpleNamespace(
        phone=phone, to_phone="79037654321", text=text, sent_ms=NOW - 5_000, smsc="79168999100", reference=0, total=1,
        number=1, **more,
    )  # fmt: skip
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    house.incoming.record(1, arrival, done.set_result, house.now)  # type: ignore[arg-type]
    assert await done
    await house.desk.batch.settle()


@both
def test_news_is_kept_without_a_handler_and_read_page_by_page(backend: str, tmp_path: Path) -> None:
    """Each piece once, oldest first, with the fields that a handler would get."""

    async def story() -> None:
        async with open_house(backend, tmp_path, events_days="2") as house:
            feed = feed_of(house)
            messages = [await house.sent(f"a{n}", text=f"{n}") for n in range(5)]
            for n in range(5):
                assert await house.report(Report(f"a{n}", 1 if n else 20, err=0 if n else 6))
            assert await house.callbacks.read_due(2**62, 0, 9) == []
            found, after = [], 0
            for size in (2, 2, 1):
                page = await read(feed, house, after, 2)
                assert len(page.events) == size and page.more == (size == 2)
                found += page.events
                after = page.next
            assert await read(feed, house, after) == Batch((), after, False)
            fields = [dict(event.fields) for event in found]
            assert [str(each["id"]) for each in fields] == [message.id for message in messages]
            assert (fields[0]["status"], fields[0]["err"], fields[1]["status"]) == (20, 6, 1) and "err" not in fields[1]
            assert {event.kind for event in found} == {"status"} and len({event.id for event in found}) == 5

    asyncio.run(story())


@both
def test_event_has_the_number_of_its_callback(backend: str, tmp_path: Path) -> None:
    """Who is called and fetches can tell that both are one."""

    async def story() -> None:
        async with open_house(backend, tmp_path, events_days="2", callback_url=HANDLER) as house:
            feed = feed_of(house)
            await house.sent("a1")
            assert await house.report(Report("a1"))
            (callback,) = await house.callbacks.read_due(NOW, 0, 9)
            page = await read(feed, house)
            assert [event.id for event in page.events] == [callback.id]

    asyncio.run(story())


@both
def test_incoming_text_and_call_are_news(backend: str, tmp_path: Path) -> None:
    """They belong to the account that has last written; what the record says is a call is told as one."""

    async def story() -> None:
        async with open_house(backend, tmp_path, events_days="2", callback_url=HANDLER) as house:
            feed = feed_of(house)
            message = await house.sent("a1")
            await store_incoming(house)
            await store_incoming(house, phone="79990000000")  # nobody's
            callbacks = await house.callbacks.read_due(NOW, 0, 9)
            assert [callback.int_id for callback in callbacks] == [-1]
            found = await house.callbacks.fetch_incoming(callbacks[0])
            assert found is not None and (found.sms_id, found.text, found.call) == (message.id, "yes", False)
            (event,) = (await read(feed, house)).events
            assert event.kind == "incoming" and dict(event.fields)["sms_id"] == int(message.id)
            for extra in ('{"call":true}', '{"direct":true,"total":2}'):
                await house.db.transact([_update(extra)])
                (event,) = (await read(feed, house)).events
                assert event.kind == ("call" if "call" in extra else "incoming")
                assert "sms_id" not in dict(event.fields)

    asyncio.run(story())


def _update(extra: str) -> Any:
    from heliograph.store.database import Query, Step

    return Step(Query("test.extra", f"UPDATE inbound SET extra = '{extra}' WHERE id = 1", 0), [()])


@pytest.mark.parametrize(
    ("settings", "told", "kept"),
    [
        ({"callback_url": HANDLER}, (1, 1), 0),
        ({"callback_url": HANDLER, "callback_statuses": "no"}, (0, 1), 0),
        ({"callback_url": HANDLER, "callback_incoming": "no"}, (1, 0), 0),
        ({"events_days": "1"}, (0, 0), 2),
        ({}, (0, 0), 0),
    ],
)
def test_switches_of_the_account(settings: dict[str, str], told: tuple[int, int], kept: int, tmp_path: Path) -> None:
    """Statuses and incoming texts are switched on their own; what is fetched has a setting of its own."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, **settings) as house:
            feed = feed_of(house)
            await house.sent("a1")
            assert await house.report(Report("a1"))
            await store_incoming(house)
            await house.sent("b1", text="b", door=Door.WEB)
            assert await house.report(Report("b1"))
            found = await house.callbacks.read_due(NOW, 0, 9)
            assert (sum(each.int_id > 0 for each in found), sum(each.int_id < 0 for each in found)) == told
            assert len((await read(feed, house)).events) == kept
            await house.set(callback_statuses="no", callback_incoming="no")
            assert [house.callbacks.find_account(each) for each in found] == [None] * len(found)

    asyncio.run(story())


@both
def test_what_is_committed_later_stands_behind_what_was_read(backend: str, tmp_path: Path) -> None:
    """Event ids are taken before the commit, and commits change places: a cursor over them would lose news."""

    async def story() -> None:
        async with open_house(backend, tmp_path, events_days="2") as house:
            feed = feed_of(house)
            account_id = house.account.id
            early, late = house.desk.take_event(NOW), house.desk.take_event(NOW)
            assert early < late
            message = await house.sent("a1")
            after = 0
            for event in (late, early):
                row = (account_id, event, message.int_id, 1, 0, NOW)
                house.desk.batch.add(Change([("feed.add", row)], lambda error: None))
                await house.desk.batch.settle()
                page = await read(feed, house, after)
                assert [each.id for each in page.events] == [event] and page.next > after
                after = page.next

    asyncio.run(story())


def test_numbers_go_on_after_a_commit_that_failed_and_after_a_restart(tmp_path: Path) -> None:
    """A number is given once."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, events_days="2") as house:
            feed = feed_of(house)
            message = await house.sent("a1")
            row = (house.account.id, 2, message.int_id, 1, 0, NOW)
            house.db.fault = Full("full")
            house.desk.batch.add(Change([("feed.add", row)], lambda error: None))
            await house.desk.batch.settle()
            house.db.fault = None
            house.desk.batch.add(Change([("feed.add", row), ("feed.add", row)], lambda error: None))
            await house.desk.batch.settle()
            first = await read(feed, house)
            assert len(first.events) == 2
            next_one = await house.restart(-DAY_MS)  # its clock was set back
            assert await next_one.report(Report("a1"))
            page = await read(feed_of(next_one), next_one, first.next)
            assert len(page.events) == 1 and page.next > first.next

    asyncio.run(story())


@both
def test_large_request_is_told_when_it_has_become_valid(backend: str, tmp_path: Path) -> None:
    """Its rows are on disk before: a reader must neither see them early nor be past them."""

    async def story() -> None:
        async with open_house(backend, tmp_path, events_days="2", test="yes") as house:
            feed = feed_of(house)
            phones = [f"7916{number:07d}" for number in range(400)]
            answer = await house.accept(make(*phones))
            await asyncio.gather(*house.tasks)
            page = await read(feed, house, limit=250)
            rest = await read(feed, house, page.next, limit=250)
            assert answer is not None and len(page.events) + len(rest.events) == 400
            told = [dict(event.fields)["phone"] for event in (*page.events, *rest.events)]
            assert told == phones

    asyncio.run(story())


@both
def test_who_waits_is_told_at_once(backend: str, tmp_path: Path) -> None:
    """A long poll ends with the commit that makes the news; another account's news does not wake it."""

    async def story() -> None:
        async with open_house(backend, tmp_path, events_days="2") as house:
            feed = feed_of(house)
            await house.sent("a1")
            waiting = asyncio.create_task(read(feed, house, wait_s=30))
            await asyncio.sleep(0.05)
            feed.note([(1, house.account.id + 1)])
            await asyncio.sleep(0.02)
            assert not waiting.done()
            assert await house.report(Report("a1"))
            async with asyncio.timeout(5):
                assert len((await waiting).events) == 1
            assert feed._waiting == {}

    asyncio.run(story())


def test_nobody_waits_for_a_program_that_stops(tmp_path: Path) -> None:
    """A restart must not take as long as somebody's poll."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, events_days="2") as house:
            feed = feed_of(house)
            waiting = asyncio.create_task(read(feed, house, 5, wait_s=30))
            await asyncio.sleep(0.02)
            feed.release()
            async with asyncio.timeout(5):
                assert await waiting == Batch((), 5, False)
                assert await read(feed, house, 5, wait_s=30) == Batch((), 5, False)

    asyncio.run(story())


@both
def test_old_news_goes_and_the_rest_stays(backend: str, tmp_path: Path) -> None:
    """After its days, or at once when the account keeps none any more."""

    async def story() -> None:
        async with open_house(backend, tmp_path, events_days="2") as house:
            feed = feed_of(house)
            for name in ("a", "b"):
                await house.sent(name, text=name)
                assert await house.report(Report(name))
                house.now += DAY_MS
            house.now += DAY_MS // 2  # the first is 2.5 days old, the second 1.5
            assert await feed.expire() > 0 and len((await read(feed, house)).events) == 1
            assert await feed.expire() == 0
            await house.set(events_days="0")
            assert await feed.expire() > 0 and len((await read(feed, house)).events) == 0

    asyncio.run(story())
