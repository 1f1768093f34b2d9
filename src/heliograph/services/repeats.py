"""Texts that their carrier brings once more, for it never got our answer (SMPP 3.4, 2.9: the peer may send again).

Nothing in a deliver_sm tells a repeat from a subscriber who writes the same twice. So only those texts are looked for whose
answer may not have arrived: the last ones before a start, for a kill comes between the disk and the answer, and those whose
link was gone by the time they were on disk. Each stands for one repeat, and for none once its sender has written something
else: carriers bring what is older first. And what is still on its way to a slow disk is not taken a second time.
"""

import logging
from collections.abc import Callable

from heliograph.store.database import Database

log = logging.getLogger(__name__)
Mark = tuple[int, str, str, str]
"""Carrier, sender, number that was written to, and text, as they are stored."""

Settle = Callable[[bool], object]

IMPATIENT_MS = 5000  # no carrier waits less for an answer, and few people write the same again so soon
LAST_MS = 3000  # so long before the last text that is on disk an answer may have been lost with the server
PAGE, MOST = 1000, 50_000
EACH = 50  # of one sender: a window of his carrier's, for he is looked through with every text of his


class Repeats:
    """Knows what may come again within ``wait_s`` seconds of its first time."""

    def __init__(self, db: Database, wait_s: int) -> None:
        self._db = db
        self._wait_ms = wait_s * 1000
        self._doubtful: dict[tuple[int, str, str], list[tuple[str, int]]] = {}
        self._under_way: dict[Mark, tuple[int, list[Settle]]] = {}
        self._loaded = False
        self.count = 0

    def begin(self, mark: Mark, settle: Settle, now_ms: int) -> Settle | None:
        """What is to be called with the fate of a text that has come; None for a repeat of one whose fate is open after
        ``IMPATIENT_MS``, which it shares."""
        first = self._under_way.get(mark)
        if first is not None:
            if now_ms - first[0] < IMPATIENT_MS:
                return settle
            first[1].append(settle)
            self.count += 1
            return None
        settles = [settle]
        self._under_way[mark] = (now_ms, settles)

        def done(stored: bool) -> bool:
            del self._under_way[mark]
            told = [each(stored) for each in settles]
            return any(each is not False for each in told)

        return done

    async def load(self) -> None:
        """Before the first text of a run: the last ones of the run before."""
        below, since_ms = 2**62, 0
        found: list[tuple[Mark, int]] = []
        while not self._loaded:
            rows = await self._db.all("inbound.latest", below, PAGE)
            since_ms = since_ms or (rows[0][2] - LAST_MS if rows else 0)
            late = [row for row in rows if row[2] >= since_ms]
            found += [((row[1], row[4], row[5], row[6]), row[2]) for row in late]
            self._loaded = len(late) < PAGE or len(found) >= MOST
            below = rows[-1][0] if rows else 0
        for mark, received_ms in reversed(found):
            self.expect(mark, received_ms)

    def expect(self, mark: Mark, received_ms: int) -> None:
        """The answer to a text that is on disk was lost, or may be."""
        if len(self._doubtful) >= MOST:
            del self._doubtful[next(iter(self._doubtful))]
        told = self._doubtful.setdefault(mark[:3], [])
        if len(told) == EACH:
            del told[0]
        told.append((mark[3], received_ms))

    def take(self, mark: Mark, now_ms: int) -> bool:
        """Whether a text that came now is a repeat of one of them."""
        told = self._doubtful.pop(mark[:3], None) if self._doubtful else None
        if told is None:
            return False
        young = [(text, at_ms) for text, at_ms in told if now_ms - at_ms <= self._wait_ms]
        texts = [text for text, _ in young]
        if mark[3] not in texts:
            return False
        del young[texts.index(mark[3])]
        if young:
            self._doubtful[mark[:3]] = young
        self.count += 1
        log.info("inbound_repeated", extra={"carrier_id": mark[0]})
        return True
