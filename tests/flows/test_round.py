"""Flows A to E of design section 6 on the whole program: sent, delivered, told, paid; texts that come in."""

import asyncio
import re
from pathlib import Path

import pytest
from tests.flows.rig import CONTROL, MONEY, PRICE, Carrier, Program, customer, prepare, read_books, until

from heliograph.services import accounts
from heliograph.simulator import control
from heliograph.simulator.behaviour import Profile
from heliograph.store.opening import open_database

DEMO = {"apikey": "demo-key"}
# The scripted numbers whose fate is decided within two seconds: status, err.
FATES = {
    "0001": (1, None),
    "0002": (20, 1),
    "0003": (3, 6),
    "0004": (22, 249),
    "0006": (0, None),
    "0007": (1, None),
    "0008": (1, None),
    "0009": (1, None),
    "0010": (20, 6),
    "0011": (20, 13),
    "0013": (20, 6),
    "0017": (1, None),
    "0018": (1, None),
    "0019": (1, None),
    "0020": (20, 255),
    "0021": (20, 255),
    "0022": (0, None),
    "0024": (1, None),
    "0025": (1, None),
    "0026": (20, 11),
    "0101": (1, None),
}


def test_a_text_is_sent_delivered_told_and_paid_on_both_databases(backend_url: str, tmp_path: Path) -> None:
    """The whole round with every field of the callback: what a customer has built upon."""

    async def story() -> None:
        async with customer() as told, Carrier(Profile(delay_s=(0.02, 0.02))) as carrier:
            data = tmp_path / "data"
            await prepare(backend_url, data, carrier.port, callback_url=told.url)
            async with Program(tmp_path, database=backend_url) as program:
                answer = await program.send(phones="79161234567", mes="Привет", cost=3)
                assert answer == {"id": 1, "cnt": 1, "cost": "1", "balance": "999999"}
                await until(lambda: len(told.forms) == 1)
                head, _, body = told.requests[0].partition(b"\r\n\r\n")
                assert head.startswith(b"POST /told HTTP/1.1\r\n")
                assert b"application/x-www-form-urlencoded" in head
                pattern = (
                    r"id=1&phone=79161234567&status=1&time=\d\d\.\d\d\.\d\d\+\d\d%3A\d\d%3A\d\d&ts=\d{10}"
                    r"&cnt=1&type=0&cost=1&flag=0&sender=FLOW"
                )
                assert re.fullmatch(pattern, body.decode())
                status = await program.status("79161234567", 1, all=1)
                assert (status["status"], status["message"], status["cost"]) == (1, "Привет", "1")
                assert await program.stop() == 0
            assert carrier.taken == {"Привет": 1}
            books = await read_books(backend_url)
            assert (books.balance, books.faults) == (MONEY - PRICE, ())

    asyncio.run(story())


def test_scripted_numbers_end_as_their_table_says(tmp_path: Path) -> None:
    """The demo's numbers are what developers write their own tests against."""

    async def story() -> None:
        async with customer() as told, Program(tmp_path, "--demo") as program:
            db = await open_database(str(program.data / "heliograph.db"))
            await accounts.set_settings(db, "demo", {"callback_url": told.url})
            await db.close()
            for turn in range(100):  # until the server has seen the change
                if told.forms:
                    break
                await program.send(phones="79990000100", mes=f"seen {turn}", **DEMO)
                await asyncio.sleep(0.1)
            ids = {}
            for digits in FATES:
                mes = "x" * 200 if digits == "0013" else "Hello"
                ids[digits] = (await program.send(phones=f"7999000{digits}", mes=mes, **DEMO))["id"]
            finals = {digits: fate for digits, fate in FATES.items() if fate[0]}

            def done() -> bool:
                return {form["phone"] for form in told.forms} >= {f"7999000{digits}" for digits in finals}

            await until(done)
            found = {}
            for digits, id_ in ids.items():
                status = await program.status(f"7999000{digits}", id_, **DEMO)
                found[digits] = (status["status"], status.get("err"))
            assert found == FATES
            for digits, (status, err) in finals.items():
                (form,) = told.of(f"7999000{digits}")
                assert (form["status"], form.get("err")) == (str(status), None if err is None else str(err))
            balance = await program.ask("balance", **DEMO)
            assert await program.stop() == 0
            books = await read_books(str(program.data / "heliograph.db"), "demo")
            assert books.faults == ()
            assert float(balance.body) * 10_000 == books.balance

    asyncio.run(story())


def test_an_incoming_text_is_stored(tmp_path: Path) -> None:
    """What a subscriber writes is acknowledged to the carrier when it is on disk, parts joined."""

    async def story() -> None:
        async with Program(tmp_path, "--demo") as program:
            found = CONTROL.search("".join(program.told))
            assert found is not None
            port = int(found[1])
            await until(lambda: "carrier_bound" in program.log)
            assert await control.inject("127.0.0.1", port, "79161234567", "7000", "Стоп") == 1
            await program.kill()
            books = await read_books(str(program.data / "heliograph.db"), "demo")
            assert [(row[4], row[5], row[6]) for row in books.inbound] == [("79161234567", "7000", "Стоп")]

    asyncio.run(story())


def test_two_demos_live_side_by_side(tmp_path: Path) -> None:
    """A second demo on the same machine finds ports of its own and does not touch the first."""

    async def story() -> None:
        async with Program(tmp_path / "a", "--demo") as first, Program(tmp_path / "b", "--demo") as second:
            assert first.port != second.port
            assert (await first.send(phones="79990000001", mes="a", **DEMO))["id"] == 1
            assert (await second.send(phones="79990000001", mes="b", **DEMO))["id"] == 1
            for program in (first, second):

                async def delivered(program: Program = program) -> bool:
                    return (await program.status("79990000001", 1, **DEMO))["status"] == 1

                await until(delivered)

    asyncio.run(story())


def test_a_store_in_use_is_not_served_twice(tmp_path: Path) -> None:
    """Two servers on one file would send everything twice."""

    async def story() -> None:
        async with Program(tmp_path, "--demo"):
            second = Program(tmp_path, "--demo")
            with pytest.raises(AssertionError, match="it does not start"):
                await second.start()
            await second.kill()

    asyncio.run(story())
