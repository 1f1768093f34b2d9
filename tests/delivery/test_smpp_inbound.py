"""Texts of subscribers as a carrier brings them: alphabets, halves of characters, places (delivery/carriers/smpp/inbound.py)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.delivery.centres import PHONE

from heliograph.core.carriers import Settings
from heliograph.core.inbound import clean
from heliograph.delivery.carriers.contract import Inbound
from heliograph.delivery.carriers.smpp.inbound import Reader
from heliograph.wire.smpp import tables
from heliograph.wire.smpp.pdus import Pdu

NOW = 1_700_000_000_000


def read(pdus: list[Pdu]) -> list[Inbound]:
    """What the carrier's reader makes of them."""
    return [Reader(Settings()).read(pdu, NOW) for pdu in pdus]


@pytest.mark.parametrize(
    ("coding", "octets", "text"),
    [
        (0, b"a\x00\x1be", "a@€"),
        (1, b"abc", "abc"),
        (3, b"\xe7a", "ça"),
        (8, "да😀".encode("utf-16-be"), "да😀"),
        (8, b"\x00a\x00", "a�"),
        (6, "да".encode("iso8859-5"), "да"),
        (4, b"\x01\xff", "01ff"),
        (0x18, "да".encode("utf-16-be"), "да"),
        (0x10, b"abc", "abc"),
        (0xF0, b"abc", "abc"),
        (0xF5, b"\x01\xff", "01ff"),
        (0xE0, "да".encode("utf-16-be"), "да"),
        (0xC8, b"abc", "abc"),
        (0x20, b"\x01", "01"),
        (3, b"a\0b", "ab"),
    ],
)
def test_subscribers_text_is_read_by_its_coding(coding: int, octets: bytes, text: str) -> None:
    """Whatever comes is a text that a database takes; nothing raises."""
    pdu = Pdu(
        tables.DELIVER_SM, source_addr="+" + PHONE, destination_addr="1234", data_coding=coding, short_message=octets
    )
    (inbound,) = read([pdu])
    assert (inbound.text, inbound.phone, inbound.to_phone) == (text, PHONE, "1234")


def test_references_of_8_and_16_bits_are_not_the_same() -> None:
    """Two texts of one phone at once would be mixed."""
    headers = (bytes((5, 0, 3, 9, 2, 1)), bytes((6, 8, 4, 0, 9, 2, 1)))
    found = read([Pdu(tables.DELIVER_SM, esm_class=0x40, short_message=header + b"a") for header in headers])
    assert [(each.reference, each.total, each.number) for each in found] == [(9, 2, 1), (0x10009, 2, 1)]


def test_half_of_an_emoji_is_kept_for_the_part_with_the_other() -> None:
    """Phones cut where a part is full; what became a replacement character here could never be put together."""
    octets = "a😀".encode("utf-16-be")
    halves = [
        Pdu(tables.DELIVER_SM, esm_class=0x40, data_coding=8, short_message=bytes((5, 0, 3, 9, 2, number)) + piece)
        for number, piece in ((1, octets[:4]), (2, octets[4:]))
    ]
    assert [each.text for each in read(halves)] == ["a\ud83d", "\ude00"]


@settings(max_examples=100, deadline=None)
@given(
    coding=st.integers(0, 255),
    esm_class=st.sampled_from([0, 0x40]),
    octets=st.binary(max_size=160),
    tlvs=st.dictionaries(st.sampled_from([0x020C, 0x020E, 0x020F, 0x0424, 0x1400]), st.binary(max_size=4)),
    packed=st.booleans(),
)
def test_no_octets_of_a_subscriber_break_the_reader(
    coding: int, esm_class: int, octets: bytes, tlvs: dict[int, bytes], packed: bool
) -> None:
    """Strangers write these; they must not cost a link or a commit."""
    pdu = Pdu(tables.DELIVER_SM, esm_class=esm_class, data_coding=coding, short_message=octets, tlvs=tlvs)
    inbound = Reader(Settings(alphabets="gsm7-packed" if packed else "gsm7")).read(pdu, NOW)
    assert "\0" not in inbound.text
    clean(inbound.text).encode()
    assert 1 <= inbound.number <= inbound.total <= 255
