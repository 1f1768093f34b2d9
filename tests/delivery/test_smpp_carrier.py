"""The SMPP carrier over real sockets: submits and outcomes, window, receipts, texts in, links that fail."""

import asyncio
from collections.abc import Callable

import pytest
from tests.delivery.centres import PHONE, Books, Centre, bound, carrier, now_ms, unit, until

from heliograph.core.messages import Kind
from heliograph.delivery.carriers import kinds, make
from heliograph.delivery.carriers.contract import What
from heliograph.delivery.carriers.smpp import SmppCarrier
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session


def refuse_with(status: int) -> Callable[[Session, Pdu], None]:
    """An answer with an error."""

    def answer(session: Session, pdu: Pdu) -> None:
        session.answer(pdu, status)

    return answer


def test_submit_is_accepted_with_the_carriers_id() -> None:
    """The id is what receipts are matched by."""

    async def main() -> None:
        async with bound() as (centre, links, books):
            assert links.up
            assert links.down_since_ms == 0
            links.send(unit())
            await until(lambda: bool(books.outcomes))
            outcome = books.outcomes[1, 1]
            assert (outcome.what, outcome.ref, outcome.code, outcome.link) == (What.ACCEPTED, "m1", 0, "#1")
            assert 0 < outcome.sent_ms <= outcome.answered_ms
            pdu = centre.submits[0]
            assert (pdu.short_message, pdu.source_addr, pdu.source_addr_ton) == (b"hello", "Shop", 5)
            assert (pdu.destination_addr, pdu.dest_addr_ton, pdu.dest_addr_npi) == (PHONE, 1, 1)
            assert centre.binds[0].password == "s3cret"
            figures = links.stats()
            assert (figures["links"], figures["bound"], figures["submitted"]) == (1, 1, 1)

    asyncio.run(main())


def test_window_is_never_exceeded_and_room_comes_back() -> None:
    """A centre that counts unanswered submits throttles or drops who goes beyond them."""

    async def main() -> None:
        centre = Centre()
        centre.answer = centre.keep
        async with bound(centre, window=10) as (_, links, books):
            assert (links.room(1), links.room(2), links.room(3)) == (10, 9, 9)
            for number in range(1, 31):
                links.send(unit(number))
            assert links.room(1) == 0
            before = books.changes
            await until(lambda: len(centre.submits) == 10)
            assert not books.outcomes
            centre.answer = centre.accept
            centre.release()
            await until(lambda: books.count(What.ACCEPTED) == 30)
            assert centre.most_open == 10
            assert books.changes > before
            assert links.room(1) == 10

    asyncio.run(main())


def test_window_of_one_serves_every_lane() -> None:
    """With a single slot nothing can be kept for lane 1, or the others would never move."""

    async def main() -> None:
        async with bound(window=1) as (_, links, books):
            assert (links.room(1), links.room(3)) == (1, 1)
            links.send(unit(text="long " * 100))
            await until(lambda: books.count(What.ACCEPTED) == 4)
            assert books.totals[1] == 4

    asyncio.run(main())


def test_parts_of_a_message_go_over_the_least_loaded_link() -> None:
    """All parts on one link arrive in order; new messages go where there is less to do."""

    async def main() -> None:
        centre = Centre()
        centre.answer = centre.keep
        async with bound(centre, links=2) as (_, links, books):
            links.send(unit(1, "long " * 100))
            links.send(unit(2))
            links.send(unit(3))
            await until(lambda: len(centre.submits) == 6)
            assert sorted(session.unanswered for session in centre.sessions) == [2, 4]
            for session in list(centre.sessions):
                session.abort("test")
            await until(lambda: books.count(What.UNSURE) == 6)
            assert len({books.outcomes[1, part].link for part in range(1, 5)}) == 1
            assert books.outcomes[2, 1].link == books.outcomes[3, 1].link != books.outcomes[1, 1].link

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "errors", "expected"),
    [
        (statuses.ESME_RSYSERR, {}, (What.LATER, 255)),
        (statuses.ESME_RINVDSTADR, {}, (What.REFUSED, 249)),
        (statuses.ESME_RINVSRCADR, {}, (What.REFUSED, 254)),
        (statuses.ESME_RSUBMITFAIL, {}, (What.REFUSED, 255)),
        (statuses.ESME_RSUBMITFAIL, {"0x45": 253}, (What.REFUSED, 253)),
        (statuses.ESME_RSUBMITFAIL, {"69": 13}, (What.REFUSED, 13)),
        (0x412, {"0x412": 1}, (What.REFUSED, 1)),
        (0x413, {"0x412": 1}, (What.REFUSED, 255)),
    ],
)
def test_refusals_are_told_by_the_carriers_table(
    status: int, errors: dict[str, int], expected: tuple[What, int]
) -> None:
    """The operator knows what his carrier means; what he did not say ends by the standard's meaning."""

    async def main() -> None:
        centre = Centre()
        centre.answer = refuse_with(status)
        async with bound(centre, errors=errors) as (_, links, books):
            links.send(unit())
            await until(lambda: bool(books.outcomes))
            outcome = books.outcomes[1, 1]
            assert (outcome.what, outcome.err) == expected
            assert outcome.code == status
            assert (outcome.retry_ms > 0) == (outcome.what is What.LATER)

    asyncio.run(main())


def test_nack_refuses_the_part() -> None:
    """Some centres answer what they do not understand with a generic_nack; it ends the part, not the link."""

    def nack(session: Session, pdu: Pdu) -> None:
        session.reply(Pdu(tables.GENERIC_NACK, statuses.ESME_RINVCMDLEN, pdu.sequence))

    async def main() -> None:
        centre = Centre()
        centre.answer = nack
        async with bound(centre) as (_, links, books):
            links.send(unit())
            await until(lambda: bool(books.outcomes))
            assert (books.outcomes[1, 1].what, books.outcomes[1, 1].code) == (What.REFUSED, 2)
            assert links.up

    asyncio.run(main())


def test_throttled_carrier_slows_down_and_recovers() -> None:
    """Repeating at full speed what was refused for its speed is how floods begin."""

    async def main() -> None:
        centre = Centre()
        centre.answer = refuse_with(statuses.ESME_RTHROTTLED)
        async with bound(centre, rate=400.0) as (_, links, books):
            for number in range(1, 7):
                links.send(unit(number))
            await until(lambda: books.count(What.LATER) == 6)
            assert all(0 < outcome.retry_ms <= 2000 for outcome in books.outcomes.values())
            assert links.room(1) == 0
            assert links.stats()["throttled"] == 6
            assert links.stats()["rate"] == pytest.approx(280)  # one episode: 400 * 0.7
            centre.answer = centre.accept
            before = books.changes
            await until(lambda: books.changes > before)
            assert links.room(1) > 0
            links.send(unit(9))
            await until(lambda: books.outcomes.get((9, 1)) is not None)
            assert books.outcomes[9, 1].what is What.ACCEPTED

    asyncio.run(main())


def test_rate_holds_back_what_is_ahead_of_it() -> None:
    """A rate counts parts: those of a long text wait their turn instead of provoking the carrier."""

    async def main() -> None:
        centre, books = Centre(), Books()
        clock = [1_700_000_000_000]
        await centre.start()
        links = SmppCarrier(carrier(centre.port, rate=10.0), books, lambda: clock[0])
        await links.start()
        await until(lambda: links.up)
        assert links.room(1) == 1
        links.send(unit(1, "long " * 100))
        assert links.room(1) == 0
        for step in range(1, 5):
            await until(lambda wanted=step: len(books.outcomes) >= wanted)
            await asyncio.sleep(0.02)
            assert len(centre.submits) == step  # the clock stands still
            clock[0] += 100
        await until(lambda: links.room(1) == 1)
        await links.stop(0)
        await centre.stop()

    asyncio.run(main())


def test_lost_link_leaves_exactly_the_unanswered_unsure() -> None:
    """Written and unanswered may be on a phone already; never written may go at once."""

    async def main() -> None:
        centre = Centre()
        centre.answer = lambda session, pdu: centre.accept(session, pdu) if len(centre.submits) <= 3 else None
        async with bound(centre, window=5) as (_, links, books):
            for number in range(1, 13):
                links.send(unit(number))
            await until(lambda: len(centre.submits) == 8 and len(books.outcomes) == 3)
            centre.sessions[0].abort("test")
            await until(lambda: len(books.outcomes) == 12)
            ends = [books.outcomes[number, 1].what for number in range(1, 13)]
            assert ends == [What.ACCEPTED] * 3 + [What.UNSURE] * 5 + [What.LATER] * 4
            assert all(books.outcomes[number, 1].retry_ms == 0 for number in range(9, 13))
            assert set(books.times.values()) == {1}

    asyncio.run(main())


def test_parts_ahead_of_the_window_wait_here_and_those_of_lane_1_pass_them() -> None:
    """They have their start mark already, so a slot that becomes free is filled at once; none of them is on the wire."""

    async def main() -> None:
        centre = Centre()
        centre.answer = centre.keep
        async with bound(centre, window=10, ahead=5) as (_, links, books):
            assert (links.room(1), links.room(3)) == (15, 14)
            for number in range(1, 15):
                links.send(unit(number, lane=3))
            assert (links.room(1), links.room(3)) == (1, 0)
            await until(lambda: len(centre.submits) == 9)
            links.send(unit(20, "long " * 60, lane=1))  # one part takes the slot that is kept, one waits
            await until(lambda: len(centre.submits) == 10)
            centre.sessions[0].answer(centre.submits[0], message_id="m1")
            await until(lambda: len(centre.submits) == 11)
            assert [pdu.short_message[3:4] == b"\x14" for pdu in centre.submits[9:]] == [True, True]
            assert books.count(What.ACCEPTED) == 1
            centre.sessions[0].abort("test")
            await until(lambda: len(books.outcomes) == 16)
            ends = [books.outcomes[number, 1].what for number in range(1, 15)]
            assert ends == [What.ACCEPTED] + [What.UNSURE] * 8 + [What.LATER] * 5
            assert books.count(What.UNSURE) == 10
            assert set(books.times.values()) == {1}

    asyncio.run(main())


def test_link_comes_back_and_says_so() -> None:
    """Nobody restarts a gateway because a carrier did."""

    async def main() -> None:
        async with bound() as (centre, links, books):
            await centre.stop()
            await until(lambda: not links.up)
            assert links.down_since_ms > 0
            assert links.room(1) == 0
            links.send(unit(1))
            assert (books.outcomes[1, 1].what, books.outcomes[1, 1].retry_ms) == (What.LATER, 0)
            before = books.changes
            await centre.start()
            await until(lambda: links.up and books.changes > before)
            assert links.down_since_ms == 0
            links.send(unit(2))
            await until(lambda: (2, 1) in books.outcomes)
            assert books.outcomes[2, 1].what is What.ACCEPTED

    asyncio.run(main())


def test_submits_never_answered_are_unsure_and_the_link_is_made_anew() -> None:
    """A centre that takes submits and answers none is not helped by more of them on the same link."""

    async def main() -> None:
        centre = Centre()
        centre.answer = centre.keep
        async with bound(centre, answer_s=0.08) as (_, links, books):
            links.send(unit(1))
            await until(lambda: (1, 1) in books.outcomes)
            assert books.outcomes[1, 1].what is What.UNSURE
            assert len(centre.binds) == 1  # one alone may have other reasons
            for number in range(2, 8):
                links.send(unit(number))
            await until(lambda: books.count(What.UNSURE) == 7)
            await until(lambda: len(centre.binds) == 2 and links.up)
            assert set(books.times.values()) == {1}

    asyncio.run(main())


def test_link_that_the_centre_no_longer_knows_is_bound_anew() -> None:
    """A centre that lost its sessions answers so for ever, and calls it temporary."""

    async def main() -> None:
        centre = Centre()
        centre.answer = refuse_with(statuses.ESME_RINVBNDSTS)
        async with bound(centre) as (_, links, books):
            for number in range(1, 4):
                links.send(unit(number))
            await until(lambda: len(centre.binds) == 2 and links.up)
            assert books.count(What.LATER) == 3

    asyncio.run(main())


def test_centre_that_unbinds_is_left_and_bound_again() -> None:
    """Centres unbind before they restart."""

    async def main() -> None:
        async with bound() as (centre, links, books):
            await centre.sessions[0].unbind()
            await until(lambda: len(centre.binds) == 2 and links.up)
            links.send(unit())
            await until(lambda: books.count(What.ACCEPTED) == 1)

    asyncio.run(main())


def test_refused_bind_is_logged_without_the_password_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """The operator must see why, and a carrier that unlocks the account finds us waiting."""

    async def main() -> None:
        centre, books = Centre(), Books()
        centre.bind_status = statuses.ESME_RINVPASWD
        await centre.start()
        links = SmppCarrier(carrier(centre.port), books, now_ms)
        await links.start()
        await until(lambda: len(centre.binds) == 2)
        assert not links.up
        assert links.down_since_ms > 0
        centre.bind_status = 0
        await until(lambda: links.up)
        await links.stop(0)
        await centre.stop()

    asyncio.run(main())
    assert "carrier_bind_refused carrier=north link=#1 code=ESME_RINVPASWD" in caplog.text
    assert "s3cret" not in caplog.text


def test_split_binds_submit_on_one_and_hear_on_the_other() -> None:
    """Older centres have no transceiver."""

    async def main() -> None:
        async with bound(bind="split", links=2) as (centre, links, books):
            assert sorted(pdu.command_id for pdu in centre.binds) == [1, 1, 2, 2]
            links.send(unit())
            await until(lambda: bool(books.outcomes))
            centre.deliver(
                "id:m1 sub:001 dlvrd:001 submit date:2401010000 done date:2401010001 stat:DELIVRD err:000 text:"
            )
            await until(lambda: bool(centre.answers))
            assert books.receipts[0][0].ref == "m1"
            for session in list(centre.sessions):
                if session.can_transmit:
                    session.abort("test")
            await until(lambda: not links.up)

    asyncio.run(main())


def test_receipt_is_acknowledged_when_it_is_on_disk() -> None:
    """An acknowledgement before that would lose the receipt with the process."""

    async def main() -> None:
        async with bound() as (centre, _, books):
            books.hold = True
            centre.deliver(
                "id:m1 sub:001 dlvrd:001 submit date:2401010000 done date:2401010001 stat:DELIVRD err:000 text:x"
            )
            centre.deliver("id:m2 stat:UNDELIV err:001 text:secret", esm_class=tables.ESM_RECEIPT)
            await until(lambda: len(books.receipts) == 2)
            assert not centre.answers
            books.receipts[1][1](False)
            books.receipts[0][1](True)
            books.receipts[0][1](False)  # a second word changes nothing
            await until(lambda: len(centre.answers) == 2)
            assert [answer.status for answer in centre.answers] == [statuses.ESME_RX_T_APPN, 0]
            first, second = books.receipts[0][0], books.receipts[1][0]
            assert (first.ref, first.phone, first.status, first.err) == ("m1", PHONE, 1, 0)
            assert (second.ref, second.status, second.err) == ("m2", 20, 1)
            assert "secret" not in second.detail

    asyncio.run(main())


def test_receipt_before_response_is_passed_on() -> None:
    """Fast centres overtake themselves; joining the two is the matcher's work."""

    async def main() -> None:
        centre = Centre()

        def answer(session: Session, pdu: Pdu) -> None:
            centre.deliver("id:m1 stat:DELIVRD err:000", esm_class=tables.ESM_RECEIPT)
            session.answer(pdu, message_id="m1")

        centre.answer = answer
        async with bound(centre) as (_, links, books):
            links.send(unit())
            await until(lambda: bool(books.outcomes and centre.answers))
            assert books.receipts[0][0].ref == books.outcomes[1, 1].ref == "m1"

    asyncio.run(main())


def test_receipt_comes_in_data_sm_and_by_optional_fields() -> None:
    """Both are in the standard and in the field."""

    async def main() -> None:
        async with bound(errors={"receipt:77": 13}) as (centre, _, books):
            centre.deliver("id:m1 stat:EXPIRED err:000", tables.DATA_SM, esm_class=tables.ESM_RECEIPT)
            fields = {
                tables.TAG_RECEIPTED_MESSAGE_ID: b"m2\0",
                tables.TAG_MESSAGE_STATE: b"\x05",
                tables.TAG_NETWORK_ERROR_CODE: b"\x03\x00\x4d",
            }
            centre.deliver(b"", esm_class=tables.ESM_RECEIPT, tlvs=fields)
            await until(lambda: len(centre.answers) == 2)
            told = [(news.ref, news.status, news.err) for news, _ in books.receipts]
            assert told == [("m1", 3, 6), ("m2", 20, 13)]

    asyncio.run(main())


def test_number_query_and_ping_go_out_empty_and_results_come_in() -> None:
    """Both are submits without a text; only their receipt says something."""

    async def main() -> None:
        async with bound(receipts=False) as (centre, links, books):
            links.send(unit(1, "", kind=Kind.HLR))
            links.send(unit(2, "", kind=Kind.PING))
            await until(lambda: books.count(What.ACCEPTED) == 2)
            query, ping = centre.submits
            assert (query.service_type, query.short_message, query.registered_delivery) == ("HLR", b"", 1)
            assert (ping.protocol_id, ping.short_message, ping.registered_delivery) == (0x40, b"", 1)
            values = (b"250011234567890", b"79160000000", b"250", b"01", b"Russia", b"MTS", b"Italy", b"TIM")
            fields = {0x1400 + place: value + b"\0" for place, value in enumerate(values)}
            centre.deliver("id:m1 stat:DELIVRD err:000", esm_class=tables.ESM_RECEIPT, tlvs=fields)
            await until(lambda: bool(centre.answers))
            hlr = books.receipts[0][0].hlr
            assert hlr == dict(
                zip(("imsi", "msc", "mcc", "mnc", "cn", "net", "rcn", "rnet"), map(bytes.decode, values), strict=True)
            )

    asyncio.run(main())


def test_text_of_a_subscriber_comes_in_and_is_answered() -> None:
    """Incoming texts wait for the disk as receipts do."""

    async def main() -> None:
        async with bound() as (centre, _, books):
            centre.deliver("привет".encode("utf-16-be"), data_coding=8)
            await until(lambda: bool(centre.answers))
            inbound = books.inbounds[0][0]
            assert (inbound.text, inbound.phone, inbound.to_phone, inbound.total) == ("привет", PHONE, "Shop", 1)

    asyncio.run(main())


def test_notices_and_unknown_commands_do_not_end_the_link() -> None:
    """A centre may tell more than we asked for."""

    async def main() -> None:
        async with bound() as (centre, links, books):
            session = centre.sessions[0]
            session.send(Pdu(tables.ALERT_NOTIFICATION, source_addr=PHONE, esme_addr="acme"))
            nack = await session.call(Pdu(tables.QUERY_SM, message_id="m1"))
            assert nack.status == statuses.ESME_RINVCMDID
            links.send(unit())
            await until(lambda: bool(books.outcomes))
            assert len(centre.binds) == 1

    asyncio.run(main())


def test_garbage_closes_the_link_and_it_comes_back() -> None:
    """Once the borders of the PDUs are lost nothing on that connection can be trusted."""

    async def main() -> None:
        seen: list[int] = []
        centre, books = Centre(), Books()

        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4)
            await reader.read(100)
            writer.close()

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        centre.port = server.sockets[0].getsockname()[1]
        links = SmppCarrier(carrier(centre.port), books, now_ms)
        await links.start()
        await until(lambda: len(seen) >= 2)
        assert not links.up
        server.close()
        await server.wait_closed()
        await centre.start()
        await until(lambda: links.up)
        await links.stop(0)
        await centre.stop()

    asyncio.run(main())


def test_half_open_link_is_found_by_silence() -> None:
    """A dead peer behind a firewall sends no end of connection: only the missing enquire_link_resp tells."""

    async def main() -> None:
        binds = 0

        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal binds
            binds += 1
            head = await reader.readexactly(16)
            await reader.readexactly(int.from_bytes(head[:4], "big") - 16)
            body = b"mute\0"
            writer.write((16 + len(body)).to_bytes(4, "big") + b"\x80\0\0\x09" + bytes(4) + head[12:] + body)
            await reader.read()
            writer.close()

        server = await asyncio.start_server(mute, "127.0.0.1", 0)
        books = Books()
        port = server.sockets[0].getsockname()[1]
        links = SmppCarrier(carrier(port, enquire_s=0.05, answer_s=0.05), books, now_ms)
        await links.start()
        await until(lambda: links.up)
        await until(lambda: binds >= 2)
        await links.stop(0)
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def test_stop_waits_for_answers_and_unbinds() -> None:
    """A restart should leave as few unsure texts as patience allows."""

    async def main() -> None:
        centre = Centre()
        centre.answer = centre.keep
        async with bound(centre, window=2) as (_, links, books):
            for number in range(1, 4):
                links.send(unit(number))
            await until(lambda: len(centre.submits) == 2)
            stopping = asyncio.create_task(links.stop(5))
            await until(lambda: (3, 1) in books.outcomes)
            assert books.outcomes[3, 1].what is What.LATER
            links.send(unit(4))
            assert (books.outcomes[4, 1].what, links.room(1)) == (What.LATER, 0)
            centre.release()
            await stopping
            assert books.count(What.ACCEPTED) == 2
            assert not links.up

    asyncio.run(main())


def test_stop_tells_the_unanswered_as_unsure_when_patience_ends() -> None:
    """Nobody waits for ever, and no part goes without a word."""

    async def main() -> None:
        centre = Centre()
        centre.answer = centre.keep
        async with bound(centre) as (_, links, books):
            links.send(unit())
            await until(lambda: len(centre.submits) == 1)
            await links.stop(0.02)
            assert books.outcomes[1, 1].what is What.UNSURE

    asyncio.run(main())


def test_missing_parts_alone_are_sent_again() -> None:
    """A part that was accepted must not be paid twice."""

    async def main() -> None:
        async with bound() as (centre, links, books):
            text = "long " * 100
            links.send(unit(300, text))
            await until(lambda: len(books.outcomes) == 4)
            links.send(unit(300, text, missing=(2, 4)))
            await until(lambda: len(centre.submits) == 6)
            assert [pdu.short_message for pdu in centre.submits[4:]] == [
                centre.submits[1].short_message,
                centre.submits[3].short_message,
            ]
            links.send(unit(301, "short", missing=(2,)))
            assert (books.outcomes[301, 2].what, books.outcomes[301, 2].err) == (What.REFUSED, 241)

    asyncio.run(main())


def test_what_cannot_be_written_is_refused_at_once() -> None:
    """The next route may take what this carrier's fields cannot hold."""

    async def main() -> None:
        async with bound(alphabets="gsm7") as (centre, links, books):
            links.send(unit(1, "привет"))
            links.send(unit(2, sender="имя"))
            links.send(unit(3, kind=Kind.MMS))
            links.send(unit(4, phone="79\0"))
            assert [books.outcomes[number, 1].what for number in range(1, 5)] == [What.REFUSED] * 4
            assert books.outcomes[2, 1].err == 254
            assert not centre.submits

    asyncio.run(main())


def test_kind_is_found_in_the_folder() -> None:
    """A new kind of carrier is a new file."""

    async def main() -> None:
        links = make(carrier(1), Books(), now_ms)
        assert isinstance(links, SmppCarrier)
        assert "smpp" in kinds()

    asyncio.run(main())
