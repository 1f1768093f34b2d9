"""The table of news for customers (services/callbacks.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.house import HANDLER, NOW, House, Report, open_house

from heliograph.core.messages import Door
from heliograph.services.callbacks import Callback, Callbacks
from heliograph.store.database import Full

both = pytest.mark.parametrize("backend", BACKENDS)
FAR = 2**62


def ids(callbacks: list[Callback]) -> list[int]:
    return [callback.id for callback in callbacks]


async def news(house: House, ref: str = "a1", status: int = 1) -> Callback:
    """One row of news of a text that ended."""
    message = await house.sent(ref, text=ref)
    assert await house.report(Report(ref, status, err=0 if status == 1 else 6))
    return (await house.callbacks.read_due(NOW, 0, 100))[-1] if message else None  # type: ignore[return-value]


@both
def test_news_is_read_in_order_and_when_due(backend: str, tmp_path: Path) -> None:
    """Pages behind an id, later ones when their time comes."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            first, second = await news(house, "a"), await news(house, "b", 20)
            assert (first.status, first.err, second.status, second.err) == (1, 0, 20, 6) and first.id < second.id
            assert ids(await house.callbacks.read_due(NOW, 0, 1)) == [first.id]
            assert ids(await house.callbacks.read_due(NOW, first.id, 9)) == [second.id]
            assert ids(await house.callbacks.read_due(NOW - 1, 0, 9)) == [first.id, second.id], "a clock set back"
            assert await house.callbacks.next_due(NOW - 1) is None
            assert house.callbacks.record(second, False, "500", NOW) is second
            await house.desk.batch.settle()
            assert ids(await house.callbacks.read_due(NOW, 0, 9)) == [first.id]
            later = second.due_ms
            assert await house.callbacks.next_due(NOW) == later and await house.callbacks.next_due(later) is None
            assert house.callbacks.find_account(first) == house.account
            message = await house.callbacks.fetch(first)
            assert message is not None and message is house.callbacks.find(first)
            house.desk.let_go(message)
            assert house.callbacks.find(first) is None and await house.callbacks.fetch(first) is not None

    asyncio.run(story())


@both
def test_told_news_is_gone_and_failed_news_comes_again_after_four_minutes(backend: str, tmp_path: Path) -> None:
    """1 request every 4 minutes, 50 in all, with the same event id; then it is given up, and the story says so."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            told, failing = await news(house, "a"), await news(house, "b")
            stored: list[str] = []
            assert house.callbacks.record(told, True, "200", NOW, lambda: stored.append("told")) is None
            now, id_ = NOW, failing.id
            for number in range(1, 50):
                assert house.callbacks.record(failing, False, "500", now) is failing
                now += 240_000
                assert (failing.id, failing.tries, failing.due_ms) == (id_, number, now)
            await house.desk.batch.settle()
            assert stored == ["told"] and await house.callbacks.read_due(now - 1, 0, 9) == []
            (found,) = await house.callbacks.read_due(now, 0, 9)
            assert (found.id, found.tries, found.due_ms) == (failing.id, 49, now)
            assert house.callbacks.record(failing, False, "500", now) is None
            await house.desk.batch.settle()
            assert await house.callbacks.read_due(FAR, 0, 9) == []
            assert (house.callbacks.told, house.callbacks.failed, house.callbacks.given_up) == (1, 50, 1)
            events = await house.db.all("events.of", failing.int_id)
            assert len(events) == 51 and "given up after 50 attempts" in events[-1][2]

    asyncio.run(story())


@both
def test_event_ids_are_never_given_twice(backend: str, tmp_path: Path) -> None:
    """A customer takes a known id for a repeat: after a restart with an empty table ids go on above the old ones."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            first = await news(house, "a")
            house.callbacks.record(first, True, "200", NOW)
            await house.desk.batch.settle()
            next_one = await house.restart(1)
            assert (await news_at(next_one)).id > first.id

    async def news_at(house: House) -> Callback:
        await house.sent("z", text="z")
        assert await house.report(Report("z"))
        return (await house.callbacks.read_due(FAR, 0, 9))[-1]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("door", "told"), [(Door.HTTP, 1), (Door.SMTP, 1), (Door.SMPP, 1), (Door.SOAP, 0), (Door.WEB, 0)]
)
def test_only_three_doors_cause_callbacks(door: Door, told: int, tmp_path: Path) -> None:
    """Statuses go to the handler for HTTP, SMTP and SMPP only (seed 001); without a handler for none."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, callback_url=HANDLER) as house:
            await house.sent("a", door=door)
            assert await house.report(Report("a"))
            assert len(await house.callbacks.read_due(FAR, 0, 9)) == told
            await house.set(callback_url="")
            await house.sent("b", text="b", door=door)
            assert await house.report(Report("b"))
            assert len(await house.callbacks.read_due(FAR, 0, 9)) == told
            for callback in await house.callbacks.read_due(FAR, 0, 9):
                assert house.callbacks.find_account(callback) is None
                house.callbacks.drop(callback, "nobody", NOW)
            await house.desk.batch.settle()
            assert await house.callbacks.read_due(FAR, 0, 9) == []

    asyncio.run(story())


def test_result_that_cannot_be_stored_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told, but the disk was full: it is noted later instead of being told again."""
    monkeypatch.setattr("heliograph.services.callbacks.RETRY_S", 0.01)

    async def story() -> None:
        async with open_house("sqlite", tmp_path, callback_url=HANDLER) as house:
            callback = await news(house)
            stored: list[int] = []
            house.db.fault = Full("full")
            house.callbacks.record(callback, True, "200", NOW, lambda: stored.append(1))
            await house.desk.batch.settle()
            assert not stored
            house.db.fault = None
            async with asyncio.timeout(5):
                while not stored:
                    await asyncio.sleep(0.01)
            assert stored == [1] and await house.callbacks.read_due(FAR, 0, 9) == []

    asyncio.run(story())


def test_attempts_and_pause_are_settings(tmp_path: Path) -> None:
    """An operator may be more or less patient."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, callback_url=HANDLER) as house:
            callback = await news(house)
            impatient = Callbacks(house.desk, retry_s=1, attempts=2)
            assert impatient.record(callback, False, "x", NOW) is callback and callback.due_ms == NOW + 1000
            assert impatient.record(callback, False, "x", NOW) is None

    asyncio.run(story())
