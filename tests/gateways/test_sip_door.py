"""Dialogues with the SIP door over real sockets (RFC 3261, sections 8, 9, 17 and 18)."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from tests.gateways.sip_house import (
    LOOPBACK,
    Owner,
    Phone,
    acknowledge,
    calling,
    compose,
    connected,
    opened,
    place_of,
    until,
)

from heliograph.gateways.sip import SipDoor
from heliograph.gateways.sip_answers import Call
from heliograph.gateways.sip_settings import SipSettings, read_settings
from heliograph.sections import Sip
from heliograph.wire.sip.transactions import Timing

SLOW = Timing(t1_ms=10_000, t2_ms=40_000)  # nothing is repeated while a test lasts


def talk(owner: Callable[..., None], work: Callable[[SipDoor, Phone], Any], **settings: Any) -> None:
    """Opens a door and a telephone, and lets `work` use them."""

    async def whole() -> None:
        async with opened(owner, **{"timing": SLOW, **settings}) as door, calling(door) as phone:
            await work(door, phone)

    uvloop.run(whole())


def test_call_is_told_and_refused() -> None:
    """The whole of it: who called whom is known, the caller hears 100 and 486, and nothing was accepted."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose(Timestamp="54.21", Record_Route="<sip:p1;lr>, <sip:p2;lr>"))
        trying, busy = await phone.answer(), await phone.answer()
        assert (trying.status, trying.get("Timestamp"), trying.to.tag) == (100, "54.21", "")
        assert (busy.status, busy.reason, busy.call_id) == (486, "Busy Here", "call-1")
        assert busy.to.tag and busy.from_.tag == "a"
        assert busy.elements("Record-Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
        assert busy.get("Via") == f"SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1;received=127.0.0.1;rport={phone.port}"
        phone.send(acknowledge(busy))
        (call,) = owner.calls
        assert (call.caller, call.called, call.peer, call.call_id) == (
            "+79991234567",
            "74951234567",
            "127.0.0.1",
            "call-1",
        )
        assert (call.asserted, call.user) == (False, "") and abs(call.received_ms - door.clock_ms()) < 60_000

    talk(owner, work)


@pytest.mark.parametrize(
    ("says", "setting", "status"), [(True, {"answer": 603}, 603), (False, {}, 404), (False, {"unexpected": 603}, 603)]
)
def test_answer_is_as_set(says: bool, setting: dict[str, int], status: int) -> None:
    """Trunks differ in what they play to the caller for a code."""

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        assert await phone.statuses(2) == [100, status]

    talk(Owner(says), work, **setting)


def test_repeated_invite_is_one_call() -> None:
    """Over UDP an INVITE comes as often as it likes: before the answer it hears 100 again, after it the answer."""
    owner = Owner(None)

    async def work(door: SipDoor, phone: Phone) -> None:
        for _ in range(3):
            phone.send(compose())
        assert await phone.statuses(3) == [100, 100, 100]
        owner.done[0](True)
        phone.send(compose())
        assert await phone.statuses(2) == [486, 486]
        assert len(owner.calls) == 1

    talk(owner, work)


def test_lost_ack_brings_the_answer_again_until_it_comes() -> None:
    """Timer G repeats, an ACK ends it (timer I), and without one timer H does."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        answers = [await phone.answer() for _ in range(4)]
        assert [each.status for each in answers] == [100, 486, 486, 486]
        phone.send(acknowledge(answers[-1]))
        await until(lambda: door.stats()["transactions"] == 0)
        assert door.stats()["unacknowledged"] == 0
        phone.send(compose(Call_ID="call-2", Via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK2"))
        await until(lambda: door.stats()["unacknowledged"] == 1)
        assert door.stats()["transactions"] == 0 and len(owner.calls) == 2

    talk(owner, work, timing=Timing(t1_ms=20, t2_ms=80, t4_ms=20))


def test_cancel_ends_a_call_that_waits() -> None:
    """200 to the CANCEL, 487 to the INVITE with the same tag; what the owner says afterwards changes nothing."""
    owner = Owner(None)

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        assert await phone.statuses(1) == [100]
        for _ in range(2):
            phone.send(compose("CANCEL"))
        answers = [await phone.answer() for _ in range(3)]
        assert [(each.status, each.cseq.method) for each in answers] == [
            (200, "CANCEL"),
            (487, "INVITE"),
            (200, "CANCEL"),
        ]
        assert len({each.to.tag for each in answers}) == 1
        phone.send(acknowledge(answers[1]))
        owner.done[0](True)
        stats = door.stats()
        assert (stats["cancelled"], stats["late"], stats["expected"], stats["waiting"]) == (1, 1, 0, 0)

    talk(owner, work)


def test_cancel_after_the_answer_changes_nothing() -> None:
    """The race that is lost: the answer is on its way already (section 9.2)."""

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        phone.send(compose("CANCEL"))
        assert await phone.statuses(3) == [100, 486, 200]
        phone.send(compose("CANCEL", Via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKother"))
        assert await phone.statuses(1) == [481]

    talk(Owner(), work)


def test_forked_invite_is_merged() -> None:
    """The same call by another way is told once, and hears 482 (section 8.2.2.2)."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        assert await phone.statuses(2) == [100, 486]
        phone.send(compose(Via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKfork"))
        assert await phone.statuses(1) == [482]
        phone.send(compose(Via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKagain", CSeq="2 INVITE"))
        assert await phone.statuses(1) == [486]
        assert len(owner.calls) == 1 and door.stats()["merged"] == 1

    talk(owner, work)


def test_owner_who_says_nothing_lets_the_caller_try_again() -> None:
    """Nothing was kept, so the call must not count: 480, and the next INVITE is a new call."""
    owner = Owner(None)

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        assert await phone.statuses(2) == [100, 480]
        owner.done[0](True)
        phone.send(compose(Via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK2", CSeq="2 INVITE"))
        assert await phone.statuses(1) == [100]
        owner.done[1](True)
        owner.done[1](False)
        assert await phone.statuses(1) == [486]
        stats = door.stats()
        assert (stats["unanswered"], stats["late"], stats["expected"], len(owner.calls)) == (1, 2, 1, 2)

    talk(owner, work, answer_ms=30)


def test_owner_who_fails_is_logged_and_the_caller_may_try_again(caplog: pytest.LogCaptureFixture) -> None:
    """A mistake elsewhere neither ends the door nor counts as a confirmation."""

    def fail(call: Call, done: Callable[[bool], None]) -> None:
        raise ValueError(call.caller)

    async def whole() -> None:
        door = SipDoor(SipSettings(listen_udp=(("127.0.0.1", 0),), peers=LOOPBACK), fail)
        await door.start()
        async with calling(door) as phone:
            phone.send(compose())
            assert await phone.statuses(2) == [100, 480]
        await door.stop(0)
        assert door.stats()["failures"] == 1

    uvloop.run(whole())
    assert "sip_call_failed" in caplog.messages


def test_numbers_in_logs_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    """Who called whom is nobody's business who reads logs."""
    caplog.set_level(logging.DEBUG)

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        assert await phone.statuses(2) == [100, 486]

    talk(Owner(), work)
    (record,) = [each for each in caplog.records if each.message == "sip_call"]
    assert (record.caller, record.called) == ("7999*****67", "7495*****67")  # type: ignore[attr-defined]
    assert "79991234567" not in str([each.__dict__ for each in caplog.records])


def test_call_that_used_up_its_hops_is_a_call() -> None:
    """Max-Forwards is for those who pass requests on: the hop before us may rightly have brought it to 0 (RFC 4475, 3.3.11)."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose(Max_Forwards="0"))
        assert await phone.statuses(2) == [100, 486]

    talk(owner, work)
    assert len(owner.calls) == 1


@pytest.mark.parametrize(
    ("message", "status", "header"),
    [
        (compose("OPTIONS"), 200, ("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE")),
        (compose("OPTIONS", Max_Forwards="0"), 200, ("Accept", "application/sdp")),
        (compose("BYE"), 481, None),
        (compose("INVITE", To="<sip:74951234567@h>;tag=old"), 481, None),
        (compose("MESSAGE"), 405, ("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE")),
        (compose("REGISTER"), 405, ("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE")),
        (compose(drop="Max-Forwards", Require="100rel, foo", uri="sip:74951234567@h"), 420, ("Unsupported", "foo")),
        (compose(uri="sips:74951234567@h"), 416, None),
        (compose(uri="http://74951234567"), 416, None),
        (compose(uri="sip:74951234567@"), 400, None),
        (compose(Max_Forwards="many"), 400, None),
        (compose().replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1), 505, None),
        (compose(From="<sip:anonymous@anonymous.invalid>;tag=a"), 433, None),
        (compose(Privacy="id"), 433, None),
        (compose(From="<sip:alice@trunk.example>;tag=a"), 404, None),
        (compose(uri="sip:sales@h", To="<sip:sales@h>"), 404, None),
    ],
)  # fmt: skip
def test_request_that_is_no_call_is_answered_by_the_book(
    message: bytes, status: int, header: tuple[str, str] | None
) -> None:
    """Each has its code (sections 8.2, 11, 20.5, 21.4), and the owner is not asked."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(message)
        answer = await phone.answer()
        assert answer.status == status and answer.to.tag
        assert header is None or answer.get(header[0]) == header[1]
        assert not owner.calls

    talk(owner, work)


@pytest.mark.parametrize(
    ("headers", "trusted", "caller", "asserted"),
    [
        ({}, True, "+79991234567", False),
        ({"P-Asserted-Identity": '"x, y" <sip:+79990000001@t>, <tel:+79990000002>'}, True, "+79990000001", True),
        ({"P-Asserted-Identity": "<sip:office@t>, <tel:+79990000002>"}, True, "+79990000002", True),
        ({"P-Asserted-Identity": "<sip:+79990000001@t>"}, False, "+79991234567", False),
        ({"Remote-Party-ID": "<sip:79990000003@t>;party=calling;privacy=off"}, True, "79990000003", True),
        ({"Remote-Party-ID": "<sip:79990000003@t>;party=called"}, True, "+79991234567", False),
        ({"P-Asserted-Identity": "<tel:+79990000001>", "Privacy": "id", "From": "<sip:anonymous@anonymous.invalid>;tag=a"}, True, "+79990000001", True),
        ({"P-Asserted-Identity": "<tel:+79990000001>", "Privacy": "id"}, False, "", False),
        ({"P-Asserted-Identity": "garbage <", "Privacy": "none"}, True, "+79991234567", False),
    ],
)  # fmt: skip
def test_caller_is_who_a_trusted_peer_says(headers: dict[str, str], trusted: bool, caller: str, asserted: bool) -> None:
    """RFC 3325: P-Asserted-Identity is worth something from the trust domain alone, where it outlasts privacy."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose(**headers))
        assert await phone.statuses(2 if caller else 1) == ([100, 486] if caller else [433])
        assert [(call.caller, call.asserted) for call in owner.calls] == ([(caller, asserted)] if caller else [])

    talk(owner, work, trusted=LOOPBACK if trusted else ())


@pytest.mark.parametrize(("setting", "called"), [({}, "7800100200300"), ({"called_from_to": True}, "+74951234567")])
def test_called_number_stands_where_the_trunk_puts_it(setting: dict[str, bool], called: str) -> None:
    """Some put the name of the account into the first line."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose(uri="sip:7800100200300@h"))
        phone.send(compose(uri="sip:account@h", Via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK2", Call_ID="2"))
        await phone.statuses(4)
        assert [call.called for call in owner.calls] == [called, "+74951234567"]

    talk(owner, work, **setting)


@pytest.mark.parametrize(
    ("uri", "to", "called"),
    [
        ("sip:5055@h", "<sip:5055@h>", "5055"),
        ("tel:5055;phone-context=example.com", "<sip:5055@h>", "5055"),
        ("sip:100@h", "<sip:+74951234567@h>", "+74951234567"),
        ("sip:5055@h", "<sip:office@h>", "5055"),
    ],
)
def test_short_code_is_called_where_no_longer_number_stands(uri: str, to: str, called: str) -> None:
    """wait_call may have told the subscriber to call one; and accounts at trunks have names of digits, too."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose(uri=uri, To=to))
        assert await phone.statuses(2) == [100, 486]
        assert [call.called for call in owner.calls] == [called]

    talk(owner, work)


def test_answer_goes_to_the_port_of_via_without_rport() -> None:
    """RFC 3261, section 18.2.2: a trunk that does not ask for rport listens where it says."""

    async def work(door: SipDoor, phone: Phone) -> None:
        async with calling(door) as other:
            other.send(compose(Via=f"SIP/2.0/UDP trunk.example:{phone.port};branch=z9hG4bK1;received=10.9.9.9"))
            trying = await phone.answer()
            assert trying.get("Via") == f"SIP/2.0/UDP trunk.example:{phone.port};branch=z9hG4bK1;received=127.0.0.1"
            assert other.heard.empty()

    talk(Owner(), work)


def test_client_of_the_old_standard_is_served() -> None:
    """RFC 2543 had no unique branch: its transactions are known by what else they carry (section 17.2.3)."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        via = "SIP/2.0/UDP 127.0.0.1;rport"
        for _ in range(2):
            phone.send(compose(Via=via))
        answers = [await phone.answer() for _ in range(3)]
        assert [each.status for each in answers] == [100, 486, 486] and len(owner.calls) == 1
        ack = compose("ACK", Via=via, To=answers[1].get("To") or "", CSeq="1 ACK")
        phone.send(ack)
        await until(lambda: door.stats()["transactions"] == 0)
        assert door.stats()["unacknowledged"] == 0

    talk(owner, work, timing=Timing(t1_ms=1000, t4_ms=10))


def test_tcp_carries_many_messages_in_any_pieces() -> None:
    """Framing by Content-Length, keep-alives answered, and what has no end closes the connection."""
    owner = Owner()

    async def whole() -> None:
        async with opened(owner) as door, connected(door) as line:
            calls = [
                compose(Via=f"SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK{number}", Call_ID=f"call-{number}")
                for number in range(100)
            ]
            stream = b"".join(calls)
            line.writer.write(stream[:777])
            await line.writer.drain()
            await until(lambda: owner.calls)
            line.writer.write(stream[777:] + b"\r\n\r\n")
            assert sorted(await line.statuses(200)) == [100] * 100 + [486] * 100
            assert await line.reader.readexactly(2) == b"\r\n"
            assert len(owner.calls) == 100
            line.writer.write(
                compose("OPTIONS", Via="SIP/2.0/TCP h;branch=z9hG4bKo").replace(b"Content-Length: 0\r\n", b"")
            )
            assert await line.statuses(1) == [400]
            assert await line.reader.read() == b""

    uvloop.run(whole())


def test_transaction_over_tcp_ends_with_its_ack() -> None:
    """Timers G, I and J are 0 there."""

    async def whole() -> None:
        async with opened(Owner(), timing=SLOW) as door, connected(door) as line:
            via = "SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1"
            line.writer.write(compose(Via=via))
            await line.message()
            line.writer.write(acknowledge(await line.message(), via) + compose("OPTIONS", Via=via, Call_ID="2"))
            assert await line.statuses(1) == [200]
            assert door.stats()["transactions"] == 0

    uvloop.run(whole())


def test_flood_of_calls_keeps_within_its_bound() -> None:
    """Whoever is forgotten is counted; the newest are served; nothing stays."""
    owner = Owner(None)

    async def work(door: SipDoor, phone: Phone) -> None:
        for number in range(300):
            phone.send(compose(Via=f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{number}", Call_ID=f"call-{number}"))
            if number % 50 == 0:
                await asyncio.sleep(0.01)
        await until(lambda: len(owner.calls) == 300)
        stats = door.stats()
        assert (stats["transactions"], stats["dropped"], stats["waiting"]) == (100, 200, 100)
        owner.done[0](True)
        owner.done[299](True)
        assert (door.stats()["late"], door.stats()["expected"], door.stats()["waiting"]) == (1, 1, 99)

    talk(owner, work, transactions=100)


def test_flood_of_long_calls_keeps_within_its_bound() -> None:
    """A hundred calls of 60 kB would be fifteen times as much memory as a hundred calls."""
    owner = Owner(None)

    async def work(door: SipDoor, phone: Phone) -> None:
        for number in range(30):
            via = f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{number}"
            phone.send(compose(Via=via, Call_ID=f"call-{number}", Record_Route=f"<sip:{'x' * 40_000}>"))
            assert await phone.statuses(1) == [100]
        assert 5 < door.stats()["transactions"] <= 10

    talk(owner, work, transactions=100)


def test_call_that_comes_by_two_ways_is_told_once() -> None:
    """A trunk's two servers may each send the same call; for the caller it is one."""
    owner = Owner()

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        assert await phone.statuses(2) == [100, 486]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.2", 0))
            other.connect(place_of(door))
            other.send(compose(Via="SIP/2.0/UDP 127.0.0.2;rport;branch=z9hG4bKother"))
            other.settimeout(5)
            answer = await asyncio.get_running_loop().run_in_executor(None, other.recv, 2000)
        assert answer.startswith(b"SIP/2.0 482 ") and len(owner.calls) == 1

    talk(owner, work)


def test_stopping_door_waits_for_answers_and_takes_no_calls() -> None:
    """A call that was told is answered; the next one goes elsewhere (503)."""
    owner = Owner(None)

    async def work(door: SipDoor, phone: Phone) -> None:
        phone.send(compose())
        assert await phone.statuses(1) == [100]
        stopping = asyncio.get_running_loop().create_task(door.stop(5))
        await until(lambda: door.stopping)
        phone.send(compose(Via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK2", Call_ID="2"))
        assert await phone.statuses(1) == [503]
        owner.done[0](True)
        assert await phone.statuses(1) == [486]
        await stopping

    talk(owner, work)


def test_address_that_is_taken_is_told_and_nothing_stays_open() -> None:
    """The program ends with a reason instead of half a door."""

    async def work(door: SipDoor, phone: Phone) -> None:
        taken = place_of(door, "tcp")
        second = SipDoor(SipSettings(listen_udp=(("127.0.0.1", 0),), listen_tcp=(taken,)), Owner())
        with pytest.raises(OSError, match="in use"):
            await second.start()

    talk(Owner(), work)


def test_door_over_ipv6() -> None:
    """Addresses in brackets, and answers that find their way."""
    owner = Owner()

    async def whole() -> None:
        async with opened(owner, listen_udp=(("::1", 0),), timing=SLOW) as door, calling(door) as phone:
            phone.send(compose(Via="SIP/2.0/UDP [::1];rport;branch=z9hG4bK1"))
            assert await phone.statuses(2) == [100, 486]
            assert owner.calls[0].peer == "::1"

    uvloop.run(whole())


def test_configuration_becomes_settings() -> None:
    """What the operator writes is what the door does."""
    settings = read_settings(
        Sip(
            listen_udp=("0.0.0.0:5060",), peers=("192.0.2.7",), trusted=("2001:db8::/32",), users={"a": "b"}, answer="603",
            unexpected="603", anonymous="603", strangers="silence", called="to", registrations=("sip:u:p@t;expires=60",),
        )
    )  # fmt: skip
    assert settings.listen_udp == (("0.0.0.0", 5060),) and settings.silent and settings.called_from_to
    assert [str(each) for each in settings.peers + settings.trusted] == ["192.0.2.7/32", "2001:db8::/32"]
    assert (settings.answer, settings.unexpected, settings.anonymous) == (603, 603, 603)
    assert (settings.registrars[0].name, settings.registrars[0].port, settings.registrars[0].expires_s) == (
        "u@t",
        5060,
        60,
    )
