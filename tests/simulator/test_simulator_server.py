"""The simulated carrier on real sockets: submits, receipts, several binds, incoming texts, the control socket."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from heliograph.simulator import control, outbox, texts
from heliograph.simulator.agenda import Agenda
from heliograph.simulator.behaviour import Profile
from heliograph.simulator.records import SimulatorError, SubmitRecord
from heliograph.simulator.server import Simulator
from heliograph.wire.gsm import udh
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.endpoints import connect
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.receipt import Receipt, parse_receipt
from heliograph.wire.smpp.session import Session

FIRST = 91_000_000_001


class Customer:
    """An ESME that writes down everything in the order of the wire."""

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []
        self.pdus: list[Pdu] = []
        self.refuse: list[int] = []
        self.hold = False
        self.changed = asyncio.Event()

    def bound(self, session: Session) -> None:
        self.note("bound", None)

    def pdu(self, session: Session, pdu: Pdu) -> None:
        self.pdus.append(pdu)
        receipt = parse_receipt(pdu)
        self.note("receipt" if receipt else "text", receipt or pdu)
        if not self.hold:
            session.answer(pdu, self.refuse.pop() if self.refuse else statuses.ESME_ROK)

    def ready(self, session: Session) -> None:
        self.note("ready", None)

    def closed(self, session: Session, reason: str) -> None:
        self.note("closed", reason)

    def note(self, event: str, value: Any) -> None:
        self.log.append((event, value))
        self.changed.set()

    @property
    def receipts(self) -> list[Receipt]:
        return [value for event, value in self.log if event == "receipt"]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def bind(self, simulator: Simulator, kind: int = tables.BIND_TRANSCEIVER) -> Session:
        session = await connect(*simulator.address, self)
        assert (await session.bind(kind, "acme", "secret")).status == 0
        return session

    def submit(self, session: Session, pdu: Pdu) -> None:
        """Send; the answer goes into the log."""
        assert session.request(pdu, lambda answer, _: self.note("answer", answer))


def submit_pdu(digits: str, text: bytes = b"hello", **fields: Any) -> Pdu:
    return Pdu(
        tables.SUBMIT_SM,
        source_addr_ton=5,
        source_addr="ACME",
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr="7999000" + digits,
        registered_delivery=fields.pop("registered_delivery", 1),
        short_message=text,
        **fields,
    )


def run(
    talk: Callable[[Simulator, Customer], Awaitable[None]],
    profile: Profile | None = None,
    on_submit: Callable[[SubmitRecord], None] | None = None,
) -> dict[str, int]:
    """Run `talk` beside a simulator and return its counters."""

    async def main() -> dict[str, int]:
        simulator = Simulator(profile, {"acme": "secret"}, on_submit=on_submit, first_id=FIRST)
        await simulator.start("127.0.0.1", 0)
        try:
            await asyncio.wait_for(talk(simulator, Customer()), 10)
            return simulator.stats()
        finally:
            await simulator.stop()

    return asyncio.run(main())


def test_submit_is_answered_and_receipted() -> None:
    """The plain case, both forms of the receipt in one, addresses turned round."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)
        customer.submit(session, submit_pdu("0001"))
        await customer.until(lambda: bool(customer.receipts))
        assert [event for event, _ in customer.log] == ["bound", "answer", "receipt"]
        assert customer.log[1][1].message_id == str(FIRST)
        pdu = customer.pdus[0]
        assert (pdu.esm_class, pdu.source_addr, pdu.destination_addr) == (4, "79990000001", "ACME")
        assert (pdu.source_addr_ton, pdu.dest_addr_ton) == (1, 5)
        assert pdu.short_message.startswith(b"id:91000000001 sub:001 dlvrd:001 submit date:")
        assert pdu.short_message.endswith(b"stat:DELIVRD err:000 text:hello")
        receipt = customer.receipts[0]
        assert (receipt.message_id, receipt.state, receipt.network_type) == (str(FIRST), 2, 3)
        await session.unbind()

    stats = run(talk)
    assert (stats["submitted"], stats["delivered"], stats["acknowledged"], stats["waiting"]) == (1, 1, 1, 0)


@pytest.mark.parametrize("form", ["text", "tlv"])
def test_receipts_come_in_the_form_of_the_profile(form: str) -> None:
    """Some carriers send no text, others no optional fields."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)
        customer.submit(session, submit_pdu("0010"))
        await customer.until(lambda: bool(customer.receipts))
        pdu = customer.pdus[0]
        assert (bool(pdu.short_message), bool(pdu.tlvs)) == (form == "text", form == "tlv")
        assert (customer.receipts[0].state_name, int(customer.receipts[0].error)) == ("UNDELIV", 6)

    run(talk, Profile(receipts=form))


def test_scripts_on_the_wire() -> None:
    """The numbers whose point is the order or the count of PDUs."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)

        async def events(digits: str, count: int) -> list[Any]:
            customer.log.clear()
            customer.submit(session, submit_pdu(digits))
            await customer.until(lambda: len(customer.log) >= count)
            return customer.log[:]

        assert [event for event, _ in await events("0007", 3)] == ["answer", "receipt", "receipt"]
        assert [event for event, _ in await events("0008", 2)] == ["receipt", "answer"]
        assert (await events("0004", 1))[0][1].status == statuses.ESME_RINVDSTADR
        statuses_seen = [(await events("0005", 1))[0][1].status for _ in range(3)]
        assert statuses_seen == [statuses.ESME_RTHROTTLED, statuses.ESME_RTHROTTLED, 0]
        (_, answer), (_, receipt) = await events("0009", 2)
        assert int(receipt.message_id, 16) == int(answer.message_id)
        states = [value.state_name for event, value in await events("0025", 3) if event == "receipt"]
        assert states == ["ENROUTE", "DELIVRD"]

    run(talk)


def test_unanswered_submit_leaves_the_session_alive() -> None:
    """Silence towards one message, and the next one is served."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)
        customer.submit(session, submit_pdu("0014"))
        customer.submit(session, submit_pdu("0001"))
        await customer.until(lambda: bool(customer.receipts))
        assert [event for event, _ in customer.log] == ["bound", "answer", "receipt"]
        await session.unbind()

    assert run(talk)["unanswered"] == 1


def test_receipts_only_when_asked_for() -> None:
    """registered_delivery 0 asks for none, 2 for failures only."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)
        for digits, registered in (("0001", 0), ("0001", 2), ("0002", 2), ("0002", 3), ("0001", 1)):
            customer.submit(session, submit_pdu(digits, registered_delivery=registered))
        await customer.until(lambda: len(customer.receipts) == 2)
        assert [receipt.state_name for receipt in customer.receipts] == ["UNDELIV", "DELIVRD"]

    assert run(talk)["receipts"] == 2


def test_throughput_limit_throttles() -> None:
    """Beyond the agreed rate the carrier says so, and only for the surplus."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)
        answers = await asyncio.gather(*(session.call(submit_pdu("9999", b"%d" % n)) for n in range(20)))
        throttled = [answer for answer in answers if answer.status == statuses.ESME_RTHROTTLED]
        assert 5 <= len(throttled) <= 15

    run(talk, Profile(throughput=5))


def test_hlr_query_tells_the_subscriber() -> None:
    """An empty text of service type HLR is answered by a receipt with the vendor's fields; a failed one has none."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)
        customer.submit(session, submit_pdu("0001", b"", service_type="HLR"))
        customer.submit(session, submit_pdu("0010", b"", service_type="HLR"))
        customer.submit(session, submit_pdu("0001", b"", protocol_id=tables.PROTOCOL_TYPE_ZERO))
        await customer.until(lambda: len(customer.receipts) == 3)
        found, absent, ping = customer.pdus
        assert found.tlvs[0x1402] == b"250\0"
        assert set(range(0x1400, 0x1408)) <= found.tlvs.keys()
        assert not any(tag >= 0x1400 for tag in absent.tlvs.keys() | ping.tlvs.keys())

    run(talk)


def test_receipts_travel_on_the_receiver() -> None:
    """A transmitter submits, a receiver of the same account is told."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        receiving = Customer()
        await receiving.bind(simulator, tables.BIND_RECEIVER)
        session = await customer.bind(simulator, tables.BIND_TRANSMITTER)
        assert (await session.call(submit_pdu("0001"))).status == 0
        await receiving.until(lambda: bool(receiving.receipts))
        assert customer.receipts == []

    assert run(talk)["acknowledged"] == 1


def test_receipts_wait_for_a_customer_who_is_away() -> None:
    """They are his whenever he comes back, also after the carrier itself was stopped."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator, tables.BIND_TRANSMITTER)
        for _ in range(5):
            await session.call(submit_pdu("0001"))
        await session.unbind()
        async with asyncio.timeout(5):
            while simulator.stats()["waiting"] < 5:
                await asyncio.sleep(0.01)
        host, port = simulator.address
        await simulator.stop()
        await simulator.start(host, port)
        await customer.bind(simulator)
        await customer.until(lambda: len(customer.receipts) == 5)

    run(talk)


def test_unacknowledged_receipt_comes_again() -> None:
    """What was not acknowledged before the line broke is sent over the next bind."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        customer.hold = True
        session = await customer.bind(simulator)
        customer.submit(session, submit_pdu("0001"))
        await customer.until(lambda: bool(customer.receipts))
        session.abort("lost")
        await session.wait_closed()
        again = Customer()
        await again.bind(simulator)
        await again.until(lambda: bool(again.receipts))
        assert again.receipts[0].message_id == customer.receipts[0].message_id

    assert run(talk)["acknowledged"] == 1


def test_refused_receipts_are_repeated_or_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue is asked again later, a final refusal is not."""
    monkeypatch.setattr(outbox, "RETRY_S", 0.01)

    async def talk(simulator: Simulator, customer: Customer) -> None:
        customer.refuse = [statuses.ESME_RX_P_APPN, statuses.ESME_RMSGQFUL]
        session = await customer.bind(simulator)
        customer.submit(session, submit_pdu("0001"))
        await customer.until(lambda: len(customer.receipts) == 2)
        await session.call(Pdu(tables.ENQUIRE_LINK))

    stats = run(talk)
    assert (stats["sent"], stats["acknowledged"], stats["refused"], stats["waiting"]) == (2, 0, 1, 0)


def test_receipt_window_is_kept() -> None:
    """No more deliver_sm are under way than the window allows; the rest waits its turn."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        customer.hold = True
        session = await customer.bind(simulator)
        for _ in range(6):
            customer.submit(session, submit_pdu("0001"))
        await customer.until(lambda: len(customer.receipts) == 2)
        await session.call(Pdu(tables.ENQUIRE_LINK))
        assert len(customer.receipts) == 2
        assert simulator.stats()["waiting"] == 6
        customer.hold = False
        for pdu in customer.pdus:
            session.answer(pdu)
        await customer.until(lambda: len(customer.receipts) == 6)

    run(talk, Profile(receipt_window=2))


def test_oldest_receipts_go_when_memory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A customer who never comes back must not fill the machine."""
    monkeypatch.setattr(outbox, "LIMIT", 3)

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator, tables.BIND_TRANSMITTER)
        for _ in range(5):
            await session.call(submit_pdu("0001"))
        async with asyncio.timeout(5):
            while simulator.stats()["dropped"] < 2:
                await asyncio.sleep(0.01)
        assert simulator.stats()["waiting"] == 3

    run(talk)


def test_recorder_sees_texts_joined() -> None:
    """By header or by sar_ fields, in GSM or UCS-2, in any order."""
    seen: list[SubmitRecord] = []

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)
        cyrillic = "Привет, мир".encode("utf-16-be")
        for number, piece in ((2, cyrillic[10:]), (1, cyrillic[:10])):
            header = udh.build([udh.concatenation(7, 2, number, wide=False)])
            await session.call(submit_pdu("0001", header + piece, esm_class=0x40, data_coding=8))
        for number, piece in ((1, b"long "), (2, b"text\x00")):
            sar = {0x020C: b"\0\x09", 0x020E: b"\x02", 0x020F: bytes((number,))}
            await session.call(submit_pdu("0001", piece, tlvs=sar))
        await session.call(submit_pdu("0004", b"refused"))

    run(talk, on_submit=seen.append)
    assert [(record.part, record.parts, record.whole) for record in seen] == [
        (2, 2, None),
        (1, 2, "Привет, мир"),
        (1, 2, None),
        (2, 2, "long text@"),
        (1, 1, None),
    ]
    last = seen[-1]
    assert (last.system_id, last.source, last.destination, last.text) == ("acme", "ACME", "79990000004", "refused")
    assert (last.message_id, last.outcome, last.status) == ("", "rejected", statuses.ESME_RINVDSTADR)
    assert seen[0].message_id == str(FIRST)


def test_repeated_texts_are_counted() -> None:
    """The measure for "nothing was sent twice"; refused ones were not sent."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)
        for digits, text in (("0001", b"a"), ("0001", b"b"), ("0001", b"a"), ("0004", b"a"), ("0004", b"a")):
            await session.call(submit_pdu(digits, text))

    stats = run(talk)
    assert (stats["submitted"], stats["accepted"], stats["repeated"], stats["destinations"]) == (5, 3, 1, 2)


@pytest.mark.parametrize("text", ["Hi", "Привет", "x€" * 100, "Ы" * 200])
def test_incoming_text_reaches_the_customer(text: str) -> None:
    """GSM alphabet or UCS-2, in one part or many."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        await customer.bind(simulator)
        parts = await simulator.inject("79161234567", "74951234567", text)
        assert parts == len(customer.pdus)
        pieces = [texts.read_piece(pdu) for pdu in customer.pdus]
        assert "".join(piece.text for piece in pieces) == text
        assert [(piece.part, piece.parts) for piece in pieces] == [(n + 1, parts) for n in range(parts)]
        pdu = customer.pdus[0]
        assert (pdu.source_addr, pdu.destination_addr) == ("79161234567", "74951234567")
        assert all(len(pdu.short_message) <= 160 for pdu in customer.pdus)

    run(talk)


def test_injection_that_cannot_be() -> None:
    """No customer, an address that SMPP cannot carry, nobody who acknowledges: said clearly."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        with pytest.raises(SimulatorError, match="no customer"):
            await simulator.inject("79161234567", "7495", "hi")
        for address in ("", "Ж", "7" * 21, "a\0b"):
            with pytest.raises(ValueError, match="address"):
                await simulator.inject(address, "7495", "hi")
        session = await customer.bind(simulator, tables.BIND_TRANSMITTER)
        with pytest.raises(TimeoutError):
            await simulator.inject("79161234567", "7495", "hi", timeout_s=0.02)
        await session.unbind()
        await customer.bind(simulator, tables.BIND_RECEIVER)
        await customer.until(lambda: bool(customer.pdus))
        assert customer.pdus[0].short_message == b"hi"

    run(talk)


def test_parts_of_a_text_come_as_a_tester_wants_them() -> None:
    """Out of order, repeated, lost, under a reference of his choice: what carriers do."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        await customer.bind(simulator)
        assert await simulator.inject("79161234567", "7495", "Ы" * 200, order=(3, 1, 3), reference=77) == 3
        pieces = [texts.read_piece(pdu) for pdu in customer.pdus]
        assert [piece.part for piece in pieces] == [3, 1, 3]
        assert all(pdu.short_message[:5] == bytes((5, 0, 3, 77, 3)) for pdu in customer.pdus)
        with pytest.raises(ValueError, match="3 parts"):
            await simulator.inject("79161234567", "7495", "Ы" * 200, order=(4,))
        with pytest.raises(ValueError, match="reference"):
            await simulator.inject("79161234567", "7495", "hi", reference=256)

    run(talk)


def test_control_socket_injects_and_counts() -> None:
    """What `heliograph simulate inbound` uses; errors come back as words."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        server = await control.serve(simulator, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        with pytest.raises(control.ControlError, match="no customer"):
            await control.inject(host, port, "79161234567", "7495", "hi")
        await customer.bind(simulator)
        assert await control.inject(host, port, "79161234567", "7495", "Ы" * 100) == 2
        assert await control.inject(host, port, "79161234567", "7495", "Ы" * 100, [2]) == 1
        assert (await control.ask_stats(host, port))["inbound"] == 2
        with pytest.raises(control.ControlError, match="address"):
            await control.inject(host, port, "", "7495", "hi")
        reader, writer = await asyncio.open_connection(host, port)
        for line in (b"nonsense\n", b'{"do": "dance"}\n', b'{"do": "stats", "more": 1}\n'):
            writer.write(line)
            assert b'"error"' in await reader.readline()
        writer.write(b"x" * 200_000)
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        writer.close()
        server.close()
        await server.wait_closed()
        with pytest.raises(control.ControlError, match="does not answer"):
            await control.inject(host, port, "79161234567", "7495", "hi")
        with pytest.raises(ValueError, match="loopback"):
            await control.serve(simulator, "0.0.0.0", 0)

    run(talk)


def test_accounts_are_checked() -> None:
    """Unknown names and wrong passwords have their own answers; without a list everybody may come."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        for system_id, password, status in (
            ("acme", "wrong", statuses.ESME_RINVPASWD),
            ("nobody", "secret", statuses.ESME_RINVSYSID),
        ):
            session = await connect(*simulator.address, customer)
            assert (await session.bind(tables.BIND_TRANSCEIVER, system_id, password)).status == status
        simulator.accounts = None
        session = await connect(*simulator.address, customer)
        assert (await session.bind(tables.BIND_TRANSCEIVER, "nobody", "")).status == 0

    run(talk)


def test_query_tells_the_state() -> None:
    """On its way before the receipt is due, the final state after, a refusal for what was never here."""

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)
        done = (await session.call(submit_pdu("0010"))).message_id
        under_way = (await session.call(submit_pdu("0130"))).message_id
        answer = await session.call(Pdu(tables.QUERY_SM, message_id=done))
        assert (answer.message_state, answer.error_code) == (tables.STATE_UNDELIVERABLE, 6)
        answer = await session.call(Pdu(tables.QUERY_SM, message_id=under_way))
        assert (answer.message_state, answer.error_code) == (tables.STATE_ENROUTE, 0)
        assert (await session.call(Pdu(tables.QUERY_SM, message_id="7"))).status == statuses.ESME_RQUERYFAIL
        assert (await session.call(Pdu(tables.CANCEL_SM, message_id=done))).status == statuses.ESME_RCANCELFAIL
        assert (await session.call(Pdu(tables.SUBMIT_MULTI))).status == statuses.ESME_RINVCMDID

    assert run(talk)["due"] == 1


def test_delayed_answers_and_receipts_keep_their_order() -> None:
    """A slow response still comes before its receipt."""
    profile = replace(Profile(), response_delay_s=(0.01, 0.03), delay_s=(0.0, 0.01))

    async def talk(simulator: Simulator, customer: Customer) -> None:
        session = await customer.bind(simulator)
        for n in range(50):
            customer.submit(session, submit_pdu("9999", b"%d" % n))
        await customer.until(lambda: len(customer.receipts) == 50)
        answered: set[str] = set()
        for event, value in customer.log:
            if event == "answer":
                answered.add(value.message_id)
            elif event == "receipt":
                assert value.message_id in answered

    run(talk, profile)


def test_agenda_keeps_time_order(caplog: pytest.LogCaptureFixture) -> None:
    """One timer serves appointments made in any order, also those made while it runs; one that fails hurts no other."""

    async def main() -> list[int]:
        agenda = Agenda()
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        order: list[int] = []
        now = loop.time()
        agenda.at(now + 0.03, order.append, 3)
        agenda.at(now + 0.01, order.remove, 7)
        agenda.at(now + 0.01, order.append, 1)
        agenda.at(now + 0.02, lambda _: agenda.at(now, order.append, 2), None)
        agenda.at(now + 0.04, lambda _: done.set(), None)
        await asyncio.wait_for(done.wait(), 5)
        agenda.at(now, order.append, 4)
        agenda.clear()
        assert agenda.size == 0
        return order

    assert asyncio.run(main()) == [1, 2, 3]
    assert "an appointment failed" in caplog.text


@pytest.mark.parametrize(
    ("coding", "expected"),
    [(0, 0), (1, 3), (3, 3), (4, 4), (2, 4), (8, 8), (0x10, 0), (0x18, 8), (0x14, 4), (0xF0, 0), (0xF5, 4)],
)
def test_data_coding_names_the_alphabet(coding: int, expected: int) -> None:
    """Plain numbers and the message class groups of the radio side."""
    assert texts.alphabet_of(coding) == expected
