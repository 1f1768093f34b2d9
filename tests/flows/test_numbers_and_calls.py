"""Numbers and calls on the whole program: rented and renewed over kills, confirmed by a SIP call and by the hook."""

import asyncio
import hashlib
import hmac
import re
import time
from pathlib import Path
from typing import Any

from tests.flows.rig import KEY, LOGIN, MONEY, Program, customer, prepare, read_books, until
from tests.gateways.sip_house import Phone, compose

from heliograph.core.money import SCALE
from heliograph.core.numbers import make_plan
from heliograph.core.rents import Number
from heliograph.core.tariffs import Prices, Zone
from heliograph.services import stock, tariffs
from heliograph.store.database import Query
from heliograph.store.opening import open_database

SHARED, OWN = "74951234567", "74957654321"
CALLER = "79991234567"
SECRET = "flow-hook-secret-0123"
COST = 300 * SCALE
CONFIRMATION = 3_000
ENVIRONMENT = {
    "HELIOGRAPH_SIP_LISTEN_UDP": "127.0.0.1:0",
    "HELIOGRAPH_SIP_PEERS": "127.0.0.0/8",
    "HELIOGRAPH_CALLS_HOOK_SECRET": SECRET,
}


async def fill(database: str) -> None:
    """A shared number, one to rent, and a price for confirmations."""
    db = await open_database(database)
    try:
        plan = make_plan()
        now_ms = time.time_ns() // 1_000_000
        shared = Number("", 1, ("calls",), True, 0, "RUR", "")
        await stock.add(db, SHARED, plan, shared, now_ms=now_ms)
        own = Number("", 2, ("texts", "calls"), False, COST, "RUR", "MTS, SMS")
        await stock.add(db, OWN, plan, own, now_ms=now_ms)
        zones = (Zone(1, "World", ("*",), Prices(sms=SCALE, waitcall=CONFIRMATION)),)
        await tariffs.replace_prices(db, LOGIN, zones, {})
    finally:
        await db.close()


async def change_store(database: str, sql: str) -> None:
    """One statement on a store that no server has."""
    db = await open_database(database)
    try:
        async with db.transaction() as tx:
            await tx.run(Query("test", sql, 0))
    finally:
        await db.close()


async def read_store(database: str, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a store."""
    db = await open_database(database)
    try:
        return await db.all(Query("test", sql, 0))
    finally:
        await db.close()


async def find_sip(program: Program) -> int:
    """The port at which it waits for calls, as it says on its standard output."""
    assert program.process is not None and program.process.stdout is not None
    line = (await asyncio.wait_for(program.process.stdout.readline(), 10)).decode()
    found = re.search(r"listens on sip:127\.0\.0\.1:(\d+);transport=udp", line)
    assert found, line
    return int(found[1])


async def ring(port: int, called: str, call_id: str, caller: str = CALLER) -> list[int]:
    """An INVITE over UDP; the statuses of its answers up to the final one, which is acknowledged."""
    _, phone = await asyncio.get_running_loop().create_datagram_endpoint(Phone, remote_addr=("127.0.0.1", port))
    try:
        via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{call_id}"
        fields = {"Via": via, "Call_ID": call_id, "From": f"<sip:+{caller}@trunk.example>;tag={call_id}"}
        phone.send(compose(uri=f"sip:+{called}@127.0.0.1", To=f"<sip:+{called}@127.0.0.1>", **fields))
        statuses = []
        while not statuses or statuses[-1] < 200:
            answer = await phone.answer()
            statuses.append(answer.status)
        tagged = answer.get("To") or ""
        phone.send(compose("ACK", To=tagged, **fields, CSeq="1 ACK"))
        return statuses
    finally:
        phone.transport.close()


async def post_call(program: Program, body: bytes, secret: str = SECRET) -> tuple[int, bytes]:
    """A call told to the hook, as docs/calls.md shows it."""
    now_s = int(time.time())
    digest = hmac.new(secret.encode(), b"%d.%b" % (now_s, body), hashlib.sha256).hexdigest()
    head = (
        "POST /hooks/call HTTP/1.1\r\nHost: flow\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"X-Heliograph-Signature: t={now_s},v1={digest}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    answer = await program.raw(head.encode() + body)
    return answer.status, answer.body


def test_number_is_confirmed_by_a_call_over_sip_and_over_the_hook(backend_url: str, tmp_path: Path) -> None:
    """Request, INVITE, 486; the record in get_answers, the handler's waitcall=1; a kill in between forgets nothing."""

    async def story() -> None:
        async with customer() as told:
            await prepare(backend_url, tmp_path / "data", 1, callback_url=told.url)
            await fill(backend_url)
            async with Program(tmp_path, database=backend_url, environment=ENVIRONMENT) as program:
                sip = await find_sip(program)
                assert await ring(sip, SHARED, "early") == [100, 404]
                found = (await program.ask("wait_call", fmt=3, phone="+7 999 123-45-67")).json
                assert found == {"phone": SHARED, "all_phones": [SHARED]}
                await program.kill()
                await program.start()
                sip = await find_sip(program)
                assert await ring(sip, SHARED, "other", caller="79991234568") == [100, 404]
                assert await ring(sip, SHARED, "awaited") == [100, 486]
                assert await ring(sip, SHARED, "again") == [100, 404]
                answers = (await program.ask("get", get_answers=1, fmt=3)).json
                assert [(each["phone"], each["message"], each["to_phone"]) for each in answers] == [
                    (CALLER, "[waitcall] ", SHARED)
                ]
                await until(lambda: len(told.forms) == 1)
                assert {key: told.forms[0][key] for key in ("waitcall", "phone")} == {"waitcall": "1", "phone": CALLER}
                assert abs(int(told.forms[0]["ts"]) - time.time()) < 60
                assert "mes" not in told.forms[0]

                assert (await program.ask("wait_call", phone=CALLER, fmt=1)).body.decode() == SHARED
                body = f"from={CALLER}&to={SHARED}".encode()
                assert (await post_call(program, body, "not-the-secret-0123"))[0] == 401
                assert await post_call(program, body) == (200, b'{"expected":true}')
                await until(lambda: len(told.forms) == 2)
                assert told.forms[1]["waitcall"] == "1"
                metrics = (await program.raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).body
                assert b'heliograph_calls_total{result="confirmed"} 2.0' in metrics
                assert b'heliograph_sip_calls_total{result="expected"} 1.0' in metrics
                assert b'heliograph_numbers{state="shared"} 1.0' in metrics
                assert await program.stop() == 0
            books = await read_books(backend_url)
            assert books.faults == ()
            assert books.balance == MONEY - 2 * CONFIRMATION
            assert SECRET not in program.log and KEY not in program.log

    asyncio.run(story())


def test_number_is_rented_renewed_once_over_kills_and_released(backend_url: str, tmp_path: Path) -> None:
    """A server that was killed, or down over the turn of the month, neither loses nor repeats a payment."""

    async def story() -> None:
        async with customer() as told:
            await prepare(backend_url, tmp_path / "data", 1, callback_url=told.url)
            await fill(backend_url)
            async with Program(tmp_path, database=backend_url, environment=ENVIRONMENT) as program:
                sip = await find_sip(program)
                (free,) = (await program.ask("receive_phones", get=1, fmt=3)).json
                assert (free["phone"], free["type"], free["cost"], free["info"]) == (OWN, 2, "300", "MTS, SMS")
                bought = (await program.ask("receive_phones", buy=1, phone=OWN, fmt=3)).json
                assert bought == {"cost": free["current_cost"]}
                await program.kill()
                rest = round(float(bought["cost"]) * SCALE)
                assert (await read_books(backend_url)).balance == MONEY - rest

                await change_store(backend_url, "UPDATE numbers SET until_ms = 1000 WHERE account_id <> 0")
                await program.start()
                sip = await find_sip(program)
                await until(lambda: "number_renewed" in program.log)
                await program.kill()
                await program.start()
                sip = await find_sip(program)
                assert (await program.ask("receive_phones", get=1, fmt=3)).json == []
                assert await ring(sip, OWN, "rented") == [100, 486]
                await until(lambda: len(told.forms) == 1)
                assert (told.forms[0]["mes"], told.forms[0]["to"]) == ("[call] ", OWN)
                changed = await program.ask("receive_phones", chg=1, phone=OWN, noprolong=1)
                assert changed.body == b"OK"
                await program.kill()
                books = await read_books(backend_url)
                assert (books.balance, books.faults) == (MONEY - rest - COST, ())

                await change_store(backend_url, "UPDATE numbers SET until_ms = 1000 WHERE account_id <> 0")
                await program.start()
                await until(lambda: "number_released" in program.log)
                free = (await program.ask("receive_phones", get=1, fmt=3)).json
                assert [each["phone"] for each in free] == [OWN]
                assert await program.stop() == 0
            names = await read_store(backend_url, "SELECT name, amount FROM rents ORDER BY id")
            assert names == [("rented", rest), ("renewed", COST), ("released", 0)]
            books = await read_books(backend_url)
            assert (books.balance, books.faults) == (MONEY - rest - COST, ())
            assert program.log.count("number_renewed") == 1

    asyncio.run(story())
