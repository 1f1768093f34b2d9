"""Alphabets, headers, times and wishes of a submit_sm (SMPP 3.4, 5.2; spec protocols 5.3)."""

import pytest

from heliograph.core.messages import Flag, Kind
from heliograph.core.reasons import Refused
from heliograph.gateways.smpp_refusals import Denied
from heliograph.gateways.smpp_submits import clean, read_text
from heliograph.gateways.smpp_texts import read_content, read_sender, read_times, read_told
from heliograph.wire.smpp import statuses, tables
from heliograph.wire.smpp.pdus import Pdu

NOW = 1_790_000_000_000


def make(text: bytes, coding: int = 0, **more: object) -> Pdu:
    return Pdu(tables.SUBMIT_SM, short_message=text, data_coding=coding, **more)  # type: ignore[arg-type]


def read(pdu: Pdu, latin1: bool = False) -> tuple[str, Kind]:
    return read_text(pdu, read_content(pdu, latin1))


@pytest.mark.parametrize(
    ("octets", "coding", "latin1", "text", "kind"),
    [
        (b"\x00 at \x02", 0x00, False, "@ at $", Kind.SMS),
        (b"\x1b\x65 5", 0x00, False, "€ 5", Kind.SMS),
        ("é @".encode("latin-1"), 0x00, True, "é @", Kind.SMS),
        (b"plain", 0x01, False, "plain", Kind.SMS),
        ("é".encode("latin-1"), 0x03, False, "é", Kind.SMS),
        ("é €"[:1].encode("latin-1"), 0x04, False, "é", Kind.SMS),
        ("Привет".encode("utf-16-be"), 0x08, False, "Привет", Kind.SMS),
        ("Привет".encode("iso8859-5"), 0x06, False, "Привет", Kind.SMS),
        (b"now", 0x10, False, "now", Kind.FLASH),
        ("сейчас".encode("utf-16-be"), 0x18, False, "сейчас", Kind.FLASH),
        (b"now", 0xF0, False, "now", Kind.FLASH),
        (b"later", 0xF1, False, "later", Kind.SMS),
        (b"later", 0x11, False, "later", Kind.SMS),
        (b"__FLASH__now", 0x00, False, "now", Kind.FLASH),
        (b"__HLR__", 0x00, False, "", Kind.HLR),
        (b"__PING__", 0x00, False, "", Kind.PING),
        (b"__OTHER__x", 0x03, False, "__OTHER__x", Kind.SMS),
        (b"text\n~~~\nOrder 15", 0x03, False, "text\n~~~\nOrder 15", Kind.SMS),
        (b"closed\0", 0x03, False, "closed", Kind.SMS),
    ],
)
def test_texts_are_read_by_their_coding(octets: bytes, coding: int, latin1: bool, text: str, kind: Kind) -> None:
    """Each client has its own way of writing one and the same text."""
    if octets.startswith(b"__") and coding == 0:  # 0x5F is another character of the GSM alphabet
        octets = octets.replace(b"_", b"\x11")
    assert read(make(octets, coding), latin1) == (text, kind)


def test_payload_counts_when_there_is_no_short_message() -> None:
    """The vendor's own class sends every text this way."""
    assert read(make(b"", 8, tlvs={0x0424: "да".encode("utf-16-be")})) == ("да", Kind.SMS)


def test_display_subunit_is_flash() -> None:
    """dest_addr_subunit 1 (5.3.2.1) is the third way of asking for it."""
    assert read(make(b"now", 3, tlvs={0x0005: b"\x01"})) == ("now", Kind.FLASH)


@pytest.mark.parametrize(
    ("pdu", "status"),
    [
        (make(b"", 3), statuses.ESME_RINVMSGLEN),
        (make(b"x" * 1001, 3), statuses.ESME_RINVMSGLEN),
        (make(b"\xd8\x00\x00", 8), statuses.ESME_RINVDCS),
        (make(b"\xd8\x00", 8), statuses.ESME_RINVDCS),
        (make(b"a\0b", 3), statuses.ESME_RINVDCS),
        (make(b"x", 0x0B), statuses.ESME_RINVDCS),
        (make(b"x", 0x20), statuses.ESME_RINVDCS),
        (make(b"x", 0x80), statuses.ESME_RINVDCS),
        (make(b"\x09\x00", 0, esm_class=0x40), statuses.ESME_RINVESMCLASS),
        (make(b"x", tlvs={0x020C: b"\0\1", 0x020E: b"\2"}), statuses.ESME_RINVOPTPARAMVAL),
        (make(b"x", tlvs={0x020C: b"\0\1", 0x020E: b"\2", 0x020F: b"\3"}), statuses.ESME_RINVOPTPARAMVAL),
        (make(b"", 4, esm_class=0x40, tlvs={}), statuses.ESME_RINVESMCLASS),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(pdu: Pdu, status: int) -> None:
    """Garbage gets the status that says what is wrong with it."""
    with pytest.raises(Denied) as caught:
        read(pdu)
    assert caught.value.status == status


def test_kinds_of_later_versions_are_refused() -> None:
    """Such a text must not go out with its marker as an ordinary one."""
    for text in ("__VIBER__x", "__CALL__code", "__SOC__x"):
        with pytest.raises(Refused):
            clean(text, False)


def test_binary_keeps_its_header_coding_and_protocol() -> None:
    """A header with ports is for the phone's software, and goes out octet by octet."""
    header = bytes((6, 5, 4, 0x0B, 0x84, 0x23, 0xF0))
    pdu = make(header + b"\x01\x06", 4, esm_class=0x40, protocol_id=7)
    assert read(pdu) == ("0605040b8423f00106\n~~~\npid: 7, dcs: 4", Kind.BINARY)
    assert read(make(b"\x01\x02", 4)) == ("0102\n~~~\npid: 0, dcs: 4", Kind.BINARY)


def test_places_are_found_in_headers_and_optional_fields() -> None:
    """Both ways of numbering parts are in use, and a header of one part alone is none."""
    short = read_content(make(bytes((5, 0, 3, 9, 2, 1)) + b"a", 3, esm_class=0x40), False)
    assert short.place == (9, 2, 1) and short.data == b"a"
    wide = read_content(make(bytes((6, 8, 4, 1, 9, 2, 1)) + b"a", 3, esm_class=0x40), False)
    assert wide.place == (0x109, 2, 1)
    sar = read_content(make(b"a", 3, tlvs={0x020C: b"\1\2", 0x020E: b"\3", 0x020F: b"\2"}), False)
    assert sar.place == (0x102, 3, 2)
    assert read_content(make(bytes((5, 0, 3, 9, 1, 1)) + b"a", 3, esm_class=0x40), False).place is None


def test_sender_dot_is_no_name() -> None:
    """Empty is the account's own name, a dot switches it off."""
    assert (read_sender(""), read_sender("."), read_sender("Shop")) == (None, "", "Shop")


def test_registered_delivery_chooses_the_receipts() -> None:
    """0 none (the handler is told), 1 every end, 2 failures, 3 deliveries; 0x10 the steps before."""
    both = Flag.TELL_DELIVERED | Flag.TELL_FAILED
    assert [read_told(n) for n in (0, 1, 2, 3)] == [0, both, Flag.TELL_FAILED, Flag.TELL_DELIVERED]
    assert read_told(0x11) == both | Flag.TELL_STEPS


def test_times_are_read_in_both_forms() -> None:
    """Absolute ones in their zone, relative ones from now; life counts from the time of sending."""
    assert read_times(make(b"x", schedule_delivery_time="000000010000000R"), NOW) == (NOW + 3_600_000, 0)
    absolute = make(b"x", schedule_delivery_time="260921181320012+", validity_period="260921191320012+")
    assert read_times(absolute, NOW) == (NOW + 3_600_000, 3600)
    assert read_times(make(b"x", validity_period="000000020000000R"), NOW) == (0, 7200)
    assert read_times(make(b"x", validity_period="000002000000000R"), NOW) == (0, 86_400)
    assert read_times(make(b"x", schedule_delivery_time="200101000000000+"), NOW) == (0, 0)


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("schedule_delivery_time", "tomorrow", statuses.ESME_RINVSCHED),
        ("schedule_delivery_time", "261332000000000+", statuses.ESME_RINVSCHED),
        ("validity_period", "yes", statuses.ESME_RINVEXPIRY),
        ("validity_period", "200101000000000+", statuses.ESME_RINVEXPIRY),
        ("validity_period", "000000000000000R", statuses.ESME_RINVEXPIRY),
    ],
)
def test_bad_times_are_refused_by_name(name: str, text: str, status: int) -> None:
    """The client sees which of the two is wrong."""
    with pytest.raises(Denied) as caught:
        read_times(make(b"x", **{name: text}), NOW)
    assert caught.value.status == status
