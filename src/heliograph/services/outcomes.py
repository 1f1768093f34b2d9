"""What became of every message: read in pages, for a drill that compares it with what the carrier saw (design section 11)."""

from collections.abc import AsyncIterator

import msgspec

from heliograph.store.database import Database

PAGE = 2000


class Outcome(msgspec.Struct, frozen=True):
    """One message: where it stands, whether it still waits in the queue, was ever unsure, has news that is not told."""

    int_id: int
    id: str
    phone: str
    text: str
    status: int
    err: int
    queued: bool
    doubted: bool
    untold: bool


async def read_all(db: Database) -> AsyncIterator[Outcome]:
    """Every message in the order of acceptance, by keyset pages, so that a running server is not held up."""
    after = 0
    while rows := await db.all("outcomes.page", after, PAGE):
        for int_id, id_, phone, text, status, err, queued, doubted, untold in rows:
            yield Outcome(int_id, id_, phone, text, status, err, bool(queued), bool(doubted), bool(untold))
        after = rows[-1][0]
