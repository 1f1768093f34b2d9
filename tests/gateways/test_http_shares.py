"""Clients that hold what they can: slow senders, many connections, handshakes that never end; over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.gateways.test_http_tls import trusting, write_pair

from heliograph.api.request import Reply, Request, plain
from heliograph.gateways.http import HttpDoor, Limits
from heliograph.gateways.http_reader import RequestReader
from heliograph.gateways.tls import Certificate

Runner = Callable[[Coroutine[Any, Any, None]], None]
GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
QUICK = Limits(sweep_s=0.01, linger_s=0.5)


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Runner:
    """Runs a dialogue on each of the loops."""
    return uvloop.run if request.param == "uvloop" else asyncio.run


def app(request: Request, reply: Reply) -> None:
    """Says who the client is."""
    reply(plain(f"{request.client} {len(request.body)}"))


class Peer:
    """A client's socket, from an address of its own in 127.0.0.0/8."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, data: bytes = GET) -> tuple[int, bytes]:
        self.writer.write(data)
        return await self.answer()

    async def answer(self) -> tuple[int, bytes]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return int(head.split()[1]), await self.reader.readexactly(length)

    async def ended(self) -> bool:
        """Waits for the other side's end."""
        try:
            await self.reader.read()
        except ConnectionError:
            pass
        return True


class House:
    """An open door and the peers at it."""

    def __init__(self, door: HttpDoor, address: tuple[str, int]) -> None:
        self.door, self.address = door, address
        self.peers: list[Peer] = []

    async def come(self, source: str = "127.0.0.1") -> Peer:
        reader, writer = await asyncio.open_connection(*self.address, local_addr=(source, 0))
        self.peers.append(Peer(reader, writer))
        return self.peers[-1]

    async def shows(self, **stats: int) -> None:
        """Waits until the door's figures are these."""
        async with asyncio.timeout(10):
            while any(self.door.stats()[name] != value for name, value in stats.items()):
                await asyncio.sleep(0.005)


@asynccontextmanager
async def house(tls: Certificate | None = None, **settings: Any) -> AsyncIterator[House]:
    door = HttpDoor(app, **{"limits": QUICK, **settings})
    made = House(door, await door.start("127.0.0.1", 0, tls))
    try:
        async with asyncio.timeout(20):
            yield made
    finally:
        for peer in made.peers:
            peer.writer.close()
        await door.stop(0.2)
    assert door.stats()["connections"] == door.stats()["receiving"] == len(door.shares) == len(door.large) == 0


def test_one_address_cannot_hold_all_connections(run: Runner) -> None:
    """Whoever opens connections and says nothing fills his own share; others find the door open, and so does he again."""

    async def story() -> None:
        async with house(max_per_client=3, max_connections=100) as h:
            silent = [await h.come("127.0.0.2") for _ in range(3)]
            refused = await h.come("127.0.0.2")
            assert (await refused.answer())[0] == 503 and await refused.ended()
            assert (await (await h.come("127.0.0.3")).ask())[0] == 200
            silent[0].writer.close()
            await h.shows(connections=3)
            assert (await (await h.come("127.0.0.2")).ask())[0] == 200
            assert h.door.stats()["turned_away"] == 1

    run(story())


def test_clients_behind_a_trusted_proxy_are_counted_each(run: Runner) -> None:
    """The proxy holds many connections, for all its clients; one of them who holds too many is refused alone."""

    def body(client: str, length: int) -> bytes:
        return b"POST /a HTTP/1.1\r\nX-Forwarded-For: %b\r\nContent-Length: %d\r\n\r\n" % (client.encode(), length)

    async def story() -> None:
        async with house(max_per_client=2, trusted=[ip_network("127.0.0.0/8")]) as h:
            slow = [await h.come() for _ in range(2)]
            for peer in slow:
                peer.writer.write(body("192.0.2.1", 9) + b"a")
            await h.shows(receiving=2)
            third = await h.come()
            assert (await third.ask(body("192.0.2.1", 1) + b"a"))[0] == 503
            other = await h.come()
            for client in ("192.0.2.2", "192.0.2.3", "2001:db8::1"):
                assert await other.ask(body(client, 1) + b"a") == (200, f"{client} 1".encode())
            assert [(await (await h.come()).ask())[0] for _ in range(5)] == [200] * 5, "of the proxy itself"
            slow[0].writer.write(b"bcdefghi")
            assert (await slow[0].answer())[0] == 200
            assert (await slow[0].ask(body("192.0.2.4", 1) + b"a"))[0] == 200, "now it is of another client"
            again = await h.come()
            assert (await again.ask(body("192.0.2.1", 1) + b"a"))[0] == 200
            assert h.door.stats()["turned_away"] == 1

    run(story())


def test_head_in_drops_has_one_deadline(run: Runner) -> None:
    """A byte now and then must not put the end off."""

    async def story() -> None:
        async with house(limits=Limits(sweep_s=0.01, head_s=0.1, linger_s=0.5)) as h:
            peer = await h.come()
            peer.writer.write(b"GET /a HTTP/1.1\r\n")
            while not peer.reader._buffer:  # type: ignore[attr-defined]
                peer.writer.write(b"X: y\r\n")
                await asyncio.sleep(0.01)
            assert (await peer.answer())[0] == 408
            assert h.door.stats()["timed_out"] == 1

    run(story())


def test_body_in_drops_has_an_end(run: Runner) -> None:
    """One that is never quite still, but too slow on the whole, is ended too."""

    async def story() -> None:
        limits = Limits(sweep_s=0.01, body_s=0.1, body_progress=1, body_rate=1_000_000, linger_s=0.5)
        async with house(limits=limits) as h:
            peer = await h.come()
            peer.writer.write(b"POST /a HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
            while not peer.reader._buffer:  # type: ignore[attr-defined]
                peer.writer.write(b"x" * 100)
                await asyncio.sleep(0.005)
            assert (await peer.answer())[0] == 408

    run(story())


def test_rate_of_a_body_is_that_of_all_of_it() -> None:
    """Seconds and bytes by hand: 60 seconds are free, then 4096 bytes a second, and 16 KiB in every 60 seconds."""
    limits = Limits(body_s=60, body_rate=4096)

    def reader(seconds: float, size: int) -> bool:
        door = HttpDoor(app)
        made = RequestReader(door, "192.0.2.1", False, False)
        made.feed(b"POST /a HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n" + b"x" * size)
        slow = made.lags(seconds, limits)
        made.close()
        assert door.receiving == len(door.large) == 0
        return slow

    assert not reader(60, 0)
    assert reader(61, 16 * 1024 - 1)
    assert not reader(64, 16 * 1024)
    assert reader(65, 16 * 1024)
    assert not reader(60 + 250, 250 * 4096)
    assert reader(60 + 251, 250 * 4096)


def test_stopped_body_does_not_live_on_its_beginning() -> None:
    """What came fast at first is no credit for silence later."""
    door = HttpDoor(app)
    made = RequestReader(door, "192.0.2.1", False, False)
    made.feed(b"POST /a HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 8_000_000)
    limits = Limits(body_s=60)
    assert not made.lags(61, limits)
    assert not made.lags(121, limits)
    assert made.lags(122, limits)
    made.close()


def test_one_client_cannot_hold_all_memory_for_bodies(run: Runner) -> None:
    """A quarter of what is set aside for bodies is the most of one client; another's body is still taken."""

    async def story() -> None:
        async with house(max_receiving=4_000_000, max_body=900_000) as h:
            greedy = [await h.come("127.0.0.2") for _ in range(2)]
            for peer in greedy:
                peer.writer.write(b"POST /a HTTP/1.1\r\nContent-Length: 800000\r\n\r\n" + b"x" * 499_000)
                await peer.writer.drain()
            await h.shows(receiving=998_000)
            greedy[0].writer.write(b"x" * 250_000)
            assert (await greedy[0].answer())[0] == 503
            other = await h.come("127.0.0.3")
            whole = b"POST /a HTTP/1.1\r\nContent-Length: 800000\r\n\r\n" + b"x" * 800_000
            assert await other.ask(whole) == (200, b"127.0.0.3 800000")
            greedy[1].writer.write(b"x" * 301_000)
            assert await greedy[1].answer() == (200, b"127.0.0.2 800000"), "the first one's share is free again"

    run(story())


def test_silent_connections_go_sooner_when_the_door_is_nearly_full(run: Runner) -> None:
    """Many addresses with a few silent connections each would shut it for everybody for as long as those are kept."""

    async def story() -> None:
        limits = Limits(sweep_s=0.01, idle_s=60, crowded_idle_s=0.05, linger_s=0.5)
        async with house(limits=limits, max_connections=10) as h:
            for number in range(9):
                assert (await (await h.come(f"127.0.0.{number + 2}")).ask())[0] == 200
            assert await h.peers[0].ended()
            await h.shows(timed_out=9)
            kept = await h.come()
            for _ in range(20):
                assert (await kept.ask())[0] == 200
                await asyncio.sleep(0.01)

    run(story())


def test_unfinished_handshakes_are_counted_and_ended(run: Runner, tmp_path: Path) -> None:
    """A TLS connection costs its client nothing before the handshake; it must count from its first moment."""

    async def story() -> None:
        limits = Limits(sweep_s=0.01, head_s=0.3, linger_s=0.5)
        async with house(Certificate(*write_pair(tmp_path, "x")), max_per_client=3, limits=limits) as h:
            silent = [await h.come("127.0.0.2") for _ in range(3)]
            silent[1].writer.write(b"\x16\x03\x01\x02\x00\x01")
            await h.shows(connections=3)
            assert await (await h.come("127.0.0.2")).ended()
            reader, writer = await asyncio.open_connection(*h.address, local_addr=("127.0.0.3", 0), ssl=trusting())
            h.peers.append(Peer(reader, writer))
            assert await h.peers[-1].ask() == (200, b"127.0.0.3 0")
            await h.shows(turned_away=1, connections=4)
            for peer in silent:
                assert await peer.ended()
            await h.shows(connections=1)
            assert h.door.stats()["timed_out"] == 3
            assert (await h.peers[-1].ask())[0] == 200

    run(story())


def test_handshakes_under_way_do_not_hold_up_the_stop(run: Runner, tmp_path: Path) -> None:
    """Nobody waits for an answer in them."""

    async def story() -> None:
        async with house(Certificate(*write_pair(tmp_path, "x"))) as h:
            await h.come()
            await h.shows(connections=1)
            await h.door.stop(15)
            assert h.door.stats()["connections"] == 0

    run(story())


def test_tls_port_in_use_is_an_os_error(run: Runner, tmp_path: Path) -> None:
    """The operator is told which one it was."""

    async def story() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            door = HttpDoor(app)
            with pytest.raises(OSError):
                await door.start("127.0.0.1", taken.getsockname()[1], Certificate(*write_pair(tmp_path, "x")))
            await door.stop(0)

    run(story())
