"""Asking for statuses and deleting (services/statuses.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.house import NOW, PHONE, PRICE, Answer, House, Report, make, open_house

from heliograph.core.messages import Message
from heliograph.core.money import SCALE
from heliograph.core.status import Status
from heliograph.store.database import Full

both = pytest.mark.parametrize("backend", BACKENDS)


async def find(house: House, *wanted: tuple[str, str]) -> list[Message | None]:
    future: asyncio.Future[list[Message | None]] = asyncio.get_running_loop().create_future()
    house.statuses.find(house.account.id, wanted, future.set_result)
    return await future


async def delete(house: House, id_: str, phone: str = PHONE) -> bool:
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    house.statuses.delete(house.account, id_, phone, house.now, future.set_result)
    return await future


@both
def test_messages_are_found_by_id_and_number_however_typed(backend: str, tmp_path: Path) -> None:
    """The latest of a repeated id; bad numbers as they were typed; nothing of others, and None where there is none."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (old,) = await house.accepted("8" + PHONE[1:], text="old", id="A")
            await house.send(PHONE, text="new", id="A")
            await house.send("123", text="bad", id="B")
            found = await find(
                house, ("A", PHONE), ("A", "8" + PHONE[1:]), ("A", "+" + PHONE), ("B", "123"), ("C", PHONE)
            )
            assert [m.text if m else None for m in found] == ["new", "new", "new", "bad", None]
            assert await house.statuses.get(house.account.id + 1, "A", PHONE) is None
            assert await find(house) == []
            assert found[0] is not None and found[0].int_id > old.int_id

    asyncio.run(story())


def test_present_state_is_told_before_it_is_on_disk(tmp_path: Path) -> None:
    """Memory is ahead of the store while a change is being committed."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            message = await house.sent("a1")
            house.receipts.record(1, Report("a1"), lambda stored: None, NOW)  # type: ignore[arg-type]
            (found,) = await find(house, (message.id, PHONE))
            assert found is message and found.status == Status.DELIVERED

    asyncio.run(story())


@both
def test_deleted_waiting_text_is_stopped_and_refunded_once(backend: str, tmp_path: Path) -> None:
    """It leaves the queue with its money, cannot be found any more, and a second deletion finds nothing."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted(PHONE, send_ms=NOW + 10**6)
            results = await asyncio.gather(delete(house, message.id), delete(house, message.id))
            assert True in results
            assert not await delete(house, message.id)
            row = await house.row(message)
            assert (row.status, row.refunded) == (Status.STOPPED, PRICE) and await house.queued(message) is None
            assert await find(house, (message.id, PHONE)) == [None]
            assert await house.ledger(message) == [("charge", -PRICE), ("refund", PRICE)]
            assert await house.balance() == 1000 * SCALE
            assert not await delete(await house.restart(), message.id)

    asyncio.run(story())


@both
def test_text_that_has_left_is_only_taken_out_of_the_history(backend: str, tmp_path: Path) -> None:
    """Sent, or marked as started: nothing comes back, and its receipt is still taken."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            sent = await house.sent("a1")
            (started,) = await house.accepted(PHONE, text="started")
            job = await house.start(started)
            assert await delete(house, sent.id) and await delete(house, started.id)
            await house.answer(job, Answer("accepted", "a2"))
            for ref, message in (("a1", sent), ("a2", started)):
                assert await house.report(Report(ref))
                assert (await house.row(message)).status == Status.DELIVERED
                assert await find(house, (message.id, PHONE)) == [None]
            assert await house.balance() == 1000 * SCALE - 2 * PRICE

    asyncio.run(story())


def test_deletion_that_cannot_be_stored_changes_nothing(tmp_path: Path) -> None:
    """With a full disk the message stays as it was, and so does the money."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted()
            house.db.fault = Full("full")
            assert not await delete(house, message.id)
            house.db.fault = None
            assert message.status == Status.WAITING and await find(house, (message.id, PHONE)) == [message]
            assert await house.balance() == 1000 * SCALE - PRICE
            assert await delete(house, message.id) and await house.balance() == 1000 * SCALE

    asyncio.run(story())


def test_one_recipient_of_a_large_request_can_be_stopped(tmp_path: Path) -> None:
    """Its own part of the common charge comes back."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            phones = [f"7916{n:07d}" for n in range(250)]
            await house.accept(make(*phones, send_ms=NOW + 10**6))
            assert await delete(house, "1", phones[200])
            assert await house.balance() == 1000 * SCALE - 249 * PRICE

    asyncio.run(story())
