"""Hand-made readers and writers for the four PDUs that carry the traffic: submit_sm, deliver_sm and their answers.

They do what the walkers of `codec` do with the rows of SMPP 3.4 Issue 1.2, sections 4.4 and 4.6, some ten times
faster; whatever is unusual they leave to the walkers by returning None, so an error is described in one place.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from struct import Struct
from typing import Final

from . import tables
from .pdus import Pdu

_HEADER: Final = Struct(">IIII")
_TLV: Final = Struct(">HH")
_unpack_tlv: Final = _TLV.unpack_from
_pack_tlv: Final = _TLV.pack
_pack_header: Final = _HEADER.pack
# The mandatory fields of submit_sm and deliver_sm up to sm_length; %c writes one octet once encoded as Latin-1.
_MESSAGE_FORMAT: Final = "%s\0%c%c%s\0%c%c%s\0%c%c%c%s\0%s\0%c%c%c%c%c"


def read_message(data: bytes, start: int, end: int, command_id: int, status: int, sequence: int) -> Pdu | None:
    """A submit_sm or deliver_sm in data[start:end], or None when it is for the walker to judge."""
    body = data[start + 16 : end]
    text = body.decode("latin-1")
    try:
        a = text.index("\0")
        b = text.index("\0", a + 3)
        c = text.index("\0", b + 3)
        d = text.index("\0", c + 4)
        e = text.index("\0", d + 1)
        after = e + 6 + body[e + 5]
    except (ValueError, IndexError):
        return None
    size = len(body)
    if after > size:
        return None
    tlvs = {}
    position = after
    while position < size:
        if position + 4 > size:
            return None
        tag, length = _unpack_tlv(body, position)
        position += 4 + length
        if position > size:
            return None
        tlvs[tag] = body[position - length : position]
    return Pdu(
        command_id,
        status,
        sequence,
        text[:a],
        body[a + 1],
        body[a + 2],
        text[a + 3 : b],
        body[b + 1],
        body[b + 2],
        text[b + 3 : c],
        body[c + 1],
        body[c + 2],
        body[c + 3],
        text[c + 4 : d],
        text[d + 1 : e],
        body[e + 1],
        body[e + 2],
        body[e + 3],
        body[e + 4],
        body[e + 6 : after],
        tlvs,
    )


def read_answer(data: bytes, start: int, end: int, command_id: int, status: int, sequence: int) -> Pdu | None:
    """A submit_sm_resp or deliver_sm_resp without optional fields, or None when it is for the walker to judge."""
    first = start + 16
    # The only NUL is the last octet: exactly a message id and nothing behind it.
    if first == end or data.find(b"\0", first, end) != end - 1:
        return None
    pdu = Pdu(command_id, status, sequence)
    pdu.message_id = data[first : end - 1].decode("latin-1")
    return pdu


def write_message(pdu: Pdu) -> bytes | None:
    """The octets of a submit_sm or deliver_sm, or None when something does not fit (the walker says what)."""
    service_type, source, destination = pdu.service_type, pdu.source_addr, pdu.destination_addr
    schedule, validity, message = pdu.schedule_delivery_time, pdu.validity_period, pdu.short_message
    if "\0" in service_type + source + destination + schedule + validity:
        return None
    values = (
        service_type,
        pdu.source_addr_ton,
        pdu.source_addr_npi,
        source,
        pdu.dest_addr_ton,
        pdu.dest_addr_npi,
        destination,
        pdu.esm_class,
        pdu.protocol_id,
        pdu.priority_flag,
        schedule,
        validity,
        pdu.registered_delivery,
        pdu.replace_if_present_flag,
        pdu.data_coding,
        pdu.sm_default_msg_id,
        len(message),
    )
    try:
        body = (_MESSAGE_FORMAT % values).encode("latin-1") + message
        for tag, value in pdu.tlvs.items():
            body += _pack_tlv(tag, len(value)) + value
        return _pack_header(16 + len(body), pdu.command_id, pdu.status, pdu.sequence) + body
    except (UnicodeEncodeError, OverflowError, struct.error, TypeError):
        return None


def write_answer(pdu: Pdu) -> bytes | None:
    """The octets of a submit_sm_resp or deliver_sm_resp, or None when it is for the walker to write."""
    message_id = pdu.message_id
    if pdu.tlvs or "\0" in message_id:
        return None
    try:
        if not message_id:
            return answer(pdu.command_id, pdu.status, pdu.sequence)
        return answer(pdu.command_id, pdu.status, pdu.sequence, message_id.encode("latin-1"))
    except (UnicodeEncodeError, struct.error):
        return None


def answer(command_id: int, status: int, sequence: int, message_id: bytes = b"") -> bytes:
    """A submit_sm_resp or deliver_sm_resp from its values; an error without an id has no body (4.4.2)."""
    if status and not message_id:
        return _pack_header(16, command_id, status, sequence)
    return _pack_header(17 + len(message_id), command_id, status, sequence) + message_id + b"\0"


Reader = Callable[[bytes, int, int, int, int, int], Pdu | None]
Writer = Callable[[Pdu], bytes | None]

READERS: Final[dict[int, Reader]] = {
    tables.SUBMIT_SM: read_message,
    tables.DELIVER_SM: read_message,
    tables.SUBMIT_SM_RESP: read_answer,
    tables.DELIVER_SM_RESP: read_answer,
}
WRITERS: Final[dict[int, Writer]] = {
    tables.SUBMIT_SM: write_message,
    tables.DELIVER_SM: write_message,
    tables.SUBMIT_SM_RESP: write_answer,
    tables.DELIVER_SM_RESP: write_answer,
}
