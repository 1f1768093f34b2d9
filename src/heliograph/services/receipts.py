"""Receipts: matched, applied, or kept until they match; never dropped (design section 6, flow C)."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

import msgspec

from heliograph.core.messages import Extra, Message, decode_extra, encode_extra
from heliograph.core.references import MOST, spell
from heliograph.core.status import Status, combine, is_final, may_move
from heliograph.services.attempts import Attempts
from heliograph.services.batch import Change
from heliograph.services.desk import Desk, Row, move_row
from heliograph.services.dispatch import Dispatch, end_rows, event_row, reroute_rows

log = logging.getLogger(__name__)

Settle = Callable[[bool], None]
EARLY_KEPT = 100_000  # receipts without a message kept in memory for joining; all are in the store as well


class Report(Protocol):
    """A receipt as a carrier tells it (delivery/carriers/contract.py)."""

    @property
    def ref(self) -> str: ...
    @property
    def phone(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def err(self) -> int: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def detail(self) -> str: ...
    @property
    def hlr(self) -> dict[str, str] | None: ...


class Orphan(msgspec.Struct):
    """A receipt that waits for its message."""

    id: int
    carrier_id: int
    ref: str
    phone: str
    received_ms: int
    status: int
    err: int
    detail: str
    at_ms: int = 0
    hlr: dict[str, str] | None = None


class Receipts:
    """Matches receipts to messages: by the carrier's id in the notation that fits, by number when the id never came."""

    def __init__(self, desk: Desk, dispatch: Dispatch, attempts: Attempts) -> None:
        self._desk = desk
        self._dispatch = dispatch
        self._attempts = attempts
        self._fits: dict[int, str] = {}
        self._orphans: dict[int, Orphan] = {}
        self._by_ref: dict[tuple[int, str], int] = {}
        self._by_phone: dict[tuple[int, str], list[Orphan]] = {}
        self._missed: list[tuple[int, Report, Settle, int]] = []
        self._looking: asyncio.Task[None] | None = None
        self.rerouted: Callable[[Message], None] = _nobody
        self.matched = self.kept = self.joined = 0
        attempts.learned = self.join
        attempts.doubted = self._join_unsure

    def fits(self) -> dict[int, str]:
        """The notation that was last seen to fit, by carrier."""
        return dict(self._fits)

    async def open(self, now_ms: int) -> None:
        """Take over the orphans of the last three days, and join those that the last run's doubts explain."""
        rows = await self._desk.db.all("orphans.recent", now_ms - 3 * 86_400_000, EARLY_KEPT)
        for id_, carrier_id, ref, phone, received_ms, status, err, detail, _ in rows:
            self._keep(Orphan(id_, carrier_id, ref, phone, received_ms, status, err, detail))
        for messages in list(self._dispatch.unsure.values()):
            for message in list(messages):
                self._join_unsure(message, now_ms)

    def record(self, carrier_id: int, report: Report, settle: Settle, now_ms: int) -> None:
        """Take a receipt; ``settle(True)`` once it is on disk, matched or kept."""
        found = self._find(carrier_id, report.ref)
        if found is not None:
            self._apply(*found, report, settle, now_ms)
            return
        self._missed.append((carrier_id, report, settle, now_ms))
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    def _find(self, carrier_id: int, ref: str) -> tuple[Message, int] | None:
        """The message and part among those in memory."""
        desk = self._desk
        place = desk.refs.get((carrier_id, ref))
        if place is None and ref:
            for spelling, name in spell(ref, self._fits.get(carrier_id, "same")).items():
                place = desk.refs.get((carrier_id, spelling))
                if place is not None:
                    self._fits[carrier_id] = name
                    break
        if place is None:
            return None
        message = desk.messages.get(place[0])
        return None if message is None else (message, place[1])

    # -- those that memory does not know -----------------------------------------
    async def _look(self) -> None:
        """Look in the store for what memory does not know, everything that has gathered at once."""
        try:
            while self._missed:
                missed, self._missed = self._missed, []
                for carrier_id, report, settle, now_ms in missed:
                    try:
                        await self._look_for(carrier_id, report, settle, now_ms)
                    except Exception:
                        log.exception("receipt_failed")
                        settle(False)
        finally:
            self._looking = None

    async def _look_for(self, carrier_id: int, report: Report, settle: Settle, now_ms: int) -> None:
        found = self._find(carrier_id, report.ref)
        why = "no message has this id"
        if found is None and report.ref:
            spellings = spell(report.ref, self._fits.get(carrier_id, "same"))
            names = list(spellings)[:MOST]
            padded = names + [""] * (MOST - len(names))
            rows = await self._desk.db.all("parts.by_ref", carrier_id, *padded)
            # Carriers reuse ids: the number must agree where the receipt tells it, and of equals the youngest counts.
            fitting = [row for row in rows if not report.phone or row[4] == report.phone]
            refs = {row[3] for row in fitting}
            if len(refs) == 1 or (fitting and report.ref in refs):
                chosen = next(row for row in fitting if len(refs) == 1 or row[3] == report.ref)
                if len(refs) == 1:
                    self._fits[carrier_id] = spellings[chosen[3]]
                message = await self._fetch(chosen[0])
                found = None if message is None else (message, chosen[2])
            elif len(refs) > 1:
                why = f"{len(refs)} spellings of this id match"
        if found is None:
            # The answer with its id may have come while the store was asked.
            found = self._find(carrier_id, report.ref) or self._find_unsure(carrier_id, report)
        if found is not None:
            self._apply(*found, report, settle, now_ms)
        else:
            self._orphan(carrier_id, report, settle, why, now_ms)

    async def _fetch(self, int_id: int) -> Message | None:
        """A message with the states of the parts of its last try."""
        message = await self._dispatch.get(int_id)
        if message is None or message.part_states:
            return message
        rows = await self._desk.db.all("parts.of", int_id)
        if not message.part_states and rows:
            last = max(row[0] for row in rows)
            message.tries = max(message.tries, last)
            states = {row[1]: row for row in rows if row[0] == last}
            waiting = await self._desk.db.one("queue.get", int_id)
            total = max(max(states), message.parts if waiting else 0)
            sent = (int(Status.WAITING), 0)
            message.part_states = [(states[n][9], states[n][10]) if n in states else sent for n in range(1, total + 1)]
            for number, row in states.items():
                if row[3]:
                    self._desk.learn_ref(message, number, row[3])
        return message

    def _find_unsure(self, carrier_id: int, report: Report) -> tuple[Message, int] | None:
        """A text that was written but never answered is found by its number, when only one such text went there."""
        doubtful = self._dispatch.unsure.get((carrier_id, report.phone), [])
        if len(doubtful) != 1:
            return None
        message = doubtful[0]
        if not message.part_states:
            message.part_states = [(int(Status.WAITING), 0)] * message.parts
        for number, (status, _) in enumerate(message.part_states, 1):
            if number not in message.refs and not is_final(status):
                if report.ref:
                    self._desk.learn_ref(message, number, report.ref)
                return message, number
        return None

    # -- those that match ---------------------------------------------------------
    def _apply(self, message: Message, part: int, report: Report, settle: Settle, now_ms: int) -> None:
        """Step the part and the message by the table of core/status.py and write everything at once."""
        desk = self._desk
        self.matched += 1
        rows: list[tuple[str, Row]] = []
        amount = 0
        detail = f"part {part}: {report.detail}" if message.parts > 1 else report.detail
        rows.append(event_row(desk, message, "receipt", detail, now_ms))
        doubtful = message in self._dispatch.unsure.get((message.carrier_id, message.phone), ())
        if not message.part_states:
            message.part_states = [(message.status, message.err)] * max(message.parts, part)
        if part <= len(message.part_states):
            old = message.part_states[part - 1][0]
            if may_move(old, report.status) or (old == report.status == Status.SENT):
                message.part_states[part - 1] = (report.status, report.err)
                if len(message.part_states) > 1:
                    rows.append(("parts.move", (report.status, report.err, message.int_id, message.tries, part)))
        if report.hlr:
            keep = decode_extra(message.extra)
            message.extra = encode_extra(
                Extra(pid=keep.pid, dcs=keep.dcs, hlr=report.hlr, user_ip=keep.user_ip, subject=keep.subject)
            )
        status, err = combine(message.part_states)
        if may_move(message.status, status):
            if self._moves_on(message, status, now_ms):
                rows.extend(self._reroute(message, doubtful, now_ms))
                self._write(message, rows, 0, settle, rerouted=True)
                return
            if is_final(status):
                amount, more = end_rows(desk, message, status, err, now_ms)
                rows.extend(more)
            else:
                message.status, message.err, message.changed_ms = status, err, now_ms
                rows.append(move_row(message))
        elif report.hlr:
            rows.append(move_row(message))
        if doubtful and all(state != Status.WAITING for state, _ in message.part_states):
            self._dispatch.trust(message)
            rows.append(("queue.remove", (message.int_id,)))
        self._write(message, rows, amount, settle)

    def _moves_on(self, message: Message, status: int, now_ms: int) -> bool:
        """Whether an expired text goes to the next route instead of ending."""
        if status != Status.EXPIRED or now_ms >= message.expires_ms:
            return False
        carrier = self._desk.snapshots.current.carriers.get(message.carrier_id)
        if carrier is None or "expired" not in carrier.settings.failover:
            return False
        if any(state == Status.DELIVERED for state, _ in message.part_states):
            return False
        return bool(self._dispatch.find_routes(message, now_ms))

    def _reroute(self, message: Message, queued: bool, now_ms: int) -> list[tuple[str, Row]]:
        route = self._dispatch.find_routes(message, now_ms)[0]
        if queued:
            self._dispatch.trust(message)
        rows = reroute_rows(self._desk, message, route, "expired at the carrier before", now_ms)
        if queued:
            rows.append(("queue.later", (message.carrier_id, now_ms, 0, 0, message.int_id)))
        else:
            rows.append(("queue.add", (message.int_id, message.carrier_id, message.lane, now_ms)))
        return rows

    def _write(
        self, message: Message, rows: list[tuple[str, Row]], amount: int, settle: Settle, rerouted: bool = False
    ) -> None:
        def done(error: Exception | None) -> None:
            if error is not None:
                # The carrier is told to send it again; the state in memory is already ahead, which a repeat confirms.
                log.error("receipt_not_stored", extra={"int_id": message.int_id, "error": str(error)})
                self._desk.later(1.0, lambda: self._write(message, rows, amount, _settled, rerouted))
                settle(False)
                return
            settle(True)
            self._desk.note(message)
            if rerouted:
                self.rerouted(message)

        self._desk.add(message, rows, done, amount)

    # -- those that match nothing ---------------------------------------------------
    def _orphan(self, carrier_id: int, report: Report, settle: Settle, why: str, now_ms: int) -> None:
        orphan = Orphan(
            id=self._desk.take_orphan(),
            carrier_id=carrier_id,
            ref=report.ref,
            phone=report.phone,
            received_ms=now_ms,
            status=report.status,
            err=report.err,
            detail=report.detail,
            at_ms=report.at_ms,
            hlr=report.hlr,
        )
        self.kept += 1
        self._keep(orphan)
        row = (orphan.id, carrier_id, report.ref, report.phone, now_ms, report.status, report.err, report.detail, why)

        def done(error: Exception | None) -> None:
            if error is not None:
                self._forget(orphan)
            settle(error is None)

        self._desk.batch.add(Change([("orphans.add", row)], done))

    def _keep(self, orphan: Orphan) -> None:
        self._orphans[orphan.id] = orphan
        for spelling in spell(orphan.ref):
            self._by_ref.setdefault((orphan.carrier_id, spelling), orphan.id)
        self._by_phone.setdefault((orphan.carrier_id, orphan.phone), []).append(orphan)
        if len(self._orphans) > EARLY_KEPT:
            self._forget(next(iter(self._orphans.values())))

    def _forget(self, orphan: Orphan) -> None:
        if self._orphans.pop(orphan.id, None) is None:
            return
        same = self._by_phone[orphan.carrier_id, orphan.phone]
        same.remove(orphan)
        if not same:
            del self._by_phone[orphan.carrier_id, orphan.phone]
        for spelling in spell(orphan.ref):
            if self._by_ref.get((orphan.carrier_id, spelling)) == orphan.id:
                del self._by_ref[orphan.carrier_id, spelling]

    def join(self, message: Message, part: int, ref: str) -> None:
        """A carrier's id has become known: receipts that came before it belong to it."""
        if not self._orphans:
            return
        for spelling in spell(ref):
            orphan = self._orphans.get(self._by_ref.get((message.carrier_id, spelling), 0))
            if orphan is not None and orphan.phone in ("", message.phone):
                self._adopt(orphan, message, part)

    def _join_unsure(self, message: Message, now_ms: int) -> None:
        """A text has become unsure: receipts that came before for its number, when it is the only such text."""
        for orphan in list(self._by_phone.get((message.carrier_id, message.phone), ())):
            if orphan.received_ms < message.started_ms:
                continue
            found = self._find_unsure(message.carrier_id, _report(orphan))
            if found is not None:
                self._adopt(orphan, *found)

    def _adopt(self, orphan: Orphan, message: Message, part: int) -> None:
        self.joined += 1
        self._forget(orphan)
        self._desk.batch.add(Change([("orphans.remove", (orphan.id,))], _ignore))
        self._apply(message, part, _report(orphan), _settled, max(orphan.received_ms, message.changed_ms))


class _Report(msgspec.Struct, frozen=True):
    ref: str
    phone: str
    status: int
    err: int
    at_ms: int
    detail: str
    hlr: dict[str, str] | None = None


def _report(orphan: Orphan) -> _Report:
    return _Report(orphan.ref, orphan.phone, orphan.status, orphan.err, orphan.at_ms, orphan.detail, orphan.hlr)


def _settled(stored: bool) -> None:
    """Nobody waits: the carrier was answered when the receipt was first kept."""


def _ignore(error: Exception | None) -> None:
    if error is not None:
        log.error("orphan_not_removed", extra={"error": str(error)})


def _nobody(message: Message) -> None:
    """No dispatcher yet."""
