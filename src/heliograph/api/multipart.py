"""multipart/form-data bodies (RFC 7578, spec/clients 2.4).

The official Node library sends everything so, C# gives each part its own Content-Type and Transfer-Encoding, and
scripts write the whole by hand; so header names may have either of two spellings, names need no quotes, lines may end
in a bare LF, and the closing delimiter may be missing (HTTP's own framing says that the body is whole).
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp

import msgspec

from heliograph.api.forms import MAX_PARAMETERS, ParamError

MAX_PART_HEAD = 8192  # bytes; browsers stay under 500

# A parameter of a header value: a quoted string with backslash escapes, or a token (RFC 9110, 5.6.6).
_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"\s]*))', re.DOTALL)
_ESCAPED = re.compile(rb'\\(["\\])')


class File(msgspec.Struct, frozen=True):
    """An uploaded file: the field it came in, its name without folders, its declared type, its bytes."""

    field: str
    name: str
    content_type: str
    data: bytes


class Part(msgspec.Struct, frozen=True):
    """One part, its transfer encoding undone. `filename` is None for an ordinary field."""

    name: bytes
    value: bytes
    filename: bytes | None
    content_type: bytes


def header_parameters(value: bytes) -> dict[bytes, bytes]:
    """The parameters of a header such as Content-Type or Content-Disposition; names lower-case, values unquoted."""
    found = {}
    for name, quoted, token in _PARAMETER.findall(value):
        found[name.lower()] = _ESCAPED.sub(rb"\1", quoted) if quoted else token
    return found


def read_parts(body: bytes, content_type: bytes) -> list[Part]:
    """The named parts of a body in their order; ParamError when it is no multipart body of that Content-Type."""
    boundary = header_parameters(content_type).get(b"boundary", b"")
    if not 1 <= len(boundary) <= 200:
        raise ParamError("no multipart boundary")
    delimiter = b"--" + boundary
    start = 0 if body.startswith(delimiter) else body.find(b"\n" + delimiter) + 1
    if start == 0 and not body.startswith(delimiter):
        raise ParamError("multipart boundary not in the body")
    line_end = b"\r\n" if body[start + len(delimiter) :].lstrip(b" \t").startswith((b"\r\n", b"--")) else b"\n"
    parts = []
    for count, raw in enumerate(body[start + len(delimiter) :].split(line_end + delimiter)):
        if raw.startswith(b"--"):
            break
        if count >= MAX_PARAMETERS:
            raise ParamError("too many parameters")
        part = _read_part(raw, line_end)
        if part is not None:
            parts.append(part)
    return parts


def _read_part(raw: bytes, line_end: bytes) -> Part | None:
    """`raw` is what stands between two delimiters; None for a part without a name."""
    padding, newline, content = raw.partition(line_end)
    if not newline or padding.strip(b" \t"):
        raise ParamError("malformed multipart delimiter")
    if content.startswith(line_end):
        return None
    head, blank, value = content.partition(line_end + line_end)
    if not blank or len(head) > MAX_PART_HEAD:
        raise ParamError("malformed multipart part")
    headers = _read_headers(head, line_end)
    disposition = header_parameters(headers.get(b"content-disposition", b""))
    if b"name" not in disposition:
        return None
    encoding = headers.get(b"content-transfer-encoding") or headers.get(b"transfer-encoding") or b""
    return Part(
        name=disposition[b"name"],
        value=_undo(encoding.lower(), value),
        filename=disposition.get(b"filename"),
        content_type=headers.get(b"content-type", b""),
    )


def _read_headers(head: bytes, line_end: bytes) -> dict[bytes, bytes]:
    """Header lines of a part; a line that begins with a blank continues the one before."""
    headers: dict[bytes, bytes] = {}
    name = b""
    for line in head.split(line_end):
        if line[:1] in (b" ", b"\t") and name:
            headers[name] += b" " + line.strip()
            continue
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        headers[name] = value.strip()
    return headers


def _undo(encoding: bytes, value: bytes) -> bytes:
    if encoding in (b"", b"binary", b"8bit", b"7bit", b"identity"):
        return value
    if encoding == b"base64":
        try:
            return a2b_base64(value)
        except Base64Error:
            raise ParamError("malformed base64") from None
    if encoding == b"quoted-printable":
        return a2b_qp(value)
    raise ParamError("unknown transfer encoding")
