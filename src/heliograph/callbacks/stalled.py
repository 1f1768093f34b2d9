"""Messages of which older news is to be told again later: what is newer waits behind it (seed 001: every 4 minutes, 50 times)."""

from collections.abc import Container, Iterable

from heliograph.callbacks.targets import Origin

MOST = 20_000  # messages in memory; beyond that the table is asked about each message of the host
FAR = 2**62


class Stalled:
    """By message (int_id), the id of the news that is to be told again.

    While the table may hold more such news than is here (after a start, after a change from outside, or when it is too much)
    it must be asked about each message.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._ids: dict[int, int] = {}
        self._unsure = True
        self._unsure_of: set[Origin] = set()  # the hosts of which it was more than memory remembers

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, int_id: object) -> bool:
        return int_id in self._ids

    def older(self, int_id: int) -> int:
        """The id of what a message's newer news waits behind; beyond any id when there is nothing."""
        return self._ids.get(int_id, FAR)

    @property
    def must_learn(self) -> bool:
        """Whether memory knows nothing yet."""
        return self._unsure

    def is_unsure(self, origin: Origin) -> bool:
        """Whether the table may hold older news of this host of which memory knows nothing."""
        return self._unsure or origin in self._unsure_of

    def add(self, int_id: int, id_: int) -> None:
        """It has just failed; `keep` follows when that is on disk."""
        self._ids[int_id] = id_

    def keep(self, int_id: int, id_: int, origin: Origin) -> None:
        """What became of it is on disk: when memory is full, the table alone remembers it."""
        if len(self._ids) > self.most and self._ids.get(int_id) == id_:
            del self._ids[int_id]
            self._unsure_of.add(origin)

    def found(self, int_id: int, id_: int) -> None:
        """The table knew of it."""
        if len(self._ids) < self.most:
            self._ids[int_id] = id_

    def end(self, int_id: int, id_: int) -> bool:
        """It is told again now, or over; whether newer news of the message may wait in the table."""
        if self._ids.get(int_id) != id_:
            return False
        del self._ids[int_id]
        return True

    def learn(self, rows: Iterable[tuple[int, int]], complete: bool) -> None:
        """What the table says is to be told again, and whether that is all."""
        for int_id, id_ in rows:
            self._ids.setdefault(int_id, id_)
        self._unsure = not complete

    def settle(self, held: Container[int]) -> None:
        """Nothing in the table is to be told again but what is ``held``: all else here was taken away from outside."""
        self._unsure = False
        self._unsure_of.clear()
        self._ids = {int_id: id_ for int_id, id_ in self._ids.items() if id_ in held}

    def reset(self) -> None:
        """Somebody else has changed the table."""
        self._ids.clear()
        self._unsure = True
