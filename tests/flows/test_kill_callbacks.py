"""Killed while handlers are being told: nothing is lost, and what comes twice has the same event id (flows D and E)."""

import asyncio
import re
from collections import defaultdict
from pathlib import Path

from tests.flows.rig import KEY, LOGIN, Carrier, Customer, Program, customer, prepare, until

from heliograph.services import accounts
from heliograph.services.replays import list_backlog
from heliograph.store.opening import open_database

TEXTS = 40
ANSWERS = 10
PHONES = [f"7916123{n:04d}" for n in range(TEXTS)]


def told_events(told: Customer) -> dict[int, list[dict[str, str]]]:
    """What came, by event id."""
    found: dict[int, list[dict[str, str]]] = defaultdict(list)
    for request, form in zip(told.requests, told.forms, strict=True):
        number = re.search(rb"(?i)x-heliograph-event: (\d+)", request)
        assert number is not None
        found[int(number[1])].append(form)
    return found


async def empty(database: str) -> bool:
    """Whether nothing waits to be told."""
    db = await open_database(database)
    try:
        return not await list_backlog(db)
    finally:
        await db.close()


async def fetch(program: Program) -> list[int]:
    """All event ids that can be fetched, page by page."""
    found: list[int] = []
    after = 0
    while True:
        head = f"GET /api/v1/events?after={after}&limit=20 HTTP/1.1\r\nHost: flow\r\nConnection: close\r\n"
        page = (await program.raw(f"{head}Authorization: Bearer {KEY}\r\n\r\n".encode())).json
        found += [event["event"] for event in page["events"]]
        after = page["next"]
        if not page["more"]:
            return found


def test_statuses_and_incoming_texts_survive_kills(backend_url: str, tmp_path: Path) -> None:
    """Three kills: before the handler answers, while it answers, and while the last news is under way."""

    async def story() -> None:
        async with customer() as told, Carrier() as carrier:
            program = Program(tmp_path, database=backend_url)
            await prepare(backend_url, program.data, carrier.port, callback_url=told.url)
            db = await open_database(backend_url)
            await accounts.set_settings(db, LOGIN, {"events_days": "3"})
            await db.close()
            async with program:
                right, told.reply = told.reply, b""
                for phone in PHONES:
                    await program.send(phones=phone, mes=f"text for {phone}")
                await until(lambda: len(carrier.taken) == TEXTS and bool(told.forms))
                await program.kill()
                told.reply = right
                await program.start()
                for number in range(ANSWERS):
                    await carrier.simulator.inject(PHONES[number], "7000", f"answer {number}")
                await until(lambda: len(told.forms) > TEXTS // 2)
                await program.kill()
                await program.start()
                await until(lambda: len(told_events(told)) >= TEXTS + ANSWERS)
                await program.kill()
                await program.start()
                await until(lambda: empty(backend_url))
                found = told_events(told)
                assert len(found) == TEXTS + ANSWERS
                assert all(form == forms[0] for forms in found.values() for form in forms)
                statuses = sorted(forms[0]["phone"] for forms in found.values() if "status" in forms[0])
                answers = sorted(forms[0]["mes"] for forms in found.values() if "mes" in forms[0])
                assert statuses == PHONES and answers == sorted(f"answer {n}" for n in range(ANSWERS))
                kept = await fetch(program)
                assert len(kept) == len(set(kept)) and set(kept) == set(found)
                assert await program.stop() == 0

    asyncio.run(story())
