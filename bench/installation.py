"""One running Heliograph with its carrier and its customer's handler, and the measuring of loads on it."""

import asyncio
import http.client
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench import marks
from bench.children import ROOT, Child, Tool, cpu_s, environment, forget_peak, memory_mb
from bench.preparation import BULK, SERVER_ENVIRONMENT, fill_store, key_of
from bench.stores import Stores

LISTENS = re.compile(r"listens on http://[^:/]+:(\d+)")
START_S = 60.0
STALL_S = 15.0  # without progress for so long, what is missing will not come
WARM_UP = 500

Figures = dict[str, Any]


@dataclass
class Traffic:
    """What one load came to at the three places where it is seen."""

    load: Figures
    carrier: Figures
    receiver: Figures


class Installation:
    """A fresh store, a server on it, the tools around it. A context: everything is gone at the end."""

    def __init__(self, folder: Path, stores: Stores) -> None:
        self.folder = folder
        self.stores = stores
        self.start_s = 0.0
        self._tags = 0
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.log = folder / "tools.log"

    def __enter__(self) -> Self:
        self.carrier = Tool("carrier", self.log)
        self.receiver = Tool("receiver", self.log)
        data = self.folder / "data"
        data.mkdir()
        self.database = self.stores.make(data)
        url = f"http://127.0.0.1:{self.receiver.port}/told"
        asyncio.run(fill_store(data, self.database, carrier_port=self.carrier.port, callback_url=url))
        began = time.monotonic()
        command = [sys.executable, "-m", "heliograph", "serve", "--http", "127.0.0.1:0"]
        command += ["--data", str(data), "--database", self.database]
        self.server = Child(command, self.folder / "server.log", SERVER_ENVIRONMENT, cwd=self.folder)
        found = LISTENS.search(self.server.read_line())
        if found is None:
            raise RuntimeError("the server does not say where it listens")
        self.port = int(found[1])
        self.send(f"{marks.PREFIX}{0:08d}", marks.write("first", f"{marks.now_ns():019d}"))
        self.start_s = time.monotonic() - began
        return self

    def __exit__(self, *_: object) -> None:
        for child in ("server", "receiver", "carrier"):
            if hasattr(self, child):
                getattr(self, child).stop()
        if hasattr(self, "database"):
            self.stores.drop(self.database)
        shutil.rmtree(self.folder, ignore_errors=True)

    def warm_up(self) -> None:
        """The links are bound, caches are filled, the first pages are written."""
        self.measure(WARM_UP, 8)

    def new_tag(self) -> str:
        """A name for a load."""
        self._tags += 1
        return f"t{self._tags}"

    def send(self, phones: str, mes: str, login: str = BULK) -> Figures:
        """One request by POST; RuntimeError when it is refused."""
        body = json.dumps({"apikey": key_of(login), "phones": phones, "mes": mes, "fmt": 3})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_S)
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
        """A load that runs beside us."""
        command = [sys.executable, "-m", "bench.load", "--port", self.port, "--key", key_of(login), "--tag", tag]
        command += ["-n", n, "-c", connections]
        for name, value in more.items():
            command += [f"--{name}", value]
        with self.log.open("ab") as errors:
            return subprocess.Popen(
                list(map(str, command)), stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=environment()
            )

    def finish_load(self, load: "subprocess.Popen[str]") -> Figures:
        """Its figures; RuntimeError when it did not send a thing."""
        out, _ = load.communicate(timeout=600)
        figures: Figures = json.loads(out.splitlines()[-1]) if out else {}
        if not figures.get("accepted"):
            complaint = figures.get("complaint") or self.log.read_text("utf-8", "replace")[-600:]
            raise RuntimeError(f"nothing was accepted: {complaint}")
        return figures

    def drain(self, tag: str, expected: int, *, callbacks: bool = True) -> tuple[Figures, Figures]:
        """Wait until all of it has arrived and been called back, or nothing moves any more."""
        before, moved = (-1, -1), time.monotonic()
        while time.monotonic() - moved < STALL_S:
            now = (
                self.carrier.ask(tag=tag, brief=True)["unique"],
                self.receiver.ask(tag=tag, brief=True)["unique"] if callbacks else expected,
            )
            if min(now) >= expected:
                break
            if now != before:
                before, moved = now, time.monotonic()
            time.sleep(0.1)
        return self.carrier.ask(tag=tag), self.receiver.ask(tag=tag)

    def observe(self, n: int, connections: int, login: str = BULK, **more: float) -> Traffic:
        """A load from its first request to its last callback."""
        tag = self.new_tag()
        load = self.finish_load(self.start_load(tag, n, connections, login, **more))
        return Traffic(load, *self.drain(tag, load["accepted"]))

    def measure(self, n: int, connections: int) -> Figures:
        """``observe`` with rates, losses, CPU and memory."""
        forget_peak(self.server.pid)
        before = self.use()
        traffic = self.observe(n, connections)
        used = {name: after - before[name] for name, after in self.use().items()}
        load, accepted = traffic.load, traffic.load["accepted"]
        return {
            "accepted_per_s": load["rate"],
            "arrived_per_s": rate(traffic.carrier, load["first_ns"]),
            "called_per_s": rate(traffic.receiver, load["first_ns"]),
            "answer_ms_p50": load["answer_ms"]["p50"],
            "answer_ms_p99": load["answer_ms"]["p99"],
            **{f"{name}_cpu_us": spent * 1e6 / accepted for name, spent in used.items()},
            "peak_mb": memory_mb(self.server.pid, "VmHWM"),
            **find_losses(traffic),
        }

    def use(self) -> dict[str, float]:
        """CPU seconds of the server and, where it is another process, of its database."""
        used = {"server": cpu_s(self.server.pid)}
        if self.stores.pid:
            used["postgres"] = cpu_s(self.stores.pid)
        return used


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
