"""What carriers answer, and what becomes of a text (services/attempts.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.house import HANDLER, NORTH, NOW, PHONE, PRICE, SOUTH, Answer, House, Report, open_house

from heliograph.core.messages import Message
from heliograph.core.money import SCALE
from heliograph.core.status import Err, Status
from heliograph.services import routes, tariffs
from heliograph.store.database import Full

both = pytest.mark.parametrize("backend", BACKENDS)
LONG = "a" * 400  # three parts
OK, LATER = "accepted", "later"


def busy(retry_ms: int = 5000) -> Answer:
    return Answer(LATER, code=0x14, err=Err.QUEUE_FULL, retry_ms=retry_ms)


def refused() -> Answer:
    return Answer("refused", code=0x0B, err=Err.NO_SUBSCRIBER)


async def one_route(house: House) -> None:
    """Leave the first route alone."""
    await routes.remove(house.db, "second")  # type: ignore[arg-type]
    await house.snapshots.refresh()


async def ended(house: House, message: Message, status: int, err: int, refunded: bool) -> None:
    """It is over, on disk and in memory, and its money is where the tariff says."""
    row = await house.row(message)
    assert (row.status, row.err) == (message.status, message.err) == (status, err)
    assert await house.queued(message) is None and house.over == [message.int_id]
    entries = [("charge", -message.cost), *([("refund", message.cost)] if refunded else [])]
    assert await house.ledger(message) == entries
    assert await house.balance() == 1000 * SCALE - (0 if refunded else message.cost)


@both
@pytest.mark.parametrize("text", ["hello", LONG])
def test_accepted_text_leaves_the_queue_with_its_ids(text: str, backend: str, tmp_path: Path) -> None:
    """Status 0, one row for each part, and the carrier's ids are known in memory and on disk."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted(PHONE, text=text)
            job = await house.start(message)
            assert (await house.queued(message))[3] == NOW, "the start mark is on disk first"
            refs = [f"r{n}" for n in range(message.parts)]
            await house.answer(job, *(Answer(OK, ref) for ref in refs))
            await ended(house, message, Status.SENT, 0, refunded=False)
            assert [(r[0], r[1], r[3], r[7]) for r in await house.db.all("parts.of", message.int_id)] == [
                (1, n + 1, ref, OK) for n, ref in enumerate(refs)
            ]
            assert message.refs == {n + 1: ref for n, ref in enumerate(refs)} and message.started_ms == 0

    asyncio.run(story())


@both
def test_busy_carrier_gets_it_again_after_the_pause(backend: str, tmp_path: Path) -> None:
    """A temporary refusal moves the queue row, takes the start mark off and keeps the money."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted()
            await house.answer(await house.start(message), busy())
            assert await house.queued(message) == (NORTH, 1, NOW + 5000, 0, 0)
            assert house.again == [(message.int_id, NOW + 5000)] and (await house.row(message)).tries == 1
            await house.answer(await house.start(message), Answer(OK, "a"))
            assert (await house.row(message)).status == Status.SENT and message.tries == 2

    asyncio.run(story())


@both
def test_only_missing_parts_go_again(backend: str, tmp_path: Path) -> None:
    """Part 1 and 3 are at the carrier: only part 2 is written again, and each part keeps its own row."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted(PHONE, text=LONG)
            await house.answer(await house.start(message), Answer(OK, "a"), busy(), Answer(OK, "c"))
            assert message.status == Status.WAITING
            job = await house.start(message)
            assert job.missing == (2,)
            await house.answer(job, busy())
            job = await house.start(message)
            assert job.missing == (2,)
            await house.answer(job, Answer(OK, "b"))
            await ended(house, message, Status.SENT, 0, refunded=False)
            rows = await house.db.all("parts.of", message.int_id)
            assert [(r[0], r[1], r[3]) for r in rows] == [(1, 1, "a"), (1, 2, ""), (1, 3, "c"), (2, 2, ""), (3, 2, "b")]

    asyncio.run(story())


@both
def test_refused_text_goes_to_the_next_route_and_then_ends(backend: str, tmp_path: Path) -> None:
    """Failover keeps the charge; when no route is left the tariff's refund is given once and the customer is told."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            (message,) = await house.accepted(PHONE, text=LONG)
            await house.answer(await house.start(message), refused(), refused(), refused())
            assert await house.queued(message) == (SOUTH, 1, NOW, 0, 0)
            assert house.again == [(message.int_id, NOW)] and await house.ledger(message) == [("charge", -3 * PRICE)]
            row = await house.row(message)
            assert (row.status, row.carrier_id, row.route_id, row.tried) == (Status.WAITING, SOUTH, 2, (NORTH,))
            job = await house.start(message)
            assert job.missing == ()
            await house.answer(job, refused(), refused(), refused())
            await ended(house, message, Status.UNDELIVERABLE, Err.NO_SUBSCRIBER, refunded=True)
            assert [r[1:3] for r in await house.db.all("callbacks.of", message.int_id)] == [(20, 1)]

    asyncio.run(story())


def test_refusals_stay_with_a_carrier_that_says_so(tmp_path: Path) -> None:
    """failover without "refused": the text ends at once."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            await house.set_carrier(failover="down")
            (message,) = await house.accepted()
            await house.answer(await house.start(message), refused())
            await ended(house, message, Status.UNDELIVERABLE, Err.NO_SUBSCRIBER, refunded=True)

    asyncio.run(story())


def test_partly_accepted_text_does_not_change_its_route(tmp_path: Path) -> None:
    """Half of it is on the phone: status 20, error 241, rather than all of it once more from elsewhere."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted(PHONE, text=LONG)
            await house.answer(await house.start(message), Answer(OK, "a"), refused(), Answer(OK, "c"))
            await ended(house, message, Status.UNDELIVERABLE, Err.PARTS_MISSING, refunded=True)

    asyncio.run(story())


@both
def test_retries_are_bounded_at_each_carrier(backend: str, tmp_path: Path) -> None:
    """Twice again at the first carrier, as often at the second, then the end."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            for name in ("north", "south"):
                await house.set_carrier(name, retries="2")
            (message,) = await house.accepted()
            carriers = []
            while message.status == Status.WAITING:
                carriers.append(message.carrier_id)
                await house.answer(await house.start(message), busy())
            assert carriers == [NORTH] * 3 + [SOUTH] * 3
            await ended(house, message, Status.UNDELIVERABLE, Err.QUEUE_FULL, refunded=True)

    asyncio.run(story())


def test_lost_link_before_the_write_counts_as_no_try(tmp_path: Path) -> None:
    """A carrier that is down for hours must not use its retries up."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            await house.set_carrier(retries="0")
            (message,) = await house.accepted()
            for _ in range(5):
                await house.answer(await house.start(message), Answer(LATER))
            assert message.tries == 0 and (await house.queued(message))[0] == NORTH
            await house.answer(await house.start(message), busy())
            assert (await house.queued(message))[0] == SOUTH

    asyncio.run(story())


def test_text_whose_life_ends_before_its_next_try_expires(tmp_path: Path) -> None:
    """valid is the customer's word: status 3 with the carrier's reason, and the refund."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted(PHONE, valid_s=60)
            await house.answer(await house.start(message), busy(60_000))
            await ended(house, message, Status.EXPIRED, Err.QUEUE_FULL, refunded=True)

    asyncio.run(story())


@both
def test_unanswered_text_waits_for_its_receipt(backend: str, tmp_path: Path) -> None:
    """It may be on the phone: marked unsure, found by its number, not sent again."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await house.set_carrier(unsure_s="100")
            (message,) = await house.accepted()
            await house.answer(await house.start(message), Answer("unsure"))
            assert await house.queued(message) == (NORTH, 1, NOW + 100_000, NOW, 1)
            assert house.dispatch.unsure == {(NORTH, PHONE): [message]}
            assert house.over == [message.int_id] and house.again == []
            assert "unsure" in await house.events(message)

    asyncio.run(story())


def test_unanswered_text_goes_again_where_the_carrier_says_so_but_not_for_ever(tmp_path: Path) -> None:
    """unsure=again may send twice; a carrier that never answers must not get it every half minute for a day."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            await house.set_carrier(unsure="again", retries="2")
            (message,) = await house.accepted()
            for _ in range(2):
                await house.answer(await house.start(message), Answer("unsure"))
                assert await house.queued(message) == (NORTH, 1, NOW, 0, 0)
            await house.answer(await house.start(message), Answer("unsure"))
            assert (await house.queued(message))[4] == 1 and house.dispatch.unsure

    asyncio.run(story())


def test_doubt_weighs_more_than_refusal(tmp_path: Path) -> None:
    """A text of which one part may be on the phone is not sent over another route."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted(PHONE, text=LONG)
            await house.answer(await house.start(message), refused(), Answer("unsure"), busy())
            assert (await house.queued(message))[4] == 1 and message.carrier_id == NORTH

    asyncio.run(story())


@pytest.mark.parametrize("refund", [(), (20,)])
def test_refund_is_the_tariffs(refund: tuple[int, ...], tmp_path: Path) -> None:
    """An operator who pays for undelivered texts keeps the price of them."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            await tariffs.set_refund(house.db, "basic", refund)  # type: ignore[arg-type]
            await one_route(house)
            (message,) = await house.accepted()
            await house.answer(await house.start(message), refused())
            await ended(house, message, Status.UNDELIVERABLE, Err.NO_SUBSCRIBER, refunded=bool(refund))

    asyncio.run(story())


@pytest.mark.parametrize("what", [OK, "refused", LATER])
def test_outcome_that_the_store_could_not_take_is_kept(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk loses neither the carrier's id nor the refund; the text moves on when they are on disk."""
    monkeypatch.setattr("heliograph.services.desk.RETRY_S", 0.01)

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            await one_route(house)
            (message,) = await house.accepted()
            job = await house.start(message)
            house.db.fault = Full("full")
            answer = {OK: Answer(OK, "a"), "refused": refused(), LATER: busy()}[what]
            house.attempts.record(job, 1, 1, answer, NOW)  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
            assert house.over == house.again == [] and message.pending
            house.db.fault = None
            while not house.over and not house.again:
                await asyncio.sleep(0.005)
            await house.desk.batch.settle()
            assert (await house.row(message)).status == message.status
            assert ((await house.queued(message)) is None) is (what != LATER)
            assert not message.pending
            assert await house.balance() == 1000 * SCALE - (0 if what == "refused" else PRICE)

    asyncio.run(story())


def test_late_write_does_not_bring_an_old_state_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer did not fit onto the disk, the receipt behind it did: the retry must not write "sent" over "delivered"."""
    monkeypatch.setattr("heliograph.services.desk.RETRY_S", 0.05)

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted()
            job = await house.start(message)
            house.db.fault = Full("full")
            house.attempts.record(job, 1, 1, Answer(OK, "a"), NOW)  # type: ignore[arg-type]
            while not house.desk.batch.failed:
                await asyncio.sleep(0)
            house.db.fault = None
            assert await house.report(Report("a"))
            while not house.over:
                await asyncio.sleep(0.005)
            assert (await house.row(message)).status == message.status == Status.DELIVERED

    asyncio.run(story())
