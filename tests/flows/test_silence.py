"""The whole program at its most talkative, through everything that handles secrets: nothing of them may be written."""

import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from tests.flows.rig import KEY, LOGIN, Carrier, Customer, Program, customer, drained, prepare, until
from tests.test_logs import find_leaks

from heliograph.services import accounts, outcomes
from heliograph.simulator.server import Simulator
from heliograph.store.opening import open_database

PASSWORD, WRONG, WRONG_KEY = "Zyx-Passw0rd/9+", "Qwv-wrong-guess-7", "kkey-not-0ne-7713-5521"
CARRIER_PASSWORD, WRONG_CARRIER_PASSWORD = "Crr7x9Qz", "Wrng5Kpz"
HOOK_LOGIN, HOOK_TOKEN = "hook-s3same-42", "hook-t0ken-99172"
# What every text carries: a word of two alphabets and a code.
WORDS = ("Жираф-918273", "Okapi-665544", "Тапир-440011", "Gnu-220033")
FORMS = {name: hash_(PASSWORD.encode()).hexdigest() for name, hash_ in (("md5", hashlib.md5), ("sha1", hashlib.sha1))}
WRONG_FORMS = [hashlib.md5(WRONG.encode()).hexdigest(), hashlib.sha1(WRONG.encode()).hexdigest()]
CREDENTIALS = (PASSWORD, WRONG, KEY, WRONG_KEY, *FORMS.values(), *WRONG_FORMS)
CREDENTIALS += (CARRIER_PASSWORD, WRONG_CARRIER_PASSWORD, HOOK_LOGIN, HOOK_TOKEN)
TEXTS = (*WORDS, "Жираф", "918273", "665544", "Тапир", "440011", "220033")


async def command(program: Program, *words: str, given: str = "") -> str:
    """A command of the operator beside the server: all that it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "heliograph", *words, "--data", str(program.data)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=program.folder,
        env={"HELIOGRAPH_LOG_LEVEL": "debug", "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
    )
    printed, _ = await process.communicate(given.encode())
    return printed.decode()


def request(head: str, body: bytes = b"", kind: str = "application/x-www-form-urlencoded") -> bytes:
    """A whole request."""
    lines = f"{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: {WORDS[1]}\r\nCookie: key={KEY}\r\n"
    more = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n" if body else ""
    return f"{lines}{more}\r\n".encode() + body


def multipart(fields: dict[str, str]) -> bytes:
    """A form with the boundary "cut"."""
    parts = [
        f'--cut\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()
    ]
    return "".join([*parts, "--cut--\r\n"]).encode()


def requests(number: int) -> list[bytes]:
    """The same text in every way that clients send it, and each in some way that fails; numbers differ by ``number``."""
    found = []
    credentials = [{"login": LOGIN, "psw": psw} for psw in (PASSWORD, *FORMS.values(), WRONG, *WRONG_FORMS)]
    credentials += [{"apikey": KEY}, {"psw": KEY}, {"apikey": WRONG_KEY}]
    for count, who in enumerate(credentials):
        fields = {**who, "charset": "utf-8", "fmt": "3", "mes": f"{WORDS[count % 2]} {number} {count}"}
        fields["phones"] = f"7999{number:03d}{count:02d}0"
        form = urlencode(fields)
        fields["phones"] += "5"
        found += [
            request(f"GET /sys/send.php?{form}1"),
            request("POST /sys/send.php", f"{form}2".encode()),
            request("GET /sys/send.php?" + urlencode({**fields, "charset": "windows-1251"}, encoding="cp1251")),
            request("GET /sys/send.php?" + urlencode({**fields, "charset": "koi8-r"}, encoding="koi8-r")),
            request("POST /sys/send.php", multipart(fields), "multipart/form-data; boundary=cut"),
            request("POST /rest/send/", json.dumps(fields).encode(), "application/json"),
            request("POST /rest/send/", json.dumps(fields).encode()[:-9], "application/json"),
            request(f"GET /sys/status.php?{form}&id={WORDS[1]}&phone={WORDS[1]}"),
            request(f"GET /sys/balance.php?{form}"),
            request(f"GET /{KEY}/{quote(WORDS[0])}?{form}"),
            request(
                "POST /sys/send.php",
                b"--cut\r\nContent-Disposition: x\r\n\r\n" + form.encode(),
                "multipart/form-data; boundary=cut",
            ),
            f"GET /sys/send.php?psw={PASSWORD}&mes={WORDS[0]} {WORDS[1]} HTTP/1.1\r\nConnection: close\r\n\r\n".encode(),
            f"GET /sys/send.php?{form} HTTP/1.1\r\nBad header {KEY}\r\n\r\n".encode(),
            f"POST /sys/send.php?{form} HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n".encode(),
            f"{KEY} {PASSWORD}\r\n\r\n".encode(),
        ]
    return found


@asynccontextmanager
async def simulators(told: Customer) -> AsyncIterator[tuple[Simulator, Carrier]]:
    """A carrier with its own password, and one that takes none of ours."""
    simulator = Simulator(accounts={LOGIN: CARRIER_PASSWORD})
    await simulator.start()
    try:
        async with Carrier() as strict:
            yield simulator, strict
    finally:
        await simulator.stop()


@pytest.mark.parametrize("as_json", ["no", "yes"])
def test_nothing_secret_is_written_anywhere(tmp_path: Path, as_json: str) -> None:
    """Logs, terminals and files are read by people and programs that may not send, and not read what was sent."""
    environment = {
        "HELIOGRAPH_LOG_LEVEL": "debug",
        "HELIOGRAPH_LOG_JSON": as_json,
        "HELIOGRAPH_LIMITS_LOGIN_FAILURES": "100000",
        "HELIOGRAPH_LIMITS_SEND_FAILURES": "100000",
        "PYTHONASYNCIODEBUG": "1",
    }

    async def story() -> None:
        program = Program(tmp_path, environment=environment)
        database = str(program.data / "heliograph.db")
        printed = ""
        async with customer() as told, simulators(told) as (simulator, strict):
            port = int(simulator.address[1])
            await prepare(database, program.data, port)
            hook = f"{told.url}/{HOOK_LOGIN}?token={HOOK_TOKEN}"
            db = await open_database(database)
            await accounts.set_settings(db, LOGIN, {"callback_url": hook})
            await db.close()
            printed += await command(program, "account", "password", "add", LOGIN, "--password", "-", given=PASSWORD)
            printed += await command(program, "carrier", "set", LOGIN, "--password", "-", given=CARRIER_PASSWORD)
            wrong = (f"port={strict.port}", "host=127.0.0.1", f"system_id={LOGIN}", "reconnect_s=0.1")
            words = ("carrier", "create", "strict", *wrong, "--password", "-")
            printed += await command(program, *words, given=WRONG_CARRIER_PASSWORD)
            async with program:
                await until(lambda: "carrier_bound" in program.log)
                for raw in requests(100):
                    await program.raw(raw)
                assert await simulator.inject("79161234567", "7000", f"{WORDS[2]} {WORDS[3]}") >= 1
                await until(lambda: len(told.requests) > 3, 8)
                assert HOOK_TOKEN.encode() in told.requests[0], "the customer's own secret reaches him"
                await drained(database)
                told.reply = (
                    b"HTTP/1.1 500 " + HOOK_TOKEN.encode() + b"\r\nContent-Length: 3\r\n\r\n" + KEY[:3].encode()
                )
                for raw in requests(200)[:15]:
                    await program.raw(raw)
                await program.kill()
                await program.start()
                for words in (
                    ("account", "list"),
                    ("carrier", "list"),
                    ("carrier", "show", LOGIN),
                    ("queue",),
                    ("key", "list", LOGIN),
                ):
                    printed += await command(program, *words)
                for raw in requests(300)[:15]:
                    await program.raw(raw)
                await until(lambda: "carrier_bound" in program.log.rpartition("store_opened")[2])
                assert await program.stop() == 0
            db = await open_database(database)
            stored = [each.text async for each in outcomes.read_all(db)]
            await db.close()
        assert any(WORDS[0] in text for text in stored) and any(WORDS[1] in text for text in stored)
        assert find_leaks("".join([program.log, *program.told]), (*CREDENTIALS, *TEXTS)) == []
        assert find_leaks(printed, CREDENTIALS) == []
        assert "bind" in program.log
        check_files(program)

    asyncio.run(story())


def check_files(program: Program) -> None:
    """Texts are what the store is for; passwords and keys are in no file, in no form that could be sent again."""
    for path in program.data.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            for secret in (PASSWORD, WRONG, KEY, WRONG_KEY, *FORMS.values(), *WRONG_FORMS, CARRIER_PASSWORD):
                assert secret.encode() not in held, path.name
