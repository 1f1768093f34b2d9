"""Many accounts with a handler each, half of them ill: what the healthy ones notice of it."""

from contextlib import ExitStack

from bench.children import Tool
from bench.installation import Figures, Installation, Traffic, find_losses, rate
from bench.plan import Plan, Runs

from heliograph.sections import Callbacks

ANSWER_S = 5.0  # of a slow handler
CONNECTIONS = 32
DISCARD = 9  # a port on which nobody listens at these addresses
TEXTS = 60_000  # some 20 seconds: longer than a callback's own time-out
MIXED = "30 % never answer, 20 % refuse"
SHARED = "on one host, 30 % never answer, 20 % break off"
CASES = ("all healthy", "half answer after 5 s", "half refuse connections", "half never accept one", MIXED, SHARED)
NEVER_S = 3600.0
# One customer's handler is called by the program's own limits here, not by those raised for one handler that takes all.
OWN_LIMITS = {"HELIOGRAPH_CALLBACKS_PER_HANDLER": str(Callbacks().per_handler)}


def measure_handlers(plan: Plan) -> Runs:
    """The same load, every second account's handler healthy, the others as the case says."""
    runs: Runs = {}
    for number in range(plan.runs):
        for case in CASES:
            plan.tell(f"{plan.handlers} handlers, {case}, run {number + 1}")
            runs.setdefault(case, []).append(measure_case(plan, case))
    return runs


def measure_case(plan: Plan, case: str) -> Figures:
    """One load on a fresh installation. Rates and delays of callbacks are those of the healthy half."""
    hosts = [f"127.0.{1 + number // 250}.{1 + number % 250}" for number in range(plan.handlers)]
    if case == SHARED:
        hosts = ["127.0.0.1"] * plan.handlers
    healthy, others = hosts[0::2], hosts[1::2]
    with ExitStack() as stack:
        good = stack.enter_context(Tool("receiver", plan.folder / "tools.log", "--hosts", *dict.fromkeys(healthy)))
        ports = (good.port, open_others(stack, plan, case, others))
        urls = [f"http://{host}:{ports[number % 2]}/told" for number, host in enumerate(hosts)]
        refusing = {number for number in range(1, len(hosts), 2) if number // 2 % 5 >= 3}  # two of five of the ill half
        if case == MIXED:
            for number in refusing:
                urls[number] = f"http://{hosts[number]}:{DISCARD}/told"
        elif case == SHARED:
            for number in range(len(hosts)):
                manner = "told" if number % 2 == 0 else "break" if number in refusing else "never"
                urls[number] = f"http://{hosts[number]}:{good.port}/{manner}/{number}"
        installation = stack.enter_context(plan.install(many=urls, more=OWN_LIMITS))
        installation.receiver.stop()
        installation.receiver = good
        return send(installation, plan.count(TEXTS))


def open_others(stack: ExitStack, plan: Plan, case: str, hosts: list[str]) -> int:
    """The port of the other half's handlers; for those that refuse, one that nothing listens on there."""
    options = {
        CASES[0]: (),
        CASES[1]: ("--answer-s", ANSWER_S),
        CASES[3]: ("--dead",),
        MIXED: ("--answer-s", NEVER_S),
    }.get(case)
    if options is None:
        return DISCARD  # refuses, or is not asked
    return stack.enter_context(Tool("receiver", plan.folder / "tools.log", *options, "--hosts", *hosts)).port


def send(installation: Installation, n: int) -> Figures:
    """The load; callbacks are waited for from healthy handlers alone."""
    warm = installation.new_tag()
    load = installation.finish_load(installation.start_load(warm, max(500, 3 * installation.logins), 8))
    installation.drain(warm, load["accepted"], told=(load["accepted"] + 1) // 2)
    tag, before = installation.new_tag(), installation.use()
    load = installation.finish_load(installation.start_load(tag, n, CONNECTIONS))
    accepted = load["accepted"]
    healthy = (accepted + 1) // 2  # accounts take turns, the first one's handler is healthy
    carrier, receiver = installation.drain(tag, accepted, told=healthy)
    used = installation.use().since(before)
    losses = find_losses(Traffic(load, carrier, receiver)) | {"not_called": max(0, healthy - receiver["unique"])}
    return {
        "accepted_per_s": load["rate"],
        "arrived_per_s": rate(carrier, load["first_ns"]),
        "healthy_called_per_s": rate(receiver, load["first_ns"]),
        "answer_ms_p50": load["answer_ms"]["p50"],
        "answer_ms_p99": load["answer_ms"]["p99"],
        "callback_ms_p50": receiver["late_ms"].get("p50"),
        "callback_ms_p99": receiver["late_ms"].get("p99"),
        **used.describe(accepted),
        **losses,
    }
