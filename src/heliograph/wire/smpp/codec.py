"""PDUs to bytes and back: two walkers that serve every row of the table (SMPP 3.4 Issue 1.2, section 3.2 and 4)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from struct import Struct
from typing import Any, Final

from . import hot, statuses, tables
from .pdus import Destination, Failure, Pdu, PduError

_HEADER: Final = Struct(">IIII")
_TLV: Final = Struct(">HH")
_LENGTH: Final = Struct(">I")
_HOT_READERS: Final = hot.READERS
_HOT_WRITERS: Final = hot.WRITERS


class _BrokenError(Exception):
    """Inside the walkers: why a body cannot be read or written, and the status that says so."""

    def __init__(self, reason: str, answer: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.answer = answer


def measure(data: bytes, start: int = 0, *, limit: int = tables.MAX_LENGTH) -> int:
    """The length in octets of the PDU that begins at `start`, 0 when fewer than four octets are there.

    Raises an unrecoverable `PduError` for a length below the header's 16 octets or beyond `limit`.
    """
    if len(data) - start < 4:
        return 0
    (length,) = _LENGTH.unpack_from(data, start)
    if tables.HEADER_LENGTH <= length <= limit:
        return int(length)
    known = len(data) - start >= tables.HEADER_LENGTH
    _, command_id, status, sequence = _HEADER.unpack_from(data, start) if known else (0, 0, 0, 0)
    header = Pdu(command_id, status, sequence)
    raise PduError(f"command_length {length}", header, statuses.ESME_RINVCMDLEN, recoverable=False)


def decode(data: bytes, start: int = 0, end: int | None = None) -> Pdu:
    """Read the PDU in data[start:end], header and body. Raises `PduError`."""
    end = len(data) if end is None else end
    if end - start >= tables.HEADER_LENGTH:
        length, command_id, status, sequence = _HEADER.unpack_from(data, start)
        reader = _HOT_READERS.get(command_id)
        if reader is not None and length == end - start:
            pdu = reader(data, start, end, command_id, status, sequence)
            if pdu is not None:
                return pdu
    return decode_by_table(data, start, end)


def encode(pdu: Pdu) -> bytes:
    """Write a PDU. Raises `PduError` when a value does not fit its field."""
    writer = _HOT_WRITERS.get(pdu.command_id)
    if writer is not None:
        data = writer(pdu)
        if data is not None:
            return data
    return encode_by_table(pdu)


def decode_by_table(data: bytes, start: int, end: int) -> Pdu:
    """As `decode`, walking the command's row; every command can be read this way."""
    if end - start < tables.HEADER_LENGTH:
        raise PduError("no whole header", Pdu(0), statuses.ESME_RINVCMDLEN, recoverable=False)
    length, command_id, status, sequence = _HEADER.unpack_from(data, start)
    pdu = Pdu(command_id, status, sequence)
    if length != end - start:
        raise PduError(f"command_length {length}", pdu, statuses.ESME_RINVCMDLEN, recoverable=False)
    row = tables.COMMANDS.get(command_id)
    if row is None:
        raise PduError("unknown command", pdu, statuses.ESME_RINVCMDID)
    body = data[start + tables.HEADER_LENGTH : end]
    is_response = command_id & tables.RESPONSE != 0
    # Answers with an error have no body (4.4.2 and others), and many centres leave it out of other answers too.
    if not body and is_response:
        return pdu
    values: dict[str, Any] = {}
    try:
        position = 0
        for field in row.fields:
            values[field.name], position = _READERS[field.kind](body, position, field, is_response)
        tlvs = _read_tlvs(body, position)
    except _BrokenError as error:
        raise PduError(error.reason, pdu, error.answer) from None
    return Pdu(command_id, status, sequence, tlvs=tlvs, **values)


def encode_by_table(pdu: Pdu) -> bytes:
    """As `encode`, walking the command's row; every command can be written this way."""
    row = tables.COMMANDS.get(pdu.command_id)
    if row is None:
        raise PduError("unknown command", _header_of(pdu), statuses.ESME_RINVCMDID)
    try:
        if pdu.status and pdu.command_id & tables.RESPONSE and not _has_body(pdu, row):
            body = b""
        else:
            parts = [_WRITERS[field.kind](getattr(pdu, field.name), field) for field in row.fields]
            body = b"".join(parts) + write_tlvs(pdu.tlvs)
        length = tables.HEADER_LENGTH + len(body)
        return _HEADER.pack(length, pdu.command_id, pdu.status, pdu.sequence) + body
    except _BrokenError as error:
        raise PduError(error.reason, _header_of(pdu), error.answer) from None
    except (struct.error, TypeError, AttributeError) as bad:
        raise PduError(f"bad header or optional field ({bad})", _header_of(pdu), statuses.ESME_RINVPARLEN) from None


def check_lengths(pdu: Pdu) -> int:
    """The command_status for the first C-octet string longer than the standard allows, 0 when all fit.

    The walkers do not insist (passwords beyond 8 octets are common); whoever must be strict asks here.
    """
    for field in tables.COMMANDS[pdu.command_id].fields:
        if field.kind == "cstring" and len(getattr(pdu, field.name)) >= field.limit:
            return field.status
    return statuses.ESME_ROK


def read_tlv(tag: int, raw: bytes) -> int | str | bytes:
    """The value of an optional field by the table's type; raw octets when the tag is unknown or the length is wrong."""
    row = tables.TLVS.get(tag)
    kind = row.kind if row else "octets"
    if kind == "cstring":
        return raw.split(b"\0", 1)[0].decode("latin-1")
    if kind.startswith("int") and len(raw) == int(kind[3]):
        return int.from_bytes(raw, "big")
    return raw


def write_tlv(tag: int, value: int | str | bytes) -> bytes:
    """The octets of an optional field's value. Raises ValueError or OverflowError when it does not fit."""
    row = tables.TLVS.get(tag)
    if isinstance(value, bytes):
        raw = value
    elif isinstance(value, str):
        raw = value.encode("latin-1") + b"\0"
    else:
        size = int(row.kind[3]) if row and row.kind.startswith("int") else 1
        raw = value.to_bytes(size, "big")
    if row and len(raw) > row.limit:
        raise ValueError(f"{row.name} is longer than {row.limit} octets")
    return raw


def write_tlvs(tlvs: dict[int, bytes]) -> bytes:
    """The optional fields in their order, each with its tag and length."""
    return b"".join([_TLV.pack(tag, len(value)) + value for tag, value in tlvs.items()])


def _header_of(pdu: Pdu) -> Pdu:
    return Pdu(pdu.command_id, pdu.status, pdu.sequence)


def _has_body(pdu: Pdu, row: tables.Command) -> bool:
    return bool(pdu.tlvs) or any(getattr(pdu, field.name) for field in row.fields)


def _read_tlvs(body: bytes, position: int) -> dict[int, bytes]:
    tlvs: dict[int, bytes] = {}
    end = len(body)
    while position < end:
        if position + 4 > end:
            raise _BrokenError("optional fields cut off", statuses.ESME_RINVOPTPARSTREAM)
        tag, length = _TLV.unpack_from(body, position)
        position += 4 + length
        if position > end:
            raise _BrokenError(f"optional field 0x{tag:04X} cut off", statuses.ESME_RINVOPTPARSTREAM)
        tlvs[tag] = body[position - length : position]
    return tlvs


def _read_int1(body: bytes, position: int, field: tables.Field, lenient: bool) -> tuple[int, int]:
    if position >= len(body):
        raise _BrokenError(f"no {field.name}", statuses.ESME_RINVCMDLEN)
    return body[position], position + 1


def _read_int4(body: bytes, position: int, field: tables.Field, lenient: bool) -> tuple[int, int]:
    if position + 4 > len(body):
        raise _BrokenError(f"no {field.name}", statuses.ESME_RINVCMDLEN)
    return int.from_bytes(body[position : position + 4], "big"), position + 4


def _read_cstring(body: bytes, position: int, field: tables.Field, lenient: bool) -> tuple[str, int]:
    end = body.find(b"\0", position)
    if end < 0:
        # Some centres forget the NUL after the message id of an answer; the id is still worth having.
        if not lenient or position > len(body):
            raise _BrokenError(f"{field.name} has no end", statuses.ESME_RINVCMDLEN)
        end = len(body)
    return body[position:end].decode("latin-1"), min(end + 1, len(body))


def _read_octets(body: bytes, position: int, field: tables.Field, lenient: bool) -> tuple[bytes, int]:
    length, position = _read_int1(body, position, field, lenient)
    if position + length > len(body):
        raise _BrokenError(f"{field.name} cut off", statuses.ESME_RINVMSGLEN)
    return body[position : position + length], position + length


_TON: Final = tables.Field("ton", "int1")
_NPI: Final = tables.Field("npi", "int1")
_ADDRESS: Final = tables.Field("address", "cstring", 21)
_ERROR: Final = tables.Field("error_status_code", "int4")
_TO_NUMBER: Final = 1
_TO_LIST: Final = 2


def _read_destinations(
    body: bytes, position: int, field: tables.Field, lenient: bool
) -> tuple[tuple[Destination, ...], int]:
    count, position = _read_int1(body, position, field, lenient)
    found = []
    for _ in range(count):
        flag, position = _read_int1(body, position, field, lenient)
        ton = npi = 0
        if flag == _TO_NUMBER:
            ton, position = _read_int1(body, position, _TON, lenient)
            npi, position = _read_int1(body, position, _NPI, lenient)
        elif flag != _TO_LIST:
            raise _BrokenError(f"dest_flag {flag}", statuses.ESME_RINVDESTFLAG)
        address, position = _read_cstring(body, position, _ADDRESS, lenient)
        found.append(Destination(address, ton, npi, flag == _TO_LIST))
    return tuple(found), position


def _read_failures(body: bytes, position: int, field: tables.Field, lenient: bool) -> tuple[tuple[Failure, ...], int]:
    count, position = _read_int1(body, position, field, lenient)
    found = []
    for _ in range(count):
        ton, position = _read_int1(body, position, _TON, lenient)
        npi, position = _read_int1(body, position, _NPI, lenient)
        address, position = _read_cstring(body, position, _ADDRESS, False)
        status, position = _read_int4(body, position, _ERROR, lenient)
        found.append(Failure(address, ton, npi, status))
    return tuple(found), position


def _write_int1(value: int, field: tables.Field) -> bytes:
    if not 0 <= value <= 0xFF:
        raise _BrokenError(f"{field.name} is not one octet", field.status)
    return bytes((value,))


def _write_int4(value: int, field: tables.Field) -> bytes:
    if not 0 <= value <= 0xFFFFFFFF:
        raise _BrokenError(f"{field.name} is not four octets", field.status)
    return value.to_bytes(4, "big")


def _write_cstring(value: str, field: tables.Field) -> bytes:
    try:
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        raise _BrokenError(f"{field.name} has characters beyond Latin-1", field.status) from None
    if b"\0" in raw:
        raise _BrokenError(f"{field.name} has a NUL", field.status)
    return raw + b"\0"


def _write_octets(value: bytes, field: tables.Field) -> bytes:
    if len(value) > field.limit:
        raise _BrokenError(f"{field.name} is longer than {field.limit} octets", field.status)
    return bytes((len(value),)) + value


def _write_destinations(value: tuple[Destination, ...], field: tables.Field) -> bytes:
    parts = [_write_int1(len(value), field)]
    for item in value:
        parts.append(bytes((_TO_LIST if item.is_list else _TO_NUMBER,)))
        if not item.is_list:
            parts += (_write_int1(item.ton, _TON), _write_int1(item.npi, _NPI))
        parts.append(_write_cstring(item.address, _ADDRESS))
    return b"".join(parts)


def _write_failures(value: tuple[Failure, ...], field: tables.Field) -> bytes:
    parts = [_write_int1(len(value), field)]
    for item in value:
        parts += (_write_int1(item.ton, _TON), _write_int1(item.npi, _NPI))
        parts += (_write_cstring(item.address, _ADDRESS), _write_int4(item.status, _ERROR))
    return b"".join(parts)


_READERS: Final[dict[tables.Kind, Callable[[bytes, int, tables.Field, bool], tuple[Any, int]]]] = {
    "int1": _read_int1,
    "int4": _read_int4,
    "cstring": _read_cstring,
    "octets": _read_octets,
    "destinations": _read_destinations,
    "failures": _read_failures,
}
_WRITERS: Final[dict[tables.Kind, Callable[[Any, tables.Field], bytes]]] = {
    "int1": _write_int1,
    "int4": _write_int4,
    "cstring": _write_cstring,
    "octets": _write_octets,
    "destinations": _write_destinations,
    "failures": _write_failures,
}
