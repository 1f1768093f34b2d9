"""The user data header: its elements, concatenation and application ports (3GPP TS 23.040, section 9.2.3.24)."""

from collections.abc import Iterable
from typing import NamedTuple

CONCATENATION_8 = 0x00
APPLICATION_PORTS_16 = 0x05
CONCATENATION_16 = 0x08


class UdhError(ValueError):
    """The octets are no user data header, or the elements do not make one."""


class Element(NamedTuple):
    """One information element: its identifier (0 to 255) and its data (0 to 253 octets)."""

    identifier: int
    data: bytes


class Concatenation(NamedTuple):
    """The place of a part: reference of the message, number of its parts, number of this part from 1."""

    reference: int
    total: int
    number: int


class Ports(NamedTuple):
    """Application ports, 0 to 65535."""

    destination: int
    source: int


def parse(data: bytes) -> tuple[list[Element], bytes]:
    """Return the elements of the header that user data begins with, and the octets after it.

    Raises:
        UdhError: a length goes over the end of the data or of the header.
    """
    if not data:
        raise UdhError("user data header is missing")
    end = data[0] + 1
    if end > len(data):
        raise UdhError(f"user data header of {data[0]} octets in {len(data) - 1}")
    elements: list[Element] = []
    at = 1
    while at < end:
        if at + 2 > end:
            raise UdhError("information element without a length")
        body = at + 2
        at = body + data[body - 1]
        if at > end:
            raise UdhError(f"information element of {data[body - 1]} octets in {end - body}")
        elements.append(Element(data[body - 2], bytes(data[body:at])))
    return elements, bytes(data[end:])


def build(elements: Iterable[Element]) -> bytes:
    """Return the header of `elements` with its length octet in front; a single zero octet for none.

    Raises:
        UdhError: an identifier is not one octet, or the header has more than 255 octets.
    """
    body = bytearray()
    for identifier, data in elements:
        if not 0 <= identifier <= 0xFF:
            raise UdhError(f"information element identifier {identifier} is not one octet")
        if len(data) > 0xFD:  # 255 octets of header - identifier - length
            raise UdhError(f"information element of {len(data)} octets")
        body += bytes((identifier, len(data))) + data
    if len(body) > 0xFF:
        raise UdhError(f"user data header of {len(body)} octets")
    return bytes((len(body),)) + bytes(body)


def concatenation(reference: int, total: int, number: int, wide: bool = True) -> Element:
    """Return the element that names part `number` of `total` (1 to 255): IEI 8, or IEI 0 when not `wide`.

    The header is 7 octets when `wide`, else 6; split the text by `segments.Limit.wide_chunk` or `chunk` to match.

    Raises:
        UdhError: a number out of range; `reference` has 16 bits when `wide`, else 8.
    """
    if not 1 <= number <= total <= 0xFF:
        raise UdhError(f"part {number} of {total}")
    if not 0 <= reference <= (0xFFFF if wide else 0xFF):
        raise UdhError(f"concatenation reference {reference} is out of range")
    if wide:
        return Element(CONCATENATION_16, bytes((reference >> 8, reference & 0xFF, total, number)))
    return Element(CONCATENATION_8, bytes((reference, total, number)))


def find_concatenation(elements: Iterable[Element]) -> Concatenation | None:
    """Return the place of a part that `elements` name, or None.

    By the standard an element with no parts, number zero or a number over the total is ignored, and of several the
    last one counts (section 9.2.3.24).
    """
    found = None
    for identifier, data in elements:
        if identifier == CONCATENATION_8 and len(data) == 3:
            place = Concatenation(data[0], data[1], data[2])
        elif identifier == CONCATENATION_16 and len(data) == 4:
            place = Concatenation(data[0] << 8 | data[1], data[2], data[3])
        else:
            continue
        if 1 <= place.number <= place.total:
            found = place
    return found


def ports(destination: int, source: int) -> Element:
    """Return the element of 16-bit application ports (section 9.2.3.24.4).

    Raises:
        UdhError: a port is out of range.
    """
    if not (0 <= destination <= 0xFFFF and 0 <= source <= 0xFFFF):
        raise UdhError(f"application ports {destination} and {source} are out of range")
    return Element(APPLICATION_PORTS_16, destination.to_bytes(2, "big") + source.to_bytes(2, "big"))


def find_ports(elements: Iterable[Element]) -> Ports | None:
    """Return the 16-bit application ports that `elements` name (the last ones of several), or None."""
    found = None
    for identifier, data in elements:
        if identifier == APPLICATION_PORTS_16 and len(data) == 4:
            found = Ports(int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big"))
    return found
