"""Every figure of /metrics: its name, kind, labels, and what it means (design section 11; docs/metrics.md is made of this table).

Reference: https://prometheus.io/docs/practices/naming/
"""

from typing import Literal

import msgspec

PREFIX = "heliograph_"


class Family(msgspec.Struct, frozen=True):
    """One metric. ``name`` is without prefix and without the `_total` of a counter; ``help`` says what to do when it is bad."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()

    @property
    def full(self) -> str:
        """The name as a query writes it."""
        return f"{PREFIX}{self.name}{'_total' if self.kind == 'counter' else ''}"


def _counter(name: str, help_: str, *labels: str) -> Family:
    return Family(name, "counter", help_, labels)


def _gauge(name: str, help_: str, *labels: str) -> Family:
    return Family(name, "gauge", help_, labels)


def _histogram(name: str, help_: str, *labels: str) -> Family:
    return Family(name, "histogram", help_, labels)


GROUPS: dict[str, tuple[Family, ...]] = {
    "Installation": (
        _gauge("info", "Always 1; the label names the database in use.", "database"),
        _gauge("start_time_seconds", "When the program started, Unix time. If it moves unasked, read the log's end."),
        _gauge("ready", "What /readyz says: 1 ready, 0 not. Ask /readyz for the reason when it is 0."),
    ),
    "Store": (
        _counter("store_commits", "Transactions of the shared batch. If it stands still under load, look at the disk."),
        _counter(
            "store_changes", "Changes those transactions carried; changes a commit is how well the disk is shared."
        ),
        _counter(
            "store_failed_changes",
            "Changes the store refused. Must not rise: read the log for batch_failed; is the disk full, the database away?",
        ),
        _gauge(
            "store_waiting_changes",
            "Changes not on disk yet. Thousands for long: the disk is too slow, see store_commit_seconds.",
        ),
        _histogram(
            "store_commit_seconds",
            "From a batch's hand-over to its commit on disk. Above 0.1 s every answer waits: give the data a faster disk.",
        ),
        _counter("stored_messages", "Texts written to the store, those refused within a mixed request too."),
        _counter(
            "retired_messages",
            "Old texts that left the history (keep_days). It stands still when none is due.",
        ),
        _gauge("memory_messages", "Texts held in memory because they move. Near 50000 and above: carriers lag behind."),
    ),
    "Acceptance": (
        _histogram(
            "accept_seconds",
            "From a request to the commit of its texts (requests of over 200 numbers are not counted). "
            "When it grows, compare with store_commit_seconds; the rest is the processor.",
        ),
        _counter(
            "guard_bans", "Addresses banned for failed logins or sends. Many: somebody guesses, or a client is broken."
        ),
    ),
    "Queue": (
        _gauge(
            "queue_messages",
            "Texts in the queue's table: due, later (their time has not come), started (at the carrier), "
            "unsure (never answered). due that grows: more comes in than carriers take; unsure: look at their links.",
            *("carrier", "lane", "state"),
        ),
        _gauge(
            "queue_oldest_seconds",
            "For how long the oldest text that is due waits. In lane 1 above 10: carrier down or its rate too low.",
            *("carrier", "lane"),
        ),
        _gauge("queue_measured_time_seconds", "When the tables of queue and callbacks were last counted, Unix time."),
        _gauge("dispatcher_waiting_messages", "Due texts in memory, next to go.", "carrier", "lane"),
        _gauge("dispatcher_in_flight_messages", "Texts handed to carriers and not answered yet."),
        _counter("dispatcher_handed_messages", "Texts handed to carriers, each try counted."),
        _histogram(
            "queue_wait_seconds",
            "From creation (or the asked time) to the first hand-over to a carrier. Lane 1 above 1 s: codes come late; "
            "see carrier_links_bound and carrier_rate_parts_per_second.",
            "lane",
        ),
    ),
    "Carriers": (
        _gauge(
            "carrier_up",
            "1 when at least one link can send. 0: see the log for carrier_unreachable, carrier_bind_refused.",
            "carrier",
        ),
        _gauge(
            "carrier_down_seconds",
            "For how long there has been no link, 0 while there is one. Call the carrier.",
            "carrier",
        ),
        _gauge("carrier_links", "Links that are held to send, those opened in addition too.", "carrier"),
        _gauge("carrier_links_limit", "How many there may be, by links and links_most.", "carrier"),
        _gauge(
            "carrier_links_bound",
            "Of them those that are bound. Fewer than links: some are refused or lost.",
            "carrier",
        ),
        _gauge(
            "carrier_in_flight_parts",
            "Parts written and not answered. At the window for long: the carrier is slow, or the window too small.",
            "carrier",
        ),
        _gauge("carrier_window_parts", "Parts that may be unanswered now, all links together.", "carrier"),
        _gauge(
            "carrier_window_limit_parts",
            "What that may grow to, by the carrier's limits. Below it with texts waiting: more brought no more speed.",
            "carrier",
        ),
        _gauge(
            "carrier_rate_parts_per_second",
            "The speed allowed now, 0 when nothing bounds it. Below the contract's: the carrier throttles.",
            "carrier",
        ),
        _gauge(
            "carrier_rtt_seconds", "Mean time of an answer, moving. When it grows the carrier is overloaded.", "carrier"
        ),
        _counter("carrier_submitted_parts", "Parts written to the carrier since its links were made.", "carrier"),
        _counter(
            "carrier_throttled_parts",
            "Parts refused as too fast. Rising steadily: lower the carrier's rate.",
            "carrier",
        ),
    ),
    "Outcomes": (
        _counter(
            "finished_messages",
            "Texts that reached a final status (1 delivered, 3 expired, 20 undeliverable, …).",
            "status",
        ),
        _histogram(
            "delivery_seconds",
            "From creation (or the asked time) to the receipt of delivery. Growing with queue_wait_seconds steady: "
            "the carrier or the phones are slow.",
        ),
        _counter("receipts_matched", "Receipts that found their text."),
        _counter(
            "receipts_kept",
            "Receipts that matched nothing and were kept. Many: the carrier's ids differ; see receipts_notation.",
        ),
        _counter("receipts_joined", "Kept receipts that found their text later."),
        _gauge(
            "receipts_waiting",
            "Kept receipts that match nothing yet. Growing: ask the carrier for the notation of its ids.",
        ),
        _gauge(
            "receipts_notation",
            "Always 1; how the carrier writes ids in its receipts, as learnt.",
            "carrier",
            "notation",
        ),
    ),
    "Incoming texts": (
        _counter("incoming_texts", "Texts of subscribers that were stored, long ones once."),
        _counter("incoming_parts", "Parts of long ones that were stored."),
        _gauge(
            "incoming_parts_waiting",
            "Parts that wait for others, up to a million counted. Growing: a carrier loses parts.",
        ),
        _counter(
            "incoming_incomplete",
            "Texts that were delivered without a part, and parts that came too late for theirs. Rising: ask the carrier.",
        ),
        _counter("errands_done", "Replies, forwarded texts and letters that went out."),
        _counter("errands_failed", "Letters that were not taken, each try. Rising: see [mail] and the log."),
        _gauge("errands_waiting", "Replies, forwarded texts and letters that are still to go."),
    ),
    "Callbacks": (
        _counter("callbacks_told", "Callbacks that a customer's server took."),
        _counter(
            "callbacks_failed",
            "Attempts that failed. Rising for all: is the way out open? For one: his server is down.",
        ),
        _counter("callbacks_given_up", "Callbacks given up after the last try: the customer does not know. Tell him."),
        _gauge("callbacks_held", "Callbacks in memory, waiting or under way."),
        _gauge(
            "callbacks_in_flight",
            "Calls under way by speed: quick (handlers that answer at once, and new ones; at most callbacks.total) and slow (those "
            "that take longer, or failed lately; at most callbacks.slow). slow at its limit: many handlers are ill.",
            "speed",
        ),
        _gauge(
            "callbacks_limited_handlers",
            "Handlers that answered nothing five times in a row: one call at a time probes each. Tell those customers.",
        ),
        _gauge(
            "callbacks_behind_handlers",
            "Handlers of which only the table holds some due callbacks. For long: they answer slower than news comes.",
        ),
        _gauge("callbacks_waiting", "Callbacks in the table, those for later included."),
        _gauge(
            "callbacks_oldest_seconds", "For how long the oldest due callback waits. Minutes: a host is slow or down."
        ),
    ),
    "Short links": (
        _counter(
            "link_visits",
            "What visitors of short links got: redirected, unknown (there is no such link), unavailable (the store could not "
            "be asked: 503). Many unknown: somebody guesses codes. Programs that look a link up are here, too.",
            "result",
        ),
        _counter("link_clicks", "Clicks of people, on disk."),
        _gauge(
            "link_clicks_waiting", "Clicks not on disk yet. For long: the store is away, the log has clicks_not_stored."
        ),
    ),
    "Exports": (
        _gauge(
            "export_tasks",
            "Exports by state; those that ended stay until they expire. Many waiting: raise exports.parallel. Failed: "
            "`heliograph task list` says why.",
            "state",
        ),
    ),
    "Numbers and calls": (
        _gauge("numbers", "Dedicated numbers by state: free, rented, shared.", "state"),
        _counter("call_requests", "Calls that customers asked to wait for."),
        _counter(
            "calls",
            "Calls that came over any line: confirmed, kept (for who rents the number), unknown, unpaid (the customer's "
            "money had gone), failed (not stored: the log has call_not_stored). Many unknown: somebody dials at random.",
            "result",
        ),
        _counter(
            "sip_calls",
            "What the SIP door made of calls. unanswered: nothing was stored in time, look at the store; refused: not from "
            "peers, trusted or users.",
            "result",
        ),
        _gauge("sip_connections", "TCP connections open now."),
        _counter("sip_connections_turned_away", "TCP connections refused because there were too many."),
        _counter(
            "sip_malformed_messages", "What was no SIP. Many: scanners; restrict the port to the trunks' addresses."
        ),
        _counter(
            "sip_wrong_passwords", "Digests that did not fit. Many: somebody guesses, or a trunk has an old password."
        ),
        _counter("sip_failures", "Messages that failed inside. Must not rise: a bug; the log has sip_message_failed."),
        _gauge("sip_registrations", "Trunks that the configuration wants registered."),
        _gauge("sip_registrations_held", "Of them those that are. Fewer: the log has sip_registration_failed."),
    ),
    "HTTP door": (
        _gauge(
            "http_connections",
            "Connections open now. Near http.connections of the configuration: raise it, or find who holds them.",
        ),
        _gauge("http_receiving_bytes", "Bytes of request bodies on their way in."),
        _counter("http_connections_accepted", "Connections taken."),
        _counter("http_connections_turned_away", "Connections refused because there were too many."),
        _counter("http_requests", "Requests read whole."),
        _counter("http_answers", "Answers written."),
        _counter(
            "http_dropped_answers",
            "Answers whose client had gone. Many: clients wait too short or answers take too long.",
        ),
        _counter(
            "http_failures", "Requests that failed inside. Must not rise: a bug; the log has http_request_failed."
        ),
        _counter("http_bad_requests", "What was no HTTP."),
        _counter("http_too_large", "Bodies over http.max_body_mb."),
        _counter("http_timed_out", "Connections cut for slowness."),
    ),
    "SMPP door": (
        _gauge(
            "smpp_connections",
            "Connections open now, bound or not. Near smpp.connections of the configuration: raise it.",
        ),
        _counter("smpp_connections_accepted", "Connections taken."),
        _counter(
            "smpp_connections_turned_away",
            "Connections closed at once: too many, of one client or in all, or from a banned address.",
        ),
        _gauge(
            "smpp_sessions", "Bound sessions, by what they are bound as: transmitter, receiver, transceiver.", "bind"
        ),
        _counter(
            "smpp_requests",
            "Requests of customers that were answered, by command and command_status; those of enquire_link and unbind are "
            "not counted. Binds with another status than ESME_ROK were refused: the log has smpp_bind_refused. Many "
            "ESME_RTHROTTLED: a customer is over his smpp_rate or smpp_window.",
            *("command", "status"),
        ),
        _counter(
            "smpp_deliveries",
            "Receipts and incoming texts that customers answered: acknowledged, refused (for good, they are not told again), "
            "put_off (any other error: told again), unanswered (no answer in time, or the connection was lost: told again).",
            "result",
        ),
        _gauge("smpp_deliveries_held", "Receipts and incoming texts in memory for customers who are bound."),
        _gauge(
            "smpp_deliveries_waiting",
            "Receipts and incoming texts that wait to be acknowledged, all customers together. Growing: one of them is away, "
            "or answers slowly.",
        ),
    ),
    "SMTP door": (
        _gauge("smtp_connections", "Connections open now. Near smtp.connections of the configuration: raise it."),
        _counter("smtp_connections_accepted", "Connections taken."),
        _counter(
            "smtp_connections_turned_away",
            "Connections refused: too many, of one client or in all, or from a banned address.",
        ),
        _counter(
            "smtp_letters",
            "What became of letters. accepted: its texts are stored; repeated: one that came before; refused: taken and "
            "dropped, the log has letter_refused with the reason; put_off: to be brought again (letter_put_off); malformed: with "
            "a bare CR or LF; too_large; too_many: over smtp.letters_per_minute; unaddressed: for nobody here (each recipient "
            "counted); failed: a bug, must not rise, the log has letter_failed.",
            "result",
        ),
    ),
    "Money": (
        _gauge(
            "ledger_difference",
            "Sum of all differences found by the last check of the ledger, in units of currency. Must be 0: "
            "run `heliograph ledger check` and stop changing balances by hand.",
        ),
        _gauge("ledger_faults", "Sums that did not agree. Must be 0: `heliograph ledger check` names the accounts."),
        _gauge(
            "ledger_checked_time_seconds",
            "When that check ended, Unix time; 0: never, or the store is too large for it: run `heliograph ledger check`.",
        ),
    ),
}

FAMILIES: tuple[Family, ...] = tuple(family for group in GROUPS.values() for family in group)


def render_page() -> str:
    """docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "`/metrics` answers in Prometheus' text format to the addresses of `allow` in `[metrics]`, `/healthz` says that the",
        "program is alive, and `/readyz` whether it takes texts (200) or not (503, with the reasons). They are on the HTTP",
        "door, or on a door of their own when `listen` in `[metrics]` names one.",
        "",
        "```yaml",
        "scrape_configs:",
        "  - job_name: heliograph",
        "    static_configs: [{ targets: ['127.0.0.1:8080'] }]",
        "```",
        "",
        "The tables of queue, callbacks and SMPP news are counted in the background every five seconds, the ledger every ten minutes;",
        "everything else is of the moment. Counters begin at 0 when the program starts. `heliograph_process_*` are the",
        "memory, processor time and open files of the process.",
    ]
    for title, families in GROUPS.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| Metric | Kind | Labels | Meaning, and what to do |",
            "| --- | --- | --- | --- |",
        ]
        for each in families:
            labels = ", ".join(f"`{label}`" for label in each.labels)
            lines.append(f"| `{each.full}` | {each.kind} | {labels} | {each.help} |")
    return "\n".join(lines) + "\n"
