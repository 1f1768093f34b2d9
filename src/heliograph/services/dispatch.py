"""Taking texts from the queue: what is due, the start mark before a socket, and what a crash left unsure (design sections 5 and 6B)."""

import logging
from collections.abc import Callable

from heliograph.core.carriers import Settings
from heliograph.core.messages import LANE_BULK, Message
from heliograph.core.routing import Facts, Route
from heliograph.core.status import Err, Status
from heliograph.services.births import callback_rows
from heliograph.services.desk import Desk, Row, message_of, move_row

log = logging.getLogger(__name__)
RECOVER_PAGE = 1000


class Dispatch:
    """The queue as the dispatcher sees it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # Messages that were written to a socket and never answered, by carrier and number.
        self.unsure: dict[tuple[int, str], list[Message]] = {}

    async def read_due(self, carrier_id: int, lane: int, now_ms: int, limit: int) -> list[Message]:
        """Texts that are due and not started, oldest first; those in memory already come as the same objects. Of long
        ones it is known which parts have gone, also after a restart."""
        rows = await self._desk.db.all("queue.due", carrier_id, lane, now_ms, limit)
        known = self._desk.messages
        messages = [known.get(row[0]) or message_of(row) for row in rows]
        for message in messages:
            self._desk.hold(message)
        for message, row in zip(messages, rows, strict=True):
            # What is under way knows its parts better than the table does.
            if row[28] and not message.pending:
                await self.load_parts(message)
        return messages

    async def next_due(self, carrier_id: int, lane: int, now_ms: int) -> int | None:
        """When the next text of a lane that is not due yet will be, in UTC milliseconds."""
        row = await self._desk.db.one("queue.next_due", carrier_id, lane, now_ms)
        return row[0] if row else None

    def start(self, message: Message, now_ms: int, done: Callable[[Message, Exception | None], None]) -> None:
        """Commit the start mark: after it the text may be on a phone, before it it cannot be."""
        message.started_ms = now_ms
        rows: list[tuple[str, Row]] = [("queue.start", (now_ms, message.carrier_id, message.int_id))]
        # It was stored, or its last try is on disk: no change of it waits, which it could overtake.
        self._desk.add(message, rows, lambda error: done(message, error), first=message.lane != LANE_BULK)

    def unmark(self, message: Message, due_ms: int, stored: Callable[[], None] | None = None) -> None:
        """Take the start mark off a text that was not written after all."""
        message.started_ms = 0
        self._desk.keep(message, [("queue.later", (message.carrier_id, due_ms, 0, 0, message.int_id))], stored=stored)

    def find_routes(self, message: Message, now_ms: int) -> list[Route]:
        """Routes of other carriers that have not had this message, in the order of trying."""
        desk = self._desk
        snapshot = desk.snapshots.current
        account = snapshot.accounts.get(message.account_id)
        place = snapshot.look_up(message.phone)
        facts = Facts(
            message.phone,
            place.iso if place else "",
            message.mccmnc,
            message.kind,
            account.login if account else "",
            message.sender,
        )
        return snapshot.routes.candidates(facts, message.int_id, (*message.tried, message.carrier_id))

    def reroute(self, message: Message, route: Route, why: str, now_ms: int, stored: Callable[[], None]) -> None:
        """Give a text that is in the queue and not started to another carrier."""
        rows = reroute_rows(self._desk, message, route, why, now_ms)
        rows.append(("queue.later", (message.carrier_id, now_ms, 0, 0, message.int_id)))
        self._desk.keep(message, rows, stored=stored)

    def end(self, message: Message, status: int, err: int, now_ms: int) -> None:
        """End a text that is in the queue: its final status, the refund by tariff, the callback, the row removed."""
        amount, rows = end_rows(self._desk, message, status, err, now_ms)
        rows.append(("queue.remove", (message.int_id,)))
        self._desk.keep(message, rows, amount, lambda: self._desk.note(message))

    # -- unsure ---------------------------------------------------------------
    def doubt(self, message: Message) -> None:
        """Remember an unsure message so that its receipt finds it by number."""
        message.pending += 1
        self.unsure.setdefault((message.carrier_id, message.phone), []).append(message)

    def trust(self, message: Message) -> None:
        """It is sure again: answered by a receipt or by its wait."""
        found = self.unsure.get((message.carrier_id, message.phone), [])
        if message in found:
            found.remove(message)
            message.pending -= 1
            if not found:
                del self.unsure[message.carrier_id, message.phone]

    async def recover(self, now_ms: int) -> int:
        """What the last run had written to sockets without an answer: wait for its receipt or send again, as the
        carrier's settings say. Returns how many are unsure."""
        desk, after, count = self._desk, 0, 0
        carriers = desk.snapshots.current.carriers
        while True:
            rows = await desk.db.all("queue.started", after, RECOVER_PAGE)
            if not rows:
                return count
            for row in rows:
                after = row[0]
                message = message_of(row)
                started_ms, due_ms, was_unsure = row[28:31]
                carrier = carriers.get(message.carrier_id)
                if carrier is not None and carrier.settings.unsure == "again" and not was_unsure:
                    again = ("queue.later", (message.carrier_id, now_ms, 0, 0, message.int_id))
                    desk.keep(message, [again, self._event(message, "again", "started, never answered", now_ms)])
                    continue
                count += 1
                message.started_ms = started_ms
                desk.hold(message)
                if not was_unsure:
                    message.tries += 1  # of that start; only an answer brings the count to disk
                if message.parts > 1:
                    await self.load_parts(message)
                self.doubt(message)
                if not was_unsure:
                    wait_s = carrier.settings.unsure_s if carrier else 86_400
                    due_ms = now_ms + wait_s * 1000
                    later = ("queue.later", (message.carrier_id, due_ms, started_ms, 1, message.int_id))
                    desk.keep(message, [later, self._event(message, "unsure", "started, never answered", now_ms)])

    async def end_waits(self, now_ms: int) -> int:
        """End what waited long enough: unsure texts and those whose receipt never came (status 3, err 245)."""
        desk, ended = self._desk, 0
        for row in await desk.db.all("queue.unsure_over", now_ms, RECOVER_PAGE):
            message = await self.get(row[0])
            if message is None or message.pending > 1 or (message.pending and not self.is_doubtful(message)):
                continue  # it is just moving
            self.trust(message)
            if message.status in (Status.WAITING, Status.SENT):
                self.end(message, Status.EXPIRED, Err.NO_REPORT, now_ms)
                ended += 1
            else:
                desk.keep(message, [("queue.remove", (message.int_id,))])
        carrier_id = -1
        # By what the table holds: texts of a carrier that was removed end as well.
        while (found := await desk.db.one("messages.next_sender", carrier_id)) and found[0] is not None:
            carrier_id = found[0]
            carrier = desk.snapshots.current.carriers.get(carrier_id)
            before_ms = now_ms - (carrier.settings if carrier else Settings()).report_s * 1000
            for (int_id,) in await desk.db.all("messages.overdue", carrier_id, before_ms, RECOVER_PAGE):
                message = await self.get(int_id)
                if message is not None and message.status == Status.SENT and not message.pending:
                    self.end(message, Status.EXPIRED, Err.NO_REPORT, now_ms)
                    ended += 1
        return ended

    def is_doubtful(self, message: Message) -> bool:
        """Whether it was written and never answered, and its wait is not over."""
        return message in self.unsure.get((message.carrier_id, message.phone), ())

    async def get(self, int_id: int) -> Message | None:
        """A message from memory or from the store; the one object that may be moved."""
        message = self._desk.messages.get(int_id)
        if message is None:
            row = await self._desk.db.one("messages.get", int_id)
            if row is None or int_id in self._desk.leaving:
                return None
            message = self._desk.messages.get(int_id) or message_of(row)
            self._desk.hold(message)
        return message

    async def load_parts(self, message: Message) -> None:
        """Fill in what the store knows of the parts of a message: of each the latest answer of its present carrier."""
        if message.part_states:
            return
        rows = await self._desk.db.all("parts.of", message.int_id)
        waiting = await self._desk.db.one("queue.get", message.int_id)
        parts = {row[1]: row for row in rows if row[2] == message.carrier_id}
        if message.part_states or not parts:
            return
        message.tries = max(message.tries, rows[-1][0])
        for number in range(1, max(max(parts), message.parts if waiting else 0) + 1):
            row = parts.get(number)
            message.part_states.append((row[9], row[10]) if row else (int(Status.WAITING), 0))
            if row and row[3]:
                self._desk.learn_ref(message, number, row[3])

    def _event(self, message: Message, name: str, detail: str, now_ms: int) -> tuple[str, Row]:
        return event_row(self._desk, message, name, detail, now_ms)


def event_row(desk: Desk, message: Message, name: str, detail: str, now_ms: int) -> tuple[str, Row]:
    """A line of a message's story."""
    return ("events.add", (message.int_id, desk.stamp(now_ms), name, detail))


def reroute_rows(desk: Desk, message: Message, route: Route, why: str, now_ms: int) -> list[tuple[str, Row]]:
    """Move a message to another route's carrier; the caller adds its queue row."""
    desk.drop_refs(message)  # late receipts of the carrier before are looked for in the store
    if message.carrier_id not in message.tried:
        message.tried = (*message.tried, message.carrier_id)
    message.carrier_id, message.route_id = route.carrier_id, route.id
    message.part_states, message.started_ms = [], 0
    message.status, message.err, message.changed_ms = Status.WAITING, Err.NONE, now_ms
    return [move_row(message), event_row(desk, message, "route", f"{route.name}: {why}", now_ms)]


def end_rows(desk: Desk, message: Message, status: int, err: int, now_ms: int) -> tuple[int, list[tuple[str, Row]]]:
    """Move a message to a final status: the refund's amount, and its rows with ledger and callback."""
    message.status, message.err, message.changed_ms = status, err, now_ms
    amount, rows = desk.refund_rows(message, now_ms)
    account = desk.snapshots.current.accounts.get(message.account_id)
    return amount, [move_row(message), *rows, *callback_rows(message, account, desk)]
