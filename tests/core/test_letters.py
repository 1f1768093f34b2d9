"""Letters and the orders in them (spec protocols 4)."""

import base64
import quopri
import time
from email.header import Header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.accounts import Account, Settings
from heliograph.core.letter_orders import FORMATS, parse_order
from heliograph.core.letters import Letter, find_command, html_to_text, read_letter, split_address
from heliograph.core.mail_forwards import Target, compose, find_target, is_sender_welcome
from heliograph.core.reasons import Reason, Refused

ORDER = "acme:secret:501:0:0,0,ACME,0:79161234567;G7:Заказ 501: готов\nжду"


def make(text: str, charset: str, head: str = "", coding: str = "8bit") -> bytes:
    """A letter of one part."""
    body = text.replace("\n", "\r\n").encode(charset)
    if coding == "base64":
        body = base64.encodebytes(body)
    elif coding == "quoted-printable":
        body = quopri.encodestring(body)
    return f"{head}Content-Transfer-Encoding: {coding}\r\n\r\n".encode() + body


@pytest.mark.parametrize("coding", ["8bit", "base64", "quoted-printable"])
@pytest.mark.parametrize("charset", ["koi8-r", "windows-1251", "utf-8"])
def test_cyrillic_is_read_in_each_charset_and_coding(charset: str, coding: str) -> None:
    """Libraries send any of these."""
    letter = read_letter(make(ORDER, charset, f'Content-Type: text/plain; charset="{charset}"\r\n', coding))
    assert letter.text == ORDER
    assert parse_order(find_command(letter)).params["mes"] == "Заказ 501: готов\nжду"


@pytest.mark.parametrize("head", ["", "Content-Type: text/plain\r\n", "Content-Type: text/plain; charset=x-odd\r\n"])
def test_charset_is_koi8_r_when_none_is_known(head: str) -> None:
    """Unlike HTTP's windows-1251."""
    assert read_letter(make(ORDER, "koi8-r", head)).text == ORDER


def test_order_without_any_header_is_read() -> None:
    """Its first line looks like a header."""
    assert read_letter(ORDER.encode("koi8-r")).text == ORDER


def test_order_is_split_into_its_fields() -> None:
    """The form of the reference."""
    order = parse_order("acme:pw:7:0101271200,2:1,1,ACME,1:+79161234567;G7:a:b\nc")
    assert order[:2] == ("acme", "pw")
    assert order.params == {
        "id": "7", "time": "0101271200", "tz": "2", "translit": "1", "flash": "1", "sender": "ACME", "test": "1",
        "phones": "+79161234567;G7", "mes": "a:b\nc",
    }  # fmt: skip


@pytest.mark.parametrize("options", ["", ",", "0,0,NAME", ",0,,1", "0,0,NAME,0", " 0 , 0 , NAME "])
def test_missing_options_have_their_defaults(options: str) -> None:
    """Libraries leave out what they do not set."""
    params = parse_order(f"a:b:::{options}:7916:x").params
    assert params.get("sender", "NAME") == "NAME"
    assert params["phones"] == "7916"


def test_key_instead_of_login_and_password() -> None:
    """An empty login says that the password is a key."""
    assert parse_order(":key:::0,0,:7916:x")[:2] == ("", "key")


def test_list_has_texts_of_its_own() -> None:
    """The second form: no numbers, and the rest of the letter is a list."""
    order = parse_order("a:b::0:0,0,::79161234567:one: 1\n79161234568:two")
    assert order.params["list"] == "79161234567:one: 1\n79161234568:two"
    assert "phones" not in order.params
    # The colon of the list may be followed by a line break.
    assert parse_order("a:b::0:0,0,::\n7916:one").params["list"] == "7916:one"


@pytest.mark.parametrize("channel", FORMATS)
def test_each_channel_is_a_parameter_of_send(channel: str) -> None:
    """Codes 0 to 11."""
    assert FORMATS[channel].items() <= parse_order(f"a:b:::0,{channel},:7916:x").params.items()


@pytest.mark.parametrize("text", ["", "a:b", "a:b:c:d:e", "a:b:::0,99,:7916:x", "a:b:::0,0,x,0,1:7916:x", "a:b:::::", "a:b:::0::  "])  # fmt: skip
def test_what_is_no_order_is_refused(text: str) -> None:
    """With words that hold nothing of it."""
    with pytest.raises(Refused) as refused:
        parse_order(text)
    assert refused.value.reason is Reason.BAD_PARAMETERS


def test_only_what_is_marked_counts() -> None:
    """Providers add footers; the marks are in any case, and the second may be missing."""
    for text in (f"Hello\n[text]{ORDER}[/text]\n--\nfooter", f"x[TEXT]\n{ORDER}\n[/Text]", f"ad [text]{ORDER}"):
        assert find_command(read_letter(make(text, "koi8-r"))) == ORDER


def test_plain_part_of_a_multipart_letter_is_taken() -> None:
    """Clients send both; attachments do not count."""
    raw = (
        'Content-Type: multipart/mixed; boundary="A"\r\n\r\n--A\r\n'
        "Content-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nnot me\r\n--A\r\n"
        'Content-Type: multipart/alternative; boundary="B"\r\n\r\n--B\r\nContent-Type: text/html\r\n\r\n<p>nor me\r\n--B\r\n'
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{ORDER}\r\n--B--\r\n--A--\r\n"
    ).encode()
    assert read_letter(raw).text.replace("\r\n", "\n") == ORDER


def test_text_is_read_out_of_a_page() -> None:
    """Webmail writes pages alone: tags are stripped before [text] is looked for, line breaks stay."""
    page = (
        "<html><head><title>t</title><style>p{}</style></head><body><!-- c --><p>Hello &amp; co</p>"
        "<div>[te<b>xt</b>]acme:pw::0:0,0,ACME:79161234567:caf&eacute; 1 &lt; 2<br>second\r\n  line[/text]</div>bye</body>"
    )
    letter = read_letter(f"Content-Type: text/html; charset=utf-8\r\n\r\n{page}".encode())
    assert find_command(letter) == "acme:pw::0:0,0,ACME:79161234567:café 1 < 2\nsecond line"
    assert letter.html


@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<a ",
        "<",
        "</",
        "<a b='",
        '<a href="',
        "<![CDATA[",
        "<?",
        "<!a",
        "<x y=z ",
        "&#",
        "<script>",
        "<a/",
        ">",
    ],
)
def test_no_page_takes_long(piece: str) -> None:
    """html.parser alone takes minutes for a hundred kilobytes of these; every step is linear here."""
    page = piece * (100_000 // len(piece))
    began = time.process_time()
    html_to_text(page)
    # Some 0.1 s; by the square of the size it would be a minute.
    assert time.process_time() - began < 5


def test_parts_in_parts_are_bounded() -> None:
    """The parser looks for every open boundary in every line."""
    nested = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (number, number) for number in range(1500)
    )
    with pytest.raises(Refused):
        read_letter(nested)


def test_headers_are_decoded_and_a_letter_is_known_again() -> None:
    """Relays add headers, so the print is of the Message-ID and the body."""
    subject = Header("Сервер упал", "koi8-r").encode()
    head = f"From: =?utf-8?b?0Jg=?= <ann@example.ru>\r\nSubject: {subject}\r\nMessage-ID: <1@x>\r\n"
    one = read_letter(f"{head}\r\nhi\r\n".encode())
    assert (one.sender, one.subject, one.text) == ("ann@example.ru", "Сервер упал", "hi")
    assert one.key == read_letter(f"Received: by y\r\n{head}\r\nhi\r\n".encode()).key != ""
    assert one.key != read_letter(f"{head}\r\nho\r\n".encode()).key
    assert read_letter(b"Subject: x\r\n\r\nhi").key == ""


@given(st.binary(max_size=600))
def test_any_octets_are_read_or_refused(raw: bytes) -> None:
    """Strangers write to us: nothing but Refused comes out, and no text that a database cannot hold."""
    try:
        letter = read_letter(raw)
    except Refused:
        return
    said = f"{letter.text}{letter.subject}{letter.sender}"
    assert "\0" not in said
    said.encode()
    try:
        order = parse_order(find_command(letter))
    except Refused:
        return
    assert ("list" in order.params) != ("phones" in order.params)


@given(
    st.sampled_from(["text/plain", "text/html", "multipart/mixed; boundary=b", "message/rfc822"]), st.text(max_size=200)
)
def test_any_text_in_any_form_is_read_or_refused(kind: str, text: str) -> None:
    """Headers that promise a form make the parser take other ways."""
    raw = f"Content-Type: {kind}; charset=utf-8\r\nSubject: {text}\r\nMessage-ID: x\r\n\r\n--b\r\n{text}".encode(
        "utf-8", "replace"
    )
    try:
        letter = read_letter(raw)
    except Refused:
        return
    letter.text.encode()


def test_addresses_are_split() -> None:
    """Quotes and case do not count."""
    assert split_address("SEND@Send.Example.RU.") == ("send", "send.example.ru")
    assert split_address('<"a@b"@c>') == ("a@b", "c")
    assert split_address("nobody") == ("", "nobody")


# -- letters that go on as texts --------------------------------------------------
def target(*phones: str, **settings: object) -> Target:
    """An account whose letters go on."""
    own = Settings(mail_to_sms=True, mail_phones=("79161234567",), **settings)  # type: ignore[arg-type]
    return Target(Account(1, "Acme", "RUR", 0, 1, own), phones)


LETTER = Letter("ann@example.ru", "Down", "server 7\nis down", "utf-8")


def test_letter_goes_on_with_sender_subject_and_text() -> None:
    """mfl, mph, mlen, mh1 and mh2 of the reference."""
    assert compose(LETTER, target()) == {"phones": "79161234567", "mes": "ann@example.ru\nDown\nserver 7\nis down"}
    dropped = target(mail_drop_from=True, mail_drop_text=True, mail_translit=True, mail_hours="9-21")
    assert compose(LETTER, dropped) == {"phones": "79161234567", "mes": "Down", "translit": "1", "time": "9-21"}
    assert compose(LETTER, target(mail_drop_from=True, mail_drop_subject=True, mail_length=8))["mes"] == "server 7"


def test_letter_cannot_choose_a_kind_or_a_comment() -> None:
    """A stranger writes it: it goes out as a text, and nothing of it is hidden."""
    said = target(mail_drop_from=True, mail_drop_subject=True)
    assert compose(LETTER._replace(text="__HLR__a\n~~~\nb"), said)["mes"] == "HLR__a\n~ ~\nb"


def test_numbers_in_the_letter_count_where_that_is_allowed() -> None:
    """mfl[5] and mfl[6]."""
    letter = LETTER._replace(text="+79160000001, 79160000002\nhi")
    plain = {"mail_drop_from": True, "mail_drop_subject": True}
    assert compose(letter, target(mail_phones_in_body=True, **plain)) == {
        "phones": "+79160000001,79160000002",
        "mes": "hi",
    }
    assert compose(letter, target(**plain))["phones"] == "79161234567"
    assert compose(LETTER, target("79160000003", **plain))["phones"] == "79160000003"
    with pytest.raises(Refused):
        compose(LETTER._replace(text=",".join(["79160000001"] * 21) + "\nhi"), target(mail_phones_in_body=True))


def test_address_names_an_account_and_numbers() -> None:
    """Only accounts that get letters are there for strangers."""
    account = target(mail_phones_in_address=True).account
    closed = Account(2, "closed", "RUR", 0, 1, Settings())
    logins = {"acme": account, "closed": closed}
    assert find_target("acme", logins) == Target(account, ())
    assert find_target("79160000001.+79160000002.acme", logins) == Target(account, ("79160000001", "+79160000002"))
    for local in ("closed", "nobody", "x.acme", "79160000001.closed", "acme.79160000001", "", "."):
        assert find_target(local, logins) is None
    assert find_target("79160000001.acme", {"acme": target().account}) is None


def test_senders_may_be_listed() -> None:
    """Addresses, and whole domains."""
    settings = Settings(mail_from=("Ann@example.ru", "@example.com"))
    assert is_sender_welcome(settings, "ann@example.ru")
    assert is_sender_welcome(settings, "bob@Example.com")
    assert not is_sender_welcome(settings, "bob@example.ru")
    assert is_sender_welcome(Settings(), "")
