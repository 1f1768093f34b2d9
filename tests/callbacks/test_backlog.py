"""Which rows the table alone holds (callbacks/backlog.py): none is lost, and none overtakes an older one of its handler."""

import random
from collections import defaultdict

import pytest

from heliograph.callbacks.backlog import FAR_ID, Backlog
from heliograph.callbacks.targets import Address

A: Address = ("http", "a.example", 80, b"/")
B: Address = ("http", "b.example", 80, b"/")
ROOM = 5
PAGE = 7


class Reader:
    """A table, memory with room for a few rows of each handler, and the two ways of reading, as the sender does them."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.backlog = Backlog()
        self.table: dict[int, Address] = {}
        self.held: dict[Address, list[int]] = defaultdict(list)
        self.told: dict[Address, list[int]] = defaultdict(list)
        self.last = 0
        self.walks = 0

    def take(self, id_: int, live: bool) -> None:
        address = self.table[id_]
        if not live and not self.backlog.concerns(address):
            return
        if len(self.held[address]) >= ROOM or not self.backlog.may_take(address, id_, live):
            self.backlog.leave(address, id_)
        else:
            self.held[address].append(id_)

    def commit(self, address: Address) -> None:
        self.last += self.dice.randint(1, 3)
        self.table[self.last] = address
        self.take(self.last, live=True)

    def tell(self, address: Address) -> None:
        """One row is told and leaves the table."""
        if self.held[address]:
            id_ = self.held[address].pop(0)
            self.told[address].append(id_)
            del self.table[id_]
        if len(self.held[address]) <= 1:
            self.backlog.want(address)

    def page(self, after: int) -> list[int]:
        return sorted(id_ for id_ in self.table if id_ > after)[:PAGE]

    def hold(self, rows: list[int]) -> None:
        for id_ in rows:
            if id_ not in self.held[self.table[id_]]:
                self.take(id_, live=False)

    def fetch(self) -> None:
        after, at_end = self.backlog.begin_fetch(), False
        for _ in range(self.dice.randint(1, 4)):
            rows = self.page(after)
            self.hold(rows)
            at_end = len(rows) < PAGE
            if at_end or self.backlog.is_full:
                break
            after = rows[-1]
        self.backlog.end_fetch(FAR_ID if at_end else after)

    def walk(self) -> None:
        if not self.backlog.after:
            self.backlog.begin_walk()
        rows = self.page(self.backlog.after)
        self.hold(rows)
        if len(rows) == PAGE:
            self.backlog.after = rows[-1]
        else:
            self.backlog.end_walk()
            self.walks += 1


@pytest.mark.parametrize("seed", range(60))
def test_rows_of_a_host_are_told_in_the_order_of_their_making(seed: int) -> None:
    """However commits, walks and reading for one handler mix, a handler gets each row once, the older before the newer."""
    dice = random.Random(seed)
    reader = Reader(dice)
    made = 0
    while made < 400 or reader.table:
        step = dice.random()
        if step < 0.3 and made < 400:
            for _ in range(dice.choice((1, 1, 1, 30))):
                reader.commit(dice.choice((A, B)))
                made += 1
        elif step < 0.6:
            reader.tell(dice.choice((A, A, A, B)))
        elif step < 0.8 and reader.backlog.is_wanted:
            reader.fetch()
        elif step < 0.9:
            reader.walk()
    assert reader.told[A] == sorted(reader.told[A]) and reader.told[B] == sorted(reader.told[B])
    assert len(reader.told[A]) + len(reader.told[B]) == made
    while not reader.walks:
        reader.walk()
    reader.walk()
    assert not reader.backlog, "an empty table leaves nothing behind"


def test_host_is_read_for_while_the_backlog_of_another_is_walked_over() -> None:
    """A customer whose handler has been off for a day costs another one nothing: his rows are found without a walk."""
    reader = Reader(random.Random(1))
    for _ in range(1_000):
        reader.commit(A)
    for _ in range(40):
        reader.commit(B)
    reader.walk()
    for _ in range(200):
        reader.tell(B)
        if reader.backlog.is_wanted:
            reader.fetch()
    assert len(reader.told[B]) == 40 and not reader.walks


def test_live_rows_wait_while_older_ones_are_left() -> None:
    """The newest would otherwise be told before those that wait in the table."""
    backlog = Backlog()
    assert backlog.may_take(A, 1, live=True)
    backlog.leave(A, 1)
    assert not backlog.may_take(A, 2, live=True) and backlog.may_take(B, 3, live=True)
    backlog.want(A)
    assert backlog.begin_fetch() == 0 and backlog.may_take(A, 1, live=False) and not backlog.concerns(B)
    backlog.end_fetch(FAR_ID)
    assert backlog.may_take(A, 4, live=True)


def test_only_hosts_that_have_rows_left_are_wanted() -> None:
    """A handler of which memory holds all must not cause reading."""
    backlog = Backlog()
    backlog.want(A)
    assert not backlog.is_wanted
