"""What an account has sent and what came in, newest first (spec sending 13)."""

from heliograph.core.messages import Flag, Message
from heliograph.services.desk import Desk, message_of
from heliograph.services.inbound import Inbound

NEWEST = 2**62  # above every id there will be


async def latest(desk: Desk, account_id: int, before: int = NEWEST, limit: int = 50) -> list[Message]:
    """Messages of an account with a global id below `before`, newest first, as they are now; deleted ones are left out."""
    rows = await desk.db.all("messages.latest", before, account_id, limit)
    found = [desk.messages.get(row[0]) or message_of(row) for row in rows]
    return [message for message in found if not message.flags & Flag.DELETED]


async def latest_inbound(desk: Desk, before: int = NEWEST, limit: int = 50) -> list[Inbound]:
    """Incoming texts of all carriers with an id below `before`, newest first."""
    return [Inbound(*row) for row in await desk.db.all("inbound.latest", before, limit)]
