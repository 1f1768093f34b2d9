"""Messages of which older news is to be told again later: what is newer waits behind it (seed 001: every 4 minutes, 50 times)."""

from collections.abc import Container, Iterable

from heliograph.callbacks.targets import Address

MOST = 20_000  # messages in memory; beyond that the table is asked about each message of the account
FAR = 2**62


class Stalled:
    """By message (int_id), the id of the news that is to be told again.

    While the table may hold more such news than is here (after a start, after a change from outside, or when it is too much)
    it must be asked about each message.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._ids: dict[int, int] = {}
        self._behind: dict[int, set[int]] = {}  # by message, its news that the table alone holds
        self._unsure = True
        # The accounts of which it was more than memory remembers (a message stays its account's when the handler moves), and
        # their handlers.
        self._unsure_of: set[int] = set()
        self._forgotten: set[Address] = set()

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

    def is_unsure(self, account_id: int) -> bool:
        """Whether the table may hold older news of this account's messages of which memory knows nothing."""
        return self._unsure or account_id in self._unsure_of

    def add(self, int_id: int, id_: int) -> None:
        """It has just failed; `keep` follows when that is on disk."""
        self._ids[int_id] = id_

    def keep(self, int_id: int, id_: int, account_id: int, address: Address) -> None:
        """What became of it is on disk: when memory is full, the table alone remembers it, unless newer news waits for it."""
        if len(self._ids) > self.most and self._ids.get(int_id) == id_ and int_id not in self._behind:
            del self._ids[int_id]
            self._unsure_of.add(account_id)
            self._forgotten.add(address)

    def has_forgotten(self, address: Address) -> bool:
        """Whether there was more of this handler than memory remembers."""
        return address in self._forgotten

    def found(self, int_id: int, id_: int) -> None:
        """The table knew of it; newer news waits for it, and few messages have so much news that this takes memory."""
        self._ids[int_id] = id_

    # -- newer news, which waits in the table -------------------------------------------
    def leave(self, int_id: int, id_: int) -> None:
        """Newer news of a message is left to the table, to be read with the older or after it."""
        self._behind.setdefault(int_id, set()).add(id_)

    def take(self, int_id: int, id_: int) -> None:
        """News of a message was read from the table."""
        behind = self._behind.get(int_id)
        if behind is not None:
            behind.discard(id_)
            if not behind:
                del self._behind[int_id]

    def has_behind(self, int_id: int) -> bool:
        """Whether the table alone holds news of a message."""
        return int_id in self._behind

    def is_behind(self, int_id: int, id_: int) -> bool:
        """Whether news waits for older news of its message, which is to be told again or which the table alone holds."""
        behind = self._behind.get(int_id)
        return id_ > self.older(int_id) or (behind is not None and min(behind) < id_)

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
        self._forgotten.clear()
        self._ids = {int_id: id_ for int_id, id_ in self._ids.items() if id_ in held}

    def reset(self, held: Container[int]) -> None:
        """Somebody else has changed the table; of what is ``held`` it does not show yet that it has failed."""
        self._ids = {int_id: id_ for int_id, id_ in self._ids.items() if id_ in held}
        self._behind.clear()
        self._unsure = True
