"""Who a request comes from: API keys, passwords and their hashes, at the cost of microseconds (spec sending 1.2; design section 5)."""

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from heliograph.core.accounts import Account
from heliograph.core.reasons import Reason, Refused
from heliograph.services import hashes
from heliograph.services.snapshot import PasswordRow, Snapshot, Snapshots

log = logging.getLogger(__name__)
Done = Callable[[Account | None], None]

MD5 = re.compile(r"[0-9a-f]{32}")
SHA1 = re.compile(r"[0-9a-f]{40}")
WORKERS = 2
# A check takes some 20 ms, so 64 waiting ones on two workers are at most a second or so of delay.
WAITING = 64
REMEMBERED = 10_000
REMEMBERED_S = 600.0
# Longer ones are never right (services.accounts.LONGEST_PASSWORD) and would only cost time to digest.
LONGEST = 256


class _Verified(NamedTuple):
    """A login and password that were right: of which row, until when, and in which generation of facts last seen so."""

    account: Account
    row: PasswordRow
    until: float
    generation: int


class Credentials:
    """Tells who comes. Lives on the loop; the hashing is done by a few threads, so call ``close`` at the end.

    A verified login and password are remembered under a keyed digest, for 10 minutes and only as long as the password
    is in the snapshot: one that was removed stops working with the next snapshot.
    """

    def __init__(self, snapshots: Snapshots, clock: Callable[[], float] = time.monotonic) -> None:
        self._snapshots = snapshots
        self._clock = clock
        self._digest_key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, _Verified] = OrderedDict()
        self._asking: dict[bytes, list[Done]] = {}
        self._workers = ThreadPoolExecutor(WORKERS, "password")
        # Checked when a login is unknown, so that this takes as long as a wrong password.
        self._nobody = PasswordRow(0, *hashes.make(secrets.token_hex(16)))
        self._seen: Snapshot | None = None
        self._generation = 0

    def verify(self, login: str, psw: str, apikey: str, done: Done) -> None:
        """Find the account of a request; ``done(account)``, or ``done(None)`` when the credentials are wrong.

        ``done`` is called before this returns for API keys and for what was verified lately, else later on the loop.
        Refused(TOO_MANY_AT_ONCE) when too many checks wait already: nothing was found out, so nobody should be banned.
        """
        if apikey or not login:
            done(self._find_key(apikey or psw))
            return
        if len(psw) > LONGEST or len(login) > LONGEST:
            done(None)
            return
        digest = hashlib.blake2b(
            f"{login}\0{psw}".encode("utf-8", "surrogatepass"), digest_size=16, key=self._digest_key
        ).digest()
        found = self._known.get(digest)
        if found is not None:
            account = self._recall(digest, found)
            if account is not None:
                done(account)
                return
        self._ask(digest, login, psw, done)

    def close(self) -> None:
        """Stop the hash workers; checks that wait are dropped."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _find_key(self, key: str) -> Account | None:
        if not key or len(key) > LONGEST:
            return None
        facts = self._snapshots.current
        account_id = facts.keys.get(hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest())
        return None if account_id is None else facts.accounts.get(account_id)

    def _recall(self, digest: bytes, found: _Verified) -> Account | None:
        """The account of a remembered login and password, if that still holds; it is forgotten otherwise."""
        facts = self._snapshots.current
        if facts is not self._seen:
            self._seen = facts
            self._generation += 1
        if found.until <= self._clock():
            del self._known[digest]
            return None
        if found.generation != self._generation:
            account = facts.accounts.get(found.account.id)
            if account is None or found.row not in facts.passwords.get(account.id, ()):
                del self._known[digest]
                return None
            found = self._known[digest] = found._replace(account=account, generation=self._generation)
        self._known.move_to_end(digest)
        return found.account

    def _ask(self, digest: bytes, login: str, psw: str, done: Done) -> None:
        """Have a worker check; the same question asked meanwhile waits for the same answer."""
        waiting = self._asking.get(digest)
        if waiting is not None:
            waiting.append(done)
            return
        if len(self._asking) >= WAITING + WORKERS:
            raise Refused(Reason.TOO_MANY_AT_ONCE, "too many passwords are being checked; try again in a second")
        facts = self._snapshots.current
        account = facts.accounts_by_login.get(login)
        rows = facts.passwords.get(account.id, ()) if account is not None else ()
        self._asking[digest] = [done]
        loop = asyncio.get_running_loop()
        check = loop.run_in_executor(self._workers, find_match, rows or (self._nobody,), psw)
        check.add_done_callback(lambda future: self._answer(digest, account, future))

    def _answer(self, digest: bytes, account: Account | None, check: "asyncio.Future[PasswordRow | None]") -> None:
        waiting = self._asking.pop(digest)
        if check.cancelled():
            return
        error = check.exception()
        if error is not None:
            log.error("password_check_failed", exc_info=error)
        row = None if error is not None else check.result()
        verified: Account | None = None
        if account is not None and row is not None and row is not self._nobody:
            found = _Verified(account, row, self._clock() + REMEMBERED_S, -1)
            self._known[digest] = found
            # The facts may have changed while it was checked.
            verified = self._recall(digest, found)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        for done in waiting:
            done(verified)


def find_match(rows: tuple[PasswordRow, ...], psw: str) -> PasswordRow | None:
    """The password that ``psw`` is, in any of the three forms; some 20 ms a hash, so never on a loop.

    Every row is tried even after a match, so that the time tells nothing of their order.
    """
    found: PasswordRow | None = None
    for row in rows:
        tried = (
            (row.md5, row.plain)
            if MD5.fullmatch(psw)
            else (row.sha1, row.plain)
            if SHA1.fullmatch(psw)
            else (row.plain,)
        )
        for hashed in tried:
            if hashes.matches(hashed, psw):
                found = found or row
                break
    return found
