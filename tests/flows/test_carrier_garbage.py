"""Carriers that bind and then talk nonsense, answer nothing or vanish without a word: nothing is lost, nobody spins (design section 6B)."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

from tests.flows.processes import MOST_SHARE, cpu_s, rss
from tests.flows.rig import KEY, Carrier, Program, prepare, read_books, until
from tests.flows.test_carrier_trouble import Impostor, hang_up

from heliograph.cli.drill_load import Load
from heliograph.cli.drill_report import Seen
from heliograph.services import outcomes
from heliograph.store.opening import open_database
from heliograph.wire.smpp import codec, tables
from heliograph.wire.smpp.pdus import Pdu, PduError

MOST_GROWTH = 30 * 2**20  # octets; a leak of a session or a text a cycle would be far above
Write = Callable[[bytes], None]


def head(length: int, command_id: int, sequence: int, status: int = 0) -> bytes:
    """The sixteen octets at the head of a PDU."""
    return b"".join(number.to_bytes(4, "big") for number in (length, command_id, status, sequence))


def of_another(write: Write, pdu: Pdu) -> None:
    """Answers with sequence numbers that were never given out."""
    write(codec.encode(Pdu(tables.SUBMIT_SM_RESP, 0, pdu.sequence + 100_000, message_id="1")))


def unknown(write: Write, pdu: Pdu) -> None:
    """Commands that no standard knows, one of them marked as an answer."""
    write(head(16, 0x77, pdu.sequence) + head(16, 0x80000077, pdu.sequence))


def too_short(write: Write, pdu: Pdu) -> None:
    """A length below that of a head."""
    write(head(8, tables.SUBMIT_SM_RESP, pdu.sequence))


def too_long(write: Write, pdu: Pdu) -> None:
    """Two gigabytes are announced."""
    write(head(0x7FFFFFFF, tables.SUBMIT_SM_RESP, pdu.sequence) + bytes(1000))


def half(write: Write, pdu: Pdu) -> None:
    """The head of an answer, and never more."""
    write(head(60, tables.SUBMIT_SM_RESP, pdu.sequence))


def lying(write: Write, pdu: Pdu) -> None:
    """A deliver_sm whose text is said to be longer than the PDU."""
    write(head(16 + 18, tables.DELIVER_SM, pdu.sequence) + bytes(16) + b"\xff" + b"x")


def silence(write: Write, pdu: Pdu) -> None:
    """A window that is never answered."""


def flood(write: Write, pdu: Pdu) -> None:
    """Thousands of the smallest requests, answers to nothing and refusals of nothing at once."""
    small = head(16, tables.ENQUIRE_LINK, 9) + head(16, tables.ENQUIRE_LINK_RESP, 9) + head(16, tables.GENERIC_NACK, 0)
    write(small * 2000)


ACTS = (of_another, unknown, too_short, too_long, half, lying, silence, flood)


class Madhouse:
    """Binds everybody; each connection answers submits in its own mad way, in turn."""

    def __init__(self) -> None:
        self.stolen: list[str] = []
        self.met: set[str] = set()
        self._acts = itertools.cycle(ACTS)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        act = next(self._acts)
        while True:
            size = await reader.read(4)
            if len(size) < 4:
                return
            raw = size + await reader.readexactly(int.from_bytes(size, "big") - 4)
            try:
                pdu = codec.decode(raw)
            except PduError:  # a refusal of what was said here
                continue
            if pdu.command_id == tables.SUBMIT_SM:
                self.stolen.append(pdu.short_message.decode())
                self.met.add(act.__name__)
                act(writer.write, pdu)
            elif pdu.command_id in (tables.BIND_TRANSCEIVER, tables.UNBIND):
                writer.write(codec.encode(Pdu(pdu.command_id | tables.RESPONSE, 0, pdu.sequence)))
            elif pdu.command_id == tables.ENQUIRE_LINK:
                writer.write(codec.encode(Pdu(tables.ENQUIRE_LINK_RESP, 0, pdu.sequence)))


async def delivered(database: str) -> None:
    """Wait until all that is not unsure is delivered."""
    db = await open_database(database)

    async def is_over() -> bool:
        return {each.status async for each in outcomes.read_all(db) if not each.doubted} <= {1}

    try:
        await until(is_over)
    finally:
        await db.close()


def test_a_carrier_that_answers_nonsense_costs_no_other_text_its_way(tmp_path: Path) -> None:
    """Wrong numbers, lengths, commands, halves, silence and floods at once: what was written waits as unsure, the rest
    goes to the carrier when it has come to its senses, and the server has stayed calm and answered."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'mad.db'}"
        mad, seen = Madhouse(), Seen()
        impostor, carrier = Impostor(mad.talk), Carrier()
        await impostor.start()
        carrier.port = impostor.port
        program = Program(tmp_path, database=url)
        settings = {"answer_s": "0.5", "links": str(len(ACTS)), "window": "2", "enquire_s": "0.5"}
        await prepare(url, program.data, impostor.port, carrier=settings)
        try:
            async with program:
                load = Load(program, KEY, seen, 200, 1000, lambda: None)  # type: ignore[arg-type]
                await load.run(20)
                before, held = cpu_s(program.pid), rss(program.pid)
                await until(lambda: len(mad.met) == len(ACTS))
                await asyncio.sleep(1.5)
                assert cpu_s(program.pid) - before < 1.5 * MOST_SHARE
                assert rss(program.pid) - held < MOST_GROWTH
                await impostor.stop()
                await carrier.start()
                await delivered(url)
                assert await program.stop() == 0
            books = await read_books(url)
            doubted = {text for text, each in books.messages.items() if each.doubted}
            assert len(seen.accepted) == len(books.messages) == 200
            assert len(mad.stolen) == len(set(mad.stolen))
            assert set(mad.stolen) <= doubted  # some may have been written and never read
            assert set(carrier.taken) == set(books.messages) - doubted and set(carrier.taken.values()) == {1}
            # The window of each link that ever was, and two slots used again before a third silence ends the link.
            assert len(doubted) <= (2 + 2) * impostor.connections
            assert books.faults == ()
            assert "Traceback" not in program.log
        finally:
            await impostor.stop()
            await carrier.stop()

    asyncio.run(story())


class Tunnel:
    """Between the program and its carrier; while ``dark`` it swallows everything and says nothing, not even goodbye."""

    def __init__(self, port: int) -> None:
        self.dark = False
        self._port = port

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.dark:
            while await reader.read(65536):
                pass
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            far_writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if not self.dark:
                sink.write(data)
        if not self.dark:
            sink.transport.abort()


def test_a_link_that_vanishes_without_a_word_is_found_and_made_anew(tmp_path: Path) -> None:
    """No FIN, no RST, as when a router dies: silence alone tells; what was on the wire is unsure, the rest goes once."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'vanished.db'}"
        seen = Seen()
        async with Carrier() as carrier:
            tunnel = Tunnel(carrier.port)
            wire = Impostor(tunnel.talk)
            await wire.start()
            program = Program(tmp_path, database=url)
            settings = {"answer_s": "0.4", "enquire_s": "0.3", "links": "2", "window": "20"}
            await prepare(url, program.data, wire.port, carrier=settings)
            try:
                async with program:
                    load = Load(program, KEY, seen, 300, 200, lambda: None)  # type: ignore[arg-type]
                    loading = asyncio.create_task(load.run(10))
                    await load.reach(80)
                    tunnel.dark = True
                    before = cpu_s(program.pid)
                    await loading
                    await until(lambda: program.log.count("carrier_link_lost") >= 2)
                    await asyncio.sleep(0.2)
                    assert cpu_s(program.pid) - before < 2.0 * MOST_SHARE
                    tunnel.dark = False
                    await delivered(url)
                    assert await program.stop() == 0
                books = await read_books(url)
                doubted = {text for text, each in books.messages.items() if each.doubted}
                assert (len(seen.accepted), seen.unknown, seen.refused) == (300, set(), 0)
                assert set(carrier.taken.values()) == {1}
                assert set(seen.accepted) - set(carrier.taken) <= doubted
                # Two answers that are overdue leave their slots to others before a third one ends the link.
                assert 0 < len(doubted) <= 2 * (20 + 2)
                assert {each.status for text, each in books.messages.items() if text not in doubted} == {1}
                assert books.faults == ()
            finally:
                await wire.stop()

    asyncio.run(story())


def test_hundreds_of_links_that_fail_leave_nothing_behind(tmp_path: Path) -> None:
    """A carrier that is ill for weeks must not fill the memory: each link that fails is gone as a whole."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'ill.db'}"
        impostor = Impostor(hang_up)
        await impostor.start()
        program = Program(tmp_path, database=url)
        settings = {"links": "64", "reconnect_s": "0.05"}
        await prepare(url, program.data, impostor.port, carrier=settings)
        try:
            async with program:
                await until(lambda: impostor.connections >= 128)
                held = rss(program.pid)
                await until(lambda: impostor.connections >= 360)
                assert rss(program.pid) - held < MOST_GROWTH // 3
        finally:
            await impostor.stop()

    asyncio.run(story())
