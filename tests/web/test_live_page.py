"""The live page asked as a door asks it: what it shows, whom it lets send, and what its events cost (web/live.py, web/feed.py)."""

import asyncio
import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from tests.records import changed as replace
from tests.web.live_house import HINTS, OWN, House, open_house

from heliograph.api.request import Request, Stream
from heliograph.core.messages import Flag, Kind, Message
from heliograph.core.reasons import Reason
from heliograph.core.status import Err, Status
from heliograph.services import histories
from heliograph.services.inbound import Inbound
from heliograph.web.feed import BEAT, MOST_LINES, MOST_READERS, Reader
from heliograph.web.live import LivePage
from heliograph.web.rows import SHOWN, line_of, line_of_inbound, shorten, show_money

TEXT = "Ваш код <b>4821</b> & «привет»"
JSON = {**OWN, b"accept": b"application/json"}
MESSAGE = Message(
    int_id=7,
    account_id=1,
    id="17",
    phone="79161234567",
    given="8 916 123-45-67",
    kind=Kind.SMS,
    flags=0,
    sender="SHOP",
    text="Привет",
    comment="",
    parts=1,
    cost=16_000,
    mccmnc="25001",
    status=Status.WAITING,
    err=0,
    send_ms=0,
    created_ms=1_731_576_600_000,
    changed_ms=0,
    expires_ms=0,
    lane=1,
    route_id=1,
    carrier_id=1,
    door=1,
)


def in_house(tmp_path: Path, story: Callable[[House], Any]) -> None:
    async def run() -> None:
        async with open_house(tmp_path) as house:
            await story(house)

    asyncio.run(run())


def frame_of(event: bytes) -> dict[str, Any]:
    """The data of one event, whatever stands before it."""
    (data,) = re.findall(rb"^data: (.*)\n\n", event, re.MULTILINE)
    frame: dict[str, Any] = json.loads(data)
    return frame


async def next_frame(reader: Reader) -> dict[str, Any]:
    return frame_of(await asyncio.wait_for(anext(reader), 5))


async def open_reader(house: House) -> Reader:
    answer = await house.answer(Request("GET", "/live/events"))
    assert isinstance(answer, Stream)
    assert isinstance(answer.chunks, Reader)
    return answer.chunks


def make(house: House, int_id: int, **changes: Any) -> Message:
    return replace(MESSAGE, int_id=int_id, account_id=house.account.id, id=str(int_id), **changes)


# --- the page


def test_page_shows_texts_balance_and_hints(tmp_path: Path) -> None:
    """Without JavaScript the page is all there is, so everything stands in it, escaped."""

    async def story(house: House) -> None:
        sent = await house.post(phone="+7 999 000-00-01", text=TEXT, sender="SHOP")
        assert (sent.status, sent.headers) == (303, ((b"Location", b"/?sent=1"),))
        page = await house.get("/", b"sent=1")
        body = page.body.decode()
        assert page.status == 200
        assert "<b>4821" not in body
        assert TEXT in unescape(body)
        for words in ("79990000001", "SHOP", "Waiting", "998.40", "Text 1 is accepted.", "login=demo&amp;psw=demo"):
            assert words in body
        assert f'<a href="/?phone={HINTS[0][0]}"' in body
        assert f"<code>{HINTS[1][0]}</code> <span>{HINTS[1][1]}" in body
        assert "$" not in body

    in_house(tmp_path, story)


def test_page_asks_nothing_of_the_network(tmp_path: Path) -> None:
    """Every address in the page is its own, the policy allows no other, and no script or style stands inside."""

    async def story(house: House) -> None:
        page = await house.get("/")
        body = page.body.decode()
        policy = dict(page.headers)[b"Content-Security-Policy"]
        assert policy.startswith(b"default-src 'none'; ")
        assert b"unsafe" not in policy
        addresses = re.findall(r'(?:src|href|action)="([^"]*)"', body)
        assert len(addresses) > 5
        assert all(address.startswith("/") and not address.startswith("//") for address in addresses)
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?! src=)", body)
        for name in ("live.css", "live.js", "icon.svg"):
            (address,) = set(re.findall(rf'"(/live/static/{re.escape(name)})\?v=\w+"', body))
            file = await house.get(address)
            assert file.status == 200
            assert b"immutable" in dict(file.headers)[b"Cache-Control"]
            assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)|@import|innerHTML", file.body)

    in_house(tmp_path, story)


def test_unknown_places_and_methods_are_refused(tmp_path: Path) -> None:
    """Files outside the folder cannot be had, and a GET never sends."""

    async def story(house: House) -> None:
        for path in ("/live", "/nothing", "/live/static/", "/live/static/../live.py", "/live/static/live.html"):
            assert (await house.get(path)).status == 404
        refused = await house.get("/live/send", b"phone=79990000001&text=x")
        assert (refused.status, dict(refused.headers)[b"Allow"]) == (405, b"POST")
        assert (await house.ask(Request("POST", "/"))).status == 405
        assert await histories.latest(house.desk, house.account.id) == []

    in_house(tmp_path, story)


def test_address_fills_the_form_with_a_number_only(tmp_path: Path) -> None:
    """A link may fill in a number; words of a stranger do not get into the page."""

    async def story(house: House) -> None:
        assert b'value="79990000002"' in (await house.get("/", b"phone=79990000002")).body
        page = await house.get("/", b"phone=call+me&sent=%3Cb%3Ewin&text=strange")
        assert not re.search(rb"call me|win|strange", page.body)
        assert (await house.get("/", b"phone=%FF&a=%00")).status == 200

    in_house(tmp_path, story)


def test_failing_store_is_told_in_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A page that cannot be made is answered all the same; the reason is for the log."""

    async def story(house: House) -> None:
        await house.heliograph.db.close()
        page = await house.get("/")
        assert (page.status, page.body) == (500, b"The page cannot be shown now; the log says why.\n")

    in_house(tmp_path, story)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["live_page_failed"]


# --- the form


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"origin": b"http://evil.example"},
        {b"origin": b"null"},
        {b"origin": b"http://127.0.0.1:9090"},
        {b"origin": b"http://[::1"},
        {b"sec-fetch-site": b"cross-site"},
        {b"sec-fetch-site": b"same-site"},
        {b"sec-fetch-site": b"same-origin", b"origin": b"http://evil.example"},
        {b"sec-fetch-site": b"cross-site", b"origin": b"http://127.0.0.1:8080"},
    ],
)
def test_foreign_pages_cannot_send(headers: dict[bytes, bytes], tmp_path: Path) -> None:
    """Any page in the same browser can post here; what is not surely our own form is refused and nothing is sent."""

    async def story(house: House) -> None:
        answer = await house.post({b"host": b"127.0.0.1:8080", **headers}, phone="79990000001", text="x")
        assert answer.status == 403
        assert await histories.latest(house.desk, house.account.id) == []

    in_house(tmp_path, story)


@pytest.mark.parametrize(
    "headers",
    [{b"origin": b"HTTP://127.0.0.1:8080"}, {b"origin": b"http://127.0.0.1:8080"}, {b"sec-fetch-site": b"same-origin"}],
)
def test_browsers_that_say_less_can_send(headers: dict[bytes, bytes], tmp_path: Path) -> None:
    """Fetch Metadata is left out where the page has no secure address, Origin by old browsers: one of them is enough."""

    async def story(house: House) -> None:
        answer = await house.post({b"host": b"127.0.0.1:8080", **headers}, phone="79990000001", text="x")
        assert answer.status == 303

    in_house(tmp_path, story)


def test_script_gets_words_and_balance(tmp_path: Path) -> None:
    """The page's script shows what it is told, so it is told in words."""

    async def story(house: House) -> None:
        answer = await house.post(JSON, phone="79990000001", text="first\r\nsecond", sender="")
        words = "Text 1 is accepted: 1 part, 1.60 RUR."
        assert json.loads(answer.body) == {"id": "1", "words": words, "balance": "998.40"}
        (message,) = await histories.latest(house.desk, house.account.id)
        assert (message.text, message.sender) == ("first\nsecond", "DEMO")
        again = await house.post(JSON, phone="79990000001", text="first\r\nsecond", sender="")
        assert again.status == 422
        assert json.loads(again.body)["error"] == Reason.REPEATED_REQUEST.name

    in_house(tmp_path, story)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"phone": "", "text": "x"}, "Not sent: no recipients."),
        ({"phone": "79990000001", "text": ""}, "Not sent: text is empty."),
        ({"phone": "12", "text": "x"}, "Not sent: bad number."),
        ({"phone": "79990000001", "text": "x" * 1001}, "Not sent: text is longer than 1000 characters."),
    ],
)
def test_refusal_keeps_what_was_typed(fields: dict[str, str], words: str, tmp_path: Path) -> None:
    """Who mistypes a number does not type the text again."""

    async def story(house: House) -> None:
        page = await house.post(**fields, sender="ЁЖ")
        assert page.status == 422
        body = page.body.decode()
        assert words in body
        assert f'value="{fields["phone"]}"' in body
        assert f">{fields['text']}</textarea>" in body
        assert 'value="ЁЖ"' in body

    in_house(tmp_path, story)


def test_unreadable_form_is_refused_in_words(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 and forms of a thousand fields are bad input, not a failure."""

    async def story(house: House) -> None:
        for body in (b"phone=7&text=%FF", b"text=a%00", b"a=1&" * 2000):
            answer = await house.ask(Request("POST", "/live/send", b"", JSON, body))
            assert answer.status == 422
            assert json.loads(answer.body)["error"] == Reason.BAD_PARAMETERS.name

    in_house(tmp_path, story)


# --- events


def test_event_tells_each_step_of_a_text(tmp_path: Path) -> None:
    """A text appears when it is accepted and its line changes when it moves, the balance with it."""

    async def story(house: House) -> None:
        reader = await open_reader(house)
        first = await anext(reader)
        assert first.startswith(b"retry: 2000\n\n")
        assert frame_of(first) == {"rows": [], "balance": "1000.00"}
        await house.post(JSON, phone="79990000001", text=TEXT)
        frame = await next_frame(reader)
        (row,) = frame["rows"]
        assert (row["text"], row["status"], row["tone"]) == (TEXT, "Waiting", "waiting")
        assert frame["balance"] == "998.40"
        (message,) = await histories.latest(house.desk, house.account.id)
        message.status, message.err = Status.UNDELIVERABLE, Err.ABSENT
        house.desk.note(message)
        (moved,) = (await next_frame(reader))["rows"]
        assert moved["key"] == row["key"]
        assert (moved["status"], moved["err"], moved["tone"]) == ("Impossible to deliver", "error 6, absent", "bad")
        await reader.aclose()

    in_house(tmp_path, story)


def test_burst_comes_as_one_event_of_the_newest(tmp_path: Path) -> None:
    """At 10,000 texts a second a page is told of a hundred lines five times a second, not of every step."""

    async def story(house: House) -> None:
        reader = await open_reader(house)
        await anext(reader)
        for status in (Status.WAITING, Status.SENT, Status.DELIVERED):
            for int_id in range(1, 12_001):
                house.desk.note(make(house, int_id, status=status))
        rows = (await next_frame(reader))["rows"]
        assert [row["id"] for row in rows] == [str(int_id) for int_id in range(12_001 - MOST_LINES, 12_001)]
        assert {row["status"] for row in rows} == {"Delivered"}
        house.desk.note(make(house, 5, status=Status.READ))
        assert (await next_frame(reader))["rows"] == []
        await reader.aclose()

    in_house(tmp_path, story)


def test_slow_reader_gets_the_latest_state_once(tmp_path: Path) -> None:
    """Who cannot keep up costs no memory: steps in between are left out, the last one is not."""

    async def story(house: House) -> None:
        slow, quick = await open_reader(house), await open_reader(house)
        await anext(slow)
        await anext(quick)
        for step, status in enumerate((Status.WAITING, Status.SENT, Status.DELIVERED)):
            house.desk.note(make(house, 1, status=status))
            house.desk.note(make(house, 10 + step, status=status))
            assert len((await next_frame(quick))["rows"]) == 2
        rows = {row["id"]: row["status"] for row in (await next_frame(slow))["rows"]}
        assert rows == {"1": "Delivered", "10": "Waiting", "11": "Transferred to the operator", "12": "Delivered"}
        await slow.aclose()
        await quick.aclose()

    in_house(tmp_path, story)


def test_nobody_watches_when_no_page_is_open(tmp_path: Path) -> None:
    """A page that was closed, even before its first event, leaves nothing behind on the hot path."""

    async def story(house: House) -> None:
        desk, incoming = house.desk, house.heliograph.incoming
        others = list(desk.watchers)
        never_read, read = await open_reader(house), await open_reader(house)
        await anext(read)
        assert (len(desk.watchers) - len(others), len(incoming.watchers)) == (1, 1)
        await never_read.aclose()
        await never_read.aclose()
        assert len(desk.watchers) - len(others) == 1
        waiting = asyncio.create_task(anext(read))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await read.aclose()
        with pytest.raises(StopAsyncIteration):
            await waiting
        assert (desk.watchers, incoming.watchers, house.page.feed.readers) == (others, [], 0)

    in_house(tmp_path, story)


def test_number_of_pages_is_bounded(tmp_path: Path) -> None:
    """The fifty-first page is told so and works as a plain one; a place that is free again is given away."""

    async def story(house: House) -> None:
        readers = [await open_reader(house) for _ in range(MOST_READERS)]
        assert (await house.get("/live/events")).status == 503
        assert (await house.get("/")).status == 200
        await readers.pop().aclose()
        readers.append(await open_reader(house))
        for reader in readers:
            await reader.aclose()

    in_house(tmp_path, story)


def test_heartbeat_keeps_a_silent_page_and_its_balance(tmp_path: Path) -> None:
    """Proxies cut what is silent, and money that was topped up from outside moves no text."""

    async def story(house: House) -> None:
        reader = await open_reader(house)
        await anext(reader)
        house.desk.purses.publish([(house.account.id, 5_000_000, 0, 0)])
        house.page.feed._beat()
        beat = await asyncio.wait_for(anext(reader), 5)
        assert beat.startswith(BEAT)
        assert frame_of(beat) == {"rows": [], "balance": "500.00"}
        await reader.aclose()

    in_house(tmp_path, story)


def test_other_accounts_and_deleted_texts_stay_out(tmp_path: Path) -> None:
    """The page is one account's; what it deleted is gone."""

    async def story(house: House) -> None:
        await house.post(JSON, phone="79990000001", text="kept")
        await house.post(JSON, phone="79990000001", text="deleted")
        deleted = (await histories.latest(house.desk, house.account.id))[0]
        deleted.flags |= Flag.DELETED
        reader = await open_reader(house)
        assert [row["text"] for row in (await next_frame(reader))["rows"]] == ["kept"]
        house.desk.note(replace(make(house, 50), account_id=house.account.id + 1))
        house.desk.note(deleted)
        house.desk.note(make(house, 51))
        assert [row["id"] for row in (await next_frame(reader))["rows"]] == ["51"]
        await reader.aclose()

    in_house(tmp_path, story)


def test_incoming_text_is_shown_at_once_and_later(tmp_path: Path) -> None:
    """A subscriber's answer stands among the texts, by event and after a reload."""

    class Arrival:
        phone, to_phone, text, sent_ms, smsc, reference, total, number = "79161234567", "7000", "Да!", 0, "", 0, 1, 1

    async def story(house: House) -> None:
        reader = await open_reader(house)
        await anext(reader)
        house.heliograph.incoming.record(1, Arrival(), lambda stored: None, 1_731_576_600_000)
        (row,) = (await next_frame(reader))["rows"]
        assert (row["phone"], row["sender"], row["text"], row["status"]) == (
            "79161234567",
            "to 7000",
            "Да!",
            "Received",
        )
        assert "Да!" in (await house.get("/")).body.decode()
        await reader.aclose()

    in_house(tmp_path, story)


# --- lines


def test_line_says_everything_in_words() -> None:
    """Colour repeats what words say; the time is the account's, and a refund is taken off the cost."""
    line = line_of(replace(MESSAGE, status=Status.EXPIRED, err=Err.ABSENT, refunded=16_000), "Europe/Moscow")
    assert (line.time, line.at) == ("12:30:00", "2024-11-14T12:30:00+03:00")
    assert (line.status, line.tone, line.err, line.cost) == ("Expired", "late", "error 6, absent", "0.00")
    assert line_of(replace(MESSAGE, kind=Kind.HLR, err=777), "-5:30").kind == "hlr"
    assert line_of(replace(MESSAGE, err=777), "-5:30").at == "2024-11-14T04:00:00-05:30"
    assert line_of(replace(MESSAGE, err=777), "+3").err == "error 777"
    assert {line_of(replace(MESSAGE, status=status), "+3").tone for status in Status} == {
        "waiting", "moving", "good", "bad", "late",
    }  # fmt: skip


def test_keys_sort_as_time_goes() -> None:
    """The page puts lines in the order of their keys, whatever order they come in."""
    early, late = line_of(MESSAGE, "+3"), line_of(replace(MESSAGE, int_id=1, created_ms=MESSAGE.created_ms + 1), "+3")
    same_time = line_of(replace(MESSAGE, int_id=1_000_000), "+3")
    assert early.key < same_time.key < late.key
    part = Inbound(3, 1, MESSAGE.created_ms + 2, 0, "79161234567", "7000", "x", '{"reference":9,"total":3,"number":2}')
    assert line_of_inbound(part, "+3").key > late.key
    assert line_of_inbound(part, "+3").parts == "2 of 3"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("two\nlines", "two lines"),
        ("я" * SHOWN, "я" * SHOWN),
        ("я" * 1000, "я" * (SHOWN - 1) + "…"),
        ("", ""),
    ],
)
def test_text_is_shortened(text: str, shown: str) -> None:
    """A hundred texts of 1000 letters would be more than anybody reads."""
    assert shorten(text) == shown


@pytest.mark.parametrize(
    ("amount", "shown"), [(16_000, "1.60"), (0, "0.00"), (-525, "-0.0525"), (10_000_000, "1000.00")]
)
def test_money_has_two_decimals_at_least(amount: int, shown: str) -> None:
    """A column of money reads as one."""
    assert show_money(amount) == shown


def test_page_without_hints_hides_their_places(tmp_path: Path) -> None:
    """Hints and the command line are given by who builds the page; without them there is no empty box."""

    async def story(house: House) -> None:
        heliograph = house.heliograph
        page = LivePage(house.account.id, house.desk, heliograph.submitting, heliograph.incoming, lambda: 0)
        house.page = page
        assert (await house.get("/")).body.count(b"<section hidden>") == 2

    in_house(tmp_path, story)
