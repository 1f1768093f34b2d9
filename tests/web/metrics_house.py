"""An installation with its simulated carrier, and its figures, health and readiness as a client reads them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from heliograph import demo
from heliograph.api.request import Answer, Request, Response
from heliograph.app import Heliograph, build, clock_ms
from heliograph.config import Config, Options, settle
from heliograph.store.secrets import Secrets


def configure(tmp_path: Path, environ: dict[str, str] | None = None) -> Config:
    environ = {"HELIOGRAPH_CALLBACKS_ALLOW_PRIVATE": "127.0.0.0/8", **(environ or {})}
    return settle(Options(demo=True, data=str(tmp_path), http="127.0.0.1:0"), environ)


@asynccontextmanager
async def run(tmp_path: Path, environ: dict[str, str] | None = None) -> AsyncIterator[Heliograph]:
    """The demo, running, with its simulated carrier bound."""
    carrier = demo.Carrier()
    await carrier.start("127.0.0.1:0")
    config = configure(tmp_path, environ)
    heliograph = await build(config)
    await demo.prepare(heliograph.db, Secrets.open(config.data), config.demo, carrier.address, clock_ms())
    await heliograph.open()
    await heliograph.listen(free=True)
    stop = asyncio.Event()
    running = asyncio.create_task(heliograph.run(stop))
    try:
        await until(lambda: any(line.links.up for line in heliograph.dispatcher.lines.values()))
        yield heliograph
    finally:
        stop.set()
        await running
        await carrier.stop()


@asynccontextmanager
async def opened(tmp_path: Path, environ: dict[str, str] | None = None) -> AsyncIterator[Heliograph]:
    """An installation whose loops do not run."""
    heliograph = await build(configure(tmp_path, environ))
    await heliograph.open()
    try:
        yield heliograph
    finally:
        await heliograph.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


async def ask(heliograph: Heliograph, path: str, client: str = "127.0.0.1", method: str = "GET") -> Response:
    answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    heliograph.probes(Request(method, path, client=client), answer.set_result)
    found = await asyncio.wait_for(answer, 10)
    assert isinstance(found, Response)
    return found


async def get(address: tuple[str, int], target: str) -> tuple[int, str]:
    """One request over a socket."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
    text = (await asyncio.wait_for(reader.read(-1), 10)).decode()
    writer.close()
    return int(text.split(" ", 2)[1]), text.partition("\r\n\r\n")[2]


def parse(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Samples by name and label values."""
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}
