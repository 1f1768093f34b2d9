"""Texts from subscribers: how many a second are taken, that is, on disk and acknowledged to their carrier."""

import struct
import time

from bench import marks
from bench.installation import Figures, Installation
from bench.plan import Plan, Runs

HEADER = struct.Struct(">IIII")
DELIVER = 0x05
SUBSCRIBERS = 5_000  # who were written to before, so that their texts have an account and a message they answer
CASES = {"single texts": 1, "texts of three parts": 3}
WAIT_S = 120.0


def measure_incoming(plan: Plan) -> Runs:
    """Over two links with a window of 100 each, as fast as they are acknowledged; the handler is told of each text."""
    runs: Runs = {}
    for number in range(plan.runs):
        with plan.install() as installation:
            installation.observe(plan.count(SUBSCRIBERS), 32)
            for case, parts in CASES.items():
                plan.tell(f"incoming, {case}, run {number + 1}")
                runs.setdefault(case, []).append(measure_case(installation, plan.count(30_000), parts))
    return runs


def measure_case(installation: Installation, n: int, parts: int) -> Figures:
    """One flood of ``n`` deliver_sm."""
    before = installation.use()
    n -= n % parts
    told = installation.carrier.ask(deliver=n, parts=parts)
    began = time.monotonic()
    while told["left"] and time.monotonic() - began < WAIT_S:
        time.sleep(0.1)
        told = installation.carrier.ask(delivered=True)
    used = installation.use().since(before)
    took_s = (told["last_ns"] - told["first_ns"]) / 1e9
    return {
        "taken_per_s": told["taken"] / took_s if took_s > 0 else 0.0,
        "taken_ms_p50": told["late_ms"].get("p50"),
        "taken_ms_p99": told["late_ms"].get("p99"),
        **used.describe(n),
        "refused": told["refused"],
        "lost": told["left"],
    }


class Flood:
    """The carrier's side: texts to send, and how their acknowledgements come."""

    def __init__(self) -> None:
        self.total = self.sent = self.taken = self.refused = 0
        self.parts = 1
        self.round = 0
        self.first_ns = self.last_ns = 0
        self.late_ns: list[int] = []

    def begin(self, total: int, parts: int) -> None:
        """A new flood."""
        self.round += 1
        self.total, self.parts = total, parts
        self.sent = self.taken = self.refused = 0
        self.first_ns = self.last_ns = marks.now_ns()
        self.late_ns = []

    @property
    def waits(self) -> bool:
        """Whether something is still to be sent."""
        return self.sent < self.total

    def write(self, sequence: int) -> bytes:
        """The next deliver_sm. Parts of one text come one after the other, the last one first."""
        number, part = divmod(self.sent, self.parts)
        self.sent += 1
        source = f"{marks.PREFIX}{number % SUBSCRIBERS:08d}".encode()
        said = b"an answer %d of round %d from a subscriber" % (number, self.round)
        esm = 0
        if self.parts > 1:
            reference = (number // SUBSCRIBERS + self.round) % 256
            said = bytes((5, 0, 3, reference, self.parts, self.parts - part)) + said
            esm = 0x40
        body = b"".join(
            (
                b"\0\x01\x01" + source + b"\0\x01\x01" + b"4917000\0",
                bytes((esm,)),
                b"\0\0\0\0\0\0\0\0",
                bytes((len(said),)),
                said,
            )
        )
        return HEADER.pack(16 + len(body), DELIVER, 0, sequence) + body

    def end(self, sent_ns: int, status: int, now_ns: int) -> None:
        """One was answered."""
        if status:
            self.refused += 1
        else:
            self.taken += 1
            self.last_ns = now_ns
            self.late_ns.append(now_ns - sent_ns)

    def tell(self) -> Figures:
        """How far it is."""
        late = sorted(self.late_ns)
        points = {"p50": late[len(late) // 2] / 1e6, "p99": late[len(late) * 99 // 100] / 1e6} if late else {}
        return {
            "left": self.total - self.taken - self.refused,
            "taken": self.taken,
            "refused": self.refused,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "late_ms": points,
        }
