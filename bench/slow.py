"""A carrier that takes 50 ms for each answer: how much of what its links and windows allow is reached."""

import re
from dataclasses import dataclass, replace
from typing import Self

from bench.plan import Plan, Runs

ANSWER_S = 0.05
MOST_PER_S = 6_000  # what is allowed beyond is no aim
SECONDS = 4  # so long a load would last at what is allowed
SPAN = re.compile(r"([1-9]\d*)(?:-([1-9]\d*))?x([1-9]\d*)(?:-([1-9]\d*))?")


@dataclass(frozen=True)
class Windows:
    """Links and window as they begin, and what they may grow to while texts wait."""

    links: int
    window: int
    links_most: int
    window_most: int

    @classmethod
    def read(cls, text: str) -> Self:
        """From ``2x100``, or ``1-4x50-200`` where both may grow; ValueError."""
        found = SPAN.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r}: links x window is written 2x100, or 1-4x50-200 where they may grow")
        links, window = int(found[1]), int(found[3])
        return cls(links, window, int(found[2] or links), int(found[4] or window))

    @property
    def name(self) -> str:
        """For people."""
        links = str(self.links) if self.links == self.links_most else f"{self.links} to {self.links_most}"
        window = str(self.window) if self.window == self.window_most else f"{self.window} to {self.window_most}"
        return f"{links} x {window}"

    @property
    def aim(self) -> float:
        """Texts a second that are allowed at most, up to the mark."""
        return min(MOST_PER_S, self.links_most * self.window_most / ANSWER_S)

    def settings(self) -> dict[str, str]:
        """Of the carrier."""
        said = {"links": str(self.links), "window": str(self.window)}
        if self.links_most > self.links:
            said["links_most"] = str(self.links_most)
        if self.window_most > self.window:
            said["window_most"] = str(self.window_most)
        return said


def measure_slow_carrier(plan: Plan) -> Runs:
    """Links × window / 50 ms texts a second are allowed; a share of 0.95 of it, up to 6,000 a second, is the mark."""
    runs: Runs = {}
    for windows in map(Windows.read, plan.windows):
        # What --carrier says goes over what is asked for here.
        settings = windows.settings() | dict(plan.conditions.carrier)
        connections = 32 if windows.aim <= 4_000 else 128
        name = f"{windows.name}, {connections} connections"
        with plan.install(replace(plan.conditions, carrier=settings)) as installation:
            installation.warm_up()
            installation.carrier.ask(answer_s=ANSWER_S)
            for number in range(plan.runs):
                plan.tell(f"carrier of 50 ms, {name}, run {number + 1}")
                n = plan.count(max(10_000, int(windows.aim * SECONDS)))
                found = installation.measure(n, connections)
                share = found["arrived_per_s"] / windows.aim
                marks = {"allowed_per_s": windows.aim, "share": share, "mark": "yes" if share >= 0.95 else "no"}
                runs.setdefault(name, []).append(marks | found)
    return runs
