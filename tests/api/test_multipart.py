"""multipart/form-data bodies, as libraries and people write them."""

from base64 import b64encode
from quopri import encodestring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.api.multipart import File, header_parameters, read_parts
from heliograph.api.params import ParamError, Params, decode
from heliograph.api.request import Request

BOUNDARY = b"----x7"


def part(name: bytes, value: bytes, *headers: bytes, filename: bytes | None = None) -> bytes:
    disposition = b'Content-Disposition: form-data; name="%b"' % name
    if filename is not None:
        disposition += b'; filename="%b"' % filename
    return b"\r\n".join([disposition, *headers, b"", value])


def join(*parts: bytes, end: bytes = b"--\r\n") -> bytes:
    return b"".join(b"--%b\r\n%b\r\n" % (BOUNDARY, one) for one in parts) + b"--" + BOUNDARY + end


def post(body: bytes, query: bytes = b"", content_type: bytes = b"multipart/form-data; boundary=" + BOUNDARY) -> Params:
    return decode(Request("POST", "/sys/send.php", query, {b"content-type": content_type}, body))


def test_everything_may_be_multipart() -> None:
    """The official Node library sends plain parameters so."""
    params = post(join(part(b"login", b"a"), part(b"charset", b"utf-8"), part(b"mes", "Ёж & 5% +1".encode())))
    assert params == {"login": "a", "charset": "utf-8", "mes": "Ёж & 5% +1"}
    assert params.files == ()


def test_default_charset_holds_for_parts() -> None:
    """A type with a charset on a part changes nothing: `charset` alone names it."""
    params = post(join(part(b"mes", "Ёж".encode("cp1251"), b"Content-Type: text/plain; charset=utf-8")))
    assert params["mes"] == "Ёж"


def test_url_and_parts_are_merged() -> None:
    """Node puts the query into the URL and files into the body; the body wins."""
    params = post(join(part(b"fmt", b"3")), b"fmt=1&mes=%D0%81&charset=utf-8")
    assert params == {"fmt": "3", "mes": "Ё", "charset": "utf-8"}


def test_files_are_kept_aside() -> None:
    """File fields have free names and are no parameters."""
    data = bytes(range(256)) + b"\r\n--not the boundary\r\n"
    body = join(
        part(b"mes", b"a"),
        part(b"file0", data, b"Content-Type: image/png", filename="C:\\фото\\ёж.png".encode()),
        part(b"file1", b"", b"Content-Type: application/octet-stream", filename=b""),
    )
    params = post(body)
    assert params == {"mes": "a"}
    assert params.files == (File(field="file0", name="ёж.png", content_type="image/png", data=data),)


@pytest.mark.parametrize(
    ("encoding", "coded"),
    [
        (b"base64", b64encode("Ёж".encode())),
        (
            b"BASE64",
            b"0IHQ\r\nttA=".replace(
                b"0IHQ\r\nttA=", b64encode("Ёж".encode())[:4] + b"\r\n" + b64encode("Ёж".encode())[4:]
            ),
        ),
        (b"quoted-printable", encodestring("Ёж".encode())),
        (b"8bit", "Ёж".encode()),
        (b"7bit", "Ёж".encode()),
        (b"binary", "Ёж".encode()),
    ],
)
@pytest.mark.parametrize("header", [b"Content-Transfer-Encoding", b"Transfer-Encoding"])
def test_transfer_encoding_of_a_part_is_undone(encoding: bytes, coded: bytes, header: bytes) -> None:
    """C# writes one or the other header on every part."""
    params = post(join(part(b"mes", coded, header + b": " + encoding), part(b"charset", b"utf8")))
    assert params["mes"] == "Ёж"


def test_names_need_no_quotes() -> None:
    """C#'s MultipartFormDataContent writes name=login."""
    body = join(b"Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=login\r\n\r\na")
    assert post(body) == {"login": "a"}


def test_boundary_may_be_quoted() -> None:
    """C# quotes it."""
    assert post(join(part(b"a", b"b")), content_type=b'Multipart/Form-Data; Boundary="%b"' % BOUNDARY) == {"a": "b"}


def test_bare_line_feeds_are_tolerated() -> None:
    """Bodies written by hand in a script."""
    assert post(join(part(b"a", b"1"), part(b"b", b"2")).replace(b"\r\n", b"\n")) == {"a": "1", "b": "2"}


def test_preamble_epilogue_and_padding_are_ignored() -> None:
    """RFC 2046, 5.1.1."""
    body = join(part(b"a", b"1")).replace(b"--" + BOUNDARY + b"\r\n", b"--" + BOUNDARY + b" \t\r\n")
    assert post(b"preamble\r\n" + body + b"epilogue") == {"a": "1"}


def test_missing_last_delimiter_is_tolerated() -> None:
    """HTTP already says that the body is whole."""
    whole = join(part(b"a", b"1"), part(b"b", b"2"))
    assert post(whole[: whole.rindex(b"\r\n--" + BOUNDARY)]) == {"a": "1", "b": "2"}


def test_values_keep_their_line_ends() -> None:
    """Texts have several lines, and an empty value is no missing one."""
    assert post(join(part(b"mes", b"a\r\nb\n"), part(b"sender", b""))) == {"mes": "a\r\nb\n", "sender": ""}


def test_binary_payload_in_a_part() -> None:
    """bin=1 is bytes here too."""
    params = post(join(part(b"mes", b"\0\x98"), part(b"bin", b"1")))
    assert (params.binary, params["mes"]) == (b"\0\x98", "0098")


def test_parts_without_a_name_are_ignored() -> None:
    """They cannot mean anything."""
    assert post(join(b"\r\na", b"Content-Disposition: form-data\r\n\r\nb", part(b"c", b"d"))) == {"c": "d"}


def test_quotes_in_names_may_be_escaped() -> None:
    """RFC 7578 forms, with backslashes."""
    assert header_parameters(b'form-data; name="a\\"b"; filename=x.txt') == {b"name": b'a"b', b"filename": b"x.txt"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (join(part(b"a", b"b")), b"multipart/form-data"),
        (join(part(b"a", b"b")), b"multipart/form-data; boundary="),
        (join(part(b"a", b"b")), b"multipart/form-data; boundary=other"),
        (b"nothing", b"multipart/form-data; boundary=" + BOUNDARY),
        (join(b"no end of the head"), b"multipart/form-data; boundary=" + BOUNDARY),
        (join(part(b"a", b"abc", b"Content-Transfer-Encoding: base64")), b"multipart/form-data; boundary=" + BOUNDARY),
        (join(part(b"a", b"b", b"Content-Transfer-Encoding: gzip")), b"multipart/form-data; boundary=" + BOUNDARY),
        (join(part(b"a", b"\0")), b"multipart/form-data; boundary=" + BOUNDARY),
        (join(part(b"a", b"\x98")), b"multipart/form-data; boundary=" + BOUNDARY),
        (join(part(b"a", b"b", b"X: " + b"y" * 9000)), b"multipart/form-data; boundary=" + BOUNDARY),
        (join(*[part(b"a", b"b")] * 1001), b"multipart/form-data; boundary=" + BOUNDARY),
    ],
)
def test_malformed_bodies_are_refused(body: bytes, content_type: bytes) -> None:
    """A documented error, never a trace."""
    with pytest.raises(ParamError):
        post(body, content_type=content_type)


@settings(deadline=None)  # the machine may be busy
@given(
    st.dictionaries(
        st.text("abcdefgh[]5", min_size=1, max_size=9),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
        max_size=6,
    )
)
def test_what_is_written_is_read(fields: dict[str, str]) -> None:
    """Writing by the RFC and reading is the identity."""
    body = join(*[part(name.encode(), value.encode()) for name, value in fields.items()], part(b"charset", b"utf-8"))
    assert post(body) == {**fields, "charset": "utf-8"}


PIECES = st.lists(
    st.sampled_from(
        [
            b"--",
            BOUNDARY,
            b"\r\n",
            b"\n",
            b"Content-Disposition:",
            b" form-data; ",
            b'name="a"',
            b"filename=",
            b'"',
            b"\\",
            b";",
            b"Content-Transfer-Encoding: base64",
            b"\r\n\r\n",
            b"a",
            b"\0",
            b" ",
            b"--" + BOUNDARY + b"\r\n",
            b"=",
            b":",
        ]
    ),
    max_size=30,
).map(b"".join)


@settings(deadline=None)
@given(PIECES | st.binary(max_size=200), st.binary(max_size=30) | st.just(b"; boundary=" + BOUNDARY))
def test_no_body_raises_anything_else(body: bytes, parameters: bytes) -> None:
    """Whatever comes, the reader has parts or a ParamError."""
    try:
        parts = read_parts(b"--" + BOUNDARY + b"\r\n" + body, b"multipart/form-data" + parameters)
    except ParamError:
        return
    assert all(isinstance(one.name, bytes) for one in parts)
