"""The figures of one installation: hooks that cost nearly nothing, read together when somebody asks (design section 11).

Nothing is process-wide: each installation has a registry of its own. What other rooms count already is read from them
at a scrape; only durations are noted here as they happen. Reference: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from heliograph.core.carriers import Carrier
from heliograph.core.exports import STATE_NAMES
from heliograph.services.backlogs import Backlog
from heliograph.services.callbacks import Callbacks
from heliograph.services.desk import Desk
from heliograph.services.errands import Errands
from heliograph.services.guard import Guard
from heliograph.services.inbound import Incoming
from heliograph.services.numbers import Numbers
from heliograph.services.receipts import Receipts
from heliograph.services.retention import Retention
from heliograph.services.waits import Waits
from heliograph.web.families import FAMILIES, PREFIX, Family
from heliograph.web.survey import Survey
from heliograph.web.tally import Tally

UNIT = 10_000  # money is integers of 1/10,000

Sample = tuple[tuple[str, ...], float]
Samples = dict[str, list[Sample]]


class Links(Protocol):
    """A carrier (delivery/carriers/contract.py)."""

    carrier: Carrier

    @property
    def up(self) -> bool: ...
    @property
    def down_since_ms(self) -> int: ...
    def stats(self) -> dict[str, float]: ...


class Line(Protocol):
    """A carrier's place in the dispatcher."""

    @property
    def links(self) -> Links: ...


class Loop(Protocol):
    """The dispatcher (delivery/dispatcher.py). ``ticked_ms`` is when its clock last went round."""

    sent: int
    ticked_ms: int

    @property
    def lines(self) -> Mapping[int, Line]: ...
    @property
    def in_flight(self) -> int: ...
    def depth(self) -> dict[tuple[str, int], int]: ...


class Holding(Protocol):
    """The sender of callbacks."""

    @property
    def held(self) -> int: ...


class Door(Protocol):
    """A door: HTTP, or SIP."""

    def stats(self) -> dict[str, int]: ...


class Sources:
    """Where the figures of the moment are read."""

    def __init__(
        self,
        desk: Desk,
        guard: Guard,
        receipts: Receipts,
        callbacks: Callbacks,
        dispatcher: Loop,
        sender: Holding,
        door: Door,
        survey: Survey,
        retention: Retention,
        numbers: Numbers,
        waits: Waits,
        incoming: Incoming,
        errands: Errands,
        sip: Door | None = None,
    ) -> None:
        self.desk = desk
        self.guard = guard
        self.receipts = receipts
        self.callbacks = callbacks
        self.dispatcher = dispatcher
        self.sender = sender
        self.door = door
        self.survey = survey
        self.retention = retention
        self.numbers = numbers
        self.waits = waits
        self.incoming = incoming
        self.errands = errands
        self.sip = sip


class Figures(Collector):
    """What the rooms feed, and the collector of everything."""

    def __init__(self, sources: Sources, start_ms: int) -> None:
        self.sources = sources
        self.ready = False
        self.now_ms = start_ms
        self._start_ms = start_ms
        self.tally = Tally(sources.survey.note_commit)
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(namespace="heliograph", registry=self.registry)

    # -- what is read ------------------------------------------------------------------
    def render(self, now_ms: int) -> bytes:
        """Everything in the text format, version 0.0.4."""
        self.now_ms = now_ms
        return generate_latest(self.registry)

    def collect(self) -> Iterable[Metric]:
        """All families in the order of families.py; those without a value yet too, so that their help is seen."""
        samples: Samples = {}
        groups = (self._of_store(), self._of_loops(), self._of_carriers(), self._of_tables(), self._of_ledger())
        for group in (*groups, self._of_calls()):
            for name, labels, value in group:
                samples.setdefault(name, []).append((labels, value))
        for family in FAMILIES:
            yield self._make(family, samples.get(family.name, []))

    def describe(self) -> Iterable[Metric]:
        """The names, without reading anything."""
        return [self._make(family, []) for family in FAMILIES]

    def _make(self, family: Family, samples: list[Sample]) -> Metric:
        name = PREFIX + family.name
        metric: CounterMetricFamily | GaugeMetricFamily
        if family.kind == "histogram":
            return self._make_histogram(family)
        metric = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(
            name, family.help, labels=family.labels
        )
        for labels, value in samples:
            metric.add_metric(labels, value)
        return metric

    def _make_histogram(self, family: Family) -> HistogramMetricFamily:
        metric = HistogramMetricFamily(PREFIX + family.name, family.help, labels=family.labels)
        if family.name == "queue_wait_seconds":
            for lane, buckets in self.tally.waits.items():
                metric.add_metric((str(lane),), buckets.cumulate(0.001), buckets.total / 1000)
            return metric
        buckets, scale = {
            "store_commit_seconds": (self.tally.commit, 1.0),
            "accept_seconds": (self.tally.accept, 0.001),
            "delivery_seconds": (self.tally.delivery, 0.001),
        }[family.name]
        metric.add_metric((), buckets.cumulate(scale), buckets.total * scale)
        return metric

    def _of_store(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        desk = self.sources.desk
        yield "info", (desk.db.dialect,), 1
        yield "start_time_seconds", (), self._start_ms / 1000
        yield "ready", (), int(self.ready)
        yield "store_commits", (), desk.batch.commits
        yield "store_changes", (), desk.batch.changes
        yield "store_failed_changes", (), desk.batch.failed
        yield "store_waiting_changes", (), desk.batch.waiting
        yield "stored_messages", (), self.tally.stored
        yield "memory_messages", (), len(desk.messages)
        yield "retired_messages", (), self.sources.retention.deleted

    def _of_loops(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        of = self.sources
        yield "guard_bans", (), of.guard.bans
        for (carrier, lane), count in of.dispatcher.depth().items():
            yield "dispatcher_waiting_messages", (carrier, str(lane)), count
        yield "dispatcher_in_flight_messages", (), of.dispatcher.in_flight
        yield "dispatcher_handed_messages", (), of.dispatcher.sent
        for status, count in sorted(self.tally.finished.items()):
            yield "finished_messages", (str(int(status)),), count
        yield "receipts_matched", (), of.receipts.matched
        yield "receipts_kept", (), of.receipts.kept
        yield "receipts_joined", (), of.receipts.joined
        yield "incoming_texts", (), of.incoming.received
        yield "incoming_parts", (), of.incoming.parts
        yield "incoming_incomplete", (), of.incoming.incomplete
        yield "errands_done", (), of.errands.done
        yield "errands_failed", (), of.errands.failed
        yield "callbacks_told", (), of.callbacks.told
        yield "callbacks_failed", (), of.callbacks.failed
        yield "callbacks_given_up", (), of.callbacks.given_up
        yield "callbacks_held", (), of.sender.held
        for name, key in DOOR.items():
            yield name, (), of.door.stats()[key]

    def _of_carriers(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        lines = self.sources.dispatcher.lines
        for line in lines.values():
            label = (line.links.carrier.name,)
            down_ms = line.links.down_since_ms
            yield "carrier_up", label, int(line.links.up)
            yield "carrier_down_seconds", label, max(0, self.now_ms - down_ms) / 1000 if down_ms else 0
            stats = line.links.stats()
            for key, (name, scale) in CARRIER.items():
                if key in stats:
                    yield name, label, stats[key] * scale
        for carrier_id, notation in self.sources.receipts.fits().items():
            if carrier_id in lines:
                yield "receipts_notation", (lines[carrier_id].links.carrier.name, notation), 1

    def _of_tables(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        backlog = self.sources.survey.backlog
        if backlog is None:
            return
        yield "queue_measured_time_seconds", (), backlog.at_ms / 1000
        yield from _of_queue(backlog)
        yield "callbacks_waiting", (), backlog.callbacks
        due_ms = backlog.callbacks_due_ms
        yield "callbacks_oldest_seconds", (), 0 if due_ms is None else max(0, backlog.at_ms - due_ms) / 1000
        yield "receipts_waiting", (), backlog.orphans
        parts, errands = self.sources.survey.incoming
        yield "incoming_parts_waiting", (), parts
        yield "errands_waiting", (), errands
        for state, name in STATE_NAMES.items():
            yield "export_tasks", (name,), self.sources.survey.exports.get(int(state), 0)

    def _of_calls(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        waits, numbers = self.sources.waits, self.sources.numbers
        yield "call_requests", (), waits.asked
        for result, count in (
            ("confirmed", waits.confirmed),
            ("kept", waits.rung),
            ("unknown", waits.unknown),
            ("unpaid", waits.unpaid),
            ("failed", waits.failed),
        ):
            yield "calls", (result,), count
        for state, count in numbers.count().items():
            yield "numbers", (state,), count
        if self.sources.sip is not None:
            stats = self.sources.sip.stats()
            for result in SIP_RESULTS:
                yield "sip_calls", (result,), stats[result]
            yield "sip_registrations", (), stats["registrations"]
            yield "sip_registrations_held", (), stats["registered"]

    def _of_ledger(self) -> Iterator[tuple[str, tuple[str, ...], float]]:
        survey = self.sources.survey
        yield "ledger_checked_time_seconds", (), survey.checked_ms / 1000
        if survey.report is not None:
            faults = survey.report.faults
            yield "ledger_difference", (), sum(abs(each.expected - each.found) for each in faults) / UNIT
            yield "ledger_faults", (), len(faults)


def _of_queue(backlog: Backlog) -> Iterator[tuple[str, tuple[str, ...], float]]:
    for line in backlog.lines:
        at = (line.carrier, str(line.lane))
        yield "queue_messages", (*at, "due"), line.due
        yield "queue_messages", (*at, "later"), line.waiting - line.due - line.started
        yield "queue_messages", (*at, "started"), line.started - line.unsure
        yield "queue_messages", (*at, "unsure"), line.unsure
        age_ms = 0 if line.oldest_ms is None else max(0, backlog.at_ms - line.oldest_ms)
        yield "queue_oldest_seconds", at, age_ms / 1000


DOOR = {
    "http_connections": "connections",
    "http_receiving_bytes": "receiving",
    "http_connections_accepted": "accepted",
    "http_connections_turned_away": "turned_away",
    "http_requests": "requests",
    "http_answers": "answered",
    "http_dropped_answers": "dropped",
    "http_failures": "failures",
    "http_bad_requests": "bad_requests",
    "http_too_large": "too_large",
    "http_timed_out": "timed_out",
}

SIP_RESULTS = ("expected", "unexpected", "anonymous", "unanswered", "cancelled", "refused", "silenced")

CARRIER = {
    "links": ("carrier_links", 1.0),
    "links_most": ("carrier_links_limit", 1.0),
    "bound": ("carrier_links_bound", 1.0),
    "in_flight": ("carrier_in_flight_parts", 1.0),
    "window": ("carrier_window_parts", 1.0),
    "window_most": ("carrier_window_limit_parts", 1.0),
    "rate": ("carrier_rate_parts_per_second", 1.0),
    "rtt_ms": ("carrier_rtt_seconds", 0.001),
    "submitted": ("carrier_submitted_parts", 1.0),
    "throttled": ("carrier_throttled_parts", 1.0),
}
