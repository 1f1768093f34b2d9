"""From a moment to the place of the messages of that time among all messages (design section 5: int_ids rise with time)."""

from collections import OrderedDict
from weakref import WeakKeyDictionary

from heliograph.store.database import Database

SLACK_MS = 10 * 60_000
"""How far created_ms may lag behind the order of int_ids: a large request takes its int_ids when its turn comes, and carries
the time at which it was received. Nobody waits that long for an answer."""

SETTLED_MS = 3_600_000  # this far behind the newest message nothing is added any more
MOST = 1024  # answers kept a store: the borders of days and months, mostly

_known: "WeakKeyDictionary[Database, OrderedDict[int, int]]" = WeakKeyDictionary()


async def find_id(db: Database, at_ms: int) -> int:
    """The lowest int_id whose message was created at or after a moment (ms since 1970, UTC); one above the last int_id when
    there is none such. Some 24 single look-ups by key for 10 million messages, none for a moment asked before.

    created_ms rises with int_id up to ``SLACK_MS`` only. With ``found = find_id(db, at_ms)``: no message below ``found``
    was created at or after ``at_ms + SLACK_MS``, and none from it on before ``at_ms - SLACK_MS``. Who wants all messages
    created from A to B reads the int_ids from ``find_id(A - SLACK_MS)`` up to (not with) ``find_id(B + SLACK_MS)``
    and looks at their created_ms.

    Answers for moments more than an hour before the newest message are kept; after a deletion of old messages such an
    answer may name a message that is gone, and is still a right border.
    """
    known = _known.setdefault(db, OrderedDict())
    found = known.get(at_ms)
    if found is not None:
        known.move_to_end(at_ms)
        return found
    row = await db.one("messages.last")
    last = int(row[0]) if row else 0
    newest = await db.one("messages.created", last)
    if newest is None or newest[1] < at_ms:
        return last + 1
    found = await _bisect(db, at_ms, last)
    if at_ms < newest[1] - SETTLED_MS:
        known[at_ms] = found
        if len(known) > MOST:
            known.popitem(last=False)
    return found


async def find_inbound(db: Database, at_ms: int) -> int:
    """The lowest id of an incoming text received at or after a moment; one above the last id when there is none such.

    Ids and times are given out together, so received_ms rises with id as far as the clock does.
    """
    row = await db.one("inbound.last")
    return await _bisect(db, at_ms, (int(row[0]) if row else 0) + 1, "inbound.received")


async def _bisect(db: Database, at_ms: int, high: int, query: str = "messages.created") -> int:
    """Between the first row and ``high``, which is not too old or lies behind the last."""
    low = 0
    while low < high:
        middle = (low + high) // 2
        # The first at or above the middle: some ids have no row.
        row = await db.one(query, middle)
        if row is None or row[1] >= at_ms:
            high = middle
        else:
            low = int(row[0]) + 1
    row = await db.one(query, low)
    return int(row[0]) if row else low
