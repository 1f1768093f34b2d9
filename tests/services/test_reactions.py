"""Whose incoming texts are, stop words, rules, and what is done for them (services/reactions.py, services/errands.py)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.house import HANDLER, KAZAKH, NORTH, NOW, PHONE, House, open_house

from heliograph.core.messages import Accepted
from heliograph.core.news import Remarks, incoming_fields, read_remarks
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.rules import Actions
from heliograph.delivery.carriers.contract import Inbound as Arrival
from heliograph.services import accounts, rules
from heliograph.services.errands import AGAIN_MS, PATIENCE_MS, MailError, tell_story
from heliograph.services.inbound import Inbound
from heliograph.services.news import incoming_of
from heliograph.store.database import Full, Step

both = pytest.mark.parametrize("backend", BACKENDS)
HOUR_MS = 3_600_000


async def come(house: House, text: str, phone: str = PHONE, to: str = "7000") -> Inbound:
    """A text that is taken; its record."""
    future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    house.incoming.record(NORTH, Arrival(phone, to, text, house.now), future.set_result, house.now)
    assert await future
    return Inbound(*(await house.db.all("inbound.latest", 2**62, 1))[0])


async def work(house: House) -> None:
    """Everything that is due is done."""
    while await house.errands.work():
        await house.errands.settle()


async def sent(house: House) -> list[tuple[str, str]]:
    return [(message.phone, message.text) for message in await house.stored()]


async def story(house: House, inbound: Inbound) -> list[tuple[str, str]]:
    return [(line.what, line.detail) for line in await tell_story(house.db, inbound.id)]  # type: ignore[arg-type]


async def add_rule(house: House, **said: Any) -> None:
    keyword, phone = said.pop("keyword", ""), said.pop("phone", "")
    plan = house.snapshots.current.plan
    await rules.add(house.db, "shop", plan, keyword=keyword, phone=phone, actions=Actions(**said))  # type: ignore[arg-type]
    await house.snapshots.refresh()


async def rent(house: House, phone: str, account_id: int) -> None:
    row = (phone, 1, "texts", 0, 0, "RUR", "", account_id, 0, 2**50, 0, 0)
    async with house.db.transaction() as tx:
        await tx.script(f"INSERT INTO numbers VALUES ({', '.join(map(repr, row))})")
    await house.snapshots.load()


@both
def test_number_then_prefix_then_last_writer(backend: str, tmp_path: Path) -> None:
    """The order of the reference; only the last one answers a message."""

    async def tale() -> None:
        async with open_house(backend, tmp_path) as house:
            other = await accounts.create(house.db, "Acme", tariff="basic", now_ms=NOW)  # type: ignore[arg-type]
            await rent(house, "7777", other.id)
            (message,) = await house.accepted(PHONE)
            answer = await come(house, "yes")
            assert (answer.account_id, answer.int_id) == (house.account.id, message.int_id)
            for text, to, wanted in (
                ("shop: yes", "+007777", "shop: yes"),
                ("acme: call me", "7000", "call me"),
                ("ACME: call me", "7000", "call me"),
            ):
                found = await come(house, text, to=to)
                assert (found.account_id, found.int_id, found.text) == (other.id, 0, wanted)
                assert read_remarks(found.extra).direct
            stranger = await come(house, "who: is it", phone=KAZAKH)
            assert (stranger.account_id, stranger.text) == (0, "who: is it")

    asyncio.run(tale())


@both
def test_stop_refuses_the_next_text_at_once_and_start_allows_it(backend: str, tmp_path: Path) -> None:
    """Confirmed once an hour, also over a restart; the record, the handler and the story say so."""

    async def tale() -> None:
        replies = {"stop_reply": "No more.", "start_reply": "Welcome back."}
        async with open_house(backend, tmp_path, callback_url=HANDLER, **replies) as house:
            await house.accepted(PHONE, text="first")
            inbound = await come(house, " Стоп! ", phone="8" + PHONE[1:])
            assert await house.send(PHONE, text="second") == Refusal(Reason.BLACK_LISTED, id="2")
            row = await house.db.one("callbacks.incoming", inbound.id)
            assert ("stop", 1) in incoming_fields(incoming_of(row))
            await work(house)
            assert (await sent(house))[-1] == (PHONE, "No more.")
            names = [name for name, _ in await story(house, inbound)]
            assert names == ["stop", "confirm", "message"]
            house = await house.restart()
            assert isinstance(await house.send(PHONE, text="third"), Refusal)
            again = await come(house, "START")
            assert isinstance(await house.send(PHONE, text="fourth"), Accepted)
            await work(house)
            assert [text for _, text in await sent(house)][-1] == "fourth"
            assert [name for name, _ in await story(house, again)] == ["start", "withheld"]
            house.now += HOUR_MS + 1000
            await come(house, "start")
            await work(house)
            assert (await sent(house))[-1] == (PHONE, "Welcome back.")

    asyncio.run(tale())


@both
def test_stop_may_mean_mailings_or_nothing_and_name_an_account(backend: str, tmp_path: Path) -> None:
    """What a stop stops is the account's choice; the installation's own list is never lifted."""

    async def tale() -> None:
        async with open_house(backend, tmp_path, stop_list="mailings", stop_words="хватит") as house:
            found = await come(house, "STOP shop")
            assert (found.account_id, read_remarks(found.extra).command) == (house.account.id, "stop")
            assert isinstance(await house.send(PHONE), Accepted)
            await house.send(PHONE, KAZAKH, text="mailing")
            assert sorted((m.phone, m.status) for m in (await house.stored())[-2:]) == [(KAZAKH, -1), (PHONE, 23)]
            listed = house.snapshots.current.blacklist
            assert listed == {PHONE: {house.account.id: 1}}
            await come(house, "start")
            assert listed == {}
            assert read_remarks((await come(house, "Хватит.")).extra) == Remarks(command="stop")
            await house.set(stop_list="none")
            assert (await come(house, "stop", phone=KAZAKH)).extra == ""
            assert read_remarks((await come(house, "stop nobody", phone=KAZAKH)).extra).command == ""
            await house.set(stop_list="all", stop_reply="bye")
            await house.db.transact([Step("blacklist.put", [(0, KAZAKH, 0, NOW)])])
            await house.snapshots.load()
            await come(house, "shop: stop", phone=KAZAKH)
            await work(house)
            confirmation = (await house.stored())[-1]
            assert (confirmation.text, confirmation.status) == ("bye", 23)

    asyncio.run(tale())


@both
def test_rules_reply_and_forward_once(backend: str, tmp_path: Path) -> None:
    """In the order of the rules; texts of the account, charged; what a text holds is no macro."""

    async def tale() -> None:
        async with open_house(backend, tmp_path, forward_mails="boss@example.ru") as house:
            await add_rule(house, keyword="price", reply="{phone}: {text}?", phones=(KAZAKH,), last=True)
            await add_rule(house, reply="never with price")
            before = await house.balance()
            inbound = await come(house, "shop: Price {phone}")
            await work(house)
            assert sorted(await sent(house)) == sorted(
                [(PHONE, PHONE + ": Price {phone}?"), (KAZAKH, PHONE + ": Price {phone}")]
            )
            assert before - await house.balance() == 15_000 + 50_000
            (letter,) = house.letters.sent
            assert (letter.target, letter.text) == ("boss@example.ru", "Price {phone}")
            names = [name for name, _ in await story(house, inbound)]
            assert sorted(names) == sorted(["rule", "reply", "forward", "mail", "message", "message", "sent"])
            assert await house.db.all("errands.due", 2**60, 9) == []

    asyncio.run(tale())


@both
def test_killed_between_any_two_steps_everything_is_done_once(backend: str, tmp_path: Path) -> None:
    """The errand is stored with its text and leaves the store with the message that it becomes."""

    async def tale() -> None:
        async with open_house(backend, tmp_path) as house:
            await add_rule(house, reply="thanks")
            await come(house, "shop: hello")
            house = await house.restart()  # before anything was done
            house.db.fault = Full("full")
            begun = asyncio.create_task(house.errands.work())
            await asyncio.sleep(0.05)
            begun.cancel()
            house.db.fault = None
            house = await house.restart()  # while the store could not take it
            await work(house)
            house = await house.restart()  # after it was done
            await work(house)
            assert await sent(house) == [(PHONE, "thanks")]

    asyncio.run(tale())


@both
def test_two_robots_do_not_talk_for_ever(backend: str, tmp_path: Path) -> None:
    """reply_limit an hour to one subscriber, also over a restart; forwarding never answers its own target."""

    async def tale() -> None:
        async with open_house(backend, tmp_path, reply_limit="2", forward_phones=KAZAKH) as house:
            await add_rule(house, reply="{text}!")
            for n in range(2):
                await come(house, f"shop: {n}")
                house.now += 1000
            house = await house.restart()
            late = await come(house, "shop: late")
            await work(house)
            assert [text for phone, text in await sent(house) if phone == PHONE] == ["0!", "1!"]
            assert ("withheld", "reply: reply_limit an hour") in await story(house, late)
            count = len(await sent(house))
            robot = await come(house, "shop: I am a robot", phone=KAZAKH)
            await work(house)
            assert len(await sent(house)) == count and await story(house, robot) == []

    asyncio.run(tale())


@both
def test_nothing_is_forwarded_to_a_number_that_brings_it_back(backend: str, tmp_path: Path) -> None:
    """Each round would be charged; a long text goes on as far as a text may go."""

    async def tale() -> None:
        async with open_house(backend, tmp_path, forward_phones="+79160000001,79160000002") as house:
            await rent(house, "79160000001", house.account.id)
            inbound = await come(house, "ж" * 3000, to="79160000001")
            await work(house)
            ((phone, text),) = await sent(house)
            assert (phone, len(text), text[-4:]) == ("79160000002", 1000, "ж...")
            assert [detail for what, detail in await story(house, inbound) if what == "withheld"] == [
                "forward: +79160000001 would bring it back"
            ]

    asyncio.run(tale())


@both
def test_rule_decides_whether_the_handler_is_told(backend: str, tmp_path: Path) -> None:
    """Over the setting of the account, both ways."""

    async def tale() -> None:
        async with open_house(backend, tmp_path, callback_url=HANDLER) as house:
            await add_rule(house, keyword="quiet", handler=False)
            await add_rule(house, keyword="loud", handler=True)

            async def is_told(text: str) -> bool:
                inbound = await come(house, text)
                return bool([row for row in await house.db.all("callbacks.due", 2**60, 0, 99) if row[1] == -inbound.id])

            assert [await is_told(text) for text in ("shop: hi", "shop: quiet", "shop: loud")] == [True, False, True]
            await house.set(callback_incoming="no")
            assert [await is_told(text) for text in ("shop: hi", "shop: loud")] == [False, True]

    asyncio.run(tale())


@both
def test_letters_are_tried_for_a_day(backend: str, tmp_path: Path) -> None:
    """A mail server that is away for hours loses nothing; one that refuses for good is not asked again."""

    async def tale() -> None:
        async with open_house(backend, tmp_path, forward_mails="a@example.ru") as house:
            house.letters.fault = MailError("away")
            inbound = await come(house, "shop: first")
            await work(house)
            assert (await story(house, inbound))[-1] == ("to do", "mail to a@example.ru, 1 tries")
            house.now += AGAIN_MS[0]
            house = await house.restart()
            await work(house)
            keys = [letter.key for letter in house.letters.sent]
            assert keys == [f"{inbound.id}.{keys[0].split('.')[1]}"]
            house.letters.fault = MailError("no such box", final=True)
            refused = await come(house, "shop: second")
            await work(house)
            assert (await story(house, refused))[-1] == ("given up", "mail to a@example.ru: no such box")
            house.letters.fault = MailError("away")
            lost = await come(house, "shop: third")
            house.now += PATIENCE_MS
            await work(house)
            assert (await story(house, lost))[-1] == ("given up", "mail to a@example.ru: away")

    asyncio.run(tale())
