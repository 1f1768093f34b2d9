"""Requests with thousands of recipients: whole or not at all (services/staging.py)."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import HANDLER, NOW, PRICE, House, make, open_house

from heliograph.core.messages import Accepted, Recipient, Submission
from heliograph.core.money import SCALE
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.status import Status
from heliograph.services import accounts, ledgers
from heliograph.services.staging import PORTION
from heliograph.store.database import Done, Full, Lost, Step

both = pytest.mark.parametrize("backend", BACKENDS)


def numbers(count: int) -> list[str]:
    return [f"7916{n:07d}" for n in range(count)]


async def nothing_left(house: House, balance: int = 1000 * SCALE) -> None:
    """Neither rows nor money nor counts remain of a request that was refused."""
    await asyncio.gather(*house.tasks)
    assert await house.stored() == [] and await house.db.all("staged.all") == []
    assert await house.db.all("queue.due", 1, 3, 2**62, 10) == []
    assert await house.db.all("callbacks.due", 2**62, 0, 10) == []
    assert await house.balance() == balance


async def watch_portions(house: House, request: asyncio.Future[Accepted | Refusal]) -> list[int]:
    """What a dispatcher, a status query, the ledger and the history see while a request is being written."""
    seen = []
    while not house.db.writes:
        await asyncio.sleep(0)
    while not request.done():
        due = await house.db.all("queue.due", 1, 3, 2**62, 10)
        found = await house.statuses.get(house.account.id, "1", numbers(1)[0])
        told = await house.db.all("callbacks.due", 2**62, 0, 10)
        proof = await ledgers.check(house.db)  # type: ignore[arg-type]
        soon = await house.db.one("queue.next_due", 1, 3, 0)
        staged = await house.db.all("staged.all")
        if staged:
            seen.append(len(due) + (found is not None) + len(told) + proof.messages + (soon[0] is not None))
    return seen


@both
def test_large_request_is_accepted_whole(backend: str, tmp_path: Path) -> None:
    """5,000 recipients, some bad and some double: one charge, one answer, and before it nothing can be seen of it."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER, day_limit="10000") as house:
            await accounts.top_up(house.db, "shop", 9000 * SCALE, now_ms=NOW)  # type: ignore[arg-type]
            await house.desk.take_balances()
            woken: list[set[int]] = []
            told: list[Any] = []
            house.staging.activated = woken.append
            house.desk.batch.watch["callbacks.add"] = told.extend
            house.db.writes = 0
            future = house.accept(make(*numbers(5000), "12", numbers(1)[0], "8" + numbers(1)[0][1:]))
            seen = await watch_portions(house, future)
            answer = await future
            assert isinstance(answer, Accepted)
            assert (answer.id, answer.parts, answer.cost) == ("1", 5000, 5000 * PRICE)
            assert answer.balance == 10_000 * SCALE - 5000 * PRICE
            assert seen and set(seen) == {0}, "nothing is visible before it is valid"
            stored = await house.stored()
            assert len(stored) == 5001 and {m.lane for m in stored} == {3} and {m.id for m in stored} == {"1"}
            assert [m.status for m in stored].count(Status.BAD_NUMBER) == 1
            assert woken == [{1}] and told == []
            assert len(await house.db.all("callbacks.due", 2**62, 0, 10)) == 1
            assert await house.ledger(stored[0]) == [("charge", -5000 * PRICE)]
            assert len(await house.db.all("traces.ledger", 1, stored[-1].int_id)) == 1, "each message shows its charge"
            assert await house.balance() == answer.balance
            assert len(await house.db.all("queue.due", 1, 3, NOW, 10_000)) == 5000

    asyncio.run(story())


@both
def test_request_without_enough_money_leaves_nothing(backend: str, tmp_path: Path) -> None:
    """The money ends in the last portion: error 3, nothing sent, and a smaller request goes through at once."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER, no_duplicates="yes") as house:
            request = make(*numbers(667), "12")  # 666 are paid for
            assert await house.accept(request) == Refusal(Reason.NO_MONEY)
            await nothing_left(house)
            answer = await house.accept(make(*numbers(666)))
            assert isinstance(answer, Accepted) and answer.cost == 666 * PRICE

    asyncio.run(story())


def test_money_taken_meanwhile_leaves_nothing(tmp_path: Path) -> None:
    """The last commit fails for want of money that another connection took: what was written is swept."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            await accounts.correct(house.db, "shop", -500 * SCALE, now_ms=NOW, note="elsewhere")  # type: ignore[arg-type]
            assert await house.accept(make(*numbers(400))) == Refusal(Reason.NO_MONEY)
            await house.desk.take_balances()
            await nothing_left(house, 500 * SCALE)

    asyncio.run(story())


@both
def test_crash_before_activation_leaves_nothing(backend: str, tmp_path: Path) -> None:
    """Portions on disk, then the power is gone: the next start sweeps, and the request may come again."""

    async def story() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            write = house.db.write
            held: list[Done] = []

            def hold(steps: Sequence[Step], done: Done) -> None:
                if any(step.query == "staged.end" for step in steps):
                    held.append(done)
                else:
                    write(steps, done)

            request = make(*numbers(2 * PORTION), "12")
            house.db.write = hold  # type: ignore[method-assign]
            future = house.accept(request)
            async with asyncio.timeout(10):
                while not held:
                    await asyncio.sleep(0.001)
            assert len(await house.stored()) == 2 * PORTION + 1, "all of it is written"
            house.db.write = write  # type: ignore[method-assign]
            next_one = await house.restart()
            await nothing_left(next_one)
            answer = await next_one.accept(request)
            assert isinstance(answer, Accepted) and await next_one.balance() == 1000 * SCALE - 2 * PORTION * PRICE
            for task in list(house.tasks):
                task.cancel()
            await asyncio.gather(*house.tasks, return_exceptions=True)
            house.tasks.clear()
            held[0](None, Full("the power is gone"))
            assert not future.done()

    asyncio.run(story())


def test_repeat_of_a_large_request_is_refused(tmp_path: Path) -> None:
    """While it is being written, afterwards, and after a restart."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            request = make("12", *numbers(300))
            first = house.accept(request)
            again = Refusal(Reason.REPEATED_REQUEST)
            assert await house.accept(request) == again
            assert isinstance(await first, Accepted)
            assert await house.accept(request) == again
            next_one = await house.restart()
            assert await next_one.accept(make(*numbers(300)[::-1], "12")) == again

    asyncio.run(story())


def test_bad_text_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    """The portion that is on its way to disk at that moment is swept as well."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, day_limit="500") as house:
            texts = [
                Recipient(phone, "x" * (1001 if n == 2 * PORTION + 1 else 5)) for n, phone in enumerate(numbers(400))
            ]
            answer = await house.accept(Submission(recipients=tuple(texts)))
            assert isinstance(answer, Refusal) and answer.reason == Reason.BAD_PARAMETERS
            await nothing_left(house)
            assert isinstance(await house.accept(make(*numbers(400))), Accepted), "the day's limit was given back"

    asyncio.run(story())


def test_request_that_is_refused_for_every_number_is_stored(tmp_path: Path) -> None:
    """Errors 6 to 8 come with an id, and another try is no repeat."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, no_mailings="yes") as house:
            for id_ in ("1", "2"):
                assert await house.accept(make(*numbers(250))) == Refusal(Reason.MAILING_DENIED, id=id_)
            assert {(m.status, m.err) for m in await house.stored()} == {(23, 244)}
            assert await house.balance() == 1000 * SCALE

    asyncio.run(story())


def test_full_store_in_the_middle_is_swept_when_there_is_room(tmp_path: Path) -> None:
    """The disk fills up: the request is refused; what was written stays hidden until the next start sweeps it."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            future = house.accept(make(*numbers(600)))
            while house.desk.batch.commits < 2:
                await asyncio.sleep(0)
            house.db.fault = Full("full")
            assert await future == Refusal(Reason.STORE_FULL)
            house.db.fault = None
            await asyncio.gather(*house.tasks)
            assert await house.balance() == 1000 * SCALE
            await nothing_left(await house.restart())

    asyncio.run(story())


@pytest.mark.parametrize("kept", [True, False])
def test_activation_in_doubt_refuses_a_repeat_only_while_it_may_be_kept(kept: bool, tmp_path: Path) -> None:
    """The database went away during the last commit: error, and no second time what turns out to have become valid."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            write = house.db.write

            def lose(steps: Sequence[Step], done: Done) -> None:
                if not any(step.query == "staged.end" for step in steps):
                    write(steps, done)
                    return
                house.db.write = write  # type: ignore[method-assign]
                lost = Lost("away", unknown=True)
                if kept:
                    write(steps, lambda results, error: done(None, lost))
                else:
                    asyncio.get_running_loop().call_soon(done, None, lost)

            house.db.write = lose  # type: ignore[method-assign]
            assert await house.accept(make(*numbers(400))) == Refusal(Reason.NOT_POSSIBLE)
            await asyncio.gather(*house.tasks)
            again = await house.accept(make(*numbers(400)))
            if kept:
                assert again == Refusal(Reason.REPEATED_REQUEST)
            else:
                assert isinstance(again, Accepted)
            assert len(await house.stored()) == 400

    asyncio.run(story())
