"""What an address counts as where many of them share something (RFC 4291, section 2.5.4; RFC 6177)."""

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=8192)
def source_of(client: str) -> str:
    """Who shares: an IPv4 address, or the /64 of an IPv6 one, since whoever has one has the other 2**64 as well."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if address.version == 4:
        return client
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
