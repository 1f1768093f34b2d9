"""Messages as PDUs and PDUs as texts: alphabets, long texts, addresses, times, kinds, tables of errors."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.delivery.centres import PHONE, unit

from heliograph.core.carriers import Settings
from heliograph.core.messages import Kind
from heliograph.core.status import Err
from heliograph.delivery.carriers.contract import Inbound, Receipt, What
from heliograph.delivery.carriers.smpp import answers, receipts
from heliograph.delivery.carriers.smpp.inbound import Reader
from heliograph.delivery.carriers.smpp.parts import Composer, UnfitError
from heliograph.wire.gsm import udh, wap
from heliograph.wire.smpp import codec, statuses, tables
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.receipt import parse_receipt

NOW = 1_700_000_000_000
NO_ERRORS = answers.read_errors({})


def compose(message: Any, **chosen: Any) -> list[Pdu]:
    """The parts as the carrier reads them off the wire."""
    return [codec.decode(codec.encode(pdu)) for pdu in Composer(Settings(**chosen)).compose(message, NOW)]


def read(pdus: list[Pdu], **chosen: Any) -> list[Inbound]:
    """What a phone would make of the parts."""
    return [Reader(Settings(**chosen)).read(pdu, NOW) for pdu in pdus]


def receive(text: bytes, **more: Any) -> Receipt:
    """A receipt, translated."""
    errors = answers.read_errors(more.pop("errors", {}))
    pdu = Pdu(tables.DELIVER_SM, esm_class=tables.ESM_RECEIPT, source_addr=PHONE, short_message=text, **more)
    told = parse_receipt(pdu)
    assert told is not None
    return receipts.translate(pdu, told, errors, NOW)


@pytest.mark.parametrize(
    ("alphabets", "text", "coding", "octets"),
    [
        ("gsm7,ucs2", "a@€", 0, b"a\x00\x1be"),
        ("gsm7-packed,ucs2", "hellohello", 0, bytes.fromhex("E8329BFD4697D9EC37")),
        ("latin1,ucs2", "ça@", 3, b"\xe7a@"),
        ("gsm7,latin1,ucs2", "ça", 3, b"\xe7a"),
        ("gsm7,ucs2", "ça", 8, b"\x00\xe7\x00a"),
        ("gsm7,ucs2", "да", 8, "да".encode("utf-16-be")),
        ("gsm7,ucs2", "😀", 8, "😀".encode("utf-16-be")),
    ],
)
def test_text_travels_in_the_first_alphabet_that_fits(alphabets: str, text: str, coding: int, octets: bytes) -> None:
    """The operator lists what his carrier takes, best first."""
    (pdu,) = compose(unit(text=text), alphabets=alphabets)
    assert (pdu.data_coding, pdu.short_message, pdu.esm_class) == (coding, octets, 0)


def test_default_alphabet_may_be_latin1() -> None:
    """Many centres take data_coding 0 as ISO-8859-1 and turn it into GSM themselves; the euro sign has no place then."""
    chosen = {"alphabets": "gsm7,ucs2", "default_latin1": True}
    (plain,) = compose(unit(text="@é"), **chosen)
    assert (plain.data_coding, plain.short_message) == (0, b"@\xe9")
    (euro,) = compose(unit(text="€"), **chosen)
    assert euro.data_coding == 8
    assert len(compose(unit(text="x" * 160), **chosen)) == 1
    (accent,) = compose(unit(text="ça"), alphabets="latin1", default_latin1=True)
    assert (accent.data_coding, accent.short_message) == (0, b"\xe7a")


def test_flash_has_message_class_zero() -> None:
    """Class 0 shows the text at once; the coding groups of SMPP 3.4 have no such thing for Latin-1."""
    flash = {"kind": Kind.FLASH}
    assert compose(unit(text="now", **flash))[0].data_coding == 0x10
    assert compose(unit(text="да", **flash))[0].data_coding == 0x18
    assert compose(unit(text="ça", **flash), alphabets="latin1,gsm7,ucs2")[0].data_coding == 0x18


def test_text_in_no_alphabet_of_the_carrier_is_unfit() -> None:
    """Question marks on a phone help nobody; another route may take the text."""
    with pytest.raises(UnfitError) as caught:
        compose(unit(text="да"), alphabets="gsm7")
    assert caught.value.code == statuses.ESME_RINVDCS


@pytest.mark.parametrize("alphabets", ["utf8,ucs2", "", " , "])
def test_alphabets_that_mean_nothing_are_an_error(alphabets: str) -> None:
    """A slip of the pen must be seen when the carrier is made, not when the first text fails."""
    with pytest.raises(ValueError, match="alphabets"):
        Composer(Settings(alphabets=alphabets))


@pytest.mark.parametrize(
    ("text", "parts", "by_udh16"),
    [
        ("x" * 160, 1, 1),
        ("x" * 161, 2, 2),
        ("x" * 306, 2, 3),
        ("x" * 307, 3, 3),
        ("€" * 81, 2, 2),
        ("д" * 70, 1, 1),
        ("д" * 71, 2, 2),
        ("д" * 134, 2, 3),
    ],
)
def test_long_text_has_the_parts_it_was_priced_for(text: str, parts: int, by_udh16: int) -> None:
    """153 and 67 behind the 8-bit header; the 16-bit one leaves 152 and 66."""
    assert len(compose(unit(text=text))) == parts
    assert len(compose(unit(text=text), long_text="sar")) == parts
    assert len(compose(unit(text=text), long_text="udh16")) == by_udh16
    assert len(compose(unit(text=text), long_text="payload")) == 1


@pytest.mark.parametrize("way", ["udh", "udh16", "sar", "payload"])
@pytest.mark.parametrize("alphabets", ["gsm7,ucs2", "gsm7-packed,ucs2", "latin1,ucs2"])
@settings(max_examples=25, deadline=None)
@given(text=st.text(st.sampled_from("abc @€é{д😀"), min_size=1, max_size=400), int_id=st.integers(1, 1 << 62))
def test_long_text_is_the_same_after_assembly(way: str, alphabets: str, text: str, int_id: int) -> None:
    """Whatever the way and the borders: no character is lost, split or doubled, no part over 140 octets."""
    if "packed" in alphabets:
        # Packed, "@" is seven zero bits: at the end of a full octet the reader takes it for what many centres pad with.
        text = text.replace("@", "a")
    chosen: dict[str, Any] = {"long_text": way, "alphabets": alphabets}
    pdus = compose(unit(int_id, text), **chosen)
    parts = read(pdus, **chosen)
    assert "".join(part.text for part in parts).rstrip("\r") == text
    assert [part.number for part in parts] == list(range(1, len(pdus) + 1))
    assert {part.total for part in parts} == {len(pdus)}
    assert len({part.reference for part in parts}) == 1
    assert pdus == compose(unit(int_id, text), **chosen)  # a part that goes again fits the others
    if way != "payload" and alphabets != "gsm7,ucs2":
        assert all(len(pdu.short_message) <= 140 for pdu in pdus)


def test_reference_comes_from_the_message() -> None:
    """Two long texts to one phone must not be put together."""
    first, second = compose(unit(0x1234, "x" * 200)), compose(unit(0x1235, "x" * 200))
    assert first[0].short_message[:6] == bytes.fromhex("050003340201")
    assert second[0].short_message[3] == 0x35
    assert compose(unit(0x1234, "x" * 200), long_text="udh16")[1].short_message[:7] == bytes.fromhex("06080412340202")


def test_text_beyond_255_parts_is_unfit() -> None:
    """The header has one octet for the number."""
    with pytest.raises(UnfitError):
        compose(unit(text="д" * 67 * 256))


@pytest.mark.parametrize(
    ("sender", "ton", "npi", "address"),
    [
        ("Shop", 5, 0, "Shop"),
        ("+79991112233", 1, 1, "79991112233"),
        ("79991112233", 1, 1, "79991112233"),
        ("1234", 3, 0, "1234"),
        ("123456", 3, 0, "123456"),
        ("", 0, 0, ""),
        ("Shop 24", 5, 0, "Shop 24"),
    ],
)
def test_sender_has_the_type_of_its_form(sender: str, ton: int, npi: int, address: str) -> None:
    """Carriers refuse a name sent as a number."""
    (pdu,) = compose(unit(sender=sender))
    assert (pdu.source_addr_ton, pdu.source_addr_npi, pdu.source_addr) == (ton, npi, address)


def test_operator_may_set_the_types() -> None:
    """Some carriers want their own values whatever the sender."""
    (pdu,) = compose(unit(sender="1234"), source_ton=0, source_npi=9, dest_ton=2, dest_npi=8, service_type="CMT")
    assert (pdu.source_addr_ton, pdu.source_addr_npi) == (0, 9)
    assert (pdu.dest_addr_ton, pdu.dest_addr_npi, pdu.service_type) == (2, 8, "CMT")


@pytest.mark.parametrize("sender", ["имя", "x" * 21, "a\0b"])
def test_sender_that_no_field_holds_is_unfit(sender: str) -> None:
    """It is refused as the carrier would: an unregistered sender."""
    with pytest.raises(UnfitError) as caught:
        compose(unit(sender=sender))
    assert caught.value.err == Err.SENDER


def test_times_are_relative_and_only_where_wanted() -> None:
    """Relative times need no agreement on zones."""
    message = unit(expires_ms=NOW + 86_400_000, send_ms=NOW + 3_600_000)
    (pdu,) = compose(message)
    assert (pdu.validity_period, pdu.schedule_delivery_time) == ("000001000000000R", "")
    (pdu,) = compose(message, schedule=True, validity=False)
    assert (pdu.validity_period, pdu.schedule_delivery_time) == ("", "000000010000000R")
    (pdu,) = compose(unit(expires_ms=NOW - 5, send_ms=NOW), schedule=True)
    assert (pdu.validity_period, pdu.schedule_delivery_time) == ("000000000001000R", "")


def test_receipts_are_asked_for_where_wanted() -> None:
    """A carrier may charge for them."""
    assert compose(unit())[0].registered_delivery == 1
    assert compose(unit(), receipts=False)[0].registered_delivery == 0


@pytest.mark.parametrize(
    ("payload", "esm_class", "sent"),
    [
        ("0605040b8423f0aabb", 0x40, "0605040b8423f0aabb"),
        ("00aabb", 0, "aabb"),
        ("ff0102", 0, "ff0102"),
    ],
)
def test_binary_says_whether_it_has_a_header(payload: str, esm_class: int, sent: str) -> None:
    """A zero octet stands for no header (spec sending 6.2); what is none is not called one."""
    (pdu,) = compose(unit(text=payload, kind=Kind.BINARY))
    assert (pdu.esm_class, pdu.data_coding, pdu.short_message.hex()) == (esm_class, 4, sent)
    (pdu,) = compose(unit(text=payload, kind=Kind.BINARY, pid=0x7F, dcs=0xF6))
    assert (pdu.protocol_id, pdu.data_coding) == (0x7F, 0xF6)


@pytest.mark.parametrize("payload", ["xyz", "00" * 141])
def test_binary_that_is_none_is_unfit(payload: str) -> None:
    """Not hex, or longer than a message."""
    with pytest.raises(UnfitError):
        compose(unit(text=payload, kind=Kind.BINARY))


def test_push_is_split_with_its_ports() -> None:
    """Each part carries the ports, or the phone shows it as a text of signs."""
    url, title = "http://example.com/" + "a" * 150, "Title"
    pdus = compose(unit(5, f"{url}\n{title}", kind=Kind.PUSH))
    assert [pdu.short_message for pdu in pdus] == wap.push_parts(url, title, 5)
    assert len(pdus) == 2
    for pdu in pdus:
        assert (pdu.esm_class, pdu.data_coding) == (0x40, 4)
        assert udh.find_ports(udh.parse(pdu.short_message)[0]) == (2948, 9200)


@pytest.mark.parametrize(
    ("stat", "code", "expected"),
    [
        ("DELIVRD", "000", (1, 0)),
        ("DELIVRD", "001", (1, 0)),
        ("EXPIRED", "000", (3, 6)),
        ("EXPIRED", "027", (3, 6)),
        ("EXPIRED", "001", (3, 1)),
        ("UNDELIV", "000", (20, 255)),
        ("UNDELIV", "001", (20, 1)),
        ("UNDELIV", "1", (20, 1)),
        ("UNDELIV", "006", (20, 6)),
        ("UNDELIV", "011", (20, 11)),
        ("UNDELIV", "013", (20, 13)),
        ("UNDELIV", "0ff", (20, 255)),
        ("REJECTD", "001", (20, 255)),
        ("DELETED", "000", (20, 255)),
        ("ENROUTE", "000", (0, 0)),
        ("ACCEPTD", "000", (0, 0)),
        ("UNKNOWN", "000", (0, 0)),
        ("SOMETHING", "000", (0, 0)),
    ],
)
def test_receipt_has_status_and_err_of_our_tables(stat: str, code: str, expected: tuple[int, int]) -> None:
    """Customers know one table, carriers have many."""
    news = receive(
        f"id:7 sub:001 dlvrd:000 submit date:2401010000 done date:2401010001 stat:{stat} err:{code} text:x".encode()
    )
    assert (news.status, news.err) == expected
    assert (news.ref, news.phone, news.at_ms) == ("7", PHONE, NOW)


@pytest.mark.parametrize(
    ("stat", "code", "told"),
    [
        ("UNDELIV", "027", 27),
        ("EXPIRED", "1063", 1063),
        ("REJECTD", "E12", 0),
        ("DELIVRD", "012", 0),
        ("UNDELIV", "000", 0),
    ],
)
def test_carriers_own_number_of_an_error_is_kept(stat: str, code: str, told: int) -> None:
    """The customer is told it as syserr, where it is a number and the text has failed."""
    assert receive(f"id:1 stat:{stat} err:{code} text:".encode()).syserr == told


def test_carriers_own_codes_come_first() -> None:
    """A code may mean anything; the operator's table says what."""
    errors = {"receipt:001": 13, "receipt:0A": 253, "0x45": 254}
    assert receive(b"id:7 stat:UNDELIV err:1", errors=errors).err == 13
    assert receive(b"id:7 stat:REJECTD err:00a", errors=errors).err == 253
    assert receive(b"id:7 stat:EXPIRED err:001", errors=errors).err == 13
    assert receive(b"id:7 stat:DELIVRD err:001", errors=errors).err == 0


@pytest.mark.parametrize("table", [{"abc": 1}, {"0x4z": 1}, {"69": 256}, {"69": -1}])
def test_table_of_errors_that_means_nothing_is_refused(table: dict[str, int]) -> None:
    """A slip of the pen must be seen when the carrier is made."""
    with pytest.raises(ValueError, match="errors"):
        answers.read_errors(table)


def test_every_status_of_the_standard_has_an_outcome() -> None:
    """Nothing but ROK is accepted, only throttling slows down."""
    for status in statuses.STATUSES:
        if status != statuses.ESME_ROK:
            verdict = answers.judge(status, NO_ERRORS)
            assert verdict.what in (What.LATER, What.REFUSED)
            assert verdict.err in set(Err)
            assert verdict.throttled == (status in (statuses.ESME_RTHROTTLED, statuses.ESME_RMSGQFUL))


def test_detail_is_the_carriers_words_without_the_text() -> None:
    """A text must not leak into logs and pages by way of its receipt."""
    news = receive(b"id:7 stat:UNDELIV err:001 Text:secret id:9")
    assert news.detail == "id:7 stat:UNDELIV err:001"
    assert receive("id:İİ stat:UNDELIV err:001 TEXT :secret".encode()).detail == "id:İİ stat:UNDELIV err:001"
    bare = receive(b"", tlvs={tables.TAG_RECEIPTED_MESSAGE_ID: b"7\0", tables.TAG_MESSAGE_STATE: b"\x02"})
    assert bare.detail == "message_state:2 err:"


def test_number_query_results_come_in_the_text_too() -> None:
    """The text form of the service, values URL-encoded."""
    news = receive(
        b"id:7 stat:DELIVRD err:000 imsi:25001 msc:7916 mcc:250 mnc:01 cn:Russian+Federation net:%D0%9C rcn: rnet:"
    )
    assert news.hlr == {
        "imsi": "25001",
        "msc": "7916",
        "mcc": "250",
        "mnc": "01",
        "cn": "Russian Federation",
        "net": "М",
        "rcn": "",
        "rnet": "",
    }
    assert receive(b"id:7 stat:DELIVRD err:000 text:imsi:1").hlr is None
    assert receive(b"id:7 stat:DELIVRD err:000 imsi:%00").hlr == {"imsi": ""}


@settings(max_examples=100, deadline=None)
@given(octets=st.binary(max_size=100), code=st.text(max_size=8), tlv=st.binary(max_size=6))
def test_no_octets_of_a_receipt_break_the_translation(octets: bytes, code: str, tlv: bytes) -> None:
    """A receipt that raises would come again for ever."""
    text = b"id:7 stat:UNDELIV err:" + code.encode() + octets
    news = receive(text, tlvs={0x1400: tlv, tables.TAG_NETWORK_ERROR_CODE: tlv, tables.TAG_MESSAGE_STATE: tlv})
    for written in (news.ref, news.detail, *(news.hlr or {}).values()):
        assert "\0" not in written
        written.encode()
    assert news.err in set(Err)
