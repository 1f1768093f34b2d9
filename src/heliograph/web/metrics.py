"""The figures of one installation: hooks that cost nearly nothing, read together when somebody asks (design section 11).

Nothing is process-wide: each installation has a registry of its own. What other rooms count already is read from them
at a scrape; only durations are noted here as they happen. Reference: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from heliograph.web.families import FAMILIES, PREFIX, Family
from heliograph.web.readings import read_all
from heliograph.web.sources import Sources
from heliograph.web.tally import Tally

Sample = tuple[tuple[str, ...], float]
Samples = dict[str, list[Sample]]


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
        samples["start_time_seconds"] = [((), self._start_ms / 1000)]
        samples["ready"] = [((), int(self.ready))]
        for name, labels, value in read_all(self.sources, self.tally, self.now_ms):
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
