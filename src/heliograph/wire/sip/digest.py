"""Digest authentication, both sides: challenges and answers without memory for each (RFC 2617, RFC 7616, RFC 8760; RFC 3261, section 22).

A nonce is its own proof: the time it was made and a keyed hash over it. What is remembered is only which counts (nc) of
nonces in use were seen, and of that only so much.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple

from .fields import quote, split_list, unquote

HASHES: Final = {"MD5": "md5", "SHA-256": "sha256"}
# What the answers of one nonce may differ in their order, in counts (nc); older ones than that are refused.
WINDOW: Final = 64

_NONCE: Final = re.compile(r"([0-9a-f]{12})([0-9a-f]{16})([0-9a-f]{32})")
_COUNT: Final = re.compile(r"[0-9a-fA-F]{8}")
_PAIR: Final = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s",]*)', re.DOTALL)
_QUOTED: Final = ("username", "realm", "nonce", "uri", "response", "cnonce", "opaque", "domain")


class Verdict(Enum):
    """What an answer to a challenge is worth. STALE: right, but its nonce is too old or was used: try again with a new one."""

    GOOD = "good"
    STALE = "stale"
    WRONG = "wrong"


class Challenge(NamedTuple):
    """What a server asks for, as far as a client needs it."""

    realm: str
    nonce: str
    algorithm: str
    opaque: str
    qop: bool
    stale: bool


def compute(
    algorithm: str,
    username: str,
    realm: str,
    password: str,
    method: str,
    uri: str,
    nonce: str,
    *,
    qop: str = "",
    nc: str = "",
    cnonce: str = "",
) -> str:
    """The response to a challenge (RFC 7616, section 3.4.1); without qop as RFC 2069 had it. KeyError: unknown algorithm."""
    name = HASHES[algorithm.upper()]

    def digest(text: str) -> str:
        return hashlib.new(name, text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()

    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return digest(f"{digest(f'{username}:{realm}:{password}')}:{middle}:{digest(f'{method}:{uri}')}")


def read_parameters(value: str) -> dict[str, str] | None:
    """The parameters of a challenge or of an answer, names in lower case, quotes taken off; None when it is not Digest."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    found: dict[str, str] = {}
    for part in split_list(rest):
        pair = _PAIR.fullmatch(part)
        if pair is not None:
            found.setdefault(pair[1].lower(), unquote(pair[2]))
    return found


def write_parameters(parameters: Mapping[str, str]) -> str:
    """A challenge or an answer; which values are quoted is as RFC 7616, sections 3.3 and 3.4 have it."""
    return "Digest " + ", ".join(
        f"{name}={quote(value) if name in _QUOTED else value}" for name, value in parameters.items()
    )


# --- the server's side


def make_nonce(key: bytes, now_ms: int, salt: int) -> str:
    """A nonce of 60 characters: 48 bits of time, 64 of salt (which no two within a millisecond may share), 128 of proof."""
    head = f"{now_ms & (1 << 48) - 1:012x}{salt & (1 << 64) - 1:016x}"
    return head + _sign(key, head)


def read_nonce(key: bytes, nonce: str) -> int | None:
    """When a nonce was made, in ms; None when it is not ours."""
    found = _NONCE.fullmatch(nonce)
    if found is None or not hmac.compare_digest(_sign(key, found[1] + found[2]), found[3]):
        return None
    return int(found[1], 16)


def write_challenge(realm: str, nonce: str, algorithm: str, *, stale: bool = False) -> str:
    """The value of WWW-Authenticate."""
    tail = ", stale=true" if stale else ""
    return f'Digest realm={quote(realm)}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{tail}'


class Replays:
    """Which counts of which nonces were used, for at most `limit` nonces.

    When there are more, the oldest is forgotten, and with it every nonce as old as it that is not remembered is refused
    from then on: its client is told to take a new one, and nobody can send an answer twice.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self._seen: dict[str, tuple[int, int]] = {}  # the highest count, and a bit for each of the WINDOW below it
        self._floor_ms = -1

    def __len__(self) -> int:
        """How many nonces are remembered."""
        return len(self._seen)

    def use(self, nonce: str, made_ms: int, count: int) -> bool:
        """Whether this count of a nonce is used for the first time; it is used from then on."""
        known = self._seen.get(nonce)
        if known is None:
            if made_ms <= self._floor_ms:
                return False
            if len(self._seen) >= self._limit:
                oldest = next(iter(self._seen))
                del self._seen[oldest]
                self._floor_ms = max(self._floor_ms, int(oldest[:12], 16))
                if made_ms <= self._floor_ms:
                    return False
            known = (0, 0)
        highest, bits = known
        if count > highest:
            bits = (bits << min(count - highest, WINDOW) | 1) & (1 << WINDOW) - 1
            self._seen[nonce] = (count, bits)
            return True
        behind = highest - count
        if behind >= WINDOW or bits >> behind & 1:
            return False
        self._seen[nonce] = (highest, bits | 1 << behind)
        return True


class Guard:
    """The server's side: makes challenges, judges answers. `key` is secret and random, `lifetime_ms` that of a nonce."""

    def __init__(
        self, key: bytes, realm: str, users: Mapping[str, str], algorithms: tuple[str, ...], lifetime_ms: int = 300_000
    ) -> None:
        self.realm = realm
        self._key = key
        self._users = users
        self._algorithms = algorithms
        self._lifetime_ms = lifetime_ms
        self._salt = 0
        self.replays = Replays()

    def challenge(self, now_ms: int, *, stale: bool = False) -> list[str]:
        """Values of WWW-Authenticate, one for each algorithm, the preferred one first (RFC 8760, section 2.3)."""
        self._salt += 1
        nonce = make_nonce(self._key, now_ms, self._salt)
        return [write_challenge(self.realm, nonce, algorithm, stale=stale) for algorithm in self._algorithms]

    def judge(self, method: str, values: list[str], now_ms: int) -> tuple[Verdict, str]:
        """The Authorization fields of a request: what they are worth, and whose they are ("" unless GOOD).

        A nonce without a count (no qop) is good for one request. Realms that are not ours are for others.
        """
        verdict = Verdict.WRONG
        for value in values:
            said = read_parameters(value)
            if said is None or said.get("realm") != self.realm:
                continue
            verdict = self._judge(method, said, now_ms)
            if verdict is Verdict.GOOD:
                return verdict, said.get("username", "")
        return verdict, ""

    def _judge(self, method: str, said: dict[str, str], now_ms: int) -> Verdict:
        algorithm = said.get("algorithm", "MD5").upper()
        qop, nc, cnonce = said.get("qop", "").lower(), said.get("nc", ""), said.get("cnonce", "")
        nonce, username = said.get("nonce", ""), said.get("username", "")
        made_ms = read_nonce(self._key, nonce)
        if algorithm not in self._algorithms or made_ms is None or qop not in ("", "auth"):
            return Verdict.WRONG
        if qop and not (_COUNT.fullmatch(nc) and int(nc, 16) > 0 and cnonce):
            return Verdict.WRONG
        password = self._users.get(username)
        # Somebody who is not known takes as long as somebody with a wrong password.
        wanted = compute(
            algorithm,
            username,
            self.realm,
            password or "",
            method,
            said.get("uri", ""),
            nonce,
            qop=qop,
            nc=nc,
            cnonce=cnonce,
        )
        right = hmac.compare_digest(
            wanted.encode(), said.get("response", "").lower().encode("utf-8", "surrogateescape")
        )
        if password is None or not right:
            return Verdict.WRONG
        if not 0 <= now_ms - made_ms <= self._lifetime_ms:
            return Verdict.STALE
        return Verdict.GOOD if self.replays.use(nonce, made_ms, int(nc, 16) if qop else 1) else Verdict.STALE


# --- the client's side


def choose_challenge(values: list[str]) -> Challenge | None:
    """The first challenge that can be answered (RFC 8760, section 2.4); None when there is none."""
    for value in values:
        said = read_parameters(value)
        if said is None or "nonce" not in said or "realm" not in said:
            continue
        algorithm = said.get("algorithm", "MD5").upper()
        offered = [each.strip().lower() for each in said.get("qop", "").split(",") if each.strip()]
        if algorithm in HASHES and (not offered or "auth" in offered):
            stale = said.get("stale", "").lower() == "true"
            return Challenge(said["realm"], said["nonce"], algorithm, said.get("opaque", ""), bool(offered), stale)
    return None


def write_answer(
    challenge: Challenge, username: str, password: str, method: str, uri: str, *, nc: int, cnonce: str
) -> str:
    """The value of Authorization or Proxy-Authorization for the `nc`th request with this challenge."""
    count = f"{nc:08x}"
    qop = {"qop": "auth", "nc": count, "cnonce": cnonce} if challenge.qop else {}
    response = compute(challenge.algorithm, username, challenge.realm, password, method, uri, challenge.nonce, **qop)
    parameters = {
        "username": username,
        "realm": challenge.realm,
        "nonce": challenge.nonce,
        "uri": uri,
        "response": response,
    }
    parameters |= {"algorithm": challenge.algorithm} | qop
    if challenge.opaque:
        parameters["opaque"] = challenge.opaque
    return write_parameters(parameters)


def _sign(key: bytes, head: str) -> str:
    return hmac.new(key, head.encode(), hashlib.sha256).hexdigest()[:32]
