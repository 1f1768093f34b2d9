"""The parameters of a request, wherever the client put them (spec/sending 1.1, 1.3 and 7.3, spec/clients 2.4).

URL and body are merged and the body wins. The body is a form, multipart/form-data, or a JSON object (the /rest/ paths
whatever the Content-Type says, any path when the Content-Type is JSON). `charset` names the encoding of the fields,
windows-1251 unless given, UTF-8 on /rest/. Charsets named in a Content-Type are ignored, as the service ignores them:
libraries send "charset=UTF-8" there and windows-1251 in the fields.
"""

import re
from binascii import hexlify
from typing import Final

import msgspec

from heliograph.api.forms import (
    MAX_KEY,
    MAX_PARAMETERS,
    ParamError,
    canonical_charset,
    decode_fields,
    find_charset,
    read_fields,
    split_fields,
)
from heliograph.api.multipart import File, read_parts
from heliograph.api.request import Request

__all__ = ["File", "ParamError", "Params", "canonical_charset", "decode"]

# Parameters that are comma lists, so that a JSON array can stand for them.
_LISTS: Final = frozenset({"phones", "phone", "id"})

_CHARSET = re.compile(rb"charset=([^&]*)")  # searched, then checked against what was decoded
_EMPTY_JSON: Final = frozenset({b"", b"null", b"[]", b'""'})


class Params(dict[str, str]):
    """Parameters by name, with the uploaded `files`, the canonical `charset` and, for bin=1, the payload.

    With bin=1 `mes` is bytes and no text (spec/sending 6.2): `binary` holds them, and `mes` their upper-case
    hexadecimal form, the one that bin=2 has.
    """

    __slots__ = ("binary", "charset", "files")

    def __init__(self, charset: str) -> None:
        self.charset = charset
        self.files: tuple[File, ...] = ()
        self.binary: bytes | None = None


def decode(request: Request, default_charset: str = "windows-1251") -> Params:
    """The parameters of a request; raises ParamError and nothing else for what cannot be read.

    `default_charset` holds when the request names none; /rest/ has UTF-8 for its default whatever is given here.
    """
    query = request.query
    rest = request.path.startswith("/rest/")
    default = "utf-8" if rest else default_charset
    body = request.body
    if not body:
        return _decode_urlencoded(query, b"", default)
    kind, _, _ = request.headers.get(b"content-type", b"").partition(b";")
    kind = kind.strip().lower()
    if kind == b"multipart/form-data":
        return _decode_multipart(request, default)
    if rest or kind == b"application/json" or kind == b"text/json":
        stripped = body.removeprefix(b"\xef\xbb\xbf").strip()
        if stripped.startswith(b"{"):
            return _decode_json(query, stripped, default)
        if stripped in _EMPTY_JSON:
            return _decode_urlencoded(query, b"", default)
        if stripped[:1] in (b"[", b'"'):
            raise ParamError("no JSON object")
    elif kind not in (b"application/x-www-form-urlencoded", b"", b"text/plain"):
        # What is no form (an XML document, an upload) belongs to the door that understands it.
        body = b""
    return _decode_urlencoded(query, body, default)


def _decode_urlencoded(query: bytes, form: bytes, default: str) -> Params:
    """A query and a form. The quick way guesses the charset by a search and is given up when it was not right."""
    named = _CHARSET.search(form) or _CHARSET.search(query)
    charset = find_charset(named[1].decode("latin-1")) if named and named[1] else default
    if charset is not None:
        params = Params(charset)
        try:
            read_fields(query, charset, params)
            if form:
                read_fields(form, charset, params)
            if canonical_charset(params.get("charset") or default) == charset and params.get("bin") != "1":
                return params
        except ParamError:
            pass  # may be the payload of bin=1, or a charset found inside another value: the long way decides
    return _decode_bytes(_fields(query) | _fields(form), default)


def _fields(raw: bytes) -> dict[bytes, bytes]:
    if raw.count(b"&") >= MAX_PARAMETERS:
        raise ParamError("too many parameters")
    return dict(split_fields(raw))


def _decode_bytes(fields: dict[bytes, bytes], default: str) -> Params:
    """Fields as bytes: the charset and bin=1 are known before anything is decoded."""
    named = fields.get(b"charset")
    params = Params(canonical_charset(named.decode("latin-1")) if named else default)
    if fields.get(b"bin") == b"1" and b"mes" in fields:
        params.binary = fields[b"mes"]
        fields[b"mes"] = hexlify(params.binary).upper()
    decode_fields(fields, params.charset, params)
    return params


def _decode_multipart(request: Request, default: str) -> Params:
    fields = _fields(request.query)
    files: list[tuple[bytes, bytes, bytes, bytes]] = []
    for part in read_parts(request.body, request.headers[b"content-type"]):
        if part.filename is None:
            fields[part.name] = part.value
        elif part.filename or part.value:
            files.append((part.name, part.filename, part.content_type, part.value))
    params = _decode_bytes(fields, default)
    params.files = tuple(
        File(
            field=_label(name, params.charset),
            name=_label(re.split(rb"[/\\]", filename)[-1], params.charset),
            content_type=content_type.decode("latin-1"),
            data=data,
        )
        for name, filename, content_type, data in files
    )
    return params


def _label(raw: bytes, charset: str) -> str:
    """A name that is shown and never matched: browsers write it in UTF-8 whatever the form's charset says."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode(charset, "replace")
    return text.replace("\0", "")


def _decode_json(query: bytes, body: bytes, default: str) -> Params:
    """A JSON object over the query. It is UTF-8 (RFC 8259, 8.1); where it is not, its own `charset` is believed."""
    values, charset = _parse_json(body)
    params = _decode_urlencoded(query, b"", default)
    named = _json_text("charset", values.get("charset"))
    if named:
        params.charset = canonical_charset(named)
    elif charset and "charset" not in params:
        params.charset = charset
    if len(values) > MAX_PARAMETERS:
        raise ParamError("too many parameters")
    binary = (_json_text("bin", values.get("bin")) or params.get("bin")) == "1"
    for key, value in values.items():
        text = _json_text(key, value)
        if text is None:
            continue
        if len(key) > MAX_KEY:
            raise ParamError("parameter name too long")
        if binary and key == "mes":
            params.binary = _json_payload(text)
            text = hexlify(params.binary).decode().upper()
        if "\0" in text or "\0" in key:
            raise ParamError("NUL character")
        params[key] = text
    if params.binary is not None and not binary:
        raise ParamError("bin differs between URL and body")
    return params


def _json_payload(text: str) -> bytes:
    """The bytes of bin=1: JSON can write them only as the characters below 256."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise ParamError("binary text with characters above 255") from None


def _parse_json(body: bytes) -> tuple[dict[str, object], str]:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        # All three charsets have ASCII in common, so the key can be read before the charset is known.
        named = _load_json(body.decode("latin-1").encode()).get("charset")
        charset = canonical_charset(named if isinstance(named, str) and named else "utf-8")
        try:
            return _load_json(body.decode(charset).encode()), charset
        except UnicodeDecodeError:
            raise ParamError("bytes outside the charset") from None
    return _load_json(body), ""


def _load_json(body: bytes) -> dict[str, object]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ParamError("malformed JSON") from None
    if not isinstance(value, dict):
        raise ParamError("no JSON object")
    return value


def _json_text(key: str, value: object) -> str | None:
    """A JSON value as the text a form would have held; None when it counts as absent (spec/sending 7.3)."""
    if value is None or (value == "" and key != "sender"):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, int):
        if value.bit_length() > 128:
            raise ParamError("number out of range")
        return str(value)
    if isinstance(value, float):
        # Some languages know one number type: 79001112233.0 is a phone. 2**53 is where floats stop being exact.
        if abs(value) <= 2**53 and value.is_integer():
            return str(int(value))
        return repr(value)
    if isinstance(value, list) and key in _LISTS:
        return ",".join(text for item in value if not isinstance(item, list) and (text := _json_text(key, item)))
    raise ParamError("value of no simple type")
