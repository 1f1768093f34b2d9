"""A code by call and a form with a picture on the whole program: docs/codes.md, docs/captcha.md."""

import asyncio
import json
import re
from http.server import HTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from PIL import Image
from tests.flows.rig import Answer, Program, customer, read_books, until
from tests.web.live_house import open_house, run_house

from heliograph.api.request import Request
from heliograph.app import clock_ms
from heliograph.services import accounts
from heliograph.services.desk import message_of
from heliograph.store.database import Database
from heliograph.store.opening import open_database

DEMO = {"apikey": "demo-key"}
ROOT = Path(__file__).resolve().parents[2]
HERE, VIEWER = "127.0.0.1", "192.0.2.7"


async def set_demo(program: Program, **settings: str) -> None:
    """Settings of the demo's account, once the server knows them."""
    db = await open_database(str(program.data / "heliograph.db"))
    await accounts.set_settings(db, "demo", settings)
    version = (await db.one("snapshot.version") or (0,))[0]
    await db.close()
    await until(lambda: f"snapshot_loaded version={version}" in program.log)


async def look(program: Program, query: str = "1.1", path: str = "/sys/imgcode.php", method: str = "GET") -> Answer:
    """The picture, as a browser asks for it."""
    head = f"{method} {path}?{query} HTTP/1.1\r\nHost: flow\r\nConnection: close\r\n\r\n"
    return await program.raw(head.encode())


def test_code_is_called_told_and_checked(tmp_path: Path) -> None:
    """Sent with the parameters of the reference, placed by the demo's carrier, told to the handler as a call."""

    async def story() -> None:
        async with customer() as told, Program(tmp_path, "--demo") as program:
            await set_demo(program, callback_url=told.url)
            asked = {"phones": "79990000001", "mes": "code", "call": 1, **DEMO}
            answer = await program.send(cost=3, **asked)
            assert set(answer) == {"id", "cnt", "cost", "balance", "code"}
            assert (answer["cnt"], answer["cost"]) == (1, "1.2")
            assert re.fullmatch(r"\d{6}", answer["code"])
            assert (await program.send(**asked))["error_code"] == 9  # the phone rings once
            await until(lambda: bool(told.forms))
            (form,) = told.forms
            assert (form["status"], form["type"], form["flag"], form["cost"]) == ("1", "7", "7", "1.2")
            assert form["cnt"] == form["calltime"]
            assert 8 <= int(form["cnt"]) < 16
            assert int(form["ringtime"]) > 0
            status = await program.status("79990000001", answer["id"], all=1, **DEMO)
            assert (status["status"], status["type"], status["message"]) == (1, 7, "code")
            refused = await program.send(phones="79990000001", mes="Hello", call=1, **DEMO)
            assert refused["error"] == "parameters error: voice messages come later: only mes=code"
            assert await program.stop() == 0
            assert (await read_books(str(program.data / "heliograph.db"), "demo")).faults == ()
            assert answer["code"] not in program.log

    asyncio.run(story())


def test_form_with_a_picture(tmp_path: Path) -> None:
    """What a site does: shows the picture, passes on what was typed with its viewer's address; robots get error 10."""

    async def story() -> None:
        async with Program(tmp_path, "--demo") as program:
            answer = await look(program)
            assert (answer.status, answer.headers["content-type"], answer.headers["cache-control"]) == (
                200,
                "image/png",
                "no-store",
            )
            assert Image.open(BytesIO(answer.body)).size == (50, 18)
            assert Image.open(BytesIO((await look(program, "big=1")).body)).size == (200, 72)
            assert (await look(program, "sound=1")).body[:4] == b"RIFF"
            assert (await look(program, method="POST")).status == 405
            assert (await look(program, path="/rest/imgcode/")).status == 404
            wrong = await program.send(phones="79990000001", mes="Hi", imgcode="1", userip=HERE, **DEMO)
            assert wrong == {"error": "invalid code", "error_code": 10}
            await set_demo(program, captcha="yes")
            assert (await program.send(phones="79990000001", mes="Hi", **DEMO))["error_code"] == 10
            priced = await program.send(phones="79990000001", mes="Hi", cost=1, **DEMO)
            assert priced["cnt"] == 1
            balance = await program.ask("balance", **DEMO)
            assert await program.stop() == 0
            assert (
                float(balance.body) * 10_000 == (await read_books(str(program.data / "heliograph.db"), "demo")).balance
            )

    asyncio.run(story())


def test_right_codes_count_towards_the_limit_of_their_viewer(tmp_path: Path) -> None:
    """The two guards of a form together: a person who solves pictures is stopped by ip_limit (251), a robot by error 10."""

    async def story() -> None:
        async with open_house(tmp_path) as house:
            heliograph = house.heliograph
            await accounts.set_settings(heliograph.db, "demo", {"ip_limit": "1", "captcha": "yes"})
            await heliograph.snapshots.refresh()

            def show() -> str:
                code = heliograph.captchas.make(VIEWER, clock_ms())
                assert code is not None
                return code

            async def send(mes: str, imgcode: str) -> Any:
                answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                asked = {"phones": "79161234567", "mes": mes, "imgcode": imgcode, "userip": VIEWER, "fmt": 3, **DEMO}
                now_ns = clock_ms() * 1_000_000
                form = urlencode(asked).encode()
                heliograph.site(Request("POST", "/sys/send.php", body=form, received_ns=now_ns), answer.set_result)
                return json.loads((await answer).body)

            code = show()
            assert (await send("one", code))["id"] == 1
            assert (await send("two", code))["error_code"] == 10
            refused = await send("three", show())
            assert (refused["error_code"], refused["id"]) == (6, 2)
            stored = await heliograph.db.one("messages.get", (await newest(heliograph.db)))
            assert stored is not None
            assert (message_of(stored).status, message_of(stored).err) == (23, 251)

    asyncio.run(story())


async def newest(db: Database) -> int:
    """The int_id of the message that was stored last."""
    rows = await db.all("messages.latest", 2**62, 1, 1)
    return int(rows[0][0])


def test_form_of_the_guide_works_against_the_demo(tmp_path: Path) -> None:
    """People copy it: a right code sends, a wrong one and an empty one say so."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/captcha.md").read_text("utf-8"), re.M | re.S)

    async def story() -> None:
        async with run_house(tmp_path) as (house, url):
            names: dict[str, Any] = {"__name__": "form"}
            exec(compile(program, "form.py", "exec"), names)
            names["HELIOGRAPH"] = url.rstrip("/")
            names["Form"].log_message = lambda *said: None
            server = HTTPServer((HERE, 0), names["Form"])
            serving = asyncio.create_task(asyncio.to_thread(server.serve_forever, 0.01))
            form = f"http://{HERE}:{server.server_address[1]}/"
            try:
                page = await asyncio.to_thread(fetch, form)
                (source,) = re.findall(r'<img src="([^"]+)"', page.decode())
                assert (await asyncio.to_thread(fetch, source)).startswith(b"\x89PNG")
                code = house.heliograph.captchas.make(HERE, clock_ms())
                for typed, words in (("", b"That was not"), ("1", b"That was not"), (code, b"That was not")):
                    assert words in await asyncio.to_thread(fetch, form, {"phone": "79990000001", "code": typed})
                code = house.heliograph.captchas.make(HERE, clock_ms())
                assert b"Sent." in await asyncio.to_thread(fetch, form, {"phone": "79990000001", "code": code})
            finally:
                server.shutdown()
                await serving
                server.server_close()

    asyncio.run(story())


def fetch(url: str, form: dict[str, Any] | None = None) -> bytes:
    """A page, as a browser gets it or sends a form to it."""
    with urlopen(url, urlencode(form).encode() if form else None, timeout=10) as answer:
        return bytes(answer.read())
