"""Taking texts from the queue, and what a crash left (services/dispatch.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.house import NORTH, NOW, PHONE, PRICE, SOUTH, Answer, Report, open_house

from heliograph.core.money import SCALE
from heliograph.core.reasons import Refused
from heliograph.core.status import Err, Status
from heliograph.services import carriers, routes
from heliograph.services.attempts import missing_of

both = pytest.mark.parametrize("backend", BACKENDS)
DAY_MS = 86_400_000
LONG = "a" * 400  # three parts


@both
def test_due_rows_come_oldest_first_by_carrier_and_lane(backend: str, tmp_path: Path) -> None:
    """Only what is due, not started and of that lane; memory's own objects are given where it has them."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (late,) = await house.accepted(PHONE, text="late", send_ms=NOW + 2000)
            (later,) = await house.accepted(PHONE, text="later", send_ms=NOW + 3000)
            (now,) = await house.accepted(PHONE, text="now")
            (started,) = await house.accepted(PHONE, text="started")
            (low,) = await house.accepted(PHONE, text="low", lane=3)
            await house.start(started)
            due = await house.dispatch.read_due(NORTH, 1, NOW + 2000, 10)
            assert [m.text for m in due] == ["now", "late"] and due[0] is now
            assert [m.text for m in await house.dispatch.read_due(NORTH, 1, NOW + 9000, 2)] == ["now", "late"]
            assert [m.int_id for m in await house.dispatch.read_due(NORTH, 3, NOW, 9)] == [low.int_id]
            assert await house.dispatch.read_due(SOUTH, 1, NOW + 9000, 9) == []
            assert await house.dispatch.next_due(NORTH, 1, NOW - 1) == NOW
            # What is due already must not hide what comes later.
            assert await house.dispatch.next_due(NORTH, 1, NOW) == NOW + 2000
            await house.start(now)
            assert await house.dispatch.next_due(NORTH, 1, NOW - 1) == NOW + 2000
            assert await house.dispatch.next_due(SOUTH, 1, NOW - 1) is None and later.send_ms == NOW + 3000 and late

    asyncio.run(story())


@both
def test_routes_go_on_without_those_that_had_it(backend: str, tmp_path: Path) -> None:
    """A rerouted text is in the queue of the other carrier with its story."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted()
            (route,) = house.dispatch.find_routes(message, NOW)
            assert route.carrier_id == SOUTH
            moved = asyncio.Event()
            house.dispatch.reroute(message, route, "no link", NOW, moved.set)
            await moved.wait()
            assert await house.queued(message) == (SOUTH, 1, NOW, 0, 0)
            assert house.dispatch.find_routes(message, NOW) == []
            assert (await house.row(message)).tried == (NORTH,) and await house.events(message) == ["route"]

    asyncio.run(story())


@both
def test_unmarked_rows_go_again_after_a_crash_and_marked_ones_are_unsure(backend: str, tmp_path: Path) -> None:
    """Only what was written and never answered may be on a phone; a second crash does not make its wait longer."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await house.set_carrier(unsure_s="100")
            (plain,) = await house.accepted(PHONE, text="plain")
            (marked,) = await house.accepted(PHONE, text="marked")
            await house.start(marked)
            next_one = await house.restart(1000)
            (found,) = next_one.dispatch.unsure[NORTH, PHONE]
            assert found.int_id == marked.int_id and found.started_ms == NOW
            assert await next_one.queued(marked) == (NORTH, 1, NOW + 101_000, NOW, 1)
            assert [m.int_id for m in await next_one.dispatch.read_due(NORTH, 1, NOW + 10**9, 9)] == [plain.int_id]
            third = await next_one.restart(1000)
            assert await third.queued(marked) == (NORTH, 1, NOW + 101_000, NOW, 1)
            assert len(third.dispatch.unsure[NORTH, PHONE]) == 1
            assert (await third.events(marked)).count("unsure") == 1

    asyncio.run(story())


@both
def test_marked_rows_go_again_where_the_carrier_says_so(backend: str, tmp_path: Path) -> None:
    """unsure=again: the mark is taken off and the text is due."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await house.set_carrier(unsure="again")
            (marked,) = await house.accepted()
            await house.start(marked)
            next_one = await house.restart()
            assert not next_one.dispatch.unsure
            assert await next_one.queued(marked) == (NORTH, 1, NOW + 1000, 0, 0)
            assert await next_one.events(marked) == ["again"]

    asyncio.run(story())


@both
def test_end_of_the_wait_is_expired_without_a_report_and_refunded(backend: str, tmp_path: Path) -> None:
    """Status 3, error 245, the money back, once, however often it is looked at."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await house.set_carrier(unsure_s="100")
            (message,) = await house.accepted()
            await house.answer(await house.start(message), Answer("unsure"))
            assert await house.dispatch.end_waits(NOW + 99_999) == 0
            assert await house.dispatch.end_waits(NOW + 100_000) == 1
            assert await house.dispatch.end_waits(NOW + 100_001) == 0
            await house.desk.batch.settle()
            assert await house.dispatch.end_waits(NOW + 100_002) == 0
            row = await house.row(message)
            assert (row.status, row.err, row.refunded) == (Status.EXPIRED, Err.NO_REPORT, PRICE)
            assert await house.queued(message) is None and not house.dispatch.unsure and not message.pending
            assert await house.balance() == 1000 * SCALE

    asyncio.run(story())


@both
def test_sent_text_without_a_receipt_ends_after_its_time(backend: str, tmp_path: Path) -> None:
    """A receipt that never comes must not leave a text at 0 for ever; a late one is still believed."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await house.set_carrier(report_s="60")
            message = await house.sent("a1")
            assert await house.dispatch.end_waits(NOW + 60_000) == 0
            assert await house.dispatch.end_waits(NOW + 60_001) == 1
            await house.desk.batch.settle()
            assert (message.status, message.err) == (Status.EXPIRED, Err.NO_REPORT)
            assert await house.report(Report("a1"))
            assert (await house.row(message)).status == Status.DELIVERED
            assert await house.ledger(message) == [("charge", -PRICE), ("refund", PRICE)]
            assert await house.balance() == 1000 * SCALE

    asyncio.run(story())


@both
def test_texts_of_a_carrier_that_was_removed_end_too(backend: str, tmp_path: Path) -> None:
    """No carrier is removed while texts are out there; when its row has gone all the same they end after a day and an hour."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            message = await house.sent("a1")
            await routes.remove(house.db, "first")  # type: ignore[arg-type]
            with pytest.raises(Refused, match=r"1 messages were sent over north .* disable it instead"):
                await carriers.remove(house.db, "north")  # type: ignore[arg-type]
            async with house.db.transaction() as tx:
                await tx.run("carriers.remove", NORTH)
            next_one = await house.restart()
            assert await next_one.dispatch.end_waits(NOW + 90_000_000) == 0
            assert await next_one.dispatch.end_waits(NOW + 90_000_001) == 1
            await next_one.desk.batch.settle()
            row = await next_one.row(message)
            assert (row.status, row.err) == (Status.EXPIRED, Err.NO_REPORT)

    asyncio.run(story())


@both
@pytest.mark.parametrize("code", [0x58, 0])
def test_missing_parts_go_alone_after_a_restart(code: int, backend: str, tmp_path: Path) -> None:
    """Of a long text whose second part waits only that goes again, also when the try did not count (code 0: its link went
    down before it was written)."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted(PHONE, text=LONG)
            (other,) = await house.accepted(PHONE, text="b" + LONG)
            await house.answer(
                await house.start(message),
                Answer("accepted", "a1"),
                Answer("later", code=code),
                Answer("accepted", "a3"),
            )
            next_one = await house.restart()
            again, whole = await next_one.dispatch.read_due(NORTH, 1, NOW + 1000, 9)
            assert (again.int_id, missing_of(again), again.tries) == (message.int_id, (2,), 1)
            assert (whole.int_id, missing_of(whole), whole.part_states) == (other.int_id, (), [])
            assert await next_one.report(Report("a1"))
            assert again.status == Status.WAITING
            await next_one.answer(await next_one.start(again), Answer("accepted", "a2"))
            assert (await next_one.row(again)).status == Status.SENT
            for ref in ("a2", "a3"):
                assert await next_one.report(Report(ref))
            assert (await next_one.row(again)).status == Status.DELIVERED

    asyncio.run(story())


@both
def test_parts_that_nobody_knew_of_go_as_well(backend: str, tmp_path: Path) -> None:
    """A carrier without the text's alphabet makes more parts of it than were priced; after a crash in the middle of
    their answers none of them may be forgotten."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await house.set_carrier(unsure="again")
            (message,) = await house.accepted(PHONE, text=LONG)
            job = await house.start(message)
            for part in (1, 2):
                house.attempts.record(job, part, 5, Answer("accepted", f"a{part}"), NOW)  # type: ignore[arg-type]
            await house.desk.batch.settle()
            next_one = await house.restart()
            (again,) = await next_one.dispatch.read_due(NORTH, 1, NOW + 1000, 9)
            job = await next_one.start(again)
            assert job.missing == (3,)
            next_one.attempts.record(job, 3, 5, Answer("accepted", "a3"), NOW)  # type: ignore[arg-type]
            await next_one.desk.batch.settle()
            assert next_one.again == [(again.int_id, NOW)]
            assert missing_of(again) == (4, 5) and again.status == Status.WAITING

    asyncio.run(story())


def test_rows_of_texts_that_are_over_do_not_block_the_end_of_waits(tmp_path: Path) -> None:
    """A queue row whose text has ended otherwise is removed and not looked at again and again."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted()
            await house.answer(await house.start(message), Answer("unsure"))
            house.dispatch.trust(message)
            message.status = Status.DELIVERED
            assert await house.dispatch.end_waits(NOW + 10 * DAY_MS) == 0
            await house.desk.batch.settle()
            assert await house.queued(message) is None and message.status == Status.DELIVERED

    asyncio.run(story())


def test_mark_is_taken_off_what_was_not_written(tmp_path: Path) -> None:
    """At the end of the program nothing is left to be taken for unsure."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted()
            await house.start(message)
            house.dispatch.unmark(message, NOW)
            await house.desk.batch.settle()
            assert await house.queued(message) == (NORTH, 1, NOW, 0, 0)
            assert not (await house.restart()).dispatch.unsure

    asyncio.run(story())
