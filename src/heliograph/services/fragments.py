"""Parts of long incoming texts: on disk before their carrier is answered, put together when the last has come
(core/inbound.py; design section 6, flow E).

Nothing of them stays in memory but what is on its way to the disk: however many texts wait for a part, they are rows.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from heliograph.core.inbound import Held, Piece, Placed, expire, hold, pack, place, unpack
from heliograph.services.desk import Desk, Row


class Key(NamedTuple):
    """Which long text a part belongs to, as its carrier writes it."""

    carrier_id: int
    phone: str
    to_phone: str
    reference: int
    total: int


class Arrived(NamedTuple):
    """A part that has just come."""

    key: Key
    number: int
    text: str
    sent_ms: int
    smsc: str


class Fragments:
    """The parts that wait. One caller at a time asks ``load`` and then decides (services/inbound.py)."""

    def __init__(self, desk: Desk, wait_s: int) -> None:
        self._desk = desk
        self.wait_s = wait_s
        # What is on its way to the disk: the newest state of a reference, and how many changes of it are under way.
        self._moving: dict[Key, tuple[Held, int]] = {}

    async def load(self, keys: Iterable[Key]) -> dict[Key, Held]:
        """What is held of some references. What has not reached the disk is known from memory, so that is asked first: a
        commit that ends meanwhile is in one or the other."""
        wanted = set(keys)
        found = {key: self._moving[key][0] for key in wanted if key in self._moving}
        asked = sorted(wanted - found.keys())
        if not asked:
            return found
        rows: dict[Key, list[Piece]] = {}
        for row in await self._desk.db.all("fragments.of", msgspec.json.encode(asked).decode()):
            id_, number, text, sent_ms, received_ms, smsc = row[5:]
            text = unpack(text) if number else text
            rows.setdefault(Key(*row[:5]), []).append(Piece(id_, number, text, sent_ms, received_ms, smsc))
        return {**{key: hold(rows.get(key, ())) for key in asked}, **found}

    async def find_old(self, before_ms: int, limit: int) -> list[Key]:
        """References of which something came before a moment, oldest first."""
        return [Key(*row) for row in await self._desk.db.all("fragments.old", before_ms * 1000, limit)]

    def put(self, held: Held, arrived: Arrived, now_ms: int) -> Placed:
        """What a part that came at ``now_ms`` does to what is held of its reference."""
        desk, key = self._desk, arrived.key
        text = arrived.text.replace("\x00", "")
        piece = Piece(desk.stamp(now_ms), arrived.number, text, arrived.sent_ms, now_ms, arrived.smsc)
        return place(held, piece, key.total, desk.stamp(now_ms))

    def end(self, held: Held, key: Key, now_ms: int) -> Placed:
        """What the time that has passed does to it."""
        before_us = (now_ms - self.wait_s * 1000) * 1000
        return expire(held, key.total, before_us, self._desk.stamp(now_ms), now_ms)

    def begin(self, key: Key, held: Held) -> None:
        """A change that makes a reference ``held`` goes to the disk; ``done`` is to be called when it is there or not."""
        self._moving[key] = (held, self._moving.get(key, (held, 0))[1] + 1)

    def done(self, key: Key) -> None:
        """One of its changes is over."""
        held, count = self._moving.pop(key)
        if count > 1:
            self._moving[key] = (held, count - 1)


def rows_of(key: Key, placed: Placed) -> list[tuple[str, Row]]:
    """The rows that bring to disk what a part has done. All of them can go in one transaction with any others, in any
    order of the parts, for every row is written once and dropped by its id."""
    rows: list[tuple[str, Row]] = []
    for piece in placed.kept:
        text = pack(piece.text) if piece.number else piece.text
        rows.append(
            ("fragments.put", (piece.id, *key, piece.number, text, piece.sent_ms, piece.received_ms, piece.smsc))
        )
    rows += [("fragments.drop", (id_,)) for id_ in placed.dropped]
    return rows
