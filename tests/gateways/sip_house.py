"""A SIP door on loopback, telephones to call it with, and sipp."""

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from heliograph.gateways.sip import SipDoor
from heliograph.gateways.sip_answers import Call
from heliograph.gateways.sip_settings import SipSettings
from heliograph.wire.sip.messages import Message, Request, Response, parse
from heliograph.wire.sip.transactions import Timing

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
# A twenty-fifth of the real times: the repetitions of 32 s are over after 1.3.
QUICK = Timing(t1_ms=20, t2_ms=80, t4_ms=100)
SCENARIOS = Path(__file__).parent / "sipp"


class Owner:
    """Whoever is told of calls: says at once that they are waited for, unless it keeps them."""

    def __init__(self, says: bool | None = True) -> None:
        self.says = says
        self.calls: list[Call] = []
        self.done: list[Callable[[bool], None]] = []

    def __call__(self, call: Call, done: Callable[[bool], None]) -> None:
        self.calls.append(call)
        self.done.append(done)
        if self.says is not None:
            done(self.says)


class Phone(asyncio.DatagramProtocol):
    """A UDP telephone; what it hears waits in `heard`."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.put_nowait(data)

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def send(self, data: bytes) -> None:
        self.transport.sendto(data)

    async def raw(self) -> bytes:
        return await asyncio.wait_for(self.heard.get(), 5)

    async def answer(self) -> Response:
        found = parse(await self.raw())
        assert isinstance(found, Response)
        return found

    async def statuses(self, count: int) -> list[int]:
        return [(await self.answer()).status for _ in range(count)]


def compose(method: str = "INVITE", *, drop: str = "", uri: str = "sip:74951234567@127.0.0.1", **changes: str) -> bytes:
    """A request; `changes` are headers with _ for - (`From=...`, `Call_ID=...`), `drop` one that is left out."""
    headers = {
        "Via": "SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1",
        "Max-Forwards": "70",
        "From": "<sip:+79991234567@trunk.example>;tag=a",
        "To": "<sip:+74951234567@sms.example>",
        "Call-ID": "call-1",
        "CSeq": f"1 {method}",
        "Contact": "<sip:127.0.0.1>",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    headers.pop(drop, None)
    lines = [f"{method} {uri} SIP/2.0", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode()


def acknowledge(answer: Message, via: str = "SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK1") -> bytes:
    """The ACK to a final answer."""
    return compose("ACK", To=answer.get("To") or "", Via=via, Call_ID=answer.call_id, CSeq=f"{answer.cseq.number} ACK")


@contextlib.asynccontextmanager
async def opened(owner: Callable[..., None], **settings: Any) -> AsyncIterator[SipDoor]:
    """A door on free ports of loopback, with loopback as its peers unless `settings` say otherwise."""
    known = {"listen_udp": (("127.0.0.1", 0),), "listen_tcp": (("127.0.0.1", 0),), "peers": LOOPBACK, "timing": QUICK}
    door = SipDoor(SipSettings(**{**known, **settings}), owner)
    await door.start()
    try:
        yield door
    finally:
        await door.stop(0)
    assert door.stats()["failures"] == 0
    assert door.stats()["transactions"] == 0 and door.stats()["waiting"] == 0


def place_of(door: SipDoor, transport: str = "udp") -> tuple[str, int]:
    """Where it listens."""
    return next((host, port) for name, host, port in door.addresses if name == transport)


@contextlib.asynccontextmanager
async def calling(door: SipDoor) -> AsyncIterator[Phone]:
    """A telephone."""
    loop = asyncio.get_running_loop()
    _, phone = await loop.create_datagram_endpoint(Phone, remote_addr=place_of(door))
    try:
        yield phone
    finally:
        phone.transport.close()


class Line:
    """A TCP telephone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def message(self) -> Request | Response:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        length = re.search(rb"Content-Length: (\d+)", head)
        return parse(head + await self.reader.readexactly(int(length[1]) if length else 0), stream=True)

    async def statuses(self, count: int) -> list[int]:
        found = [await self.message() for _ in range(count)]
        return [each.status for each in found if isinstance(each, Response)]


@contextlib.asynccontextmanager
async def connected(door: SipDoor) -> AsyncIterator[Line]:
    """A connection."""
    reader, writer = await asyncio.open_connection(*place_of(door, "tcp"))
    try:
        yield Line(reader, writer)
    finally:
        writer.close()


async def until(true: Callable[[], object]) -> None:
    """Waits for something that will come."""
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("did not come")


async def run_sipp(folder: Path, scenario: str, *arguments: str) -> tuple[int, str]:
    """Runs sipp to its end; its exit code (0: every call went as the scenario says), and the end of what it printed."""
    program = shutil.which("sipp")
    assert program, "sipp is missing: ./dev test installs it (package sip-tester)"
    fixed = ["-sf", str(SCENARIOS / scenario), "-i", "127.0.0.1", "-nostdin", "-trace_err", "-error_file", "errors.log"]
    process = await asyncio.create_subprocess_exec(
        program, *arguments, *fixed, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 30)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    errors = folder / "errors.log"
    return process.returncode or 0, output.decode()[-1500:] + (errors.read_text()[-2000:] if errors.exists() else "")
