"""Dialogues of real sessions on loopback: the good ones, the slow, the silent and the mad."""

import asyncio
import datetime
import ipaddress
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import smpplib.client
import smpplib.consts
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.wire.dialogues import Owner, Raw, accept, bound, dialogue, submit

from heliograph.wire.smpp import codec, statuses, tables, timers
from heliograph.wire.smpp.contract import SessionError, Settings, State
from heliograph.wire.smpp.endpoints import Listener, connect, listen
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session

HASTY = Settings(timers=timers.Settings(init_s=0.1))
DOUBTFUL = Settings(timers=timers.Settings(enquire_s=0.05, response_s=0.05))
CHATTY = Settings(timers=timers.Settings(enquire_s=0.03, response_s=5))


def test_bind_submit_deliver_unbind() -> None:
    """The life of every link."""

    async def talk(owner: Owner, listener: Listener) -> None:
        client = Owner()
        session = await bound(listener, client)
        assert session.state is State.BOUND_TRX
        assert (await session.call(submit())).message_id == "1"
        served = owner.sessions[0]
        assert served.bind_pdu is not None
        assert served.bind_pdu.system_id == "acme"
        assert served.can_receive
        assert (await served.call(Pdu(tables.DELIVER_SM, short_message=b"yo"))).status == 0
        await session.unbind()
        assert client.events == ["bound", "deliver_sm", "closed: unbound"]
        await owner.until(lambda: owner.events[-1].startswith("closed"))

    assert dialogue(talk).events == ["bound", "submit_sm", "closed: unbound by the peer"]


def test_answers_come_in_order_and_once() -> None:
    """Each request's context meets its own answer, many in one write."""

    async def talk(owner: Owner, listener: Listener) -> None:
        client = Owner()
        session = await bound(listener, client, Settings(window=50))
        got: list[tuple[str, Any]] = []

        def on_answer(answer: Pdu | None, context: Any) -> None:
            assert answer is not None
            got.append((answer.message_id, context))
            client.changed.set()

        assert all(session.request(submit(), on_answer, place) for place in range(50))
        await client.until(lambda: len(got) == 50)
        assert got == [(str(place + 1), place) for place in range(50)]
        assert session.room == 50

    dialogue(talk)


def test_full_window_refuses_and_opens_again() -> None:
    """Beyond the window nothing is written and no callback is owed."""

    async def talk(owner: Owner, listener: Listener) -> None:
        client = Owner()
        session = await bound(listener, client, Settings(window=2))
        got: list[Any] = []
        assert session.request(submit(), lambda _, context: got.append(context), 1)
        assert session.request(submit(), lambda _, context: got.append(context), 2)
        assert session.room == 0
        assert not session.request(submit(), lambda _, context: got.append(context), 3)
        await owner.until(lambda: len(owner.seen) == 2)
        for pdu in owner.seen:
            owner.sessions[0].answer(pdu)
        await session.call(Pdu(tables.ENQUIRE_LINK))
        assert got == [1, 2]
        assert session.room == 2

    dialogue(talk, hold=True)


def test_request_without_answer_times_out() -> None:
    """An unanswered submit is told as None, and its late answer harms nobody."""

    async def talk(owner: Owner, listener: Listener) -> None:
        client = Owner()
        quick = Settings(timers=timers.Settings(enquire_s=0, response_s=0.1))
        session = await bound(listener, client, quick)
        got: list[Any] = []

        def on_answer(answer: Pdu | None, context: Any) -> None:
            got.append((answer, context))
            client.changed.set()

        session.request(submit(), on_answer, "x")
        await client.until(lambda: bool(got))
        assert got == [(None, "x")]
        owner.sessions[0].answer(owner.seen[0])
        await session.call(Pdu(tables.ENQUIRE_LINK))
        assert (len(got), session.strays, session.is_bound) == (1, 1, True)
        with pytest.raises(SessionError, match="no answer in time"):
            await session.call(submit())

    dialogue(talk, hold=True)


def test_lost_connection_tells_every_waiting_request() -> None:
    """Nobody waits for ever; the owner hears of the end last."""

    async def talk(owner: Owner, listener: Listener) -> None:
        client = Owner()
        session = await bound(listener, client)
        for place in range(3):
            session.request(submit(), lambda answer, context: client.note(f"{answer} {context}"), place)
        await owner.until(lambda: len(owner.seen) == 3)
        owner.sessions[0].abort("gone")
        await session.wait_closed()
        assert client.events[1:4] == ["None 0", "None 1", "None 2"]
        assert client.events[4].startswith("closed: ")
        assert not session.request(submit(), lambda _, context: None)
        session.answer(submit())
        with pytest.raises(SessionError):
            await session.call(submit())

    dialogue(talk, hold=True)


@pytest.mark.parametrize("later", [False, True])
def test_wrong_password_is_refused_and_closed(later: bool) -> None:
    """The bind callback may decide at once or be awaited."""

    async def decide(session: Session, pdu: Pdu) -> int:
        await asyncio.sleep(0)
        return accept(session, pdu)

    async def talk(owner: Owner, listener: Listener) -> None:
        client = Owner()
        session = await connect(*listener.address, client)
        answer = await session.bind(tables.BIND_TRANSMITTER, "acme", "wrong")
        assert answer.status == statuses.ESME_RINVPASWD
        await session.wait_closed()
        assert client.events == ["closed: bind refused: ESME_RINVPASWD"]
        assert (await (await bound(listener)).call(submit())).status == 0

    dialogue(talk, on_bind=decide if later else accept)


def test_failing_bind_callback_refuses(caplog: pytest.LogCaptureFixture) -> None:
    """A mistake of ours must not let anybody in, nor leave him waiting."""

    def fail(session: Session, pdu: Pdu) -> int:
        raise RuntimeError("the owner's mistake")

    async def fail_later(session: Session, pdu: Pdu) -> int:
        raise RuntimeError("the owner's mistake")

    async def talk(owner: Owner, listener: Listener) -> None:
        session = await connect(*listener.address, Owner())
        assert (await session.bind(tables.BIND_TRANSMITTER, "a", "secret")).status == statuses.ESME_RSYSERR

    dialogue(talk, on_bind=fail)
    dialogue(talk, on_bind=fail_later)
    assert "secret" not in caplog.text


def test_order_of_commands_is_kept() -> None:
    """Before the bind, twice bound, or bound for the other direction: an error each, never silence."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener, bind=False)
        raw.writer.write(codec.encode(Pdu(tables.SUBMIT_SM, sequence=5)))
        answer = await raw.read()
        assert (answer.name, answer.status) == ("submit_sm_resp", statuses.ESME_RINVBNDSTS)
        raw.writer.write(codec.encode(Pdu(tables.BIND_RECEIVER, sequence=6, system_id="a", password="secret")))
        assert (await raw.read()).name == "bind_receiver_resp"
        for request, expected in (
            (Pdu(tables.BIND_RECEIVER, sequence=7), statuses.ESME_RALYBND),
            (Pdu(tables.SUBMIT_SM, sequence=7), statuses.ESME_RINVBNDSTS),
            (Pdu(tables.DELIVER_SM, sequence=7), statuses.ESME_RINVCMDID),
        ):
            raw.writer.write(codec.encode(request))
            answer = await raw.read()
            assert (answer.command_id, answer.status) == (request.command_id | tables.RESPONSE, expected)
        await raw.close()

    assert dialogue(talk).seen == []


def test_unknown_and_unreadable_requests_are_refused() -> None:
    """The connection goes on after a PDU whose limits are known."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        raw.writer.write(b"\0\0\0\x12\0\0\0\x99\0\0\0\0\0\0\0\x21hi")
        raw.writer.write(b"\0\0\0\x12\0\0\0\x04\0\0\0\0\0\0\0\x22hi")
        raw.writer.write(b"\0\0\0\x12\x80\0\0\x99\0\0\0\0\0\0\0\x23hi")
        raw.writer.write(codec.encode(Pdu(tables.ENQUIRE_LINK, sequence=0x24)))
        answers = [await raw.read() for _ in range(3)]
        assert [(answer.name, answer.status, answer.sequence) for answer in answers] == [
            ("generic_nack", statuses.ESME_RINVCMDID, 0x21),
            ("submit_sm_resp", statuses.ESME_RINVCMDLEN, 0x22),
            ("enquire_link_resp", 0, 0x24),
        ]
        await raw.close()

    dialogue(talk)


def test_unreadable_answer_still_counts_as_an_answer() -> None:
    """The carrier has decided; trying again would send twice."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        await owner.until(lambda: bool(owner.sessions))
        asked = asyncio.ensure_future(owner.sessions[0].call(Pdu(tables.DELIVER_SM)))
        request = await raw.read()
        raw.writer.write(b"\0\0\0\x14\x80\0\0\x05\0\0\0\0" + request.sequence.to_bytes(4, "big") + b"\0\x01\x02\x03")
        assert (await asked).name == "deliver_sm_resp"
        asked = asyncio.ensure_future(owner.sessions[0].call(Pdu(tables.DELIVER_SM)))
        request = await raw.read()
        raw.writer.write(codec.encode(Pdu(tables.GENERIC_NACK, 3, request.sequence)))
        assert ((await asked).name, (await asked).status) == ("generic_nack", 3)
        await raw.close()

    dialogue(talk)


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(16), b"\xff" * 40])
def test_garbage_ends_the_connection(garbage: bytes) -> None:
    """After a wrong length there is no way back; the reason is told, then it is over."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        raw.writer.write(garbage)
        answer = await raw.read()
        assert (answer.name, answer.status) == ("generic_nack", statuses.ESME_RINVCMDLEN)
        assert await raw.ended()
        await raw.close()

    assert dialogue(talk).events[1].startswith("closed: not SMPP")


def test_split_reads_and_many_pdus_in_one_read() -> None:
    """TCP keeps no borders: one octet at a time and a hundred PDUs at once mean the same."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        one = codec.encode(Pdu(tables.SUBMIT_SM, sequence=9, short_message=b"slow"))
        for place in range(len(one)):
            raw.writer.write(one[place : place + 1])
            await raw.writer.drain()
            await asyncio.sleep(0)
        assert (await raw.read()).sequence == 9
        many = b"".join(codec.encode(Pdu(tables.SUBMIT_SM, sequence=place)) for place in range(100, 200))
        raw.writer.write(many[:1003])
        await asyncio.sleep(0.01)
        raw.writer.write(many[1003:])
        assert [(await raw.read()).sequence for _ in range(100)] == list(range(100, 200))
        await raw.close()

    assert len(dialogue(talk).seen) == 101


def test_half_open_connection_is_found() -> None:
    """Nothing is heard, enquire_link is not answered: the link is dead and gets closed."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        assert (await raw.read()).name == "enquire_link"
        assert await raw.ended()
        await raw.close()

    assert dialogue(talk, settings=DOUBTFUL).events == ["bound", "closed: enquire_link was not answered"]


def test_keep_alive_keeps_a_silent_link() -> None:
    """Two of our own sessions with nothing to say stay bound."""

    async def talk(owner: Owner, listener: Listener) -> None:
        session = await bound(listener, None, CHATTY)
        await asyncio.sleep(0.15)
        assert session.is_bound
        assert session.strays == owner.sessions[0].strays == 0

    dialogue(talk, settings=CHATTY)


def test_connection_that_never_binds_is_closed() -> None:
    """Strangers may not hold sockets for long."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener, bind=False)
        assert await raw.ended()
        await raw.close()

    assert dialogue(talk, settings=HASTY).events == ["closed: no bind in time"]


def test_unbind_waits_for_answers_under_way() -> None:
    """Who submits and leaves still learns his ids: a batch on its way to the disk is answered before the goodbye."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        raw.writer.write(codec.encode(Pdu(tables.SUBMIT_SM, sequence=2)))
        raw.writer.write(codec.encode(Pdu(tables.UNBIND, sequence=3)))
        raw.writer.write(codec.encode(Pdu(tables.SUBMIT_SM, sequence=4)))
        refused = await raw.read()
        assert (refused.sequence, refused.status) == (4, statuses.ESME_RINVBNDSTS)
        owner.sessions[0].answer(owner.seen[0], message_id="7")
        assert [(await raw.read()).name for _ in range(2)] == ["submit_sm_resp", "unbind_resp"]
        assert await raw.ended()
        await raw.close()

    dialogue(talk, hold=True)


def test_mistake_of_the_owner_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    """An exception in a handler is a system error for one request, not the end of the link."""

    async def talk(owner: Owner, listener: Listener) -> None:
        session = await bound(listener)
        assert (await session.call(submit(b"fail"))).status == statuses.ESME_RSYSERR
        assert (await session.call(submit())).status == statuses.ESME_ROK

    dialogue(talk)
    assert "submit_sm" in caplog.text
    assert "79991234567" not in caplog.text


def test_too_many_unanswered_requests_stop_the_reading() -> None:
    """What we cannot answer yet stays in the peer's buffers, not in our memory."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        for burst in range(8):
            raw.writer.write(b"".join(codec.encode(Pdu(tables.SUBMIT_SM, sequence=burst * 4 + n)) for n in range(4)))
            await raw.writer.drain()
            await asyncio.sleep(0.005)
        held = len(owner.seen)
        assert 8 <= held < 32
        owner.hold = False
        for pdu in owner.seen[:held]:
            owner.sessions[0].answer(pdu)
        assert len([await raw.read() for _ in range(32)]) == 32
        await raw.close()

    dialogue(talk, settings=Settings(incoming=8), hold=True)


def test_peer_that_does_not_read_is_dropped() -> None:
    """A peer that submits and never takes the answers must not fill our memory."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        owner.sessions[0]._transport.set_write_buffer_limits(1)  # type: ignore[union-attr]
        flood = b"".join(codec.encode(Pdu(tables.SUBMIT_SM, sequence=n)) for n in range(5000))
        sock = raw.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while not any(event.startswith("closed") for event in owner.events):
            raw.writer.write(flood)
            await asyncio.sleep(0.01)
        assert owner.events[-1] == "closed: the peer does not read"
        raw.writer.transport.abort()  # type: ignore[attr-defined]

    dialogue(talk, settings=Settings(timers=timers.Settings(enquire_s=0, response_s=0.05)))


def test_query_is_answered_with_a_pdu_of_ones_own() -> None:
    """Answers with more than an id are written by the owner."""

    async def talk(owner: Owner, listener: Listener) -> None:
        session = await bound(listener)
        asked = asyncio.ensure_future(session.call(Pdu(tables.QUERY_SM, message_id="7")))
        await owner.until(lambda: bool(owner.seen))
        request = owner.seen[0]
        owner.sessions[0].reply(Pdu(tables.QUERY_SM_RESP, 0, request.sequence, message_id="7", message_state=2))
        answer = await asked
        assert (answer.message_id, answer.message_state) == ("7", 2)
        owner.sessions[0].send(Pdu(tables.ALERT_NOTIFICATION, source_addr="79991234567"))
        client = session.peer
        assert isinstance(client, Owner)
        await client.until(lambda: "alert_notification" in client.events)

    dialogue(talk, hold=True)


def test_stop_unbinds_everybody() -> None:
    """A stopping server says goodbye, and leaves behind those who do not answer it."""

    async def run() -> None:
        owner = Owner()
        listener = await listen("127.0.0.1", 0, owner, accept)
        client = Owner()
        session = await bound(listener, client)
        raw = await Raw.open(listener)
        await listener.stop(goodbye_s=0.05)
        await session.wait_closed()
        assert client.events == ["bound", "closed: unbound by the peer"]
        assert listener.sessions == set()
        await raw.close()

    asyncio.run(run())


def test_smpplib_binds_submits_and_receives() -> None:
    """A client written by others, with its own reading of the standard."""

    def foreign(address: tuple[str, int], got: list[Any]) -> None:
        client = smpplib.client.Client(*address, allow_unknown_opt_params=True)
        client.set_message_sent_handler(lambda pdu: got.append(pdu.message_id))
        client.set_message_received_handler(lambda pdu: got.append(pdu.short_message))
        client.connect()
        client.bind_transceiver(system_id="acme", password="secret")
        client.send_message(
            source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
            source_addr="ACME",
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            destination_addr="79991234567",
            short_message=b"hello",
            registered_delivery=True,
        )
        while len(got) < 2:
            client.read_once()
        client.unbind()
        client.disconnect()

    async def talk(owner: Owner, listener: Listener) -> None:
        got: list[Any] = []
        running = asyncio.create_task(asyncio.to_thread(foreign, listener.address, got))
        await owner.until(lambda: len(owner.seen) == 1)
        pdu = owner.seen[0]
        assert (pdu.source_addr, pdu.destination_addr, pdu.short_message) == ("ACME", "79991234567", b"hello")
        await owner.sessions[0].call(Pdu(tables.DELIVER_SM, source_addr="79991234567", short_message=b"reply"))
        await running
        assert got == [b"1", b"reply"]

    assert dialogue(talk).events[-1] == "closed: unbound by the peer"


def make_certificate(folder: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, key and all in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "carrier")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "carrier.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_sessions_run_over_tls(tmp_path: Path) -> None:
    """The caller's contexts are all it takes; a client that does not trust the certificate gets no link."""
    pem = make_certificate(tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)

    async def run() -> None:
        owner = Owner()
        listener = await listen("127.0.0.1", 0, owner, accept, ssl=serving)
        session = await connect(*listener.address, Owner(), ssl=ssl.create_default_context(cafile=str(pem)))
        assert (await session.bind(tables.BIND_TRANSCEIVER, "acme", "secret")).status == 0
        answers = await asyncio.gather(*(session.call(submit(b"x" * 200)) for _ in range(50)))
        assert [answer.message_id for answer in answers] == [str(place) for place in range(1, 51)]
        await session.unbind()
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(*listener.address, Owner(), ssl=ssl.create_default_context())
        await listener.stop()

    asyncio.run(run())
