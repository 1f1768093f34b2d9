"""The carrier that speaks SMPP 3.4 (design section 6, flows B and C)."""

from heliograph.core.carriers import Carrier
from heliograph.delivery.carriers import Clock
from heliograph.delivery.carriers.contract import CarrierLinks, Listener
from heliograph.delivery.carriers.smpp.carrier import SmppCarrier

__all__ = ["KIND", "SmppCarrier", "build"]

KIND = "smpp"


def build(carrier: Carrier, listener: Listener, clock_ms: Clock) -> CarrierLinks:
    """An SMPP carrier. Raises ValueError for settings that cannot be read."""
    return SmppCarrier(carrier, listener, clock_ms)
