"""A trunk to register at, written as one URI (RFC 3261, sections 10.2 and 19.1)."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from .addresses import parse_uri
from .fields import FieldError, find

PARAMETERS: Final = ("transport", "expires", "contact", "address", "login", "proxy")
_PLACE: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


class Registrar(msgspec.Struct, frozen=True, kw_only=True):
    """Where and as whom to register. `domain` is that of the account, `host` and `port` are where requests go;
    `contact` is the name in our own address, `address` its host:port when it is not that of the socket."""

    domain: str
    host: str
    port: int
    user: str
    login: str
    password: str
    transport: Literal["udp", "tcp"]
    expires_s: int
    contact: str
    address: str

    @property
    def name(self) -> str:
        """For logs and figures: the account without its password."""
        return f"{self.user}@{self.domain}"


def parse_registrar(text: str) -> Registrar:
    """`sip:user:password@domain[:port]` and `;transport=udp|tcp`, `;expires=SECONDS`, `;contact=NAME`,
    `;address=HOST:PORT`, `;login=NAME` (when it is not the user), `;proxy=HOST:PORT` (when it is not the domain).

    Signs that a URI reserves are written as %40 and the like. ValueError says what is wrong, without the password.
    """
    try:
        uri = parse_uri(text.strip())
    except FieldError:
        raise ValueError("a registration is written sip:user:password@registrar:5060") from None
    if uri.scheme != "sip" or not uri.user or uri.password is None:
        raise ValueError("a registration is written sip:user:password@registrar:5060")
    for name, _ in uri.params:
        if name not in PARAMETERS:
            raise ValueError(f"a registration has no ;{name}=; known are {', '.join(PARAMETERS)}")
    transport = (find(uri.params, "transport") or "udp").lower()
    if transport not in ("udp", "tcp"):
        raise ValueError("a registration's ;transport= is udp or tcp")
    said = find(uri.params, "expires") or "600"
    if not re.fullmatch(r"[0-9]{2,7}", said) or int(said) < 60:
        raise ValueError("a registration's ;expires= is a number of seconds, 60 at least")
    address = find(uri.params, "address") or ""
    if address:
        _split_place(address, "address")
    host, port = _split_place(find(uri.params, "proxy") or f"{uri.host}:{uri.port or 5060}", "proxy")
    return Registrar(
        domain=uri.host,
        host=host,
        port=port,
        user=uri.user,
        login=find(uri.params, "login") or uri.user,
        password=uri.password,
        transport="tcp" if transport == "tcp" else "udp",
        expires_s=int(said),
        contact=find(uri.params, "contact") or uri.user,
        address=address,
    )


def mask_registrar(text: str) -> str:
    """The same without its password."""
    return re.sub(r"(:[^:@]*:).*@", r"\1***@", text, count=1)


def _split_place(text: str, name: str) -> tuple[str, int]:
    found = _PLACE.fullmatch(text)
    if found is None or int(found[2] or 5060) not in range(1, 65536):
        raise ValueError(f"a registration's ;{name}= is host:port")
    return found[1].strip("[]"), int(found[2] or 5060)
