"""Reading back from a running server, with requests as customers send them: history, statistics, exports, redirects.

The paces of the API stay on (docs/limits.md): a page of the history may be asked for 30 times an hour by an account, so the
small accounts take turns and the big one asks 28 times.
"""

import asyncio
import http.client
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from bench import archive
from bench.children import ROOT, descend, environment, memory_mb
from bench.installation import Figures
from bench.kept import SMALL, Kept
from bench.lookups import Cases
from bench.marks import PASSWORD, login_of
from bench.preparation import BULK, key_of

from heliograph.core.links import Codes
from heliograph.store.database import Query, Row, Step
from heliograph.store.opening import open_database
from heliograph.store.secrets import LINKS, Secrets

BIG_KEY = f"apikey={key_of(BULK)}"
BIG_PAGES = 28  # of 30 an hour
LINK_COUNT, TRAIL_COUNT = 1000, 20_000
LEVELS = 32, 128  # visitors at once
LOAD_S = 10.0
OWN = "RssAnon"  # of /proc/PID/status: memory without the pages of mapped files
EXPORTED = 1_000_000
Tell = Callable[[str], None]


def ask(kept: Kept, path: str) -> bytes:
    """One answer."""
    connection = http.client.HTTPConnection("127.0.0.1", kept.ports["http"], timeout=60)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def ask_many(kept: Kept, paths: Sequence[str], n: int, connections: int, **more: object) -> Figures:
    """Requests from a process of their own; RuntimeError when one was not answered well."""
    file = kept.folder / "paths"
    file.write_text("\n".join(paths), "utf-8")
    command: list[object] = [sys.executable, "-m", "bench.asking", "--port", kept.ports["http"], "--paths", file]
    command += ["-n", n, "-c", connections]
    for name, value in more.items():
        command += [f"--{name}", value]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT, env=environment())
    if done.returncode:
        raise RuntimeError(f"the requests failed: {done.stderr[-500:]}")
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    if found["bad"]:
        raise RuntimeError(f"{found['bad']} of {n} requests were answered badly: {found['complaint']}")
    return found


def measure_pages(kept: Kept, tell: Tell) -> dict[str, Figures]:
    """Pages of 1000 messages as JSON: one connection, so nothing waits for another request."""
    found: dict[str, Figures] = {}
    chance = random.Random(1)
    cases = Cases(kept.n, kept.now_ms)
    page = "/sys/get.php?get_messages=1&fmt=3&charset=utf-8&cnt=1000&start=" + quote(
        _day(kept.now_ms, -archive.DAYS + 3)
    )
    deep = [f"{page}&{BIG_KEY}&prev_id={chance.randrange(kept.n // 10, kept.n // 2)}" for _ in range(BIG_PAGES)]
    tell("history by HTTP: the big account")
    found["big account, deep pages, HTTP"] = _pages(ask_many(kept, deep, BIG_PAGES, 1, holds='"int_id"'))
    logins = [f"login={login_of(number)}&psw={PASSWORD}" for number in range(SMALL)]
    tell("history by HTTP: small accounts log in")
    ask_many(kept, [f"/sys/balance.php?{login}&fmt=3" for login in logins], SMALL, 2)
    tell("history by HTTP: small accounts")
    paths = [f"{page}&{login}" for login in logins]
    found["small accounts, first page, HTTP"] = _pages(ask_many(kept, paths, SMALL, 1, holds='"int_id"'))
    paths = [f"{page}&{login}&phone={cases.heavy(chance)}" for login in logins]
    found["small accounts, heavy number, HTTP"] = _pages(ask_many(kept, paths, SMALL, 1))
    return found


def measure_sums(kept: Kept, tell: Tell) -> dict[str, Figures]:
    """Six months of statistics, each time another period."""
    tell("statistics by HTTP")
    starts = [_day(kept.now_ms, -archive.DAYS + number) for number in range(30)]
    paths = [f"/sys/get.php?get_stat=1&fmt=3&{BIG_KEY}&start={quote(start)}" for start in starts]
    return {"big account, six months, HTTP": _pages(ask_many(kept, paths, len(paths), 1, holds='"sms"'))}


def _pages(found: Figures) -> Figures:
    ms = found["answer_ms"]
    return {
        "page_ms_p50": ms["p50"],
        "page_ms_p99": ms["p99"],
        "page_ms_max": ms["max"],
        "answer_kb": found["bytes"] / 1e3,
    }


# -- redirects -----------------------------------------------------------------------


def measure_redirects(kept: Kept, runs: int, clicks: int, tell: Tell) -> dict[str, list[Figures]]:
    """Short links followed by 32 and 128 visitors at once, each click on disk before its answer.

    The links of an account, 1000 of them; and recipients' own links, each followed for the first time: their messages move.
    """
    found: dict[str, list[Figures]] = {}
    sets = iter(kept.links)
    for number in range(runs):
        for connections in LEVELS:
            tell(f"redirects, {connections} connections, run {number + 1}")
            for name, codes in next(sets).items():
                n = clicks if name == "links" else len(codes)
                got = ask_many(kept, [f"/r/{code}" for code in codes], n, connections, status=302)
                ms = got["answer_ms"]
                row = {"clicks_per_s": got["rate"], "answer_ms_p50": ms["p50"], "answer_ms_p99": ms["p99"]}
                found.setdefault(f"{name}, {connections} connections", []).append(row)
    return found


async def make_links(folder: Path, address: str, n: int, sets: int) -> list[dict[str, list[str]]]:
    """Codes of links and of recipients' own links, put into the store before a server runs on it; each set is for one load."""
    codes = Codes(Secrets.open(folder / "data").derive(LINKS))
    chance = random.Random(time.time_ns())
    db = await open_database(address)
    try:
        rows = [await db.one(query) for query in ("links.last", "trails.last")]
        first = max(int(row[0]) for row in rows if row) + 1
        made = []
        for _ in range(sets):
            links = [
                (id_, archive.BIG, f"https://example.org/{id_}", f"example.org/{id_}", time.time_ns() // 1_000_000)
                for id_ in range(first, first + LINK_COUNT)
            ]
            span = min(TRAIL_COUNT, n // 10)
            start = chance.randrange(1, n - span)
            trails = [(first + LINK_COUNT + k, first + k % LINK_COUNT, start + k) for k in range(span)]
            first += LINK_COUNT + span
            await db.transact([Step("links.add", links), Step("trails.add", trails)])
            made.append(
                {
                    "links": [codes.write(link[0]) for link in links],
                    "recipients' own links": [codes.write(trail[0]) for trail in trails],
                }
            )
        return made
    finally:
        await db.close()


# -- exports -------------------------------------------------------------------------


def measure_exports(kept: Kept, runs: int, tell: Tell) -> dict[str, list[Figures]]:
    """A million messages as CSV while nothing else goes on: seconds from its start to its end, memory of all processes."""
    found = []
    for number in range(runs):
        tell(f"an export, run {number + 1}")
        before, server_before = _memory(kept), memory_mb(kept.server.pid, OWN)
        id_ = start_export(kept)
        peak, server_peak = before, server_before
        while (row := asyncio.run(_task(kept, id_)))[0] < 2:
            peak, server_peak = max(peak, _memory(kept)), max(server_peak, memory_mb(kept.server.pid, OWN))
            time.sleep(0.2)
        figures = {"export_s": (row[2] - row[1]) / 1e3, "export_rows": row[3]}
        figures["rows_per_s"] = row[3] / max(1e-3, figures["export_s"])
        figures |= {"growth_mb": peak - before, "server_growth_mb": server_peak - server_before}
        found.append(figures)
        check_file(kept, id_, row)
    return {"an export alone": found}


def measure_exports_beside(kept: Kept, runs: int, connections: int, rate: int, tell: Tell) -> dict[str, list[Figures]]:
    """Sends with and without an export beside them, by turns. ``rate`` 0: as fast as they are answered."""
    name = f"sends, {connections} connections" + (f", {rate} a second" if rate else "")
    found = []
    for number in range(runs):
        tell(f"{name}, with and without an export, run {number + 1}")
        alone = _load(kept, connections, rate)
        id_ = start_export(kept)
        time.sleep(0.3)  # the process that writes it begins
        beside = _load(kept, connections, rate)
        while (row := asyncio.run(_task(kept, id_)))[0] < 2:
            time.sleep(0.5)
        check_file(kept, id_, row)
        found.append(
            {
                "sends_alone_per_s": alone["rate"],
                "sends_beside_per_s": beside["rate"],
                "sends_ratio": beside["rate"] / alone["rate"],
                "sends_alone_ms_p99": alone["answer_ms"]["p99"],
                "sends_beside_ms_p99": beside["answer_ms"]["p99"],
                "export_s": (row[2] - row[1]) / 1e3,
            }
        )
    return {name: found}


def _load(kept: Kept, connections: int, rate: int) -> Figures:
    more: dict[str, float] = {"seconds": LOAD_S} | ({"rate": rate} if rate else {})
    return kept.finish_load(kept.start_load(kept.new_tag(), 10_000_000, connections, **more))


def start_export(kept: Kept) -> int:
    """Begin an export of some 1,000,000 messages of the big account (in a smaller store of as large a share); its id."""
    days = max(1, round(EXPORTED / 10_000_000 / 0.8 * archive.DAYS))
    last = kept.now_ms // archive.DAY_MS % 40 + 20  # not the same each day
    start, end = _day(kept.now_ms, -last - days + 1), _day(kept.now_ms, -last)
    title = quote(f"bench {time.time_ns()}")
    path = f"/sys/downloads.php?add=1&fmt=3&{BIG_KEY}&form=csv&start={quote(start)}&end={quote(end)}&name={title}"
    answer = json.loads(ask(kept, path))
    if "id" not in answer:
        raise RuntimeError(f"the export was refused: {answer}")
    return int(answer["id"])


def check_file(kept: Kept, id_: int, row: Row) -> None:
    """It is done, and its file has a line for each message; then it is removed."""
    if row[0] != 2:
        raise RuntimeError(f"the export ended with status {row[0]}")
    body = ask(kept, f"/sys/downloads.php?get_file=1&{BIG_KEY}&id={id_}")
    lines = body.count(b"\n") - 1
    if abs(lines - row[3]) > 1:
        raise RuntimeError(f"the file has {lines} lines for {row[3]} messages")
    ask(kept, f"/sys/downloads.php?cancel=1&{BIG_KEY}&id={id_}")


async def _task(kept: Kept, id_: int) -> Row:
    """Status, begin, end, rows."""
    db = await open_database(kept.database)
    try:
        query = Query("bench.task", f"SELECT status, started_ms, ended_ms, rows_done FROM tasks WHERE id = {id_}", 0)
        row = await db.one(query)
        assert row is not None
        return row
    finally:
        await db.close()


def _memory(kept: Kept) -> float:
    """Of the server and the processes that it has started, without files that they have mapped."""
    total = 0.0
    for pid in descend(kept.server.pid):
        try:
            total += memory_mb(pid, OWN)
        except OSError:
            pass  # ended meanwhile
    return total


def _day(now_ms: int, days: int) -> str:
    return (datetime.fromtimestamp(now_ms / 1e3, UTC) + timedelta(days=days)).strftime("%d.%m.%Y")


def folder_of(given: str | None, fallback: str, database: str) -> Path:
    """Where the store lies; open to the account that PostgreSQL runs under when we are root."""
    folder = Path(given or fallback).resolve() / database.partition(":")[0]
    folder.mkdir(parents=True, exist_ok=True)
    for each in (folder, folder.parent):
        each.chmod(each.stat().st_mode | 0o055)
    return folder
