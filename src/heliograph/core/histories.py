"""Which messages somebody wants to read back (seed 000, "Getting the history of sent messages")."""

from enum import Enum

import msgspec

FOREVER = 2**62
"""Above every moment and every int_id there will be."""


class Kinds(Enum):
    """Which kinds of messages: e-mail is kept apart from all the others."""

    TEXTS = "texts"
    MAILS = "mails"
    ALL = "all"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of an account, newest int_id first.

    ``start_ms`` and ``end_ms`` (not with it) bound the date of sending, the one that is shown: send_ms. ``phones`` are
    international numbers and e-mail addresses, none for all (then ``kinds`` is not ALL). Only int_ids below ``before``
    are wanted, and ``limit`` messages at most.
    """

    start_ms: int = 0
    end_ms: int = FOREVER
    kinds: Kinds = Kinds.TEXTS
    phones: tuple[str, ...] = ()
    before: int = FOREVER
    limit: int = 1000
