"""Which addresses a callback may go to, and a small cache of names.

Ranges: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), RFC 6598 (shared space), RFC 6052 (NAT64).
"""

import asyncio
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
LookUp = Callable[[str], tuple[str, ...]]  # all addresses of a name, none when it is not known; may block

_CLOSED_4: tuple[tuple[IPv4Network, str], ...] = tuple(
    (IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared with carriers"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's host service"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_CLOSED_6: tuple[tuple[IPv6Network, str], ...] = tuple(
    (IPv6Network(network), what)
    for network, what in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
)
# All public IPv6 hosts have their addresses here; the rest of the space is special or not yet given out.
_UNICAST_6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_LOW_32 = 0xFFFF_FFFF


def refusal(address: str, allow: Iterable[Network] = ()) -> str:
    """Why no callback may go to this address (IPv4 or IPv6, as text), or an empty string when it may.

    `allow` holds networks that the operator permits whatever they are. An IPv4 address inside an IPv6 one
    (mapped, or behind NAT64) is judged as that IPv4 address.
    """
    found: IPv4Address | IPv6Address = ip_address(address)
    if any(found in network for network in allow):
        return ""
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or (IPv4Address(int(found) & _LOW_32) if found in _NAT64 else None)
        if inner is not None:
            return refusal(str(inner), allow)
        for network6, what in _CLOSED_6:
            if found in network6:
                return what
        return "" if found in _UNICAST_6 else "reserved"
    for network4, what in _CLOSED_4:
        if found in network4:
            return what
    return ""


class Resolver:
    """Names to addresses by the system's resolver, in threads of its own.

    The event loop's own thread pool is too small for this (uvloop lets two look-ups run at once): two names whose
    servers are dead would hold everybody's. Here 32 may hang; a name is asked once however many wait for it.
    Good answers are kept for `kept_s` seconds, failures for `failed_s`. `look_up` runs in the threads; none is the
    system's.
    """

    def __init__(self, kept_s: float = 30.0, failed_s: float = 5.0, look_up: LookUp | None = None) -> None:
        self._kept_s = kept_s
        self._failed_s = failed_s
        self._look_up = look_up or look_up_name
        self._threads = ThreadPoolExecutor(32, "callback-names")
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._asked: dict[str, asyncio.Task[tuple[str, ...]]] = {}

    async def find(self, host: str) -> tuple[str, ...]:
        """All addresses of a host, in the system's order of preference; an address is its own. Empty: the name is not known."""
        if _is_address(host):
            return (host,)
        now = asyncio.get_running_loop().time()
        known = self._known.get(host)
        if known is not None and known[0] > now:
            return known[1]
        task = self._asked.get(host)
        if task is None:
            task = self._asked[host] = asyncio.create_task(self._ask(host))
        # One caller's time-out must not take the answer from the others.
        return await asyncio.shield(task)

    async def _ask(self, host: str) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        try:
            addresses = await loop.run_in_executor(self._threads, self._look_up, host)
        finally:
            del self._asked[host]
        now = loop.time()
        if len(self._known) >= 4096:
            self._known = {name: known for name, known in self._known.items() if known[0] > now}
        self._known[host] = (now + (self._kept_s if addresses else self._failed_s), addresses)
        return addresses

    async def close(self) -> None:
        """Gives up what is being looked up; a thread that still waits for a name server ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def look_up_name(host: str) -> tuple[str, ...]:
    """The system's addresses of a name, in its order of preference; blocks."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(sockaddr[0]) for _, _, _, _, sockaddr in found))
