"""Receipts: matched, applied, or kept; never dropped (services/receipts.py)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.house import HANDLER, NORTH, NOW, PHONE, PRICE, SOUTH, Answer, House, Report, open_house

from heliograph.core.messages import Kind, Message, decode_extra
from heliograph.core.money import SCALE
from heliograph.core.status import Err, Status
from heliograph.services.receipts import agrees, choose
from heliograph.store.database import Full

both = pytest.mark.parametrize("backend", BACKENDS)
LONG = "a" * 300  # two parts
OTHER = "79161234568"


def forget(house: House) -> None:
    """As if memory had been needed for others: only the store knows the messages."""
    for message in list(house.desk.messages.values()):
        house.desk.let_go(message)
    assert not house.desk.refs


async def orphans(house: House) -> int:
    row = await house.db.one("orphans.count")
    return int(row[0])


async def status(house: House, message: Message) -> tuple[int, int]:
    row = await house.row(message)
    return row.status, row.err


@both
@pytest.mark.parametrize("remembered", [True, False])
def test_receipt_ends_its_text_and_is_told_and_refunded(remembered: bool, backend: str, tmp_path: Path) -> None:
    """Delivered keeps the money, undeliverable gives it back; the handler hears of both, whoever remembers the id."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            good, bad = await house.sent("g1"), await house.sent("b1", OTHER)
            if not remembered:
                forget(house)
            assert await house.report(Report("g1"))
            assert await house.report(Report("b1", 20, OTHER, Err.ABSENT))
            assert await status(house, good) == (1, 0) and await status(house, bad) == (20, 6)
            assert [r[1:3] for r in await house.db.all("callbacks.of", good.int_id)] == [(1, 0)]
            assert [r[1:3] for r in await house.db.all("callbacks.of", bad.int_id)] == [(20, 6)]
            assert await house.balance() == 1000 * SCALE - PRICE
            assert await house.events(good) == ["receipt"]

    asyncio.run(story())


@both
def test_carriers_own_error_is_told_until_the_text_is_delivered(backend: str, tmp_path: Path) -> None:
    """As the reference's syserr, also by a receipt that came before the carrier's id; a delivered text has no error."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            await house.set_carrier(failover="refused")
            (message,) = await house.accepted()
            job = await house.start(message)
            early = Report("a1", 20, err=Err.ABSENT)
            early.syserr = 27
            assert await house.report(early)
            await house.answer(job, Answer("accepted", "a1"))
            assert decode_extra((await house.row(message)).extra).syserr == 27
            other = await house.sent("b1", OTHER)
            expired = Report("b1", 3, OTHER, Err.ABSENT)
            expired.syserr = 1063
            assert await house.report(expired)
            assert decode_extra((await house.row(other)).extra).syserr == 1063
            assert await house.report(Report("b1", 1, OTHER))
            assert (await house.row(other)).extra == "" and await status(house, other) == (1, 0)

    asyncio.run(story())


@both
def test_receipt_before_response_is_kept_and_joined(backend: str, tmp_path: Path) -> None:
    """All of them: news on the way and the end of it, in order; another number's receipt with this id is not taken."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted()
            job = await house.start(message)
            for report in (Report("a1", 0), Report("a1", 1), Report("a1", 20, "79990000000")):
                assert await house.report(report)
            assert await orphans(house) == 3
            await house.answer(job, Answer("accepted", "a1"))
            assert await status(house, message) == (1, 0)
            assert await orphans(house) == 1 and house.receipts.joined == 2

    asyncio.run(story())


@both
def test_early_receipt_is_joined_after_a_restart_by_its_number(backend: str, tmp_path: Path) -> None:
    """The response was lost in the crash, the receipt was on disk: the only unsure text to that number has it."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted()
            await house.start(message)
            assert await house.report(Report("a1"))
            next_one = await house.restart()
            assert await status(next_one, message) == (1, 0) and await next_one.queued(message) is None
            assert await orphans(next_one) == 0 and not next_one.dispatch.unsure

    asyncio.run(story())


def test_old_orphan_does_not_belong_to_a_text_sent_after_it(tmp_path: Path) -> None:
    """Carriers reuse ids: a receipt of last week is not the receipt of what is sent today."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            assert await house.report(Report("a1"))
            house.now += 60_000
            message = await house.sent("a1")
            assert message.status == Status.SENT and await orphans(house) == 1
            next_one = await house.restart()
            assert (await next_one.row(message)).status == Status.SENT

    asyncio.run(story())


@both
def test_repeated_receipt_changes_nothing(backend: str, tmp_path: Path) -> None:
    """Carriers repeat what was not acknowledged in time: no second refund, no second callback."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            message = await house.sent("a1")
            for number in range(3):
                assert await house.report(Report("a1", 20, err=6))
                if number == 1:
                    forget(house)
            assert await house.report(Report("a1", 1))
            assert await status(house, message) == (20, 6)
            assert len(await house.db.all("callbacks.of", message.int_id)) == 1
            assert await house.ledger(message) == [("charge", -PRICE), ("refund", PRICE)]
            assert await house.balance() == 1000 * SCALE

    asyncio.run(story())


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        ("4d2", "1234"),
        ("1234", "4D2"),
        ("4D2", "0000001234"),
        ("abc", "ABC"),
        ("0000000042", "42"),
        ("42", "0000000042"),
    ],
)
@pytest.mark.parametrize("remembered", [True, False])
def test_other_notation_is_found_and_learned(remembered: bool, answered: str, told: str, tmp_path: Path) -> None:
    """Hexadecimal, decimal, case and zeros: the next receipt is found at the first look."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            message = await house.sent(answered)
            if not remembered:
                forget(house)
            assert await house.report(Report(told))
            assert await status(house, message) == (1, 0) and await orphans(house) == 0
            assert NORTH in house.receipts.fits()

    asyncio.run(story())


@both
@pytest.mark.parametrize("remembered", [True, False])
def test_learned_notation_beats_an_id_that_looks_the_same(remembered: bool, backend: str, tmp_path: Path) -> None:
    """Answers in hex, receipts in decimal: "16" is the text answered "10", not the one answered "16"."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            first = await house.sent("4d2", text="first")
            assert await house.report(Report("1234"))
            right, wrong = await house.sent("10", text="right"), await house.sent("16", text="wrong")
            if not remembered:
                forget(house)
            assert await house.report(Report("16"))
            assert [(await status(house, m))[0] for m in (first, right, wrong)] == [1, 1, 0]

    asyncio.run(story())


@both
@pytest.mark.parametrize("remembered", [True, False])
def test_id_that_leads_to_several_texts_is_kept_aside(remembered: bool, backend: str, tmp_path: Path) -> None:
    """Nothing is known of this carrier yet and two notations lead somewhere: stored, acknowledged, not guessed."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            texts = [
                await house.sent(ref, text=ref) for ref in ("11", "b")
            ]  # "17" is 11 in hex; 0xb is... both of "011"
            if not remembered:
                forget(house)
            assert await house.report(Report("0011"))  # 11 without zeros; b as a decimal
            assert [(await status(house, m))[0] for m in texts] == [0, 0]
            assert await orphans(house) == 1 and house.receipts.fits() == {}

    asyncio.run(story())


@both
def test_reused_id_belongs_to_the_number_and_then_to_the_youngest(backend: str, tmp_path: Path) -> None:
    """Destination and age count, in memory and in the store."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            mine, other = await house.sent("a1", text="mine"), await house.sent("a1", OTHER, text="other")
            assert await house.report(Report("a1", phone=PHONE))
            assert [(await status(house, m))[0] for m in (mine, other)] == [1, 0]
            old, young = await house.sent("z9", text="old"), await house.sent("z9", text="young")
            forget(house)
            assert await house.report(Report("z9"))
            assert [(await status(house, m))[0] for m in (old, young)] == [0, 1]
            assert await house.report(Report("a1", phone="79990001122")) and await orphans(house) == 1

    asyncio.run(story())


@both
def test_unsure_text_is_resolved_by_its_number_when_it_is_the_only_one(backend: str, tmp_path: Path) -> None:
    """The receipt says that it was delivered, and its id is kept for the next receipt; of two, nobody knows which."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted()
            await house.answer(await house.start(message), Answer("unsure"))
            assert await house.report(Report("n1", 0))
            assert await status(house, message) == (0, 0) and await house.queued(message) is None
            assert not house.dispatch.unsure and not message.pending
            next_one = await house.restart()
            assert await next_one.report(Report("n1", 1)) and await status(next_one, message) == (1, 0)
            two = [(await next_one.accepted(PHONE, text=text))[0] for text in ("one", "two")]
            for each in two:
                await next_one.answer(await next_one.start(each), Answer("unsure"))
            assert await next_one.report(Report("n2")) and await orphans(next_one) == 1
            assert [(await status(next_one, m))[0] for m in two] == [-1, -1]

    asyncio.run(story())


@both
def test_receipts_of_parts_combine(backend: str, tmp_path: Path) -> None:
    """Delivered when all parts are, from memory or after a restart in the middle; failed as soon as one failed."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            long = []
            for n in range(3):
                (message,) = await house.accepted(PHONE, text=LONG + str(n))
                await house.answer(await house.start(message), Answer("accepted", f"{n}x"), Answer("accepted", f"{n}y"))
                long.append(message)
            assert await house.report(Report("0y")) and await status(house, long[0]) == (0, 0)
            assert await house.report(Report("0x")) and await status(house, long[0]) == (1, 0)
            assert await house.report(Report("1x", 20, err=6)) and await status(house, long[1]) == (20, 6)
            assert await house.report(Report("1y")) and await status(house, long[1]) == (20, 6)
            assert await house.report(Report("2x"))
            next_one = await house.restart()
            assert await next_one.report(Report("2y")) and await status(next_one, long[2]) == (1, 0)
            assert await next_one.balance() == 1000 * SCALE - 4 * PRICE

    asyncio.run(story())


@both
def test_part_that_is_still_to_go_keeps_its_text_waiting(backend: str, tmp_path: Path) -> None:
    """Part 1 is delivered before part 2 has left: the text is not over, part 2 goes, and a restart changes nothing."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted(PHONE, text=LONG)
            busy = Answer("later", code=0x14, retry_ms=5000)
            await house.answer(await house.start(message), Answer("accepted", "x"), busy)
            assert await house.report(Report("x"))
            assert message.status == Status.WAITING and (await house.queued(message))[2] == NOW + 5000
            job = await house.start(message)
            assert job.missing == (2,)
            await house.answer(job, Answer("accepted", "y"))
            assert message.status == Status.SENT
            next_one = await house.restart()
            assert await next_one.report(Report("y")) and await status(next_one, message) == (1, 0)

    asyncio.run(story())


@both
def test_failed_part_ends_its_text_and_its_queue_row(backend: str, tmp_path: Path) -> None:
    """What has still to go of it does not go, waiting or under way, and the refund is given once."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            waiting, flying = [(await house.accepted(PHONE, text=LONG + n))[0] for n in "12"]
            busy = Answer("later", code=0x14, retry_ms=5000)
            await house.answer(await house.start(waiting), Answer("accepted", "x"), busy)
            job = await house.start(flying)
            house.attempts.record(job, 1, 2, Answer("accepted", "z"), NOW)  # type: ignore[arg-type]
            for ref, message in (("x", waiting), ("z", flying)):
                assert await house.report(Report(ref, 20, err=6))
                assert await status(house, message) == (20, 6) and await house.queued(message) is None
            house.attempts.record(job, 2, 2, busy, NOW)  # type: ignore[arg-type]
            await house.desk.batch.settle()
            assert await house.queued(flying) is None and flying.int_id in house.over
            assert await house.balance() == 1000 * SCALE

    asyncio.run(story())


@both
def test_unsure_long_text_keeps_the_parts_that_were_answered(backend: str, tmp_path: Path) -> None:
    """Part 1 has its id, part 2 was never answered: after a crash an unknown id is that of part 2."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted(PHONE, text=LONG)
            job = await house.start(message)
            house.attempts.record(job, 1, 2, Answer("accepted", "x"), NOW)  # type: ignore[arg-type]
            await house.desk.batch.settle()
            next_one = await house.restart()
            assert await next_one.report(Report("unknown"))
            assert await status(next_one, message) == (0, 0) and await next_one.queued(message) is None
            assert [r[:4] for r in await next_one.db.all("parts.of", message.int_id)] == [
                (1, 1, NORTH, "x"),
                (1, 2, NORTH, "unknown"),
            ]
            assert await next_one.report(Report("x")) and await status(next_one, message) == (1, 0)
            assert not next_one.dispatch.unsure

    asyncio.run(story())


@both
def test_results_of_a_number_query_are_stored(backend: str, tmp_path: Path) -> None:
    """HLR: status and the network's data, found again by status queries and callbacks."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            message = await house.sent("h1", kind=Kind.HLR)
            found = {"imsi": "250011234567890", "mcc": "250", "mnc": "01"}
            assert await house.report(Report("h1", hlr=found))
            row = await house.row(message)
            assert row.status == 1 and row.cost == 5_000 and decode_extra(row.extra).hlr == found

    asyncio.run(story())


@both
def test_early_results_of_a_number_query_outlive_a_restart(backend: str, tmp_path: Path) -> None:
    """They came before the response to their query, and the program fell before they could be joined."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted(kind=Kind.HLR)
            await house.start(message)
            found = {"imsi": "250011234567890", "mcc": "250", "mnc": "01"}
            assert await house.report(Report("h1", hlr=found)) and await orphans(house) == 1
            next_one = await house.restart()
            assert await status(next_one, message) == (1, 0) and await orphans(next_one) == 0
            assert decode_extra((await next_one.row(message)).extra).hlr == found

    asyncio.run(story())


@both
def test_receipt_that_cannot_be_stored_is_asked_for_again(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a full disk the carrier hears "not now", for known and unknown ids; nothing is lost nor doubled by its repeat."""
    monkeypatch.setattr("heliograph.services.desk.RETRY_S", 0.05)

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            message = await house.sent("a1")
            house.db.fault = Full("full")
            assert not await house.report(Report("a1", 20, err=6)) and not await house.report(Report("nobody's"))
            house.db.fault = None
            assert await house.report(Report("a1", 20, err=6)) and await house.report(Report("nobody's"))
            while message.pending:
                await asyncio.sleep(0.005)
            assert await status(house, message) == (20, 6) and await orphans(house) == 1
            assert await house.ledger(message) == [("charge", -PRICE), ("refund", PRICE)]
            assert await house.balance() == 1000 * SCALE

    asyncio.run(story())


@both
def test_expired_text_goes_to_the_next_route(backend: str, tmp_path: Path) -> None:
    """failover "expired": the other carrier gets it, a late delivery by the first one counts, its other news does not."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            late, lost = await house.sent("a1", text="late"), await house.sent("a2", text="lost")
            for ref, message in (("a1", late), ("a2", lost)):
                assert await house.report(Report(ref, 3, err=6))
                assert await house.queued(message) == (SOUTH, 1, NOW, 0, 0)
                assert (message.status, message.carrier_id) == (Status.WAITING, SOUTH)
            assert house.rerouted == [late.int_id, lost.int_id]
            assert await house.report(Report("a2", 20, err=6)) and lost.status == Status.WAITING
            assert await house.report(Report("a1", 1)) and await status(house, late) == (1, 0)
            assert await house.queued(late) is None
            await house.answer(await house.start(lost), Answer("accepted", "s1"))
            assert await house.report(Report("s1", 3, err=6), SOUTH)
            assert await status(house, lost) == (3, 6), "no third carrier"
            assert await house.balance() == 1000 * SCALE - PRICE

    asyncio.run(story())


@both
def test_expired_unsure_text_moves_on_with_its_queue_row(backend: str, tmp_path: Path) -> None:
    """It never was at the carrier, as the receipt found by its number says."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted()
            await house.answer(await house.start(message), Answer("unsure"))
            assert await house.report(Report("q1", 3))
            assert await house.queued(message) == (SOUTH, 1, NOW, 0, 0) and not house.dispatch.unsure

    asyncio.run(story())


@pytest.mark.parametrize("failover", ["refused,down", "refused,down,expired"])
def test_expired_text_ends_where_it_may_not_move_on(failover: str, tmp_path: Path) -> None:
    """Because the carrier's settings say so, or because the customer's own time is over."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            await house.set_carrier(failover=failover)
            message = await house.sent("a1", valid_s=60)
            house.now += 60_000 if "expired" in failover else 0
            assert await house.report(Report("a1", 3, err=6))
            assert await status(house, message) == (3, 6) and await house.balance() == 1000 * SCALE

    asyncio.run(story())


@both
def test_no_receipt_is_ever_dropped(backend: str, tmp_path: Path) -> None:
    """Whatever comes, and while answers come at the same time: as many are stored as came in."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            jobs = [await house.start((await house.accepted(f"7916000{n:04d}", text="x"))[0]) for n in range(40)]
            settled: list[bool] = []
            for n, job in enumerate(jobs):
                report = Report(f"{n + 100}", 1, job.message.phone if n % 3 else "")
                unknown = Report(f"no{n}", 1, "")
                if n % 2:
                    house.receipts.record(NORTH, report, settled.append, NOW)  # type: ignore[arg-type]
                if n % 5 == 0:
                    await asyncio.sleep(0)
                house.attempts.record(job, 1, 1, Answer("accepted", f"{n + 100:x}"), NOW)  # type: ignore[arg-type]
                for each in (report, report, unknown)[n % 2 :]:
                    house.receipts.record(NORTH, each, settled.append, NOW)  # type: ignore[arg-type]
            count = 40 * 3
            while len(settled) < count:
                await asyncio.sleep(0.005)
            await house.desk.batch.settle()
            assert all(settled) and house.receipts.matched - house.receipts.joined + house.receipts.kept == count
            assert await orphans(house) == house.receipts.kept - house.receipts.joined
            assert [(await house.row(job.message)).status for job in jobs].count(1) == 40

    asyncio.run(story())


@pytest.mark.parametrize(
    ("told", "fits"),
    [
        (PHONE, True),
        ("89161234567", True),
        ("9161234567", True),
        ("0079161234567", True),
        ("", True),
        ("Shop", True),
        ("79161234568", False),
        ("1234567", False),
    ],
)
def test_number_of_a_receipt_may_be_written_otherwise(told: str, fits: bool) -> None:
    """Centres write national numbers, prefixes, or the sender in the number's place."""
    assert agrees(told, PHONE) is fits


def test_known_notation_then_the_only_one_then_the_same() -> None:
    """What is trusted when several notations lead somewhere."""
    assert choose({"same", "lower case"}, "lower case") == "lower case"
    assert choose({"lower case"}, "same") == "lower case"
    assert choose({"same", "lower case"}, None) == "same"
    assert choose({"upper case", "lower case"}, None) is None
    assert choose(set(), "same") is None
