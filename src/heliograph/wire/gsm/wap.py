"""WAP push: a Service Indication as the user data of binary messages (WAP-167-ServiceInd, WAP-230-WSP, WAP-192-WBXML).

The address of a push is its application ports in the user data header; behind the header stand the WSP push header
and the indication (a link and its title) in WBXML.
"""

from heliograph.wire.gsm.segments import OCTETS
from heliograph.wire.gsm.udh import Element, build, concatenation, ports

DESTINATION_PORT = 2948  # the push client of a handset, connectionless (WAP-259-WDP)
SOURCE_PORT = 9200  # connectionless session service

# WSP: a transaction identifier of no meaning in a push, PDU type Push (0x06), one octet of headers, which is
# the content type application/vnd.wap.sic (0x2E, as a short integer 0xAE).
_WSP_PUSH = bytes.fromhex("DC0601AE")

# WBXML 1.2, public identifier 5 (SI 1.0), UTF-8 (MIB enum 106 = 0x6A), no string table;
# <si> with content (0x05 + 0x40), <indication> with attributes and content (0x06 + 0xC0).
_INDICATION_START = bytes.fromhex("02056A0045C6")
_END = b"\x01"
_INLINE = b"\x03"

# WAP-167, section 9.3: attribute href with the beginning of its value, the longest first.
_HREF_STARTS = (("https://www.", b"\x0f"), ("http://www.", b"\x0d"), ("https://", b"\x0e"), ("http://", b"\x0c"))
_HREF = b"\x0b"

# WAP-167, section 9.3: values within an attribute.
_HREF_VALUES = ((".com/", b"\x85"), (".edu/", b"\x86"), (".net/", b"\x87"), (".org/", b"\x88"))


def push_si(url: str, title: str) -> bytes:
    """Return the user data of a WAP push that shows `title` and opens `url`, its user data header first.

    Its action is the default of the indication, signal-medium. NUL characters, which end a string in WBXML, are
    left out. The result may be over 140 octets; `push_parts` splits it.
    """
    return build([_PORTS]) + _body(url, title)


def push_parts(url: str, title: str, reference: int) -> list[bytes]:
    """Return the push as payloads of at most 140 octets, each beginning with its user data header.

    Several parts carry an 8-bit concatenation, the one every handset knows, of `reference` modulo 256.

    Raises:
        UdhError: the push needs over 255 parts.
    """
    whole = push_si(url, title)
    if len(whole) <= OCTETS:
        return [whole]
    body = _body(url, title)
    total = -(-len(body) // _ROOM)
    return [
        build([_PORTS, concatenation(reference & 0xFF, total, number, wide=False)])
        + body[(number - 1) * _ROOM : number * _ROOM]
        for number in range(1, total + 1)
    ]


_PORTS: Element = ports(DESTINATION_PORT, SOURCE_PORT)

# A header of 1 octet length, 6 of ports and 5 of concatenation leaves 140 - 12 = 128.
_ROOM = OCTETS - len(build([_PORTS, concatenation(0, 1, 1, wide=False)]))


def _body(url: str, title: str) -> bytes:
    return b"".join((_WSP_PUSH, _INDICATION_START, _href(url), _END, _inline(title), _END, _END))


def _href(url: str) -> bytes:
    start, token = next((pair for pair in _HREF_STARTS if url.startswith(pair[0])), ("", _HREF))
    rest = url[len(start) :]
    for value, value_token in _HREF_VALUES:
        host, found, path = rest.partition(value)
        if found and "/" not in host:
            return token + _inline(host) + value_token + _inline(path)
    return token + _inline(rest)


def _inline(text: str) -> bytes:
    """Return an inline string, or nothing for an empty text."""
    octets = text.replace("\0", "").encode("utf-8", "replace")
    return _INLINE + octets + b"\0" if octets else b""
