"""Which carrier takes a message (core/routing.py)."""

from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.records import changed

from heliograph.core.routing import Conditions, Facts, Route, RouteIndex, explain, spread

FACTS = Facts("79161234567", "RU", "25001", 0, "shop", "Shop")


def route(id_: int, priority: int = 0, weight: int = 1, **conditions: object) -> Route:
    return Route(id_, f"r{id_}", id_ * 10, priority, weight, Conditions(**conditions))  # type: ignore[arg-type]


routes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=7).map(
    lambda pairs: [route(i, p, w) for i, (p, w) in enumerate(pairs, 1)]
)


@given(routes, st.integers(0, 2**62))
def test_spread_holds_every_route_once_and_by_priority(given_: list[Route], pick: int) -> None:
    """Failover must reach every route, and never a lower one before a higher one."""
    ordered = spread(given_, pick)
    assert sorted(r.id for r in ordered) == sorted(r.id for r in given_)
    assert [r.priority for r in ordered] == sorted((r.priority for r in given_), reverse=True)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5))
def test_first_choice_follows_the_weights_exactly(weights: list[int]) -> None:
    """Over all picks each route is first as often as its weight says; all zero means equal shares."""
    group = [route(i, weight=w) for i, w in enumerate(weights, 1)]
    total = sum(weights) or len(weights)
    first = Counter(spread(group, pick)[0].id for pick in range(total))
    expected = weights if any(weights) else [1] * len(weights)
    assert [first[r.id] for r in group] == expected


def test_second_choice_is_any_of_the_rest() -> None:
    """When the first carrier fails its load is shared, not thrown onto one neighbour."""
    group = [route(i) for i in (1, 2, 3)]
    orders = {tuple(r.id for r in spread(group, pick)) for pick in range(6)}
    assert orders == set(permutations((1, 2, 3)))


@pytest.mark.parametrize(
    ("conditions", "takes"),
    [
        ({}, True),
        ({"countries": ("KZ", "RU")}, True),
        ({"countries": ("KZ",)}, False),
        ({"operators": ("25001",)}, True),
        ({"operators": ("25002",)}, False),
        ({"prefixes": ("7915", "7916")}, True),
        ({"prefixes": ("7917",)}, False),
        ({"kinds": (0, 1)}, True),
        ({"kinds": (4,)}, False),
        ({"accounts": ("shop",)}, True),
        ({"accounts": ("other",)}, False),
        ({"senders": ("Shop",)}, True),
        ({"senders": ("Other",)}, False),
        ({"countries": ("RU",), "kinds": (4,)}, False),
    ],
)
def test_route_takes_what_all_its_conditions_hold_for(conditions: dict[str, object], takes: bool) -> None:
    """An operator's rule does what its words say, and the index agrees with the explanation."""
    one = route(1, **conditions)
    assert (explain(one, FACTS) == "") is takes
    assert RouteIndex((one,)).candidates(FACTS, 5) == ([one] if takes else [])


def test_memory_of_the_index_tells_accounts_senders_and_prefixes_apart() -> None:
    """What was found for one customer must not be given to another."""
    index = RouteIndex((route(1, accounts=("shop",)), route(2, senders=("B",)), route(3, prefixes=("7917",))))

    def ids(**more: str) -> set[int]:
        return {r.id for r in index.candidates(changed(FACTS, **more), 0)}

    for _ in range(2):
        assert ids() == {1}
        assert ids(login="other") == set()
        assert ids(sender="B") == {1, 2}
        assert ids(login="other", phone="79170000000") == {3}


def test_carriers_that_had_the_message_are_left_out() -> None:
    """Failover goes on, never in circles."""
    index = RouteIndex((route(1, 2), route(2, 1), Route(3, "again", 10, 0, 1, Conditions())))
    assert [r.id for r in index.candidates(FACTS, 0)] == [1, 2, 3]
    assert [r.id for r in index.candidates(FACTS, 0, avoid=(10,))] == [2]
    assert index.candidates(FACTS, 0, avoid=(10, 20)) == []


def test_memory_of_the_index_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefixes of any length do not fill the memory."""
    monkeypatch.setattr(RouteIndex, "LIMIT", 10)
    index = RouteIndex((route(1, prefixes=("7916123",)),))
    for number in range(100):
        index.candidates(changed(FACTS, phone=f"79{number:09d}"), 0)
    assert len(index._known) <= 10


def test_calls_take_routes_to_carriers_that_place_them_only() -> None:
    """Also where the route's conditions name the kind: the carrier's own setting decides, and the trace says so."""
    call = Facts("79161234567", "RU", "25001", 7, "shop", "Shop")
    texts, calls = route(1, 9, kinds=(0, 7)), Route(2, "calls", 20, 0, 1, Conditions(), calls=True)
    index = RouteIndex((texts, calls))
    assert [found.id for found in index.candidates(call, 0)] == [2]
    assert [found.id for found in index.candidates(FACTS, 0)] == [1, 2]
    assert "calls" in explain(texts, call)
