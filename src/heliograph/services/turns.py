"""Whose password is checked next: a bounded line before the hash workers, fair by address and by login (design section 5).

A check costs 20 ms of a core, a guess costs its sender nothing; so a flood of guesses must not stand before the others:

- addresses take turns, one check each, so that who has many waiting waits for himself;
- addresses whose last password was right go first; those whose last one was wrong get one turn in four while others wait;
- when the line is full, or the part of it that one login or address may fill, a newcomer with a better standing, or with
  fewer checks waiting, takes the place of the newest check of whoever has the most; else he is refused.

Nothing here knows whether a login exists, so waiting tells nothing of it. No clock, no thread, no hashing.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable

from heliograph.core.accounts import Account
from heliograph.core.reasons import Reason, Refusal, Refused

Done = Callable[[Account | Refusal | None], None]

# Standings of an address, best first.
PROVEN, NEW, FAILED = 0, 1, 2
# One turn in so many is for those who failed, while others wait: a customer who mistyped is not shut out.
FAILED_SHARE = 4
# Addresses whose last result is known, of each kind; the oldest are forgotten first.
REMEMBERED = 50_000
CROWDED = "too many passwords are being checked; try again in a second"


class Check:
    """A login and a password that are to be checked, and who waits for the result, each with his address."""

    __slots__ = ("digest", "kind", "login", "psw", "sources", "standing", "started", "waiting")

    def __init__(self, digest: bytes, login: str, psw: str, kind: str = "") -> None:
        self.digest = digest
        self.login = login
        self.psw = psw
        self.kind = kind
        self.waiting: list[tuple[Done, str]] = []
        self.sources: dict[str, None] = {}  # a set in a fixed order
        self.standing = FAILED
        self.started = False


class Turns:
    """Checks that wait, at most ``room``; half of them of one source, a quarter for one login."""

    def __init__(self, room: int = 64) -> None:
        self.room = room
        self.room_of_source = max(1, room // 2)
        self.room_of_login = max(1, room // 4)
        self._lines: tuple[OrderedDict[str, deque[Check]], ...] = (OrderedDict(), OrderedDict(), OrderedDict())
        self._logins: Counter[str] = Counter()
        self._count = 0
        self._taken = 0
        self._results: dict[int, OrderedDict[str, None]] = {PROVEN: OrderedDict(), FAILED: OrderedDict()}

    def __len__(self) -> int:
        return self._count

    def standing(self, source: str) -> int:
        """PROVEN, NEW or FAILED, by the last result of this source."""
        if source in self._results[PROVEN]:
            return PROVEN
        return FAILED if source in self._results[FAILED] else NEW

    def add(self, check: Check, source: str) -> Check | None:
        """Let a check wait; gives the one that lost its place to it, if any.

        Refused(TOO_MANY_AT_ONCE) when there is no place; nothing is changed then.
        """
        own = self._lines[self.standing(source)].get(source, ())
        if len(own) >= self.room_of_source:
            raise Refused(Reason.TOO_MANY_AT_ONCE, CROWDED)
        dropped: Check | None = None
        if self._logins[check.login] >= self.room_of_login:
            dropped = self._find_victim(source, len(own), check.login)
        elif self._count >= self.room:
            dropped = self._find_victim(source, len(own), None)
        if dropped is not None:
            self._remove(dropped)
        self._count += 1
        self._logins[check.login] += 1
        self._place(check, source)
        return dropped

    def join(self, check: Check, source: str) -> None:
        """Somebody at another source asks the same: whichever source's turn comes first decides."""
        if source not in check.sources:
            self._place(check, source)

    def take(self) -> Check | None:
        """The check whose turn it is; it waits no longer."""
        proven, new, failed = self._lines
        line = proven or new or failed
        if line is new and failed:
            self._taken += 1
            if self._taken % FAILED_SHARE == 0:
                line = failed
        if not line:
            return None
        source, queue = next(iter(line.items()))
        check = queue[0]
        line.move_to_end(source)
        self._remove(check)
        check.started = True
        return check

    def note(self, source: str, right: bool) -> None:
        """The result of a check decides how the next ones of its source stand."""
        before, after = self.standing(source), PROVEN if right else FAILED
        self._results[FAILED if right else PROVEN].pop(source, None)
        known = self._results[after]
        known[source] = None
        known.move_to_end(source)
        if before != after and source in self._lines[before]:
            queue = self._lines[after][source] = self._lines[before].pop(source)
            for check in queue:
                if len(check.sources) == 1:
                    check.standing = after
        if len(known) > REMEMBERED:
            self._forget(after)

    def _forget(self, kind: int) -> None:
        """Of the source whose result is oldest; one that has checks waiting is kept where it stands."""
        known, line = self._results[kind], self._lines[kind]
        source, _ = known.popitem(last=False)
        if source in line:
            known[source] = None

    def _place(self, check: Check, source: str) -> None:
        standing = self.standing(source)
        self._lines[standing].setdefault(source, deque()).append(check)
        check.sources[source] = None
        check.standing = min(check.standing, standing)

    def _remove(self, check: Check) -> None:
        for source in check.sources:
            line = self._lines[self.standing(source)]
            queue = line[source]
            queue.remove(check)
            if not queue:
                del line[source]
        self._count -= 1
        self._logins[check.login] -= 1
        if not self._logins[check.login]:
            del self._logins[check.login]

    def _find_victim(self, source: str, own: int, login: str | None) -> Check:
        """The newest check, of this login if one is given, of the source that has the most among the worst standing."""
        mine = self.standing(source)
        for standing in (FAILED, NEW, PROVEN):
            if standing < mine:
                break
            line = self._lines[standing]
            # Two more than the newcomer, or they would only drive each other out.
            least = 1 if standing > mine else own + 2
            longest: tuple[int, Check | None] = (least - 1, None)
            for queue in line.values():
                if len(queue) > longest[0]:
                    found = _newest(queue, standing, login)
                    if found is not None:
                        longest = (len(queue), found)
            if longest[1] is not None:
                return longest[1]
        raise Refused(Reason.TOO_MANY_AT_ONCE, CROWDED)


def _newest(queue: deque[Check], standing: int, login: str | None) -> Check | None:
    """The newest check in a queue that nobody of a better standing waits for as well."""
    for check in reversed(queue):
        if check.standing >= standing and (login is None or check.login == login):
            return check
    return None
