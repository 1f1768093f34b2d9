"""Finished messages put into a store at once, for what reads them."""

from collections.abc import Sequence
from typing import Any

from heliograph.core.messages import Message
from heliograph.services.desk import accept_row
from heliograph.store.database import Database, Step

NOW = 1_790_000_000_000  # 2026-09-21, 17:13 in Moscow


def make_message(int_id: int, at_ms: int = NOW, **changes: Any) -> Message:
    """A delivered text of account 1, sent at a moment."""
    fields: dict[str, Any] = {
        "int_id": int_id, "account_id": 1, "id": str(int_id), "phone": f"7916{int_id:07d}", "given": "", "kind": 0,
        "flags": 0, "sender": "Shop", "text": f"Привет, №{int_id}; «да»", "comment": "", "parts": 1, "cost": 16_000,
        "mccmnc": "25001", "status": 1, "err": 0, "send_ms": at_ms, "created_ms": at_ms, "changed_ms": at_ms + 2000,
        "expires_ms": at_ms + 86_400_000, "lane": 1, "route_id": 1, "carrier_id": 1, "door": 1, **changes,
    }  # fmt: skip
    return Message(**fields)


async def put(db: Database, messages: Sequence[Message]) -> None:
    """Store them."""
    for first in range(0, len(messages), 10_000):
        rows = [accept_row(message)[1] for message in messages[first : first + 10_000]]
        await db.transact([Step("messages.accept", rows)])
