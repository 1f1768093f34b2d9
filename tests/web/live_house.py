"""The demo as `heliograph serve --demo` builds it, inside a test's own loop, with its live page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

from heliograph import demo
from heliograph.api.request import Answer, Request, Response
from heliograph.app import Heliograph, build, clock_ms
from heliograph.config import Options, settle
from heliograph.simulator.behaviour import SCRIPTED_PREFIX
from heliograph.store.secrets import Secrets
from heliograph.web.live import LivePage

HOST = b"127.0.0.1:8080"
OWN = {b"host": HOST, b"origin": b"http://" + HOST, b"sec-fetch-site": b"same-origin"}
HINTS = [(SCRIPTED_PREFIX + "0001", "delivered at once"), (SCRIPTED_PREFIX + "01dd", "delivered after dd seconds")]
CURL = "curl 'http://127.0.0.1:8080/sys/send.php?login=demo&psw=demo&phones=79990000001&mes=Hello'"


class House:
    """A demo and its page, asked like a door asks."""

    def __init__(self, heliograph: Heliograph) -> None:
        self.heliograph = heliograph
        self.desk = heliograph.desk
        self.account = heliograph.snapshots.current.accounts_by_login["demo"]
        self.page = LivePage(
            self.account.id,
            heliograph.desk,
            heliograph.submitting,
            heliograph.incoming,
            clock_ms,
            hints=HINTS,
            curl=CURL,
        )
        heliograph.site.live = self.page

    async def answer(self, request: Request) -> Answer:
        """What the page answers, now or later."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.page(request, answer.set_result)
        return await asyncio.wait_for(answer, 10)

    async def ask(self, request: Request) -> Response:
        """An answer that is complete."""
        answer = await self.answer(request)
        assert isinstance(answer, Response)
        return answer

    async def get(self, path: str, query: bytes = b"") -> Response:
        return await self.ask(Request("GET", path, query, {b"host": HOST}))

    async def post(self, headers: dict[bytes, bytes] | None = None, **fields: str) -> Response:
        """The form; as a program of the page asks when `accept` is among the headers."""
        body = urlencode(fields).encode()
        return await self.ask(Request("POST", "/live/send", b"", OWN if headers is None else headers, body))


@asynccontextmanager
async def open_house(tmp_path: Path) -> AsyncIterator[House]:
    """A demo without doors and carrier: nothing moves but by the test's hand."""
    config = settle(Options(demo=True, data=str(tmp_path), http="127.0.0.1:0"))
    heliograph = await build(config)
    try:
        await demo.prepare(heliograph.db, Secrets.open(config.data), config.demo, ("127.0.0.1", 9), clock_ms())
        await heliograph.open()
        yield House(heliograph)
    finally:
        await heliograph.close()


@asynccontextmanager
async def run_house(tmp_path: Path) -> AsyncIterator[tuple[House, str]]:
    """A demo that runs, with its simulated carrier; also the address of its page."""
    carrier = demo.Carrier()
    await carrier.start("127.0.0.1:0")
    config = settle(Options(demo=True, data=str(tmp_path), http="127.0.0.1:0"))
    heliograph = await build(config)
    await demo.prepare(heliograph.db, Secrets.open(config.data), config.demo, carrier.address, clock_ms())
    await heliograph.open()
    house = House(heliograph)
    await heliograph.listen(free=True)
    host, port = heliograph.addresses["http"]
    stop = asyncio.Event()
    running = asyncio.create_task(heliograph.run(stop))
    try:
        yield house, f"http://{host}:{port}/"
    finally:
        stop.set()
        await running
        await carrier.stop()
