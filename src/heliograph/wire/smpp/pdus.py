"""The records of SMPP 3.4: a PDU, its lists of addresses, and the one error of the codec (SMPP 3.4 Issue 1.2, section 4)."""

from __future__ import annotations

from typing import Final

from . import statuses, tables


class Destination:
    """An address of submit_multi: a number, or the name of a distribution list (4.5.1.1)."""

    __slots__ = ("address", "is_list", "npi", "ton")

    def __init__(self, address: str, ton: int = 0, npi: int = 0, is_list: bool = False) -> None:
        self.address = address
        self.ton = ton
        self.npi = npi
        self.is_list = is_list

    def _values(self) -> tuple[str, int, int, bool]:
        return self.address, self.ton, self.npi, self.is_list

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal."""
        return isinstance(other, Destination) and self._values() == other._values()

    def __hash__(self) -> int:
        """By all fields."""
        return hash(self._values())


class Failure:
    """An address of submit_multi that was refused, with its command_status (4.5.2.1)."""

    __slots__ = ("address", "npi", "status", "ton")

    def __init__(self, address: str, ton: int = 0, npi: int = 0, status: int = 0) -> None:
        self.address = address
        self.ton = ton
        self.npi = npi
        self.status = status

    def _values(self) -> tuple[str, int, int, int]:
        return self.address, self.ton, self.npi, self.status

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal."""
        return isinstance(other, Failure) and self._values() == other._values()

    def __hash__(self) -> int:
        """By all fields."""
        return hash(self._values())


_FIELDS: Final = (
    "addr_npi",
    "addr_ton",
    "address_range",
    "command_id",
    "data_coding",
    "dest_addr_npi",
    "dest_addr_ton",
    "destination_addr",
    "destinations",
    "error_code",
    "esm_class",
    "esme_addr",
    "esme_addr_npi",
    "esme_addr_ton",
    "failures",
    "final_date",
    "interface_version",
    "message_id",
    "message_state",
    "password",
    "priority_flag",
    "protocol_id",
    "registered_delivery",
    "replace_if_present_flag",
    "schedule_delivery_time",
    "sequence",
    "service_type",
    "short_message",
    "sm_default_msg_id",
    "source_addr",
    "source_addr_npi",
    "source_addr_ton",
    "status",
    "system_id",
    "system_type",
    "tlvs",
    "validity_period",
)


class Pdu:
    """Any PDU. Fields bear the standard's names; those that the command does not have keep their defaults.

    C-octet strings are `str` of Latin-1 characters (lossless for any octet), texts and optional fields are
    `bytes`. Length fields do not exist here: the writer derives them. Of an optional field that is repeated
    the last one counts.
    """

    __slots__ = _FIELDS

    def __init__(
        self,
        command_id: int,
        status: int = 0,
        sequence: int = 0,
        service_type: str = "",
        source_addr_ton: int = 0,
        source_addr_npi: int = 0,
        source_addr: str = "",
        dest_addr_ton: int = 0,
        dest_addr_npi: int = 0,
        destination_addr: str = "",
        esm_class: int = 0,
        protocol_id: int = 0,
        priority_flag: int = 0,
        schedule_delivery_time: str = "",
        validity_period: str = "",
        registered_delivery: int = 0,
        replace_if_present_flag: int = 0,
        data_coding: int = 0,
        sm_default_msg_id: int = 0,
        short_message: bytes = b"",
        tlvs: dict[int, bytes] | None = None,
        message_id: str = "",
        system_id: str = "",
        password: str = "",
        system_type: str = "",
        interface_version: int = 0,
        addr_ton: int = 0,
        addr_npi: int = 0,
        address_range: str = "",
        final_date: str = "",
        message_state: int = 0,
        error_code: int = 0,
        esme_addr_ton: int = 0,
        esme_addr_npi: int = 0,
        esme_addr: str = "",
        destinations: tuple[Destination, ...] = (),
        failures: tuple[Failure, ...] = (),
    ) -> None:
        self.command_id = command_id
        self.status = status
        self.sequence = sequence
        self.service_type = service_type
        self.source_addr_ton = source_addr_ton
        self.source_addr_npi = source_addr_npi
        self.source_addr = source_addr
        self.dest_addr_ton = dest_addr_ton
        self.dest_addr_npi = dest_addr_npi
        self.destination_addr = destination_addr
        self.esm_class = esm_class
        self.protocol_id = protocol_id
        self.priority_flag = priority_flag
        self.schedule_delivery_time = schedule_delivery_time
        self.validity_period = validity_period
        self.registered_delivery = registered_delivery
        self.replace_if_present_flag = replace_if_present_flag
        self.data_coding = data_coding
        self.sm_default_msg_id = sm_default_msg_id
        self.short_message = short_message
        self.tlvs: dict[int, bytes] = {} if tlvs is None else tlvs
        self.message_id = message_id
        self.system_id = system_id
        self.password = password
        self.system_type = system_type
        self.interface_version = interface_version
        self.addr_ton = addr_ton
        self.addr_npi = addr_npi
        self.address_range = address_range
        self.final_date = final_date
        self.message_state = message_state
        self.error_code = error_code
        self.esme_addr_ton = esme_addr_ton
        self.esme_addr_npi = esme_addr_npi
        self.esme_addr = esme_addr
        self.destinations = destinations
        self.failures = failures

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal."""
        return isinstance(other, Pdu) and all(getattr(self, name) == getattr(other, name) for name in _FIELDS)

    __hash__ = None  # type: ignore[assignment]  # its fields change

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
