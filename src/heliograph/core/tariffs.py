"""Tariffs: zones, prices of operators, and which final statuses give the money back (design section 8)."""

from typing import Annotated

import msgspec

from heliograph.core.messages import Kind

Meta = msgspec.Meta
_OWN = frozenset({int(Kind.HLR), int(Kind.PING), int(Kind.CALL)})


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Prices in 1/10,000 of a unit: a part for texts, a number for hlr and call; None falls back to ``sms``, but a call
    without a price of its own is not sold.

    ``waitcall`` is a number confirmed by its subscriber's call; it falls back to ``call``, and without either there is no
    such service.
    """

    sms: Annotated[int, Meta(ge=0)] = 0
    mass: Annotated[int, Meta(ge=0)] | None = None
    ping: Annotated[int, Meta(ge=0)] | None = None
    hlr: Annotated[int, Meta(ge=0)] | None = None
    mms: Annotated[int, Meta(ge=0)] | None = None
    call: Annotated[int, Meta(ge=0)] | None = None
    waitcall: Annotated[int, Meta(ge=0)] | None = None

    def of(self, kind: int) -> int | None:
        """The price of one part of this kind, None when there is none."""
        if kind not in _OWN:
            return self.sms
        if kind == Kind.CALL:
            return self.call
        own = self.hlr if kind == Kind.HLR else self.ping
        return self.sms if own is None else own

    def of_confirmation(self) -> int | None:
        """The price of a number confirmed by a call; None where that is not offered."""
        return self.call if self.waitcall is None else self.waitcall


class Zone(msgspec.Struct, frozen=True):
    """A group of destinations with one price. ``matches`` holds countries, operators and +prefixes, or *."""

    zone: int
    name: str
    matches: tuple[str, ...]
    prices: Prices


class Tariff(msgspec.Struct, frozen=True, dict=True):
    """A price list. Look-up order: operator's own price, operator in a zone, longest prefix, country, the rest.

    ``mail`` is the price of an e-mail, the same everywhere; 0 when there is none.
    """

    id: int
    name: str
    currency: str
    refund: frozenset[int]
    zones: tuple[Zone, ...]
    codes: dict[str, Prices]
    mail: int = 0


class PriceIndex:
    """A tariff made ready for look-up: dictionaries instead of a walk over zones."""

    def __init__(self, tariff: Tariff) -> None:
        self.tariff = tariff
        self._exact: dict[str, Prices] = {}
        self._prefixes: dict[str, Prices] = {}
        self._rest: Prices | None = None
        for zone in tariff.zones:
            for match in zone.matches:
                if match == "*":
                    self._rest = zone.prices
                elif match.startswith("+"):
                    self._prefixes[match[1:]] = zone.prices
                else:
                    self._exact[match.upper()] = zone.prices
        self._exact.update(tariff.codes)
        self._lengths = sorted({len(prefix) for prefix in self._prefixes}, reverse=True)

    def find(self, phone: str, country: str, mccmnc: str) -> Prices | None:
        """The prices that hold for a number; None when the tariff has none for it."""
        found = self._exact.get(mccmnc)
        if found is not None:
            return found
        for length in self._lengths:
            found = self._prefixes.get(phone[:length])
            if found is not None:
                return found
        return self._exact.get(country, self._rest)


def is_refunded(tariff: Tariff, status: int) -> bool:
    """Whether a message that ends with this status gives its cost back."""
    return status in tariff.refund


# Undeliverable, wrong, forbidden, unpaid and unreachable ones; expired ones too, for nothing arrived.
DEFAULT_REFUND = frozenset({3, 20, 22, 23, 24, 25})
