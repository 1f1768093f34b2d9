# foreign: name = "php-handler"
# foreign: what = "PHP handler as the reference sketches it"
# foreign: needs = ["php"]
# foreign: debian = ["php-cli"]
"""Has the demo server call a PHP handler (handler.php): statuses from the server itself, and each kind of news in every
charset and format through the program's own sender of requests."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from heliograph.callbacks.client import Answer, Client
from heliograph.callbacks.payloads import render, render_incoming, sign
from heliograph.callbacks.plans import parse_plan
from heliograph.core.accounts import Account, Settings
from heliograph.core.messages import Message
from heliograph.core.news import Incoming
from heliograph.services.callbacks import Callback

SECRET = "s3cret-Key_1"
KEY = "key-of-sixteen-signs"
AT = 1_790_000_000_000
COMMENT = "Заказ номер 7 & ещё"
MESSAGE = Message(
    9, 1, "1042", "79991234567", "", 0, 0, "Магазин", "x", COMMENT, 1, 16_000, "", 1, 0, AT, AT, AT, AT, 1, 1, 1, 1
)
STATUS = Callback(5, 9, 1, 1, 0, AT, AT)
TEXT = Incoming(31, "79991234567", "79037654321", "Привет, мир", AT, AT, "", "1042")
CALL = Incoming(32, "79991234567", "79037654321", "", 0, AT, call=True)
ACCOUNT = Account(1, "shop", "RUR", 0, 1, Settings())


def say(operation: str, ok: bool, detail: object) -> None:
    """A line of the table."""
    print(f"{operation}\t{'ok' if ok else 'differs'}\t{detail}", flush=True)


@contextlib.contextmanager
def handler(log: Path) -> Iterator[int]:
    """php -S on a free port; its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = Path(__file__).with_name("handler.php")
    php = shutil.which("php") or "php"
    process = subprocess.Popen(
        [php, "-S", f"127.0.0.1:{port}", str(script)],
        env={**os.environ, "HANDLER_LOG": str(log)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def read(log: Path, count: int) -> list[dict[str, Any]]:
    """What the handler wrote, once it is so many lines."""
    for _ in range(200):
        lines = log.read_text("utf-8").splitlines() if log.exists() else []
        if len(lines) >= count:
            return [json.loads(line) for line in lines]
        time.sleep(0.05)
    return [json.loads(line) for line in lines]


async def post(url: str, kinds: tuple[str, ...]) -> None:
    """Each kind of news as the sender posts it."""
    plan = parse_plan(url)
    client = Client(allow=[ip_network("127.0.0.0/8")])
    for kind in kinds:
        incoming = CALL if kind == "confirmation" else TEXT
        body = render(plan, STATUS, MESSAGE, ACCOUNT) if kind == "status" else render_incoming(plan, incoming)
        answers: asyncio.Queue[Answer] = asyncio.Queue()
        mark = ((b"X-Heliograph-Signature", sign(body, (KEY,), 1_790_000_001)),)
        client.post(
            plan.target, body, plan.content_type, lambda answer, _, to=answers: to.put_nowait(answer), None, mark
        )
        await answers.get()
    await client.close(1)


def try_forms(port: int, log: Path) -> None:
    """Every charset and format."""
    kinds = ("status", "message", "confirmation")
    tail = f"md5={SECRET}&sha1={SECRET}&crc32={SECRET}&own=%D0%B6"
    cases = ("", "charset=utf-8", "charset=koi8-r", "fmt=2", "fmt=2&charset=utf-8", "fmt=3", "fmt=3&charset=utf-8")
    for case in cases:
        log.unlink(missing_ok=True)
        asyncio.run(post(f"http://127.0.0.1:{port}/!tok=9?{case}&{tail}", kinds))
        found = read(log, 3)
        right = [line["kind"] for line in found] == list(kinds) and all(
            line["get"] == {"tok": "9"} and line["signed"] and len(line["right"]) == 3 and all(line["right"].values())
            and line["fields"]["own"] == "ж"
            for line in found
        )  # fmt: skip
        values = right and (found[0]["fields"]["cmt"], found[1]["fields"]["mes"]) == (COMMENT, TEXT.text)
        say(f"handler {case or 'as it is'}", bool(values), found[1]["fields"].get("mes") if found else "nothing came")


def try_server(port: int, log: Path, url: str, login: str, password: str, phone: str) -> None:
    """A text through the demo server, told to PHP."""
    log.unlink(missing_ok=True)
    address = f"http://127.0.0.1:{port}/cb!tok=1?md5={SECRET}&charset=utf-8"
    command = [sys.executable, "-m", "heliograph", "account", "set", login, f"callback_url={address}"]
    subprocess.run(
        [*command, "--data", os.environ["DEMO_DATA"]],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=Path(os.environ["DEMO_DATA"]).parent,
    )
    time.sleep(1)  # the server looks for changes four times a second
    asked = {"login": login, "psw": password, "phones": phone, "mes": "Тест\n~~~\nмой", "charset": "utf-8", "fmt": 3}
    data = urllib.parse.urlencode(asked).encode()
    with urllib.request.urlopen(f"{url}/sys/send.php", data, 10) as answer:
        sent = json.loads(answer.read())
    found = read(log, 1)
    fields = found[0]["fields"] if found else {}
    right = bool(found) and found[0]["kind"] == "status" and found[0]["right"] == {"md5": True}
    ok = right and (fields["id"], fields["status"], fields["cmt"]) == (str(sent["id"]), "1", "мой")
    say("status of a text", ok, f"id {fields.get('id')}, status {fields.get('status')}, cmt {fields.get('cmt')}")
    log.unlink()
    command = [sys.executable, "-m", "heliograph", "simulate", "inbound", "--control", os.environ["DEMO_CONTROL"]]
    subprocess.run([*command, "--from", phone, "--to", "7000", "Да, ещё"], check=True, stdout=subprocess.DEVNULL)
    found = read(log, 1)
    fields = found[0]["fields"] if found else {}
    ok = bool(found) and found[0]["kind"] == "message" and found[0]["right"] == {"md5": True}
    ok = ok and (fields["mes"], fields["to"], fields["sms_id"]) == ("Да, ещё", "7000", str(sent["id"]))
    say("answer of the subscriber", ok, f"mes {fields.get('mes')}, sms_id {fields.get('sms_id')}")


def main() -> None:
    """URL LOGIN PASSWORD KEY PHONE, as every client."""
    url, login, password, _, phone = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with handler(log) as port:
            try_forms(port, log)
            try_server(port, log, url.rstrip("/"), login, password, phone)


if __name__ == "__main__":
    main()
