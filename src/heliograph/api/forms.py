"""Form-urlencoded fields in the three charsets of the API (spec/sending 1.1 and 1.3, spec/clients 2.4).

Percent-decoding happens on bytes and the charset comes after it, because the service's default is windows-1251 and
every general parser assumes UTF-8. What clients send unescaped (UTF-8, blanks, line ends, a bare key) is taken as it
is, and so is a '%' that begins no escape.
"""

import re
from binascii import unhexlify
from collections.abc import Iterator
from string import hexdigits

# The service compares charset names without regard to case, '-' and '_' (spec/sending 1.3).
CHARSETS = {
    "windows1251": "windows-1251",
    "cp1251": "windows-1251",
    "win1251": "windows-1251",
    "1251": "windows-1251",
    "utf8": "utf-8",
    "koi8r": "koi8-r",
    # As published, so that the usual spelling is found at once.
    "windows-1251": "windows-1251",
    "utf-8": "utf-8",
    "koi8-r": "koi8-r",
}

MAX_PARAMETERS = 1000
MAX_KEY = 100  # bytes; the longest documented name has 16

# The first '%' stands outside the group so that the search skips to it: a third of the time of "(?:%..)+".
_ESCAPES = re.compile(rb"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*")


class ParamError(ValueError):
    """Parameters that cannot be read: error 1 (parameters error). Its text never repeats a value."""


def find_charset(name: str) -> str | None:
    """The published name of a charset, which is also Python's; None when the service knows no such one."""
    return CHARSETS.get(name) or CHARSETS.get(name.strip().lower().replace("-", "").replace("_", ""))


def canonical_charset(name: str) -> str:
    """As `find_charset`, but an unknown name is a ParamError."""
    found = find_charset(name)
    if found is None:
        raise ParamError("unknown charset")
    return found


# What two hexadecimal digits mean, in any mixture of cases.
_OCTETS = {(high + low).encode(): bytes.fromhex(high + low) for high in hexdigits for low in hexdigits}
# Up to so many escapes are looked up one by one; more are mostly runs, which are decoded a run at a time.
_FEW = 12


def _unescape(found: re.Match[bytes]) -> bytes:
    # A run of escapes is decoded at once: a Cyrillic word costs one call, not one per byte.
    return unhexlify(found[0].replace(b"%", b""))


def unquote(raw: bytes) -> bytes:
    """Percent-decodes; '+' is left alone, and so is a '%' without two hexadecimal digits."""
    pieces = raw.split(b"%")
    if len(pieces) == 1:
        return raw
    if len(pieces) > _FEW:
        return _ESCAPES.sub(_unescape, raw)
    found = [pieces[0]]
    for piece in pieces[1:]:
        octet = _OCTETS.get(piece[:2])
        if octet is None:
            found.append(b"%" + piece)
        else:
            found.append(octet)
            found.append(piece[2:])
    return b"".join(found)


def split_fields(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields of a query or form as decoded bytes, before any charset."""
    for piece in raw.replace(b"+", b" ").split(b"&"):
        if piece:
            key, _, value = piece.partition(b"=")
            yield unquote(key), unquote(value)


def read_fields(raw: bytes, charset: str, into: dict[str, str]) -> None:
    """Decodes a query or form into `into`, later fields over earlier ones; ParamError when it cannot be read.

    `charset` is a canonical name. Empty values are kept (an empty `sender` means something); a NUL, which no database
    holds, and bytes outside the charset are refused.
    """
    if raw.count(b"&") >= MAX_PARAMETERS:
        raise ParamError("too many parameters")
    if b"\0" in raw or b"%00" in raw:
        raise ParamError("NUL character")
    if not raw.isascii():
        decode_fields(dict(split_fields(raw)), charset, into)
        return
    # The common case: all is ASCII until unescaped, so only values with a '%' need bytes and the charset.
    for piece in raw.decode("ascii").replace("+", " ").split("&"):
        key, equals, value = piece.partition("=")
        if "%" in value:
            value = _decode(unquote(value.encode("ascii")), charset)
        if "%" in key:
            key = _decode(unquote(key.encode("ascii")), charset)
        if len(key) <= MAX_KEY:
            if piece:
                into[key] = value
        elif equals:
            raise ParamError("parameter name too long")


def decode_fields(fields: dict[bytes, bytes], charset: str, into: dict[str, str]) -> None:
    """Brings fields that are bytes (of a form or of multipart) into a charset, with the refusals of `read_fields`."""
    if len(fields) > MAX_PARAMETERS:
        raise ParamError("too many parameters")
    for name, value in fields.items():
        if b"\0" in value or b"\0" in name:
            raise ParamError("NUL character")
        if len(name) <= MAX_KEY:
            into[_decode(name, charset)] = _decode(value, charset)
        elif value:
            raise ParamError("parameter name too long")


def _decode(raw: bytes, charset: str) -> str:
    try:
        # All three charsets have ASCII in common, which needs no table.
        return raw.decode("ascii") if raw.isascii() else raw.decode(charset)
    except UnicodeDecodeError:
        raise ParamError("bytes outside the charset") from None
