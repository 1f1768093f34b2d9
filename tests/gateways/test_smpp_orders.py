"""query_sm, cancel_sm, replace_sm, data_sm and submit_multi from customers (SMPP 3.4, 4.5, 4.7 to 4.10)."""

import asyncio
from pathlib import Path

import pytest
from tests.databases import BACKENDS
from tests.gateways.smpp_house import make_submit, open_door
from tests.house import KAZAKH, PHONE, PRICE, SCALE, Answer, Report

from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Destination, Pdu

LATER = "000001000000000R"  # a day


def order(command_id: int, id_: object, **more: object) -> Pdu:
    return Pdu(command_id, message_id=str(id_), source_addr="Shop", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", BACKENDS)
def test_query_tells_the_state_from_memory_and_from_the_store(backend: str, tmp_path: Path) -> None:
    """Status on demand, with the error and the time of the end."""

    async def story() -> None:
        async with open_door(backend, tmp_path) as door:
            client = await door.bind()
            id_ = (await client.ask(make_submit())).message_id
            told = await client.ask(order(tables.QUERY_SM, id_))
            assert (told.status, told.message_id, told.message_state, told.final_date) == (0, id_, 1, "")
            held = door.house.desk.messages[int(id_)]
            await door.house.answer(await door.house.start(held), Answer("accepted", "q1"))
            await door.house.report(Report("q1", 20, err=6))
            await door.house.desk.batch.settle()
            for _ in range(2):
                told = await client.ask(order(tables.QUERY_SM, id_))
                assert (told.message_state, told.error_code, told.final_date) == (5, 6, "260921141320000+")
                door.house.desk.let_go(held)
            assert int(id_) not in door.house.desk.messages

    asyncio.run(story())


@pytest.mark.parametrize("id_", ["", "0", "999", "abc", "9" * 40, "-1"])
@pytest.mark.parametrize(
    ("command_id", "status"),
    [
        (tables.QUERY_SM, statuses.ESME_RQUERYFAIL),
        (tables.CANCEL_SM, statuses.ESME_RCANCELFAIL),
        (tables.REPLACE_SM, statuses.ESME_RREPLACEFAIL),
    ],
)
def test_unknown_ids_fail_in_the_command_s_own_words(tmp_path: Path, id_: str, command_id: int, status: int) -> None:
    """Nonsense, and ids of nobody."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            assert (await client.ask(order(command_id, id_))).status == status

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_cancelled_text_gives_its_cost_back_and_is_told(backend: str, tmp_path: Path) -> None:
    """What waits is stopped; what is over is not."""

    async def story() -> None:
        async with open_door(backend, tmp_path) as door:
            client = await door.bind()
            id_ = (await client.ask(make_submit(schedule_delivery_time=LATER))).message_id
            assert await door.house.balance() == 1000 * SCALE - PRICE
            assert (await client.ask(order(tables.CANCEL_SM, id_))).status == 0
            assert await door.house.balance() == 1000 * SCALE
            assert await door.house.db.one("queue.get", int(id_)) is None
            (told,) = await client.news(1)
            assert told.tlvs[0x0427] == b"\x04" and b"stat:DELETED" in told.short_message
            again = await client.ask(order(tables.CANCEL_SM, id_))
            assert again.status == statuses.ESME_RCANCELFAIL
            assert (await client.ask(order(tables.QUERY_SM, id_))).message_state == 4

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_waiting_text_is_replaced_by_one_of_as_many_parts(backend: str, tmp_path: Path) -> None:
    """The charge stays right: another number of parts would have another price, so it is refused."""

    async def story() -> None:
        async with open_door(backend, tmp_path) as door:
            client = await door.bind()
            id_ = (await client.ask(make_submit(schedule_delivery_time=LATER))).message_id
            assert (await client.ask(order(tables.REPLACE_SM, id_, short_message=b"other"))).status == 0
            assert (await door.house.row(int(id_))).text == "other"
            for bad in ({"short_message": b"x" * 200}, {"short_message": b"y", "validity_period": LATER}):
                assert (await client.ask(order(tables.REPLACE_SM, id_, **bad))).status == statuses.ESME_RREPLACEFAIL
            assert (await client.ask(order(tables.REPLACE_SM, id_))).status == statuses.ESME_RINVMSGLEN
            assert (await door.house.row(int(id_))).text == "other"
            assert await door.house.balance() == 1000 * SCALE - PRICE

    asyncio.run(story())


def test_texts_of_other_accounts_are_unknown(tmp_path: Path) -> None:
    """Ids are consecutive over all accounts: guessing one must tell nothing."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            id_ = (await client.ask(make_submit())).message_id
            message = door.house.desk.messages[int(id_)]
            message.account_id = 99
            for command_id, status in ((tables.QUERY_SM, 0x67), (tables.CANCEL_SM, 0x11), (tables.REPLACE_SM, 0x13)):
                assert (
                    await client.ask(
                        order(command_id, id_, short_message=b"x")
                        if command_id == tables.REPLACE_SM
                        else order(command_id, id_)
                    )
                ).status == status
            message.account_id = door.house.account.id

    asyncio.run(story())


def test_data_sm_is_a_submit_with_a_payload(tmp_path: Path) -> None:
    """Its answer has the id, its receipt the same."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            pdu = Pdu(tables.DATA_SM, source_addr="Shop", destination_addr=PHONE, registered_delivery=1, data_coding=8)
            pdu.tlvs = {0x0424: "Привет".encode("utf-16-be")}
            told = await client.ask(pdu)
            assert (told.command_id, told.status) == (tables.DATA_SM_RESP, 0)
            assert (await door.house.row(int(told.message_id))).text == "Привет"
            receiver = await door.bind(tables.BIND_RECEIVER)
            assert (await receiver.ask(pdu)).status == statuses.ESME_RINVBNDSTS

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_text_to_many_has_consecutive_ids_and_names_what_was_refused(backend: str, tmp_path: Path) -> None:
    """Receipts tell the texts apart; a bad number spoils the others nothing."""

    async def story() -> None:
        async with open_door(backend, tmp_path) as door:
            client = await door.bind()
            to = (
                Destination(PHONE, 1, 1),
                Destination("123", 1, 1),
                Destination(KAZAKH, 1, 1),
                Destination("staff", is_list=True),
            )
            pdu = Pdu(
                tables.SUBMIT_MULTI, source_addr="Shop", destinations=to, short_message=b"all", registered_delivery=1
            )
            told = await client.ask(pdu)
            assert (told.command_id, told.status) == (tables.SUBMIT_MULTI_RESP, 0)
            failed = {(each.address, each.status) for each in told.failures}
            assert failed == {("staff", statuses.ESME_RINVDLNAME), ("123", statuses.ESME_RINVDSTADR)}
            first = int(told.message_id)
            stored = {row.int_id: (row.phone, row.lane) for row in await door.house.stored()}
            assert stored == {first: (PHONE, 3), first + 1: ("123", 3), first + 2: (KAZAKH, 3)}
            (receipt,) = await client.news(1)  # of the number that was refused, whose text was stored
            assert receipt.tlvs[0x001E] == b"%d\0" % (first + 1)

    asyncio.run(story())


def test_lists_without_numbers_are_refused(tmp_path: Path) -> None:
    """Nothing to send, too many at once, or only names of lists that do not exist."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            for to, status in (
                ((), statuses.ESME_RINVNUMDESTS),
                ((Destination("staff", is_list=True),), statuses.ESME_RINVDLNAME),
                (tuple(Destination(f"7916123{n:04d}") for n in range(201)), statuses.ESME_RINVNUMDESTS),
            ):
                pdu = Pdu(tables.SUBMIT_MULTI, destinations=to, short_message=b"all")
                assert (await client.ask(pdu)).status == status
            bad = Pdu(tables.SUBMIT_MULTI, destinations=(Destination("123"),), short_message=b"all")
            assert (await client.ask(bad)).status == statuses.ESME_RINVDSTADR

    asyncio.run(story())


def test_lowest_priority_may_lower_the_lane(tmp_path: Path) -> None:
    """Only where the account is set so: most clients send 0 always."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, smpp_lowest_lane="3") as door:
            client = await door.bind()
            lanes = []
            for priority in (0, 3):
                id_ = (await client.ask(make_submit(text=b"p%d" % priority, priority_flag=priority))).message_id
                lanes.append((await door.house.row(int(id_))).lane)
            assert lanes == [3, 1]

    asyncio.run(story())
