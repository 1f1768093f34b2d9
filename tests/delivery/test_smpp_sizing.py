"""Windows and links between limits, with time as a number and carriers as formulas."""

from collections.abc import Callable

import pytest

from heliograph.core.carriers import Settings
from heliograph.delivery.carriers.smpp.sizing import Limits, Round, Sizing

# Milliseconds for an answer, by the slots of a link and the links: windows are always full.
Carrier = Callable[[int, int], float]


def distant(window: int, links: int) -> float:
    """Every answer takes 50 ms, however many there are."""
    return 50.0


def queueing(rate: float) -> Carrier:
    """Takes so many a second in all, 50 ms for each at least; the rest waits in its queue."""
    return lambda window, links: max(50.0, window * links / rate * 1000)


def queueing_links(rate: float) -> Carrier:
    """Takes so many a second on each link."""
    return lambda window, links: max(50.0, window / rate * 1000)


class Load:
    """Texts without end at a carrier; ``limits`` as window, window_most, links, links_most."""

    def __init__(self, limits: tuple[int, int, int, int], carrier: Carrier) -> None:
        self.now_ms = 1_000_000
        self.carrier = carrier
        self.sizing = Sizing(Limits(*limits), self.now_ms)
        self.most = (0, 0)

    def run(self, seconds: float, *, short: bool = True, throttled: float = 0.0, whole: bool = True) -> "Load":
        """Rounds for some seconds; links that are asked for are bound at once."""
        end = self.now_ms + int(seconds * 1000)
        tick = self.now_ms + 1000
        while self.now_ms < end:
            sizing = self.sizing
            rtt = self.carrier(sizing.window, sizing.links)
            answers = sizing.quota
            self.now_ms += max(1, round(answers / (sizing.window * sizing.links) * rtt))
            refused = round(answers * throttled)
            sizing.round(self.now_ms, Round(answers - refused, round((answers - refused) * rtt), refused, short, whole))
            if sizing.opening:
                sizing.linked(self.now_ms)
            if self.now_ms >= tick:
                tick += 1000
                sizing.tick(self.now_ms, sizing.window * sizing.links if short else 1, whole=True)
            self.most = max(self.most[0], sizing.window), max(self.most[1], sizing.links)
        return self

    def rest(self, seconds: int, in_flight: int = 0) -> "Load":
        """Ticks without a text that waits."""
        for _ in range(seconds):
            self.now_ms += 1000
            self.sizing.tick(self.now_ms, in_flight, whole=True)
        return self

    @property
    def sizes(self) -> tuple[int, int]:
        """Window and links now."""
        return self.sizing.window, self.sizing.links

    @property
    def rate(self) -> float:
        """Parts a second with full windows."""
        window, links = self.sizes
        return window * links / self.carrier(window, links) * 1000


@pytest.mark.parametrize(
    ("settings", "limits"),
    [
        ({}, (100, 100, 1, 1)),
        ({"window": 20, "links": 3}, (20, 20, 3, 3)),
        ({"window": 20, "window_most": 200}, (20, 200, 1, 1)),
        ({"links": 2, "links_most": 5}, (100, 100, 2, 5)),
        ({"window": 300, "window_most": 200, "links": 4, "links_most": 2}, (300, 300, 4, 4)),
    ],
)
def test_limits_are_those_of_the_settings(settings: dict[str, int], limits: tuple[int, int, int, int]) -> None:
    """What no limit was given for is fixed: a contract names both numbers, and breaking it costs the link."""
    found = Limits.of(Settings(**settings))
    assert found == limits
    assert found.fixed == (limits[0] == limits[1] and limits[2] == limits[3])


@pytest.mark.parametrize(
    ("limits", "carrier", "sizes"),
    [
        ((100, 100, 1, 1), distant, (100, 1)),
        ((100, 400, 1, 1), distant, (400, 1)),
        ((100, 100, 1, 3), distant, (100, 3)),
        ((10, 200, 1, 4), distant, (200, 4)),
        ((1, 64, 1, 1), distant, (64, 1)),
        ((100, 1000, 2, 4), queueing(1000), (100, 2)),
        ((100, 100, 1, 8), queueing(1000), (100, 1)),
        ((50, 50, 1, 4), queueing_links(1000), (50, 4)),
    ],
)
def test_windows_grow_as_far_as_it_helps(
    limits: tuple[int, int, int, int], carrier: Carrier, sizes: tuple[int, int]
) -> None:
    """To the limits where each slot brings speed; not at all where a carrier only lets more of them wait."""
    assert Load(limits, carrier).run(30).sizes == sizes


@pytest.mark.parametrize("rate", [500.0, 1500.0, 3000.0, 10_000.0])
def test_queueing_carrier_is_used_and_not_flooded(rate: float) -> None:
    """At least nine tenths of what it takes, and the answer never waits longer than twice its time at rest."""
    load = Load((10, 5000, 1, 4), queueing(rate)).run(60)
    assert load.rate >= 0.9 * rate
    assert load.carrier(*load.sizes) <= 100


def test_speed_is_there_within_two_seconds() -> None:
    """A campaign does not wait for the window: 6,000 a second out of 50 slots at 50 ms."""
    assert Load((50, 300, 1, 1), distant).run(2).rate == 6000


def test_nothing_grows_while_nobody_waits() -> None:
    """Sizes are for texts that wait; a carrier with little to do keeps what its contract began with."""
    assert Load((10, 100, 1, 4), distant).run(20, short=False).most == (10, 1)


def test_nothing_grows_while_the_carrier_throttles() -> None:
    """A twentieth and more of refusals for speed is no invitation; chance refusals are none to stop either."""
    assert Load((10, 100, 1, 4), distant).run(20, throttled=0.1).sizes == (10, 1)
    assert Load((10, 100, 1, 4), distant).run(20, throttled=0.02).sizes == (100, 4)


def test_throttling_shrinks_the_window_once_a_second_and_not_below_the_first() -> None:
    """A window full of refusals is one piece of news."""
    load = Load((50, 200, 1, 1), distant).run(10)
    windows = []
    for at in (0, 10, 900, 1000, 2000, 3000, 4000, 5000):
        load.sizing.slowed(load.now_ms + at)
        windows.append(load.sizing.window)
    assert windows == [140, 140, 140, 98, 68, 50, 50, 50]
    load.now_ms += 5000
    assert load.run(4).sizes == (50, 1)
    assert load.run(10).sizes == (200, 1)


def test_throttling_during_the_trial_of_a_link_gives_the_link_back() -> None:
    """Some carriers count the speed of each account, and say so when one more link brings more."""
    load = Load((50, 50, 1, 2), distant)
    while load.sizing.links == 1:
        load.run(0.05)
    load.sizing.slowed(load.now_ms)
    assert load.sizes == (50, 1)
    assert load.run(9).sizes == (50, 1)


def test_carrier_that_becomes_slow_gets_a_smaller_window() -> None:
    """Its queue grows while its speed falls: the slots that only wait are taken back, to the smallest that does as well."""
    load = Load((50, 800, 1, 1), distant).run(10)
    assert load.sizes == (800, 1)
    load.carrier = queueing(2000)
    load.run(30)
    assert load.sizing.window < 200
    assert load.rate >= 0.9 * 2000


def test_longer_way_is_no_reason_for_a_smaller_window() -> None:
    """When answers take longer for their way and not for a queue, fewer slots would only be slower."""
    load = Load((50, 400, 1, 1), distant).run(10)
    load.carrier = lambda window, links: 200.0
    load.run(30)
    assert load.sizes == (400, 1)


def test_idle_carrier_begins_anew() -> None:
    """After a minute without a text nothing is known any more."""
    load = Load((50, 400, 1, 1), distant).run(10)
    assert load.rest(59).sizes == (400, 1)
    assert load.rest(2).sizes == (50, 1)
    assert load.run(5).sizes == (400, 1)


def test_links_that_are_not_needed_are_closed_one_by_one() -> None:
    """Three minutes, then one more each minute, and never those that are always held."""
    load = Load((50, 50, 2, 4), distant).run(10)
    assert load.sizes == (50, 4)
    assert load.rest(400, in_flight=90).sizes == (50, 4)  # three links would be more than half full
    assert [load.rest(60, in_flight=40).sizing.links for _ in range(6)] == [4, 4, 3, 2, 2, 2]


def test_link_is_not_closed_while_another_is_down() -> None:
    """What is up may be all there is."""
    load = Load((50, 50, 1, 2), distant).run(10)
    for _ in range(600):
        load.now_ms += 1000
        load.sizing.tick(load.now_ms, 0, whole=False)
    assert load.sizes == (50, 2)


def test_no_link_is_asked_for_while_one_is_down() -> None:
    """A carrier that does not take the links it promised takes no further one."""
    assert Load((50, 50, 2, 4), distant).run(20, whole=False).sizes == (50, 2)


def test_refused_link_is_not_asked_for_again_for_ten_minutes() -> None:
    """Each bind that is refused stands in the carrier's log, and some lock the account for too many."""
    sizing = Sizing(Limits(50, 50, 1, 4), 0)
    asked = []
    for now in range(0, 3_600_000, 100):
        sizing.round(now, Round(sizing.quota, sizing.quota * 50, 0, True, True))
        if sizing.opening:
            asked.append(now // 60_000)
            sizing.link_gone(now, refused=True)
    assert sizing.links == 1
    assert asked == [0, 10, 30]


def test_clock_set_back_stops_nothing() -> None:
    """Wall clocks are corrected; what was put off until then is not put off for a day."""
    load = Load((50, 400, 1, 2), distant).run(1)
    load.sizing.slowed(load.now_ms)
    load.now_ms -= 86_400_000
    assert load.run(20).sizes == (400, 2)
