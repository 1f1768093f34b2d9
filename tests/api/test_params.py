"""Parameters from URL, form and JSON, in three charsets."""

import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.api.forms import MAX_PARAMETERS, canonical_charset
from heliograph.api.params import ParamError, Params, decode
from heliograph.api.request import Request

FORM = b"application/x-www-form-urlencoded"
JSON = b"application/json"
CHARSETS = ("windows-1251", "utf-8", "koi8-r")


def get(query: bytes) -> Params:
    return decode(Request("GET", "/sys/send.php", query))


def post(body: bytes, content_type: bytes | None = FORM, query: bytes = b"", path: str = "/sys/send.php") -> Params:
    headers = {} if content_type is None else {b"content-type": content_type}
    return decode(Request("POST", path, query, headers, body))


def rest(body: object, content_type: bytes | None = JSON, query: bytes = b"") -> Params:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return post(raw, content_type, query, "/rest/send/")


def test_url_parameters_are_percent_decoded() -> None:
    """The plainest call of all: '+' is a blank, %2B is a plus."""
    assert get(b"phones=%2B79001112233&mes=two+words%21&fmt=3") == {
        "phones": "+79001112233",
        "mes": "two words!",
        "fmt": "3",
    }


def test_windows_1251_is_the_default() -> None:
    """Old clients name no charset and send windows-1251."""
    params = get(b"mes=" + quote("Привет", encoding="cp1251").encode())
    assert params["mes"] == "Привет"
    assert params.charset == "windows-1251"


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("utf8", "utf-8"),
        ("UTF-8", "utf-8"),
        ("utf_8", "utf-8"),
        ("koi8_r", "koi8-r"),
        ("KOI8-R", "koi8-r"),
        ("windows1251", "windows-1251"),
        ("Windows-1251", "windows-1251"),
        ("cp1251", "windows-1251"),
        ("CP-1251", "windows-1251"),
    ],
)
def test_charset_names_ignore_case_and_dashes(name: str, canonical: str) -> None:
    """Libraries spell them as they like (spec/clients 2.4)."""
    params = get(f"charset={name}&mes=".encode() + quote("Ёж", encoding=canonical).encode())
    assert (params.charset, params["mes"]) == (canonical, "Ёж")
    assert canonical_charset(name) == canonical


def test_charset_may_be_percent_encoded_anywhere() -> None:
    """The search for the charset is a shortcut; the decoded parameter decides."""
    text = quote("Ёж").encode()
    assert get(b"mes=" + text + b"&charset=utf%2D8")["mes"] == "Ёж"
    assert get(b"mes=" + text + b"&%63harset=utf-8")["mes"] == "Ёж"
    assert get(b"mycharset=latin-9&mes=" + text + b"&charset=utf-8")["mes"] == "Ёж"
    assert get(b"mes=" + quote("Ёж", encoding="cp1251").encode() + b"&mycharset=utf-8")["mes"] == "Ёж"


def test_empty_charset_is_the_default() -> None:
    """Typed clients send every key, empty or not."""
    assert get(b"charset=&mes=a").charset == "windows-1251"


@pytest.mark.parametrize("query", [b"charset=latin-1&mes=a", b"charset=utf-16", b"charset=%FF"])
def test_unknown_charset_is_refused(query: bytes) -> None:
    """A guessed charset would send the wrong letters."""
    with pytest.raises(ParamError):
        get(query)


@pytest.mark.parametrize(
    "query",
    [
        b"mes=%98",  # the one byte that windows-1251 does not have
        b"mes=\x98",
        b"charset=utf-8&mes=%D0",
        b"charset=utf-8&mes=%ED%A0%80",  # a lone surrogate
        b"charset=utf-8&mes=\xed\xa0\x80",
        b"mes=a%00b",
        b"mes=a\0b",
        b"me%00s=a",
        b"mes=\xcf%00",
    ],
)
def test_text_no_database_can_hold_is_refused(query: bytes) -> None:
    """Refused at the door, so that no batch fails because of one item."""
    with pytest.raises(ParamError):
        get(query)


def test_body_wins_over_the_url() -> None:
    """Both sources are merged (spec/sending 1.1)."""
    params = post(b"mes=body&fmt=1", query=b"login=a&mes=url")
    assert params == {"login": "a", "mes": "body", "fmt": "1"}


def test_charset_of_the_body_wins_for_both() -> None:
    """One request has one charset."""
    text = quote("Ёж").encode()
    params = post(b"charset=utf-8&mes=" + text, query=b"charset=koi8-r&sender=" + text)
    assert (params["mes"], params["sender"], params.charset) == ("Ёж", "Ёж", "utf-8")


def test_charset_in_the_content_type_is_ignored() -> None:
    """Libraries write UTF-8 there and send windows-1251, and the service never looked."""
    params = post(b"mes=" + quote("Ёж", encoding="cp1251").encode(), FORM + b"; charset=UTF-8")
    assert params["mes"] == "Ёж"


@pytest.mark.parametrize(
    "content_type", [None, b"", b"text/plain", b"application/json", b"Application/X-WWW-Form-Urlencoded"]
)
def test_form_without_its_content_type_is_read(content_type: bytes | None) -> None:
    """Some scripts post a form and name it something else, or nothing."""
    assert post(b"mes=a&phones=7", content_type) == {"mes": "a", "phones": "7"}


@pytest.mark.parametrize("body", [b"", b"null", b" ", b"{}", b"[]", b'""'])
def test_json_content_type_with_parameters_in_the_url(body: bytes) -> None:
    """Seen in the wild: the type says JSON, everything stands in the URL."""
    assert post(body, JSON, b"mes=a") == {"mes": "a"}


def test_other_bodies_are_left_to_their_door() -> None:
    """An XML document is no form, whatever '&' and '=' it holds."""
    assert post(b"<a b='c'>&amp;</a>", b"text/xml", b"mes=a") == {"mes": "a"}


def test_unescaped_text_is_tolerated() -> None:
    """C# in POST mode and smsc-ru do not escape (spec/clients 2.4)."""
    assert post("charset=utf-8&mes=Два слова\nи строка&fmt=1".encode()) == {
        "charset": "utf-8",
        "mes": "Два слова\nи строка",
        "fmt": "1",
    }
    assert get("mes=Два слова&charset=utf-8".encode())["mes"] == "Два слова"


def test_bare_keys_and_empty_pieces_are_tolerated() -> None:
    """C# price queries carry a bare `&query`; joined strings leave `&&`."""
    assert get(b"&login=a&&query&psw=b&") == {"login": "a", "query": "", "psw": "b"}


def test_brackets_in_names_may_be_encoded() -> None:
    """`fl[5]` comes both ways."""
    assert get(b"fl[5]=1&fl%5B6%5D=0") == {"fl[5]": "1", "fl[6]": "0"}


def test_stray_percent_signs_stay() -> None:
    """A text about a discount of 5% is no malformed request."""
    assert get(b"mes=5%+off+%2+%zz+%")["mes"] == "5% off %2 %zz %"


def test_value_may_hold_equal_signs() -> None:
    """Only the first '=' separates."""
    assert get(b"mes=a=b==")["mes"] == "a=b=="


def test_later_fields_win() -> None:
    """As in PHP, which the clients were written against."""
    assert get(b"mes=a&mes=b")["mes"] == "b"


def test_empty_values_of_a_form_are_kept() -> None:
    """`sender=` switches the default name off; absent it does not."""
    assert get(b"sender=&tz=") == {"sender": "", "tz": ""}


def test_binary_payload_is_kept_as_bytes() -> None:
    """With bin=1 `mes` is bytes (spec/sending 6.2), among them NUL and what is outside every charset."""
    params = get(b"bin=1&mes=%06%05%04%00%98+&fmt=3")
    assert params.binary == b"\x06\x05\x04\x00\x98 "
    assert params["mes"] == "060504009820"
    assert get(b"bin=2&mes=0605").binary is None
    assert post(b"mes=%00&bin=1").binary == b"\0"


def test_binary_does_not_excuse_other_parameters() -> None:
    """Only `mes` is bytes."""
    with pytest.raises(ParamError):
        get(b"bin=1&mes=%01&sender=%00")


def test_too_many_parameters_are_refused() -> None:
    """The bound keeps one request from costing seconds."""
    pieces = [b"p%d=1" % number for number in range(MAX_PARAMETERS)]
    assert len(get(b"&".join(pieces))) == MAX_PARAMETERS
    with pytest.raises(ParamError):
        get(b"&".join([*pieces, b"one=1"]))
    with pytest.raises(ParamError):
        get(b"bin=1&" + b"&".join(pieces))


def test_long_names_are_refused_and_bare_text_is_dropped() -> None:
    """An unescaped '&' in a long text makes a bare piece, which is not the client's name of anything."""
    with pytest.raises(ParamError):
        get(b"k" * 101 + b"=1")
    assert get(b"mes=Tom & " + b"Jerry " * 50 + b"&fmt=1") == {"mes": "Tom ", "fmt": "1"}


def test_json_values_become_text() -> None:
    """Numbers and booleans are what typed clients serialise (spec/sending 7.3)."""
    assert rest({"phones": 79001112233, "mes": "Код 4821", "cost": 3, "flash": True, "bin": False, "period": 0.5}) == {
        "phones": "79001112233",
        "mes": "Код 4821",
        "cost": "3",
        "flash": "1",
        "bin": "0",
        "period": "0.5",
    }
    assert rest(b'{"phones": 7.9001112233e10}')["phones"] == "79001112233"


def test_null_and_empty_json_values_are_absent_but_for_the_sender() -> None:
    """Typed clients serialise all keys; an empty sender still means something."""
    assert rest({"mes": "a", "tz": None, "time": "", "sender": ""}) == {"mes": "a", "sender": ""}
    assert rest({"sender": None}) == {}


def test_json_array_of_phones_is_joined() -> None:
    """A list of numbers is the natural thing to send."""
    assert rest({"phones": ["79001112233", 79001112234, None]})["phones"] == "79001112233,79001112234"


@pytest.mark.parametrize("content_type", [None, b"text/plain", FORM, JSON, b"application/json; charset=utf-8"])
def test_rest_reads_json_whatever_the_content_type(content_type: bytes | None) -> None:
    """The header is sometimes missing (spec/sending 7.3)."""
    assert rest({"mes": "Ёж"}, content_type)["mes"] == "Ёж"


def test_rest_answers_in_utf_8_by_default() -> None:
    """/rest/ is UTF-8 unless something else is named."""
    assert rest({"mes": "a"}).charset == "utf-8"
    assert rest({"mes": "a", "charset": "cp1251"}).charset == "windows-1251"
    assert rest({"mes": "a"}, query=b"charset=koi8-r").charset == "koi8-r"
    assert rest(b"mes=" + quote("Ёж").encode(), FORM)["mes"] == "Ёж"


def test_json_outside_utf_8_is_read_by_its_own_charset() -> None:
    """A client that recodes the whole body says so in it."""
    body = '{"mes": "Ёжик", "charset": "windows-1251"}'.encode("cp1251")
    assert rest(body)["mes"] == "Ёжик"
    with pytest.raises(ParamError, match="outside the charset"):
        rest('{"mes": "Ёжик"}'.encode("cp1251"))


def test_json_with_a_byte_order_mark_is_read() -> None:
    """.NET writes one."""
    assert rest(b'\xef\xbb\xbf{"mes": "a"}') == {"mes": "a"}


def test_json_on_other_paths_needs_its_content_type() -> None:
    """A form value may begin with a brace, a JSON object is declared."""
    assert post(b'{"mes": "a"}', JSON) == {"mes": "a"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"mes": }',
        b'["a"]',
        b'"a"',
        b'{"mes": ["a"]}',
        b'{"mes": {"a": 1}}',
        b'{"mes": "\\u0000"}',
        b'{"me\\u0000s": "a"}',
        b'{"mes": "\\ud800"}',
        b'{"phones": [{}]}',
        b'{"charset": "latin-9"}',
        b'{"charset": 5}',
        b'{"id": ' + b"9" * 5000 + b"}",
        b'{"a": ' * 3000 + b"1" + b"}" * 3000,
        b'{"mes": NaN}',
        b'{"' + b"k" * 101 + b'": 1}',
    ],
)
def test_json_that_is_no_flat_object_is_refused(body: bytes) -> None:
    """A documented error, never a trace."""
    with pytest.raises(ParamError):
        rest(body)


def test_json_binary_payload() -> None:
    """JSON can hold bytes only as characters below 256."""
    params = rest({"bin": 1, "mes": "\x06\x05\xff"})
    assert (params.binary, params["mes"]) == (b"\x06\x05\xff", "0605FF")
    with pytest.raises(ParamError):
        rest({"bin": 1, "mes": "Ё"})


def encodable(charset: str) -> st.SearchStrategy[str]:
    return st.text(st.characters(codec=charset, exclude_characters="\0"), max_size=60)


@pytest.mark.parametrize("charset", CHARSETS)
@settings(deadline=None)  # the machine may be busy
@given(data=st.data())
def test_what_is_encoded_is_decoded(charset: str, data: st.DataObject) -> None:
    """Form-encoding by another library and decoding by ours is the identity, in each charset."""
    fields = data.draw(
        st.dictionaries(
            encodable(charset).filter(
                lambda name: 0 < len(name.encode(charset)) <= 100 and name not in ("charset", "bin", "+")
            ),
            encodable(charset),
            max_size=8,
        )
    )
    raw = urlencode({**fields, "charset": charset}, encoding=charset, quote_via=quote_plus).encode()
    expected = {**fields, "charset": charset}
    assert get(raw) == expected
    assert post(raw) == expected


@settings(deadline=None)
@given(
    query=st.binary(max_size=80),
    body=st.binary(max_size=200),
    content_type=st.sampled_from([None, FORM, JSON, b"multipart/form-data; boundary=x", b"multipart/form-data"]),
    path=st.sampled_from(["/sys/send.php", "/rest/send/"]),
)
def test_no_bytes_raise_anything_else(query: bytes, body: bytes, content_type: bytes | None, path: str) -> None:
    """Whatever comes, the door has parameters or a ParamError."""
    try:
        params = post(body, content_type, query, path)
    except ParamError:
        return
    assert all(isinstance(value, str) and "\0" not in value for value in params.values())


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            b"charset=",
            b"utf-8",
            b"&",
            b"=",
            b"%",
            b"%00",
            b"%D0",
            b"\xd0",
            b"\x9f",
            b"bin=1",
            b"mes",
            b"+",
            b"%26",
            b"a",
        ]
    ),
    max_size=14,
).map(b"".join)


@settings(deadline=None)
@given(FRAGMENTS, FRAGMENTS)
def test_no_form_raises_anything_else(query: bytes, body: bytes) -> None:
    """The same with pieces that reach deeper than random bytes do."""
    try:
        params = post(body, FORM, query)
    except ParamError:
        return
    assert params.charset in CHARSETS


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["mes", "phones", "sender", "charset", "bin", "id"]) | st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
        ),
        max_size=6,
    )
)
def test_no_json_raises_anything_else(value: dict[str, object]) -> None:
    """Any JSON object gives text values or a ParamError."""
    try:
        params = rest(value)
    except ParamError:
        return
    assert all(isinstance(text, str) for text in params.values())


@settings(deadline=None)
@given(
    st.sampled_from(
        [b'{"mes":"a\\u0416","phones":["7916","7917"],"charset":"utf-8","bin":1}', b'{"list":"1:\\n2","x":null}']
    ),
    st.lists(st.tuples(st.integers(0, 80), st.sampled_from(b'{}[]",:\\u0d8e9- \x00\xff')), max_size=4),
    st.integers(0, 20),
)
def test_no_broken_json_raises_anything_else(whole: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    """Bytes changed in a good body reach deeper than random ones do."""
    body = bytearray(whole)
    for place, octet in changes:
        body[place % len(body)] = octet
    try:
        params = post(bytes(body[: len(body) - cut]), JSON)
    except ParamError:
        return
    assert all(isinstance(text, str) and "\0" not in text for text in params.values())


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 200_000, b'{"a":' + b"[" * 100_000])
def test_deep_json_is_refused(body: bytes) -> None:
    """A body of brackets must not fill the stack."""
    with pytest.raises(ParamError):
        post(body, JSON)
