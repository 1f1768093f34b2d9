"""WAP push payloads, held against the example of WAP-167 and read back by a small decoder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.wire.gsm.udh import UdhError, find_concatenation, find_ports, parse
from heliograph.wire.gsm.wap import push_parts, push_si

STARTS = {0x0B: "", 0x0C: "http://", 0x0D: "http://www.", 0x0E: "https://", 0x0F: "https://www."}
VALUES = {0x85: ".com/", 0x86: ".edu/", 0x87: ".net/", 0x88: ".org/"}


def read_indication(body: bytes) -> tuple[str, str]:
    """Return link and title of a push body."""
    assert body[:10] == bytes.fromhex("DC0601AE02056A0045C6")
    texts = [STARTS[body[10]], ""]
    at, ends = 11, 0
    while ends < 3:
        token = body[at]
        at += 1
        if token == 0x01:
            ends += 1
        elif token == 0x03:
            stop = body.index(0, at)
            texts[ends] += body[at:stop].decode()
            at = stop + 1
        else:
            texts[ends] += VALUES[token]
    assert at == len(body)
    return texts[0], texts[1]


def test_push_has_the_octets_services_send() -> None:
    """Ports, push header, WBXML: the form of the payload that customers send as hex."""
    expected = (
        "0605040B8423F0" "DC0601AE" "02056A0045C6"
        "0C03" "7761702E6578616D706C652E72752F" "00" "01"
        "03" "7761702E6578616D706C652E7275" "00" "0101"
    )  # fmt: skip
    assert push_si("http://wap.example.ru/", "wap.example.ru").hex().upper() == expected


def test_link_uses_tokens_as_in_the_standard() -> None:
    """The link of the encoding example in WAP-167: http://www.xyz.com/email/123/abc.wml."""
    body = push_si("http://www.xyz.com/email/123/abc.wml", "You have 4 new emails")[7:]
    assert body[10:] == (
        b"\x0d\x03xyz\x00\x85\x03email/123/abc.wml\x00" + b"\x01" + b"\x03You have 4 new emails\x00" + b"\x01\x01"
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://example.net/a?b=.org/",
        "https://www.example.org",
        "http://www.example.edu/x",
        "example.org/x",
        "ftp://example.com/",
        "http://example.ru/x.com/y",
        "http://",
        "",
    ],
)
def test_links_are_read_back(url: str) -> None:
    """Each token stands for the same characters it replaced."""
    assert read_indication(push_si(url, "Title")[7:]) == (url, "Title")


def test_short_push_is_one_part_without_concatenation() -> None:
    """Up to 140 octets nothing is split."""
    url = "http://example.ru/"
    frame = len(push_si(url, "x")) - 1
    exact = push_parts(url, "x" * (140 - frame), 5)
    assert exact == [push_si(url, "x" * (140 - frame))]
    assert len(exact[0]) == 140
    assert len(push_parts(url, "x" * (141 - frame), 5)) == 2


@given(st.text(max_size=300), st.text(max_size=300), st.integers(0, 70000))
def test_parts_make_the_push_again(url: str, title: str, reference: int) -> None:
    """A handset joins the parts by reference and number and opens the link."""
    parts = push_parts(url, title, reference)
    whole = b""
    for number, part in enumerate(parts, 1):
        elements, body = parse(part)
        assert len(part) <= 140
        assert find_ports(elements) == (2948, 9200)
        place = find_concatenation(elements)
        assert place == ((reference % 256, len(parts), number) if len(parts) > 1 else None)
        whole += body
    assert read_indication(whole) == (url.replace("\0", ""), title.replace("\0", ""))


def test_endless_push_is_refused() -> None:
    """255 parts of 128 octets are the most a concatenation can number."""
    with pytest.raises(UdhError):
        push_parts("http://example.ru/", "x" * 128 * 255, 1)


def test_lone_surrogate_does_not_fail() -> None:
    """It cannot be UTF-8 and shows as a question mark."""
    assert read_indication(push_si("http://a/\ud800", "b\udfff")[7:]) == ("http://a/?", "b?")
