"""Addresses: name-addr, sip: and tel: URIs, and the telephone number in them (RFC 3261, sections 19.1 and 20.10; RFC 3966; RFC 3325)."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote as unescape

import msgspec

from .fields import FieldError, Params, find, read_params, unquote

# The shortest and longest numbers with their country code (ITU-T E.164, section 6: 15 digits at most). What is shorter
# is an extension or the name of an account.
MIN_DIGITS: Final = 7
MAX_DIGITS: Final = 15
SHORT_DIGITS: Final = 3  # of a short code, which may be called and never calls

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_DISPLAY: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_FORBIDDEN: Final = re.compile(r'[\s<>"]')
_VISUAL: Final = re.compile(r"[-.()\s]")  # visual separators of RFC 3966, section 3; blanks, which some write
_NUMBER: Final = re.compile(rf"\+?[0-9]{{{SHORT_DIGITS},{MAX_DIGITS}}}")
_PREFIX: Final = re.compile(r"\+[0-9]{1,14}")


class Uri(msgspec.Struct, frozen=True):
    """A URI in parts: `scheme` in lower case; `user` and `password` unescaped; of tel: the number is the `user`.

    Of schemes other than sip, sips and tel only the scheme is read.
    """

    scheme: str
    user: str = ""
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = ()


class Address(msgspec.Struct, frozen=True):
    """A name-addr: the name shown, the URI as written, and the parameters behind it (such as `tag`)."""

    display: str
    uri: str
    params: Params = ()

    @property
    def tag(self) -> str:
        """The tag of From or To, empty when there is none."""
        return find(self.params, "tag") or ""


def parse_address(text: str) -> Address:
    """`"Name" <uri>;tag=x`, `Name <uri>` or `uri;tag=x`, where the parameters belong to the field. FieldError."""
    text = text.strip()
    quoted = _DISPLAY.match(text) if text.startswith('"') else None
    start = text.find("<", quoted.end() if quoted else 0)
    if start < 0:
        uri, _, rest = text.partition(";")
        if quoted or text.startswith('"') or not uri or _FORBIDDEN.search(uri.strip()):
            raise FieldError("address")
        return Address("", uri.strip(), read_params(rest))
    end = text.find(">", start)
    display = text[:start].strip()
    if end < 0 or (quoted and quoted[0] != display) or (not quoted and '"' in display):
        raise FieldError("address")
    uri, rest = text[start + 1 : end].strip(), text[end + 1 :].strip()
    if not uri or _FORBIDDEN.search(uri) or (rest and not rest.startswith(";")):
        raise FieldError("address")
    return Address(unquote(display), uri, read_params(rest))


def parse_uri(text: str) -> Uri:
    """A URI's parts. FieldError for what is no URI, or no sip: or tel: URI as their grammars say."""
    found = _SCHEME.fullmatch(text)
    if found is None or _FORBIDDEN.search(text):
        raise FieldError("URI")
    scheme, rest = found[1].lower(), found[2]
    if scheme == "tel":
        number, _, params = rest.partition(";")
        return Uri("tel", unescape(number), params=read_params(params))
    if scheme not in ("sip", "sips"):
        return Uri(scheme)
    before, at, after = rest.partition("@")
    user, colon, password = before.partition(":") if at else ("", "", "")
    place, _, params = (after if at else rest).partition("?")[0].partition(";")
    host = _HOST.fullmatch(place)
    port = int(host[2]) if host and host[2] else None
    if host is None or (at and not user) or port == 0 or (port or 0) > 65535:
        raise FieldError("URI")
    return Uri(scheme, unescape(user), unescape(password) if colon else None, host[1], port, read_params(params))


def find_number(uri: Uri, shortest: int = MIN_DIGITS) -> str:
    """The digits of the number in a tel: or sip: URI, `shortest` of them or more, with a plus when it is surely
    international; "" when there is none.

    A local number counts when its phone-context is a country's prefix (RFC 3966, section 5.1.5). `user=phone` is not
    insisted on: hardly any trunk sends it.
    """
    if uri.scheme not in ("sip", "sips", "tel"):
        return ""
    user, _, inner = uri.user.partition(";")
    written = _VISUAL.sub("", user)
    context = find(uri.params if uri.scheme == "tel" else read_params(inner), "phone-context")
    if context is not None and not written.startswith("+"):
        prefix = _VISUAL.sub("", context)
        if not _PREFIX.fullmatch(prefix):
            return ""  # a number of some company's own
        written = prefix + written
    return written if _NUMBER.fullmatch(written) and len(written.removeprefix("+")) >= shortest else ""


def is_anonymous(uri: Uri) -> bool:
    """Whether a caller hides behind this URI (RFC 3323, section 4.1; many leave out the host)."""
    return uri.host.lower() == "anonymous.invalid" or uri.user.lower() in ("anonymous", "unavailable", "restricted")
