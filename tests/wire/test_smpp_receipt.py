"""Delivery receipts as carriers really write them, and the spellings of ids."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.wire.smpp import tables
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.receipt import STATES, format_text, parse_receipt

SUBMITTED = 1_709_294_400_000  # 2024-03-01 12:00:00 UTC
DONE = SUBMITTED + 61_000


def receipt_pdu(text: str | bytes, esm_class: int = 4, **fields: object) -> Pdu:
    """A deliver_sm with such a text."""
    raw = text if isinstance(text, bytes) else text.encode("latin-1")
    return Pdu(tables.DELIVER_SM, short_message=raw, esm_class=esm_class, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", STATES)
def test_written_receipt_is_read_back(name: str) -> None:
    """Our two halves agree on every state."""
    text = format_text("1042", STATES[name], submitted_ms=SUBMITTED, done_ms=DONE, error=6, text="Hello")
    receipt = parse_receipt(receipt_pdu(text))
    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.state_name) == ("1042", STATES[name], name)
    assert (receipt.error, receipt.done_date, receipt.text) == ("006", DONE - 1000, "Hello")
    assert receipt.is_final == (name not in ("ENROUTE", "ACCEPTD"))


def test_customary_text_is_exact() -> None:
    """Clients cut it at fixed places; a two-digit number or a long date breaks them."""
    assert format_text("1042", 2, submitted_ms=SUBMITTED, done_ms=DONE, text="x" * 30) == (
        "id:1042 sub:001 dlvrd:001 submit date:2403011200 done date:2403011201 stat:DELIVRD err:000 text:" + "x" * 20
    )
    assert " sub:003 dlvrd:000 " in format_text("1", 5, submitted_ms=SUBMITTED, done_ms=DONE, parts=3)


@pytest.mark.parametrize(
    ("text", "message_id", "state", "error", "done"),
    [
        ("id:7 stat:DELIVRD", "7", 2, "", None),
        ("stat:EXPIRED err:1A id:0f-3B.x", "0f-3B.x", 3, "1A", None),
        ("ID:7 SUB:001 DLVRD:000 STAT:undeliv ERR:11\0", "7", 5, "11", None),
        ("id: 7 stat: FAILED err: 069", "7", 5, "069", None),
        ("id:7 submit date:240301120000 done date:240301120101 stat:DELIVRD err:0 text:", "7", 2, "0", DONE),
        ("id:7 done date:20240301120101 stat:DELIVRD", "7", 2, "", DONE),
        ("id:7 done_date:2403011201 stat:2 err:abc", "7", 2, "abc", DONE - 1000),
        ("id:7 done date:9999999999 stat:SOMETHING", "7", 7, "", None),
        ("id:7 stat:REJECTD err:020 imsi:250011234567890 msc:79168999100 mcc:250", "7", 8, "020", None),
        ("id:7, stat:DELIVRD; err:001", "7", 2, "001", None),
    ],
)
def test_texts_of_all_sorts_are_read(text: str, message_id: str, state: int, error: str, done: int | None) -> None:
    """Order, case, missing fields, long dates, odd errors: every carrier has its own."""
    receipt = parse_receipt(receipt_pdu(text))
    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.error, receipt.done_date) == (message_id, state, error, done)


def test_keys_inside_the_text_field_are_text() -> None:
    """A customer's words "stat:" must not change a status."""
    receipt = parse_receipt(receipt_pdu("id:7 stat:UNDELIV err:006 text:id:8 stat:DELIVRD"))
    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.text) == ("7", 5, "id:8 stat:DELIVRD")


def test_optional_fields_win_over_the_text() -> None:
    """The optional fields are exact, while texts get cut and converted."""
    tlvs = {0x001E: b"A1\0", 0x0427: b"\x05", 0x0423: b"\x03\x00\x0b"}
    receipt = parse_receipt(receipt_pdu("id:161 stat:DELIVRD err:000", tlvs=tlvs))
    assert receipt is not None
    assert (receipt.message_id, receipt.state, receipt.error, receipt.network_type) == ("A1", 5, "000", 3)


def test_optional_fields_alone_are_enough() -> None:
    """Some centres send no text, and some no flag either."""
    tlvs = {0x001E: b"A1\0", 0x0427: b"\x02", 0x0423: b"\x03\x01\x00"}
    for esm_class in (0, 4):
        receipt = parse_receipt(receipt_pdu("", esm_class, tlvs=tlvs))
        assert receipt is not None
        assert (receipt.message_id, receipt.state, receipt.error) == ("A1", 2, "256")


def test_receipt_in_message_payload_is_read() -> None:
    """The text may travel in the optional field."""
    receipt = parse_receipt(Pdu(tables.DELIVER_SM, esm_class=4, tlvs={0x0424: b"id:7 stat:DELIVRD"}))
    assert receipt is not None
    assert receipt.message_id == "7"


@pytest.mark.parametrize("text", ["Hello", "", "id:5 stat:DELIVRD please", "my id: 5", "text: id:5"])
def test_ordinary_texts_are_no_receipts(text: str) -> None:
    """A subscriber must not be able to write a receipt by phone so easily."""
    assert parse_receipt(receipt_pdu(text, 0)) is None


def test_unmarked_text_in_the_customary_form_is_a_receipt() -> None:
    """Some centres forget esm_class, and their receipts count."""
    text = format_text("1042", 2, submitted_ms=SUBMITTED, done_ms=DONE)
    assert parse_receipt(receipt_pdu(text, 0)) is not None


def test_marked_without_anything_readable_is_none() -> None:
    """There is nothing to match it with."""
    assert parse_receipt(receipt_pdu("delivered, thank you")) is None


@given(
    st.binary(max_size=120) | st.text(st.sampled_from("id:statdone dateerrtext01F \0"), max_size=120).map(str.encode),
    st.integers(0, 255),
    st.dictionaries(st.sampled_from([0x1E, 0x423, 0x424, 0x427]), st.binary(max_size=6)),
)
@settings(max_examples=300, deadline=None)
def test_parser_never_raises(text: bytes, esm_class: int, tlvs: dict[int, bytes]) -> None:
    """One odd receipt must not stop a link."""
    receipt = parse_receipt(receipt_pdu(text, esm_class, tlvs=tlvs))
    assert receipt is None or receipt.message_id or receipt.state
