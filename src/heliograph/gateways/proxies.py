"""Who the client is behind reverse proxies (X-Forwarded-For, X-Forwarded-Proto; RFC 7239 Forwarded).

Only a peer from the trusted networks is believed, and only as far as the chain of trusted proxies reaches, so a ban
or an IP list hits the client and a client cannot write itself another address.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

_PAIR = re.compile(r'(for|proto)\s*=\s*(?:"([^"]*)"|([^;,\s]*))', re.IGNORECASE)


class TrustedProxies:
    """The networks whose word about the client's address is taken."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)
        # Parsing an address costs some 2 µs, and few of them make most of the traffic.
        self.judge = lru_cache(maxsize=8192)(self._judge)

    def _judge(self, text: str) -> tuple[str, bool] | None:
        """An address as written in a header or by the socket: its plain form and whether it is trusted."""
        text = text.strip()
        if text.startswith("["):
            text = text[1:].partition("]")[0]
        elif text.count(":") == 1:
            text = text.partition(":")[0]
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return str(address), any(address.version == net.version and address in net for net in self._networks)

    def resolve(self, peer: str, secure: bool, headers: dict[bytes, bytes]) -> tuple[str, bool]:
        """The address and TLS of the client, for a trusted `peer`.

        The right-most address that is no trusted proxy; where an entry is no address ("unknown"), the hop that
        reported it. X-Forwarded-For is read before Forwarded.
        """
        chain, proto = _forwarded(headers)
        client = peer
        for entry in reversed(chain):
            judged = self.judge(entry)
            if judged is None:
                break
            client = judged[0]
            if not judged[1]:
                break
        return client, (proto == "https" if proto else secure)


def _forwarded(headers: dict[bytes, bytes]) -> tuple[list[str], str]:
    """The chain of addresses, nearest last, and the protocol that the nearest proxy saw ("" when it says nothing)."""
    proto = headers.get(b"x-forwarded-proto", b"").decode("latin-1").rpartition(",")[2].strip().lower()
    listed = headers.get(b"x-forwarded-for")
    if listed is not None:
        return listed.decode("latin-1").split(","), proto
    chain = []
    for name, quoted, token in _PAIR.findall(headers.get(b"forwarded", b"").decode("latin-1")):
        if name.lower() == "for":
            chain.append(quoted or token)
        elif not headers.get(b"x-forwarded-proto"):
            proto = (quoted or token).lower()
    return chain, proto
