"""The program killed between any two steps of flows A to E, by what carrier and customer do (design section 6)."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.delivery.centres import Centre
from tests.flows.rig import MONEY, PRICE, Carrier, Program, customer, drained, prepare, reached, read_books, until

from heliograph.wire.smpp import tables
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session

PHONE = "79161234567"
UNANSWERED = "79990000014"
UNANSWERED_DELIVERED = "79990000016"
LATE = "79990000101"
RECEIPT = "id:{} sub:001 dlvrd:001 submit date:2601010101 done date:2601010101 stat:DELIVRD err:000 text:"


@asynccontextmanager
async def running(url: str, folder: Path, port: int, told: str = "", **carrier: str) -> AsyncIterator[Program]:
    """A prepared store and a server on it, killed at the end."""
    program = Program(folder, database=url)
    await prepare(url, program.data, port, callback_url=told, carrier=carrier)
    await program.start()
    try:
        yield program
    finally:
        await program.kill()


async def restart(program: Program) -> None:
    """Kill and start anew."""
    await program.kill()
    await program.start()


async def settled(program: Program, url: str) -> Any:
    """The books once nothing waits any more and the server has ended well."""
    await drained(url)
    assert await program.stop() == 0
    return await read_books(url)


def test_killed_after_acceptance_it_sends_once(backend_url: str, tmp_path: Path) -> None:
    """Between A and B: an id was answered, so the text goes, though its server died before the carrier was there."""

    async def story() -> None:
        async with customer() as told, Carrier() as carrier:
            await carrier.stop()
            async with running(backend_url, tmp_path, carrier.port, told.url) as program:
                assert (await program.send(phones=PHONE, mes="once"))["id"] == 1
                await program.kill()
                await carrier.start()
                await program.start()
                books = await settled(program, backend_url)
            assert carrier.taken == {"once": 1}
            assert not books.messages["once"].doubted
            assert [form["status"] for form in told.forms] == ["1"]

    asyncio.run(story())


def test_killed_with_an_unanswered_text_it_waits_for_the_receipt(backend_url: str, tmp_path: Path) -> None:
    """In B: the text may be on a phone, so it does not go again; its receipt is found by the number."""

    async def story() -> None:
        died = asyncio.Event()
        async with customer() as told, Carrier() as carrier:
            carrier.on_submit = lambda record: died.set()
            async with running(backend_url, tmp_path, carrier.port, told.url) as program:
                await program.send(phones=UNANSWERED_DELIVERED, mes="perhaps")
                await died.wait()
                await restart(program)
                books = await settled(program, backend_url)
            assert carrier.taken == {"perhaps": 1}
            assert (books.messages["perhaps"].status, books.orphans) == (1, 0)
            assert [form["status"] for form in told.forms] == ["1"]

    asyncio.run(story())


def test_an_unanswered_text_without_a_receipt_ends_with_money_back(backend_url: str, tmp_path: Path) -> None:
    """In B: nobody ever says what became of it: status 3, err 245 after the wait, refunded, told once."""

    async def story() -> None:
        died = asyncio.Event()
        async with customer() as told, Carrier() as carrier:
            carrier.on_submit = lambda record: died.set()
            async with running(backend_url, tmp_path, carrier.port, told.url, unsure_s="1") as program:
                await program.send(phones=UNANSWERED, mes="never")
                await died.wait()
                await restart(program)
                books = await settled(program, backend_url)
            found = books.messages["never"]
            assert (found.status, found.err, found.doubted) == (3, 245, True)
            assert carrier.taken == {"never": 1}
            assert (books.balance, books.faults) == (MONEY, ())
            assert [(form["status"], form["err"]) for form in told.forms] == [("3", "245")]

    asyncio.run(story())


def test_an_unanswered_text_may_be_sent_again_where_the_carrier_is_set_so(tmp_path: Path) -> None:
    """In B: ``unsure=again`` prefers a second copy to none."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'again.db'}"
        died = asyncio.Event()
        async with Carrier() as carrier:
            carrier.on_submit = lambda record: died.set()
            async with running(url, tmp_path, carrier.port, unsure="again", answer_s="1") as program:
                await program.send(phones=UNANSWERED, mes="again")
                await died.wait()
                await restart(program)
                await until(lambda: carrier.taken["again"] == 2)

    asyncio.run(story())


def test_a_text_that_was_not_started_goes_after_the_kill(tmp_path: Path) -> None:
    """In B: of a queue behind a full window only what was on the wire is doubtful, all the rest goes once."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'window.db'}"
        async with Carrier() as carrier:
            async with running(url, tmp_path, carrier.port, window="2", unsure_s="1") as program:
                first = [await program.send(phones=UNANSWERED, mes=f"stuck {n}") for n in range(2)]
                assert [each["id"] for each in first] == [1, 2]
                await until(lambda: len(carrier.taken) == 2)
                for n in range(20):
                    await program.send(phones=f"791612345{n:02d}", mes=f"free {n}")
                await restart(program)
                books = await settled(program, url)
            assert len(carrier.taken) == 22 and set(carrier.taken.values()) == {1}
            doubted = {text for text, each in books.messages.items() if each.doubted}
            assert doubted == {"stuck 0", "stuck 1"}

    asyncio.run(story())


def test_killed_before_the_receipt_it_is_matched_from_the_store(backend_url: str, tmp_path: Path) -> None:
    """Between B and C: the carrier's id is on disk with the answer, so a later server matches the receipt."""

    async def story() -> None:
        async with customer() as told, Carrier() as carrier:
            async with running(backend_url, tmp_path, carrier.port, told.url) as program:
                await program.send(phones=LATE, mes="late")
                await reached(backend_url, "late", 0)
                await restart(program)
                await reached(backend_url, "late", 1)
                books = await settled(program, backend_url)
            assert carrier.taken == {"late": 1}
            assert (books.messages["late"].doubted, books.orphans) == (False, 0)
            assert len(told.forms) == 1

    asyncio.run(story())


class EarlyCentre(Centre):
    """Sends the receipt, and when that is acknowledged calls ``kill`` instead of answering the submit."""

    def __init__(self) -> None:
        super().__init__()
        self.killed = asyncio.Event()
        self.answer = self.tell_first

    def tell_first(self, session: Session, pdu: Pdu) -> None:
        self.deliver_receipt("77")

    def deliver_receipt(self, ref: str) -> None:
        text = RECEIPT.format(ref).encode()
        pdu = Pdu(tables.DELIVER_SM, source_addr=PHONE, destination_addr="FLOW", short_message=text)
        pdu.esm_class = tables.ESM_RECEIPT
        session = next(session for session in self.sessions if session.can_receive)
        assert session.request(pdu, self._acknowledged)

    def _acknowledged(self, answer: Pdu | None, context: Any) -> None:
        if answer is not None:
            self.answers.append(answer)
            self.killed.set()


def test_a_receipt_before_the_response_survives_the_kill(backend_url: str, tmp_path: Path) -> None:
    """Between C and B: acknowledged before its text had an id, it is on disk and joins the doubtful text at start."""

    async def story() -> None:
        centre = EarlyCentre()
        await centre.start()
        try:
            async with running(backend_url, tmp_path, centre.port) as program:
                await program.send(phones=PHONE, mes="early")
                await centre.killed.wait()
                await restart(program)
                await reached(backend_url, "early", 1)
                books = await settled(program, backend_url)
            assert len(centre.submits) == 1
            assert (books.messages["early"].status, books.orphans, books.faults) == (1, 0, ())
        finally:
            await centre.stop()

    asyncio.run(story())


def test_a_receipt_before_the_response_joins_when_the_response_never_comes(tmp_path: Path) -> None:
    """Without any kill: the text becomes doubtful when its answer is overdue, and the receipt is already there."""

    async def story() -> None:
        url = f"sqlite:///{tmp_path / 'overdue.db'}"
        async with Carrier() as carrier:
            async with running(url, tmp_path, carrier.port, answer_s="1") as program:
                await program.send(phones=UNANSWERED_DELIVERED, mes="overdue")
                await reached(url, "overdue", 1)
                books = await settled(program, url)
            assert (carrier.taken, books.orphans) == ({"overdue": 1}, 0)

    asyncio.run(story())


def test_what_was_acknowledged_to_the_carrier_is_on_disk(backend_url: str, tmp_path: Path) -> None:
    """In C: killed at the moment of the acknowledgement; the carrier never sends that receipt again."""

    async def story() -> None:
        centre = EarlyCentre()
        centre.answer = centre.accept
        await centre.start()
        try:
            async with customer() as told, running(backend_url, tmp_path, centre.port, told.url) as program:
                await program.send(phones=PHONE, mes="told")
                await reached(backend_url, "told", 0)
                centre.deliver_receipt("m1")
                await centre.killed.wait()
                await restart(program)
                await until(lambda: len(told.forms) >= 1)
                books = await settled(program, backend_url)
                assert (books.messages["told"].status, books.orphans) == (1, 0)
                assert {form["status"] for form in told.forms} == {"1"}
        finally:
            await centre.stop()

    asyncio.run(story())


def test_a_callback_that_was_not_answered_is_told_again_with_its_number(backend_url: str, tmp_path: Path) -> None:
    """In D: the customer may have heard it, so the repeat carries the same event id to be recognised by."""

    async def story() -> None:
        async with customer() as told, Carrier() as carrier:
            async with running(backend_url, tmp_path, carrier.port, told.url) as program:
                right, told.reply = told.reply, b""
                await program.send(phones=PHONE, mes="heard")
                await until(lambda: len(told.forms) == 1)
                await program.kill()
                told.reply = right
                await program.start()
                await settled(program, backend_url)
            events = [re.search(rb"(?i)x-heliograph-event: (\d+)", request)[1] for request in told.requests]  # type: ignore[index]
            assert len(events) == 2 and events[0] == events[1]
            assert told.forms[0] == told.forms[1]

    asyncio.run(story())


@pytest.mark.parametrize("pause_s", [0.01, 0.1])
def test_a_large_request_is_kept_whole_or_not_at_all(backend_url: str, tmp_path: Path, pause_s: float) -> None:
    """In A: thousands of rows are staged; a crash before the last transaction leaves no row, no charge, no text."""

    async def story() -> None:
        async with Carrier() as carrier, running(backend_url, tmp_path, carrier.port, window="500") as program:
            phones = ",".join(str(79_160_000_000 + n) for n in range(3000))
            asking = asyncio.create_task(program.send(phones=phones, mes="all"))
            await asyncio.sleep(pause_s)
            await program.kill()
            answered = not isinstance((await asyncio.gather(asking, return_exceptions=True))[0], BaseException)
            await program.start()
            balance = MONEY - round(float((await program.ask("balance")).body) * 10_000)
            assert balance in (0, 3000 * PRICE)
            assert balance or not answered
            db_empty = balance == 0
            if db_empty:
                await asyncio.sleep(0.2)
                assert not carrier.taken
                assert (await program.send(phones=phones, mes="all"))["cnt"] == 3000
            await program.kill()

    asyncio.run(story())


def test_an_incoming_text_is_on_disk_when_it_is_acknowledged(backend_url: str, tmp_path: Path) -> None:
    """In E: the carrier forgets a subscriber's text with the acknowledgement."""

    async def story() -> None:
        centre = EarlyCentre()
        await centre.start()
        try:
            async with running(backend_url, tmp_path, centre.port) as program:
                await until(lambda: len(centre.sessions) == 1)
                text = Pdu(tables.DELIVER_SM, source_addr=PHONE, destination_addr="7000", short_message=b"STOP")
                assert centre.sessions[0].request(text, centre._acknowledged)
                await centre.killed.wait()
                await program.kill()
                books = await read_books(backend_url)
                assert [(row[4], row[5], row[6]) for row in books.inbound] == [(PHONE, "7000", "STOP")]
        finally:
            await centre.stop()

    asyncio.run(story())
