"""One running Heliograph with its carrier and its customer's handler, and the measuring of loads on it."""

import asyncio
import http.client
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench import marks
from bench.certificates import write_certificate
from bench.children import ROOT, Child, Tool, environment, forget_peak, memory_mb
from bench.conditions import Conditions, join_preloads, sample_lock, slow_sync
from bench.preparation import BULK, SERVER_ENVIRONMENT, fill_store, key_of
from bench.stores import SqliteStores, Stores
from bench.usage import Usage, read_usage

LISTENS = re.compile(r"listens on (https?)://[^:/]+:(\d+)")
START_S = 60.0
STALL_S = 15.0  # without progress for so long, what is missing will not come
WARM_UP = 500

Figures = dict[str, Any]
PLAIN = Conditions()


@dataclass
class Traffic:
    """What one load came to at the three places where it is seen."""

    load: Figures
    carrier: Figures
    receiver: Figures


class Installation:
    """A fresh store, a server on it, the tools around it. A context: everything is gone at the end.

    ``fill`` may put more into the store before the server starts; ``many`` gives the callback addresses of the accounts
    that take turns (else all have the one handler); ``more`` is more environment for the server.
    """

    def __init__(
        self,
        folder: Path,
        stores: Stores,
        conditions: Conditions = PLAIN,
        *,
        fill: Callable[[str], None] | None = None,
        many: Sequence[str] = (),
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.stores, self.conditions = folder, stores, conditions
        self.start_s = 0.0
        self.ports: dict[str, int] = {}
        self.logins = len(many) or conditions.accounts
        self.lock_file = folder / "lock" if conditions.lock else None
        self._fill, self._many, self._more = fill, many, dict(more or {})
        self._tags = 0
        self._make_room()
        self.log = folder / "tools.log"

    def _make_room(self) -> None:
        """The folder, empty."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException as error:
            said = self.read_log()
            self.__exit__()
            if isinstance(error, OSError):
                raise RuntimeError(f"the server did not start: {error}\n{said}") from None
            raise
        return self

    def read_log(self) -> str:
        """What the server said last."""
        log = self.folder / "server.log"
        return log.read_text("utf-8", "replace")[-1000:] if log.exists() else ""

    def _start(self) -> None:
        self.carrier = Tool("carrier", self.log)
        self.receiver = Tool("receiver", self.log)
        data = self.folder / "data"
        url = f"http://127.0.0.1:{self.receiver.port}/told"
        self.database = self._prepare(data, url)
        began = time.monotonic()
        command = [sys.executable, "-m", "heliograph", "serve", "--http", "127.0.0.1:0"]
        command += ["--data", str(data), "--database", self.database]
        self.server = Child(command, self.folder / "server.log", self._environment(), cwd=self.folder)
        while len(self.ports) < (2 if self.conditions.tls else 1):
            found = LISTENS.search(self.server.read_line())
            if found is None:
                raise RuntimeError("the server does not say where it listens")
            self.ports[found[1]] = int(found[2])
        self.send(f"{marks.PREFIX}{0:08d}", marks.write("first", f"{marks.now_ns():019d}"))
        self.start_s = time.monotonic() - began

    def _prepare(self, data: Path, url: str) -> str:
        """Make the store that is served; ``url`` is the customer's handler. Its address."""
        data.mkdir()
        database = self.stores.make(data)
        many = self._many or [url] * self.conditions.accounts
        settings = self.conditions.carrier
        work = fill_store(data, database, carrier_port=self.carrier.port, callback_url=url, carrier=settings, many=many)
        asyncio.run(work)
        if self._fill is not None:
            self._fill(database)
        return database

    def _environment(self) -> dict[str, str]:
        parts: list[Mapping[str, str]] = [SERVER_ENVIRONMENT, self._more]
        if self.conditions.tls:
            parts.append(write_certificate(self.folder))
        if self.lock_file is not None:
            parts.append(sample_lock(self.lock_file))
        if isinstance(self.stores, SqliteStores):
            parts.append(slow_sync(self.conditions.sync_ms))
        return join_preloads(*parts)

    def __exit__(self, *_: object) -> None:
        for child in ("server", "receiver", "carrier"):
            if hasattr(self, child):
                getattr(self, child).stop()
        self._discard()

    def _discard(self) -> None:
        """Leave nothing behind."""
        if hasattr(self, "database"):
            self.stores.drop(self.database)
        shutil.rmtree(self.folder, ignore_errors=True)

    def warm_up(self) -> None:
        """The links are bound, caches are filled, the first pages are written; every login was checked once."""
        self.observe(max(WARM_UP, 3 * self.logins), 8)

    def new_tag(self) -> str:
        """A name for a load."""
        self._tags += 1
        return f"t{self._tags}"

    def send(self, phones: str, mes: str, login: str = BULK) -> Figures:
        """One request by POST; RuntimeError when it is refused."""
        body = json.dumps({"apikey": key_of(login), "phones": phones, "mes": mes, "fmt": 3})
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["http"], timeout=START_S)
        try:
            connection.request("POST", "/rest/send/", body, {"Content-Type": "application/json"})
            answer: Figures = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if "cnt" not in answer:
            raise RuntimeError(f"refused: {answer}")
        return answer

    def start_load(
        self, tag: str, n: int, connections: int, login: str = BULK, **more: float
    ) -> "subprocess.Popen[str]":
        """A load that runs beside us; of the bulk account, or of the many where there are such."""
        command: list[object] = [sys.executable, "-m", "bench.load", "--tag", tag, "-n", n, "-c", connections]
        if login == BULK and self.logins:
            command += ["--logins", self.logins]
        else:
            command += ["--key", key_of(login)]
        if self.conditions.tls:
            command += ["--tls"]
        command += ["--port", self.ports["https" if self.conditions.tls else "http"]]
        for name, value in more.items():
            command += [f"--{name}"] if value is True else [f"--{name}", value]
        with self.log.open("ab") as errors:
            return subprocess.Popen(
                list(map(str, command)), stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=environment()
            )

    def finish_load(self, load: "subprocess.Popen[str]", *, end: bool = False) -> Figures:
        """Its figures, once it is over or (``end``) told to be; RuntimeError when it did not send a thing."""
        if end:
            load.terminate()
        out, _ = load.communicate(timeout=600)
        figures: Figures = json.loads(out.splitlines()[-1]) if out else {}
        if not figures.get("accepted"):
            complaint = figures.get("complaint") or self.log.read_text("utf-8", "replace")[-600:]
            raise RuntimeError(f"nothing was accepted: {complaint}")
        return figures

    def drain(self, tag: str, expected: int, *, told: int | None = None) -> tuple[Figures, Figures]:
        """Wait until all of it has arrived and ``told`` (else all) been called back, or nothing moves any more."""
        told = expected if told is None else told
        before, moved = (-1, -1), time.monotonic()
        while time.monotonic() - moved < STALL_S:
            now = (
                self.carrier.ask(tag=tag, brief=True)["unique"],
                self.receiver.ask(tag=tag, brief=True)["unique"],
            )
            if now[0] >= expected and now[1] >= told:
                break
            if now != before:
                before, moved = now, time.monotonic()
            time.sleep(0.1)
        return self.carrier.ask(tag=tag), self.receiver.ask(tag=tag)

    def observe(self, n: int, connections: int, login: str = BULK, **more: float) -> Traffic:
        """A load from its first request to its last callback."""
        tag = self.new_tag()
        load = self.finish_load(self.start_load(tag, n, connections, login, **more))
        # Handlers are told of texts by HTTP, not of those by SOAP.
        return Traffic(load, *self.drain(tag, load["accepted"], told=0 if more.get("soap") else None))

    def measure(self, n: int, connections: int, **more: float) -> Figures:
        """``observe`` with rates, losses, CPU and memory."""
        forget_peak(self.server.pid)
        before = self.use()
        traffic = self.observe(n, connections, **more)
        used = self.use().since(before)
        load, accepted = traffic.load, traffic.load["accepted"]
        return {
            "accepted_per_s": load["rate"],
            "arrived_per_s": rate(traffic.carrier, load["first_ns"]),
            "called_per_s": rate(traffic.receiver, load["first_ns"]),
            "answer_ms_p50": load["answer_ms"]["p50"],
            "answer_ms_p99": load["answer_ms"]["p99"],
            "arrival_ms_p50": traffic.carrier["late_ms"].get("p50"),
            "arrival_ms_p99": traffic.carrier["late_ms"].get("p99"),
            **used.describe(accepted),
            "peak_mb": memory_mb(self.server.pid, "VmHWM"),
            **find_losses(traffic),
        }

    def use(self) -> Usage:
        """What the server and, where it is another process, its database have used so far."""
        return read_usage(self.server.pid, self.stores.pid, self.lock_file)


def rate(seen: Figures, since_ns: int) -> float:
    """Texts a second from the first submission to the last one seen."""
    took_s = (seen["last_ns"] - since_ns) / 1e9
    return seen["unique"] / took_s if took_s > 0 else 0.0


def find_losses(traffic: Traffic) -> Figures:
    """What should all be 0."""
    return {
        "refused": traffic.load["refused"] + traffic.load["unknown"],
        "lost": max(0, traffic.load["accepted"] - traffic.carrier["unique"]),
        "doubled": traffic.carrier["twice"],
        "not_called": max(0, traffic.load["accepted"] - traffic.receiver["unique"]),
    }
