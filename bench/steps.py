"""What is measured, step by step; each returns its runs by name (README.md says what each is)."""

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable

from bench.backlog import measure_backlog
from bench.blast import find_ceilings
from bench.children import Child, Tool, memory_mb
from bench.customers import measure_smpp
from bench.growth import measure_growth
from bench.handlers import measure_handlers
from bench.incoming import measure_incoming
from bench.installation import Figures, Installation, Traffic, find_losses
from bench.letters import measure_smtp
from bench.mailings import measure_mailing
from bench.plan import Plan, Runs
from bench.preparation import BULK, CODES
from bench.slow import measure_slow_carrier

IDLE_S = 2.0
BULK_S = 12.0  # how long a bulk load lasts beside the codes
LEAD_S = 2.0  # and how long before the first code it begins
CODES_SENT, CODES_PER_S, CODES_CONNECTIONS = 80, 10, 8


def measure_start(plan: Plan) -> Runs:
    """Program start to first accepted text; memory when nothing is going on."""
    runs = []
    for number in range(plan.runs):
        plan.tell(f"start, run {number + 1}")
        with plan.install() as installation:
            time.sleep(IDLE_S)
            runs.append({"start_s": installation.start_s, "idle_mb": memory_mb(installation.server.pid)})
    return {"start": runs}


def measure_singles(plan: Plan) -> Runs:
    """One text per request over 1, 32 and 128 connections."""
    runs: Runs = {}
    with plan.install() as installation:
        installation.warm_up()
        for level in plan.levels:
            n = plan.count(3_000 if level == 1 else 20_000)
            for number in range(plan.runs):
                plan.tell(f"one text a request, {level} connections, run {number + 1}")
                runs.setdefault(f"{level} connections", []).append(installation.measure(n, level))
    return runs


def measure_soap(plan: Plan) -> Runs:
    """One text a request over 32 connections by the SOAP service, and by HTTP beside it. Handlers are not told of the former."""
    runs: Runs = {}
    with plan.install() as installation:
        installation.warm_up()
        for number in range(plan.runs):
            for name, more in (("HTTP", {}), ("SOAP", {"soap": True})):
                plan.tell(f"one text a request, {name}, run {number + 1}")
                found = installation.measure(plan.count(20_000), 32, **more)
                if more:
                    del found["called_per_s"], found["not_called"]
                runs.setdefault(name, []).append(found)
    return runs


def measure_codes(plan: Plan) -> Runs:
    """Ten codes a second: alone, beside the bulk of a neighbour, beside the account's own bulk."""
    runs: Runs = {}
    with plan.install() as installation:
        installation.warm_up()
        for number in range(plan.runs):
            plan.tell(f"codes alone, run {number + 1}")
            runs.setdefault("alone", []).append(send_codes(installation, CODES))
    for name, login in (("beside a neighbour's bulk", CODES), ("beside own bulk", BULK)):
        for number in range(plan.runs):
            plan.tell(f"codes {name}, run {number + 1}")
            with plan.install() as installation:
                installation.warm_up()
                runs.setdefault(name, []).append(send_codes_beside_bulk(installation, login))
    return runs


def send_codes(installation: Installation, login: str) -> Figures:
    """80 codes, ten a second, and how long each takes to its answer, the carrier and the callback."""
    return describe_codes(installation.observe(CODES_SENT, CODES_CONNECTIONS, login, rate=CODES_PER_S))


def describe_codes(traffic: Traffic) -> Figures:
    """How late they were, counted from when each was due."""
    return {
        "answer_ms_p50": traffic.load["answer_ms"]["p50"],
        "answer_ms_p99": traffic.load["answer_ms"]["p99"],
        "arrival_ms_p50": traffic.carrier["late_ms"].get("p50"),
        "arrival_ms_p99": traffic.carrier["late_ms"].get("p99"),
        "callback_ms_p50": traffic.receiver["late_ms"].get("p50"),
        **find_losses(traffic),
    }


def send_codes_beside_bulk(installation: Installation, login: str) -> Figures:
    """The same while 32 connections send as fast as they are answered."""
    tag = installation.new_tag()
    bulk = installation.start_load(tag, 10_000_000, 32, seconds=BULK_S)
    time.sleep(LEAD_S)
    figures = send_codes(installation, login)
    load = installation.finish_load(bulk)
    installation.drain(tag, load["accepted"])
    return figures | {"bulk_accepted_per_s": load["rate"]}


def measure_tools(plan: Plan) -> Runs:
    """What the carrier of the bench and the simulated carrier do alone: the tools must not be the limit."""
    runs: Runs = {}
    for number in range(plan.runs):
        plan.tell(f"the tools alone, run {number + 1}")
        with Tool("carrier", plan.folder / "tools.log") as carrier:
            found = asyncio.run(find_ceilings(carrier.port, plan.count(50_000)))
        runs.setdefault("the carrier of the bench", []).append(found)
        command = ("--listen", "127.0.0.1:0", "--profile", "instant", "--control", "127.0.0.1:0")
        runs.setdefault("the simulated carrier", []).append(simulate(plan, command))
    return runs


def simulate(plan: Plan, command: tuple[str, ...]) -> Figures:
    """The ceiling of ``heliograph simulate``."""
    argv = [sys.executable, "-u", "-m", "heliograph", "simulate", *command]
    with Child(argv, plan.folder / "tools.log") as simulator:
        found = re.search(r"listens on [^ ;]*:(\d+)", simulator.read_line())
        if found is None:
            raise RuntimeError("the simulated carrier does not say where it listens")
        port = int(found[1])
        return asyncio.run(find_ceilings(port, plan.count(20_000)))


STEPS: dict[str, Callable[[Plan], Runs]] = {
    "start": measure_start,
    "singles": measure_singles,
    "soap": measure_soap,
    "slow": measure_slow_carrier,
    "codes": measure_codes,
    "smpp": measure_smpp,
    "smtp": measure_smtp,
    "mailing": measure_mailing,
    "handlers": measure_handlers,
    "backlog": measure_backlog,
    "incoming": measure_incoming,
    "growth": measure_growth,
    "tools": measure_tools,
}
LONG = ("soap", "smpp", "smtp", "handlers", "backlog", "incoming", "growth", "tools")  # only when they are asked for
TITLES = {
    "start": "Start and idle",
    "singles": "One text a request",
    "soap": "One text a request by SOAP, 32 connections",
    "slow": "A carrier that takes 50 ms, links x window",
    "codes": "Ten codes a second",
    "smpp": "Customers on SMPP",
    "smtp": "Letters with one text, 16 clients",
    "mailing": "One request with many numbers",
    "handlers": "Handlers of many accounts, half of them ill",
    "backlog": "Callbacks that wait",
    "incoming": "Texts from subscribers, two links with a window of 100",
    "growth": "A store that has grown, 32 connections",
    "tools": "The tools alone, SMPP window 100",
    "reading": "Reading back",
}


def run(plan: Plan, names: list[str]) -> dict[str, Runs]:
    """All steps asked for, in order; a step that fails says so and the others go on."""
    found: dict[str, Runs] = {}
    for name in names:
        try:
            found[name] = STEPS[name](plan)
        except (RuntimeError, OSError, json.JSONDecodeError) as error:
            found[name] = {"failed": [{"why": str(error)}]}
    return found
