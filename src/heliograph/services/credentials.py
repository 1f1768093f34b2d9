"""Who a request comes from: API keys, passwords and their hashes, at the cost of microseconds (spec sending 1.2; design section 5)."""

import asyncio
import hashlib
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from heliograph.core.accounts import Account
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.sources import source_of
from heliograph.services import hashes
from heliograph.services.guard import is_welcome
from heliograph.services.snapshot import PasswordRow, Snapshot, Snapshots
from heliograph.services.turns import CROWDED, Check, Done, Turns

log = logging.getLogger(__name__)

WORKERS = 2
# A check takes some 20 ms, so 64 waiting ones on two workers are at most a second or so of delay.
WAITING = 64
REMEMBERED = 10_000
REMEMBERED_S = 600.0
# Longer ones are never right (services.accounts.LONGEST_PASSWORD) and would only cost time to digest.
LONGEST = 256
# What the hash of its first argument would be if it were one of the second (services.hashes.derive).
Derive = Callable[[str, str], str]


class _Verified(NamedTuple):
    """A login and password that were right: of which row, until when, and in which generation of facts last seen so.

    ``open``: the account takes requests from everywhere, so that nothing else must be asked.
    """

    account: Account
    row: PasswordRow
    kind: str
    until: float
    generation: int
    open: bool = False


class Credentials:
    """Tells who comes. Lives on the loop; the hashing is done by a few threads, so call ``close`` at the end.

    A verified login and password are remembered under a keyed digest, for 10 minutes and only as long as the password
    is in the snapshot: one that was removed stops working with the next snapshot. They never wait, and so no flood of
    guesses reaches them. All others take turns (`services.turns`).

    Whether a login exists cannot be told from the time of a refusal: every check takes the same way to the same workers
    and costs one hash, of a password that nobody has when the login is unknown. That holds for a right password, too,
    where the account is blocked or the address not on its list: the answer is the same, and it is never a quick one.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        clock: Callable[[], float] = time.monotonic,
        workers: int = WORKERS,
        waiting: int = WAITING,
        derive: Derive = hashes.derive,
    ) -> None:
        self._snapshots = snapshots
        self._clock = clock
        self._derive = derive
        self._digest_key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, _Verified] = OrderedDict()
        self._asking: dict[bytes, Check] = {}
        self._turns = Turns(waiting)
        self._free = workers
        self._workers = ThreadPoolExecutor(workers, "password")
        # Checked when a login is unknown, so that this takes as long as a wrong password.
        self._nobody = PasswordRow(0, *hashes.make(secrets.token_hex(16)))
        self._closed = False
        self._seen: Snapshot | None = None
        self._generation = 0

    def verify(self, login: str, psw: str, apikey: str, client: str, done: Done, kind: str = "") -> None:
        """Find the account of a request; ``done(account)``, or ``done(None)`` when the credentials are wrong.

        ``kind`` says which passwords count (``rows_for``). ``client`` is the address it comes from; whether the account takes requests from there is for the caller to say.
        ``done`` is called before this returns for API keys and for what was verified lately, else later on the loop.
        Refused(TOO_MANY_AT_ONCE), or ``done`` with that refusal, when too many checks wait: nothing was found out, so
        nobody should be banned.
        """
        if apikey or not login:
            done(self._find_key(apikey or psw))
            return
        if len(psw) > LONGEST or len(login) > LONGEST:
            done(None)
            return
        digest = hashlib.blake2b(
            f"{kind}\0{login}\0{psw}".encode("utf-8", "surrogatepass"), digest_size=16, key=self._digest_key
        ).digest()
        found = self._known.get(digest)
        if found is not None:
            recalled = self._recall(digest, found)
            if recalled is not None and (recalled.open or is_welcome(recalled.account, client)):
                done(recalled.account)
                return
        self._ask(digest, login, psw, client, done, kind)

    def close(self) -> None:
        """Stop the hash workers; checks that wait are dropped."""
        self._closed = True
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _find_key(self, key: str) -> Account | None:
        if not key or len(key) > LONGEST:
            return None
        facts = self._snapshots.current
        account_id = facts.keys.get(hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest())
        return None if account_id is None else facts.accounts.get(account_id)

    def _recall(self, digest: bytes, found: _Verified) -> _Verified | None:
        """A remembered login and password with the present settings, if that still holds; it is forgotten otherwise."""
        facts = self._snapshots.current
        if facts is not self._seen:
            self._seen = facts
            self._generation += 1
        if found.until <= self._clock():
            del self._known[digest]
            return None
        if found.generation != self._generation:
            account = facts.accounts.get(found.account.id)
            if account is None or found.row not in rows_for(facts, account, found.kind):
                del self._known[digest]
                return None
            is_open = not (account.settings.blocked or account.settings.addresses)
            found = found._replace(account=account, generation=self._generation, open=is_open)
            self._known[digest] = found
        self._known.move_to_end(digest)
        return found

    def _ask(self, digest: bytes, login: str, psw: str, client: str, done: Done, kind: str) -> None:
        """Have a worker check; the same question asked meanwhile waits for the same answer."""
        source = source_of(client)
        check = self._asking.get(digest)
        if check is not None:
            check.waiting.append((done, client))
            if not check.started:
                self._turns.join(check, source)
            return
        check = Check(digest, login, psw, kind)
        dropped = self._turns.add(check, source)
        check.waiting.append((done, client))
        self._asking[digest] = check
        self._go_on()
        if dropped is not None:
            del self._asking[dropped.digest]
            for tell, _ in dropped.waiting:
                tell(Refusal(Reason.TOO_MANY_AT_ONCE, CROWDED))

    def _go_on(self) -> None:
        """Give the free workers what waits; known logins and unknown ones alike."""
        loop = asyncio.get_running_loop()
        while self._free and not self._closed and (check := self._turns.take()) is not None:
            self._free -= 1
            facts = self._snapshots.current
            account = facts.accounts_by_login.get(check.login)
            rows = rows_for(facts, account, check.kind) if account is not None else ()
            work = loop.run_in_executor(self._workers, find_match, rows or (self._nobody,), check.psw, self._derive)
            work.add_done_callback(partial(self._answer, check, account))

    def _answer(self, check: Check, account: Account | None, work: "asyncio.Future[PasswordRow | None]") -> None:
        del self._asking[check.digest]
        self._free += 1
        if work.cancelled():
            return
        error = work.exception()
        if error is not None:
            log.error("password_check_failed", exc_info=error)
        row = None if error is not None else work.result()
        verified: Account | None = None
        if account is not None and row is not None and row is not self._nobody:
            found = _Verified(account, row, check.kind, self._clock() + REMEMBERED_S, -1)
            self._known[check.digest] = found
            # The facts may have changed while it was checked.
            recalled = self._recall(check.digest, found)
            verified = recalled.account if recalled is not None else None
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        for _, client in check.waiting:
            self._turns.note(source_of(client), verified is not None and is_welcome(verified, client))
        self._go_on()
        for done, _ in check.waiting:
            done(verified)


def rows_for(facts: Snapshot, account: Account, kind: str) -> tuple[PasswordRow, ...]:
    """The passwords of an account that open something of a ``kind``: those made for it, or the ordinary ones when there
    are none such. The ordinary kind ("", the API) is opened by its own only."""
    rows = facts.passwords.get(account.id, ())
    return tuple([row for row in rows if row.kind == kind]) or tuple([row for row in rows if not row.kind])


def find_match(rows: tuple[PasswordRow, ...], psw: str, derive: Derive = hashes.derive) -> PasswordRow | None:
    """The password that ``psw`` is, in any of the three forms; some 20 ms, so never on a loop.

    One hash is computed for all rows and forms, since those of an account share their salt (`services.hashes`). Every
    row is compared even after a match, so that the time tells nothing of their order.
    """
    found: PasswordRow | None = None
    derived: dict[str, str] = {}
    for row in rows:
        for hashed in (row.plain, row.md5, row.sha1):
            salting = hashes.salting(hashed)
            if salting not in derived:
                derived[salting] = derive(hashed, psw)
            if hmac.compare_digest(hashed, derived[salting]):
                found = found or row
    return found
