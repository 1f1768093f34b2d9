"""Reads the figures of /metrics from the rooms, one function for each kind of source (design section 11; docs/metrics.md)."""

from collections.abc import Iterator

from heliograph.core.exports import STATE_NAMES
from heliograph.services.backlogs import Backlog
from heliograph.web.sources import Sources
from heliograph.web.survey import Survey
from heliograph.web.tally import Tally

UNIT = 10_000  # money is integers of 1/10,000

Reading = tuple[str, tuple[str, ...], float]  # a family's name, values of its labels, a value
Readings = Iterator[Reading]


def read_all(of: Sources, tally: Tally, now_ms: int) -> Readings:
    """Every figure that some room has."""
    yield from _of_store(of, tally)
    yield from _of_loops(of, tally)
    yield from _of_callbacks(of)
    yield from _of_carriers(of, now_ms)
    yield from _of_tables(of.survey)
    yield from _of_links(of)
    yield from _of_calls(of)
    yield from _of_http(of)
    yield from _of_smpp(of)
    yield from _of_smtp(of)
    yield from _of_ledger(of.survey)


def _of_store(of: Sources, tally: Tally) -> Readings:
    desk = of.desk
    yield "info", (desk.db.dialect,), 1
    yield "store_commits", (), desk.batch.commits
    yield "store_changes", (), desk.batch.changes
    yield "store_failed_changes", (), desk.batch.failed
    yield "store_waiting_changes", (), desk.batch.waiting
    yield "stored_messages", (), tally.stored
    yield "memory_messages", (), len(desk.messages)
    yield "retired_messages", (), of.retention.deleted


def _of_loops(of: Sources, tally: Tally) -> Readings:
    yield "guard_bans", (), of.guard.bans
    for (carrier, lane), count in of.dispatcher.depth().items():
        yield "dispatcher_waiting_messages", (carrier, str(lane)), count
    yield "dispatcher_in_flight_messages", (), of.dispatcher.in_flight
    yield "dispatcher_handed_messages", (), of.dispatcher.sent
    for status, count in sorted(tally.finished.items()):
        yield "finished_messages", (str(int(status)),), count
    yield "receipts_matched", (), of.receipts.matched
    yield "receipts_kept", (), of.receipts.kept
    yield "receipts_joined", (), of.receipts.joined
    yield "incoming_texts", (), of.incoming.received
    yield "incoming_parts", (), of.incoming.parts
    yield "incoming_incomplete", (), of.incoming.incomplete
    yield "errands_done", (), of.errands.done
    yield "errands_failed", (), of.errands.failed


def _of_callbacks(of: Sources) -> Readings:
    yield "callbacks_told", (), of.callbacks.told
    yield "callbacks_failed", (), of.callbacks.failed
    yield "callbacks_given_up", (), of.callbacks.given_up
    yield "callbacks_held", (), of.sender.held
    yield "callbacks_in_flight", ("quick",), of.handlers.quick
    yield "callbacks_in_flight", ("slow",), of.handlers.slow
    yield "callbacks_limited_handlers", (), of.handlers.count_limited()
    yield "callbacks_behind_handlers", (), len(of.sender.reader.backlog)


def _of_carriers(of: Sources, now_ms: int) -> Readings:
    lines = of.dispatcher.lines
    for line in lines.values():
        label = (line.links.carrier.name,)
        down_ms = line.links.down_since_ms
        yield "carrier_up", label, int(line.links.up)
        yield "carrier_down_seconds", label, max(0, now_ms - down_ms) / 1000 if down_ms else 0
        stats = line.links.stats()
        for key, (name, scale) in CARRIER.items():
            if key in stats:
                yield name, label, stats[key] * scale
    for carrier_id, notation in of.receipts.fits().items():
        if carrier_id in lines:
            yield "receipts_notation", (lines[carrier_id].links.carrier.name, notation), 1


def _of_tables(survey: Survey) -> Readings:
    backlog = survey.backlog
    if backlog is None:
        return
    yield "queue_measured_time_seconds", (), backlog.at_ms / 1000
    yield from _of_queue(backlog)
    yield "callbacks_waiting", (), backlog.callbacks
    due_ms = backlog.callbacks_due_ms
    yield "callbacks_oldest_seconds", (), 0 if due_ms is None else max(0, backlog.at_ms - due_ms) / 1000
    yield "receipts_waiting", (), backlog.orphans
    yield "smpp_deliveries_waiting", (), backlog.deliveries
    parts, errands = survey.incoming
    yield "incoming_parts_waiting", (), parts
    yield "errands_waiting", (), errands
    for state, name in STATE_NAMES.items():
        yield "export_tasks", (name,), survey.exports.get(int(state), 0)


def _of_calls(of: Sources) -> Readings:
    waits, numbers = of.waits, of.numbers
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
    if of.sip is not None:
        stats = of.sip.stats()
        for result in SIP_RESULTS:
            yield "sip_calls", (result,), stats[result]
        for name, key in SIP.items():
            yield name, (), stats[key]
        yield "sip_registrations", (), stats["registrations"]
        yield "sip_registrations_held", (), stats["registered"]


def _of_links(of: Sources) -> Readings:
    yield "link_visits", ("redirected",), of.redirect.redirected
    yield "link_visits", ("unknown",), of.redirect.unknown
    yield "link_visits", ("unavailable",), of.redirect.unavailable
    yield "link_clicks", (), of.clicks.counted
    yield "link_clicks_waiting", (), of.clicks.taken - of.clicks.counted


def _of_http(of: Sources) -> Readings:
    stats = of.door.stats()
    for name, key in HTTP.items():
        yield name, (), stats[key]


def _of_smpp(of: Sources) -> Readings:
    door, deliveries = of.smpp, of.smpp.deliveries
    yield "smpp_connections", (), door.sessions
    yield "smpp_connections_accepted", (), door.accepted
    yield "smpp_connections_turned_away", (), door.turned_away
    for kind, count in door.count_sessions().items():
        yield "smpp_sessions", (kind,), count
    for labels, count in door.count_answers().items():
        yield "smpp_requests", labels, count
    yield "smpp_deliveries_held", (), door.customers.held
    yield "smpp_deliveries", ("acknowledged",), deliveries.acknowledged
    yield "smpp_deliveries", ("refused",), deliveries.refused
    yield "smpp_deliveries", ("put_off",), deliveries.put_off
    yield "smpp_deliveries", ("unanswered",), deliveries.unanswered


def _of_smtp(of: Sources) -> Readings:
    letters = of.postroom
    if of.doors.smtp is None:
        return
    stats = of.doors.smtp.stats()
    yield "smtp_connections", (), stats["connections"]
    yield "smtp_connections_accepted", (), stats["accepted"]
    yield "smtp_connections_turned_away", (), stats["turned_away"]
    yield "smtp_letters", ("accepted",), letters.accepted
    yield "smtp_letters", ("repeated",), letters.repeated
    yield "smtp_letters", ("refused",), letters.refused
    yield "smtp_letters", ("put_off",), letters.put_off
    for result in SMTP_RESULTS:
        yield "smtp_letters", (result,), stats[result]


def _of_ledger(survey: Survey) -> Readings:
    yield "ledger_checked_time_seconds", (), survey.checked_ms / 1000
    if survey.report is not None:
        faults = survey.report.faults
        yield "ledger_difference", (), sum(abs(each.expected - each.found) for each in faults) / UNIT
        yield "ledger_faults", (), len(faults)


def _of_queue(backlog: Backlog) -> Readings:
    for line in backlog.lines:
        at = (line.carrier, str(line.lane))
        yield "queue_messages", (*at, "due"), line.due
        yield "queue_messages", (*at, "later"), line.waiting - line.due - line.started
        yield "queue_messages", (*at, "started"), line.started - line.unsure
        yield "queue_messages", (*at, "unsure"), line.unsure
        age_ms = 0 if line.oldest_ms is None else max(0, backlog.at_ms - line.oldest_ms)
        yield "queue_oldest_seconds", at, age_ms / 1000


HTTP = {
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

SIP = {
    "sip_connections": "connections",
    "sip_connections_turned_away": "turned_away",
    "sip_malformed_messages": "malformed",
    "sip_wrong_passwords": "wrong_passwords",
    "sip_failures": "failures",
}

# Letters that end at the door.
SMTP_RESULTS = ("malformed", "too_large", "too_many", "unaddressed", "failed")

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
