"""Reading back within one process, without HTTP: pages of the history by each filter, statistics, operators of numbers.

The services run on the real store as the server's do. What HTTP adds is measured by bench/reading.py on a running server.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from bench import archive
from bench.installation import Figures
from bench.kept import SMALL
from bench.marks import percentiles

from heliograph.core.histories import FOREVER, Kinds, Wanted
from heliograph.services.desk import Desk
from heliograph.services.histories import find_messages
from heliograph.services.snapshot import Snapshots
from heliograph.services.statistics import Statistics
from heliograph.store.database import Database

DAY_MS = 86_400_000
PAGE = 1000
SAMPLES = 200
NUMBERS = 200_000
Make = Callable[[random.Random], tuple[int, Wanted]]


class Cases:
    """What is asked for: by name a function that makes one request, each time another one."""

    def __init__(self, n: int, now_ms: int, small: int = SMALL) -> None:
        self.n, self.small = n, small
        self.begin_ms, self.end_ms = now_ms - archive.DAYS * DAY_MS, now_ms

    def _wanted(self, chance: random.Random, deep: bool, **more: object) -> Wanted:
        before = chance.randrange(self.n // 10, self.n // 2) if deep else FOREVER
        return Wanted(**({"limit": PAGE, "before": before} | more))  # type: ignore[arg-type]

    def _period(self, chance: random.Random, days: int) -> dict[str, int]:
        start_ms = chance.randrange(self.begin_ms, self.end_ms - days * DAY_MS)
        return {"start_ms": start_ms, "end_ms": start_ms + days * DAY_MS}

    def rare(self, chance: random.Random) -> str:
        """A number with one text, or none."""
        return str(archive.RARE + chance.randrange(1, self.n + 1))

    def common(self, chance: random.Random) -> str:
        """A number with some five texts."""
        return str(archive.COMMON + chance.randrange(max(1, self.n // 10)))

    def frequent(self, chance: random.Random) -> str:
        """A number with thousands of texts (of 10,000,000)."""
        return str(archive.FREQUENT + chance.randrange(archive.FREQUENT_NUMBERS))

    def heavy(self, chance: random.Random) -> str:
        """The number with a hundredth of all texts."""
        return archive.HEAVY

    def reader(self, chance: random.Random) -> str:
        """An e-mail address."""
        return f"reader{chance.randrange(archive.MAILS)}@example.org"

    def ten(self, chance: random.Random) -> tuple[str, ...]:
        """Ten numbers of all kinds."""
        few = [self.rare(chance) for _ in range(4)] + [self.common(chance) for _ in range(4)]
        return (*few, self.frequent(chance), self.heavy(chance))

    def list_all(self) -> dict[str, Make]:
        """Each filter, its first page and a page from deep in the past."""
        big = archive.BIG
        cases: dict[str, Make] = {}
        for deep in (False, True):
            where = ", deep" if deep else ""

            def of(deep: bool = deep, account: int = big, **more: object) -> Make:
                def make(chance: random.Random) -> tuple[int, Wanted]:
                    made = {name: value(chance) if callable(value) else value for name, value in more.items()}
                    period = self._period(chance, int(made.pop("days", 0))) if "days" in made else {}
                    return account, self._wanted(chance, deep, **period, **made)

                return make

            cases[f"everything{where}"] = of()
            cases[f"one number, rare{where}"] = of(phones=lambda c: (self.rare(c),))
            cases[f"one number, common{where}"] = of(phones=lambda c: (self.common(c),))
            cases[f"one number, frequent{where}"] = of(phones=lambda c: (self.frequent(c),))
            cases[f"one number, heavy{where}"] = of(phones=lambda c: (self.heavy(c),))
            cases[f"ten numbers{where}"] = of(phones=self.ten)
            cases[f"e-mail{where}"] = of(kinds=Kinds.MAILS)
            cases[f"one e-mail address{where}"] = of(kinds=Kinds.ALL, phones=lambda c: (self.reader(c),))
        cases["a month"] = lambda c: (big, self._wanted(c, False, **self._period(c, 30)))
        cases["a day"] = lambda c: (big, self._wanted(c, False, **self._period(c, 1)))
        cases["a month, rare number"] = lambda c: (
            big,
            self._wanted(c, False, phones=(self.rare(c),), **self._period(c, 30)),
        )
        cases["a month, heavy number"] = lambda c: (
            big,
            self._wanted(c, False, phones=(self.heavy(c),), **self._period(c, 30)),
        )
        cases["everything, middle account"] = lambda c: (archive.MIDDLE, self._wanted(c, False))
        cases["everything, small accounts"] = lambda c: (
            archive.FIRST_SMALL + c.randrange(self.small),
            self._wanted(c, False),
        )
        cases["a month, small accounts"] = lambda c: (
            archive.FIRST_SMALL + c.randrange(self.small),
            self._wanted(c, False, **self._period(c, 30)),
        )
        cases["a month, rare number, small accounts"] = lambda c: (
            archive.FIRST_SMALL + c.randrange(self.small),
            self._wanted(c, False, phones=(self.rare(c),), **self._period(c, 30)),
        )
        return cases


async def measure_history(
    db: Database, n: int, now_ms: int, samples: int, tell: Callable[[str], None], small: int = SMALL
) -> dict[str, Figures]:
    """Milliseconds to a page of 1000 by each filter."""
    snapshots = Snapshots(db, lambda secret: secret)
    await snapshots.load()
    desk = Desk(db, snapshots)
    found: dict[str, Figures] = {}
    for name, make in Cases(n, now_ms, small).list_all().items():
        tell(f"history: {name}")
        chance = random.Random(name)
        rows = 0

        async def ask(make: Make = make, chance: random.Random = chance) -> int:
            account_id, wanted = make(chance)
            return len(await find_messages(desk, account_id, wanted))

        for _ in range(3):
            await ask()
        taken, rows = await _time(ask, samples)
        found[name] = taken | {"rows": rows / samples}
    return found


async def measure_statistics(db: Database, now_ms: int, samples: int) -> dict[str, Figures]:
    """Milliseconds to the sums of six months, of an account of each size."""
    snapshots = Snapshots(db, lambda secret: secret)
    await snapshots.load()
    statistics = Statistics(db, snapshots, lambda work: work.close())
    found: dict[str, Figures] = {}
    for name, account_id in (("big", archive.BIG), ("middle", archive.MIDDLE), ("small", archive.FIRST_SMALL)):
        account = snapshots.current.accounts[account_id]

        async def ask(account=account) -> int:  # type: ignore[no-untyped-def]
            return len(await statistics.sum_up(account, now_ms - archive.DAYS * DAY_MS, now_ms, 1))

        await ask()
        taken, _ = await _time(ask, samples)
        found[f"six months, {name} account"] = taken
    return found


async def measure_operators(db: Database) -> dict[str, Figures]:
    """Numbers a second whose operator is told, each another one."""
    snapshots = Snapshots(db, lambda secret: secret)
    await snapshots.load()
    look_up = snapshots.current.look_up
    chance = random.Random(1)
    numbers = [f"79{chance.randrange(10**9):09d}" for _ in range(NUMBERS)]
    began = time.perf_counter()
    known = sum(look_up(number) is not None for number in numbers)
    return {
        "look-up within the process": {
            "numbers_per_s": NUMBERS / (time.perf_counter() - began),
            "known_share": known / NUMBERS,
        }
    }


async def _time(ask: Callable[[], Awaitable[int]], samples: int) -> tuple[Figures, int]:
    taken_ns, rows = [], 0
    for _ in range(samples):
        began = time.perf_counter_ns()
        rows += await ask()
        taken_ns.append(time.perf_counter_ns() - began)
        await asyncio.sleep(0)
    ms = percentiles(taken_ns)
    return {"page_ms_p50": ms["p50"], "page_ms_p99": ms["p99"], "page_ms_max": ms["max"]}, rows
