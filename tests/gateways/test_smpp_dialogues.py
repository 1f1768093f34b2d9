"""Sessions in any order, half PDUs, lying lengths and garbage: a documented answer or a closed connection, and nobody else
is touched (SMPP 3.4, 2.2 and 3.2)."""

import asyncio
import struct
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.gateways.smpp_house import Client, make_bind, make_submit, open_door

from heliograph.wire.smpp import codec, statuses, tables
from heliograph.wire.smpp.pdus import Pdu

KNOWN = frozenset(statuses.STATUSES)
REQUESTS = sorted(number for number in tables.COMMANDS if not number & tables.RESPONSE)


class Dialogues(RuleBasedStateMachine):
    """A bystander, who is bound and must be served always, and a session that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.story = open_door("sqlite", Path(self.folder.name), smpp_sessions="1000")
        self.door = self.run(self.story.__aenter__())
        self.bystander: Client = self.run(self.door.bind())
        self.wild: Client = self.run(self.door.connect())
        self.count = 0
        self.seen = 0

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, 10))

    def teardown(self) -> None:
        self.wild.close()
        self.run(self.story.__aexit__(None, None, None))
        self.loop.close()
        self.folder.cleanup()

    async def write(self, data: bytes) -> None:
        """Octets to the wild session (a new one when it was hung up), and time for them to arrive."""
        if self.wild.closed.is_set():
            self.wild = await self.door.connect()
            self.seen = 0
        self.wild.transport.write(data)
        await asyncio.sleep(0.002)

    @rule(command_id=st.sampled_from(sorted(tables.BINDS)), right=st.booleans())
    def bind(self, command_id: int, right: bool) -> None:
        password = "secret12" if right else "wrong"
        self.run(self.write(codec.encode(make_bind(command_id, password=password, system_id="shop"))))

    @rule(
        command_id=st.sampled_from(REQUESTS),
        text=st.binary(max_size=160),
        coding=st.integers(0, 255),
        esm_class=st.integers(0, 255),
        phone=st.sampled_from(["79161234567", "", "abc", "7" * 20]),
    )
    def ask(self, command_id: int, text: bytes, coding: int, esm_class: int, phone: str) -> None:
        self.count += 1
        pdu = Pdu(command_id, 0, self.count, destination_addr=phone, short_message=text, message_id=phone)
        pdu.data_coding, pdu.esm_class, pdu.registered_delivery = coding, esm_class, coding & 0x1F
        self.run(self.write(codec.encode(pdu)))

    @rule(cut=st.integers(1, 60))
    def begin_and_not_finish(self, cut: int) -> None:
        self.run(self.write(codec.encode(make_submit())[:cut]))

    @rule(length=st.integers(0, 2**32 - 1), command_id=st.integers(0, 2**32 - 1), rest=st.binary(max_size=40))
    def lie(self, length: int, command_id: int, rest: bytes) -> None:
        self.run(self.write(struct.pack(">IIII", length, command_id, 0, 1) + rest))

    @rule(data=st.binary(min_size=1, max_size=200))
    def write_garbage(self, data: bytes) -> None:
        self.run(self.write(data))

    @rule(
        name=st.sampled_from(["schedule_delivery_time", "validity_period", "source_addr", "service_type"]),
        text=st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=30),
    )
    def write_odd_fields(self, name: str, text: str) -> None:
        self.run(self.write(codec.encode(make_submit(**{name: text}))))

    @rule()
    def hang_up(self) -> None:
        self.wild.close()
        self.run(self.wild.closed.wait())

    @invariant()
    def answers_are_documented(self) -> None:
        for pdu in self.wild.came[self.seen :]:
            assert pdu.command_id & tables.RESPONSE or pdu.command_id in (tables.ENQUIRE_LINK, tables.UNBIND)
            assert pdu.status in KNOWN, pdu
            assert pdu.status != statuses.ESME_RSYSERR, pdu
        self.seen = len(self.wild.came)

    @invariant()
    def others_are_served(self) -> None:
        self.count += 1
        answer = self.run(self.bystander.ask(make_submit(f"7916{self.count:07d}", b"served %d" % self.count)))
        assert answer.status == statuses.ESME_ROK

    @invariant()
    def nothing_piles_up(self) -> None:
        door = self.door.door
        assert door.sessions <= 3
        assert sum(customer.waiting for customer in door.customers.all()) <= 2


Dialogues.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestDialogues = Dialogues.TestCase
