"""heliograph.client and ``heliograph send`` against the whole program, both on loopback (docs/client.md)."""

import asyncio
import json
import os
import socket
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.flows.rig import Program

from heliograph.client import ApiError, AsyncClient, Client
from heliograph.client.smsc_api import SMSC

AT_ONCE, UNKNOWN = "79990000001", "79990000002"  # what the simulated carrier does with them
DAY = timedelta(days=1)  # the account lives in another zone than this machine
CYRILLIC = "Ваш заказ №15 собран: 1,5 кг & «торт»"


def test_blocking_client_does_everything(tmp_path: Path) -> None:
    """Send, wait, read back, export, refuse: each method meets the real answers."""

    def talk(url: str) -> None:
        with Client(url, "demo", "demo") as client:
            before = client.balance()
            assert before.currency == "RUR" and client.price(AT_ONCE, CYRILLIC).cnt == 1
            sent = client.send([AT_ONCE, UNKNOWN], CYRILLIC, cost=3, op=True)
            assert sent.cnt == 2 and [each.phone for each in sent.phones] == [AT_ONCE, UNKNOWN]
            status = client.wait(AT_ONCE, sent.id, all=2, pause_s=0.2)
            assert status.delivered and status.message == CYRILLIC and status.country
            failed = client.wait(UNKNOWN, sent.id, all=1, pause_s=0.2)
            assert (failed.status, failed.err) == (20, 1)
            rows = client.statuses([(AT_ONCE, sent.id), ("79161234567", 4711)])
            assert [row.found for row in rows] == [True, False]
            assert {each.phone for each in client.history(page=1)} == {AT_ONCE, UNKNOWN}
            assert sent.cost is not None and client.balance().balance <= before.balance - sent.cost / 2
            with pytest.raises(ApiError) as caught:
                client.send([AT_ONCE, UNKNOWN], CYRILLIC)
            assert caught.value.code == 9
            with pytest.raises(ApiError) as caught:
                client.send("123", "x")
            assert caught.value.code == 7 and caught.value.id
            read_the_rest(client)
            own = client.send(AT_ONCE, "x", id="order-7", time="+60")
            assert own.id == "order-7"
            client.delete(AT_ONCE, "order-7")
            task = client.add_export(date.today() - DAY, date.today() + DAY)
            assert client.wait_export(task).status == 2
            assert [each.id for each in client.exports()] == [task]
            assert CYRILLIC[:8] in client.download(task, tmp_path / "out.csv").read_text("utf-8-sig")
            client.cancel_export(task)
        with Client(url, key="wrong") as client, pytest.raises(ApiError, match="authorise"):
            client.balance()

    asyncio.run(beside(tmp_path, talk))


def read_the_rest(client: Client) -> None:
    """What only reads."""
    assert client.operator("+7 916 123-45-67").operator == "МТС"
    assert [bool(each.country) for each in client.operators([AT_ONCE, "79161234567", "12"])][1:] == [True, False]
    assert client.prices().zones and client.statistics(date.today() - DAY)[0].login == "demo"
    assert list(client.answers(hour=1)) == [] and client.numbers() == []
    for call, code in ((lambda: client.link("x.ru"), 3), (lambda: client.wait_call("79161234567"), 1)):
        with pytest.raises(ApiError) as caught:
            call()
        assert caught.value.code == code


async def beside(folder: Path, talk: Any) -> None:
    """Something that blocks, beside a demo."""
    async with Program(folder, "--demo") as program:
        await asyncio.to_thread(talk, f"http://{program.host}:{program.port}/")


def test_asynchronous_client_sends_many_at_once(tmp_path: Path) -> None:
    """Ten requests at the same time on one client, statuses of all, pages of history, a file."""

    async def story() -> None:
        async with Program(tmp_path, "--demo") as program:
            url = f"http://{program.host}:{program.port}/sys/"
            async with AsyncClient(url, key="demo-key") as client:
                sent = await asyncio.gather(*(client.send(AT_ONCE, f"Код {number}") for number in range(10)))
                assert len({each.id for each in sent}) == 10
                statuses = await asyncio.gather(*(client.wait(AT_ONCE, each.id, pause_s=0.2) for each in sent))
                assert all(status.delivered for status in statuses)
                assert [each.message async for each in client.history(page=4)][-1] == "Код 0"
                task = await client.add_export(date.today() - DAY, date.today() + DAY)
                assert (await client.wait_export(task)).rows_done == 10
                assert (await client.download(task, tmp_path / "out.csv")).stat().st_size > 500
                with pytest.raises(ApiError) as caught:
                    await client.send(AT_ONCE, "x", time="nonsense")
                assert caught.value.code == 5
            async with AsyncClient(url, "demo", "demo", charset="windows-1251") as client:
                sent_again = await client.send(AT_ONCE, CYRILLIC)
                assert (await client.status(AT_ONCE, sent_again.id, all=1)).message == CYRILLIC

    asyncio.run(story())


def test_module_of_the_service_works_here(tmp_path: Path) -> None:
    """A program that was written for the service changes one line."""

    def talk(url: str) -> None:
        smsc = SMSC("demo", "demo", url)
        id, parts, cost, _ = smsc.send_sms(AT_ONCE, CYRILLIC)
        assert (parts, smsc.get_sms_cost(AT_ONCE, CYRILLIC)) == ("1", [cost, "1"])
        assert smsc.send_sms(AT_ONCE, CYRILLIC) == ["0", "-9"]
        status = smsc.get_status(id, AT_ONCE, 1)
        assert len(status) == 9 and status[8] == CYRILLIC
        assert len(smsc.get_status(id, AT_ONCE)) == 3
        balance = smsc.get_balance()
        assert isinstance(balance, str) and float(balance) > 900
        looked_up = smsc.send_sms(AT_ONCE, "", format=3)
        assert smsc.get_status(looked_up[0], AT_ONCE, 1)[14] == "HLR"

    asyncio.run(beside(tmp_path, talk))


def test_module_of_the_service_sends_by_mail(tmp_path: Path) -> None:
    """Its letter is understood by the mail door: Cyrillic, a colon in the text, an id of one's own."""

    async def story() -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        door = {"HELIOGRAPH_SMTP_LISTEN": f"127.0.0.1:{port}"}
        async with Program(tmp_path, "--demo", environment=door) as program:
            url = f"http://{program.host}:{program.port}/"

            def talk() -> list[str]:
                mail = {"smtp_host": "127.0.0.1", "smtp_port": port, "mail_to": "send@sms.example"}
                smsc = SMSC("demo", "demo", url, mail_from="shop@shop.example", **mail)
                smsc.send_sms_mail(AT_ONCE, f"Код: {CYRILLIC}", id=77, sender="DEMO")
                return smsc.get_status(77, AT_ONCE, 1)

            status = await asyncio.to_thread(talk)
            assert status[8] == f"Код: {CYRILLIC}" and status[6] == "DEMO"

    asyncio.run(story())


def test_send_command_sends_and_waits(tmp_path: Path) -> None:
    """From the environment, with files, prices and exit codes that scripts go by."""

    async def story() -> None:
        async with Program(tmp_path, "--demo") as program:
            url = f"http://{program.host}:{program.port}"
            own = {"HELIOGRAPH_CLIENT_URL": url, "HELIOGRAPH_CLIENT_KEY": "demo-key", "HOME": str(tmp_path)}

            async def send(*arguments: str, **environment: str) -> tuple[int, str, str]:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "heliograph", "send", *arguments),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    cwd=tmp_path,
                    env={**os.environ, **(environment or own)},
                )
                out, err = await process.communicate()
                return process.returncode or 0, out.decode(), err.decode()

            (tmp_path / "numbers.txt").write_text(f"{AT_ONCE}\n79161234567; 79161234568,{AT_ONCE}\n", "utf-8")
            price, waited, failed, many, no_server, wrong = await asyncio.gather(
                send(AT_ONCE, CYRILLIC, "--cost"),
                send(AT_ONCE, CYRILLIC, "--wait", "--json"),
                send(UNKNOWN, "x", "--wait"),
                send("--file", "numbers.txt", "Всем", "--json"),
                send(AT_ONCE, "x", HELIOGRAPH_CLIENT_LOGIN="demo", HOME=str(tmp_path)),
                send(AT_ONCE, "y", **{**own, "HELIOGRAPH_CLIENT_KEY": "sesame"}),
            )
            assert price[:2] == (0, "1.6 for 1 SMS to 1 number(s).\n")
            assert waited[0] == 0 and json.loads(waited[1])["statuses"][0]["status"] == 1
            assert failed[0] == 1 and "Невозможно доставить (err 1)" in failed[1]
            assert many[0] == 0 and json.loads(many[1])["sent"][0]["numbers"] == 3
            assert no_server[0] == 2 and "HELIOGRAPH_CLIENT_URL" in no_server[2]
            assert wrong[0] == 1 and "authorise" in wrong[2] and "sesame" not in wrong[2]

    asyncio.run(story())
