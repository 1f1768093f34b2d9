"""Which indexes the databases read for histories (docs/adr/0009): a scan of ten million rows is only seen when they are there."""

import asyncio
import re
from pathlib import Path

import pytest
from tests.databases import BACKENDS, fresh_database

from heliograph.core.message import Message
from heliograph.services.desk import accept_row
from heliograph.store.database import Query, Step
from heliograph.store.queries import SQL_DIRECTORY, load

DAY = 86_400_000
START = 1_780_000_000_000
FOREVER = 2**62
ASKED: list[tuple[str, tuple[object, ...], str]] = [
    ("history.texts", (7, 1, FOREVER, 0, FOREVER, 100), "messages_account"),
    ("history.mails", (7, 1, FOREVER, 0, FOREVER, 100), "messages_mail"),
    ("history.later", (7, FOREVER, START, START + DAY, 0, 99, 8, "", 100), "messages_later"),
    ("history.later", (7, FOREVER, START, START + DAY, 0, 99, 8, '["79160000001"]', 100), "messages_later"),
    ("history.phones", (7, 1, FOREVER, 0, FOREVER, 0, 99, '["79160000001"]', 0, 3, 8, 100), "messages_phone"),
    ("inbound.asked", ('["79160000001"]', 0, 3, 0, FOREVER), "messages_phone"),
    ("messages.by_id", (7, "70", "79160000001", "79160000001"), "messages_id"),
    ("messages.latest", (FOREVER, 7, 50), "messages_account"),
]


def make(number: int) -> Message:
    """Message `number` of a store in which account 7 has one of a hundred, and 1 all the others."""
    at_ms = START + number * 1000
    kind = 8 if number % 500 == 7 else 0
    return Message(
        number * 20, 7 if number % 100 == 7 else 1, str(number), str(79160000000 + number * 7919 % 100_003), "", kind, 0,
        "", "text", "", 1, 0, "25001", 1, 0, at_ms + (3 * DAY if number % 300 == 7 else 0), at_ms, at_ms, at_ms, 1, 1, 1, 1,
    )  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_question_is_answered_by_the_index_made_for_it(backend: str, tmp_path: Path) -> None:
    """For a small account beside a large one, where a planner that guesses badly reads everything."""

    async def story() -> None:
        async with fresh_database(backend, tmp_path) as db:
            await db.transact([Step("messages.accept", [accept_row(make(i))[1] for i in range(1, 8000)])])
            queries = load(SQL_DIRECTORY, db.dialect)
            word = "EXPLAIN QUERY PLAN" if backend == "sqlite" else "EXPLAIN"
            if backend == "postgres":
                async with db.transaction() as transaction:
                    await transaction.script("ANALYZE messages")
            for name, args, index in ASKED:
                # Six times: PostgreSQL may choose a plan for all values after five.
                for _ in range(6):
                    rows = await db.all(Query(name, f"{word} {queries[name].sql}", len(args)), *args)
                plan = "\n".join(str(row[-1]) for row in rows)
                read = set(re.findall(r"(?:INDEX|using|on) (messages_\w+)", plan))
                assert read == {index} and "SCAN m" not in plan and "Seq Scan on messages" not in plan, (name, plan)

    asyncio.run(story())
