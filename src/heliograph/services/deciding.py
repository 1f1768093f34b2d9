"""What becomes of one recipient, decided once for every door: number, sender, limits, hours, price, route (design section 4)."""

import re
from collections.abc import Iterable
from functools import lru_cache

from heliograph.core.accounts import Account
from heliograph.core.messages import Kind, Recipient, Submission
from heliograph.core.ranges import Place
from heliograph.core.reasons import Reason
from heliograph.core.routing import Facts, Route
from heliograph.core.texts import Text, prepare
from heliograph.core.zones import offset_min
from heliograph.services.quotas import Quotas
from heliograph.services.snapshot import Snapshot

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
# Up to 11 Latin letters, digits, spaces and signs, or up to 15 digits (spec sending 2, sender).
_SENDER = re.compile(r"\+?[0-9]{1,15}|[ -~]{1,11}")


class Decision:
    """One recipient decided: ``reason`` None means it goes out, over ``route``, at ``due_ms``."""

    __slots__ = ("cost", "due_ms", "given", "mccmnc", "phone", "reason", "route", "sender", "text")

    def __init__(
        self,
        given: str,
        phone: str,
        text: Text,
        sender: str,
        reason: Reason | None,
        mccmnc: str = "0",
        cost: int = 0,
        route: Route | None = None,
        due_ms: int = 0,
    ) -> None:
        self.given = given
        self.phone = phone
        self.text = text
        self.sender = sender
        self.reason = reason
        self.mccmnc = mccmnc
        self.cost = cost
        self.route = route
        self.due_ms = due_ms

    def refuse(self, reason: Reason) -> None:
        """It does not go out, so it costs nothing."""
        self.reason, self.cost, self.route = reason, 0, None


class Decider:
    """Decides the ``count`` recipients of one submission against one snapshot; remembers the last prepared text."""

    def __init__(self, account: Account, submission: Submission, snapshot: Snapshot, now_ms: int, count: int) -> None:
        self.account = account
        self.submission = submission
        self.snapshot = snapshot
        self.now_ms = now_ms
        self._written: str | None = None
        self._text: Text
        self._count = count
        self._single = count == 1
        self._seen: set[tuple[str, str]] = set()
        self._prices = snapshot.prices.get(account.tariff_id)

    def text_of(self, recipient: Recipient) -> Text:
        """The prepared text; raises Refused(BAD_PARAMETERS) when it cannot be sent at all."""
        if recipient.text != self._written:
            submission = self.submission
            self._text = prepare(recipient.text, submission.kind, submission.translit, submission.maxsms)
            self._written = recipient.text
        return self._text

    def decide(
        self, recipient: Recipient, phone: str | None, pick: int, quotas: Quotas | None, index: int
    ) -> Decision | None:
        """The decision for the recipient at ``index``, whose international number is ``phone`` (None: a bad one); None when it repeats a number with the same text (spec sending 3.1:
        send once). ``pick`` spreads routes of equal priority; without ``quotas`` nothing is counted (a price query)."""
        text = self.text_of(recipient)
        sender = self._sender(recipient)
        if not self._single:
            key = (phone or recipient.given, text.text)
            if key in self._seen:
                return None
            self._seen.add(key)
        if phone is None:
            return Decision(recipient.given, recipient.given, text, sender, Reason.BAD_NUMBER)
        place = self.snapshot.plan.ranges.lookup(phone)
        decision = Decision(recipient.given, phone, text, sender, None, place.mccmnc if place else "0")
        reason = self._refuse(decision, place)
        if reason is None:
            reason = self._price_and_route(decision, place, pick)
        if reason is None:
            reason = self._schedule(decision, recipient, place, index)
        if reason is None and quotas is not None:
            reason = quotas.admit(self.account, phone, text.text, self.submission.user_ip, self.now_ms)
        if reason is not None:
            decision.refuse(reason)
        return decision

    def withdraw(self, decisions: Iterable[Decision], quotas: Quotas) -> None:
        """Take what was admitted back from the counts: the request comes to nothing."""
        for decision in decisions:
            if decision.reason is None:
                quotas.withdraw(self.account, decision.phone, decision.text.text, self.submission.user_ip, self.now_ms)

    def _sender(self, recipient: Recipient) -> str:
        name = recipient.sender if recipient.sender is not None else self.submission.sender
        if name is None:
            return self.account.settings.sender
        return "" if name == "." else name

    def _refuse(self, decision: Decision, place: Place | None) -> Reason | None:
        """What the account, the lists and the rules forbid."""
        settings, snapshot, phone = self.account.settings, self.snapshot, decision.phone
        if snapshot.blacklist:
            listed = snapshot.blacklist.get(phone)
            if listed and self._is_listed(listed):
                return Reason.BLACK_LISTED
        if settings.prefixes and not is_allowed(phone, settings.prefixes):
            return Reason.NUMBER_DENIED
        if (settings.no_mailings or settings.mailings_paused) and not self._single:
            return Reason.MAILING_DENIED
        if decision.sender and not self._may_use(decision.sender):
            return Reason.SENDER_DENIED
        return None

    def _is_listed(self, listed: object) -> bool:
        """Type 0 blocks everything, 1 mailings only, 2 single messages only (spec management 1.2)."""
        assert isinstance(listed, dict)
        for account_id in (0,) if self.submission.confirms else (0, self.account.id):
            type_ = listed.get(account_id)
            if type_ == 0 or (type_ == 1 and not self._single) or (type_ == 2 and self._single):
                return True
        return False

    def _may_use(self, sender: str) -> bool:
        if not _SENDER.fullmatch(sender):
            return False
        if self.account.settings.any_sender or sender == self.account.settings.sender:
            return True
        senders = self.snapshot.senders
        return sender in senders.get(self.account.id, ()) or sender in senders.get(0, ())

    def _price_and_route(self, decision: Decision, place: Place | None, pick: int) -> Reason | None:
        country = place.iso if place else ""
        prices = self._prices.find(decision.phone, country, decision.mccmnc) if self._prices else None
        if prices is None:
            return Reason.NO_PRICE
        kind = self.submission.kind
        facts = Facts(decision.phone, country, decision.mccmnc, kind, self.account.login, decision.sender)
        price = prices.of(kind)
        if price is None:
            return Reason.NO_PRICE
        routes = self.snapshot.routes.candidates(facts, pick)
        if not routes:
            return Reason.NO_ROUTE
        decision.route = routes[0]
        decision.cost = price * decision.text.parts
        return None

    def _schedule(self, decision: Decision, recipient: Recipient, place: Place | None, index: int) -> Reason | None:
        submission, settings = self.submission, self.account.settings
        due_ms = submission.send_ms
        if recipient.zone_min is not None and submission.zone_min is not None:
            due_ms += (submission.zone_min - recipient.zone_min) * 60_000
        decision.due_ms = due_ms = max(due_ms, self.now_ms) + self._stretch(index)
        if settings.hours and submission.kind not in (Kind.HLR, Kind.PING):
            local = place.tz if settings.hours_local and place else offset_min(settings.tz, due_ms)
            opening_ms = find_opening(settings.hours, due_ms, local)
            if opening_ms > due_ms and settings.hours_refuse:
                return Reason.OUTSIDE_HOURS
            decision.due_ms = opening_ms
        return None

    def _stretch(self, index: int) -> int:
        """Milliseconds after the first: a mailing over ``period_s``, in portions every ``freq_s`` (spec sending 2)."""
        if not self.submission.period_s or self._single:
            return 0
        freq_s = self.submission.freq_s or 3600
        portions = max(1, self.submission.period_s // freq_s)
        return index * portions // self._count * freq_s * 1000


@lru_cache(maxsize=1024)
def parse_hours(text: str) -> tuple[int, int] | None:
    """Hours "9-21" as (9, 21); None when there is no limit. ValueError for what is not hours."""
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(f"not hours: {text!r}; write them like 9-21")
    begin, end = int(first), int(last)
    if not (0 <= begin <= 24 and 0 <= end <= 24):
        raise ValueError(f"hours run from 0 to 24: {text!r}")
    return None if (begin, end) == (0, 24) or begin == end else (begin, end)


def find_opening(hours: str, at_ms: int, zone_min: int) -> int:
    """The first moment at or after ``at_ms`` within the hours of a zone; hours may span midnight (22-6)."""
    span = parse_hours(hours)
    if span is None:
        return at_ms
    begin, end = span[0] * HOUR_MS, span[1] * HOUR_MS
    clock = (at_ms + zone_min * 60_000) % DAY_MS
    inside = begin <= clock < end if begin < end else clock >= begin or clock < end
    if inside:
        return at_ms
    return at_ms + (begin - clock) % DAY_MS


@lru_cache(maxsize=1024)
def _split_prefixes(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    parts = [part.strip().lstrip("+") for part in text.split(",") if part.strip()]
    allowed = tuple(part for part in parts if not part.startswith("-"))
    return allowed, tuple(part[1:].lstrip("+") for part in parts if part.startswith("-"))


def is_allowed(phone: str, prefixes: str) -> bool:
    """Whether "7,-77" lets a number through: a minus excludes, and only exclusions mean all the rest is allowed."""
    allowed, excluded = _split_prefixes(prefixes)
    return (not allowed or phone.startswith(allowed)) and not (excluded and phone.startswith(excluded))
