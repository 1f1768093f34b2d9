"""``./dev bench timing``: whether the time of a refusal tells that a login exists.

Wrong passwords go to the whole program, one at a time over one connection, for logins of every sort in turned order. A
sort that can be told from unknown logins would show in the rank statistic: the share of its times that are longer than
those of unknown logins (Mann and Whitney, 1947), where 0.5 is "not at all", and how many standard deviations that is off.
"""

import argparse
import asyncio
import hashlib
import http.client
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from urllib.parse import urlencode

from bench.children import Child, stop_on_sigterm
from rich.console import Console
from rich.table import Table

from heliograph.services import accounts
from heliograph.store.opening import open_database

RIGHT = "Right-Passw0rd"
UNKNOWN, UNKNOWN_KEY = "unknown", "unknown key"
SORTS = (UNKNOWN, "known", "several passwords", "only keys", "blocked", "blocked, right password", "from elsewhere")
KEYS = (UNKNOWN_KEY, "key of a blocked account")
BLOCKED_KEY = "key-of-a-blocked-account-0123456789"
FORMS = {
    "plain": lambda text: text,
    "md5": lambda text: hashlib.md5(text.encode()).hexdigest(),
    "sha1": lambda text: hashlib.sha1(text.encode()).hexdigest(),
}
# By chance alone one sort in some 370 is further off than this, and there are 19.
STRANGE = 3.0


def main(arguments: list[str]) -> int:
    """The exit code: 1 when a sort of logins can be told from unknown ones."""
    parser = argparse.ArgumentParser(prog="./dev bench timing", description=__doc__.partition("\n\n")[2])
    parser.add_argument(
        "--rounds", type=int, default=100, help="refusals of each sort and form (default 100, a minute)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the order")
    options = parser.parse_args(arguments)
    stop_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="heliograph-timing-") as folder:
        taken = measure(Path(folder), options.rounds, options.seed)
    strange = show(taken)
    for name in strange:
        print(f"bench: {name} can be told from an unknown login", file=sys.stderr)
    return 1 if strange else 0


def measure(folder: Path, rounds: int, seed: int) -> dict[tuple[str, str], list[float]]:
    """Milliseconds to each refusal, by form and sort."""
    data = folder / "data"
    limits = {"HELIOGRAPH_LIMITS_LOGIN_FAILURES": "1000000"}
    argv = [sys.executable, "-m", "heliograph", "serve", "--demo", "--http", "127.0.0.1:0", "--data", str(data)]
    with Child(argv, folder / "log", limits) as server:
        found = re.search(r"listens on http://([^:/]+):(\d+)/", server.read_line())
        if found is None:
            raise RuntimeError("the server does not say where it listens")
        asyncio.run(prepare(str(data / "heliograph.db")))
        time.sleep(1.0)  # the server looks four times a second for what has changed
        connection = http.client.HTTPConnection(found[1], int(found[2]), timeout=30)
        dice = random.Random(seed)
        taken: dict[tuple[str, str], list[float]] = {}
        kinds = [(form, sort) for form in FORMS for sort in SORTS] + [("key", sort) for sort in KEYS]
        for number in range(-3, rounds):
            dice.shuffle(kinds)
            for kind in kinds:
                spent = refuse(connection, *kind, number)
                if number >= 0:  # the first ones find everything cold
                    taken.setdefault(kind, []).append(spent)
        connection.close()
    return taken


async def prepare(database: str) -> None:
    """Accounts of every sort."""
    db = await open_database(database)
    now_ms = time.time_ns() // 1_000_000
    try:
        for login, settings in (
            ("known", {}),
            ("several", {}),
            ("keys", {}),
            ("blocked", {"blocked": "yes"}),
            ("elsewhere", {"addresses": "192.0.2.1"}),
        ):
            password = "" if login == "keys" else RIGHT
            await accounts.create(db, login, tariff="demo", now_ms=now_ms, password=password, settings=settings)
        for number in range(4):
            await accounts.add_password(db, "several", f"{RIGHT}-{number}", now_ms=now_ms)
        await accounts.create_key(db, "keys", now_ms=now_ms)
        await accounts.create_key(db, "blocked", key=BLOCKED_KEY, now_ms=now_ms)
    finally:
        await db.close()


def refuse(connection: http.client.HTTPConnection, form: str, sort: str, number: int) -> float:
    """Milliseconds to one refusal."""
    if form == "key":
        parameters = {"apikey": BLOCKED_KEY if sort != UNKNOWN_KEY else BLOCKED_KEY[::-1]}
    else:
        logins = {
            UNKNOWN: f"nobody-{number}",
            "known": "known",
            "several passwords": "several",
            "only keys": "keys",
            "from elsewhere": "elsewhere",
        }
        right = sort in ("blocked, right password", "from elsewhere")
        psw = FORMS[form](RIGHT if right else f"wrong-{form}-{sort}-{number}")
        parameters = {"login": logins.get(sort, "blocked"), "psw": psw}
    path = "/sys/balance.php?" + urlencode({**parameters, "fmt": 1})
    began = time.perf_counter()
    connection.request("GET", path)
    answer = connection.getresponse().read()
    spent = (time.perf_counter() - began) * 1000
    if answer != b"0,-2":
        raise RuntimeError(f"{sort}: answered {answer!r}")
    return spent


def compare(times: Sequence[float], unknown: Sequence[float]) -> tuple[float, float]:
    """The share of pairs in which the first is longer, and how many standard deviations that is off one half."""
    ranked = sorted([(value, 1) for value in times] + [(value, 0) for value in unknown])
    m, n = len(times), len(unknown)
    over = sum(rank for rank, (_, own) in enumerate(ranked, 1) if own) - m * (m + 1) / 2
    return over / (m * n), (over - m * n / 2) / sqrt(m * n * (m + n + 1) / 12)


def show(taken: dict[tuple[str, str], list[float]]) -> list[str]:
    """Print the table; which sorts can be told apart."""
    table = Table("form", "login", "refusals", "median, ms", "p90, ms", "longer than unknown", "deviations")
    strange = []
    kinds = [(form, sort) for form in FORMS for sort in SORTS] + [("key", sort) for sort in KEYS]
    for form, sort in kinds:
        times = taken[form, sort]
        share, off = compare(times, taken[form, UNKNOWN_KEY if form == "key" else UNKNOWN])
        p90 = statistics.quantiles(times, n=10)[-1]
        row = [form, sort, str(len(times)), f"{statistics.median(times):.3f}", f"{p90:.3f}"]
        if sort not in (UNKNOWN, UNKNOWN_KEY):
            row += [f"{share:.3f}", f"{off:+.1f}"]
            if abs(off) > STRANGE:
                strange.append(f"{sort} ({form})")
        table.add_row(*row)
    console = Console()
    (console if console.is_terminal else Console(width=110)).print(table)
    return strange
