"""The loop that empties the queue, with a scripted carrier in the process (delivery/dispatcher.py)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import NORTH, NOW, PHONE, PRICE, SOUTH, House, make, open_house

from heliograph.core.carriers import Carrier
from heliograph.core.money import SCALE
from heliograph.core.reasons import Refusal
from heliograph.core.status import Err, Status
from heliograph.delivery.carriers.contract import Outcome, Receipt, Unit, What
from heliograph.delivery.detours import SIFTED
from heliograph.delivery.dispatcher import Dispatcher
from heliograph.services import accounts, carriers
from heliograph.store.database import Full
from heliograph.wire.gsm import segments

both = pytest.mark.parametrize("backend", BACKENDS)
ACCEPT, HOLD = "accept", "hold"
LONG = "a" * 400  # three parts


class Links:
    """A carrier that says what its script says: an outcome, ACCEPT, or HOLD for no answer."""

    def __init__(self, carrier: Carrier, listener: Dispatcher, play: "Play") -> None:
        self.carrier = carrier
        self.units: list[Unit] = []
        self.window = 1000
        self.flying: dict[tuple[int, int], int] = {}
        self.down_since_ms = 0
        self.stopped = False
        self._listener = listener
        self._play = play

    @property
    def up(self) -> bool:
        return not self.down_since_ms

    def room(self, lane: int) -> int:
        return 0 if self.down_since_ms or self.stopped else self.window - len(self.flying)

    def send(self, unit: Unit) -> None:
        assert not self.stopped
        self.units.append(unit)
        total = segments.count(unit.text)
        numbers = unit.missing or tuple(range(1, total + 1))
        for number in numbers:
            self.flying[unit.int_id, number] = total
        for number in numbers:
            said = self._play.script(self.carrier.name, unit, number)
            if said != HOLD:
                asyncio.get_running_loop().call_soon(self.answer, unit.int_id, number, said)

    def answer(self, int_id: int, number: int, said: Any = ACCEPT) -> None:
        total = self.flying.pop((int_id, number), None)
        if total is not None:
            outcome = Outcome(What.ACCEPTED, ref=f"{self.carrier.name}-{int_id}-{number}") if said == ACCEPT else said
            self._listener.answered(self.carrier.id, int_id, number, total, outcome)

    async def start(self) -> None:
        self._play.started.append(self.carrier.name)

    async def stop(self, grace_s: float) -> None:
        self.stopped = True
        for int_id, number in list(self.flying):
            self.answer(int_id, number, Outcome(What.UNSURE))

    def stats(self) -> dict[str, float]:
        return {}


class Play:
    """A house with its dispatcher; ``script(carrier, unit, part)`` answers."""

    def __init__(self, house: House, most_in_lane: int = 20_000) -> None:
        self.house = house
        self.script: Callable[[str, Unit, int], Any] = lambda carrier, unit, part: ACCEPT
        self.started: list[str] = []
        self.made: list[Links] = []
        self.dispatcher = Dispatcher(
            house.dispatch, house.attempts, house.receipts, house.incoming, self._make, lambda: house.now, most_in_lane
        )
        house.submitting.accepted = self.dispatcher.accepted
        house.submitting.reserve = self.dispatcher.reserve
        house.submitting.begin = self.dispatcher.begin
        house.staging.activated = self.dispatcher.activated

    def _make(self, carrier: Carrier, listener: Dispatcher) -> Links:
        links = Links(carrier, listener, self)
        self.made.append(links)
        return links

    def links(self, carrier_id: int = NORTH) -> Links:
        found = self.dispatcher.lines[carrier_id].links
        assert isinstance(found, Links)
        return found

    def texts(self, carrier_id: int = NORTH) -> list[str]:
        return [unit.text for unit in self.links(carrier_id).units]

    async def publish(self) -> None:
        await self.house.snapshots.refresh()
        await self.dispatcher.publish(self.house.snapshots.current)

    async def quiet(self) -> None:
        """Until nothing moves any more: no task of the dispatcher, no change on its way."""
        for _ in range(4):
            while self.dispatcher._tasks or self.dispatcher._pumping or self.house.desk.batch.waiting:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.001)

    async def tick(self) -> None:
        """What the clock of the loop does, now."""
        for line in list(self.dispatcher.lines.values()):
            for lane, due_ms in line.next_due.items():
                if due_ms <= self.house.now:
                    self.dispatcher.wake(line.links.carrier.id, lane)
            self.dispatcher.detours.sift(line, self.house.now)
            self.dispatcher._pump_soon(line.links.carrier.id)
        await self.dispatcher.detours.move_on(self.house.now)
        await self.quiet()


@asynccontextmanager
async def playing(backend: str, tmp_path: Path, most_in_lane: int = 20_000, **settings: str) -> AsyncIterator[Play]:
    async with open_house(backend, tmp_path, **settings) as house:
        play = Play(house, most_in_lane)
        await play.publish()
        await play.quiet()
        yield play
        await play.dispatcher.stop(0.0)


def later(code: int = 0x14, retry_ms: int = 5000) -> Outcome:
    return Outcome(What.LATER, code=code, err=Err.QUEUE_FULL, retry_ms=retry_ms)


async def proven(play: Play) -> None:
    """Nothing is marked that is not under way, nothing is held for ever, and the money adds up."""
    await play.quiet()
    await play.house.balance()
    assert play.dispatcher.in_flight == 0 and not play.dispatcher._held


@both
def test_accepted_text_is_marked_written_and_sent(backend: str, tmp_path: Path) -> None:
    """Straight from memory: the carrier gets what was accepted, with the mark on disk before."""

    async def story() -> None:
        async with playing(backend, tmp_path) as play:
            marks: list[Any] = []
            play.script = lambda carrier, unit, part: HOLD
            (message,) = await play.house.accepted(PHONE, text="hello", sender="Me", valid_s=600)
            await play.quiet()
            marks.append(await play.house.queued(message))
            assert marks == [(NORTH, 1, NOW, NOW, 0)] and play.dispatcher.in_flight == 1
            (unit,) = play.links().units
            assert (unit.int_id, unit.phone, unit.sender, unit.text, unit.kind, unit.lane) == (
                message.int_id,
                PHONE,
                "Me",
                "hello",
                0,
                1,
            )
            assert (unit.send_ms, unit.expires_ms, unit.missing) == (NOW, NOW + 600_000, ())
            play.links().answer(message.int_id, 1)
            await proven(play)
            assert (await play.house.row(message)).status == Status.SENT and await play.house.queued(message) is None
            report = Receipt(f"north-{message.int_id}-1", PHONE, 1, 0, NOW, "stat:DELIVRD")
            play.dispatcher.receipt(NORTH, report, lambda stored: None)
            await play.quiet()
            assert (await play.house.row(message)).status == Status.DELIVERED

    asyncio.run(story())


@both
def test_a_text_with_room_is_stored_and_marked_in_one_commit(backend: str, tmp_path: Path) -> None:
    """A code costs one commit before it leaves; where others wait it takes its turn behind them and is marked later."""

    async def story() -> None:
        async with playing(backend, tmp_path) as play:
            play.script = lambda carrier, unit, part: HOLD
            play.links().window = 1
            before = play.house.desk.batch.commits
            (first,) = await play.house.accepted(PHONE, text="first")
            assert play.house.desk.batch.commits == before + 1 and play.texts() == ["first"]
            assert await play.house.queued(first) == (NORTH, 1, NOW, NOW, 0)
            (second,) = await play.house.accepted(PHONE, text="second")
            assert await play.house.queued(second) == (NORTH, 1, NOW, 0, 0)
            play.links().answer(first.int_id, 1)
            await play.quiet()
            play.links().answer(second.int_id, 1)
            await proven(play)
            assert play.texts() == ["first", "second"]
            assert {(await play.house.row(each)).tries for each in (first, second)} == {1}

    asyncio.run(story())


@both
def test_room_of_a_text_that_could_not_be_stored_is_given_back(backend: str, tmp_path: Path) -> None:
    """A full disk must not eat the window: what was never stored leaves no trace at its carrier."""

    async def story() -> None:
        async with playing(backend, tmp_path) as play:
            play.links().window = 1
            play.house.db.fault = Full("no room")
            assert isinstance(await play.house.send(PHONE, text="lost"), Refusal)
            play.house.db.fault = None
            (line,) = (each for each in play.dispatcher.lines.values() if each.links is play.links())
            assert (line.claimed, line.claimed_parts) == (0, 0) and not play.dispatcher._held
            await play.house.accepted(PHONE, text="kept")
            await proven(play)
            assert play.texts() == ["kept"]

    asyncio.run(story())


def test_first_lane_goes_first(tmp_path: Path) -> None:
    """A campaign that waits does not delay a code, and the second lane goes before the third."""

    async def story() -> None:
        async with playing("sqlite", tmp_path, code_rate="1") as play:
            play.links().window = 0
            for phones, text in (([f"7916{n:07d}" for n in range(5)], "bulk"), ([PHONE], "code"), ([PHONE], "single")):
                await play.house.send(*phones, text=text)
            await play.quiet()
            play.links().window = 1
            play.dispatcher.changed(NORTH)
            await play.quiet()
            assert play.texts() == ["code", "single", *["bulk"] * 5]

    asyncio.run(story())


def test_accounts_take_turns_within_a_lane(tmp_path: Path) -> None:
    """A neighbour's campaign does not starve mine."""

    async def story() -> None:
        async with playing("sqlite", tmp_path) as play:
            house = play.house
            await accounts.create(house.db, "other", tariff="basic", now_ms=NOW, settings={"any_sender": "yes"})  # type: ignore[arg-type]
            await accounts.top_up(house.db, "other", 100 * SCALE, now_ms=NOW)  # type: ignore[arg-type]
            await house.desk.take_balances()
            await play.publish()
            play.links().window = 0
            phones = [f"7916{n:07d}" for n in range(6)]
            await house.send(*phones, text="mine")
            done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            other = house.snapshots.current.accounts_by_login["other"]
            house.submitting.accept(other, make(*phones[:3], text="other"), NOW, done.set_result)
            await done
            await play.quiet()
            play.links().window = 1
            play.dispatcher.changed(NORTH)
            await play.quiet()
            assert play.texts() == ["mine", "other"] * 3 + ["mine"] * 3

    asyncio.run(story())


@both
def test_memory_is_bounded_and_filled_from_the_table(backend: str, tmp_path: Path) -> None:
    """A large campaign waits in the table, comes in pages, in order, each text once."""

    async def story() -> None:
        async with playing(backend, tmp_path, most_in_lane=100) as play:
            play.links().window = 5
            phones = [f"7916{n:07d}" for n in range(600)]
            await play.house.send(*phones)
            await play.house.send(*phones[:50], text="more")
            while len(play.links().units) < 650:
                assert len(play.dispatcher.lines[NORTH].lanes[3]) <= 2100
                await asyncio.sleep(0.001)
            await proven(play)
            ids = [unit.int_id for unit in play.links().units]
            assert ids == sorted(set(ids)) and len(ids) == 650
            assert {m.status for m in await play.house.stored()} == {Status.SENT}

    asyncio.run(story())


@both
def test_later_texts_leave_when_their_time_comes(backend: str, tmp_path: Path) -> None:
    """Neither before, nor forgotten, also after a restart."""

    async def story() -> None:
        async with playing(backend, tmp_path) as play:
            for at in (5000, 9000):
                await play.house.send(PHONE, text=f"at {at}", send_ms=NOW + at)
            await play.quiet()
            assert play.texts() == []
            play.house.now = NOW + 5000
            await play.tick()
            assert play.texts() == ["at 5000"]
            await play.dispatcher.stop(0.0)
            again = Play(await play.house.restart(0))
            await again.publish()
            await again.quiet()
            assert again.texts() == []
            again.house.now = NOW + 9000
            await again.tick()
            assert again.texts() == ["at 9000"]
            await again.dispatcher.stop(0.0)

    asyncio.run(story())


def test_busy_carrier_gets_the_missing_parts_after_the_pause(tmp_path: Path) -> None:
    """Only what it did not take, and not before it asked for it."""

    async def story() -> None:
        async with playing("sqlite", tmp_path) as play:
            play.script = lambda carrier, unit, part: later() if part == 2 and not unit.missing else ACCEPT
            (message,) = await play.house.accepted(PHONE, text=LONG)
            await play.quiet()
            assert [unit.missing for unit in play.links().units] == [()] and message.status == Status.WAITING
            play.house.now += 5000
            await play.tick()
            assert [unit.missing for unit in play.links().units] == [(), (2,)] and message.status == Status.SENT
            await proven(play)

    asyncio.run(story())


@both
def test_refused_text_goes_to_the_next_carrier_at_once(backend: str, tmp_path: Path) -> None:
    """Without waiting for a clock; when that one refuses too the text ends with its refund."""

    async def story() -> None:
        async with playing(backend, tmp_path) as play:
            no = Outcome(What.REFUSED, code=0x0B, err=Err.NO_SUBSCRIBER)
            play.script = lambda carrier, unit, part: no if carrier == "north" or unit.text == "bad" else ACCEPT
            (good,), (bad,) = (
                await play.house.accepted(PHONE, text="good"),
                await play.house.accepted(PHONE, text="bad"),
            )
            await proven(play)
            assert (good.status, good.carrier_id, bad.status) == (Status.SENT, SOUTH, Status.UNDELIVERABLE)
            assert await play.house.balance() == 1000 * SCALE - PRICE

    asyncio.run(story())


@both
def test_carrier_without_a_link_gives_its_texts_away_when_patience_ends(backend: str, tmp_path: Path) -> None:
    """After patience_s and not before, to a carrier that is up; what has gone in part stays."""

    async def story() -> None:
        async with playing(backend, tmp_path) as play:
            play.script = lambda carrier, unit, part: later(0, 0) if unit.text == LONG and part == 2 else ACCEPT
            play.links().window = 3
            partly = (await play.house.accepted(PHONE, text=LONG))[0]
            while not partly.part_states:
                await asyncio.sleep(0.001)
            play.links().down_since_ms = NOW
            whole = (await play.house.accepted(PHONE, text="whole"))[0]
            await play.quiet()
            play.house.now = NOW + 9_999
            await play.tick()
            assert play.texts(SOUTH) == []
            play.house.now = NOW + 10_000
            await play.tick()
            assert play.texts(SOUTH) == ["whole"] and (whole.carrier_id, partly.carrier_id) == (SOUTH, NORTH)
            assert (await play.house.row(whole)).tried == (NORTH,)

    asyncio.run(story())


def test_long_lane_of_a_carrier_that_is_down_moves_on_in_steps(tmp_path: Path) -> None:
    """Thousands of texts that change their carrier at once would hold the loop for seconds."""

    async def story() -> None:
        async with playing("sqlite", tmp_path) as play:
            play.links().window = 0
            play.script = lambda carrier, unit, part: HOLD
            await play.house.accepted(*(f"7916{n:07d}" for n in range(150)), text="first")
            await play.house.accepted(*(f"7916{n:07d}" for n in range(150)), text="second")
            await play.quiet()
            line = play.dispatcher.lines[NORTH]
            assert len(line.lanes[3]) == 300
            play.links().down_since_ms = NOW
            play.house.now = NOW + 10_000
            play.dispatcher.detours.sift(line, play.house.now)
            assert len(line.lanes[3]) == 300 - SIFTED
            play.dispatcher.detours.sift(line, play.house.now)
            assert len(line.lanes[3]) == 0
            await play.quiet()
            assert play.texts(SOUTH) == ["first"] * 150 + ["second"] * 150

    asyncio.run(story())


def test_texts_wait_for_a_carrier_when_no_other_is_up(tmp_path: Path) -> None:
    """Or when its settings keep them there; what outlives its time ends with status 3 meanwhile."""

    async def story() -> None:
        async with playing("sqlite", tmp_path) as play:
            for carrier in (NORTH, SOUTH):
                play.links(carrier).down_since_ms = NOW
            (brief,) = await play.house.accepted(PHONE, text="brief", valid_s=60)
            (message,) = await play.house.accepted(PHONE, text="patient")
            play.house.now = NOW + 60_000
            await play.tick()
            assert (brief.status, message.status, message.carrier_id) == (Status.EXPIRED, Status.WAITING, NORTH)
            play.links().down_since_ms = 0
            await play.tick()
            assert play.texts() == ["patient"] and play.texts(SOUTH) == []
            await proven(play)

    asyncio.run(story())


@both
def test_expired_text_is_not_sent_and_gives_its_money_back_once(backend: str, tmp_path: Path) -> None:
    """Its time was over before the carrier had room."""

    async def story() -> None:
        async with playing(backend, tmp_path) as play:
            play.links().window = 0
            (message,) = await play.house.accepted(PHONE, valid_s=60)
            play.house.now = NOW + 60_000
            play.links().window = 1
            await play.tick()
            await play.tick()
            row = await play.house.row(message)
            assert (row.status, row.err) == (Status.EXPIRED, 0) and play.texts() == []
            assert await play.house.queued(message) is None
            await proven(play)
            assert await play.house.balance() == 1000 * SCALE

    asyncio.run(story())


def test_deleted_text_is_not_sent(tmp_path: Path) -> None:
    """It waited in memory when the customer stopped it."""

    async def story() -> None:
        async with playing("sqlite", tmp_path) as play:
            play.links().window = 0
            (message,) = await play.house.accepted()
            done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            play.house.statuses.delete(play.house.account, message.id, PHONE, NOW, done.set_result)
            assert await done
            play.links().window = 1
            await play.tick()
            assert play.texts() == []
            await proven(play)

    asyncio.run(story())


@both
def test_stop_leaves_no_marked_row_unwritten(backend: str, tmp_path: Path) -> None:
    """In the middle of a campaign: after the end every row is unmarked, or was written and is known to be unsure."""

    async def story() -> None:
        async with playing(backend, tmp_path) as play:
            play.script = lambda carrier, unit, part: ACCEPT if unit.int_id % 3 else HOLD
            for n in range(120):
                play.house.accept(make(f"7916000{n:04d}", text=f"{n}"))
            while len(play.links().units) < 10:
                await asyncio.sleep(0)
            await play.dispatcher.stop(1.0)
            await play.quiet()
            written = {unit.int_id for unit in play.made[0].units}
            for message in await play.house.stored():
                row = await play.house.queued(message)
                if message.int_id not in written:
                    assert row[3:] == (0, 0), "never written, so not marked"
                elif message.int_id % 3:
                    assert row is None
                else:
                    assert row[4] == 1
            again = Play(await play.house.restart())
            await again.publish()
            await again.quiet()
            resent = {unit.int_id for unit in again.links().units}
            assert resent.isdisjoint(written) and len(resent | written) == 120
            await again.dispatcher.stop(0.0)

    asyncio.run(story())


@both
def test_changed_carrier_starts_anew_and_loses_nothing(backend: str, tmp_path: Path) -> None:
    """New settings while texts wait: the old links end, the new ones get the rest, each text once."""

    async def story() -> None:
        async with playing(backend, tmp_path) as play:
            play.links().window = 4
            for n in range(30):
                play.house.accept(make(f"7916000{n:04d}", text=f"{n}"))
            while len(play.links().units) < 4:
                await asyncio.sleep(0)
            old = play.links()
            await play.house.set_carrier(window="7")
            await play.publish()
            await play.quiet()
            assert play.started == ["north", "south", "north"] and play.links() is not old and old.stopped
            async with asyncio.timeout(10):
                while len(old.units) + len(play.links().units) < 30:
                    await asyncio.sleep(0.001)
            await play.quiet()
            sent = [unit.int_id for unit in old.units + play.links().units]
            assert sorted(sent) == sorted({m.int_id for m in await play.house.stored()})
            assert play.dispatcher.lines[NORTH].claimed == play.dispatcher.lines[NORTH].claimed_parts == 0
            await proven(play)

    asyncio.run(story())


@both
def test_texts_of_a_carrier_that_was_switched_off_move_on(backend: str, tmp_path: Path) -> None:
    """To the next route; what finds none waits for the operator, or for the end of its time."""

    async def story() -> None:
        async with playing(backend, tmp_path) as play:
            play.links().window = 0
            (message,) = await play.house.accepted(PHONE, text="move")
            await carriers.alter(play.house.db, None, "north", enabled=False)  # type: ignore[arg-type]
            await play.publish()
            await play.tick()
            assert play.texts(SOUTH) == ["move"] and message.status == Status.SENT
            play.links(SOUTH).window = 0
            (stuck,) = await play.house.accepted(PHONE, text="stuck", valid_s=60)
            await carriers.alter(play.house.db, None, "south", enabled=False)  # type: ignore[arg-type]
            await play.publish()
            await play.tick()
            assert (await play.house.queued(stuck))[0] == SOUTH and not play.dispatcher.lines
            play.house.now = NOW + 60_000
            await play.tick()
            await play.quiet()
            assert (await play.house.row(stuck)).status == Status.EXPIRED
            assert await play.house.balance() == 1000 * SCALE - PRICE

    asyncio.run(story())


def test_full_store_delays_texts_and_loses_none(tmp_path: Path) -> None:
    """The start mark cannot be written: nothing leaves; when there is room all of them leave, once."""

    async def story() -> None:
        async with playing("sqlite", tmp_path) as play:
            play.links().window = 0
            for n in range(10):
                await play.house.send(f"7916000{n:04d}", text=f"{n}")
            play.house.db.fault = Full("full")
            play.links().window = 100
            play.dispatcher.changed(NORTH)
            while play.house.desk.batch.failed < 10:
                await asyncio.sleep(0)
            play.house.db.fault = None
            assert play.texts() == []
            await play.tick()
            assert sorted(play.texts()) == [str(n) for n in range(10)]
            assert {m.tries for m in play.house.desk.messages.values()} == {1}
            await proven(play)

    asyncio.run(story())


def test_clock_of_the_loop_does_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """run() itself: a later time comes, a wait ends, and it stops when told."""
    monkeypatch.setattr("heliograph.delivery.dispatcher.TICK_S", 0.005)

    async def story() -> None:
        async with playing("sqlite", tmp_path) as play:
            await play.house.set_carrier(unsure_s="1")
            await play.publish()
            play.script = lambda carrier, unit, part: Outcome(What.UNSURE) if unit.text == "lost" else ACCEPT
            (lost,) = await play.house.accepted(PHONE, text="lost")
            (timed,) = await play.house.accepted(PHONE, text="later", send_ms=NOW + 2000)
            task = asyncio.create_task(play.dispatcher.run())
            play.house.now = NOW + 2000
            while timed.status != Status.SENT or lost.status != Status.EXPIRED:
                await asyncio.sleep(0.005)
            await play.dispatcher.stop(0.1)
            await task
            assert lost.err == Err.NO_REPORT and play.dispatcher.depth()["north", 1] == 0

    asyncio.run(story())
