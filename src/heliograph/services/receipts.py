"""Receipts: matched, applied, or kept until they match; never dropped (design section 6, flow C)."""

import asyncio
import logging
from collections.abc import Callable, Collection

import msgspec

from heliograph.core.deliveries import Receipt, Talk
from heliograph.core.messages import Extra, Message, decode_extra, encode_extra
from heliograph.core.references import MOST, NOTATIONS, spell
from heliograph.core.status import Status, combine, is_final, may_move
from heliograph.services.attempts import Attempts
from heliograph.services.batch import Change
from heliograph.services.desk import Desk, Row, move_row
from heliograph.services.dispatch import Dispatch, end_rows, event_row, reroute_rows
from heliograph.services.orphans import EARLY_KEPT, Orphan, Orphans

log = logging.getLogger(__name__)

Settle = Callable[[bool], object]


class Receipts:
    """Matches receipts to messages: by the carrier's id in the notation that fits, by number when the id never came."""

    def __init__(self, desk: Desk, dispatch: Dispatch, attempts: Attempts) -> None:
        self._desk = desk
        self._dispatch = dispatch
        self._attempts = attempts
        self._fits: dict[int, str] = {}
        self._orphans = Orphans()
        self._missed: list[tuple[int, Receipt, Settle, int]] = []
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
        for *fields, extra in reversed(rows):
            orphan = Orphan(*fields)
            found = decode_extra(extra)
            orphan.hlr, orphan.talk, orphan.syserr = found.hlr, _read_talk(found), found.syserr
            self._orphans.add(orphan)
        for messages in list(self._dispatch.unsure.values()):
            for message in list(messages):
                self._join_unsure(message, now_ms)

    def record(self, carrier_id: int, report: Receipt, settle: Settle, now_ms: int) -> None:
        """Take a receipt; ``settle(True)`` once it is on disk, matched or kept."""
        found = self._find(carrier_id, report)
        if found is not None:
            self._apply(carrier_id, *found, report, settle, now_ms)
            return
        self._missed.append((carrier_id, report, settle, now_ms))
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    def _find(self, carrier_id: int, report: Receipt) -> tuple[Message, int] | None:
        """The message and part among those in memory."""
        fit = self._fits.get(carrier_id)
        if fit is not None:
            place = self._recall(carrier_id, NOTATIONS[fit](report.ref), report)
            if place is not None:
                return place
        found = {}
        for spelling, name in spell(report.ref).items():
            place = self._recall(carrier_id, spelling, report)
            if place is not None:
                found[name] = place
        if len(found) == 1:
            name, place = found.popitem()
            self._fits[carrier_id] = name
            return place
        return found.get("same")

    def _recall(self, carrier_id: int, ref: str, report: Receipt) -> tuple[Message, int] | None:
        """The part that has this id; carriers reuse ids, so its number must agree."""
        place = self._desk.refs.get((carrier_id, ref))
        message = self._desk.messages.get(place[0]) if place else None
        if place is None or message is None or not agrees(report.phone, message.phone):
            return None
        return message, place[1]

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

    async def settle(self) -> None:
        """Wait until all that has come is looked up; the rest of it is the batch's."""
        while self._looking is not None:
            await asyncio.wait([self._looking])

    async def _look_for(self, carrier_id: int, report: Receipt, settle: Settle, now_ms: int) -> None:
        found = self._find(carrier_id, report)
        why = "no message has this id"
        if found is None and report.ref:
            fit = self._fits.get(carrier_id)
            spellings = spell(report.ref, fit or "same")
            names = list(spellings)[:MOST]
            padded = names + [""] * (MOST - len(names))
            fitting: dict[str, Row] = {}
            # The youngest comes first and counts, for carriers reuse ids.
            for row in await self._desk.db.all("parts.by_ref", carrier_id, *padded):
                if agrees(report.phone, row[4]):
                    fitting.setdefault(spellings[row[3]], row)
            name = choose(fitting, fit)
            if name is not None:
                if len(fitting) == 1:
                    self._fits[carrier_id] = name
                message = await self._fetch(fitting[name][0])
                found = None if message is None else (message, fitting[name][2])
            elif fitting:
                why = f"{len(fitting)} spellings of this id match"
        if found is None:
            # The answer with its id may have come while the store was asked.
            found = self._find(carrier_id, report) or self._find_unsure(carrier_id, report)
        if found is not None:
            self._apply(carrier_id, *found, report, settle, now_ms)
        else:
            self._orphan(carrier_id, report, settle, why, now_ms)

    async def _fetch(self, int_id: int) -> Message | None:
        """A message with the states of its parts."""
        message = await self._dispatch.get(int_id)
        if message is not None:
            await self._dispatch.load_parts(message)
        return message

    def _find_unsure(self, carrier_id: int, report: Receipt) -> tuple[Message, int] | None:
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
    def _apply(
        self, carrier_id: int, message: Message, part: int, report: Receipt, settle: Settle, now_ms: int
    ) -> None:
        """Step the part and the message by the table of core/status.py and write everything at once."""
        self.matched += 1
        detail = f"part {part}: {report.detail}" if message.parts > 1 else report.detail
        rows = [event_row(self._desk, message, "receipt", detail, now_ms)]
        if _has_news(report) or (message.extra and report.status == Status.DELIVERED):
            extra = encode_extra(_add_news(decode_extra(message.extra), report))
            if extra != message.extra:
                message.extra = extra
                rows.append(move_row(message))
        if carrier_id != message.carrier_id:
            # It went to another carrier meanwhile. That the phone has it counts all the same, the rest is history.
            status = report.status if message.parts == 1 and report.status == Status.DELIVERED else message.status
            err = 0
        else:
            rows.extend(self._step_part(message, part, report))
            if report.ref and self._dispatch.is_doubtful(message):
                rows.append(_found_row(message, part, report, now_ms))
            status, err = combine(message.part_states)
        self._move(message, status, err, rows, settle, now_ms)

    @staticmethod
    def _step_part(message: Message, part: int, report: Receipt) -> list[tuple[str, Row]]:
        if not message.part_states:
            message.part_states = [(message.status, message.err)] * max(message.parts, part)
        if part > len(message.part_states):
            message.part_states.extend([(int(Status.WAITING), 0)] * (part - len(message.part_states)))
        old = message.part_states[part - 1][0]
        if not may_move(old, report.status) and not (old == report.status == Status.SENT):
            return []
        message.part_states[part - 1] = (report.status, report.err)
        if len(message.part_states) == 1:
            return []
        return [("parts.move", (report.status, report.err, message.int_id, part))]

    def _move(
        self, message: Message, status: int, err: int, rows: list[tuple[str, Row]], settle: Settle, now_ms: int
    ) -> None:
        """Move the message to the status of its parts, with all that follows from it."""
        doubtful = self._dispatch.is_doubtful(message)
        queued = doubtful or message.status == Status.WAITING
        amount = 0
        if may_move(message.status, status):
            if self._moves_on(message, status, doubtful, now_ms):
                rows.extend(self._reroute(message, doubtful, now_ms))
                self._write(message, rows, 0, settle, rerouted=True)
                return
            if is_final(status):
                amount, more = end_rows(self._desk, message, status, err, now_ms)
                rows.extend(more)
            else:
                message.status, message.err, message.changed_ms = status, err, now_ms
                rows.append(move_row(message))
        # Over, or (long and unsure) known to be with the carrier: nothing of it has to go out any more.
        if queued and (is_final(message.status) or message.status == Status.SENT):
            self._dispatch.trust(message)
            rows.append(("queue.remove", (message.int_id,)))
        self._write(message, rows, amount, settle)

    def _moves_on(self, message: Message, status: int, doubtful: bool, now_ms: int) -> bool:
        """Whether an expired text goes to the next route instead of ending."""
        if status != Status.EXPIRED or now_ms >= message.expires_ms:
            return False
        states = {state for state, _ in message.part_states}
        if Status.DELIVERED in states or (Status.WAITING in states and not doubtful):
            return False  # a part is on the phone, or on its way to the carrier
        carrier = self._desk.snapshots.current.carriers.get(message.carrier_id)
        if carrier is None or "expired" not in carrier.settings.failover:
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
            rows.append(("queue.add", (message.int_id, message.carrier_id, message.lane, now_ms, 0)))
        return rows

    def _write(
        self, message: Message, rows: list[tuple[str, Row]], amount: int, settle: Settle, rerouted: bool = False
    ) -> None:
        waiting = [settle]

        def tell(stored: bool) -> None:
            if waiting:
                waiting.pop()(stored)

        def stored() -> None:
            tell(True)
            self._desk.note(message)
            if rerouted:
                self.rerouted(message)

        # When the store is full the carrier is told to send it again; the state in memory is ahead, which a repeat
        # confirms.
        self._desk.keep(message, rows, amount, stored, lambda: tell(False))

    # -- those that match nothing ---------------------------------------------------
    def _orphan(self, carrier_id: int, report: Receipt, settle: Settle, why: str, now_ms: int) -> None:
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
            talk=report.talk,
            syserr=report.syserr,
        )
        self.kept += 1
        self._orphans.add(orphan)
        extra = encode_extra(_add_news(Extra(), report)) if _has_news(report) else ""
        told = (report.ref, report.phone, now_ms, report.status, report.err, report.detail)
        row = (orphan.id, carrier_id, *told, why, extra)

        def done(error: Exception | None) -> None:
            if error is not None:
                self._orphans.remove(orphan)
            settle(error is None)

        self._desk.batch.add(Change([("orphans.add", row)], done))

    def join(self, message: Message, part: int, ref: str, since_ms: int) -> None:
        """A carrier's id has become known: receipts that came before it, but not before the text was sent, belong to it."""
        fitting: dict[str, list[Orphan]] = {}
        for orphan in self._orphans.by_ref(message.carrier_id, ref):
            if orphan.received_ms >= since_ms and agrees(orphan.phone, message.phone):
                fitting.setdefault(spell(orphan.ref)[ref], []).append(orphan)
        name = choose(fitting, self._fits.get(message.carrier_id))
        if name is not None:
            for orphan in fitting[name]:
                self._adopt(orphan, message, part)

    def _join_unsure(self, message: Message, now_ms: int) -> None:
        """A text has become unsure: receipts that came before for its number, when it is the only such text."""
        for orphan in self._orphans.by_phone(message.carrier_id, message.phone):
            if orphan.received_ms < message.started_ms:
                continue
            found = self._find_unsure(message.carrier_id, orphan.receipt)
            if found is not None:
                self._adopt(orphan, *found)

    def _adopt(self, orphan: Orphan, message: Message, part: int) -> None:
        self.joined += 1
        self._orphans.remove(orphan)
        self._desk.batch.add(Change([("orphans.remove", (orphan.id,))], _ignore))
        now_ms = max(orphan.received_ms, message.changed_ms)
        self._apply(orphan.carrier_id, message, part, orphan.receipt, _settled, now_ms)


def agrees(told: str, phone: str) -> bool:
    """Whether the number a receipt tells can be the message's: centres leave the country's code out, write 00 or a trunk
    prefix before it, or tell the sender's name in its place. Nine digits are the subscriber and some of the operator."""
    return not told.isdigit() or told == phone or (len(told) >= 9 and told[-9:] == phone[-9:])


def choose(fitting: Collection[str], fit: str | None) -> str | None:
    """The notation to trust among those that lead somewhere: the known one, the only one, or none at all ("same")."""
    if fit in fitting:
        return fit
    if len(fitting) == 1:
        return next(iter(fitting))
    return "same" if "same" in fitting else None


def _found_row(message: Message, part: int, report: Receipt, now_ms: int) -> tuple[str, Row]:
    """The row of a part whose id was learned from its receipt alone, so that the next receipt finds it."""
    state, err = message.part_states[part - 1]
    place = (message.int_id, max(message.tries, 1), part, message.carrier_id, report.ref, "")
    return ("parts.add", (*place, message.started_ms, now_ms, "accepted", 0, state, err))


def _has_news(report: Receipt) -> bool:
    """Whether a receipt tells more than the status."""
    return bool(report.hlr or report.syserr) or report.talk is not None


def _add_news(extra: Extra, report: Receipt) -> Extra:
    """What a receipt tells beside the status: of the network, of the call, and the carrier's error until it is delivered."""
    if report.syserr or (extra.syserr and report.status == Status.DELIVERED):
        extra = msgspec.structs.replace(extra, syserr=report.syserr)
    if report.hlr:
        extra = msgspec.structs.replace(extra, hlr=report.hlr)
    talk = report.talk
    if talk is None:
        return extra
    return msgspec.structs.replace(
        extra,
        calltime=talk.seconds,
        ringtime=talk.ringing_s,
        dtmf=talk.keys,
        callmenu=talk.menu,
        overtime=talk.overtime_s,
    )


def _read_talk(extra: Extra) -> Talk | None:
    """The talk that ``_add_news`` wrote down."""
    if extra.calltime is None and extra.ringtime is None:
        return None
    return Talk(extra.calltime, extra.ringtime, extra.dtmf, extra.callmenu, extra.overtime)


def _settled(stored: bool) -> None:
    """Nobody waits: the carrier was answered when the receipt was first kept."""


def _ignore(error: Exception | None) -> None:
    if error is not None:
        log.error("orphan_not_removed", extra={"error": str(error)})


def _nobody(message: Message) -> None:
    """No dispatcher yet."""
