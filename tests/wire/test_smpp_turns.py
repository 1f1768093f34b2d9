"""Large reads, parsed in turns of the loop: what else runs meanwhile, and how they end when the session does."""

import asyncio
from typing import Any

import pytest
from tests.wire.dialogues import Owner, Raw, bound, dialogue, submit

from heliograph.wire.smpp import codec, statuses, tables
from heliograph.wire.smpp.contract import Settings
from heliograph.wire.smpp.endpoints import Listener
from heliograph.wire.smpp.pdus import Pdu

TURN = 64


def submits(first: int, last: int) -> bytes:
    """What a peer writes that submits with these sequence numbers."""
    return b"".join(codec.encode(Pdu(tables.SUBMIT_SM, sequence=number)) for number in range(first, last + 1))


def seen(owner: Owner) -> list[int]:
    """The sequence numbers of the requests that the owner was given."""
    return [pdu.sequence for pdu in owner.seen]


def test_large_read_is_parsed_in_turns() -> None:
    """A one-time code does not wait for the thousands of texts that somebody has just written."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        owner.sessions[0].data_received(submits(2, 1001))
        steps = [len(owner.seen)]
        while len(owner.seen) < 1000:
            await asyncio.sleep(0)
            steps.append(len(owner.seen))
        assert max(now - before for before, now in zip([0, *steps], steps, strict=False)) == TURN
        assert seen(owner) == list(range(2, 1002))
        assert [(await raw.read()).sequence for _ in range(1000)] == list(range(2, 1002))
        await raw.close()

    dialogue(talk)


@pytest.mark.parametrize("count", [TURN - 1, TURN, TURN + 1])
def test_turn_that_is_just_full_leaves_nothing(count: int) -> None:
    """What is parsed must not depend on how a read divides, nor may the reading stay stopped."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        session = owner.sessions[0]
        octets = submits(2, count + 2)
        session.data_received(octets[:-5])  # the last one lacks its end
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(owner.seen) == count
        assert session._transport is not None
        assert session._transport.is_reading()
        session.data_received(octets[-5:])
        assert seen(owner) == list(range(2, count + 3))
        raw.writer.write(submits(1000, 1000))
        await owner.until(lambda: seen(owner)[-1] == 1000)
        await raw.close()

    dialogue(talk)


def test_later_reads_wait_behind_what_is_left() -> None:
    """The order of the wire is kept, octet by octet, and no more is read than was under way."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        session = owner.sessions[0]
        octets = submits(2, 601)
        session.data_received(octets[:9003])
        assert session._transport is not None
        assert not session._transport.is_reading()
        session.data_received(octets[9003:9010])
        session.data_received(octets[9010:])
        assert len(owner.seen) == TURN
        await owner.until(lambda: len(owner.seen) == 600)
        assert seen(owner) == list(range(2, 602))
        await asyncio.sleep(0)
        assert session._transport.is_reading()
        await raw.close()

    dialogue(talk)


def test_flood_of_a_real_peer_is_answered_in_order() -> None:
    """However the system cuts it, every request gets its answer, and the limit of unanswered ones still holds."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        raw.writer.write(submits(2, 10_001))
        assert [(await raw.read()).sequence for _ in range(10_000)] == list(range(2, 10_002))
        await raw.close()

    assert len(dialogue(talk, settings=Settings(incoming=100)).seen) == 10_000


def test_reading_stays_stopped_while_too_many_wait() -> None:
    """That the rest has been parsed is no reason to read on; answers are."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        session = owner.sessions[0]
        session.data_received(submits(2, 201))
        await owner.until(lambda: len(owner.seen) == 200)
        await asyncio.sleep(0)
        assert session._transport is not None
        assert not session._transport.is_reading()
        for pdu in owner.seen:
            session.answer(pdu)
        assert session._transport.is_reading()
        assert [(await raw.read()).sequence for _ in range(200)] == list(range(2, 202))
        await raw.close()

    dialogue(talk, settings=Settings(incoming=150), hold=True)


@pytest.mark.parametrize("end", ["close", "abort", "unbind"])
def test_answers_that_were_read_count_though_the_session_ends(end: str) -> None:
    """What the carrier has accepted must not become doubtful; a new request is not taken any more."""

    async def talk(owner: Owner, listener: Listener) -> None:
        client = Owner()
        session = await bound(listener, client, Settings(window=300))
        got: list[tuple[int, Any]] = []

        def on_answer(answer: Pdu | None, context: Any) -> None:
            assert answer is not None
            got.append((answer.sequence, context))

        for place in range(300):
            assert session.request(submit(), on_answer, place)
        await owner.until(lambda: len(owner.seen) == 300)
        answers = [codec.encode(Pdu(tables.SUBMIT_SM_RESP, 0, pdu.sequence, message_id="m")) for pdu in owner.seen]
        session.data_received(b"".join((*answers, codec.encode(Pdu(tables.DELIVER_SM, sequence=9)))))
        assert len(got) == TURN
        for pdu in owner.seen:
            owner.sessions[0].answer(pdu)  # the real ones, behind those
        if end == "unbind":
            await session.unbind()
        else:
            (session.close if end == "close" else session.abort)("enough")  # type: ignore[operator]
            await session.wait_closed()
        assert got == [(pdu.sequence, place) for place, pdu in enumerate(owner.seen[:300])]
        assert client.events == ["bound", "closed: unbound" if end == "unbind" else "closed: enough"]

    dialogue(talk, hold=True)


def test_connection_lost_meanwhile_ends_the_session_after_the_rest() -> None:
    """Its end is told last and once, as ever, and a server that stops waits for it."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        session = owner.sessions[0]
        session.data_received(submits(2, 301))
        assert session._transport is not None
        session._transport.abort()
        session.data_received(submits(302, 303)[:50])
        assert session in listener.sessions
        await session.wait_closed()
        assert session not in listener.sessions
        assert TURN <= len(owner.seen) < 300  # the requests after the loss are not taken: nobody would learn their ids
        assert seen(owner) == list(range(2, len(owner.seen) + 2))
        before = len(owner.events)
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(owner.events) == before
        await raw.close()

    events = dialogue(talk).events
    assert events[-1] == "closed: closed by the peer"
    assert sum(event.startswith("closed") for event in events) == 1


def test_unbind_behind_many_requests_is_answered_after_them() -> None:
    """The goodbye keeps its place, and what follows it is refused."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        goodbye = codec.encode(Pdu(tables.UNBIND, sequence=200))
        owner.sessions[0].data_received(submits(2, 199) + goodbye + submits(201, 201))
        await owner.until(lambda: len(owner.seen) == 198)
        refused = await raw.read()
        assert (refused.sequence, refused.status) == (201, statuses.ESME_RINVBNDSTS)
        for pdu in owner.seen:
            owner.sessions[0].answer(pdu)
        assert [(await raw.read()).sequence for _ in range(199)] == list(range(2, 201))
        assert await raw.ended()
        await raw.close()

    assert dialogue(talk, hold=True).events[-1] == "closed: unbound by the peer"


def test_garbage_behind_many_requests_ends_the_connection() -> None:
    """Those before it are answered, what came after it is not looked at."""

    async def talk(owner: Owner, listener: Listener) -> None:
        raw = await Raw.open(listener)
        session = owner.sessions[0]
        session.data_received(submits(2, 201) + bytes(16) + submits(202, 203))
        session.data_received(submits(204, 300))
        assert [(await raw.read()).sequence for _ in range(200)] == list(range(2, 202))
        answer = await raw.read()
        assert (answer.name, answer.status) == ("generic_nack", statuses.ESME_RINVCMDLEN)
        assert await raw.ended()
        await raw.close()

    owner = dialogue(talk)
    assert len(owner.seen) == 200
    assert owner.events[-1].startswith("closed: not SMPP")


def test_mistake_in_a_later_turn_ends_the_session() -> None:
    """A rest that nobody parses would leave a link that neither reads nor is found dead."""

    async def talk(owner: Owner, listener: Listener) -> None:
        client = Owner()
        session = await bound(listener, client, Settings(window=100))
        mistakes: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: mistakes.append(context))

        def on_answer(answer: Pdu | None, context: Any) -> None:
            if context == 80:
                raise asyncio.CancelledError

        for place in range(100):
            assert session.request(submit(), on_answer, place)
        await owner.until(lambda: len(owner.seen) == 100)
        answers = [codec.encode(Pdu(tables.SUBMIT_SM_RESP, 0, pdu.sequence)) for pdu in owner.seen]
        session.data_received(b"".join(answers))
        await session.wait_closed()
        assert client.events == ["bound", "closed: the session failed"]
        assert len(mistakes) == 1

    dialogue(talk, hold=True)
