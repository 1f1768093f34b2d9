"""Who may call: by address, by password, and how often strangers are answered at all (RFC 3261, sections 22 and 26.3.2.4)."""

import ipaddress
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from heliograph.core.sources import source_of
from heliograph.gateways.sip_settings import SipSettings
from heliograph.wire.sip.digest import Guard, Verdict
from heliograph.wire.sip.messages import Request

# Answers to one stranger: so many at once, then one a second. A PBX that asks for a password a call needs no more, for
# after its first right answer it is not counted for an hour.
BURST = 20
RATE_MS = 1_000
PROVEN_MS = 3_600_000
SOURCES = 10_000  # addresses that are counted, some 150 bytes each; beyond that the oldest begins anew


class Standing(NamedTuple):
    """What an address is worth by itself."""

    allowed: bool
    trusted: bool


class Entry(Enum):
    """Whether a request is let in."""

    IN = "in"
    CHALLENGE = "challenge"
    STALE = "stale"  # the password is right, the nonce is old
    FORBIDDEN = "forbidden"


class Allowance:
    """How often something may happen for each source: `burst` at once and one more each `rate_ms`."""

    def __init__(self, burst: int = BURST, rate_ms: int = RATE_MS, sources: int = SOURCES) -> None:
        self._room_ms = burst * rate_ms
        self._rate_ms = rate_ms
        self._sources = sources
        self._free_ms: dict[str, int] = {}  # when all of it is there again

    def __len__(self) -> int:
        """How many sources are counted."""
        return len(self._free_ms)

    def take(self, source: str, now_ms: int) -> bool:
        """Whether it may happen once more now."""
        free = max(self._free_ms.pop(source, 0), now_ms)
        granted = free + self._rate_ms <= now_ms + self._room_ms
        if len(self._free_ms) >= self._sources:
            del self._free_ms[next(iter(self._free_ms))]
        self._free_ms[source] = free + self._rate_ms if granted else free
        return granted


class Peers:
    """Judges requests by where they come from and by the password they carry."""

    def __init__(self, settings: SipSettings, key: bytes) -> None:
        self._peers = settings.peers
        self._trusted = settings.trusted
        self._guard = Guard(key, settings.realm, settings.users, settings.algorithms) if settings.users else None
        self._allowance = Allowance()
        self._proven: dict[str, int] = {}
        self.standing = lru_cache(maxsize=8192)(self._standing)
        self.wrong = 0

    @property
    def asks(self) -> bool:
        """Whether there are users who may come from anywhere."""
        return self._guard is not None

    def may_answer(self, address: str, now_ms: int) -> bool:
        """Whether a stranger at this address is answered now; counts it."""
        source = source_of(address)
        until = self._proven.get(source)
        return (until is not None and until > now_ms) or self._allowance.take(source, now_ms)

    def judge(self, request: Request, address: str, now_ms: int) -> tuple[Entry, str]:
        """Whether a request is let in, and as which user ("": by its address)."""
        if self.standing(address).allowed:
            return Entry.IN, ""
        if self._guard is None:
            return Entry.FORBIDDEN, ""
        said = request.all("Authorization")
        if not said:
            return Entry.CHALLENGE, ""
        verdict, user = self._guard.judge(request.method, said, now_ms)
        if verdict is Verdict.GOOD:
            self._prove(address, now_ms)
            return Entry.IN, user
        if verdict is Verdict.STALE:
            return Entry.STALE, ""
        self.wrong += 1
        return Entry.CHALLENGE, ""

    def challenge(self, now_ms: int, *, stale: bool) -> tuple[tuple[str, str], ...]:
        """The headers of a 401."""
        values = self._guard.challenge(now_ms, stale=stale) if self._guard else []
        return tuple(("WWW-Authenticate", value) for value in values)

    def _prove(self, address: str, now_ms: int) -> None:
        source = source_of(address)
        self._proven.pop(source, None)
        if len(self._proven) >= SOURCES:
            del self._proven[next(iter(self._proven))]
        self._proven[source] = now_ms + PROVEN_MS

    def _standing(self, address: str) -> Standing:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return Standing(False, False)
        trusted = any(found.version == net.version and found in net for net in self._trusted)
        return Standing(trusted or any(found.version == net.version and found in net for net in self._peers), trusted)
