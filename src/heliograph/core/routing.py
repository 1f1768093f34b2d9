"""Which carrier takes a message: conditions, priority, weights (issue words: country, operator, prefix, kind, account, sender)."""

from heliograph.core.messages import Kind
from heliograph.core.routes import Conditions as Conditions
from heliograph.core.routes import Route as Route


class Facts:
    """What a rule may ask of a message."""

    __slots__ = ("country", "kind", "login", "mccmnc", "phone", "sender")

    def __init__(
        self,
        phone: str,
        country: str,
        mccmnc: str,
        kind: int,
        login: str,
        sender: str,
    ) -> None:
        self.phone = phone
        self.country = country
        self.mccmnc = mccmnc
        self.kind = kind
        self.login = login
        self.sender = sender


def explain(route: Route, facts: Facts) -> str:
    """Why a route does not take the message; empty when it does."""
    if facts.kind == Kind.CALL and not route.calls:
        return "its carrier places no calls (the carrier's setting calls)"
    c = route.conditions
    if c.countries and facts.country not in c.countries:
        return f"country {facts.country or 'unknown'} is not among {', '.join(c.countries)}"
    if c.operators and facts.mccmnc not in c.operators:
        return f"operator {facts.mccmnc or 'unknown'} is not among {', '.join(c.operators)}"
    if c.prefixes and not facts.phone.startswith(c.prefixes):
        return f"number does not begin with {', '.join(c.prefixes)}"
    if c.kinds and facts.kind not in c.kinds:
        return f"kind {facts.kind} is not among {', '.join(map(str, c.kinds))}"
    if c.accounts and facts.login not in c.accounts:
        return f"account {facts.login} is not among {', '.join(c.accounts)}"
    if c.senders and facts.sender not in c.senders:
        return f"sender is not among {', '.join(c.senders)}"
    return ""


def spread(routes: list[Route], pick: int) -> list[Route]:
    """Routes in the order of trying: by priority, and among equals the one that ``pick`` falls on by weight first.

    ``pick`` is any non-negative number that differs from message to message (randomness is an argument).
    """
    ordered: list[Route] = []
    by_priority: dict[int, list[Route]] = {}
    for route in routes:
        by_priority.setdefault(route.priority, []).append(route)
    for priority in sorted(by_priority, reverse=True):
        group = list(by_priority[priority])
        while len(group) > 1:
            weights = [max(route.weight, 0) for route in group]
            if not any(weights):
                weights = [1] * len(group)
            point, chosen = pick % sum(weights), 0
            while point >= weights[chosen]:
                point -= weights[chosen]
                chosen += 1
            ordered.append(group.pop(chosen))
        ordered.extend(group)
    return ordered


class RouteIndex:
    """The routes with a memory of which rules hold for which facts, so that a message costs one look-up."""

    LIMIT = 20_000

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self.routes = routes
        self._reach = max((len(p) for r in routes for p in r.conditions.prefixes), default=0)
        self._by_account = any(r.conditions.accounts for r in routes)
        self._by_sender = any(r.conditions.senders for r in routes)
        self._known: dict[tuple[str, str, str, int, str, str], list[Route]] = {}

    def candidates(self, facts: Facts, pick: int, avoid: tuple[int, ...] = ()) -> list[Route]:
        """Routes that take the message, in the order of trying, without those that lead to carriers in ``avoid``."""
        key = (
            facts.phone[: self._reach],
            facts.country,
            facts.mccmnc,
            facts.kind,
            facts.login if self._by_account else "",
            facts.sender if self._by_sender else "",
        )
        fitting = self._known.get(key)
        if fitting is None:
            if len(self._known) >= self.LIMIT:
                self._known.clear()
            fitting = self._known[key] = [route for route in self.routes if not explain(route, facts)]
        if avoid:
            fitting = [route for route in fitting if route.carrier_id not in avoid]
        return fitting if len(fitting) < 2 else spread(fitting, pick)
