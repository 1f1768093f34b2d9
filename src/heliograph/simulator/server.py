"""The simulated carrier: an SMPP server that takes submits, decides their fate and sends receipts (SMPP 3.4 Issue 1.2)."""

from __future__ import annotations

import asyncio
import ssl as tls
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from heliograph.wire.smpp import statuses, tables, timers
from heliograph.wire.smpp.endpoints import Listener, listen
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session, Settings

from . import calls, lookups, texts
from .agenda import Agenda
from .behaviour import Bucket, Plan, Profile, decide, notate
from .outbox import Customer, Parcel
from .recent import Recent
from .records import SimulatorError, SubmitRecord

# How many numbers, texts and ids are remembered for counting repeats and answering queries.
MEMORY = 1_000_000
QUERY_MEMORY = 100_000
# A receipt on another connection than its response keeps this distance, so that it does not overtake by accident.
OTHER_SESSION_S = 0.02
_THROTTLED = Plan("throttled", statuses.ESME_RTHROTTLED)
_REFUSALS = {
    tables.CANCEL_SM: statuses.ESME_RCANCELFAIL,
    tables.REPLACE_SM: statuses.ESME_RREPLACEFAIL,
}


class Simulator:
    """A carrier on TCP. `accounts` maps system_id to password; None lets everybody in.

    `on_submit` is called in the loop for every submit_sm, before it is answered. Customers' receipts outlive their
    connections, and a stop followed by a start.
    """

    def __init__(
        self,
        profile: Profile | None = None,
        accounts: Mapping[str, str] | None = None,
        *,
        on_submit: Callable[[SubmitRecord], None] | None = None,
        first_id: int | None = None,
        enquire_s: float = 30.0,
    ) -> None:
        self.profile = profile or Profile()
        self.accounts = accounts
        self.on_submit = on_submit
        self.customers: dict[str, Customer] = {}
        self._enquire_s = enquire_s
        # Ids of earlier runs must not come back, and 2023-11 is early enough to begin counting at.
        self._id = (int(time.time()) - 1_700_000_000) * 1000 if first_id is None else first_id - 1
        self._counts: Counter[str] = Counter()
        self._serials: Recent[str, int] = Recent(MEMORY)
        self._texts: Recent[int, bool] = Recent(MEMORY)
        self._fates: Recent[str, tuple[int, int, float]] = Recent(QUERY_MEMORY)
        self._joiner = texts.Joiner()
        self._reference = 0
        self._listener: Listener | None = None
        self._agenda: Agenda | None = None
        self._bucket: Bucket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Bound once: a bound method for each receipt would be one more object for the garbage collector.
        self._deliver_due = self._deliver

    @property
    def address(self) -> tuple[str, int]:
        """Host and port in use. Raises SimulatorError when it does not run."""
        if self._listener is None:
            raise SimulatorError("the simulator does not run")
        return self._listener.address

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, *, ssl: tls.SSLContext | None = None
    ) -> tuple[str, int]:
        """Begin to accept; port 0 lets the system choose. Returns the address. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        self._agenda = self._agenda or Agenda()
        self._bucket = Bucket(self.profile.throughput, self._loop.time())
        settings = Settings(
            timers=timers.Settings(enquire_s=self._enquire_s),
            window=self.profile.receipt_window,
            system_id="simulator",
        )
        self._listener = await listen(host, port, self, self._on_bind, settings, ssl=ssl)
        return self._listener.address

    async def cut(self) -> None:
        """Drop every link without a goodbye and accept no more, as a carrier that dies; what it has accepted it
        remembers, and makes the receipts of it while nobody is bound."""
        if self._listener:
            await self._listener.stop(goodbye_s=None)
            self._listener = None

    async def stop(self) -> None:
        """Unbind everybody and close. Receipts that are not due yet are forgotten, those that wait are kept."""
        if self._listener:
            await self._listener.stop(goodbye_s=0.2)
            self._listener = None
        if self._agenda:
            self._agenda.clear()
            self._agenda = None

    async def inject(
        self,
        from_: str,
        to: str,
        text: str,
        *,
        system_id: str | None = None,
        timeout_s: float = 10.0,
        order: Sequence[int] = (),
        reference: int = 0,
    ) -> int:
        """A subscriber sends `text` to `to`: deliver_sm to a customer (by default one who is bound to receive).

        Of a long text the parts of `order` only, in that order (2, 1, 3, 3), under `reference` (0: the next one), as
        carriers lose, mix and repeat them. Returns the number of parts once all are acknowledged. Raises ValueError for addresses or texts that SMPP
        cannot carry, SimulatorError when there is no customer, TimeoutError when he does not acknowledge in time
        (the parts go on waiting for him).
        """
        for address in (from_, to):
            if not address.isascii() or not address.isprintable() or not 1 <= len(address) <= 20:
                raise ValueError("an address has 1 to 20 ASCII characters")
        customer = self._choose_customer(system_id)
        if not 0 <= reference <= 255:
            raise ValueError("a reference is a number from 1 to 255")
        if not reference:
            reference = self._reference = self._reference % 255 + 1
        pdus = texts.write_inbound(from_, to, text, reference)
        if order:
            if not all(1 <= number <= len(pdus) for number in order) or len(order) > 1000:
                raise ValueError(f"this text has {len(pdus)} parts: order names some of them")
            pdus = [pdus[number - 1] for number in order]
        missing = len(pdus)
        done = asyncio.Event()

        def acknowledged() -> None:
            nonlocal missing
            missing -= 1
            if not missing:
                done.set()

        self._counts["inbound"] += 1
        for pdu in pdus:
            customer.add(Parcel(customer, pdu=pdu, acknowledged=acknowledged))
        async with asyncio.timeout(timeout_s):
            await done.wait()
        return len(pdus)

    def stats(self) -> dict[str, int]:
        """Counters since the beginning.

        `submitted` and one per outcome (delivered, failed, expired, rejected, throttled, silent, unanswered,
        doubled, ...); `accepted`; `destinations` that differ; `repeated` accepted submits whose destination and text
        had been accepted before; `receipts` made; deliver_sm `sent`, `acknowledged`, `refused`, `dropped`,
        `waiting` (in memory, in flight included), `due` later; `inbound` texts; bound `sessions`.
        """
        customers = self.customers.values()
        return {
            **self._counts,
            "sent": sum(customer.sent for customer in customers),
            "acknowledged": sum(customer.acknowledged for customer in customers),
            "refused": sum(customer.refused for customer in customers),
            "dropped": sum(customer.dropped for customer in customers),
            "waiting": sum(len(customer.waiting) + customer.in_flight for customer in customers),
            "due": self._agenda.size if self._agenda else 0,
            "sessions": sum(len(customer.sessions) for customer in customers),
        }

    # What the sessions tell (heliograph.wire.smpp.contract.Peer)

    def bound(self, session: Session) -> None:
        """A customer is here: what waited for him goes out."""
        assert session.bind_pdu is not None
        customer = self._customer(session.bind_pdu.system_id)
        session.context = customer
        customer.sessions.append(session)
        customer.pump()

    def pdu(self, session: Session, pdu: Pdu) -> None:
        """A request of a customer."""
        if pdu.command_id == tables.SUBMIT_SM:
            self._submit(session, pdu)
        elif pdu.command_id == tables.QUERY_SM:
            self._query(session, pdu)
        else:
            session.answer(pdu, _REFUSALS.get(pdu.command_id, statuses.ESME_RINVCMDID))

    def ready(self, session: Session) -> None:
        """A customer reads again."""
        session.context.pump()

    def closed(self, session: Session, reason: str) -> None:
        """A connection is gone; what it had not acknowledged goes over another one."""
        customer = session.context
        if customer is not None:
            customer.sessions.remove(session)
            customer.pump()

    # Inside

    def _on_bind(self, session: Session, pdu: Pdu) -> int:
        if self.accounts is None:
            return statuses.ESME_ROK
        if pdu.system_id not in self.accounts:
            return statuses.ESME_RINVSYSID
        return statuses.ESME_ROK if self.accounts[pdu.system_id] == pdu.password else statuses.ESME_RINVPASWD

    def _customer(self, system_id: str) -> Customer:
        customer = self.customers.get(system_id)
        if customer is None:
            customer = self.customers[system_id] = Customer(system_id, self.profile.receipts, self._later)
        return customer

    def _choose_customer(self, system_id: str | None) -> Customer:
        if system_id is not None:
            return self._customer(system_id)
        customers = list(self.customers.values())
        for customer in customers:
            if any(session.can_receive for session in customer.sessions):
                return customer
        if not customers:
            raise SimulatorError("no customer has been bound yet")
        return customers[0]

    def _later(self, delay_s: float, callback: Callable[[], None]) -> None:
        if self._agenda and self._loop:
            self._agenda.at(self._loop.time() + delay_s, lambda _: callback(), None)
        else:
            callback()

    def _submit(self, session: Session, pdu: Pdu) -> None:
        assert self._agenda and self._loop and self._bucket
        now = self._loop.time()
        number = pdu.destination_addr
        if not self._bucket.take(now):
            plan = _THROTTLED
        else:
            serial = self._serials.get(number) or 0
            self._serials.put(number, serial + 1)
            if not serial:
                self._counts["destinations"] += 1
            part = texts.read_place(pdu)[1] if pdu.esm_class & tables.ESM_UDH or pdu.tlvs else 1
            plan = decide(self.profile, number, serial, part)
        response_id = receipt_id = ""
        if plan.accepted:
            self._id += 1
            response_id, receipt_id = notate(self._id, plan.notation)
            # Plain numbers: a hundred thousand records would keep the garbage collector busy.
            self._fates.put(response_id, (plan.state, plan.error, now + plan.answer_s + plan.receipt_s))
        self._count(pdu, plan)
        if self.on_submit:
            self._record(session, pdu, plan, response_id)
        if plan.answer_s:
            self._agenda.at(now + plan.answer_s, self._finish_late, (session, pdu, plan, response_id, receipt_id))
        else:
            self._finish(session, pdu, plan, response_id, receipt_id)

    def _count(self, pdu: Pdu, plan: Plan) -> None:
        counts = self._counts
        counts["submitted"] += 1
        counts[plan.outcome] += 1
        if plan.accepted:
            counts["accepted"] += 1
            key = hash((pdu.destination_addr, pdu.text))
            if self._texts.get(key):
                counts["repeated"] += 1
            else:
                self._texts.put(key, True)

    def _record(self, session: Session, pdu: Pdu, plan: Plan, message_id: str) -> None:
        assert self.on_submit
        system_id = session.context.system_id
        piece = texts.read_piece(pdu)
        owner = (system_id, pdu.source_addr, pdu.destination_addr)
        self.on_submit(
            SubmitRecord(
                system_id=system_id,
                source=pdu.source_addr,
                destination=pdu.destination_addr,
                text=piece.text,
                whole=self._joiner.add(owner, piece) if plan.accepted else None,
                payload=piece.payload,
                data_coding=pdu.data_coding,
                esm_class=pdu.esm_class,
                tlvs=pdu.tlvs,
                part=piece.part,
                parts=piece.parts,
                at_ms=int(time.time() * 1000),
                message_id=message_id,
                outcome=plan.outcome,
                status=plan.status,
                pdu=pdu,
            )
        )

    def _finish_late(self, arguments: tuple[Session, Pdu, Plan, str, str]) -> None:
        self._finish(*arguments)

    def _finish(self, session: Session, pdu: Pdu, plan: Plan, response_id: str, receipt_id: str) -> None:
        """Answer a submit and see to its receipts, in the order of the plan."""
        parcel = self._receipt(session, pdu, plan, receipt_id)
        if parcel and plan.early:
            self._deliver(parcel)
        if plan.answered:
            session.answer(pdu, plan.status, response_id)
        else:
            session.ignore()
        if parcel is None or plan.early:
            return
        delay = plan.receipt_s if session.can_receive else max(plan.receipt_s, OTHER_SESSION_S)
        if delay and self._agenda and self._loop:
            self._agenda.at(self._loop.time() + delay, self._deliver_due, parcel)
        else:
            self._deliver(parcel)

    def _receipt(self, session: Session, pdu: Pdu, plan: Plan, receipt_id: str) -> Parcel | None:
        if not plan.accepted or not plan.state or not _is_wanted(pdu.registered_delivery, plan.state):
            return None
        parcel = Parcel(
            session.context,
            session,
            pdu,
            message_id=receipt_id,
            state=plan.state,
            error=plan.error,
            submitted_ms=int(time.time() * 1000),
            copies=plan.copies,
            enroute=plan.enroute,
        )
        if pdu.service_type == lookups.SERVICE_TYPE and plan.state == tables.STATE_DELIVERED:
            parcel.tlvs = lookups.look_up(pdu.destination_addr, self.profile.seed)
        elif pdu.service_type == calls.SERVICE_TYPE:
            parcel.tlvs = calls.tell(pdu.destination_addr, self.profile.seed, plan.state == tables.STATE_DELIVERED)
        return parcel

    def _deliver(self, parcel: Parcel) -> None:
        parcel.done_ms = int(time.time() * 1000)
        if parcel.enroute:
            parcel.customer.add(msgspec.structs.replace(parcel, state=tables.STATE_ENROUTE, error=0, tlvs=None))
        for _ in range(parcel.copies):
            self._counts["receipts"] += 1
            parcel.customer.add(parcel)

    def _query(self, session: Session, pdu: Pdu) -> None:
        assert self._loop
        fate = self._fates.get(pdu.message_id)
        if fate is None:
            session.answer(pdu, statuses.ESME_RQUERYFAIL)
            return
        state, error, due = fate
        is_over = state != 0 and self._loop.time() >= due
        session.reply(
            Pdu(
                tables.QUERY_SM_RESP,
                sequence=pdu.sequence,
                message_id=pdu.message_id,
                message_state=state if is_over else tables.STATE_ENROUTE,
                error_code=error if is_over else 0,
            )
        )


def _is_wanted(registered_delivery: int, state: int) -> bool:
    """Whether the submit asked for a receipt of this state (5.2.17; 3, success only, is of SMPP 5.0)."""
    asked = registered_delivery & tables.REGISTERED_RECEIPT_MASK
    delivered = state == tables.STATE_DELIVERED
    return asked == tables.REGISTERED_FINAL or (asked != 0 and delivered == (asked != tables.REGISTERED_FAILURE))
