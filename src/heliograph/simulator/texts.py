"""Texts in and out of PDUs: decoding what was submitted, joining its parts, writing what a subscriber sends (3GPP TS 23.040, 9.2.3.24)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import msgspec

from heliograph.wire.gsm import alphabet, segments, udh
from heliograph.wire.gsm.alphabet import Alphabet
from heliograph.wire.smpp import tables
from heliograph.wire.smpp.pdus import Pdu


class Piece(msgspec.Struct, frozen=True):
    """The text of one submit_sm without its header: octets, words, and its place (`parts` is 1 when it stands alone)."""

    payload: bytes
    text: str
    reference: int = 0
    part: int = 1
    parts: int = 1


def alphabet_of(data_coding: int) -> Alphabet:
    """The alphabet that a data_coding names (5.2.19, and the groups of 3GPP TS 23.038, section 4)."""
    if data_coding in (tables.CODING_LATIN1, tables.CODING_ASCII):
        return Alphabet.LATIN1
    if data_coding in (tables.CODING_BINARY, tables.CODING_BINARY_ALT):
        return Alphabet.BINARY
    if data_coding & 0xF0 == 0xF0:
        return Alphabet.BINARY if data_coding & 0x04 else Alphabet.GSM7
    if data_coding & 0xC0 == 0 and data_coding & 0x0C in (0x04, 0x08):
        return Alphabet.UCS2 if data_coding & 0x0C == 0x08 else Alphabet.BINARY
    return Alphabet.GSM7


def read_piece(pdu: Pdu) -> Piece:
    """What a submit_sm carries; a header that cannot be read counts as text."""
    payload = pdu.text
    reference, part, parts = read_place(pdu)
    if pdu.esm_class & tables.ESM_UDH:
        try:
            _, payload = udh.parse(payload)
        except udh.UdhError:
            pass
    return Piece(payload, alphabet.decode_as(payload, alphabet_of(pdu.data_coding)), reference, part, parts)


def read_place(pdu: Pdu) -> tuple[int, int, int]:
    """(reference, part, parts) by the user data header or the sar_ fields; (0, 1, 1) for a text that stands alone."""
    if pdu.esm_class & tables.ESM_UDH:
        try:
            elements, _ = udh.parse(pdu.text)
        except udh.UdhError:
            return 0, 1, 1
        place = udh.find_concatenation(elements)
        return (place.reference, place.number, place.total) if place else (0, 1, 1)
    if tables.TAG_SAR_TOTAL_SEGMENTS in pdu.tlvs:
        tags = (tables.TAG_SAR_MSG_REF_NUM, tables.TAG_SAR_SEGMENT_SEQNUM, tables.TAG_SAR_TOTAL_SEGMENTS)
        reference, part, parts = (int.from_bytes(pdu.tlvs.get(tag, b""), "big") for tag in tags)
        return (reference, part, parts) if 1 <= part <= parts else (0, 1, 1)
    return 0, 1, 1


class Joiner:
    """Parts of long texts that wait for each other; the oldest text is forgotten beyond `limit`."""

    LIMIT: Final = 10_000

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._waiting: OrderedDict[tuple[object, ...], dict[int, str]] = OrderedDict()

    def add(self, owner: tuple[object, ...], piece: Piece) -> str | None:
        """The whole text once its last part is here, else None. `owner` tells texts of one reference apart."""
        if piece.parts == 1:
            return piece.text
        key = (*owner, piece.reference, piece.parts)
        parts = self._waiting.setdefault(key, {})
        parts[piece.part] = piece.text
        if len(parts) < piece.parts:
            if len(self._waiting) > self._limit:
                self._waiting.popitem(last=False)
            return None
        del self._waiting[key]
        return "".join(parts[number] for number in sorted(parts))


def write_inbound(source: str, destination: str, text: str, reference: int) -> list[Pdu]:
    """The deliver_sm of a subscriber's text: GSM alphabet or UCS-2, long ones in parts with a user data header.

    `reference` has 8 bits. Raises ValueError beyond 255 parts.
    """
    chosen = alphabet.choose(text)
    parts = segments.split(text, chosen)
    if len(parts) > 255:
        raise ValueError("a text has at most 255 parts")
    pdus = []
    for number, part in enumerate(parts, 1):
        header = udh.build([udh.concatenation(reference, len(parts), number, wide=False)]) if len(parts) > 1 else b""
        pdus.append(
            Pdu(
                tables.DELIVER_SM,
                source_addr_ton=tables.TON_INTERNATIONAL,
                source_addr_npi=tables.NPI_ISDN,
                source_addr=source,
                dest_addr_ton=tables.TON_INTERNATIONAL,
                dest_addr_npi=tables.NPI_ISDN,
                destination_addr=destination,
                esm_class=tables.ESM_UDH if header else tables.ESM_DEFAULT,
                data_coding=tables.CODING_UCS2 if chosen is Alphabet.UCS2 else tables.CODING_DEFAULT,
                short_message=header + alphabet.encode_as(part, chosen),
            )
        )
    return pdus
