"""Registering at trunks that are content, that refuse, and that want more (RFC 3261, section 10; RFC 7616)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from tests.gateways.sip_house import Owner, compose, opened, until

from heliograph.gateways import sip_registration
from heliograph.gateways.sip import SipDoor
from heliograph.wire.sip.digest import Guard, Verdict
from heliograph.wire.sip.framing import Framer
from heliograph.wire.sip.messages import Request, Response, encode, parse
from heliograph.wire.sip.registrar import mask_registrar, parse_registrar

Script = Callable[[Request, int], tuple[int, dict[str, str]] | None]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_registration, "FIRST_S", 0.02)
    monkeypatch.setattr(sip_registration, "DENIED_S", 0.03)


class Trunk(asyncio.DatagramProtocol):
    """A registrar over UDP: `script(request, number)` gives status and headers, None for silence."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Request] = []
        self.pings = 0
        self.place: Any = None
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.place = addr
        if not data.strip():
            self.pings += 1
            return
        message = parse(data)
        if isinstance(message, Request):
            self.asked.append(message)
            said = self.script(message, len(self.asked))
            if said is not None:
                self.transport.sendto(answer(message, *said), addr)


def answer(request: Request, status: int, headers: dict[str, str]) -> bytes:
    kept = [each for each in request.headers if each[0] in ("Via", "From", "To", "Call-ID", "CSeq")]
    return encode(Response(status=status, reason="Said", headers=(*kept, *headers.items())))


def register(script: Script, work: Callable[[SipDoor, Trunk], Any], params: str = "", **settings: Any) -> Trunk:
    """A door registered (or not) at a trunk with this script."""

    async def whole() -> Trunk:
        transport, trunk = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Trunk(script), local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        registrar = parse_registrar(f"sip:74951234567:secret@127.0.0.1:{port}{params}")
        async with opened(Owner(), registrars=(registrar,), **settings) as door:
            await work(door, trunk)
        transport.close()
        return trunk

    found: Trunk = uvloop.run(whole())
    return found


async def registered(door: SipDoor, trunk: Trunk) -> None:
    await until(lambda: door.stats()["registered"])


@pytest.mark.parametrize(
    ("status", "asked", "answered"),
    [(401, "WWW-Authenticate", "Authorization"), (407, "Proxy-Authenticate", "Proxy-Authorization")],
)
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_password_is_sent_when_asked(status: int, asked: str, answered: str, algorithm: str) -> None:
    """By the registrar or a proxy before it; and never in the clear."""
    guard = Guard(b"k" * 32, "trunk", {"74951234567": "secret"}, (algorithm,))

    def script(request: Request, number: int) -> tuple[int, dict[str, str]]:
        if guard.judge("REGISTER", request.all(answered), 1)[0] is Verdict.GOOD:
            return 200, {"Contact": f"{request.get('Contact')};expires=300, <sip:x@h>;expires=9"}
        return status, {asked: guard.challenge(1)[0]}

    async def work(door: SipDoor, trunk: Trunk) -> None:
        await registered(door, trunk)
        assert door.registrations()[0].expires_s == 300

    trunk = register(script, work)
    assert [each.get("Expires") for each in trunk.asked] == ["600", "600", "0"]
    assert [each.cseq.number for each in trunk.asked] == [1, 2, 3] and len({each.call_id for each in trunk.asked}) == 1
    assert not any("secret" in value for each in trunk.asked for _, value in each.headers)


def test_proxy_and_registrar_may_both_ask() -> None:
    """Each has its nonce, and both answers go out together (RFC 3261, section 22.3); else it would look like a wrong password."""
    proxy = Guard(b"p" * 32, "proxy", {"74951234567": "secret"}, ("MD5",))
    guard = Guard(b"k" * 32, "trunk", {"74951234567": "secret"}, ("MD5",))

    def script(request: Request, number: int) -> tuple[int, dict[str, str]]:
        if proxy.judge("REGISTER", request.all("Proxy-Authorization"), 1)[0] is not Verdict.GOOD:
            return 407, {"Proxy-Authenticate": proxy.challenge(1)[0]}
        if guard.judge("REGISTER", request.all("Authorization"), 1)[0] is not Verdict.GOOD:
            return 401, {"WWW-Authenticate": guard.challenge(1)[0]}
        return 200, {}

    trunk = register(script, registered)
    assert [each.get("Expires") for each in trunk.asked] == ["600", "600", "600", "0"]


def test_wrong_password_is_not_tried_without_end() -> None:
    """Once without it, once with it, then a pause: trunks ban who goes on. The reason is there to be read."""

    def script(request: Request, number: int) -> tuple[int, dict[str, str]]:
        return 401, {"WWW-Authenticate": f'Digest realm="r", nonce="{number}", qop="auth"'}

    async def work(door: SipDoor, trunk: Trunk) -> None:
        await until(lambda: door.registrations()[0].failures == 2)
        state = door.registrations()[0]
        assert (state.registered, state.reason) == (False, "the password is not taken")

    trunk = register(script, work)
    sent = [each.get("Authorization") is not None for each in trunk.asked]
    assert sent[:4] == [False, True, False, True] and not any(each.get("Expires") == "0" for each in trunk.asked)


def test_stale_nonce_is_renewed() -> None:
    """A trunk's nonces grow old between two registrations; that is no wrong password."""

    def script(request: Request, number: int) -> tuple[int, dict[str, str]]:
        stale = ", stale=true" if number > 1 else ""
        fresh = f'nonce="{number - 1}"' in (request.get("Authorization") or "")
        if fresh and number == 3:
            return 200, {}
        return 401, {"WWW-Authenticate": f'Digest realm="r", nonce="{number}", qop="auth"{stale}'}

    register(script, registered)


def test_longer_time_is_taken_when_the_trunk_wants_it() -> None:
    """423 with Min-Expires (section 10.2.8)."""

    def script(request: Request, number: int) -> tuple[int, dict[str, str]]:
        return (200, {}) if request.get("Expires") in ("1800", "0") else (423, {"Min-Expires": "1800"})

    async def work(door: SipDoor, trunk: Trunk) -> None:
        await registered(door, trunk)
        assert door.registrations()[0].expires_s == 1800

    register(script, work)


def test_silent_trunk_is_asked_again_and_again() -> None:
    """Lost requests are repeated (timer E), and after timer F there is a pause and a new try."""

    def script(request: Request, number: int) -> tuple[int, dict[str, str]] | None:
        return (200, {}) if request.cseq.number > 1 else None

    async def work(door: SipDoor, trunk: Trunk) -> None:
        await registered(door, trunk)
        assert sum(each.cseq.number == 1 for each in trunk.asked) > 3

    register(script, work)


def test_refusal_is_shown_and_tried_again() -> None:
    """What a trunk says stands in the figures until it has changed its mind."""
    reasons = []

    def script(request: Request, number: int) -> tuple[int, dict[str, str]]:
        return (200, {}) if number > 2 else (503, {"Retry-After": "0"})

    async def work(door: SipDoor, trunk: Trunk) -> None:
        await until(lambda: door.registrations()[0].reason)
        reasons.append(door.registrations()[0].reason)
        await registered(door, trunk)
        assert door.registrations()[0].reason == ""

    register(script, work)
    assert reasons == ["503 Said"]


def test_trunk_that_grants_no_time_is_not_asked_without_end() -> None:
    """200 with Expires: 0 would otherwise be renewed at once, and again, and again."""

    def script(request: Request, number: int) -> tuple[int, dict[str, str]]:
        return 200, {"Expires": "0"}

    async def work(door: SipDoor, trunk: Trunk) -> None:
        await until(lambda: door.registrations()[0].reason == "registered for no time")

    register(script, work)


def test_call_comes_over_the_registered_socket_and_nat_is_kept_open() -> None:
    """The registrar calls where REGISTER came from; signs of life keep the way open; the contact is as configured."""

    def script(request: Request, number: int) -> tuple[int, dict[str, str]]:
        return 200, {}

    async def work(door: SipDoor, trunk: Trunk) -> None:
        await registered(door, trunk)
        trunk.transport.sendto(compose(), trunk.place)
        await until(lambda: door.stats()["expected"] == 1)
        await until(lambda: trunk.pings)

    trunk = register(script, work, ";contact=office;address=203.0.113.5:5070;login=me", keepalive_s=0.05)
    assert trunk.asked[0].get("Contact") == "<sip:office@203.0.113.5:5070>"


def test_lost_connection_is_made_anew() -> None:
    """Over TCP calls come on the connection that registered: without it nobody could call."""

    async def whole() -> None:
        seen: list[Request] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            framer = Framer()
            while data := await reader.read(1000):
                framer.feed(data)
                while (cut := framer.cut()) is not None:
                    request = parse(cut)
                    assert isinstance(request, Request)
                    seen.append(request)
                    writer.write(answer(request, 200, {}))
                if len(seen) == 1:
                    break
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        registrar = parse_registrar(f"sip:me:secret@localhost.invalid;proxy=127.0.0.1:{port};transport=tcp")
        async with opened(Owner(), registrars=(registrar,), silent=True, peers=()) as door:
            await until(lambda: len(seen) == 2 and door.stats()["registered"])
        assert [each.get("Expires") for each in seen] == ["600", "600", "0"]
        assert seen[0].uri == "sip:localhost.invalid" and seen[0].via.transport == "TCP"
        server.close()

    uvloop.run(whole())


def test_trunk_that_is_not_there_is_a_reason_and_no_traceback() -> None:
    """Names that do not resolve, ports where nobody listens."""

    async def whole() -> None:
        registrar = parse_registrar("sip:me:secret@127.0.0.1:1;transport=tcp")
        async with opened(Owner(), registrars=(registrar,)) as door:
            await until(lambda: door.registrations()[0].failures > 1)
            assert "refused" in door.registrations()[0].reason

    uvloop.run(whole())


def test_registration_is_shown_without_its_password() -> None:
    """As the configuration is printed."""
    assert mask_registrar("sip:me:a:b@trunk;expires=60") == "sip:me:***@trunk;expires=60"
    assert parse_registrar("sip:me:a%40%3A@trunk").password == "a@:"
