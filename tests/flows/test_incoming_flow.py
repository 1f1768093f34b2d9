"""Incoming texts through the whole program: a carrier over SMPP, the handler, get_answers, kills (docs/incoming.md)."""

import asyncio
from pathlib import Path
from typing import Any

from tests.delivery.letterbox import serving
from tests.flows.rig import Carrier, Program, customer, prepare, read_books, until

from heliograph.core.rules import Actions
from heliograph.services import accounts, rules
from heliograph.services.snapshot import Snapshots
from heliograph.simulator.control import inject, serve
from heliograph.store.opening import open_database

PHONE = "79161234567"
LONG = "".join(f"{n:03d} слово " for n in range(40))  # 400 characters of UCS-2: 6 parts of 67
PARTS = 6


async def set_up(url: str, **settings: str) -> None:
    """A rule and settings of the account."""
    db = await open_database(url)
    try:
        snapshots = Snapshots(db, lambda sealed: "")
        plan = await snapshots._load_plan()
        await rules.add(db, "flow", plan, keyword="price", actions=Actions(reply="It is {text}"))
        await accounts.set_settings(db, "flow", settings)
    finally:
        await db.close()


async def ready(carrier: Carrier) -> None:
    await until(lambda: carrier.simulator.stats()["sessions"] > 0)


def test_parts_of_a_long_text_survive_kills_between_them(backend_url: str, tmp_path: Path) -> None:
    """Each was acknowledged, so the carrier never brings it again: six parts, six servers, one text, told once."""

    async def story() -> None:
        async with customer() as told, Carrier() as carrier:
            program = Program(tmp_path, database=backend_url)
            await prepare(backend_url, program.data, carrier.port, callback_url=told.url)
            await program.start()
            try:
                await program.send(phones=PHONE, mes="question")
                for number in (4, 1, 6, 2, 5, 3):
                    await ready(carrier)
                    assert await carrier.simulator.inject(PHONE, "7000", LONG, order=[number], reference=9) == 1
                    await program.kill()
                    await until(lambda: carrier.simulator.stats()["sessions"] == 0)
                    await program.start()
                await until(lambda: any("mes" in form for form in told.forms))
                await ready(carrier)
                await carrier.simulator.inject(PHONE, "7000", LONG, order=[3, 1], reference=9)
                answers = (await program.ask("get", get_answers=1, fmt=3)).json
                assert [(each["phone"], each["message"]) for each in answers] == [(PHONE, LONG)]
                assert await program.stop() == 0
            finally:
                await program.kill()
            form, *repeats = [form for form in told.forms if "mes" in form]
            assert all(each == form for each in repeats), "a kill behind the handler's answer tells it again"
            assert (form["mes"], form["sms_id"], form["to"]) == (LONG, "1", "7000")
            assert [row[6] for row in (await read_books(backend_url)).inbound] == [LONG]

    asyncio.run(story())


def test_stop_and_rules_over_the_wire(backend_url: str, tmp_path: Path) -> None:
    """By the simulator's control, as a tester does; the next send is refused, a killed server replies once."""

    async def story() -> None:
        async with customer() as told, Carrier() as carrier:
            control = await serve(carrier.simulator, "127.0.0.1", 0)
            where: Any = ("127.0.0.1", control.sockets[0].getsockname()[1])
            program = Program(tmp_path, database=backend_url, environment={"HELIOGRAPH_INBOUND_WAIT_S": "1"})
            await prepare(backend_url, program.data, carrier.port, callback_url=told.url)
            await set_up(backend_url, stop_reply="Bye")
            await program.start()
            try:
                await ready(carrier)
                await program.send(phones=PHONE, mes="question")
                await inject(*where, PHONE, "7000", "Price 5")
                await program.kill()
                await program.start()
                await until(lambda: carrier.taken["It is Price 5"] == 1)
                await ready(carrier)
                await inject(*where, PHONE, "7000", LONG, [1, 2, 4, 5, 6])
                await until(lambda: any(form.get("incomplete") == "1" for form in told.forms))
                await inject(*where, PHONE, "7000", "СТОП")
                assert (await program.send(phones=PHONE, mes="again"))["error_code"] == 6
                await until(lambda: carrier.taken["Bye"] == 1)
                await until(lambda: any(form.get("stop") == "1" for form in told.forms))
                assert await program.stop() == 0
            finally:
                await program.kill()
                control.close()
            assert set(carrier.taken.values()) == {1} and "again" not in carrier.taken
            (partial,) = [form["mes"] for form in told.forms if form.get("incomplete")]
            assert partial.replace("…", "") == LONG[:134] + LONG[201:]

    asyncio.run(story())


def test_letter_is_tried_again_by_the_next_server(tmp_path: Path) -> None:
    """Its errand is on disk: killed while the mail server refuses, it goes when that takes letters again."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'letters.db'}"
        async with serving() as mail, Carrier() as carrier:
            said = {"HOST": "127.0.0.1", "PORT": str(mail.port), "TLS": "none", "SENDER": "sms@example.ru"}
            environment = {f"HELIOGRAPH_MAIL_{name}": value for name, value in said.items()}
            program = Program(tmp_path, database=url, environment=environment)
            await prepare(url, program.data, carrier.port)
            await set_up(url, forward_mails="boss@example.ru")
            mail.refuse["RCPT"] = "451 later"
            await program.start()
            try:
                await ready(carrier)
                await carrier.simulator.inject(PHONE, "7000", "flow: Привет")
                await until(lambda: any(line.startswith("RCPT") for line in mail.said))
                await until(lambda: "letter_not_taken" in program.log)
                await program.kill()
                mail.refuse.clear()
                db = await open_database(url)
                async with db.transaction() as tx:
                    await tx.script("UPDATE errands SET due_ms = 0")
                await db.close()
                await program.start()
                await until(lambda: len(mail.letters) == 1)
                assert await program.stop() == 0
            finally:
                await program.kill()
            assert b"To: boss@example.ru" in mail.letters[0] and b"Message-ID: <1." in mail.letters[0]

    asyncio.run(story())
