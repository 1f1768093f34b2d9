"""Short links of submissions: replaced before everything else, one row an address, a link of his own for each recipient."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import BASE, KAZAKH, NOW, PHONE, PRICE, House, make, open_house

from heliograph.core.links import LENGTH, Codes
from heliograph.core.messages import Accepted, Kind, Quote, Recipient, Submission
from heliograph.core.reasons import Reason, Refusal
from heliograph.services import links
from heliograph.services.staging import sweep
from heliograph.store.database import Full

URL = "https://shop.example.ru/a/long/address?utm_source=sms"
SHORT = len(BASE) + LENGTH


async def rows_of(house: House, query: str, *args: Any) -> list[Any]:
    """Rows of a table, as they are stored."""
    return list(await house.db.all(query, *args))


def link_in(text: str) -> str:
    """The short link of a text."""
    start = text.index(BASE)
    return text[start : start + SHORT]


def id_in(house: House, text: str) -> int:
    """The id behind the code in a text."""
    found = house.links.codes.read(link_in(text)[len(BASE) :])
    assert found is not None
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_link_is_made_once_for_an_account_and_an_address(backend: str, tmp_path: Path) -> None:
    """Clicks of all mailings with one address come together, also after a restart."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            (first,) = await house.accepted(text=f"Скидки: {URL}.", shorten=True)
            assert first.text == f"Скидки: {link_in(first.text)}."
            (second,) = await house.accepted(text=f"Опять {URL}", shorten=True)
            assert link_in(second.text) == link_in(first.text)
            house.links = house.submitting.links = links.Links(house.desk, house.links.codes, BASE, house.spawn)
            (third,) = await house.accepted(text=f"И опять {URL}", shorten=True)
            assert link_in(third.text) == link_in(first.text)
            (row,) = await rows_of(house, "links.page", house.account.id, 2**62, 10)
            assert (row[0], row[1], row[2], row[3]) == (id_in(house, first.text), URL, NOW, 0)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_price_and_parts_are_those_of_the_short_text(backend: str, tmp_path: Path) -> None:
    """That is what short links are for; a price query tells the same and makes nothing."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            long = f"{'я' * 40} http://example.ru/{'x' * 200}"  # 4 parts of UCS-2 as written, one when shortened
            quote = await house.price(make(PHONE, text=long, shorten=True))
            assert isinstance(quote, Quote)
            assert (quote.cost, quote.parts) == (PRICE, 1)
            assert await rows_of(house, "links.page", house.account.id, 2**62, 10) == []
            (message,) = await house.accepted(text=long, shorten=True)
            assert (message.parts, message.cost) == (1, PRICE)
            unshortened = await house.price(make(PHONE, text=long))
            assert isinstance(unshortened, Quote)
            assert unshortened.parts == 4

    asyncio.run(story())


def test_prices_of_different_links_are_not_taken_for_repeats(tmp_path: Path) -> None:
    """What stands for codes in a price query differs as codes would."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            one, two = (Recipient(PHONE, f"http://a.ru/{name}") for name in "ab")
            quote = await house.price(Submission(recipients=(one, two), shorten=True))
            assert isinstance(quote, Quote)
            assert quote.parts == 2

    asyncio.run(story())


@pytest.mark.parametrize("translit", [1, 2])
def test_translit_leaves_the_link_alone(translit: int, tmp_path: Path) -> None:
    """A code with other letters would lead nowhere."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (plain,) = await house.accepted(text=f"Щит {URL} щит", shorten=True)
            (message,) = await house.accepted(text=f"Щит {URL} щит!", shorten=True, translit=translit)
            assert message.text.isascii()
            assert link_in(message.text) == link_in(plain.text)
            (also,) = await house.accepted(text="Смотри http://сайт.рф/путь", shorten=True, translit=translit)
            (row, _) = await rows_of(house, "links.page", house.account.id, 2**62, 10)
            assert row[:2] == (id_in(house, also.text), "http://сайт.рф/путь")

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("track", ["yes", "no"])
def test_a_repeated_request_is_still_recognised(backend: str, track: str, tmp_path: Path) -> None:
    """Client libraries repeat an unanswered request within seconds, perhaps after a restart of ours."""

    async def story() -> None:
        async with open_house(backend, tmp_path, short_links="yes", track_links=track) as house:
            assert isinstance(await house.send(PHONE, text=f"look {URL}"), Accepted)
            again = await house.send(PHONE, text=f"look {URL}")
            assert isinstance(again, Refusal)
            assert again.reason is Reason.REPEATED_REQUEST
            house = await house.restart()
            again = await house.send(PHONE, text=f"look {URL}")
            assert isinstance(again, Refusal)
            assert again.reason is Reason.REPEATED_REQUEST

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_copies_are_recognised_although_each_has_its_own_code(backend: str, tmp_path: Path) -> None:
    """Duplicates and the limit of one text go by what the customer wrote, after a restart too."""

    async def story() -> None:
        rules = {"no_duplicates": "yes", "text_limit": "2", "track_links": "yes", "short_links": "yes"}
        async with open_house(backend, tmp_path, **rules) as house:
            assert isinstance(await house.send(PHONE, text=f"look {URL}", id="1"), Accepted)
            assert isinstance(await house.send(PHONE, text=f"look {URL}b", id="2"), Accepted)
            for _ in range(2):
                # Another request by its sender, the same text.
                copy = await house.send(PHONE, text=f"look {URL}", sender="Other")
                assert isinstance(copy, Refusal)
                assert copy.reason is Reason.DUPLICATE
                house = await house.restart()
            house.now += 120_000
            assert isinstance(await house.send(PHONE, text=f"look {URL}", sender="Third"), Accepted)
            house = await house.restart(after_ms=120_000)
            limited = await house.send(PHONE, text=f"look {URL}", sender="Fourth")
            assert isinstance(limited, Refusal)
            assert limited.reason is Reason.NUMBER_LIMIT

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_recipient_gets_a_link_of_his_own(backend: str, tmp_path: Path) -> None:
    """A click tells who it was; two links of a text are two trails, one that stands there twice is one."""

    async def story() -> None:
        async with open_house(backend, tmp_path, short_links="yes", track_links="yes") as house:
            text = f"{URL} www.other.ru {URL}"
            one, two = await house.accepted(PHONE, KAZAKH, text=text)
            assert len(one.text) == len(two.text) == 3 * SHORT + 2
            assert one.text.split()[0] == one.text.split()[2]
            codes = {*one.text.split(), *two.text.split()}
            assert len(codes) == 4
            pages = await rows_of(house, "links.page", house.account.id, 2**62, 10)
            ids = {row[1]: row[0] for row in pages}
            for message in (one, two):
                assert (await house.row(message)).text == message.text
                trails = await rows_of(house, "trails.of_message", message.int_id)
                found = {house.links.codes.write(id_): link_id for id_, link_id in trails}
                first, second, _ = message.text.split()
                assert found == {first[-LENGTH:]: ids[URL], second[-LENGTH:]: ids["http://www.other.ru"]}

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_many_tracked_recipients_are_staged(backend: str, tmp_path: Path) -> None:
    """A campaign to all customers is where tracking is wanted; a sweep leaves no trail of a request that came to nothing."""

    async def story() -> None:
        async with open_house(backend, tmp_path, track_links="yes") as house:
            phones = [f"7916{number:07d}" for number in range(400)]
            answer = await house.send(*phones, text=f"Hi {URL}", shorten=True)
            assert isinstance(answer, Accepted)
            assert (answer.parts, answer.cost) == (400, 400 * PRICE)
            messages = await house.stored()
            assert len({message.text for message in messages}) == 400
            trails = [row for each in messages for row in await rows_of(house, "trails.of_message", each.int_id)]
            assert len({row[0] for row in trails}) == 400
            assert {house.links.codes.write(row[0]) for row in trails} == {each.text[-LENGTH:] for each in messages}
            await sweep(house.desk, messages[0].int_id, messages[-1].int_id)
            assert (await house.db.one("trails.last")) == (0,)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_list_may_hold_many_links(backend: str, tmp_path: Path) -> None:
    """Shops send each customer the address of his own order; links are stored some hundred at a time."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            count = 600
            recipients = tuple(Recipient(f"7916{number:07d}", f"Order www.shop.ru/{number}") for number in range(count))
            before = house.db.writes
            answer = await house.accept(Submission(recipients=recipients, shorten=True))
            assert isinstance(answer, Accepted)
            assert house.db.writes - before < 20
            ids = {row[1]: row[0] for row in await rows_of(house, "links.page", house.account.id, 2**62, count + 1)}
            assert len(ids) == count
            for message in await house.stored():
                assert ids[f"http://www.shop.ru/{int(message.phone[4:])}"] == id_in(house, message.text)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_new_link_of_two_requests_at_once_is_one(backend: str, tmp_path: Path) -> None:
    """Single texts with one link come in their hundreds before the first of them is on disk."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            sent = [house.accept(make(f"7916000000{n}", text=f"Hi {URL}", shorten=True)) for n in range(5)]
            assert all(isinstance(answer, Accepted) for answer in await asyncio.gather(*sent))
            assert len({message.text for message in await house.stored()}) == 1
            assert len(await rows_of(house, "links.page", house.account.id, 2**62, 10)) == 1

    asyncio.run(story())


def test_without_a_base_tinyurl_is_refused_and_the_setting_changes_nothing(tmp_path: Path) -> None:
    """A customer who asks for it must know; one whose account is set so gets his texts out all the same."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, short_links="yes") as house:
            house.links.base = ""
            (message,) = await house.accepted(text=f"Hi {URL}")
            assert message.text == f"Hi {URL}"
            for refused in (
                await house.send(PHONE, text=f"Ho {URL}", shorten=True),
                await house.price(make(PHONE, text=f"Ho {URL}", shorten=True)),
            ):
                assert isinstance(refused, Refusal)
                assert refused.reason is Reason.BAD_PARAMETERS
                assert "links.base" in refused.detail

    asyncio.run(story())


def test_what_is_no_link_to_shorten_stays(tmp_path: Path) -> None:
    """Comments are not sent, short links are short, binary texts hold no words."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            (message,) = await house.accepted(text=f"Hi www.a.ru\n~~~\n{URL}", shorten=True)
            assert (message.text, message.comment) == (f"Hi {link_in(message.text)}", URL)
            (again,) = await house.accepted(text=f"Forwarded: {message.text}", shorten=True)
            assert again.text == f"Forwarded: {message.text}"
            (none,) = await house.accepted(text="No link at all.", shorten=True)
            assert none.text == "No link at all."
            (push,) = await house.accepted(text=f"{URL}\nTitle", shorten=True, kind=Kind.PUSH)
            assert push.text == f"{URL}\nTitle"
            assert len(await rows_of(house, "links.page", house.account.id, 2**62, 10)) == 1

    asyncio.run(story())


def test_a_link_that_maxsms_cuts_gets_no_trail(tmp_path: Path) -> None:
    """The rest of a code leads nowhere, so nobody can follow it."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path, track_links="yes") as house:
            (message,) = await house.accepted(text=f"{'a' * 145}{URL} {URL}", shorten=True, maxsms=1)
            assert (message.parts, len(message.text)) == (1, 160)
            (whole,) = await house.accepted(text=f"{'a' * 100} {URL}", shorten=True)
            assert await rows_of(house, "trails.of_message", message.int_id) == []
            assert len(await rows_of(house, "trails.of_message", whole.int_id)) == 1

    asyncio.run(story())


def test_a_store_that_is_full_refuses_the_text(tmp_path: Path) -> None:
    """A text whose link is not on disk would lead nowhere; the request may come again."""

    async def story() -> None:
        async with open_house("sqlite", tmp_path) as house:
            house.db.fault = Full("disk full")
            original = house.db.transact

            async def transact(steps: Any) -> Any:
                if house.db.fault is not None:
                    raise house.db.fault
                return await original(steps)

            house.db.transact = transact  # type: ignore[attr-defined]
            refused = await house.send(PHONE, text=f"Hi {URL}", shorten=True)
            assert isinstance(refused, Refusal)
            assert refused.reason is Reason.STORE_FULL
            house.db.fault = None
            assert isinstance(await house.send(PHONE, text=f"Hi {URL}", shorten=True), Accepted)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_links_are_found_as_people_type_them(backend: str, tmp_path: Path) -> None:
    """The exact address goes before the newest with the same plain form; links of others do not exist."""

    async def story() -> None:
        async with open_house(backend, tmp_path) as house:
            urls = ("http://mywebsite.ru", "https://www.MyWebsite.ru/", "http://mywebsite.ru/page")
            ids = await house.links.take(house.account.id, urls, NOW)
            (foreign,) = (await house.links.take(house.account.id + 1, ("http://foreign.ru",), NOW)).values()
            codes = house.links.codes

            async def look(link: str, id_: int = 0) -> int:
                found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                house.links.find(house.account, id_, link, NOW, found.set_result)
                answer = await found
                if isinstance(answer, Refusal):
                    assert answer.reason is Reason.NOT_FOUND
                    return 0
                assert answer.short == BASE + codes.write(answer.id)
                return int(answer.id)

            assert await look("http://mywebsite.ru") == ids[urls[0]]
            for typed in ("mywebsite.ru", "www.mywebsite.ru/", "HTTP://MyWebsite.ru/", "https://www.MyWebsite.ru/"):
                assert await look(typed) == ids[urls[1]]
            assert await look(" mywebsite.ru/page/ ") == ids[urls[2]]
            assert await look(BASE + codes.write(ids[urls[0]])) == ids[urls[0]]
            assert await look("", ids[urls[2]]) == ids[urls[2]]
            for link, id_ in (("foreign.ru", 0), ("", foreign), ("", 10**18), ("nobody.ru", 0), (BASE + "x", 0)):
                assert await look(link, id_) == 0

    asyncio.run(story())


def test_codes_are_those_of_the_key(tmp_path: Path) -> None:
    """Another installation's codes lead nowhere here."""
    ours, theirs = Codes(b"a" * 32), Codes(b"b" * 32)
    assert [ours.write(id_) for id_ in range(50)] != [theirs.write(id_) for id_ in range(50)]
