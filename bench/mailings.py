"""One request with many numbers: its own figures, and what codes of another account notice of it."""

from bench import marks
from bench.children import forget_peak, memory_mb
from bench.installation import Figures, Installation
from bench.plan import Plan, Runs
from bench.preparation import CODES

REQUEST = 50_000
CODES_PER_S = 10  # beside a mailing
CODES_MEANWHILE_PER_S = 40  # while a request is taken, which is a second or two; the account's first lane takes 50
CODES_CONNECTIONS = 8
LEAD_S = 1.0
MOST_CODES = 100_000


def measure_mailing(plan: Plan) -> Runs:
    """50,000 numbers alone; codes beside two such requests until all is handed over; codes while one is being accepted."""
    runs: Runs = {}
    n = plan.count(REQUEST)
    for number in range(plan.runs):
        plan.tell(f"one request with {n:,} numbers, run {number + 1}")
        with plan.install() as installation:
            installation.warm_up()
            runs.setdefault(f"{n:,} numbers", []).append(send_mailing(installation, n))
        for title, requests, whole in (
            (f"codes beside a mailing of {2 * n:,}", 2, True),
            (f"codes while {n:,} are accepted", 1, False),
        ):
            plan.tell(f"{title}, run {number + 1}")
            with plan.install() as installation:
                installation.warm_up()
                runs.setdefault(title, []).append(send_codes_beside(installation, n, requests, whole=whole))
    return runs


def send_mailing(installation: Installation, n: int) -> Figures:
    """Answer time, growth of memory, rates from the answer on."""
    pid = installation.server.pid
    forget_peak(pid)
    before_mb, before = memory_mb(pid), installation.use()
    tag = installation.new_tag()
    answer_s = request_mailing(installation, tag, 0, n)
    carrier, receiver = installation.drain(tag, n)
    used = installation.use().since(before)
    return {
        "answer_s": answer_s,
        "handed_over_per_s": span_rate(carrier),
        "called_per_s": span_rate(receiver),
        "growth_mb": memory_mb(pid, "VmHWM") - before_mb,
        **used.describe(n),
        **find_missing(n, carrier, receiver),
    }


def request_mailing(installation: Installation, tag: str, first: int, n: int) -> float:
    """Seconds to the answer."""
    phones = ",".join(f"{marks.PREFIX}{number:08d}" for number in range(first, first + n))
    sent_ns = marks.now_ns()
    installation.send(phones, marks.write(tag, f"{sent_ns:019d}"))
    return (marks.now_ns() - sent_ns) / 1e9


def send_codes_beside(installation: Installation, n: int, requests: int, *, whole: bool) -> Figures:
    """Codes of a neighbour from a second before the first request on. Told are those sent from that request on until all
    is handed over (``whole``), or only until the last answer."""
    tag, mailing = installation.new_tag(), installation.new_tag()
    pace = CODES_PER_S if whole else CODES_MEANWHILE_PER_S
    codes = installation.start_load(tag, MOST_CODES, CODES_CONNECTIONS, CODES, rate=pace, samples=True)
    try:
        installation.drain(tag, int(pace * LEAD_S), told=0)
        since_ns = marks.now_ns()
        answers_s = [request_mailing(installation, mailing, part * n, n) for part in range(requests)]
        until_ns = marks.now_ns()
        carrier, receiver = installation.drain(mailing, requests * n)
    finally:
        load = installation.finish_load(codes, end=True)
    until_ns = carrier["last_ns"] if whole else until_ns
    installation.drain(tag, load["accepted"])
    window = {"tag": tag, "since_ns": since_ns, "until_ns": until_ns}
    seen, told = installation.carrier.ask(**window), installation.receiver.ask(**window)
    missing = find_missing(requests * n, carrier, receiver)
    for key, count in find_missing(load["accepted"], seen, told).items():
        missing[key] += count
    sent_ns, taken_ns = load["samples"]
    counted = marks.between(sent_ns, taken_ns, since_ns, until_ns)
    return {
        "codes": len(counted),
        **name_delays("answer", marks.percentiles(counted)),
        **name_delays("arrival", seen["late_ms"]),
        "callback_ms_p50": told["late_ms"].get("p50"),
        "answer_s": max(answers_s),
        "handed_over_per_s": span_rate(carrier),
        **missing,
        "refused": load["refused"] + load["unknown"],
    }


def name_delays(what: str, found: Figures) -> Figures:
    """p50, p99 and the worst, by the names of the tables."""
    return {f"{what}_ms_p50": found.get("p50"), f"{what}_ms_p99": found.get("p99"), f"{what}_ms_max": found.get("max")}


def find_missing(n: int, carrier: Figures, receiver: Figures) -> dict[str, int]:
    """What should all be 0."""
    return {
        "lost": max(0, n - carrier["unique"]),
        "doubled": carrier["twice"],
        "not_called": max(0, n - receiver["unique"]),
    }


def span_rate(seen: Figures) -> float:
    """Texts a second between the first and the last one seen."""
    took_s = (seen["last_ns"] - seen["first_ns"]) / 1e9
    return seen["unique"] / took_s if took_s > 0 else 0.0
