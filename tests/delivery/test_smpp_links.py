"""Windows and links of an SMPP carrier that follow the load, over real sockets and by the test's own time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from tests.delivery.centres import Books, Centre, carrier, unit, until

from heliograph.delivery.carriers.contract import What
from heliograph.delivery.carriers.smpp import SmppCarrier
from heliograph.delivery.carriers.smpp import links as links_of
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session


class Clock:
    """The carrier's clock. It stands still until the centre answers or a test moves it, whatever the machine's load."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000
        self.readings = 0

    def __call__(self) -> int:
        self.readings += 1
        return self.now_ms

    async def tick(self) -> None:
        """Wait for a tick that begins after this; of a carrier that has nothing to do nobody else reads the clock."""
        before = self.readings
        await until(lambda: self.readings > before)


class Distant(Centre):
    """A centre whose answers take 50 ms; ``rate`` above 0 is all it takes a second, the rest queues.

    It binds ``allowed`` links and answers others with ``refusal``; with ``takeover`` it drops the first one instead.
    """

    delay_ms = 50
    # Answers are given at least so far apart, all together that are due.
    pause_ms = 5

    def __init__(self, rate: float = 0.0, allowed: int = 64, refusal: int = statuses.ESME_RALYBND) -> None:
        super().__init__()
        self.clock = Clock()
        self.rate = rate
        self.allowed = allowed
        self.refusal = refusal
        self.takeover = False
        self.most_bound = 0
        self.most_unanswered = 0
        self._free_ms = 0.0
        self._waiting: deque[tuple[float, Session, Pdu]] = deque()
        self.answer = self.later

    def later(self, session: Session, pdu: Pdu) -> None:
        now_ms = self.clock.now_ms
        if self.rate:
            self._free_ms = max(self._free_ms, now_ms) + 1000 / self.rate
        self._waiting.append((max(now_ms, self._free_ms) + self.delay_ms, session, pdu))
        self.most_unanswered = max(self.most_unanswered, session.unanswered)

    async def pass_time(self, links: SmppCarrier) -> None:
        """Move the clock to the next answers and give them, each time that nothing is on its way to or fro.

        So a round trip takes as long as the centre says, to the millisecond.
        """

        def is_quiet() -> bool:
            # What was written has come and what was answered has been read. (An answer that the carrier gave up
            # waiting for may still be owed.)
            owed = sum(session.unanswered for session in self.sessions)
            return bool(self._waiting) and links.stats()["in_flight"] <= owed

        while True:
            await asyncio.sleep(0.0005)
            if is_quiet():
                await asyncio.sleep(0)  # who has just been told of room fills it
            if is_quiet():
                self.clock.now_ms = max(self.clock.now_ms + self.pause_ms, int(self._waiting[0][0]))
                while self._waiting and self._waiting[0][0] <= self.clock.now_ms:
                    _, session, pdu = self._waiting.popleft()
                    session.answer(pdu, message_id=f"m{pdu.sequence}")

    def bound(self, session: Session) -> None:
        super().bound(session)
        self.most_bound = max(self.most_bound, len(self.sessions))

    def _on_bind(self, session: Session, pdu: Pdu) -> int:
        self.binds.append(pdu)
        if len(self.sessions) < self.allowed:
            return self.bind_status
        if self.takeover:
            asyncio.get_running_loop().call_soon(self.sessions[0].abort, "taken over")
            return self.bind_status
        return self.refusal


class Campaign(Books):
    """A listener with texts without end while ``going``: whatever room there is it fills."""

    def __init__(self) -> None:
        super().__init__()
        self.links: SmppCarrier
        self.going = True
        self.number = 0
        self.lane = 1
        self.on_change = self.fill

    def fill(self) -> None:
        while self.going and (room := self.links.room(self.lane)):
            for _ in range(room):
                self.number += 1
                self.links.send(unit(self.number, lane=self.lane))

    async def end(self) -> None:
        """No more texts; wait for what is under way."""
        self.going = False
        await until(lambda: len(self.outcomes) == self.number)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The carrier looks at the clock, which is ours, more often than once a second."""
    monkeypatch.setattr(links_of, "_TICK_S", 0.02)


@asynccontextmanager
async def campaign(centre: Distant, **settings: Any) -> AsyncIterator[tuple[SmppCarrier, Campaign]]:
    """A carrier at this centre, by the centre's clock, with a campaign for it."""
    books = Campaign()
    await centre.start()
    links = SmppCarrier(carrier(centre.port, **settings), books, centre.clock, chance=lambda: 0.0)
    books.links = links
    time = asyncio.create_task(centre.pass_time(links))
    await links.start()
    await until(lambda: links.stats()["bound"] == links.stats()["links"])
    try:
        books.fill()
        yield links, books
    finally:
        books.going = False
        await links.stop(0.2)
        time.cancel()
        with suppress(asyncio.CancelledError):
            await time
        await centre.stop()


def test_window_grows_to_its_limit_while_texts_wait() -> None:
    """The centre answers as fast however many there are: all slots that the operator allows are of use."""

    async def main() -> None:
        centre = Distant()
        async with campaign(centre, window=4, window_most=16) as (links, books):
            assert links.stats()["window"] == 4
            await until(lambda: links.stats()["window"] == 16 and centre.most_unanswered == 16)
            assert links.stats()["window_most"] == 16
            await books.end()
            assert centre.most_unanswered == 16
            assert books.count(What.ACCEPTED) == books.number
            assert (links.room(1), links.room(2)) == (16, 15)

    asyncio.run(main())


def test_fixed_sizes_stay_what_they_are() -> None:
    """A contract names both numbers, and who names no limit means them."""

    async def main() -> None:
        centre = Distant()
        async with campaign(centre, window=5, links=2) as (links, books):
            await until(lambda: len(books.outcomes) >= 2000)
            stats = links.stats()
            assert (stats["window"], stats["window_most"], stats["links"], stats["links_most"]) == (10, 10, 2, 2)
            assert (centre.most_unanswered, len(centre.binds)) == (5, 2)
            assert stats["rtt_ms"] == pytest.approx(Distant.delay_ms)

    asyncio.run(main())


def test_centre_that_only_queues_is_not_given_all_slots() -> None:
    """More slots would only let texts wait there instead of here, and be doubtful when the link is lost."""

    async def main() -> None:
        centre = Distant(rate=1000)
        async with campaign(centre, window=10, window_most=1000, links_most=3) as (_, books):
            await until(lambda: len(books.outcomes) >= 5000)
            assert 50 <= centre.most_unanswered < 200  # 50 slots are its speed
            await books.end()

    asyncio.run(main())


def test_throttling_takes_the_window_back() -> None:
    """A carrier that says so has had too much."""

    async def main() -> None:
        centre = Distant()
        async with campaign(centre, window=4, window_most=16) as (links, books):
            await until(lambda: links.stats()["window"] == 16)
            centre.answer = lambda session, pdu: session.answer(pdu, statuses.ESME_RTHROTTLED)
            await until(lambda: links.stats()["throttled"] >= 6)
            assert links.stats()["window"] == 11
            assert books.count(What.ACCEPTED) > 0

    asyncio.run(main())


def test_answers_that_do_not_come_take_the_window_back() -> None:
    """Each of them is a doubtful text; fewer slots make fewer."""

    async def main() -> None:
        centre = Distant()
        async with campaign(centre, window=4, window_most=16, answer_s=0.2) as (links, books):
            await until(lambda: links.stats()["window"] == 16)
            centre.answer = lambda session, pdu: None
            unsure = books.count(What.UNSURE)
            await until(lambda: books.count(What.UNSURE) > unsure)
            assert links.stats()["window"] == 11
            await books.end()

    asyncio.run(main())


@pytest.mark.parametrize("bind", ["transceiver", "split"])
def test_links_are_added_while_texts_wait_and_closed_when_they_are_not_needed(bind: str) -> None:
    """Up to the limit while the window alone is too small; minutes later they are given back, in peace."""

    async def main() -> None:
        centre = Distant()
        connections = 2 if bind == "split" else 1
        async with campaign(centre, window=4, links_most=3, bind=bind) as (links, books):
            await until(lambda: links.stats()["bound"] == 3 and len(centre.sessions) == 3 * connections)
            await until(lambda: {outcome.link[:2] for outcome in books.outcomes.values()} == {"#1", "#2", "#3"})
            await books.end()
            assert set(books.times.values()) == {1}
            assert books.count(What.ACCEPTED) == books.number
            assert links.stats()["links"] == 3
            await centre.clock.tick()  # it sees that no texts wait any more
            for left, idle_ms in ((2, 180_000), (1, 60_000)):
                centre.clock.now_ms += idle_ms - 10_000  # the last tick of the campaign was seconds ago at most
                await centre.clock.tick()
                assert links.stats()["links"] == left + 1
                centre.clock.now_ms += 10_000
                await until(lambda left=left: len(centre.sessions) == left * connections)
                assert links.stats()["links"] == left
            assert (links.stats()["links"], links.stats()["bound"]) == (1, 1)
            assert centre.most_bound == 3 * connections
            links.send(unit(10**6))
            await until(lambda: (10**6, 1) in books.outcomes)
            assert books.outcomes[10**6, 1].link in ("#1", "#1t")

    asyncio.run(main())


@pytest.mark.parametrize("refusal", [statuses.ESME_RALYBND, statuses.ESME_RBINDFAIL])
@pytest.mark.parametrize("bind", ["transceiver", "split"])
def test_refused_link_costs_nothing_and_is_not_asked_for_again(
    refusal: int, bind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The carrier allows so many links and no more: those go on, and nobody knocks for ten minutes."""

    async def main() -> None:
        connections = 2 if bind == "split" else 1
        centre = Distant(allowed=2 * connections, refusal=refusal)
        async with campaign(centre, window=4, links_most=4, bind=bind) as (links, books):
            await until(lambda: len(centre.binds) > 2 * connections)
            await until(lambda: links.stats()["links"] == 2)
            binds = len(centre.binds)
            before = len(books.outcomes)
            await until(lambda: len(books.outcomes) > before + 500)
            assert len(centre.binds) == binds <= 3 * connections
            assert links.stats()["bound"] == 2
            await books.end()
            assert books.count(What.ACCEPTED) == books.number

    asyncio.run(main())
    assert caplog.text.count(f"code={statuses.name(refusal)}") <= 2


def test_carrier_that_gives_up_a_link_for_another_keeps_the_first() -> None:
    """Some carriers let the newest bind replace the oldest; the two would take the account from each other for ever."""

    async def main() -> None:
        centre = Distant(allowed=1)
        centre.takeover = True
        async with campaign(centre, window=4, links_most=4) as (links, books):
            await until(lambda: len(centre.binds) == 2 and links.stats()["links"] == 1)
            await until(lambda: links.stats()["bound"] == 1 and len(centre.sessions) == 1)
            before = len(books.outcomes)
            books.fill()
            await until(lambda: len(books.outcomes) > before + 500)
            assert len(centre.binds) == 3  # the first one came back

    asyncio.run(main())


def test_additional_link_that_is_lost_is_no_loss() -> None:
    """What was on it is unsure, all others go on, and the links that are always held are not touched."""

    async def main() -> None:
        centre = Distant()
        async with campaign(centre, window=4, links_most=2) as (links, books):
            await until(lambda: links.stats()["bound"] == 2)
            await until(lambda: any(outcome.link == "#2" for outcome in books.outcomes.values()))
            centre.sessions[1].abort("test")
            await until(lambda: links.stats()["links"] == 1)
            assert links.stats()["bound"] == 1
            assert books.count(What.UNSURE) <= 4
            lost_ms = centre.clock.now_ms
            await until(lambda: links.stats()["bound"] == 2)
            assert centre.clock.now_ms >= lost_ms + 9_000
            await books.end()
            assert set(books.times.values()) == {1}

    asyncio.run(main())


def test_stop_takes_the_additional_links_down_and_start_begins_anew() -> None:
    """A carrier that is switched off and on holds what it is to hold."""

    async def main() -> None:
        centre = Distant()
        async with campaign(centre, window=4, window_most=8, links_most=2) as (links, books):
            await until(lambda: links.stats()["bound"] == 2)
            books.going = False
            await links.stop(1)
            await until(lambda: not centre.sessions)
            assert set(books.times.values()) == {1} and len(books.outcomes) == books.number
            await links.start()
            await until(lambda: links.stats()["bound"] == 1)
            stats = links.stats()
            assert (stats["links"], stats["window"], len(centre.sessions)) == (1, 4, 1)

    asyncio.run(main())


@pytest.mark.parametrize(("reserve", "bulk"), [(0, 40), (4, 38), (10, 36), (50, 20)])
def test_reserve_is_kept_for_lane_1(reserve: int, bulk: int) -> None:
    """Who sends no codes needs no place for them; who does sets how many."""

    async def main() -> None:
        centre = Distant()
        async with campaign(centre, window=20, links=2, reserve=reserve) as (links, books):
            await books.end()
            assert (links.room(1), links.room(2), links.room(3)) == (40, bulk, bulk)
            assert tables.BIND_TRANSCEIVER in {pdu.command_id for pdu in centre.binds}

    asyncio.run(main())


def test_four_of_a_hundred_slots_are_kept_unless_the_operator_says_otherwise() -> None:
    """Codes are few beside bulk: more would lie idle, fewer would let a code wait for a slot."""

    async def main() -> None:
        centre = Distant()
        async with campaign(centre, links=2) as (links, books):
            await books.end()
            assert (links.room(1), links.room(2), links.room(3)) == (200, 192, 192)

    asyncio.run(main())
