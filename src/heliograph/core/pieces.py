"""How a text over SMPP was asked to be sent, and its parts when it comes in several (spec protocols 5.3)."""

import msgspec

from heliograph.core.messages import Kind


class Wishes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is said beside the text. ``coding`` is SMPP's data_coding, ``latin1`` says that 0 means ISO-8859-1 there;
    ``sender`` None is the account's default; ``flags`` are Flag.TELL_…; ``send_ms`` 0 is now, ``valid_s`` 0 the default."""

    coding: int = 0
    latin1: bool = False
    flash: bool = False
    sender: str | None = None
    flags: int = 0
    send_ms: int = 0
    valid_s: int = 0
    lane: int = 1

    @property
    def kind(self) -> Kind | None:
        """The kind that is said outside the text."""
        return Kind.FLASH if self.flash else None


class Piece:
    """One stored part; ``data`` are the octets of its text without a header."""

    __slots__ = (
        "account_id",
        "data",
        "destination",
        "int_id",
        "number",
        "received_ms",
        "reference",
        "source",
        "total",
        "wishes",
    )

    def __init__(
        self,
        int_id: int,
        account_id: int,
        received_ms: int,
        reference: int,
        total: int,
        number: int,
        source: str,
        destination: str,
        data: bytes,
        wishes: Wishes,
    ) -> None:
        self.int_id = int_id
        self.account_id = account_id
        self.received_ms = received_ms
        self.reference = reference
        self.total = total
        self.number = number
        self.source = source
        self.destination = destination
        self.data = data
        self.wishes = wishes

    @property
    def whole(self) -> tuple[int, str, str, int, int]:
        """What the parts of one text share."""
        return self.account_id, self.source, self.destination, self.reference, self.total
