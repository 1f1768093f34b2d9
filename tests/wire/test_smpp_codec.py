"""SMPP 3.4 PDUs both ways: every row of the table, the fast paths against the walkers, hex written by hand, fuzz."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.wire.smpp import codec, hot, statuses, tables
from heliograph.wire.smpp.pdus import Destination, Failure, Pdu, PduError

HOT = sorted(hot.READERS)
octet = st.integers(0, 255)
cstring = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=20)
KINDS = {
    "int1": octet,
    "int4": st.integers(0, 0xFFFFFFFF),
    "cstring": cstring,
    "octets": st.binary(max_size=255),
    "destinations": st.lists(
        st.builds(Destination, cstring, octet, octet) | st.builds(Destination, cstring, is_list=st.just(True)),
        max_size=5,
    ).map(tuple),
    "failures": st.lists(st.builds(Failure, cstring, octet, octet, st.integers(0, 0xFFFFFFFF)), max_size=5).map(tuple),
}
tlvs = st.dictionaries(st.integers(0, 0xFFFF), st.binary(max_size=300), max_size=4)


def pdus_of(command_id: int) -> st.SearchStrategy[Pdu]:
    """Any PDU of a command; status 0, because answers that carry an error may leave their body out."""
    fields = {field.name: KINDS[field.kind] for field in tables.COMMANDS[command_id].fields}
    return st.builds(Pdu, st.just(command_id), st.just(0), st.integers(0, 0x7FFFFFFF), tlvs=tlvs, **fields)


def full_pdu(command_id: int) -> Pdu:
    """A PDU whose every field differs from its default and from its neighbours."""
    samples = {
        "destinations": (Destination("79991234567", 1, 1), Destination("friends", is_list=True)),
        "failures": (Failure("79991234567", 1, 1, 0x0B), Failure("7999", 2, 8, 0x45)),
    }
    pdu = Pdu(command_id, 0, 77, tlvs={0x001E: b"id\0", 0x1400: b""})
    for place, field in enumerate(tables.COMMANDS[command_id].fields, 1):
        by_kind = {"int1": place, "int4": place, "cstring": f"v{place}", "octets": b"\0text\xff", **samples}
        setattr(pdu, field.name, by_kind[field.kind])
    return pdu


@pytest.mark.parametrize("command_id", tables.COMMANDS, ids=tables.command_name)
def test_every_row_round_trips(command_id: int) -> None:
    """A row that one walker reads and the other cannot write is a PDU that works in one direction only."""
    pdu = full_pdu(command_id)
    data = codec.encode_by_table(pdu)
    assert codec.decode_by_table(data, 0, len(data)) == pdu
    assert codec.encode(pdu) == data
    assert codec.decode(data) == pdu


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_pdu_round_trips(data: st.DataObject) -> None:
    """Values nobody thought of survive too."""
    pdu = data.draw(st.sampled_from(sorted(tables.COMMANDS)).flatmap(pdus_of))
    assert codec.decode(codec.encode(pdu)) == pdu


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_fast_paths_equal_the_walkers(data: st.DataObject) -> None:
    """The hand-made readers and writers are only an optimisation."""
    pdu = data.draw(st.sampled_from(HOT).flatmap(pdus_of))
    raw = hot.WRITERS[pdu.command_id](pdu)
    by_table = codec.encode_by_table(pdu)
    assert raw is None or raw == by_table
    read = hot.READERS[pdu.command_id](by_table, 0, len(by_table), pdu.command_id, 0, pdu.sequence)
    assert read is None or read == codec.decode_by_table(by_table, 0, len(by_table)) == pdu


@pytest.mark.parametrize("command_id", HOT, ids=tables.command_name)
def test_fast_paths_serve_ordinary_pdus(command_id: int) -> None:
    """A fast path that always gives up would pass the comparison and help nobody."""
    pdu = full_pdu(command_id)
    if command_id & tables.RESPONSE:
        pdu.tlvs = {}
    raw = hot.WRITERS[command_id](pdu)
    assert raw is not None
    assert hot.READERS[command_id](b"xx" + raw, 2, 2 + len(raw), command_id, 0, pdu.sequence) == pdu


@given(st.sampled_from(HOT), st.binary(max_size=120))
@settings(max_examples=300, deadline=None)
def test_fast_paths_and_walkers_agree_on_garbage(command_id: int, body: bytes) -> None:
    """What one refuses the other must refuse, and with the same answer."""
    raw = (16 + len(body)).to_bytes(4, "big") + command_id.to_bytes(4, "big") + bytes(4) + b"\0\0\0\x07" + body
    try:
        expected = codec.decode_by_table(raw, 0, len(raw))
    except PduError as error:
        with pytest.raises(PduError) as raised:
            codec.decode(raw)
        assert raised.value.answer == error.answer
        assert raised.value.recoverable
    else:
        assert codec.decode(raw) == expected


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_octets_raise_nothing_but_pdu_errors(data: bytes) -> None:
    """A peer's garbage must never become an exception of ours."""
    try:
        codec.decode(data)
    except PduError as error:
        assert error.answer in statuses.STATUSES


@given(st.sampled_from(sorted(tables.COMMANDS)), st.binary(max_size=120))
@settings(max_examples=300, deadline=None)
def test_random_bodies_keep_their_header(command_id: int, body: bytes) -> None:
    """The header of an unreadable PDU is what the peer is answered with."""
    raw = (16 + len(body)).to_bytes(4, "big") + command_id.to_bytes(4, "big") + bytes(4) + b"\0\0\0\x2a" + body
    try:
        codec.decode(raw)
    except PduError as error:
        assert (error.command_id, error.sequence, error.recoverable) == (command_id, 42, True)


def test_bind_example_of_the_standard() -> None:
    """The one PDU that the standard spells out octet by octet, a bind_transmitter."""
    raw = bytes.fromhex(
        "0000002F 00000002 00000000 00000001 534D50503354455354 00 7365637265743038 00 5355424D495431 00 00 01 01 00"
    )
    pdu = codec.decode(raw)
    assert (pdu.name, pdu.system_id, pdu.password, pdu.system_type) == (
        "bind_transmitter",
        "SMPP3TEST",
        "secret08",
        "SUBMIT1",
    )
    assert (pdu.interface_version, pdu.addr_ton, pdu.addr_npi, pdu.address_range) == (0, 1, 1, "")
    assert codec.encode(pdu) == raw


def test_submit_written_by_hand() -> None:
    """An independent reading of the field order of submit_sm."""
    raw = bytes.fromhex(
        "0000003C 00000004 00000000 00000002"
        "00 05 00 41434D4500 01 01 373939393132333435363700 40 00 03 00 00 01 00 08 00 06 050003AA0201"
        "0204 0002 0102"
    )
    pdu = codec.decode(raw)
    assert (pdu.source_addr_ton, pdu.source_addr, pdu.destination_addr) == (5, "ACME", "79991234567")
    assert (pdu.esm_class, pdu.priority_flag, pdu.registered_delivery, pdu.data_coding) == (0x40, 3, 1, 8)
    assert pdu.short_message == bytes.fromhex("050003AA0201")
    assert codec.read_tlv(0x0204, pdu.tlvs[0x0204]) == 258
    assert codec.encode(pdu) == raw


@pytest.mark.parametrize("command_id", [number for number in tables.COMMANDS if number & tables.RESPONSE])
def test_answer_without_body_is_read(command_id: int) -> None:
    """Centres leave the body out of refusals, and some out of everything."""
    raw = b"\0\0\0\x10" + command_id.to_bytes(4, "big") + b"\0\0\0\x58\0\0\0\x05"
    pdu = codec.decode(raw)
    assert (pdu.status, pdu.sequence) == (0x58, 5)
    assert codec.encode(pdu) == raw


def test_answer_id_without_nul_is_read() -> None:
    """Losing the id would lose the receipt."""
    raw = b"\0\0\0\x14" + b"\x80\0\0\x04" + bytes(4) + b"\0\0\0\x05" + b"1042"
    assert codec.decode(raw).message_id == "1042"


@pytest.mark.parametrize(
    ("pdu", "answer"),
    [
        (Pdu(tables.SUBMIT_SM, short_message=b"x" * 256), statuses.ESME_RINVMSGLEN),
        (Pdu(tables.SUBMIT_SM, source_addr="a\0b"), statuses.ESME_RINVSRCADR),
        (Pdu(tables.SUBMIT_SM, destination_addr="Ж"), statuses.ESME_RINVDSTADR),
        (Pdu(tables.SUBMIT_SM, esm_class=256), statuses.ESME_RINVPARLEN),
        (Pdu(tables.SUBMIT_SM, tlvs={1: b"x" * 65536}), statuses.ESME_RINVPARLEN),
        (Pdu(tables.SUBMIT_SM, tlvs={65536: b""}), statuses.ESME_RINVPARLEN),
        (Pdu(tables.SUBMIT_SM_RESP, message_id="\0"), statuses.ESME_RINVMSGID),
        (Pdu(tables.SUBMIT_MULTI, destinations=(Destination("1"),) * 256), statuses.ESME_RINVNUMDESTS),
        (Pdu(tables.ENQUIRE_LINK, sequence=-1), statuses.ESME_RINVPARLEN),
        (Pdu(0x77), statuses.ESME_RINVCMDID),
    ],
)
def test_values_that_do_not_fit_are_refused(pdu: Pdu, answer: int) -> None:
    """A NUL or a long text that slipped into a PDU would shift every field behind it."""
    with pytest.raises(PduError) as raised:
        codec.encode(pdu)
    assert raised.value.answer == answer


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"", statuses.ESME_RINVCMDLEN),
        (b"no end", statuses.ESME_RINVCMDLEN),
        (bytes(16) + b"\x05hi", statuses.ESME_RINVMSGLEN),
        (bytes(17) + b"\x02\x04\0", statuses.ESME_RINVOPTPARSTREAM),
        (bytes(17) + b"\x02\x04\0\x05x", statuses.ESME_RINVOPTPARSTREAM),
    ],
)
def test_broken_bodies_say_what_is_wrong(body: bytes, answer: int) -> None:
    """The peer's programmer sees nothing but this number."""
    raw = (16 + len(body)).to_bytes(4, "big") + b"\0\0\0\x04" + bytes(4) + b"\0\0\0\x09" + body
    with pytest.raises(PduError) as raised:
        codec.decode(raw)
    assert (raised.value.answer, raised.value.sequence, raised.value.recoverable) == (answer, 9, True)


@pytest.mark.parametrize("length", [0, 15, 65_537, 0x47455420])
def test_bad_lengths_are_beyond_recovery(length: int) -> None:
    """After a wrong length nobody knows where the next PDU begins."""
    with pytest.raises(PduError) as raised:
        codec.measure(length.to_bytes(4, "big") + b"\0\0\0\x04" + bytes(4) + b"\0\0\0\x09")
    assert not raised.value.recoverable
    assert raised.value.sequence == 9
    with pytest.raises(PduError):
        codec.measure(length.to_bytes(4, "big"))


def test_measure_waits_for_four_octets() -> None:
    """A read may end inside the length itself."""
    assert codec.measure(b"\0\0\0") == 0
    assert codec.measure(b"\0\0\0\x10") == 16


def test_payload_stands_in_for_an_empty_text() -> None:
    """Both places of the text are in use in the field."""
    assert Pdu(tables.SUBMIT_SM, short_message=b"a", tlvs={0x0424: b"b"}).text == b"a"
    assert Pdu(tables.SUBMIT_SM, tlvs={0x0424: b"b"}).text == b"b"


def test_a_printed_pdu_tells_no_secret() -> None:
    """Logs hold neither texts nor passwords nor numbers."""
    pdu = Pdu(tables.BIND_TRANSCEIVER, password="secret", short_message=b"private", destination_addr="79991234567")
    assert repr(pdu) == "<bind_transceiver #0 ESME_ROK>"


def test_lengths_are_checked_on_request() -> None:
    """Strictness belongs to whoever answers for it; each field has its own refusal."""
    assert codec.check_lengths(Pdu(tables.SUBMIT_SM, destination_addr="7" * 20)) == statuses.ESME_ROK
    assert codec.check_lengths(Pdu(tables.SUBMIT_SM, destination_addr="7" * 21)) == statuses.ESME_RINVDSTADR
    assert codec.check_lengths(Pdu(tables.BIND_RECEIVER, password="123456789")) == statuses.ESME_RINVPASWD


@pytest.mark.parametrize("tag", tables.TLVS, ids=lambda tag: tables.TLVS[tag].name)
def test_every_optional_field_round_trips(tag: int) -> None:
    """Each tag's type is used both ways."""
    kind = tables.TLVS[tag].kind
    samples = {"int1": 200, "int2": 60_000, "int4": 4_000_000_000, "cstring": "x", "octets": b"\0", "flag": b""}
    assert codec.read_tlv(tag, codec.write_tlv(tag, samples[kind])) == samples[kind]


def test_optional_fields_out_of_order_or_size() -> None:
    """A vendor's tag stays raw; a standard tag of a wrong size does not become a wrong number."""
    assert codec.read_tlv(0x1400, b"25001") == b"25001"
    assert codec.read_tlv(0x0427, b"\0\x02") == b"\0\x02"
    with pytest.raises(ValueError, match="longer"):
        codec.write_tlv(0x001E, "x" * 65)


def test_statuses_have_names_and_natures() -> None:
    """Throttling is told from refusal, and what nobody knows is not repeated for ever."""
    assert [number for number in statuses.STATUSES if statuses.is_throttling(number)] == [0x14, 0x58]
    assert statuses.is_temporary(statuses.ESME_RSYSERR)
    assert statuses.is_temporary(statuses.ESME_RTHROTTLED)
    assert statuses.is_permanent(statuses.ESME_RINVDSTADR)
    assert not statuses.is_permanent(statuses.ESME_ROK)
    assert statuses.is_permanent(0x4FF)
    assert (statuses.name(0x0B), statuses.name(0x4FF)) == ("ESME_RINVDSTADR", "0x000004FF")
    assert (statuses.meaning(0x4FF), statuses.meaning(0x300)) == ("an error of the vendor", "a reserved status")
    for number, row in statuses.STATUSES.items():
        assert getattr(statuses, row.name) == number
        assert row.meaning
