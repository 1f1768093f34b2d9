"""Clicks: on disk before the visitor goes on, counted once each, and a message that moves to status 4."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import BASE, HANDLER, NOW, Answer, House, Report, open_house

from heliograph.core.links import LENGTH, Counts
from heliograph.core.messages import Message
from heliograph.core.reasons import Refusal
from heliograph.core.status import Status
from heliograph.services import traces
from heliograph.services.clicks import Clicks
from heliograph.store.database import Full, Step, StoreError

URL = "https://shop.example.ru/sale"
DAY_MS = 86_400_000


def click(house: House, code: str, at_ms: int = NOW, counted: bool = True) -> asyncio.Future[str | None]:
    """A visitor with a code; where he is sent."""
    future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
    house.clicks.follow(code, counted, at_ms, future.set_result)
    return future


async def counts(house: House, at_ms: int = NOW) -> Counts:
    """What a customer is told of the one link."""
    future: asyncio.Future[Counts | Refusal] = asyncio.get_running_loop().create_future()
    house.links.find(house.account, 0, URL, at_ms, future.set_result)
    answer = await future
    assert isinstance(answer, Counts), answer
    return answer


def code_of(message: Message) -> str:
    """The code at the end of a text."""
    assert message.text.startswith(f"Hi {BASE}")
    return message.text[-LENGTH:]


async def tracked(house: House, **more: Any) -> Message:
    """A sent text with a link of the recipient's own."""
    return await house.sent(text=f"Hi {URL}", shorten=True, **more)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_click_is_on_disk_when_the_visitor_goes_on(backend: str, tmp_path: Path) -> None:
    """Clicks of one moment share a row and a commit; what looks only is not counted."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (message,) = await house.accepted(text=f"Hi {URL}", shorten=True)
            code = code_of(message)
            assert await click(house, code) == URL
            found = await counts(house)
            assert (found.cnt, found.cnt_day, found.cnt_mon, found.cnt_yes, found.cnt_pmon) == (1, 1, 1, 0, 0)
            before = house.db.writes
            assert await asyncio.gather(*(click(house, code) for _ in range(50))) == [URL] * 50
            assert house.db.writes - before <= 2
            assert await click(house, code, counted=False) == URL
            assert (await counts(house)).cnt == 51
            assert (await house.row(message)).status == Status.WAITING

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_counts_are_told_by_the_days_of_the_accounts_zone(backend: str, tmp_path: Path) -> None:
    """Yesterday and last month are those of the customer."""

    async def story() -> None:
        async with open_house(backend, tmp_path, tz="Asia/Kathmandu") as house:
            (message,) = await house.accepted(text=f"Hi {URL}", shorten=True)
            found = await counts(house)
            assert found.cnt == 0
            midnight = NOW - (NOW + 345 * 60_000) % DAY_MS  # 21.09.2026, 0:00 in Kathmandu
            for at_ms in (
                midnight,
                midnight - 1,
                midnight - DAY_MS - 1,
                midnight - 21 * DAY_MS,
                midnight - 51 * DAY_MS,
            ):
                await click(house, code_of(message), at_ms)
            found = await counts(house)
            assert (found.cnt, found.cnt_day, found.cnt_yes, found.cnt_mon, found.cnt_pmon) == (5, 1, 1, 3, 2)
            assert found.created_ms == NOW

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("forgotten", [False, True])
def test_the_first_click_on_an_own_link_moves_the_message(backend: str, forgotten: bool, tmp_path: Path) -> None:
    """Status 4, its line in the story and one callback, from memory or from the store; later clicks only count."""

    async def story() -> None:
        async with open_house(backend, tmp_path, track_links="yes", callback_url=HANDLER) as house:
            message = await tracked(house)
            await house.report(Report("a1"))
            if forgotten:
                house = await house.restart()
                house.now = NOW + 1000
            code = code_of(message)
            assert await asyncio.gather(*(click(house, code, NOW + 2000) for _ in range(3))) == [URL] * 3
            stored = await house.row(message)
            assert (stored.status, stored.err, stored.changed_ms) == (Status.CLICKED, 0, NOW + 2000)
            assert (await house.events(message)).count("clicked") == 1
            story = await traces.trace(house.db, house.snapshots.current, message.int_id)  # type: ignore[arg-type]
            assert [(each.at_ms, each.what) for each in story.entries if "click" in each.what] == [
                (NOW + 2000, "clicked")
            ]
            due = await house.callbacks.read_due(NOW + 10_000, 0, 10)
            assert [each.status for each in due] == [Status.DELIVERED, Status.CLICKED]
            assert (await counts(house)).cnt == 3
            await click(house, code, NOW + 5000)
            assert (await house.row(message)).changed_ms == NOW + 2000
            assert (await counts(house)).cnt == 4
            await house.balance()

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_click_shows_that_an_unanswered_text_has_arrived(backend: str, tmp_path: Path) -> None:
    """It must not go out a second time; the receipt that comes later changes nothing."""

    async def story() -> None:
        async with open_house(backend, tmp_path, track_links="yes") as house:
            (message,) = await house.accepted(text=f"Hi {URL}", shorten=True)
            job = await house.start(message)
            await house.answer(job, Answer("unsure"))
            assert house.dispatch.is_doubtful(message)
            await click(house, code_of(message))
            assert (await house.row(message)).status == Status.CLICKED
            assert await house.queued(message) is None
            assert not house.dispatch.is_doubtful(message)

    asyncio.run(story())


@pytest.mark.parametrize("status", [20, 22])
def test_a_message_that_ended_badly_stays_so(status: int, tmp_path: Path) -> None:
    """The table of statuses decides; the click counts all the same."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, track_links="yes") as house:
            message = await tracked(house)
            await house.report(Report("a1", status))
            assert await click(house, code_of(message)) == URL
            assert (await house.row(message)).status == status
            assert "clicked" not in await house.events(message)
            assert (await counts(house)).cnt == 1

    asyncio.run(story())


def test_parts_that_have_still_to_go_out_are_not_stopped(tmp_path: Path) -> None:
    """A click on the link of the first part, while the second waits for a link to the carrier, only counts."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, track_links="yes") as house:
            (message,) = await house.accepted(text=f"Hi {URL}\n{'я' * 100}", shorten=True)
            assert message.parts == 2
            job = await house.start(message)
            code = message.text[3 + len(BASE) :][:LENGTH]
            assert await click(house, code) == URL
            assert (await house.row(message)).status == Status.WAITING
            await house.answer(job, Answer("accepted", "a1"), Answer("accepted", "a2"))
            await click(house, code)
            assert (await house.row(message)).status == Status.CLICKED
            assert (await counts(house)).cnt == 2

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_clicks_on_old_messages_go_on(backend: str, tmp_path: Path) -> None:
    """The message has left the history; while its trail is there the link works and counts."""

    async def story() -> None:
        async with open_house(backend, tmp_path, track_links="yes") as house:
            message = await tracked(house)
            await house.report(Report("a1"))
            house = await house.restart()
            async with house.db.transaction() as tx:
                await tx.script("DELETE FROM messages")
            assert await click(house, code_of(message)) == URL
            assert (await counts(house)).cnt == 1

    asyncio.run(story())


def test_unknown_codes_lead_nowhere_without_a_query(tmp_path: Path) -> None:
    """Guesses cost the store nothing: nearly all have an id that was never given."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted(text=f"Hi {URL}", shorten=True)
            unused = house.links.codes.write(house.desk.take_links())
            assert await click(house, unused) == ""
            house.db.all = None  # type: ignore[attr-defined]
            for code in ("", "0000000", "zzzzzzz", "short", code_of(message) + "x", house.links.codes.write(0)):
                assert await click(house, code) == ""
            del house.db.all  # type: ignore[attr-defined]

    asyncio.run(story())


@pytest.mark.parametrize("track", ["yes", "no"])
def test_a_full_store_holds_no_visitor_and_loses_no_click(track: str, tmp_path: Path, monkeypatch: Any) -> None:
    """He is sent on at once, and what happened is written when there is room again."""
    monkeypatch.setattr("heliograph.services.clicks.RETRY_S", 0.05)

    async def story() -> None:
        async with open_house("sqlite", tmp_path, track_links=track) as house:
            message = await tracked(house)
            house.db.fault = Full("disk full")
            code = code_of(message)
            assert [await click(house, code) for _ in range(3)] == [URL] * 3
            house.db.fault = None
            async with asyncio.timeout(10):
                while (await counts(house)).cnt < 3:
                    await asyncio.sleep(0.05)
            await house.desk.batch.settle()
            assert (await counts(house)).cnt == 3
            assert (await house.row(message)).status == (Status.CLICKED if track == "yes" else Status.SENT)

    asyncio.run(story())


def test_a_store_that_hangs_holds_a_visitor_for_a_moment_only(tmp_path: Path, monkeypatch: Any) -> None:
    """The click waits for the store, the person does not."""
    monkeypatch.setattr("heliograph.services.clicks.PATIENCE_S", 0.05)

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted(text=f"Hi {URL}", shorten=True)
            held: list[Any] = []
            original = house.db._db.write
            house.db._db.write = lambda *args: held.append(args)
            assert await click(house, code_of(message)) == URL
            house.db._db.write = original
            for args in held:
                original(*args)
            await house.desk.batch.settle()
            assert (await counts(house)).cnt == 1

    asyncio.run(story())


def test_a_store_that_cannot_be_asked_is_no_unknown_code(tmp_path: Path) -> None:
    """A 404 would be remembered; the next visitor is served when the store is back."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted(text=f"Hi {URL}", shorten=True)
            original = house.db.all

            async def fail(*args: Any) -> Any:
                raise StoreError("away")

            house.db.all = fail  # type: ignore[attr-defined]
            assert await click(house, code_of(message)) is None
            house.db.all = original  # type: ignore[attr-defined]
            assert await click(house, code_of(message)) == URL

    asyncio.run(story())


def test_codes_in_memory_are_bounded(tmp_path: Path, monkeypatch: Any) -> None:
    """A campaign has as many codes as recipients."""
    monkeypatch.setattr("heliograph.services.clicks.KEPT", 10)

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            urls = [f"http://a.ru/{number}" for number in range(30)]
            ids = await house.links.take(house.account.id, urls, NOW)
            for url in urls:
                assert await click(house, house.links.codes.write(ids[url])) == url
            assert len(house.clicks._targets) == 10
            rows = await house.db.all("links.page", house.account.id, 2**62, 100)
            assert [row[3] for row in rows] == [1] * 30
            house.clicks = Clicks(house.desk, house.dispatch, house.links.codes, house.spawn)
            assert await click(house, house.links.codes.write(ids[urls[0]])) == urls[0]

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_codes_of_old_messages_are_never_given_again(backend: str, tmp_path: Path) -> None:
    """A text in somebody's phone must not lead to another address one day: the newest trail outlives its message."""

    async def story() -> None:
        async with open_house(backend, tmp_path, track_links="yes") as house:
            messages = [await tracked(house, ref=f"a{n}", phone=f"7916000000{n}") for n in range(3)]
            async with house.db.transaction() as tx:
                await tx.script("DELETE FROM messages")
            await house.db.transact([Step("retention.trails", [(",".join(str(each.int_id) for each in messages),)])])
            house = await house.restart()
            assert await click(house, code_of(messages[0])) == ""
            assert await click(house, code_of(messages[2])) == URL
            newest = house.links.codes.read(code_of(messages[2]))
            assert newest is not None
            assert house.desk.take_links() > newest

    asyncio.run(story())
