"""The records of SMPP 3.4: a PDU, its lists of addresses, and the one error of the codec (SMPP 3.4 Issue 1.2, section 4)."""

from __future__ import annotations

import msgspec

from . import statuses, tables


class Destination(msgspec.Struct, frozen=True):
    """An address of submit_multi: a number, or the name of a distribution list (4.5.1.1)."""

    address: str
    ton: int = 0
    npi: int = 0
    is_list: bool = False


class Failure(msgspec.Struct, frozen=True):
    """An address of submit_multi that was refused, with its command_status (4.5.2.1)."""

    address: str
    ton: int = 0
    npi: int = 0
    status: int = 0


class Pdu(msgspec.Struct, gc=False):
    """Any PDU. Fields bear the standard's names; those that the command does not have keep their defaults.

    C-octet strings are `str` of Latin-1 characters (lossless for any octet), texts and optional fields are
    `bytes`. Length fields do not exist here: the writer derives them. Of an optional field that is repeated
    the last one counts. The record refers to no container that could refer back, so the collector skips it.
    """

    command_id: int
    status: int = 0
    sequence: int = 0
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: dict[int, bytes] = {}
    message_id: str = ""
    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = 0
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""
    destinations: tuple[Destination, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def name(self) -> str:
        """The name of the command, for logs."""
        return tables.command_name(self.command_id)

    @property
    def text(self) -> bytes:
        """The octets of the message: short_message, or message_payload when that is empty (5.3.2.32)."""
        return self.short_message or self.tlvs.get(tables.TAG_MESSAGE_PAYLOAD, b"")

    def __repr__(self) -> str:
        """Header only: texts, addresses and passwords stay out of logs."""
        return f"<{self.name} #{self.sequence} {statuses.name(self.status)}>"


class PduError(Exception):
    """A PDU that cannot be read or written.

    `pdu` holds the header that was read (its body at defaults), `answer` is the command_status to answer with.
    When `recoverable` is false, the limits of the PDUs are lost and the connection must end.
    """

    def __init__(self, reason: str, pdu: Pdu, answer: int, *, recoverable: bool = True) -> None:
        super().__init__(f"{pdu!r}: {reason}")
        self.reason = reason
        self.pdu = pdu
        self.answer = answer
        self.recoverable = recoverable

    @property
    def command_id(self) -> int:
        """The command as it stood in the header."""
        return self.pdu.command_id

    @property
    def sequence(self) -> int:
        """The sequence number as it stood in the header."""
        return self.pdu.sequence
