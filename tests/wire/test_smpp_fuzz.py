"""SMPP against chance: mutated PDUs, streams cut anywhere, and a session in a random dialogue (SMPP 3.4 Issue 1.2)."""

import asyncio
import string
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from heliograph.wire.smpp import codec, statuses, tables
from heliograph.wire.smpp.contract import Settings
from heliograph.wire.smpp.endpoints import connect
from heliograph.wire.smpp.pdus import Pdu, PduError
from heliograph.wire.smpp.receipt import STATES, format_text, parse_receipt
from heliograph.wire.smpp.session import Session

WINDOW = 4
SAMPLES = (
    Pdu(tables.BIND_TRANSCEIVER, 0, 1, system_id="acme", password="secret"),
    Pdu(tables.SUBMIT_SM, 0, 2, source_addr="ACME", destination_addr="79991234567", short_message=b"text" * 9),
    Pdu(tables.SUBMIT_SM_RESP, 0, 3, message_id="1042"),
    Pdu(tables.DELIVER_SM, 0, 4, source_addr="79991234567", short_message=b"id:1 stat:DELIVRD", tlvs={0x1E: b"1\0"}),
    Pdu(tables.SUBMIT_MULTI, 0, 5, short_message=b"all"),
    Pdu(tables.QUERY_SM_RESP, 0, 6, message_id="7"),
    Pdu(tables.ENQUIRE_LINK, 0, 7),
)


@given(
    st.sampled_from(SAMPLES).map(codec.encode),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(-20, 20),
)
@settings(max_examples=400, deadline=None)
def test_a_mutated_pdu_is_read_as_itself_or_refused(raw: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    """Octets changed anywhere, inner lengths included, and the end cut off or drawn out: what is read can be written
    and read again as the same, everything else is a refusal that the peer can be told."""
    data = bytearray(raw)
    for place, octet in changes:
        data[place % len(data)] = octet
    mutated = bytes(data[:cut] if cut < 0 else data + bytes(cut))
    try:
        pdu = codec.decode(mutated)
    except PduError as error:
        assert error.answer in statuses.STATUSES
        return
    assert codec.decode(codec.encode(pdu)) == pdu


@given(st.binary(min_size=4, max_size=40), st.integers(16, 2000))
@settings(max_examples=200, deadline=None)
def test_a_length_is_believed_within_its_limits_only(data: bytes, limit: int) -> None:
    """Whoever announces two gigabytes must not make anybody wait for them."""
    try:
        length = codec.measure(data, limit=limit)
    except PduError as error:
        assert not error.recoverable
        assert not 16 <= int.from_bytes(data[:4], "big") <= limit
        return
    assert length == int.from_bytes(data[:4], "big") and 16 <= length <= limit


ids = st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=64)


@given(
    ids,
    st.sampled_from(sorted(STATES.values())),
    st.integers(0, 999),
    st.text(string.ascii_letters + string.digits + " :.,", max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_any_receipt_that_is_written_is_read(message_id: str, state: int, error: int, text: str) -> None:
    """A text that itself looks like a receipt's fields changes nothing, for `text:` is the last of them."""
    at = 1_709_294_400_000
    written = format_text(message_id, state, submitted_ms=at, done_ms=at, error=error, text=text)
    pdu = Pdu(tables.DELIVER_SM, esm_class=tables.ESM_RECEIPT, short_message=written.encode("latin-1"))
    receipt = parse_receipt(pdu)
    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.error) == (message_id, state, f"{error:03d}")
    assert receipt.done_date == at


class Owner:
    """Answers what comes at once and counts what it is told."""

    def __init__(self) -> None:
        self.delivered = 0
        self.closed_with: list[str] = []

    def bound(self, session: Session) -> None:
        """Nothing to do."""

    def pdu(self, session: Session, pdu: Pdu) -> None:
        self.delivered += 1
        session.answer(pdu)

    def ready(self, session: Session) -> None:
        """Nothing to do."""

    def closed(self, session: Session, reason: str) -> None:
        self.closed_with.append(reason)


class Dialogue(RuleBasedStateMachine):
    """A client's session on a real connection, and a peer who answers in any order, twice, wrongly, in pieces or not."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self._begin()

    def _begin(self) -> None:
        self.owner = Owner()
        self.told: dict[int, list[bool]] = {}  # by sequence: whether there was an answer, for each call
        self.open: list[int] = []
        self.delivers = self.strays = 0
        self.barrier = 1_000_000
        self.peer = self.loop.run_until_complete(self._start())

    async def _start(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        met: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = self.loop.create_future()
        self.server = await asyncio.start_server(lambda reader, writer: met.set_result((reader, writer)), "127.0.0.1")
        port = self.server.sockets[0].getsockname()[1]
        self.session = await connect("127.0.0.1", port, self.owner, Settings(window=WINDOW))
        binding = self.loop.create_task(self.session.bind(tables.BIND_TRANSCEIVER, "acme", "secret"))
        reader, writer = await met
        bind = await self._read(reader)
        writer.write(codec.encode(Pdu(tables.BIND_TRANSCEIVER_RESP, 0, bind.sequence)))
        await binding
        return reader, writer

    @staticmethod
    async def _read(reader: asyncio.StreamReader) -> Pdu:
        head = await reader.readexactly(4)
        return codec.decode(head + await reader.readexactly(int.from_bytes(head, "big") - 4))

    def _write(self, data: bytes, pieces: int = 1) -> None:
        """Let the peer write, in pieces, and wait until the session has seen it all: it answers an enquire_link."""

        async def write() -> None:
            self.barrier += 1
            whole = data + codec.encode(Pdu(tables.ENQUIRE_LINK, 0, self.barrier))
            step = max(1, len(whole) // pieces)
            for start in range(0, len(whole), step):
                self.peer[1].write(whole[start : start + step])
                await self.peer[1].drain()
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                while True:
                    pdu = await self._read(self.peer[0])
                    if (pdu.command_id, pdu.sequence) == (tables.ENQUIRE_LINK_RESP, self.barrier):
                        return

        self.loop.run_until_complete(write())

    def is_bound(self) -> bool:
        return self.session.is_bound

    @precondition(is_bound)
    @rule()
    def request(self) -> None:
        """A submit goes out, if and only if there is room."""
        pdu = Pdu(tables.SUBMIT_SM, destination_addr="79991234567", short_message=b"x")
        calls: list[bool] = []

        def on_answer(answer: Pdu | None, context: Any) -> None:
            calls.append(answer is not None)

        went = self.session.request(pdu, on_answer)
        assert went == (len(self.open) < WINDOW)
        if went:
            self.told[pdu.sequence] = calls
            self.open.append(pdu.sequence)

    @precondition(lambda self: self.session.is_bound and self.open)
    @rule(data=st.data(), status=st.sampled_from([0, 0x58, 0x0B]), pieces=st.integers(1, 9), twice=st.booleans())
    def answer(self, data: st.DataObject, status: int, pieces: int, twice: bool) -> None:
        """Any of those that wait, perhaps twice: the second one is a stray."""
        sequence = data.draw(st.sampled_from(self.open))
        self.open.remove(sequence)
        self._write(codec.encode(Pdu(tables.SUBMIT_SM_RESP, status, sequence, message_id="1")) * (1 + twice), pieces)
        self.strays += twice
        assert self.told[sequence] == [True]

    @precondition(is_bound)
    @rule(pieces=st.integers(1, 9))
    def deliver(self, pieces: int) -> None:
        """A receipt comes and is answered."""
        self._write(codec.encode(Pdu(tables.DELIVER_SM, 0, 77, short_message=b"id:1")), pieces)
        self.delivers += 1

    @precondition(is_bound)
    @rule(
        command=st.sampled_from([0x77, 0x80000077, tables.SUBMIT_SM, tables.BIND_RECEIVER]), body=st.binary(max_size=9)
    )
    def talk_nonsense(self, command: int, body: bytes) -> None:
        """Unknown commands, wrong directions, unreadable bodies: refused one by one, and the session goes on."""
        self._write(b"".join(n.to_bytes(4, "big") for n in (16 + len(body), command, 0, 999_999)) + body)
        self.strays += bool(command & tables.RESPONSE)

    @precondition(is_bound)
    @rule(length=st.sampled_from([0, 15, 0x7FFFFFFF]))
    def lie_about_the_length(self, length: int) -> None:
        """Nobody knows where the next PDU begins: the end, and all who wait are told."""
        self.peer[1].write(length.to_bytes(4, "big") + bytes(12))
        self._end()

    @precondition(is_bound)
    @rule()
    def hang_up(self) -> None:
        """The peer is gone."""
        self.peer[1].transport.abort()
        self._end()

    @precondition(is_bound)
    @rule()
    def close(self) -> None:
        """We go."""
        self.session.close("enough")
        self._end()

    @precondition(lambda self: not self.session.is_bound)
    @rule()
    def come_again(self) -> None:
        """What ended takes no request, and the next session knows nothing of it."""
        assert not self.session.request(Pdu(tables.SUBMIT_SM), lambda answer, context: None)
        self.loop.run_until_complete(self._leave())
        self._begin()

    def _end(self) -> None:
        self.loop.run_until_complete(asyncio.wait_for(self.session.wait_closed(), 5))
        for sequence in self.open:
            assert self.told[sequence] == [False]
        self.open.clear()
        assert len(self.owner.closed_with) == 1

    @invariant()
    def books_agree(self) -> None:
        """Room, calls and counts are what was done, whatever the order."""
        assert self.session.room == (WINDOW - len(self.open) if self.session.is_bound else 0)
        assert all(len(calls) == (sequence not in self.open) for sequence, calls in self.told.items())
        assert (self.owner.delivered, self.session.strays) == (self.delivers, self.strays)

    async def _leave(self) -> None:
        self.session.abort("over")
        await self.session.wait_closed()
        self.peer[1].transport.abort()
        self.server.close()
        await asyncio.sleep(0)

    def teardown(self) -> None:
        """The connection and its loop end."""
        self.loop.run_until_complete(self._leave())
        self.loop.close()


# Every request is told its end exactly once, whatever the peer says and in whatever order.
TestDialogue = Dialogue.TestCase
TestDialogue.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
