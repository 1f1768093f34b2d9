"""What became of every message: read in pages, for a drill that compares it with what the carrier saw (design section 11)."""

from collections.abc import AsyncIterator

import msgspec

from heliograph.store.database import Database

PAGE = 2000


class Outcome(msgspec.Struct, frozen=True):
    """One message: where it stands since when, whether it still waits in the queue and has news that is not told, and
    when it became unsure (0: never); times in UTC milliseconds."""

    int_id: int
    id: str
    phone: str
    text: str
    status: int
    err: int
    queued: bool
    doubted_ms: int
    untold: bool
    changed_ms: int

    @property
    def doubted(self) -> bool:
        """Whether it was ever unsure."""
        return self.doubted_ms > 0


async def read_all(db: Database) -> AsyncIterator[Outcome]:
    """Every message in the order of acceptance, by keyset pages, so that a running server is not held up."""
    after = 0
    while rows := await db.all("outcomes.page", after, PAGE):
        for int_id, id_, phone, text, status, err, queued, doubted_us, untold, changed_ms in rows:
            doubted_ms = (doubted_us or 0) // 1000
            yield Outcome(int_id, id_, phone, text, status, err, bool(queued), doubted_ms, bool(untold), changed_ms)
        after = rows[-1][0]
