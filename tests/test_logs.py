"""Logs: no password, key or text of anybody, whatever happens; and forms that tools can read (logs.py)."""

import asyncio
import base64
import hashlib
import html
import io
import json
import logging
import re
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from tests.flows.rig import CONTROL, Program, until

from heliograph import logs
from heliograph.api.request import Request
from heliograph.services import accounts
from heliograph.simulator import control
from heliograph.store.database import Lost
from heliograph.store.opening import open_database

PASSWORD = "Zyx-Passw0rd/9+"
WRONG = "Qwv-wrong-guess-7"
KEY = "kkey-5up3r-0dd-8841"
WRONG_KEY = "kkey-not-0ne-7713"
TEXT = "Жираф code 918273 to nobody"
INBOUND = "Окапи answer 665544"
URL_PASSWORD = "url-s3same-42"
SECRETS = (PASSWORD, WRONG, KEY, WRONG_KEY, TEXT, INBOUND, URL_PASSWORD, "918273", "665544", "Жираф", "Окапи")


def spellings(secret: str) -> set[str]:
    """A secret as it may show up: plain, percent-encoded, escaped, in bytes, as hex, base64 or hash."""
    found = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], ascii(secret)[1:-1], html.escape(secret)}
    for charset in ("utf-8", "cp1251", "koi8-r", "utf-16-be", "utf-16-le", "latin-1"):
        data = secret.encode(charset, "ignore")
        if len(data) >= len(secret):
            found |= {quote(data), quote(data, safe=""), quote_plus(data), repr(data)[2:-1], data.hex(), data.hex(" ")}
            found |= {"".join(f"%{byte:02x}" for byte in data), "".join(f"\\x{byte:02x}" for byte in data)}
            found |= {name(data).hexdigest() for name in (hashlib.md5, hashlib.sha1, hashlib.sha256)}
            # Within something longer it may begin at any of three places of base64.
            coded = [base64.b64encode(b"\0" * skip + data).decode()[(skip * 8 + 5) // 6 : -4] for skip in range(3)]
            found |= {base64.b64encode(data).decode(), *(each for each in coded if len(each) > 8)}
    return {each for each in found if each}


def find_leaks(log: str, secrets: Iterable[str] = SECRETS) -> list[str]:
    """Spellings of secrets in a log, whatever their case."""
    lower = log.lower()
    return [each for secret in secrets for each in spellings(secret) if each.lower() in lower]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a handler of the logs writes; the process is left as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, sys.unraisablehook, threading.excepthook)
    stream = io.StringIO()
    yield stream
    root.handlers[:], level, sys.excepthook, sys.unraisablehook, threading.excepthook = before
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(logging.NOTSET)
    logging.captureWarnings(False)
    logging.raiseExceptions = True


def start(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, as_json: bool = False, level: str = "debug") -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    logs.set_up(level, as_json)


@pytest.mark.parametrize("as_json", ["no", "yes"])
def test_no_secret_reaches_the_log_of_the_whole_program(tmp_path: Path, as_json: str) -> None:
    """Logs are copied to places that nobody guards; every path of a request, good or failing, must keep silent."""
    environment = {
        "HELIOGRAPH_DEMO_PASSWORD": PASSWORD,
        "HELIOGRAPH_DEMO_KEY": KEY,
        "HELIOGRAPH_LOG_LEVEL": "debug",
        "HELIOGRAPH_LOG_JSON": as_json,
        "PYTHONASYNCIODEBUG": "1",
    }

    async def story() -> str:
        program = Program(tmp_path, "--demo", environment=environment)
        async with program:
            url = str(program.data / "heliograph.db")
            db = await open_database(url)
            try:
                address = f"http://robot:{URL_PASSWORD}@127.0.0.1:9/told"
                await accounts.set_settings(db, "demo", {"callback_url": address})
            finally:
                await db.close()
            await talk(program)
            found = CONTROL.search("".join(program.told))
            assert found
            await control.inject("127.0.0.1", int(found[1]), "79161234567", "7000", INBOUND)
            await until(lambda: run(url, "SELECT count(*) FROM events WHERE name = 'callback'") != "0")
            await until(lambda: run(url, "SELECT count(*) FROM inbound") != "0")
            # From here on nothing can be stored: every path of failure speaks.
            run(url, "ALTER TABLE messages RENAME TO elsewhere")
            await talk(program)
            await until(lambda: "batch_failed" in program.log)
            run(url, "ALTER TABLE elsewhere RENAME TO messages")
            assert await program.stop() == 0
        return program.log

    log = asyncio.run(story())
    assert find_leaks(log) == []
    assert "batch_failed" in log and "status_failed" in log and "Traceback" in log
    if as_json == "yes":
        assert all(json.loads(line)["event"] for line in log.splitlines())


def run(url: str, sql: str) -> str:
    """A statement beside the server; the first value."""
    with sqlite3.connect(url, timeout=10) as db:
        row = db.execute(sql).fetchone()
    db.close()
    return str(row[0]) if row else ""


async def talk(program: Program) -> None:
    """One request of every sort, good ones and bad ones."""
    login = {"apikey": "", "login": "demo"}
    good = {"apikey": KEY, "phones": "79990000001", "mes": TEXT}
    await program.ask("send", **{**login, "psw": PASSWORD}, phones="79990000002", mes=TEXT + " by password", fmt=3)
    await program.ask("send", **good)
    await program.ask("send", **{**good, "mes": TEXT + "\x00 with a NUL"})
    await program.ask("send", **{**good, "phones": "79990000004", "time": TEXT, "valid": TEXT, "charset": TEXT})
    await program.ask("send", **{**good, "phones": TEXT, "sender": TEXT, "fmt": TEXT})
    await program.ask("send", **good, cost=1)
    many = ",".join(f"7916124{number:04d}" for number in range(210))
    await program.ask("send", **{**good, "phones": many})
    await program.ask("send", **{**login, "psw": WRONG}, phones="79990000001", mes=TEXT)
    await program.ask("send", apikey=WRONG_KEY, phones="79990000001", mes=TEXT)
    for page in ("status", "balance", TEXT.split()[1]):
        await program.ask(page, apikey=KEY, phone="79990000001", id=987_654, fmt=3)
    for raw in (
        f"GET /sys/send.php?login=demo&psw={quote(PASSWORD)}&phones=79990000001&mes={quote(TEXT)} HTTP/1.1\r\n",
        f"GET /nowhere/{KEY}?psw={quote(PASSWORD)} HTTP/1.1\r\nCookie: key={KEY}\r\n",
        f"BREW /sys/send.php?apikey={KEY}&mes={quote(TEXT)} COFFEE/9\r\n",
        f"POST /sys/send.php?apikey={KEY} HTTP/1.1\r\nContent-Length: 99999999999\r\n",
        f'POST /rest/send/ HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\nX: {KEY}\r\n\r\n{{"{KEY}',
        f"POST /sys/send.php HTTP/1.1\r\nAuthorization: Basic {KEY}\r\nTransfer-Encoding: chunked\r\n\r\nzz{KEY}",
    ):
        await program.raw(f"{raw}Host: x\r\nConnection: close\r\n\r\n".encode(), finish=True)


class Pdu(msgspec.Struct):
    """As a carrier's parser hands one to a log call."""

    text: str
    password: str


def test_objects_and_addresses_are_masked_wherever_they_stand(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call that logs too much is written by somebody who does not think of it; the edge must."""
    start(lines, monkeypatch)
    log = logging.getLogger("test")
    pdu = Pdu(TEXT, PASSWORD)
    log.error("the owner failed on %r", pdu)
    log.error("request %s of %(x)s", Request("GET", "/", f"psw={PASSWORD}".encode()))
    log.error("got %(body)s and %(pdu)r", {"body": TEXT, "pdu": pdu})
    log.error("asked http://demo:%s@host/ and http://demo:a/b@c:%s@host/x", URL_PASSWORD, URL_PASSWORD)
    log.error(f"GET /sys/send.php?login=demo&psw={WRONG}&key={KEY}&mes={quote(TEXT)}&fmt=3")
    more = {
        "password": PASSWORD,
        "apikey": KEY,
        "text": TEXT,
        "nested": {"psw": PASSWORD, "list": [pdu]},
        "raw": b"918273",
    }
    log.error("fields", extra=more)
    log.error("number %d", TEXT)
    assert find_leaks(lines.getvalue()) == []
    assert "the owner failed on <Pdu>" in lines.getvalue() and "fmt=3" in lines.getvalue()
    assert "nested=\"{'psw': '***', 'list': [<Pdu>]}\" raw=<bytes>" in lines.getvalue()


@pytest.mark.parametrize("as_json", [False, True])
def test_traceback_keeps_its_frames_and_not_the_values(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """Exceptions quote what they choke on; where it happened is what a reader needs."""
    start(lines, monkeypatch, as_json)
    try:
        try:
            int(TEXT)
        except ValueError as error:
            raise KeyError(PASSWORD) from error
    except KeyError:
        logging.getLogger("test").exception("broken")
    try:
        raise ExceptionGroup(KEY, [UnicodeError(TEXT), Lost(f"no way to postgresql://h:{URL_PASSWORD}@db/x")])
    except ExceptionGroup as error:
        logging.getLogger("test").error("group", exc_info=error)
    said = lines.getvalue()
    assert find_leaks(said) == []
    for part in ("ValueError: ***", "KeyError: ***", "test_logs.py", "int(TEXT)", "no way to postgresql://***@db/x"):
        assert part in said


def test_what_nobody_caught_is_logged_masked(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python and asyncio print such failures by themselves, with arguments and values."""
    start(lines, monkeypatch)

    def fail(text: str) -> None:
        raise ValueError(text)

    async def body() -> None:
        logs.watch(asyncio.get_running_loop())
        asyncio.get_running_loop().call_soon(fail, TEXT)
        await asyncio.sleep(0)

    asyncio.run(body())
    thread = threading.Thread(target=fail, args=(PASSWORD,))
    thread.start()
    thread.join()
    try:
        fail(KEY)
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    said = lines.getvalue()
    assert find_leaks(said) == []
    assert all(name in said for name in ("loop_failed", "thread_failed", "ended_by_exception"))


def test_a_line_cannot_be_forged(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path or a carrier's word with a line end would write events of its own."""
    start(lines, monkeypatch)
    logging.getLogger("test").error("refused reason=%s", "no\n2026-01-01 info paid", extra={"path": "/a b\r\nforged=1"})
    assert len(lines.getvalue().splitlines()) == 1
    assert re.search(r'path="/a b\\r\\nforged=1"$', lines.getvalue().strip())


def test_json_is_one_object_a_line(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Collectors split at line ends and need the same four names in each."""
    start(lines, monkeypatch, as_json=True, level="warning")
    log = logging.getLogger("test")
    log.info("quiet")
    log.warning("loud", extra={"count": 3, "level": "mine", "word": "\ud800 Ж"})
    (line,) = lines.getvalue().splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found["logger"], found["count"], found["level_"]) == (
        "loud",
        "warning",
        "test",
        3,
        "mine",
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["at"])


def test_interrupt_stays_what_it_is(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is no failure to be filed."""
    start(lines, monkeypatch)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "ended_by_exception" not in lines.getvalue()


def test_a_store_that_is_away_is_one_line(lines: io.StringIO) -> None:
    """It says all in its words and happens many times a second: tracebacks are for faults of the program."""
    for formatter in (logs.LineFormatter(), logs.JsonFormatter()):
        handler = logging.StreamHandler(lines)
        handler.setFormatter(formatter)
        logging.getLogger().handlers[:] = [handler]
        try:
            raise Lost("the database has been away for more than 10 s")
        except Lost:
            logging.getLogger("heliograph.test").exception("status_failed")
    written = lines.getvalue().splitlines()
    assert len(written) == 2 and not [line for line in written if "raceback" in line]
    assert written[0].endswith('error status_failed error="the database has been away for more than 10 s"')
    assert json.loads(written[1])["error"] == "the database has been away for more than 10 s"


@pytest.mark.parametrize(
    "line",
    [
        f"GET /send?mes={quote('Жираф'.encode('cp1251')).lower()}",
        f"mes={quote('x Жираф y')}",
        f"pdu {('ab Жираф').encode('utf-16-be').hex().upper()}",
        f"body {base64.b64encode(('{' + PASSWORD + '}').encode()).decode()}",
        f"psw={hashlib.sha1(PASSWORD.encode()).hexdigest()}",
        json.dumps({"mes": "Жираф"}),
    ],
)
def test_search_for_secrets_finds_them(line: str) -> None:
    """A search that finds nothing anywhere would let everything pass."""
    assert find_leaks(line) != []
