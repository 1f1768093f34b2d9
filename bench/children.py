"""Processes of the bench: starting and ending them by their own pid, their CPU and memory, and orders over their pipes.

A tool reads orders (one JSON object a line) from its standard input, answers each with a line, and ends when the input ends.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import uvloop
from native.compile import code

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
STOP_S = 40.0


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without anybody's settings of Heliograph, with this repository's code (compiled, if it is) in front."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
    return own | {"PYTHONPATH": f"{ROOT}{os.pathsep}{code()}"} | dict(extra or {})


class Child:
    """One process and its descendants."""

    def __init__(self, argv: list[str], log: Path, extra: Mapping[str, str] | None = None, cwd: Path = ROOT) -> None:
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment(extra),
                cwd=cwd,
            )
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def read_line(self) -> str:
        """The next line it prints; RuntimeError with the end of its log when it is gone."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            ending = "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-15:])
            raise RuntimeError(f"{' '.join(map(str, self.process.args))} has ended\n{ending}")  # type: ignore[arg-type]
        return line

    def stop(self) -> None:
        """Ask it to end; kill it when it does not."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Tool(Child):
    """A module of the bench as a process; its first line tells its port."""

    def __init__(self, module: str, log: Path, *arguments: object) -> None:
        super().__init__([sys.executable, "-m", f"bench.{module}", *map(str, arguments)], log)
        self.first: dict[str, Any] = json.loads(self.read_line())

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.first["port"])

    def ask(self, **order: object) -> dict[str, Any]:
        """Its answer to an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.read_line())
        return answer


def stop_on_sigterm() -> None:
    """SIGTERM ends the bench as Ctrl-C does: what it has started ends with it."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


def run_tool(work: Callable[[], Any]) -> None:
    """The main of a tool: ``work`` is an async function."""
    try:
        uvloop.run(work())
    except KeyboardInterrupt:
        pass


async def obey(port: int, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Tell the port, then answer orders until standard input ends."""
    say({"port": port})
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        say(answer(json.loads(line)))


def say(value: dict[str, Any]) -> None:
    """One line of JSON to whoever started us."""
    print(json.dumps(value), flush=True)


def descend(pid: int) -> list[int]:
    """A process and all its living descendants."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                waiting.extend(map(int, task.read_text().split()))
            except OSError:
                pass  # ended meanwhile
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds that a process and its descendants have used so far."""
    ticks = 0
    for one in descend(pid):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return ticks / TICKS


def thread_cpu_s(pid: int) -> dict[int, float]:
    """CPU seconds of each thread of one process so far, by its id; the first thread has the process's own."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            exact = task / "schedstat"  # nanoseconds; not on every kernel
            if exact.exists():
                found[int(task.name)] = int(exact.read_text().split()[0]) / 1e9
            else:
                fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
                found[int(task.name)] = (int(fields[11]) + int(fields[12])) / TICKS
        except OSError:
            pass  # ended meanwhile
    return found


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Resident memory of a process alone; ``VmHWM`` for its peak."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    return 0.0


def forget_peak(pid: int) -> None:
    """Let the peak of memory begin anew (Linux, /proc/PID/clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
