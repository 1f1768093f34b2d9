"""The codes of the pictures that keep robots from a customer's form: shown once, for ten minutes (seed 001, anti-spam verification).

They are in memory only: after a restart the viewer asks for another picture.
"""

import secrets
from collections import deque
from collections.abc import Callable

from heliograph.core.limits import Window
from heliograph.core.sources import source_of

# Neither 1 nor 7, which look alike when bent. 8**5 = 32,768 codes; of an address at most KEPT are good at a time and a
# wrong answer uses up all of them, so one guess in 6,500 is right, and each costs a picture.
DIGITS = "02345689"
LENGTH = 5
KEPT = 5
LASTS_MS = 600_000
MOST = 100_000  # codes, some 200 bytes each: 20 MB
PICTURES = 60  # a minute for one source


class Captchas:
    """Belongs to the event loop. ``pick(n)`` is a number below n that nobody can guess."""

    def __init__(self, pick: Callable[[int], int] = secrets.randbelow, most: int = MOST) -> None:
        self._pick = pick
        self._most = most
        self._pace = Window(PICTURES, 60)
        # Code and end of each picture shown to an address, newest last; the addresses in the order of their newest.
        self._shown: dict[str, deque[tuple[str, int]]] = {}
        self._held = 0

    def __len__(self) -> int:
        """How many codes are held."""
        return self._held

    def make(self, client: str, now_ms: int) -> str | None:
        """A code to be shown to this address; None when it has asked for too many pictures."""
        if not self._pace.take(source_of(client), now_ms):
            return None
        self._clear(now_ms)
        code = "".join([DIGITS[self._pick(len(DIGITS))] for _ in range(LENGTH)])
        shown = self._shown.pop(client, None)
        if shown is None:
            shown = deque()
        elif len(shown) == KEPT:
            shown.popleft()
            self._held -= 1
        shown.append((code, now_ms + LASTS_MS))
        self._shown[client] = shown
        self._held += 1
        return code

    def spend(self, client: str, code: str, now_ms: int) -> bool:
        """Whether this address was shown the code. A right one is used up, a wrong one uses up all that it was shown."""
        shown = self._shown.get(client)
        if shown is None:
            return False
        typed = "".join(code.split())
        for item in shown:
            if item[0] == typed and item[1] > now_ms:
                shown.remove(item)
                self._held -= 1
                if not shown:
                    del self._shown[client]
                return True
        self._forget(client)
        return False

    def _clear(self, now_ms: int) -> None:
        """Drop what is over, and the oldest when there are too many: a step or two at each new picture."""
        while self._shown:
            client, shown = next(iter(self._shown.items()))
            if shown[-1][1] > now_ms and self._held < self._most:
                return
            self._forget(client)

    def _forget(self, client: str) -> None:
        self._held -= len(self._shown.pop(client))


def make_code() -> str:
    """Six digits that nobody can guess, for a call that tells them; clients take the last four (spec sending 6.6)."""
    return f"{secrets.randbelow(1_000_000):06d}"
