"""When and where a request is made again that got no answer: over the given hosts, and only when it is safe.

The libraries of the service ask www, then www2 to www5, up to five times (spec sending 1.1); here the hosts are given.
"""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from heliograph.client.calls import Call, Repeat
from heliograph.client.errors import DUPLICATE, TOO_MANY, AlreadyTaken, ApiError, NoAnswer

# An identical text is refused for 60 s after the first one; ten of them are left for clocks and slow lines.
GUARD_S = 50.0


@dataclass(frozen=True, slots=True)
class Host:
    """Where a server is: ``path`` begins and ends with a slash and is what stands before sys/."""

    name: str
    port: int
    tls: bool
    path: str

    @property
    def header(self) -> str:
        """The Host header's value."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port == (443 if self.tls else 80) else f"{name}:{self.port}"


def parse_host(url: str) -> Host:
    """A base address such as https://sms.example.ru/, with or without /sys/ at its end. ValueError."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{url}: no such port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is no address such as https://sms.example.ru/")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("an address with a login, a query or a fragment is not understood")
    tls = parts.scheme == "https"
    path = f"/{parts.path.strip('/')}/".replace("//", "/")
    path = path.removesuffix("sys/")
    if not path.isascii() or any(letter.isspace() for letter in path + parts.hostname):
        raise ValueError(f"{url} is no address such as https://sms.example.ru/")
    try:
        name = parts.hostname.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError(f"{url}: no such host name") from None
    return Host(name, port or (443 if tls else 80), tls, path)


class Tries:
    """One request's way over the hosts: ``host`` is the present one, ``fail`` says how long to wait before the next."""

    def __init__(self, call: Call[Any], hosts: tuple[Host, ...], attempts: int, pause_s: float) -> None:
        self._call, self._hosts, self._attempts, self._pause_s = call, hosts, attempts, pause_s
        self._made = 0
        self._sent_s: float | None = None

    @property
    def host(self) -> Host:
        """Where to ask now."""
        return self._hosts[self._made % len(self._hosts)]

    def fail(self, error: NoAnswer, began_s: float) -> float:
        """Note that nothing came; the seconds to wait before ``host`` is asked. ``error`` itself when it must not be.

        ``began_s`` is when the failed attempt began (time.monotonic).
        """
        self._made += 1
        if error.sent and self._sent_s is None:
            self._sent_s = began_s
        if self._sent_s is not None:
            error.sent = True
        wait_s = self._pause_s * 2 ** max(0, self._made // len(self._hosts) - 1) if self._came_round() else 0.0
        if self._made >= self._attempts or not self._is_safe(wait_s):
            raise error
        return wait_s

    def explain(self, error: ApiError) -> ApiError:
        """What a refusal means here: a duplicate of a text that we have sent and heard nothing of was taken."""
        if self._sent_s is None or self._call.repeat is not Repeat.GUARDED or error.code != TOO_MANY:
            return error
        if not error.text.startswith(DUPLICATE):
            # Too much at once: it says nothing of the text that went unanswered.
            return NoAnswer(f"no answer, and then {error}", sent=True)
        given = self._call.params.get("id")
        return AlreadyTaken(TOO_MANY, error.text, given if isinstance(given, int | str) and given else None)

    def _came_round(self) -> bool:
        return self._made % len(self._hosts) == 0

    def _is_safe(self, wait_s: float) -> bool:
        if self._sent_s is None or self._call.repeat is Repeat.ALWAYS:
            return True
        if self._call.repeat is Repeat.UNSENT:
            return False
        return time.monotonic() + wait_s - self._sent_s < GUARD_S
