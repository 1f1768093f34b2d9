"""Strangers at the SIP door: who is let in, who is answered, and how much (RFC 3261, sections 22 and 26)."""

import asyncio
import random
import socket
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest
import uvloop
from tests.gateways.sip_house import Owner, Phone, acknowledge, calling, compose, connected, opened, place_of, until

from heliograph.gateways.sip import SipDoor
from heliograph.gateways.sip_peers import BURST, Allowance
from heliograph.wire.sip.digest import choose_challenge, write_answer
from heliograph.wire.sip.messages import Response
from heliograph.wire.sip.transactions import Timing

ELSEWHERE = (ip_network("192.0.2.0/24"),)
USERS = {"pbx": "secret"}
SLOW = Timing(t1_ms=10_000, t2_ms=40_000)  # nothing is repeated while a test lasts


def talk(owner: Owner, work: Callable[[SipDoor, Phone], Any], **settings: Any) -> None:
    """A door that does not know loopback, and a telephone there."""

    async def whole() -> None:
        async with opened(owner, **{"peers": ELSEWHERE, **settings}) as door, calling(door) as phone:
            await work(door, phone)

    uvloop.run(whole())


def login(answer: Response, nc: int = 1, password: str = "secret", **changes: str) -> bytes:
    """The INVITE again, with a password."""
    challenge = choose_challenge(answer.all("WWW-Authenticate"))
    assert challenge is not None
    value = write_answer(challenge, "pbx", password, "INVITE", "sip:x", nc=nc, cnonce="c")
    return compose(
        **{
            "Via": f"SIP/2.0/UDP h;rport;branch=z9hG4bKl{nc}",
            "CSeq": f"{nc + 1} INVITE",
            "Authorization": value,
            **changes,
        }
    )


async def quiet(door: SipDoor, phone: Phone, received: int) -> None:
    """Nothing is answered to what was sent."""
    await until(lambda: door.stats()["received"] == received)
    await asyncio.sleep(0.01)
    assert phone.heard.empty()


def test_stranger_is_refused_once_and_nothing_is_remembered() -> None:
    """403, not repeated although no ACK comes; the owner hears nothing."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose(Subject="x" * 60))
        refused = await phone.answer()
        assert refused.status == 403 and refused.to.tag
        phone.send(acknowledge(refused))
        await quiet(door, phone, 2)
        assert not owner.calls and door.stats()["transactions"] == 0

    talk(owner, work)


def test_stranger_hears_nothing_when_so_set() -> None:
    """A scanner that gets no answer does not come again."""

    async def work(door: SipDoor, phone: Phone) -> None:
        for method in ("INVITE", "OPTIONS", "REGISTER", "CANCEL", "BYE", "ACK"):
            phone.send(compose(method, Subject="x" * 60))
        phone.send(b"garbage")
        await quiet(door, phone, 7)
        reader, writer = await asyncio.open_connection(*place_of(door, "tcp"))
        assert await reader.read() == b""
        writer.close()
        assert door.stats()["turned_away"] == 1

    talk(Owner(), work, silent=True)


def test_nobody_gets_more_bytes_than_were_sent_in_his_name() -> None:
    """The sender of a datagram may have written somebody else's address: no answer is longer than its request, and
    what is no message is not answered at all."""

    async def work(door: SipDoor, phone: Phone) -> None:
        short = compose("OPTIONS").replace(b"Max-Forwards: 70\r\nContact", b"Contact")
        phone.send(short.replace(b"Contact: <sip:127.0.0.1>\r\n", b""))
        await quiet(door, phone, 1)
        for number in range(8):
            sent = compose("OPTIONS", Via=f"SIP/2.0/UDP h;rport;branch=z9hG4bK{number}", Subject="x" * 10 * number)
            phone.send(sent)
            await until(lambda expected=number + 2: door.stats()["received"] == expected)
            await asyncio.sleep(0.002)
            if not phone.heard.empty():
                assert len(await phone.raw()) <= len(sent)
        assert door.stats()["refused"] > 0
        phone.send(compose(Max_Forwards="x"))
        await quiet(door, phone, 10)

    talk(Owner(), work)


def test_strangers_answers_are_counted_by_address() -> None:
    """A flood of requests is not a flood of answers."""

    async def work(door: SipDoor, phone: Phone) -> None:
        for number in range(3 * BURST):
            phone.send(compose(Via=f"SIP/2.0/UDP h;rport;branch=z9hG4bK{number}"))
        await until(lambda: door.stats()["received"] == 3 * BURST)
        stats = door.stats()
        assert BURST <= stats["refused"] <= BURST + 5 and stats["refused"] + stats["silenced"] == 3 * BURST

    talk(Owner(), work, users=USERS)


def test_allowance_grows_again_and_forgets_the_oldest() -> None:
    """Twenty at once, then one a second; memory for so many addresses and no more."""
    allowance = Allowance(burst=2, rate_ms=1000, sources=3)
    assert [allowance.take("a", 0) for _ in range(3)] == [True, True, False]
    assert [allowance.take("a", ms) for ms in (999, 1000, 1001, 2000)] == [False, True, False, True]
    for source in "bcde":
        assert allowance.take(source, 2000)
    assert len(allowance) == 3


def test_password_opens_the_door() -> None:
    """401 first, then the call; the same nonce goes on with the next count, a repeated count does not."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        asked = await phone.answer()
        assert asked.status == 401
        phone.send(acknowledge(asked))
        phone.send(login(asked))
        assert await phone.statuses(2) == [100, 486]
        phone.send(login(asked, 2, Call_ID="call-2"))
        assert [(await phone.answer()).call_id for _ in "ab"] == ["call-2", "call-2"]
        phone.send(login(asked, 2, Call_ID="call-3", Via="SIP/2.0/UDP h;rport;branch=z9hG4bKreplay"))
        again = await phone.answer()
        stale = choose_challenge(again.all("WWW-Authenticate"))
        assert again.status == 401 and stale is not None and stale.stale
        assert [call.user for call in owner.calls] == ["pbx", "pbx"]

    talk(owner, work, users=USERS, algorithms=("SHA-256", "MD5"), timing=SLOW)


def test_wrong_password_is_asked_again_and_counted() -> None:
    """Nothing says whether the name was right."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        phone.send(login(await phone.answer(), password="other"))
        asked = await phone.answer()
        assert asked.status == 401 and "stale" not in (asked.get("WWW-Authenticate") or "")
        assert door.stats()["wrong_passwords"] == 1 and not owner.calls

    talk(owner, work, users=USERS)


def test_pbx_that_has_logged_in_is_not_counted() -> None:
    """Each call of a PBX takes a challenge; a busy one must not be taken for a scanner."""

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        phone.send(login(await phone.answer()))
        assert await phone.statuses(2) == [100, 486]
        for number in range(2 * BURST):
            phone.send(compose(Via=f"SIP/2.0/UDP h;rport;branch=z9hG4bK{number}", Call_ID=str(number)))
            assert await phone.statuses(1) == [401]

    talk(Owner(), work, users=USERS, timing=SLOW)


def test_another_peer_cannot_end_a_call() -> None:
    """Transactions belong to the address they came from: a CANCEL from another is of no call."""
    owner = Owner(None)

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        assert await phone.statuses(1) == [100]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.2", 0))
            other.connect(place_of(door))
            other.send(compose("CANCEL", Subject="x" * 60))
            other.settimeout(5)
            answer = await asyncio.get_running_loop().run_in_executor(None, other.recv, 2000)
        assert answer.startswith(b"SIP/2.0 403 ")
        owner.done[0](True)
        assert await phone.statuses(1) == [486]

    talk(owner, work, peers=(ip_network("127.0.0.1"),), timing=SLOW)


def test_connections_of_one_address_are_bounded() -> None:
    """One that is too many is closed at once, and what an old one held comes back."""

    async def work(door: SipDoor, phone: Phone) -> None:
        async with connected(door) as first, connected(door):
            await until(lambda: door.stats()["connections"] == 2)
            async with connected(door) as third:
                assert await third.reader.read() == b""
            first.writer.close()
            await until(lambda: door.stats()["connections"] == 1)
        async with connected(door) as next_one:
            await until(lambda: door.stats()["connections"] == 1)
            next_one.writer.write(compose("OPTIONS", Via="SIP/2.0/TCP h;branch=z9hG4bK1"))
            assert await next_one.statuses(1) == [403]

    talk(Owner(), work, connections_per_client=2)


def test_stream_without_end_is_cut() -> None:
    """64 kB without an end of the header is no SIP."""

    async def work(door: SipDoor, phone: Phone) -> None:
        async with connected(door) as line:
            line.writer.write(b"x" * 70_000)
            assert await line.reader.read() == b""
        assert door.stats()["malformed"] == 1

    talk(Owner(), work)


@pytest.mark.parametrize("allowed", [True, False])
def test_chance_leaves_the_door_standing(allowed: bool) -> None:
    """Thousands of broken requests, then a call: nothing failed, and the call is heard."""
    owner = Owner()
    chance = random.Random(7)

    async def work(door: SipDoor, phone: Phone) -> None:
        for number in range(1500):
            data = bytearray(compose(chance.choice(("INVITE", "CANCEL", "OPTIONS", "ACK")), Call_ID=f"c{number % 7}"))
            for _ in range(chance.randrange(6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            phone.send(bytes(data))
            if number % 50 == 0:
                await asyncio.sleep(0)
        await until(lambda: door.stats()["received"] == 1500)
        phone.send(compose(Call_ID="last", Via="SIP/2.0/UDP h;rport;branch=z9hG4bKlast"))
        await until(lambda: (owner.calls and owner.calls[-1].call_id == "last") or not allowed)
        assert door.stats()["failures"] == 0

    talk(owner, work, peers=(ip_network("127.0.0.0/8"),) if allowed else ELSEWHERE, timing=SLOW)
