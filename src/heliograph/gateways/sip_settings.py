"""What the SIP door is given: the configuration's [sip], read (config.py)."""

from ipaddress import ip_network

import msgspec

from heliograph.config import split_listen
from heliograph.gateways.proxies import Network
from heliograph.sections import Sip
from heliograph.wire.sip.registrar import Registrar, parse_registrar
from heliograph.wire.sip.transactions import Timing


class SipSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`listen_*` are (host, port), port 0 chooses one. `answer`, `unexpected` and `anonymous` are the codes of RFC 3261
    that end a call. The other bounds are explained where they are used."""

    listen_udp: tuple[tuple[str, int], ...] = ()
    listen_tcp: tuple[tuple[str, int], ...] = ()
    peers: tuple[Network, ...] = ()
    trusted: tuple[Network, ...] = ()
    users: dict[str, str] = {}
    realm: str = "heliograph"
    algorithms: tuple[str, ...] = ("MD5",)
    answer: int = 486
    unexpected: int = 404
    anonymous: int = 433
    silent: bool = False
    called_from_to: bool = False
    registrars: tuple[Registrar, ...] = ()
    keepalive_s: int = 25
    transactions: int = 20_000
    connections: int = 1_000
    connections_per_client: int = 32
    answer_ms: int = 5_000
    timing: Timing = Timing()


def read_settings(sip: Sip) -> SipSettings:
    """The configuration's section as the door takes it; it was checked when it was loaded. ValueError otherwise."""
    return SipSettings(
        listen_udp=tuple(split_listen(each) for each in sip.listen_udp),
        listen_tcp=tuple(split_listen(each) for each in sip.listen_tcp),
        peers=tuple(ip_network(each, strict=False) for each in sip.peers),
        trusted=tuple(ip_network(each, strict=False) for each in sip.trusted),
        users=dict(sip.users),
        realm=sip.realm,
        algorithms=sip.algorithms,
        answer=int(sip.answer),
        unexpected=int(sip.unexpected),
        anonymous=int(sip.anonymous),
        silent=sip.strangers == "silence",
        called_from_to=sip.called == "to",
        registrars=tuple(parse_registrar(each) for each in sip.registrations),
        keepalive_s=sip.keepalive_s,
        transactions=sip.transactions,
    )
