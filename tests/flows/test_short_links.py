"""Short links on the whole program: sent over the HTTP door, read at the carrier, followed, counted, told (spec sending 4.4)."""

import asyncio
import re
from pathlib import Path

from tests.flows.rig import MONEY, PRICE, Answer, Carrier, Program, customer, drained, prepare, read_books, until

from heliograph.services import accounts
from heliograph.simulator.behaviour import Profile
from heliograph.store.opening import open_database

PHONE = "79161234567"
URL = "https://shop.example.ru/Скидки?utm_source=sms"
LOCATION = "https://shop.example.ru/%D0%A1%D0%BA%D0%B8%D0%B4%D0%BA%D0%B8?utm_source=sms"
BASE = {"HELIOGRAPH_LINKS_BASE": "https://s.example.ru/"}
LINK = re.compile(r"https://s\.example\.ru(/[0-9A-Za-z]{7})")


async def follow(
    program: Program, path: str, host: str = "s.example.ru", method: str = "GET", agent: str = ""
) -> Answer:
    """What a browser does with a link."""
    said = (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent or 'Mozilla/5.0'}\r\nConnection: close\r\n\r\n"
    )
    return await program.raw(said.encode())


def code_in(text: str) -> str:
    """The path of the short link in a text."""
    found = LINK.search(text)
    assert found is not None, text
    return found[1]


async def track(database: str) -> None:
    """Switch tracking on for the account."""
    db = await open_database(database)
    await accounts.set_settings(db, "flow", {"track_links": "yes"})
    await db.close()


def test_a_short_link_is_sent_followed_and_counted(backend_url: str, tmp_path: Path) -> None:
    """The text at the carrier has the link, it leads to the address, and the customer is told of the clicks."""

    async def story() -> None:
        async with Carrier(Profile(delay_s=(0.02, 0.02))) as carrier:
            await prepare(backend_url, tmp_path / "data", carrier.port)
            async with Program(tmp_path, database=backend_url, environment=BASE) as program:
                mes = f"Зима! {URL}{'x' * 100}"
                assert (await program.send(phones=PHONE, mes=mes, tinyurl=1, cost=1)) == {"cost": "1", "cnt": 1}
                answer = await program.send(phones=PHONE, mes=mes, tinyurl=1, translit=1, cost=2)
                assert answer == {"id": 1, "cnt": 1, "cost": "1"}
                await until(lambda: len(carrier.taken) == 1)
                (text,) = carrier.taken
                path = code_in(text)
                assert text == f"Zima! https://s.example.ru{path}"
                for where, host in ((path, "s.example.ru"), (f"/r{path}", "anything"), (f"/r{path}", "s.example.ru")):
                    went = await follow(program, where, host)
                    assert went.status == 302
                    assert went.headers["location"] == (LOCATION + "x" * 100).lower()
                    assert went.headers["cache-control"] == "no-store"
                    assert went.body == b""
                for method, agent in (("HEAD", ""), ("GET", "TelegramBot (like TwitterBot)")):
                    assert (await follow(program, path, method=method, agent=agent)).status == 302
                for where, host in ((path, "elsewhere.ru"), ("/r/0000000", "s.example.ru"), ("/r/", "s.example.ru")):
                    assert (await follow(program, where, host)).status == 404
                told = (await program.ask("tinyurls", get=1, link=URL + "x" * 100, fmt=3)).json
                assert (told["cnt"], told["cnt_day"], told["cnt_mon"]) == ("3", "3", "3")
                assert told["link"] == f"https://s.example.ru{path}"
                # Asked seldom: five queries a minute for one message.
                statuses = [(await program.status(PHONE, 1))["status"]]
                while statuses[-1] == 0 and len(statuses) < 5:
                    await asyncio.sleep(1.0)
                    statuses.append((await program.status(PHONE, 1))["status"])
                assert statuses[-1] == 1
                assert await program.stop() == 0
            books = await read_books(backend_url)
            assert (books.balance, books.faults) == (MONEY - PRICE, ())

    asyncio.run(story())


def test_a_click_of_a_tracked_recipient_is_told(backend_url: str, tmp_path: Path) -> None:
    """Each has a link of his own; the one who follows his gets status 4, and the handler hears of him once."""

    async def story() -> None:
        async with customer() as told, Carrier(Profile(delay_s=(0.02, 0.02))) as carrier:
            await prepare(backend_url, tmp_path / "data", carrier.port, callback_url=told.url)
            await track(backend_url)
            async with Program(tmp_path, database=backend_url, environment=BASE) as program:
                await program.send(phones=f"{PHONE},79161234568", mes=f"Hi {URL}", tinyurl=1)
                await until(lambda: len(told.forms) == 2)
                texts = {record.destination: record.text for record in carrier.records}
                path = code_in(texts[PHONE])
                assert path != code_in(texts["79161234568"])
                for _ in range(2):
                    assert (await follow(program, path)).status == 302
                await until(lambda: len(told.of(PHONE)) == 2)
                assert [form["status"] for form in told.of(PHONE)] == ["1", "4"]
                assert (await program.status(PHONE, 1))["status"] == 4
                assert (await program.status("79161234568", 1))["status"] == 1
                assert (await program.ask("tinyurls", get=1, link=URL, fmt=3)).json["cnt"] == "2"
                await drained(backend_url, carrier)
                assert [form["status"] for form in told.of(PHONE)] == ["1", "4"]

    asyncio.run(story())


def test_a_click_that_was_answered_outlives_a_kill(backend_url: str, tmp_path: Path) -> None:
    """The visitor is sent on when his click is on disk; so is what became of the message."""

    async def story() -> None:
        async with Carrier(Profile(delay_s=(0.02, 0.02))) as carrier:
            await prepare(backend_url, tmp_path / "data", carrier.port)
            await track(backend_url)
            async with Program(tmp_path, database=backend_url, environment=BASE) as program:
                await program.send(phones=PHONE, mes=f"Hi {URL}", tinyurl=1)
                await until(lambda: len(carrier.records) == 1)
                path = code_in(carrier.records[0].text)
                for turn in range(1, 3):
                    assert (await follow(program, path)).status == 302
                    await program.kill()
                    await program.start()
                    told = (await program.ask("tinyurls", get=1, link=URL, fmt=3)).json
                    assert told["cnt"] == str(turn)
                    assert (await program.status(PHONE, 1))["status"] == 4

    asyncio.run(story())


def test_the_demo_shortens_to_its_own_address(tmp_path: Path) -> None:
    """Nothing has to be set to see it work."""

    async def story() -> None:
        async with Program(tmp_path, "--demo") as program:
            own = {"apikey": "demo-key"}
            answer = await program.send(phones="79990000001", mes=f"Hi {URL}", tinyurl=1, **own)
            text = (await program.status("79990000001", answer["id"], all=1, **own))["message"]
            start = f"Hi http://127.0.0.1:{program.port}"
            assert text.startswith(f"{start}/r/")
            went = await follow(program, text.removeprefix(start), f"127.0.0.1:{program.port}")
            assert (went.status, went.headers["location"]) == (302, LOCATION.lower())

    asyncio.run(story())


def test_without_an_address_tinyurl_is_error_1(tmp_path: Path) -> None:
    """The customer is told that the operator has set none."""

    async def story() -> None:
        async with Carrier() as carrier:
            database = str(tmp_path / "data" / "heliograph.db")
            await prepare(database, tmp_path / "data", carrier.port)
            async with Program(tmp_path) as program:
                refused = await program.send(phones=PHONE, mes=f"Hi {URL}", tinyurl=1)
                assert refused["error_code"] == 1
                assert "links.base" in refused["error"]

    asyncio.run(story())
