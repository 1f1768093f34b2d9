"""Reading back what was sent and what came in (services/histories.py), against a scan of everything."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import NOW, House, open_house

from heliograph.core.histories import FOREVER, Kinds, Wanted
from heliograph.core.messages import Flag, Kind, Message
from heliograph.services.desk import accept_row
from heliograph.services.histories import find_incoming, find_messages, latest_inbound
from heliograph.services.inbound import Inbound
from heliograph.services.moments import SLACK_MS
from heliograph.store.database import Step

both = pytest.mark.parametrize("backend", BACKENDS)
HOUR = 3_600_000
DAY = 24 * HOUR
PHONES = [str(79160000000 + i) for i in range(12)]
MAILS = ["ann@example.com", "bob@example.com"]


def invent(chance: random.Random, int_id: int, at_ms: int) -> Message:
    """A message of a store that has seen everything: scheduled, deleted, e-mail, several accounts."""
    mail = chance.random() < 0.15
    ahead = chance.choice([0, 0, 0, HOUR, 20 * HOUR, DAY, DAY + 1, 3 * DAY, 20 * DAY])
    created_ms = at_ms - chance.choice([0, 0, 0, 1000, SLACK_MS // 2])
    status = 1 if ahead == 0 else chance.choice([-1, 1])
    return Message(
        int_id, chance.choice([1, 1, 1, 2]), str(int_id), chance.choice(MAILS if mail else PHONES), "",
        Kind.MAIL if mail else chance.choice([0, 0, 1, 4]), Flag.DELETED if chance.random() < 0.1 else 0, "Shop", "text",
        "", 1, 10_000, "25001", status, 0, created_ms + ahead, created_ms, created_ms + 5000, created_ms + DAY,
        1, 1, 1, 1,
    )  # fmt: skip


async def fill(house: House, chance: random.Random, count: int) -> list[Message]:
    """Messages of some forty days over a dozen blocks of the index, with gaps between their ids."""
    ids = sorted(chance.sample(range(1, 12 << 16), count))
    times = sorted(NOW - chance.randrange(40 * DAY) for _ in ids)
    messages = [invent(chance, int_id, at_ms) for int_id, at_ms in zip(ids, times, strict=True)]
    await house.db.transact([Step("messages.accept", [accept_row(message)[1] for message in messages])])
    return messages


def scan(messages: Sequence[Message], account_id: int, wanted: Wanted) -> list[int]:
    """The int_ids wanted, by looking at every message."""
    found = [
        m.int_id
        for m in sorted(messages, key=lambda m: -m.int_id)
        if m.account_id == account_id
        and not m.flags & Flag.DELETED
        and m.int_id < wanted.before
        and wanted.start_ms <= m.send_ms < wanted.end_ms
        and (wanted.kinds is Kinds.ALL or (m.kind == Kind.MAIL) == (wanted.kinds is Kinds.MAILS))
        and (not wanted.phones or m.phone in wanted.phones)
    ]
    return found[: wanted.limit]


def wish(chance: random.Random) -> Wanted:
    """Any filter there is."""
    phones: tuple[str, ...] = ()
    if chance.random() < 0.5:
        phones = tuple(chance.sample([*PHONES, *MAILS, "7"], chance.choice([1, 1, 2, 7])))
    kinds = chance.choice([Kinds.TEXTS, Kinds.MAILS, Kinds.ALL] if phones else [Kinds.TEXTS, Kinds.MAILS])
    start_ms = NOW - chance.randrange(45 * DAY) if chance.random() < 0.8 else 0
    end_ms = start_ms + chance.randrange(20 * DAY) if chance.random() < 0.6 else FOREVER
    before = chance.randrange(1, 13 << 16) if chance.random() < 0.4 else FOREVER
    return Wanted(
        start_ms=start_ms, end_ms=end_ms, kinds=kinds, phones=phones, before=before, limit=chance.choice([1, 7, 1000])
    )


async def read(house: House, wanted: Wanted, account_id: int = 1) -> list[int]:
    return [message.int_id for message in await find_messages(house.desk, account_id, wanted)]


@both
def test_every_filter_finds_what_a_scan_of_everything_finds(backend: str, tmp_path: Path) -> None:
    """Blocks, borders of periods and what was scheduled across them are all easy to get wrong by one."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            chance = random.Random(11)
            messages = await fill(house, chance, 900)
            found = 0
            for _ in range(250):
                wanted, account_id = wish(chance), chance.choice([1, 1, 2, 3])
                expected = scan(messages, account_id, wanted)
                assert await read(house, wanted, account_id) == expected, (wanted, account_id)
                found += len(expected)
            assert found > 2000

    asyncio.run(story())


@both
def test_pages_hold_everything_once(backend: str, tmp_path: Path) -> None:
    """Asked with prev_id until nothing comes: no gap and no repeat, whatever was scheduled or deleted."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            chance = random.Random(13)
            messages = await fill(house, chance, 700)
            start = NOW - 25 * DAY
            for wanted in (
                Wanted(limit=37),
                Wanted(start_ms=start, end_ms=NOW - 5 * DAY, limit=10),
                Wanted(start_ms=start, phones=tuple(PHONES[:3]), kinds=Kinds.ALL, limit=7),
                Wanted(start_ms=start, kinds=Kinds.MAILS, limit=5),
            ):
                seen: list[int] = []
                before = FOREVER
                while page := await read(house, _before(wanted, before)):
                    seen += page
                    before = page[-1]
                assert seen == scan(messages, 1, _before(wanted, FOREVER, 10**6))
                assert len(seen) > wanted.limit

    asyncio.run(story())


def _before(wanted: Wanted, before: int, limit: int = 0) -> Wanted:
    return Wanted(
        start_ms=wanted.start_ms, end_ms=wanted.end_ms, kinds=wanted.kinds, phones=wanted.phones, before=before,
        limit=limit or wanted.limit,
    )  # fmt: skip


@both
def test_history_is_as_memory_has_it_and_hides_what_is_being_staged(backend: str, tmp_path: Path) -> None:
    """Memory is ahead of the store; a request whose rows are still being written has not been accepted."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            first, second = [(await house.accepted(phone))[0] for phone in (PHONES[0], PHONES[1])]
            await house.desk.batch.settle()
            first.status = 1
            found = await find_messages(house.desk, house.account.id, Wanted())
            assert found == [second, first] and found[1].status == 1
            second.flags |= Flag.DELETED
            assert await read(house, Wanted(limit=1), house.account.id) == [first.int_id]
            assert await read(house, Wanted(phones=(PHONES[1],)), house.account.id) == []
            await house.db.transact([Step("staged.begin", [(first.int_id, first.int_id, house.account.id, NOW)])])
            assert await read(house, Wanted(), house.account.id) == []
            assert await read(house, Wanted(phones=(PHONES[0],)), house.account.id) == []
            await house.db.transact([Step("staged.end", [(first.int_id,)])])
            assert await read(house, Wanted(), house.account.id) == [first.int_id]

    asyncio.run(story())


def test_store_that_is_away_is_told_as_none(tmp_path: Path) -> None:
    """Who asked is answered with an error that says so, not left waiting."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:

            async def away(*args: Any) -> Any:
                raise OSError("away")

            house.db.all = away
            told: list[Any] = []
            house.histories.find(1, Wanted(), told.append)
            house.histories.incoming(1, 0, 0, (), 5, told.append)
            await asyncio.gather(*house.tasks)
            assert told == [None, None]

    asyncio.run(story())


@both
def test_incoming_texts_of_an_account_oldest_first(backend: str, tmp_path: Path) -> None:
    """By id, by time, by the number that was written to: as a scan of everything has it."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            chance = random.Random(17)
            ids = sorted(chance.sample(range(1, 5000), 600))
            times = sorted(NOW - chance.randrange(9 * DAY) for _ in ids)
            texts = [
                Inbound(
                    id_, 1, at_ms, 0, PHONES[0], chance.choice(PHONES[:3]), "answer", "", chance.choice([0, 1, 2]), 7
                )
                for id_, at_ms in zip(ids, times, strict=True)
            ]
            fields = Inbound.__struct_fields__
            rows = [tuple(getattr(text, name) for name in fields) for text in texts]
            await house.db.transact([Step("inbound.add", rows)])
            for _ in range(60):
                account_id, after_id = chance.choice([0, 1, 2, 3]), chance.choice([0, chance.randrange(5000)])
                since_ms = chance.choice([0, NOW - chance.randrange(9 * DAY), NOW + 1])
                numbers = chance.choice([(), (PHONES[1],), (PHONES[0], PHONES[2])])
                limit = chance.choice([1, 20, 250, 10_000])
                wanted = [
                    text
                    for text in texts
                    if text.account_id == account_id and text.id > after_id and text.received_ms >= since_ms
                    and (not numbers or text.to_phone in numbers)
                ]  # fmt: skip
                args = (account_id, after_id, since_ms, numbers, limit)
                assert await find_incoming(house.db, *args) == wanted[:limit]  # type: ignore[arg-type]
            newest = [text for text in texts if text.account_id == 2][::-1]
            assert await latest_inbound(house.db, account_id=2, limit=30) == newest[:30]  # type: ignore[arg-type]
            assert await latest_inbound(house.db, before=texts[99].id, limit=9) == texts[90:99][::-1]  # type: ignore[arg-type]

    asyncio.run(story())
