"""The whole program as a subprocess, a carrier and a customer beside it, and a small HTTP client (design section 13, flows).

async with Program(tmp_path) as program:
    answer = await program.send(phones="79161234567", mes="Hello")
"""

import asyncio
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from heliograph.core.tariffs import Prices, Zone
from heliograph.services import accounts, carriers, ledgers, outcomes, routes, tariffs
from heliograph.services.backlogs import measure
from heliograph.services.outcomes import Outcome
from heliograph.simulator.behaviour import Profile
from heliograph.simulator.records import SubmitRecord
from heliograph.simulator.server import Simulator
from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
from heliograph.store.opening import open_database
from heliograph.store.secrets import Secrets

KEY = "flow-key-0123456789"
LOGIN = "flow"
PRICE = 10_000
MONEY = 10**10
HTTP = re.compile(r"listens on http://([^:/]+):(\d+)/")
CONTROL = re.compile(r"--control \S+?:(\d+)")


@dataclass
class Answer:
    """What came back over HTTP; header names in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body of a fmt=3 answer in UTF-8."""
        return json.loads(self.body.decode())


class Program:
    """``heliograph serve`` in a folder; always ended by its pid."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        database: str | None = None,
        environment: Mapping[str, str] | None = None,
        under: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.process: asyncio.subprocess.Process | None = None
        self.host, self.port = "127.0.0.1", 0
        self.told: list[str] = []
        self.up = asyncio.Event()  # as heliograph.cli.drill_load has it
        self._arguments = [*arguments, *(("--database", database) if database else ())]
        self._environment = environment or {}
        self._under = under  # a program that runs it, such as strace

    async def __aenter__(self) -> "Program":
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.kill()

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self.process is not None
        return self.process.pid

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.host, self.port

    @property
    def log(self) -> str:
        """Everything that it has logged, all starts together."""
        return (self.folder / "log").read_text()

    async def start(self) -> None:
        """Start it and wait until it listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
        own = {"HELIOGRAPH_CALLBACKS_ALLOW_PRIVATE": "127.0.0.0/8", "HELIOGRAPH_CALLBACKS_RETRY_S": "1"}
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(*self._under, sys.executable),
                *("-m", "heliograph", "serve", "--http", "127.0.0.1:0", "--data", str(self.data), *self._arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
                env={**clean, **own, **self._environment},
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            first = (await self.process.stdout.readline()).decode()
            found = HTTP.search(first)
            assert found, f"it does not start: {first}\n{self.log}"
            self.host, self.port = found[1], int(found[2])
            self.told = [first]
            while "--demo" in self._arguments and "Ctrl-C" not in self.told[-1]:
                self.told.append((await self.process.stdout.readline()).decode())
        self.up.set()

    async def kill(self) -> None:
        """SIGKILL, and gone."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        self.up.clear()
        process = self.process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        try:
            async with asyncio.timeout(30):
                return await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            self.process = None

    # -- HTTP -----------------------------------------------------------------
    async def ask(self, page: str, **parameters: object) -> Answer:
        """One POST form on a connection of its own."""
        body = urlencode({"charset": "utf-8", "apikey": KEY, **parameters}).encode()
        head = f"POST /sys/{page}.php HTTP/1.1\r\nHost: flow\r\nConnection: close\r\n"
        kind = "Content-Type: application/x-www-form-urlencoded\r\n"
        return await self.raw(f"{head}{kind}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def raw(self, request: bytes, finish: bool = False) -> Answer:
        """Write bytes, read until the server closes; ``finish`` closes our half first."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(request)
            if finish:
                writer.write_eof()
            async with asyncio.timeout(20):
                return parse_answer(await reader.read(-1))
        finally:
            writer.close()

    async def send(self, **parameters: object) -> Any:
        """send.php in JSON."""
        return (await self.ask("send", fmt=3, **parameters)).json

    async def status(self, phone: str, id_: object, **more: object) -> Any:
        """status.php of one text, in JSON."""
        return (await self.ask("status", fmt=3, phone=phone, id=id_, **more)).json


def parse_answer(raw: bytes) -> Answer:
    """An HTTP answer as a whole."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return Answer(int(lines[0].split()[1]) if lines[0] else 0, headers, body)


@dataclass
class Customer:
    """An HTTP handler that is told of statuses: whole requests, the forms in them, and what to answer."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    reply: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"

    def of(self, phone: str) -> list[dict[str, str]]:
        """What was told of a number."""
        return [form for form in self.forms if form.get("phone") == phone]


@asynccontextmanager
async def customer() -> AsyncIterator[Customer]:
    """A handler on loopback."""
    own = Customer()
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
                own.requests.append(head + body)
                found = parse_qs(body.decode("ascii"), encoding="cp1251", keep_blank_values=True)
                own.forms.append({name: values[0] for name, values in found.items()})
                writer.write(own.reply)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    own.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/told"
    try:
        yield own
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


class Carrier:
    """A simulated carrier in the test's process, so that it survives the server; counts what it took by text."""

    def __init__(self, profile: Profile | None = None) -> None:
        self.taken: Counter[str] = Counter()
        self.records: list[SubmitRecord] = []
        self.on_submit: Callable[[SubmitRecord], None] = lambda record: None
        self.simulator = Simulator(profile or Profile(), {LOGIN: LOGIN}, on_submit=self._note)
        self.host, self.port = "127.0.0.1", 0

    async def __aenter__(self) -> "Carrier":
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self.host, self.port = await self.simulator.start(self.host, self.port)

    async def stop(self) -> None:
        """Close its links and its door."""
        await self.simulator.stop()

    def _note(self, record: SubmitRecord) -> None:
        if record.message_id:
            self.taken[record.text] += 1
            self.records.append(record)
        self.on_submit(record)


async def prepare(
    database: str, data: Path, port: int, *, callback_url: str = "", carrier: Mapping[str, str] | None = None
) -> None:
    """A store with a rich account, its key, a tariff, a carrier at a port of this machine and a route."""
    data.mkdir(parents=True, exist_ok=True)
    db = await open_database(database)
    try:
        await migrate(db, MIGRATIONS_DIRECTORY, 1)
        secrets = Secrets.open(data)
        zones = (Zone(1, "World", ("*",), Prices(sms=PRICE, mass=PRICE)),)
        await tariffs.create(db, LOGIN, zones=zones, refund=(3, 20, 22, 25))
        settings = {"host": "127.0.0.1", "port": str(port), "system_id": LOGIN, "reconnect_s": "0.1", **(carrier or {})}
        await carriers.create(db, secrets, LOGIN, password=LOGIN, settings=settings)
        await routes.create(db, LOGIN, carrier=LOGIN)
        own = {"any_sender": "yes", "sender": "FLOW", "concurrency": "100000", "callback_url": callback_url}
        await accounts.create(db, LOGIN, tariff=LOGIN, settings=own, now_ms=1)
        await accounts.top_up(db, LOGIN, MONEY, now_ms=1)
        await accounts.create_key(db, LOGIN, key=KEY, now_ms=1)
    finally:
        await db.close()


@dataclass
class Books:
    """What a store holds after the server has stopped."""

    messages: dict[str, Outcome]
    balance: int
    faults: tuple[Any, ...]
    orphans: int
    inbound: list[tuple[Any, ...]]


async def read_books(database: str, login: str = LOGIN) -> Books:
    """Messages by text, the balance, and what the ledger's proof finds wrong."""
    db = await open_database(database)
    try:
        return Books(
            {outcome.text: outcome async for outcome in outcomes.read_all(db)},
            (await accounts.show(db, login)).balance,
            (await ledgers.check(db)).faults,
            (await db.one("backlog.orphans") or (0,))[0],
            await db.all("inbound.latest", 2**62, 100),
        )
    finally:
        await db.close()


async def drained(database: str, carrier: Carrier | None = None) -> None:
    """Wait until nothing is left in the queue, at the carrier or to be told."""
    db = await open_database(database)
    try:
        async with asyncio.timeout(30):
            while True:
                stats = carrier.simulator.stats() if carrier is not None else {}
                if not stats.get("waiting") and not stats.get("due"):
                    backlog = await measure(db, 2**60)
                    if not backlog.callbacks and not backlog.lines:
                        return
                await asyncio.sleep(0.05)
    finally:
        await db.close()


async def reached(database: str, text: str, status: int) -> None:
    """Wait until a text stands at a status in the store (the API would refuse to be asked so often)."""
    db = await open_database(database)
    try:
        async with asyncio.timeout(20):
            while status not in [each.status async for each in outcomes.read_all(db) if each.text == text]:
                await asyncio.sleep(0.02)
    finally:
        await db.close()


async def until(fact: Callable[[], bool | Awaitable[bool]], seconds: float = 20.0) -> None:
    """Wait until something has become true; asked every 20 ms."""
    async with asyncio.timeout(seconds):
        while True:
            found = fact()
            if (await found) if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.02)
