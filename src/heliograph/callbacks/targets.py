"""Where a callback goes: a customer's handler address, taken apart once (RFC 3986; RFC 7617; RFC 9112 section 3.2)."""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import quote, unquote_to_bytes, urlsplit

Origin = tuple[str, str, int]
"""Scheme, host and port: what shares connections."""
Address = tuple[str, str, int, bytes]
"""An origin and a path: one handler, well or ill by itself; many customers' handlers may live on one host."""

_PORTS = {"http": 80, "https": 443}
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
# Letters, digits and hyphen of RFC 1123, and the underscore that real names have. 253: RFC 1035 section 2.3.4, without the last dot.
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\Z")
# What stays as it is in path and query: what RFC 3986 allows there, square brackets (lists in PHP) and what is encoded already.
_KEPT = "%/?:@!$&'()*+,;=-._~[]"


class BadTarget(ValueError):  # noqa: N818 (a condition in the caller's words)
    """An address that no callback can be sent to; the text says why and never repeats the address, which may hold a secret."""


@dataclass(frozen=True, slots=True)
class Target:
    """A handler's address. `host` is lower-case ASCII without brackets, `path` begins with a slash and includes the query."""

    scheme: str
    host: str
    port: int
    path: bytes = field(repr=False)
    host_header: bytes
    origin: Origin = field(repr=False)
    address: Address = field(repr=False)
    prefix: bytes = field(repr=False)
    """The request's head up to and including `Content-Type: `; a name and password of the address are in it."""


@lru_cache(maxsize=4096)
def parse_target(url: str) -> Target:
    """Takes an `http://` or `https://` address apart. A fragment is dropped, other characters than ASCII are encoded.

    The last 4,096 addresses are remembered (about 1 kB each), so a busy handler's is parsed once.
    Raises BadTarget.
    """
    text = url.strip(" ")
    if _CONTROLS.search(text):
        raise BadTarget("control characters in the address")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise BadTarget("the address's host or port is not valid") from None
    if parts.scheme not in _PORTS:
        raise BadTarget("the address must begin with http:// or https://")
    if port == 0:
        raise BadTarget("port 0 cannot be connected to")
    host = _host(parts.hostname or "")
    port = port or _PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    header = (shown if port == _PORTS[parts.scheme] else f"{shown}:{port}").encode("ascii")
    try:
        path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_KEPT).encode("ascii")
    except UnicodeEncodeError:
        raise BadTarget("the address holds half a character") from None
    user, at, _ = parts.netloc.rpartition("@")
    signed_in = b"Authorization: Basic %b\r\n" % _credentials(user) if at else b""
    prefix = b"POST %b HTTP/1.1\r\nHost: %b\r\nUser-Agent: Heliograph\r\nAccept: */*\r\n%bContent-Type: "
    origin = (parts.scheme, host, port)
    return Target(parts.scheme, host, port, path, header, origin, (*origin, path), prefix % (path, header, signed_in))


def _credentials(user: str) -> bytes:
    """Name and password, which may be percent-encoded, as RFC 7617 section 2 has them."""
    name, _, password = user.partition(":")
    try:
        return b64encode(unquote_to_bytes(name) + b":" + unquote_to_bytes(password))
    except UnicodeEncodeError:
        raise BadTarget("the address holds half a character") from None


def _host(name: str) -> str:
    if not name:
        raise BadTarget("the address has no host")
    if ":" in name:
        try:
            address = IPv6Address(name)
        except AddressValueError:
            raise BadTarget("the address's host or port is not valid") from None
        if address.scope_id is not None:
            raise BadTarget("an IPv6 host with a zone is not supported")
        return str(address)
    try:
        ascii_name = name.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        raise BadTarget("the host's name is not valid") from None
    if not _NAME.match(ascii_name):
        raise BadTarget("the host's name is not valid")
    return ascii_name
