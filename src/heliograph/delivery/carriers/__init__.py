"""Carriers by kind: each module or package beside the contract that has ``KIND`` and ``build`` is one (design section 3)."""

import pkgutil
from collections.abc import Callable
from functools import cache
from importlib import import_module

from heliograph.core.carriers import Carrier
from heliograph.delivery.carriers.contract import CarrierLinks, Listener

Clock = Callable[[], int]
Build = Callable[[Carrier, Listener, Clock], CarrierLinks]


@cache
def kinds() -> dict[str, Build]:
    """Every kind of carrier there is, with what builds one: found by looking into this folder."""
    found: dict[str, Build] = {}
    for item in pkgutil.iter_modules(__path__):
        module = import_module(f"{__name__}.{item.name}")
        if hasattr(module, "KIND"):
            found[module.KIND] = module.build
    return found


def make(carrier: Carrier, listener: Listener, clock_ms: Clock) -> CarrierLinks:
    """The links of a carrier, not started yet. Raises ValueError for an unknown kind or settings that contradict."""
    build = kinds().get(carrier.kind)
    if build is None:
        raise ValueError(f"carrier {carrier.name}: kind {carrier.kind!r} is none of {', '.join(sorted(kinds()))}")
    return build(carrier, listener, clock_ms)
