"""Whose answer a text is: who has last written to its sender (docs/incoming.md; docs/adr/0009)."""

import msgspec

from heliograph.services.desk import Desk
from heliograph.services.moments import SLACK_MS, find_id

MEMORY_MS = 7 * 86_400_000  # so long a subscriber answers to who has written to him
BLOCK_BITS = 16  # an index block is 65,536 messages (docs/adr/0009)
PROBES = 4096  # places of the index looked at by one query, at some 2 µs each


async def find_owners(desk: Desk, phones: set[str], now_ms: int) -> dict[str, tuple[int, int]]:
    """(account_id, int_id) of the newest message that went out to each number within the last seven days; none for the
    others. Messages in the future, refused ones, number queries and those of test mode do not count.

    The index is read in groups of blocks from the newest down (docs/adr/0009), each twice as large as the one before.
    """
    since_ms = now_ms - MEMORY_MS
    lowest = await find_id(desk.db, since_ms // 3_600_000 * 3_600_000 - SLACK_MS) >> BLOCK_BITS
    row = await desk.db.one("messages.last")
    block = (int(row[0]) if row else 0) >> BLOCK_BITS
    found: dict[str, tuple[int, int]] = {}
    count = 1
    while block >= lowest and len(found) < len(phones):
        wanted = sorted(phones - found.keys())
        first = max(lowest, block - min(count, max(1, PROBES // len(wanted))) + 1)
        numbers = msgspec.json.encode(wanted).decode()
        for phone, account_id, int_id in await desk.db.all("inbound.asked", numbers, first, block, since_ms, now_ms):
            found[phone] = (int(account_id), int(int_id))
        block = first - 1
        count *= 2
    return found
