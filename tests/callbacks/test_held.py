"""News in memory (callbacks/held.py) and what is to be told again (callbacks/stalled.py): in order, and bounded."""

from heliograph.callbacks.handlers import SLOW_MS, Handlers
from heliograph.callbacks.held import MOST_PER_HANDLER, Held
from heliograph.callbacks.plans import Plan, parse_plan
from heliograph.callbacks.stalled import Stalled
from heliograph.services.callbacks import Callback

PLAN = parse_plan("http://shop.example/told")
OTHER = parse_plan("http://shop.example/other")


def row(id_: int, int_id: int = 1) -> Callback:
    return Callback(id_, int_id, 1, 1, 0, 0, 0)


def fill(held: Held, plan: Plan, first: int, count: int) -> int:
    """Rows as long as there is room, at most so many; returns how many."""
    for number in range(count):
        if not held.has_room(plan.target.address):
            return number
        held.add(row(first + number), plan.target.address, 0)
    return count


def test_row_that_the_table_gives_back_goes_before_newer_ones() -> None:
    """It may be older news of the same message: told after the newer, the customer would end up with what is not true."""
    held = Held(Handlers())
    for id_ in (3, 5, 2, 4, 1):
        held.add(row(id_), PLAN.target.address, 0)
    held.add(row(0), PLAN.target.address, 0)
    found = [held.pop(PLAN.target.address, 0) for _ in range(7)]
    assert [each and each.id for each in found] == [0, 1, 2, 3, 4, 5, None]


def test_new_and_ill_handlers_hold_few_rows() -> None:
    """A backlog of one that hangs must not take the room of those that answer, though they are on the same host."""
    handlers = Handlers(per_handler=4)
    held = Held(handlers, 800)
    assert fill(held, PLAN, 0, 999) == 22, "an eighth of what is then left of a quarter of 800"
    for _ in range(4):
        handlers.end(handlers.begin(OTHER.target.address, 0), True, 1)
    assert handlers.is_proven(OTHER.target.address) and fill(held, OTHER, 1_000, 700) == 700 < MOST_PER_HANDLER
    handlers.end(handlers.begin(OTHER.target.address, 0), True, SLOW_MS)
    assert held.trim(OTHER.target.address) == list(range(1_699, 1_063, -1)), "16 turns of four stay, the oldest"
    for _ in range(5):
        handlers.end(handlers.begin(PLAN.target.address, 0), False, 1)
    assert len(held.trim(PLAN.target.address)) == 20 and held.count(PLAN.target.address) == 2
    assert len(held) == 66


def test_full_memory_forgets_only_what_nothing_waits_for() -> None:
    """Of a forgotten one the table is asked; a message with newer news is not forgotten, for the table tells nothing of that."""
    stalled = Stalled(1)
    for int_id in (1, 2, 3):
        stalled.add(int_id, int_id * 10)
    stalled.leave(2, 25)
    stalled.learn([], complete=True)
    assert not stalled.is_unsure(7)
    for int_id in (1, 2, 3):
        stalled.keep(int_id, int_id * 10, 7, PLAN.target.address)
    assert [int_id in stalled for int_id in (1, 2, 3)] == [False, True, False]
    assert stalled.is_unsure(7) and not stalled.is_unsure(8) and stalled.is_behind(2, 25)
