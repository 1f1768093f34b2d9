"""What incoming texts have caused: replies, forwarded texts, letters (docs/incoming.md).

An errand is on disk with the text that caused it, and removed in the transaction that accepts its own text: done once,
whenever the server is killed. A letter leaves the house before its errand can be removed, so that a kill just then sends
it again; both have the same Message-ID.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgspec

from heliograph.core.inbound import GAP
from heliograph.core.messages import Accepted, Door, Recipient, Submission
from heliograph.core.news import read_remarks
from heliograph.core.reasons import Reason, Refusal
from heliograph.services.batch import Change
from heliograph.services.desk import Desk, Row
from heliograph.services.reactions import CONFIRM, MAIL
from heliograph.services.submit import Submitting
from heliograph.store.database import Database

log = logging.getLogger(__name__)
PAGE = 200
LETTERS = 4  # at once
PATIENCE_MS = 24 * 3_600_000  # so long a letter is tried again
AGAIN_MS = (60_000, 300_000, 900_000, 3_600_000)  # pauses between tries, the last again and again
AWAY_MS = 1000  # the pause when the store could not take a text, doubled up to 17 minutes
MOST_DOUBLED = 10
IDLE_S = 60.0
# What another try could not change; all else waits for the store.
_FINAL = frozenset(Reason) - {Reason.STORE_FULL, Reason.NOT_POSSIBLE}


class Letter(msgspec.Struct, frozen=True):
    """An incoming text on its way to an e-mail address; ``key`` is the same on every try."""

    target: str
    subject: str
    text: str
    key: str


class MailError(Exception):
    """A letter could not be handed over; ``final``: nor could it later."""

    def __init__(self, why: str, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


class Mailer(Protocol):
    """Who hands letters over."""

    async def send(self, letter: Letter) -> None:
        """Returns when the letter was taken; MailError when it was not."""
        ...


class Errand(msgspec.Struct, frozen=True):
    """One thing to do."""

    id: int
    inbound_id: int
    account_id: int
    kind: str
    target: str
    text: str
    due_ms: int
    tries: int


class Errands:
    """Does what is due."""

    def __init__(self, desk: Desk, submitting: Submitting, mailer: Mailer | None, clock_ms: Callable[[], int]) -> None:
        self._desk = desk
        self._submitting = submitting
        self._mailer = mailer
        self._clock_ms = clock_ms
        self._wake = asyncio.Event()
        self._letters = asyncio.Semaphore(LETTERS)
        self._writing: set[asyncio.Task[None]] = set()
        self._busy: set[int] = set()
        self.done = self.failed = 0

    def wake(self, rows: Sequence[Sequence[Any]]) -> None:
        """Something was added."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            self._wake.clear()
            try:
                pause_s = 0.0 if await self.work() else await self._pause()
            except Exception:
                log.exception("errands_failed")
                pause_s = 1.0
            if pause_s:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._wake.wait()

    async def work(self) -> int:
        """Begin what is due, at most a page of it, and wait for its texts; how many were begun. Letters go on beside."""
        room = PAGE + len(self._busy)
        rows = await self._desk.db.all("errands.due", self._clock_ms(), room)
        due = [errand for row in rows if (errand := Errand(*row)).id not in self._busy][:PAGE]
        waiting = []
        for errand in due:
            if errand.kind == MAIL:
                if len(self._busy) >= 10 * PAGE:
                    break
                self._busy.add(errand.id)
                task = asyncio.get_running_loop().create_task(self._write(errand))
                self._writing.add(task)
                task.add_done_callback(self._writing.discard)
            else:
                self._busy.add(errand.id)
                waiting.append(self._submit(errand))
        if waiting:
            await asyncio.gather(*waiting)
        return len(due)

    async def settle(self) -> None:
        """Returns when no letter is under way."""
        await asyncio.gather(*self._writing)

    async def stop(self) -> None:
        """Break off letters that are under way; they are tried again after the next start."""
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _pause(self) -> float:
        row = await self._desk.db.one("errands.next", self._clock_ms())
        if row is None or row[0] is None:
            return IDLE_S
        return min(IDLE_S, max(0.05, (int(row[0]) - self._clock_ms()) / 1000))

    # -- texts ------------------------------------------------------------------
    def _submit(self, errand: Errand) -> asyncio.Future[None]:
        """A text of the account; resolved when it is accepted or refused."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        now_ms = self._clock_ms()
        account = self._desk.snapshots.current.accounts.get(errand.account_id)
        if account is None or account.settings.blocked:
            self._end(errand, "refused", "the account is gone or blocked", now_ms, over)
            return over
        submission = Submission(
            recipients=(Recipient(errand.target, errand.text),),
            door=Door.WEB,
            also=tuple(self._rows(errand, "message", "", now_ms)),
            confirms=errand.kind == CONFIRM,
        )

        def done(answer: Accepted | Refusal) -> None:
            if isinstance(answer, Accepted) or answer.id:
                # Refused texts are messages too, with what they say in their history.
                self.done += 1
                self._over(errand, over)
            elif answer.reason in _FINAL:
                self._end(errand, "refused", answer.reason.value, now_ms, over)
            elif now_ms - errand.id // 1000 >= PATIENCE_MS:
                self._end(errand, "given up", answer.reason.value, now_ms, over)
            else:
                self._later(errand, now_ms + (AWAY_MS << min(errand.tries, MOST_DOUBLED)), over)

        self._submitting.accept(account, submission, now_ms, done)
        return over

    # -- letters ----------------------------------------------------------------
    async def _write(self, errand: Errand) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with self._letters:
            try:
                if self._mailer is None:
                    raise MailError("no mail server is configured: [mail] host", final=True)
                letter = await self._read(errand)
                if letter is not None:
                    await self._mailer.send(letter)
                self.done += 1
                self._end(errand, "sent", "", self._clock_ms(), over)
            except MailError as error:
                self._failed(errand, error, over)
            except Exception:
                log.exception("letter_failed", extra={"inbound_id": errand.inbound_id})
                self._failed(errand, MailError("an error of our own"), over)
        await over

    async def _read(self, errand: Errand) -> Letter | None:
        row = await self._desk.db.one("inbound.get", errand.inbound_id)
        if row is None:
            return None
        phone, to_phone, text, extra = row[4:8]
        missing = read_remarks(extra).missing
        note = f"\n\n({GAP}: parts that did not come)" if missing else ""
        return Letter(
            errand.target, f"Text from {phone} to {to_phone}", text + note, f"{errand.inbound_id}.{errand.id}"
        )

    def _failed(self, errand: Errand, error: MailError, over: asyncio.Future[None]) -> None:
        now_ms = self._clock_ms()
        self.failed += 1
        log.warning("letter_not_taken", extra={"inbound_id": errand.inbound_id, "error": str(error)})
        if error.final or now_ms - errand.id // 1000 >= PATIENCE_MS:
            self._end(errand, "given up", str(error), now_ms, over)
        else:
            pause_ms = AGAIN_MS[min(errand.tries, len(AGAIN_MS) - 1)]
            self._later(errand, now_ms + pause_ms, over)

    # -- the store --------------------------------------------------------------
    def _rows(self, errand: Errand, name: str, why: str, now_ms: int) -> list[tuple[str, Row]]:
        detail = f"{errand.kind} to {errand.target}" + (f": {why}" if why else "")
        return [
            ("errands.remove", (errand.id,)),
            ("events.add", (-errand.inbound_id, self._desk.stamp(now_ms), name, detail[:400])),
        ]

    def _end(self, errand: Errand, name: str, why: str, now_ms: int, over: asyncio.Future[None]) -> None:
        self._commit(errand, self._rows(errand, name, why, now_ms), over)

    def _later(self, errand: Errand, due_ms: int, over: asyncio.Future[None]) -> None:
        self._commit(errand, [("errands.later", (due_ms, errand.tries + 1, errand.id))], over)

    def _commit(self, errand: Errand, rows: list[tuple[str, Row]], over: asyncio.Future[None]) -> None:
        """What the store cannot take now stays in memory and is tried again: a letter must not be sent twice for it."""

        def done(error: Exception | None) -> None:
            if error is None:
                self._over(errand, over)
            else:
                self._desk.later(AWAY_MS / 1000, lambda: self._commit(errand, rows, over))

        self._desk.batch.add(Change(rows, done, lazy=True))

    def _over(self, errand: Errand, over: asyncio.Future[None]) -> None:
        self._busy.discard(errand.id)
        if not over.done():
            over.set_result(None)
        if len(self._busy) < 10 * PAGE:
            self._wake.set()


class Line(msgspec.Struct, frozen=True):
    """A line of an incoming text's story; ``at_ms`` is when, or when it is due."""

    at_ms: int
    what: str
    detail: str


async def tell_story(db: Database, inbound_id: int) -> list[Line]:
    """What an incoming text has caused, and what is still to be done for it, in the order of time."""
    lines = [Line(at_us // 1000, name, detail) for at_us, name, detail in await db.all("events.of", -inbound_id)]
    for row in await db.all("errands.of", inbound_id):
        errand = Errand(*row)
        tries = f", {errand.tries} tries" if errand.tries else ""
        lines.append(Line(errand.due_ms, "to do", f"{errand.kind} to {errand.target}{tries}"))
    return lines


async def count_waiting(db: Database) -> tuple[int, int]:
    """Parts of long texts that wait for others, and errands that are still to be done; up to a million each."""
    parts, errands = await db.one("fragments.waiting"), await db.one("errands.waiting")
    return (int(parts[0]) if parts else 0, int(errands[0]) if errands else 0)
