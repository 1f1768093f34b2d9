"""What becomes of a letter that the mail door has received: an order of texts, or a letter that goes on as one (spec protocols
4; docs/smtp.md).

The sender of a letter is told nothing but that it was taken (spec protocols 4.1): what was refused is in the history of its
account when the account is known, and in the log. Only what another try can change is told, for then the letter must come
again: a store that is away, too many passwords to check.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

import msgspec

from heliograph.api.params import ParamError, Params
from heliograph.api.submissions import read_submission
from heliograph.core.accounts import Account
from heliograph.core.inbound import fold_logins
from heliograph.core.letter_orders import Order, parse_order
from heliograph.core.letters import Letter, find_command, read_letter
from heliograph.core.mail_forwards import Target, compose, find_target, is_sender_welcome
from heliograph.core.messages import Accepted, Door, Submission
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.services.credentials import Credentials
from heliograph.services.desk import Desk
from heliograph.services.guard import Guard, is_welcome
from heliograph.services.submit import Submitting
from heliograph.store.database import Step

log = logging.getLogger(__name__)
Result = TypeVar("Result")

BESIDE_OVER = 2048  # octets: a letter of that size is read in 0.1 ms, at worst in 1.3; longer ones in a thread
KEPT_MS = 14 * 86_400_000  # mail servers give a letter up after four or five days
SWEEP_S = 3600.0
_AGAIN = frozenset({Reason.STORE_FULL, Reason.NOT_POSSIBLE, Reason.TOO_MANY_AT_ONCE})
# Failed sends of these reasons in a row ban an address, as over HTTP (spec sending 9.2).
_FAILURES = frozenset({Reason.BAD_PARAMETERS, Reason.NO_MONEY, Reason.BAD_NUMBER, Reason.NO_ROUTE, Reason.TEXT_DENIED})


class Came(NamedTuple):
    """A letter as it came: ``address`` is its recipient's, ``local`` the part before the @; ``client`` has brought it, for
    others when it is a relay."""

    raw: bytes
    address: str
    local: str
    client: str
    relay: bool


class _Read(NamedTuple):
    letter: Letter
    login: str
    psw: str
    params: dict[str, str]


class Postroom:
    """Turns letters into submissions. Lives on the loop; call ``close`` at the end."""

    def __init__(
        self, desk: Desk, credentials: Credentials, guard: Guard, submitting: Submitting, clock_ms: Callable[[], int]
    ) -> None:
        self._desk = desk
        self._credentials = credentials
        self._guard = guard
        self._submitting = submitting
        self._clock_ms = clock_ms
        self._readers = ThreadPoolExecutor(1, "letters")
        self._under_way: dict[str, asyncio.Future[bool]] = {}
        self._logins: dict[str, Account] = {}
        self._folded: Mapping[int, Account] | None = None
        self.accepted = self.refused = self.repeated = self.put_off = 0

    def close(self) -> None:
        """Stop the reader."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    def find(self, local: str) -> Target | None:
        """The account whose letters go on as texts under this local part of an address; None when there is none."""
        accounts = self._desk.snapshots.current.accounts
        if accounts is not self._folded:
            self._logins, self._folded = fold_logins(accounts.values()), accounts
        return find_target(local, self._logins)

    async def order(self, came: Came) -> bool:
        """A letter that orders texts; True when all is done that can be, False when it must be brought again."""
        try:
            read = await self._beside(came, partial(_read_order, came.raw))
        except Refused as refused:
            return self._refuse(came, "", refused.reason, refused.detail)
        account = await self._verify(read, came.client)
        if isinstance(account, Refusal):
            return self._put_off(came, account.reason)
        if account is None or not is_welcome(account, came.client):
            if not came.relay:
                self._guard.note_login_failed(came.client, read.login, self._clock_ms())
            return self._refuse(came, read.login, Reason.BAD_LOGIN)
        return await self._submit(came, account, read)

    async def forward(self, came: Came, target: Target) -> bool:
        """A letter to an account; the same answer."""
        settings = target.account.settings
        try:
            letter = await self._beside(came, partial(read_letter, came.raw))
            if not is_sender_welcome(settings, letter.sender):
                raise Refused(Reason.ADDRESS_NOT_ALLOWED, "mail_from")
            params = compose(letter, target)
        except Refused as refused:
            return self._refuse(came, target.account.login, refused.reason, refused.detail)
        return await self._submit(came, target.account, _Read(letter, "", "", params))

    async def run(self) -> None:
        """Forget letters that nobody brings again, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self._forget(self._clock_ms() - KEPT_MS)
            except Exception:
                log.exception("letters_not_forgotten")

    async def _forget(self, before_ms: int) -> None:
        count = 1
        while count:
            results = await self._desk.db.transact([Step("letters.forget", [(before_ms,)], fetch=True)])
            count = len(results[0])
            await asyncio.sleep(0.05)

    async def _beside(self, came: Came, work: Callable[[], Result]) -> Result:
        """Small letters at once, large ones in a thread."""
        if len(came.raw) <= BESIDE_OVER:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def _verify(self, read: _Read, client: str) -> Account | Refusal | None:
        found: asyncio.Future[Account | Refusal | None] = asyncio.get_running_loop().create_future()

        def told(answer: Account | Refusal | None) -> None:
            if not found.done():
                found.set_result(answer)

        try:
            self._credentials.verify(read.login, read.psw, "", client, told)
        except Refused as refused:
            return Refusal(refused.reason)
        return await found

    async def _submit(self, came: Came, account: Account, read: _Read) -> bool:
        """Once, however often the same letter is brought."""
        if not read.letter.key:
            return await self._hand_over(came, account, read, ())
        said = f"{account.id}\0{came.address}\0{read.letter.key}".encode("utf-8", "replace")
        digest = blake2b(said, digest_size=16).hexdigest()
        running = self._under_way.get(digest)
        if running is not None:
            self.repeated += 1
            return await asyncio.shield(running)
        running = self._under_way[digest] = asyncio.get_running_loop().create_future()
        done = False
        try:
            done = await self._once(came, account, read, digest)
        finally:
            del self._under_way[digest]
            running.set_result(done)
        return done

    async def _once(self, came: Came, account: Account, read: _Read, digest: str) -> bool:
        try:
            known = await self._desk.db.one("letters.find", digest)
        except Exception as error:
            log.warning("letter_not_looked_up", extra={"kind": type(error).__name__})
            return self._put_off(came, Reason.STORE_FULL)
        if known is not None:
            self.repeated += 1
            log.info("letter_repeated", extra={"login": account.login, "client": came.client})
            return True
        return await self._hand_over(came, account, read, (("letters.add", (digest, self._clock_ms())),))

    async def _hand_over(
        self, came: Came, account: Account, read: _Read, also: tuple[tuple[str, tuple[Any, ...]], ...]
    ) -> bool:
        now_ms = self._clock_ms()
        params = Params(read.letter.charset)
        params.update(read.params)
        try:
            submission = await self._beside(
                came, partial(read_submission, params, account, now_ms, "" if came.relay else came.client, Door.SMTP)
            )
        except Refused as refused:
            self._note_send(came, refused.reason)
            return self._refuse(came, account.login, refused.reason, refused.detail)
        except ParamError:
            return self._refuse(came, account.login, Reason.BAD_PARAMETERS)
        answer = await self._accept(account, msgspec.structs.replace(submission, also=also), now_ms)
        if isinstance(answer, Accepted):
            self.accepted += 1
            self._note_send(came, None)
            return True
        if answer.reason in _AGAIN and not answer.id:
            return self._put_off(came, answer.reason)
        if answer.reason is Reason.REPEATED_REQUEST:
            self.repeated += 1
            log.info("letter_repeated", extra={"login": account.login, "client": came.client})
            return True
        self._note_send(came, answer.reason)
        return self._refuse(came, account.login, answer.reason, answer.detail)

    def _accept(self, account: Account, submission: Submission, now_ms: int) -> "asyncio.Future[Accepted | Refusal]":
        answer: asyncio.Future[Accepted | Refusal] = asyncio.get_running_loop().create_future()

        def done(result: Accepted | Refusal) -> None:
            if not answer.done():
                answer.set_result(result)

        self._submitting.accept(account, submission, now_ms, done)
        return answer

    def _note_send(self, came: Came, reason: Reason | None) -> None:
        if not came.relay and (reason is None or reason in _FAILURES):
            self._guard.note_send(came.client, reason is None, self._clock_ms())

    def _refuse(self, came: Came, login: str, reason: Reason, detail: str = "") -> bool:
        self.refused += 1
        # A login that is none may be a password in the wrong place.
        known = login if login in self._desk.snapshots.current.accounts_by_login else ""
        log.warning(
            "letter_refused",
            extra={
                "reason": reason.value,
                "detail": detail,
                "login": known,
                "client": came.client,
                "size": len(came.raw),
            },
        )
        return True

    def _put_off(self, came: Came, reason: Reason) -> bool:
        self.put_off += 1
        log.warning("letter_put_off", extra={"reason": reason.value, "client": came.client})
        return False


def _read_order(raw: bytes) -> _Read:
    letter = read_letter(raw)
    order: Order = parse_order(find_command(letter))
    return _Read(letter, *order)
