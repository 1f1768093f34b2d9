"""SIP messages: what is read, what is refused, and framing in a stream (RFC 3261; in the manner of RFC 4475)."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.wire.sip import addresses, fields, tables
from heliograph.wire.sip.addresses import find_number, is_anonymous, parse_address, parse_uri
from heliograph.wire.sip.fields import CSeq, FieldError, Via, parse_cseq, parse_via, split_list, stamp
from heliograph.wire.sip.framing import Framer
from heliograph.wire.sip.messages import MessageError, Request, Response, encode, parse

INVITE = (
    b"INVITE sip:+74951234567@sms.example;user=phone SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK77;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'From: "Ivan" <sip:+79991234567@192.0.2.1>;tag=a1\r\n'
    b"To: <sip:+74951234567@sms.example>\r\n"
    b"Call-ID: 1@192.0.2.1\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Contact: <sip:192.0.2.1>\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"v=0\n"
)
# Everything that the grammar allows and hardly anybody sends: compact forms, folds, blanks, several hops, escapes,
# quotations with signs that separate elsewhere, an unknown header, a display name without quotes.
TORTUOUS = (
    b"\r\n\r\nINVITE sip:%2b7495.123-45(67);npdi;x=@h:5070;transport=udp;lr SIP/2.0\r\n"
    b"TO :\r\n sip:vivekg@chair.example ;   tag    = 1918181833n\r\n"
    b'from   : "J Rosenberg \\\\\\" ,;<"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
    b"mAx-FORWARDS: 0068\r\n"
    b"i: wsinv.ndaksdj@192.0.2.1\r\n"
    b"cseq: 0009\r\n  INVITE\r\n"
    b"v  : SIP  / 2.0\r\n  /UDP\r\n    192.0.2.2;branch=390skdjuw , SIP/2.0/TCP [2001:db8::1]:5061;branch=z9hG4bKb\r\n"
    b"s :\r\n"
    b"NewFangled-Header:   newfangled value\r\n continued newfangled value\r\n"
    b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n  newvalue ;\r\n  secondparam ; q = 0.33\r\n'
    b"l: 0\r\n\r\n"
)


def change(old: bytes, new: bytes) -> bytes:
    assert old in INVITE
    return INVITE.replace(old, new, 1)


def request(data: bytes = INVITE) -> Request:
    message = parse(data)
    assert isinstance(message, Request)
    return message


def test_invite_is_read() -> None:
    """The fields that everything after depends on."""
    found = request()
    assert (found.method, found.uri, found.body) == ("INVITE", "sip:+74951234567@sms.example;user=phone", b"v=0\n")
    assert found.via == Via("UDP", "192.0.2.1", 5060, (("branch", "z9hG4bK77"), ("rport", None)))
    assert found.cseq == CSeq(1, "INVITE")
    assert (found.from_.display, found.from_.tag, found.to.tag, found.call_id) == ("Ivan", "a1", "", "1@192.0.2.1")


def test_whatever_the_grammar_allows_is_read() -> None:
    """Trunks of forty makers fold, abbreviate and space as they like."""
    found = request(TORTUOUS)
    assert found.to.tag == "1918181833n" and found.to.uri == "sip:vivekg@chair.example"
    assert (found.from_.display, found.from_.tag) == ('J Rosenberg \\" ,;<', "98asjd8")
    assert found.cseq == CSeq(9, "INVITE") and found.get("Max-Forwards") == "0068"
    assert [parse_via(each).host for each in found.elements("Via")] == ["192.0.2.2", "[2001:db8::1]"]
    assert found.get("Newfangled-Header") == "newfangled value continued newfangled value"
    assert found.get("Subject") == "" and find_number(parse_uri(found.uri)) == "+74951234567"
    contact = parse_address(found.get("Contact") or "")
    assert contact.display == 'Quoted string ""' and dict(contact.params)["newparam"] == "newvalue"


@pytest.mark.parametrize(
    ("data", "status", "answerable"),
    [
        (b"", 400, False),
        (b"\r\n\r\n", 400, False),
        (b"INVITE", 400, False),
        (INVITE[:200], 400, False),
        (change(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"), 505, True),
        (change(b"INVITE sip", b"INV{TE sip"), 400, False),
        (change(b"sms.example;user", b"sms.example; user"), 400, False),
        (change(b"CSeq: 1 INVITE", b"CSeq: 1 OPTIONS"), 400, True),
        (change(b"CSeq: 1 INVITE", b"CSeq: 36893488147419103232 INVITE"), 400, False),
        (change(b"CSeq: 1 INVITE", b"CSeq: INVITE"), 400, False),
        (change(b"CSeq: 1 INVITE\r\n", b""), 400, False),
        (change(b"Call-ID: 1@192.0.2.1\r\n", b""), 400, False),
        (change(b"Call-ID: 1@192.0.2.1", b"Call-ID: \xd1\x8f"), 400, False),
        (change(b"To: <sip:+74951234567@sms.example>", b"To: <sip:+74951234567@sms.example"), 400, False),
        (change(b'"Ivan" <', b'"Ivan <'), 400, False),
        (change(b"@192.0.2.1>;tag", b"@192.0.2.1;tag"), 400, False),
        (change(b"Via: SIP/2.0/UDP 192.0.2.1:5060", b"Via: SIP/2.0/UDP 192.0.2.1:506000"), 400, False),
        (change(b"Via: SIP/2.0/UDP", b"Via: ,SIP/2.1/UDP"), 400, False),
        (change(b"Max-Forwards: 70", b"Max-Forwards: 256"), 400, True),
        (change(b"Max-Forwards: 70", b"Max-Forwards: -1"), 400, True),
        (change(b"To: ", b"To: <sip:b@b>\r\nTo: "), 400, True),
        (change(b"Content-Length: 4", b"Content-Length: 5"), 400, True),
        (change(b"Content-Length: 4", b"Content-Length: -4"), 400, True),
        (change(b"Content-Length: 4", b"l: 4\r\nContent-Length: 3"), 400, True),
        (change(b"Contact: <", b"a line without a colon\r\nContact: <"), 400, True),
        (change(b"Contact: <", b"Con tact: <"), 400, True),
        (change(b'"Ivan"', b'"Iv\0an"'), 400, False),
        (change(b"Contact: ", b"X: y\r\n" * 100 + b"Contact: "), 400, True),
        (change(b"v=0\n", b"v" * tables.MAX_MESSAGE), 513, False),
        (b"SIP/2.0 99 Low\r\n" + INVITE.partition(b"\r\n")[2], 400, False),
    ],
)
def test_what_is_malformed_is_told_by_its_status(data: bytes, status: int, answerable: bool) -> None:
    """Nobody's bytes end in a traceback, and who can be told what is wrong is told."""
    with pytest.raises(MessageError) as raised:
        parse(data)
    assert raised.value.status == status
    assert (raised.value.request is not None) == answerable


def test_hundred_headers_are_taken() -> None:
    """The bound is 100, not 99."""
    data = change(b"Contact: ", b"X: y\r\n" * 91 + b"Contact: ")
    assert len(request(data).headers) == 99  # and Content-Length, which is not kept


def test_datagram_without_length_ends_with_itself() -> None:
    """Over UDP Content-Length is optional, and what comes behind it is not of the body (section 18.3)."""
    assert request(change(b"Content-Length: 4\r\n", b"")).body == b"v=0\n"
    assert request(INVITE + b"noise").body == b"v=0\n"
    with pytest.raises(MessageError, match="Content-Length"):
        parse(change(b"Content-Length: 4\r\n", b""), stream=True)


def test_response_is_read() -> None:
    """Registrars answer; the reason may be missing."""
    rest = INVITE.partition(b"\r\n")[2]
    for start, reason in ((b"SIP/2.0 401 No Entry Here", "No Entry Here"), (b"sip/2.0 401 ", ""), (b"SIP/2.0 401", "")):
        found = parse(start + b"\r\n" + rest)
        assert isinstance(found, Response) and (found.status, found.reason) == (401, reason)


@pytest.mark.parametrize("value", ["a\r\nVia: b", "a\0", "a\n"])
def test_line_ends_cannot_be_written_into_a_field(value: str) -> None:
    """Whatever gets into a header cannot begin another."""
    with pytest.raises(MessageError):
        encode(Request(method="INVITE", uri="sip:a", headers=(("Subject", value),)))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("sip:+79991234567@h", "+79991234567"),
        ("sip:79991234567@h;user=phone", "79991234567"),
        ("sips:79991234567@h", "79991234567"),
        ("SIP:%2B7999%3123-45.67:pass@[::1]:5060;x=y?h=v", "+79991234567"),
        ("tel:+7-999-123-45-67", "+79991234567"),
        ("TEL:+7(999)1234567;isub=1", "+79991234567"),
        ("tel:9991234567;phone-context=+7", "+79991234567"),
        ("sip:9991234567;phone-context=+7@h;user=phone", "+79991234567"),
        ("tel:9991234567;phone-context=example.com", ""),
        ("sip:+79991234567;npdi;rn=+7123@h", "+79991234567"),
        ("sip:alice@h", ""),
        ("sip:100@h", ""),
        ("sip:1234567890123456@h", ""),
        ("sip:h", ""),
        ("sip:+7999123456x@h", ""),
        ("sip:٧٩٩٩١٢٣٤٥٦٧@h", ""),
        ("http://79991234567", ""),
    ],
)
def test_number_is_found_in_a_uri(text: str, number: str) -> None:
    """The one thing a call is taken for."""
    assert find_number(parse_uri(text)) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@h:0",
        "sip:a@h:99999",
        "sip:a b@h",
        "<sip:a@h>",
        "sip:a@[::1",
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    """Half a URI would be somebody else's number."""
    with pytest.raises(FieldError):
        parse_uri(text)


def test_anonymous_callers_are_known() -> None:
    """RFC 3323's host, and the names that gateways use without it."""
    for text in ("sip:anonymous@anonymous.invalid", "sip:x@Anonymous.Invalid", "sip:Anonymous@192.0.2.1"):
        assert is_anonymous(parse_uri(text))
    assert not is_anonymous(parse_uri("sip:+79991234567@192.0.2.1"))


@pytest.mark.parametrize(
    ("written", "came", "params"),
    [
        ("SIP/2.0/UDP 192.0.2.1;branch=b", ("192.0.2.1", 9), (("branch", "b"),)),
        ("SIP/2.0/UDP h;branch=b", ("192.0.2.1", 9), (("branch", "b"), ("received", "192.0.2.1"))),
        (
            "SIP/2.0/UDP 192.0.2.1;rport;branch=b",
            ("192.0.2.1", 9),
            (("branch", "b"), ("received", "192.0.2.1"), ("rport", "9")),
        ),
        ("SIP/2.0/UDP 192.0.2.1;received=8.8.8.8;branch=b", ("192.0.2.1", 9), (("branch", "b"),)),
        ("SIP/2.0/UDP h;rport=1;received=8.8.8.8", ("192.0.2.1", 9), (("received", "192.0.2.1"), ("rport", "9"))),
        ("SIP/2.0/UDP [::1]:5060;branch=b", ("::1", 9), (("branch", "b"),)),
    ],
)
def test_top_via_says_where_a_request_came_from(written: str, came: tuple[str, int], params: fields.Params) -> None:
    """Answers go there; what a sender writes into received himself would send them to somebody else (RFC 3581)."""
    stamped = stamp(parse_via(written), *came)
    assert stamped.params == params
    assert parse_via(str(stamped)) == stamped


def test_stream_is_cut_into_messages_wherever_it_breaks() -> None:
    """TCP has no limits of messages: every split must give the same ones, and keep-alives are answered."""
    stream = b"\r\n\r\n" + INVITE + b"\r\n" + INVITE.replace(b"Content-Length", b"l") + b"\r\n\r\n\r\n\r\n"
    for step in (1, 2, 3, 7, 100, len(stream)):
        framer, found = Framer(), []
        for start in range(0, len(stream), step):
            framer.feed(stream[start : start + step])
            while (message := framer.cut()) is not None:
                found.append(parse(message, stream=True))
        assert len(found) == 2 and all(each == request() for each in found)
        assert framer.pings == 3 and framer.waiting == 0


@pytest.mark.parametrize("data", [b"x" * (tables.MAX_MESSAGE + 1), b"A: b\r\nContent-Length: 70000\r\n\r\n"])
def test_stream_without_end_is_given_up(data: bytes) -> None:
    """A connection holds 64 kB at most."""
    framer = Framer()
    framer.feed(data)
    with pytest.raises(MessageError, match="too large"):
        framer.cut()


@pytest.mark.parametrize(
    "noise", [b'"\\' * 30_000, b'"' * 60_001, b"<" * 60_000, b"\\" * 60_000, b" ," * 30_000, b"\r\n " * 20_000]
)
def test_reading_takes_time_by_length_alone(noise: bytes) -> None:
    """64 kB of quotation marks must not hold up every other call; a search that went back would take minutes."""
    for old, new in (
        (b'"Ivan" ', noise),
        (b";tag=a1", b";" + noise),
        (b"Via: ", b"Via: " + noise),
        (b"Contact: ", b"Contact: " + noise),
    ):
        try:
            found = request(change(old, new))
        except MessageError:
            continue
        assert found.elements("Contact")


TEXT = st.text(st.characters(blacklist_categories=("Cc", "Cs"), blacklist_characters="\x85\u2028\u2029"), max_size=30)
TOKEN = st.text(string.ascii_letters + string.digits + "-.!%*_+`'~", min_size=1, max_size=12)


@given(TOKEN, st.lists(st.tuples(TOKEN, TEXT.map(lambda text: text.strip(" \t"))), max_size=8), st.binary(max_size=50))
@settings(max_examples=200, deadline=None)
def test_written_message_is_read_as_itself(method: str, extra: list[tuple[str, str]], body: bytes) -> None:
    """Nothing is lost and nothing becomes something else on the way."""
    others = tuple((tables.spell(name), value) for name, value in extra)
    others = tuple(each for each in others if each[0] not in {*tables.SINGLE, "Via"})
    kept = tuple(each for each in request().headers if each[0] != "CSeq")
    made = Request(method=method, uri="sip:a@b", headers=(*kept, ("CSeq", f"7 {method}"), *others), body=body)
    assert parse(encode(made)) == made
    assert parse(encode(made), stream=True) == made


@given(
    st.sampled_from((INVITE, TORTUOUS, b"SIP/2.0 200 OK\r\n" + INVITE.partition(b"\r\n")[2])),
    st.lists(st.tuples(st.integers(0, 900), st.binary(max_size=3)), max_size=6),
)
@settings(max_examples=600, deadline=None)
def test_chance_never_raises_anything_but_its_error(raw: bytes, changes: list[tuple[int, bytes]]) -> None:
    """A listener in the open is sent everything; what is read can be used and written again."""
    data = bytearray(raw)
    for place, octets in changes:
        data[place % len(data) : place % len(data) + 1] = octets
    try:
        found = parse(bytes(data))
    except MessageError as error:
        assert error.status in tables.REASONS
        return
    assert found.via and found.cseq and found.from_ and found.to and found.call_id
    for text in (found.from_.uri, getattr(found, "uri", "")):
        try:
            addresses.find_number(parse_uri(text))
        except FieldError:
            continue
    assert parse(encode(found)) == found


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_fields_of_chance_raise_nothing_else(text: str) -> None:
    """Each reader by itself."""
    for read in (parse_via, parse_cseq, parse_address, parse_uri, split_list, fields.read_params):
        try:
            read(text)  # type: ignore[operator]
        except FieldError:
            continue
    assert "".join(split_list(text)).count(",") <= text.count(",")
