"""The figures of the doors for SMPP, letters and calls, of short links and callbacks: each moves with what it counts (web/readings.py)."""

import asyncio
import json
import re
import smtplib
from pathlib import Path
from typing import Any

import pytest
from tests.gateways.sip_house import Phone, compose
from tests.gateways.smpp_house import Client, make_bind, make_submit
from tests.web.metrics_house import get, parse, run, until

from heliograph.app import Heliograph, clock_ms
from heliograph.core.numbers import make_plan
from heliograph.core.rents import Number
from heliograph.services import accounts, stock
from heliograph.store.database import Full
from heliograph.wire.smpp import statuses, tables

SMPP = {"HELIOGRAPH_SMPP_LISTEN": "127.0.0.1:0"}
SMTP = {"HELIOGRAPH_SMTP_LISTEN": "127.0.0.1:0", "HELIOGRAPH_SMTP_DOMAINS": "*", "HELIOGRAPH_SMTP_LETTER_KB": "2"}
SIP = {
    "HELIOGRAPH_SIP_LISTEN_UDP": "127.0.0.1:0",
    "HELIOGRAPH_SIP_LISTEN_TCP": "127.0.0.1:0",
    "HELIOGRAPH_SIP_PEERS": "127.0.0.0/8",
}
ORDER = "Message-ID: <{}@example.ru>\r\n\r\n{}::0:0,0,:79990000001:Hello by mail\r\n"


class Page:
    """/metrics as it is served, without the prefix of the names."""

    def __init__(self, heliograph: Heliograph) -> None:
        self._heliograph = heliograph
        self._found: dict[tuple[str, tuple[str, ...]], float] = {}

    async def read(self) -> "Page":
        """All figures of this moment."""
        status, text = await get(self._heliograph.addresses["http"], "/metrics")
        assert status == 200
        self._found = parse(text)
        return self

    def __call__(self, name: str, *labels: str) -> float | None:
        return self._found.get(("heliograph_" + name, labels))

    async def until(self, name: str, *labels: str, is_: float) -> None:
        """Waits for a figure."""
        async with asyncio.timeout(10):
            while (await self.read())(name, *labels) != is_:
                await asyncio.sleep(0.02)


async def connect(heliograph: Heliograph) -> Client:
    """A client at the SMPP door that is not bound."""
    client = Client()
    await asyncio.get_running_loop().create_connection(lambda: client, *heliograph.addresses["smpp"])
    return client


async def bind(heliograph: Heliograph, command_id: int = tables.BIND_TRANSCEIVER, password: str = "") -> Client:
    """A client that asked to be bound."""
    client = await connect(heliograph)
    said = heliograph.config.demo
    answer = await client.ask(make_bind(command_id, system_id=said.login, password=password or said.password))
    assert bool(answer.status) == bool(password)
    return client


def test_sessions_and_requests_of_the_smpp_door_are_counted(tmp_path: Path) -> None:
    """Who watches the door sees who is bound, what is refused and why, and nothing that a stranger can make grow."""

    async def body() -> None:
        async with run(tmp_path, {**SMPP, "HELIOGRAPH_SMPP_CONNECTIONS_PER_CLIENT": "3"}) as heliograph:
            page = await Page(heliograph).read()
            assert [page("smpp_sessions", kind) for kind in ("transmitter", "receiver", "transceiver")] == [0, 0, 0]
            both = await bind(heliograph)
            sends = await bind(heliograph, tables.BIND_TRANSMITTER)
            await bind(heliograph, password="wrong-1234")
            assert (await both.ask(make_submit(registered_delivery=0))).status == 0
            assert (await both.ask(make_submit(text=b""))).status == statuses.ESME_RINVMSGLEN
            for unknown in (0x0123, 0x0124):  # no commands of the standard: one figure, however many there are
                sends.transport.write(b"\0\0\0\x10" + unknown.to_bytes(4) + b"\0\0\0\0" + unknown.to_bytes(4))
                await sends.until(lambda: any(pdu.command_id == tables.GENERIC_NACK for pdu in sends.came))
                sends.came.clear()
            await until(lambda: heliograph.smpp.sessions == 2)
            await connect(heliograph)
            crowded = await connect(heliograph)
            await asyncio.wait_for(crowded.closed.wait(), 5)
            await page.read()
            assert [page("smpp_sessions", kind) for kind in ("transmitter", "receiver", "transceiver")] == [1, 0, 1]
            assert page("smpp_requests_total", "bind_transceiver", "ESME_ROK") == 1
            assert page("smpp_requests_total", "bind_transmitter", "ESME_ROK") == 1
            assert page("smpp_requests_total", "bind_transceiver", "ESME_RINVPASWD") == 1
            assert page("smpp_requests_total", "submit_sm", "ESME_ROK") == 1
            assert page("smpp_requests_total", "submit_sm", "ESME_RINVMSGLEN") == 1
            assert page("smpp_requests_total", "generic_nack", "ESME_RINVCMDID") == 2
            assert page("smpp_connections") == 3
            assert page("smpp_connections_accepted_total") == 4
            assert page("smpp_connections_turned_away_total") == 1

    asyncio.run(body())


def test_news_for_smpp_customers_is_counted_until_acknowledged(tmp_path: Path) -> None:
    """News that waits for somebody who is away must be seen before he asks where it is."""

    async def body() -> None:
        async with run(tmp_path, SMPP) as heliograph:
            page = Page(heliograph)
            sends = await bind(heliograph, tables.BIND_TRANSMITTER)
            for n in range(3):
                assert (await sends.ask(make_submit(f"7999000000{n}"))).status == 0
            await until(lambda: heliograph.receipts.matched == 3 and not heliograph.desk.batch.waiting)
            await heliograph.survey.count_tables()
            await page.read()
            assert (page("smpp_deliveries_waiting"), page("smpp_deliveries_held")) == (3, 0)
            receives = await connect(heliograph)
            answers = iter((statuses.ESME_ROK, statuses.ESME_RX_P_APPN, statuses.ESME_RX_T_APPN))
            receives.status = lambda pdu: next(answers)
            said = heliograph.config.demo
            asked = make_bind(tables.BIND_RECEIVER, system_id=said.login, password=said.password)
            assert (await receives.ask(asked)).status == 0
            await receives.news(3)
            await page.until("smpp_deliveries_total", "put_off", is_=1)
            assert page("smpp_deliveries_total", "acknowledged") == page("smpp_deliveries_total", "refused") == 1
            assert page("smpp_deliveries_held") == 1
            await until(lambda: not heliograph.desk.batch.waiting)
            await heliograph.survey.count_tables()
            assert (await page.read())("smpp_deliveries_waiting") == 1
            (customer,) = heliograph.smpp.customers.all()
            customer.outbox.first_pause_s = 0.01
            receives.status = lambda pdu: None
            receives.close()
            again = await bind(heliograph, tables.BIND_RECEIVER)
            again.status = lambda pdu: None
            await again.news(1)
            again.close()
            await page.until("smpp_deliveries_total", "unanswered", is_=1)

    asyncio.run(body())


def test_what_became_of_letters_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender of letters is told nothing but that they were taken: the figures are where trouble shows."""

    async def body() -> None:
        async with run(tmp_path, {**SMTP, "HELIOGRAPH_SMTP_LETTERS_PER_MINUTE": "6"}) as heliograph:
            page, said = Page(heliograph), heliograph.config.demo
            login = f"{said.login}:{said.password}"
            host, port = heliograph.addresses["smtp"]

            def mail(letter: str, to: str = "send@sms.example.ru") -> int:
                client = smtplib.SMTP(host, port, local_hostname="client", timeout=10)
                try:
                    client.ehlo()
                    code = client.mail("a@example.ru")[0]
                    code = client.rcpt(to)[0] if code == 250 else code
                    return client.data(letter.encode())[0] if code == 250 else code
                finally:
                    client.close()

            async def refuse(*asked: Any) -> Any:
                raise Full("the disk is full")

            assert await asyncio.to_thread(mail, ORDER.format("one", login)) == 250
            assert await asyncio.to_thread(mail, ORDER.format("one", login)) == 250
            assert await asyncio.to_thread(mail, ORDER.format("two", f"{said.login}:wrong-1234")) == 250
            assert await asyncio.to_thread(mail, "x" * 4096) == 552
            assert await asyncio.to_thread(mail, "", "nobody@sms.example.ru") == 550
            monkeypatch.setattr(heliograph.db, "one", refuse)
            assert await asyncio.to_thread(mail, ORDER.format("three", login)) == 451
            monkeypatch.undo()
            assert await asyncio.to_thread(mail, ORDER.format("four", login)) == 451
            _, writer = await asyncio.open_connection(host, port)
            await page.read()
            assert page("smtp_connections") == 1
            results = ("accepted", "repeated", "refused", "too_large", "unaddressed", "put_off", "too_many")
            assert {result: page("smtp_letters_total", result) for result in results} == dict.fromkeys(results, 1)
            assert page("smtp_letters_total", "failed") == 0
            assert page("smtp_connections_accepted_total") == 8
            writer.close()

    asyncio.run(body())


def test_letters_and_connections_that_the_mail_door_turns_away_are_counted(tmp_path: Path) -> None:
    """What never became a letter is in no history and in no log of an account."""

    async def body() -> None:
        async with run(tmp_path, {**SMTP, "HELIOGRAPH_SMTP_CONNECTIONS_PER_CLIENT": "1"}) as heliograph:
            page = Page(heliograph)
            reader, writer = await asyncio.open_connection(*heliograph.addresses["smtp"])
            assert (await reader.readline()).startswith(b"220")
            crowded, other = await asyncio.open_connection(*heliograph.addresses["smtp"])
            assert (await crowded.read(-1)).startswith(b"421")
            other.close()
            for line in (b"EHLO x", b"MAIL FROM:<a@example.ru>", b"RCPT TO:<send@x>", b"DATA"):
                writer.write(line + b"\r\n")
            writer.write(b"a bare\nline\r\n.\r\n")
            assert b"550 5.6.0" in await asyncio.wait_for(reader.read(-1), 10)
            writer.close()
            await page.until("smtp_connections", is_=0)
            assert page("smtp_letters_total", "malformed") == page("smtp_connections_turned_away_total") == 1

    asyncio.run(body())


def test_calls_over_sip_are_counted(tmp_path: Path) -> None:
    """Calls that nobody waited for, and what is no call at all, tell a trunk that is set up wrongly from a scanner."""

    async def body() -> None:
        async with run(tmp_path, SIP) as heliograph:
            page, plan = Page(heliograph), make_plan()
            shared = Number("", 1, ("calls",), True, 0, "RUR", "")
            await stock.add(heliograph.db, "74951234567", plan, shared, now_ms=clock_ms())
            assert heliograph.sip is not None
            ports = {transport: port for transport, _, port in heliograph.sip.addresses}
            create = asyncio.get_running_loop().create_datagram_endpoint
            _, phone = await create(Phone, remote_addr=("127.0.0.1", ports["udp"]))
            phone.send(compose())
            assert 100 <= (await phone.answer()).status < 500
            phone.send(b"INVITE sip:nothing that SIP knows\r\n\r\n")
            phone.transport.close()
            _, writer = await asyncio.open_connection("127.0.0.1", ports["tcp"])
            await page.until("sip_malformed_messages_total", is_=1)
            await page.until("sip_calls_total", "unexpected", is_=1)
            await page.until("sip_connections", is_=1)
            writer.close()
            await page.until("sip_connections", is_=0)
            assert page("sip_failures_total") == page("sip_wrong_passwords_total") == 0

    asyncio.run(body())


def test_short_links_and_their_clicks_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A click that the store cannot take yet is neither lost nor counted twice."""

    async def body() -> None:
        async with run(tmp_path, {"HELIOGRAPH_LINKS_BASE": "https://s.example.ru/r/"}) as heliograph:
            page, http = Page(heliograph), heliograph.addresses["http"]
            asked = (
                "/sys/send.php?apikey=demo-key&phones=79990000001&mes=See+https://shop.example.ru/sale&tinyurl=1&fmt=3"
            )
            assert "id" in json.loads((await get(http, asked))[1])
            (message,) = heliograph.desk.messages.values()
            found = re.search(r"/r/\w{7}", message.text)
            assert found is not None
            assert (await get(http, found[0]))[0] == 302
            assert (await get(http, "/r/0000000"))[0] == (await get(http, "/r/no-link"))[0] == 404
            await page.until("link_clicks_total", is_=1)
            assert (page("link_visits_total", "redirected"), page("link_visits_total", "unknown")) == (1, 2)
            assert page("link_clicks_waiting") == 0

            async def refuse(*asked: Any) -> Any:
                raise Full("the disk is full")

            def refuse_write(steps: Any, done: Any) -> None:
                asyncio.get_running_loop().call_soon(done, None, Full("the disk is full"))

            monkeypatch.setattr(heliograph.db, "write", refuse_write)
            assert (await get(http, found[0]))[0] == 302
            await page.read()
            assert (page("link_clicks_waiting"), page("link_clicks_total")) == (1, 1)
            monkeypatch.undo()
            heliograph.clicks._try_again()
            await page.until("link_clicks_total", is_=2)
            assert page("link_clicks_waiting") == 0
            monkeypatch.setattr(heliograph.db, "all", refuse)
            heliograph.clicks._targets.clear()
            assert (await get(http, found[0]))[0] == 503
            monkeypatch.undo()
            assert (await page.read())("link_visits_total", "unavailable") == 1

    asyncio.run(body())


def test_callbacks_under_way_and_hosts_that_are_ill_are_counted(tmp_path: Path) -> None:
    """A handler that hangs and one that is gone are different troubles of different customers."""

    async def body() -> None:
        async with run(tmp_path) as heliograph:
            page, http = Page(heliograph), heliograph.addresses["http"]
            gone = asyncio.Event()

            async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await gone.wait()
                writer.transport.abort()

            server = await asyncio.start_server(hang, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            await accounts.set_settings(heliograph.db, "demo", {"callback_url": f"http://127.0.0.1:{port}/"})
            await heliograph.snapshots.refresh()
            phones = ",".join(f"799900000{n:02}" for n in range(30))
            await get(http, f"/sys/send.php?apikey=demo-key&phones={phones}&mes=Hi&fmt=3")
            await page.until("callbacks_in_flight", "quick", is_=1)
            assert (page("callbacks_limited_handlers"), page("callbacks_in_flight", "slow")) == (0, 0)
            await page.until("callbacks_in_flight", "slow", is_=1)
            assert page("callbacks_in_flight", "quick") == 0
            server.close()
            gone.set()
            await page.until("callbacks_limited_handlers", is_=1)
            await page.until("callbacks_behind_handlers", is_=1)
            assert (await page.read())("callbacks_told_total") == 0

    asyncio.run(body())
