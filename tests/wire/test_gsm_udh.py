"""The user data header, built and parsed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.wire.gsm.udh import (
    Concatenation,
    Element,
    Ports,
    UdhError,
    build,
    concatenation,
    find_concatenation,
    find_ports,
    parse,
    ports,
)

elements = st.lists(st.builds(Element, st.integers(0, 255), st.binary(max_size=20)), max_size=11)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("050003CC0201", Concatenation(0xCC, 2, 1)),
        ("06080412340302", Concatenation(0x1234, 3, 2)),
    ],
)
def test_concatenation_has_known_octets(octets: str, expected: Concatenation) -> None:
    """The two headers every long message has (TS 23.040, 9.2.3.24.1 and 9.2.3.24.8)."""
    header = bytes.fromhex(octets)
    found, rest = parse(header + b"text")
    assert rest == b"text"
    assert find_concatenation(found) == expected
    assert build([concatenation(*expected, wide=header[1] == 8)]) == header


def test_port_header_has_known_octets() -> None:
    """The header of a WAP push: to 2948 from 9200."""
    header = bytes.fromhex("0605040B8423F0")
    assert build([ports(2948, 9200)]) == header
    assert find_ports(parse(header)[0]) == Ports(2948, 9200)
    assert find_ports([Element(5, b"\x0b\x84")]) is None


def test_empty_header_is_one_octet() -> None:
    """Binary data without a header begins with a zero octet (sending spec 6.2)."""
    assert build([]) == b"\0"
    assert parse(b"\0data") == ([], b"data")


@pytest.mark.parametrize("octets", ["", "05", "050003CC02", "0100", "030003CC", "02000100", "0400010000"])
def test_bad_lengths_are_refused(octets: str) -> None:
    """A header that lies about its lengths must not be guessed at."""
    with pytest.raises(UdhError):
        parse(bytes.fromhex(octets))


@pytest.mark.parametrize(
    "element",
    [
        Element(0, b"\x01\x00\x01"),  # no parts
        Element(0, b"\x01\x02\x00"),  # number zero
        Element(0, b"\x01\x02\x03"),  # number over the total
        Element(0, b"\x01\x02"),
        Element(8, b"\x01\x02\x01"),
        Element(5, b"\x0b\x84\x23\xf0"),
    ],
)
def test_senseless_concatenation_is_ignored(element: Element) -> None:
    """The standard has a receiver ignore it and show the message alone."""
    assert find_concatenation([element]) is None
    assert find_concatenation([concatenation(7, 2, 1), element]) == (7, 2, 1)


def test_last_of_several_concatenations_counts() -> None:
    """TS 23.040, 9.2.3.24: of elements that exclude each other the last one is used."""
    assert find_concatenation([concatenation(1, 2, 1), concatenation(2, 3, 2, wide=False)]) == (2, 3, 2)


@pytest.mark.parametrize(
    "arguments",
    [
        (1, 0, 0, True),
        (1, 2, 3, True),
        (1, 2, 0, True),
        (1, 256, 1, True),
        (0x10000, 2, 1, True),
        (256, 2, 1, False),
        (-1, 2, 1, True),
    ],
)
def test_impossible_concatenation_is_refused(arguments: tuple[int, int, int, bool]) -> None:
    """A wrapped number would join parts of different messages."""
    with pytest.raises(UdhError):
        concatenation(*arguments)


def test_impossible_headers_are_refused() -> None:
    """Lengths are single octets."""
    for bad in ([Element(256, b"")], [Element(-1, b"")], [Element(1, bytes(254))], [Element(1, bytes(200))] * 2):
        with pytest.raises(UdhError):
            build(bad)
    with pytest.raises(UdhError):
        ports(65536, 1)
    assert len(build([Element(1, bytes(253))])) == 256


@given(elements, st.binary(max_size=50))
def test_header_survives_the_round_trip(given_elements: list[Element], rest: bytes) -> None:
    """Elements Heliograph does not know pass through unchanged."""
    assert parse(build(given_elements) + rest) == (given_elements, rest)


@given(st.one_of(st.binary(max_size=60), st.lists(st.integers(0, 8), max_size=30).map(bytes)))
def test_parsing_any_octets_fails_only_as_documented(data: bytes) -> None:
    """User data comes from anybody; what parses is built again to the same octets."""
    try:
        found, rest = parse(data)
    except UdhError:
        return
    assert build(found) + rest == data
    place = find_concatenation(found)
    assert place is None or 1 <= place.number <= place.total
