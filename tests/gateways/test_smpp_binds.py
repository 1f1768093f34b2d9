"""Who may bind to the SMPP door, and what sessions may ask (SMPP 3.4, 2.2 and 4.1; spec protocols 5.1, 5.6)."""

import asyncio
import struct
from pathlib import Path

import pytest
from tests.gateways.smpp_house import make_bind, make_submit, open_door

from heliograph.gateways.smpp import Limits
from heliograph.services import accounts
from heliograph.services.credentials import rows_for
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Pdu


@pytest.mark.parametrize("command_id", sorted(tables.BINDS))
@pytest.mark.parametrize("version", [0x34, 0x50])
def test_each_bind_is_answered_in_kind(tmp_path: Path, command_id: int, version: int) -> None:
    """Transmitter, receiver and transceiver, of 3.4 and 5.0."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.connect()
            answer = await client.ask(make_bind(command_id, interface_version=version))
            assert (answer.command_id, answer.status) == (command_id | tables.RESPONSE, 0)
            told = await client.ask(make_submit())
            wanted = statuses.ESME_RINVBNDSTS if command_id == tables.BIND_RECEIVER else 0
            assert (told.command_id, told.status) == (tables.SUBMIT_SM_RESP, wanted)
            assert (await client.ask(Pdu(tables.ENQUIRE_LINK))).command_id == tables.ENQUIRE_LINK_RESP
            assert (await client.ask(Pdu(tables.UNBIND))).command_id == tables.UNBIND_RESP
            await asyncio.wait_for(client.closed.wait(), 5)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("change", "settings", "status"),
    [
        ({"password": "wrong"}, {}, statuses.ESME_RINVPASWD),
        ({"system_id": "nobody"}, {}, statuses.ESME_RINVPASWD),
        ({"system_id": ""}, {}, statuses.ESME_RINVPASWD),
        ({}, {"smpp": "no"}, statuses.ESME_RBINDFAIL),
        ({}, {"blocked": "yes"}, statuses.ESME_RBINDFAIL),
        ({}, {"smpp_addresses": ""}, statuses.ESME_RBINDFAIL),
        ({}, {"smpp_addresses": "192.0.2.0/24"}, statuses.ESME_RBINDFAIL),
    ],
)
def test_who_may_not_bind_is_told_why_and_hung_up(
    tmp_path: Path, change: dict[str, str], settings: dict[str, str], status: int
) -> None:
    """Wrong credentials look alike whether the login exists or not."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, **settings) as door:
            client = await door.connect()
            assert (await client.ask(make_bind(**change))).status == status
            await asyncio.wait_for(client.closed.wait(), 5)

    asyncio.run(story())


def test_password_for_smpp_opens_this_door_alone(tmp_path: Path) -> None:
    """Once there is one, the ordinary password does not open it, nor this one the API."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            house = door.house
            await accounts.add_password(house.db, "shop", "cabinet1", now_ms=house.now)  # type: ignore[arg-type]
            await house.snapshots.refresh()
            facts = house.snapshots.current
            ordinary, own = rows_for(facts, house.account, ""), rows_for(facts, house.account, "smpp")
            assert [row.kind for row in ordinary] == [""] and [row.kind for row in own] == ["smpp"]
            client = await door.connect()
            assert (await client.ask(make_bind(password="cabinet1"))).status == statuses.ESME_RINVPASWD
            asked: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            door.credentials.verify("shop", "secret12", "", "127.0.0.1", asked.set_result)
            assert await asked is None
            (number,) = [each.id for each in await accounts.list_passwords(house.db, "shop") if each.kind]  # type: ignore[arg-type]
            await accounts.remove_password(house.db, "shop", number)  # type: ignore[arg-type]
            await house.snapshots.refresh()
            (await door.bind(password="cabinet1")).close()

    asyncio.run(story())


def test_sessions_of_an_account_are_bounded(tmp_path: Path) -> None:
    """One more than agreed is refused, and possible again when one has left."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, smpp_sessions="2") as door:
            first, _ = await door.bind(), await door.bind()
            third = await door.connect()
            assert (await third.ask(make_bind())).status == statuses.ESME_RALYBND
            await first.ask(Pdu(tables.UNBIND))
            await asyncio.wait_for(first.closed.wait(), 5)
            await door.bind()

    asyncio.run(story())


def test_second_bind_and_submit_before_bind_are_errors(tmp_path: Path) -> None:
    """An error, not silence (spec clients 2.7)."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            stranger = await door.connect()
            told = await stranger.ask(make_submit())
            assert (told.command_id, told.status) == (tables.SUBMIT_SM_RESP, statuses.ESME_RINVBNDSTS)
            client = await door.bind()
            assert (await client.ask(make_bind())).status == statuses.ESME_RALYBND
            assert (await client.ask(make_submit())).status == 0

    asyncio.run(story())


def test_unknown_commands_get_a_generic_nack(tmp_path: Path) -> None:
    """And the session goes on; a length that cannot be ends it."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            client.transport.write(struct.pack(">IIII", 20, 0x0000FFFF, 0, 4711) + b"abcd")
            told = await client.answer(4711)
            assert (told.command_id, told.status) == (tables.GENERIC_NACK, statuses.ESME_RINVCMDID)
            assert (await client.ask(make_submit())).status == 0
            client.transport.write(struct.pack(">IIII", 5, 4, 0, 4712))
            await asyncio.wait_for(client.closed.wait(), 5)

    asyncio.run(story())


def test_silence_before_and_after_the_bind_ends(tmp_path: Path) -> None:
    """A connection that never binds, and a client that answers no enquire_link."""

    async def story() -> None:
        limits = Limits(init_s=0.08, idle_s=0.3, answer_s=0.1)
        async with open_door("sqlite", tmp_path, limits) as door:
            stranger = await door.connect()
            await asyncio.wait_for(stranger.closed.wait(), 5)
            client = await door.bind()
            await asyncio.wait_for(client.closed.wait(), 5)
            assert any(pdu.command_id == tables.ENQUIRE_LINK for pdu in client.came)
            assert door.door.sessions == 0 and door.door.customers.all()[0].sessions == []

    asyncio.run(story())


def test_guessing_bans_the_address(tmp_path: Path) -> None:
    """Five wrong passwords from outside the account's list, and its connections are dropped."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, smpp_addresses="192.0.2.0/24") as door:
            for _ in range(5):
                client = await door.connect()
                assert (await client.ask(make_bind(password="wrong"))).status == statuses.ESME_RINVPASWD
            banned = await door.connect()
            await asyncio.wait_for(banned.closed.wait(), 5)
            assert door.door.turned_away == 1

    asyncio.run(story())


def test_connections_of_one_address_are_bounded(tmp_path: Path) -> None:
    """Somebody who opens connections without end takes nobody else's."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, Limits(connections_per_client=2)) as door:
            first, _ = await door.connect(), await door.connect()
            third = await door.connect()
            await asyncio.wait_for(third.closed.wait(), 5)
            first.close()
            await first.closed.wait()
            await asyncio.sleep(0.02)
            await door.bind()

    asyncio.run(story())


def test_account_that_is_blocked_is_unbound(tmp_path: Path) -> None:
    """A change of settings reaches those who are bound."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path) as door:
            client = await door.bind()
            await door.house.set(smpp="no")
            await client.until(lambda: [pdu for pdu in client.came if pdu.command_id == tables.UNBIND])
            client.write(Pdu(tables.UNBIND_RESP, 0, client.came[-1].sequence))
            await asyncio.wait_for(client.closed.wait(), 5)

    asyncio.run(story())


def test_rate_and_window_are_throttled(tmp_path: Path) -> None:
    """Over the rate, and over the window of the account, a text is throttled and nothing of it is stored."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, smpp_rate="1") as door:
            client = await door.bind()
            assert (await client.ask(make_submit())).status == 0
            assert (await client.ask(make_submit(text=b"other"))).status == statuses.ESME_RTHROTTLED
            await door.house.set(smpp_rate="0", smpp_window="2")
            numbers = [client.request(make_submit(text=b"%d" % n)) for n in range(5)]
            told = [(await client.answer(number)).status for number in numbers]
            assert told[:2] == [0, 0] and statuses.ESME_RTHROTTLED in told
            assert len(await door.house.stored()) == 1 + told.count(0)

    asyncio.run(story())


def test_refusals_have_the_status_of_their_reason(tmp_path: Path) -> None:
    """Money, number, sender, repeats: each by name, and stored texts that were refused cost nothing."""

    async def story() -> None:
        async with open_door("sqlite", tmp_path, any_sender="no") as door:
            client = await door.bind()
            assert (await client.ask(make_submit("123"))).status == statuses.ESME_RINVDSTADR
            assert (await client.ask(make_submit(""))).status == statuses.ESME_RINVDSTADR
            assert (await client.ask(make_submit(source_addr="Other"))).status == statuses.ESME_RINVSRCADR
            assert (await client.ask(make_submit())).status == 0
            assert (await client.ask(make_submit())).status == statuses.ESME_RSUBMITFAIL
            assert (await client.ask(make_submit(text=b"x" * 200, esm_class=0))).status == 0
            assert (await client.ask(make_submit(text=b""))).status == statuses.ESME_RINVMSGLEN

    asyncio.run(story())
