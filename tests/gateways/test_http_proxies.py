"""The client's address behind reverse proxies."""

import asyncio
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.api.request import Reply, Request, plain
from heliograph.gateways.http import HttpDoor
from heliograph.gateways.proxies import TrustedProxies

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("headers", "client", "secure"),
    [
        ({}, "10.0.0.1", False),
        ({b"x-forwarded-for": b"198.51.100.7"}, "198.51.100.7", False),
        # What the client wrote itself stands to the left of what the proxy saw.
        ({b"x-forwarded-for": b"1.2.3.4, 198.51.100.7"}, "198.51.100.7", False),
        ({b"x-forwarded-for": b"1.2.3.4, 198.51.100.7, 10.1.1.1"}, "198.51.100.7", False),
        ({b"x-forwarded-for": b"10.1.1.2,10.1.1.1"}, "10.1.1.2", False),
        ({b"x-forwarded-for": b"1.2.3.4, unknown, 10.1.1.1"}, "10.1.1.1", False),
        ({b"x-forwarded-for": b"nonsense"}, "10.0.0.1", False),
        ({b"x-forwarded-for": b""}, "10.0.0.1", False),
        ({b"x-forwarded-for": b"198.51.100.7:4711"}, "198.51.100.7", False),
        ({b"x-forwarded-for": b"2001:DB8::7"}, "2001:db8::7", False),
        ({b"x-forwarded-for": b"[2001:db8::7]:4711"}, "2001:db8::7", False),
        ({b"x-forwarded-for": b"::ffff:198.51.100.7"}, "198.51.100.7", False),
        ({b"x-forwarded-for": b"198.51.100.7, fd00::1"}, "198.51.100.7", False),
        ({b"x-forwarded-proto": b"https"}, "10.0.0.1", True),
        ({b"x-forwarded-proto": b"https, HTTP"}, "10.0.0.1", False),
        ({b"forwarded": b"for=198.51.100.7;proto=https"}, "198.51.100.7", True),
        ({b"forwarded": b'for=1.2.3.4, for="[2001:db8::7]:4711";by=10.0.0.1'}, "2001:db8::7", False),
        ({b"forwarded": b"for=_hidden, For=10.1.1.1"}, "10.1.1.1", False),
        ({b"x-forwarded-for": b"198.51.100.7", b"forwarded": b"for=1.2.3.4"}, "198.51.100.7", False),
    ],
)
def test_right_most_untrusted_address_is_the_client(headers: dict[bytes, bytes], client: str, secure: bool) -> None:
    """A client can write anything to the left of it and nothing to the right."""
    assert PROXIES.resolve("10.0.0.1", False, headers) == (client, secure)


def test_secure_proxy_connection_stays_secure_without_a_header() -> None:
    """The proxy that speaks TLS to us and says nothing has no plain client."""
    assert PROXIES.resolve("10.0.0.1", True, {}) == ("10.0.0.1", True)
    assert PROXIES.resolve("10.0.0.1", True, {b"x-forwarded-proto": b"http"}) == ("10.0.0.1", False)


@settings(deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=20))
def test_no_header_raises(listed: bytes, forwarded: bytes, proto: bytes) -> None:
    """The headers come from outside, whoever sends them."""
    client, _ = PROXIES.resolve("10.0.0.1", False, {b"forwarded": forwarded, b"x-forwarded-proto": proto})
    assert client
    client, _ = PROXIES.resolve("10.0.0.1", False, {b"x-forwarded-for": listed})
    assert client


@pytest.mark.parametrize(
    ("trusted", "seen"), [([], ("127.0.0.1", False)), ([ip_network("127.0.0.0/8")], ("198.51.100.7", True))]
)
def test_only_a_trusted_peer_is_believed(trusted: list[object], seen: tuple[str, bool]) -> None:
    """Otherwise anybody could sign in from an address of the allow-list."""
    requests: list[Request] = []

    def app(request: Request, reply: Reply) -> None:
        requests.append(request)
        reply(plain("ok"))

    async def dialogue() -> None:
        door = HttpDoor(app, trusted=trusted)  # type: ignore[arg-type]
        host, port = await door.start("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(
            b"GET / HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 198.51.100.7\r\n"
            b"X-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
        )
        await reader.read()
        writer.close()
        await door.stop(1)

    asyncio.run(dialogue())
    assert (requests[0].client, requests[0].secure) == seen
