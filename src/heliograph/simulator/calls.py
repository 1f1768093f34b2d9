"""What the simulated carrier tells of a call that it has placed (vendor optional fields 0x1408 to 0x140C, docs/codes.md)."""

from __future__ import annotations

from typing import Final

from .behaviour import draws

TAG_CALLTIME: Final = 0x1408
TAG_RINGTIME: Final = 0x1409

# A submit_sm of this service_type asks for a call that tells the digits of its text.
SERVICE_TYPE: Final = "CALL"


def tell(number: str, seed: int, answered: bool) -> dict[int, bytes]:
    """Seconds of the call (only of one that was answered) and of ringing, as C-octet strings; the same ones for the same
    number and seed."""
    luck = draws(seed, number.removeprefix("+"), -2)
    told = {TAG_RINGTIME: 4 + int(luck[0] * 12) if answered else 22}
    if answered:
        told[TAG_CALLTIME] = 8 + int(luck[1] * 8)
    return {tag: b"%d\0" % seconds for tag, seconds in told.items()}
