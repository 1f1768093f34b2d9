"""Where a client asks and who it is: the same for the blocking and the asynchronous one (spec sending 1.1 to 1.3)."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass

from heliograph.client.calls import Call
from heliograph.client.pace import Pace
from heliograph.client.tries import Host, Tries, parse_host

CHARSETS = ("utf-8", "cp1251", "koi8-r")  # as Python's codecs call them
HISTORY_PAGE, ANSWERS_PAGE, EXPORTS_PAGE = 1000, 10_000, 1000  # the most that a page may have
HISTORY_AN_HOUR = 30
STATUS_A_MINUTE = 5


@dataclass(frozen=True, slots=True)
class Access:
    """Hosts in the order they are asked, the parameters of the login, the charset, and how often a request is tried."""

    hosts: tuple[Host, ...]
    login: dict[str, str]
    charset: str
    attempts: int
    pause_s: float

    def tries(self, call: Call[object]) -> Tries:
        """A new request's way over the hosts."""
        return Tries(call, self.hosts, self.attempts, self.pause_s)


def open_access(
    base_url: str,
    hosts: Sequence[str],
    login: str,
    password: str,
    key: str,
    charset: str,
    attempts: int,
    pause_s: float,
) -> Access:
    """Check what a client was given. ValueError."""
    if key and (login or password):
        raise ValueError("give a key, or a login and a password")
    if not key and not (login and password):
        raise ValueError("a login and a password are needed, or a key")
    try:
        known = codecs.lookup(charset).name in CHARSETS
    except LookupError:
        known = False
    if not known:
        raise ValueError("charset is utf-8, windows-1251 or koi8-r")
    if attempts < 1 or pause_s < 0:
        raise ValueError("attempts is 1 or more, pause_s 0 or more")
    who = {"apikey": key} if key else {"login": login, "psw": password}
    places = tuple(dict.fromkeys(parse_host(url) for url in (base_url, *hosts)))
    return Access(places, who, charset, attempts, pause_s)


def history_pace() -> Pace:
    """The history is told 30 times an hour."""
    return Pace(HISTORY_AN_HOUR, 3600.0)


def status_pace() -> Pace:
    """One message's status is told five times a minute; a second more for the way."""
    return Pace(STATUS_A_MINUTE, 61.0)
