"""Addresses that no callback may reach, names that lead to them, and the memory of names."""

import asyncio
import threading
import time
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
from tests.callbacks.receivers import ask, opened, receive

from heliograph.callbacks.addresses import Resolver, look_up_name, refusal
from heliograph.callbacks.targets import parse_target

Run = Callable[[Any], Any]

CLOSED = {
    "this network": "0.0.0.0 0.1.2.3",
    "private": "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.1 ::ffff:10.1.2.3 64:ff9b::10.1.2.3 fc00::1 fd00:ec2::254",
    "shared with carriers": "100.64.0.0 100.100.100.200 100.127.255.255",
    "loopback": "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1",
    "link-local": "169.254.169.254 ::ffff:a9fe:a9fe 64:ff9b::169.254.169.254 fe80::1 febf::1 fe80::1%1",
    "a cloud's host service": "168.63.129.16",
    "documentation": "192.0.2.1 198.51.100.1 203.0.113.255 2001:db8::1 3fff::1",
    "benchmarking": "198.18.0.1 198.19.255.255",
    "multicast": "224.0.0.1 239.255.255.255 ff02::1 ff0e::1",
    "reserved": "192.0.0.192 192.88.99.1 240.0.0.1 255.255.255.255 2001::1 2001:10::1 2001:20::1 100::1 64:ff9b:1::1 ::7f00:1 fec0::1 4000::1",
    "unspecified": "::",
    "6to4": "2002:7f00:1::",
}
PUBLIC = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 172.15.255.255 172.32.0.0 192.167.255.255 223.255.255.255 2606:4700::1111 2a00:1450::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2001:200::1"


@pytest.mark.parametrize(
    ("address", "what"), [(item, what) for what, items in CLOSED.items() for item in items.split()]
)
def test_special_address_is_refused(address: str, what: str) -> None:
    """A customer types the address: it must not lead into the operator's own network or his cloud's keys."""
    assert refusal(address) == what


@pytest.mark.parametrize("address", PUBLIC.split())
def test_public_address_is_permitted(address: str) -> None:
    """The neighbours of every closed range are customers."""
    assert refusal(address) == ""


def test_operator_may_permit_a_network() -> None:
    """A handler in the operator's own network is his decision, in whatever form its address is written."""
    allow = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert [refusal(item, allow) for item in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1")] == ["", "", ""]
    assert refusal("10.2.0.1", allow) == "private"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_loopback_is_refused_however_it_is_written(run: Run, host: str) -> None:
    """The address is judged after the name was looked up, so spelling and names cannot hide it."""

    async def main() -> None:
        async with receive() as server, opened(allow=()) as client:
            answer = await ask(client, server.target(host=host))
            assert answer.status == 0
            assert answer.error.startswith("address not allowed: ")
            assert (server.connections, client.in_flight) == (0, 0)

    run(main())


def test_ipv6_literal_is_reached(run: Run) -> None:
    """Handlers on IPv6 exist, without a name as well."""

    async def main() -> None:
        async with receive(host="::1") as server, opened() as client:
            assert (await ask(client, server.target(host="[::1]"))).status == 200
            assert b"\r\nHost: [::1]:%d\r\n" % server.port in server.requests[0]

    run(main())


class Names:
    """Answers with these addresses for every name: no name server of a test could do that on loopback."""

    def __init__(self, *found: str) -> None:
        self.found = found
        self.asked = 0

    def look_up(self, host: str) -> tuple[str, ...]:
        self.asked += 1
        return self.found

    def resolver(self) -> Resolver:
        """One that asks again for every connection."""
        return Resolver(kept_s=0, failed_s=0, look_up=self.look_up)


def test_forbidden_addresses_of_a_name_are_left_out(run: Run) -> None:
    """A name may have a public and a private address; only the public one is called."""

    async def main() -> None:
        names = Names("10.0.0.1", "127.0.0.1")
        async with receive() as server, opened(resolver=names.resolver()) as client:
            assert (await ask(client, server.target(host="two.example"))).status == 200
            assert b"\r\nHost: two.example:" in server.requests[0]

    run(main())


def test_next_address_is_tried(run: Run) -> None:
    """One server of a pair is down."""

    async def main() -> None:
        async with receive() as server, opened(resolver=Names("127.0.0.77", "127.0.0.1").resolver()) as client:
            assert (await ask(client, server.target(host="pair.example"))).status == 200

    run(main())


def test_every_connection_is_checked_again(run: Run) -> None:
    """A name that answers with a public address first and a private one later gets no second connection (rebinding)."""

    async def main() -> None:
        names = Names("127.0.0.1")
        async with receive() as server, opened(resolver=names.resolver(), age_s=0) as client:
            assert (await ask(client, server.target(host="rebind.example"))).status == 200
            names.found = ("192.168.0.1",)
            answer = await ask(client, server.target(host="rebind.example"))
            assert (answer.status, answer.error) == (0, "address not allowed: 192.168.0.1 (private)")
            assert names.asked == 2

    run(main())


def test_name_that_does_not_exist_is_an_answer(run: Run) -> None:
    """A typing mistake in the address is shown as such (`.invalid` never exists: RFC 6761)."""

    async def main() -> None:
        async with opened() as client:
            answer = await ask(client, parse_target("http://nobody.invalid/"))
            assert (answer.status, answer.error) == (0, "the host's name was not found")

    run(main())


def test_name_is_asked_once_and_remembered(run: Run) -> None:
    """A thousand callbacks to one host are one look-up; a failure is remembered for a shorter time."""
    asked: list[str] = []

    def look_up(host: str) -> tuple[str, ...]:
        asked.append(host)
        time.sleep(0.02)
        return ("192.0.2.1",) if host == "known.example" else ()

    async def main() -> None:
        resolver = Resolver(kept_s=60, failed_s=0, look_up=look_up)
        try:
            found = await asyncio.gather(*(resolver.find("known.example") for _ in range(5)))
            assert found == [("192.0.2.1",)] * 5
            assert await resolver.find("known.example") == ("192.0.2.1",)
            assert asked == ["known.example"]
            for _ in range(2):
                assert await resolver.find("unknown.example") == ()
            assert len(asked) == 3
        finally:
            await resolver.close()

    run(main())


def test_slow_name_holds_no_other(run: Run) -> None:
    """Twenty dead name servers at once, and the twenty-first customer is still called."""
    release = threading.Event()

    def look_up(host: str) -> tuple[str, ...]:
        if host.startswith("dead"):
            release.wait()
            return ()
        return look_up_name(host)

    async def main() -> None:
        async with receive() as server, opened(resolver=Resolver(look_up=look_up)) as client:
            dead = [asyncio.create_task(ask(client, parse_target(f"http://dead{n}.example/"))) for n in range(20)]
            try:
                await asyncio.sleep(0)
                assert (await ask(client, server.target(host="localhost"))).status == 200
                assert client.in_flight == 20
            finally:
                release.set()
            assert {answer.error for answer in await asyncio.gather(*dead)} == {"the host's name was not found"}

    run(main())


def test_slow_name_is_bounded(run: Run) -> None:
    """A name server that does not answer counts into the time for connecting."""
    release = threading.Event()

    def look_up(host: str) -> tuple[str, ...]:
        release.wait()
        return ()

    async def main() -> None:
        async with opened(resolver=Resolver(look_up=look_up), connect_s=0.05) as client:
            try:
                answer = await ask(client, parse_target("http://dead.example/"))
                assert (answer.status, answer.error) == (0, "no connection within 0.05 s")
            finally:
                release.set()

    run(main())
