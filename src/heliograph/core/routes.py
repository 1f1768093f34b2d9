"""Rules that lead to carriers, as records (issue words: country, operator, prefix, kind, account, sender)."""

from typing import Annotated

import msgspec

Meta = msgspec.Meta


class Conditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All that are given must hold; within one, any value. An empty one holds for everything."""

    countries: Annotated[tuple[str, ...], Meta(description="ISO codes: RU, KZ")] = ()
    operators: Annotated[tuple[str, ...], Meta(description="MCC and MNC: 25001")] = ()
    prefixes: Annotated[tuple[str, ...], Meta(description="First digits of the number: 7916")] = ()
    kinds: Annotated[
        tuple[int, ...], Meta(description="Kinds of message: 0 SMS, 1 flash, 2 binary, 4 HLR, 5 ping, 7 call")
    ] = ()
    accounts: Annotated[tuple[str, ...], Meta(description="Logins")] = ()
    senders: Annotated[tuple[str, ...], Meta(description="Sender names")] = ()


class Route(msgspec.Struct, frozen=True):
    """A rule that leads to a carrier. Higher priority first; among equals the weights decide.

    ``calls`` says whether that carrier places calls.
    """

    id: int
    name: str
    carrier_id: int
    priority: int
    weight: int
    conditions: Conditions
    calls: bool = False
