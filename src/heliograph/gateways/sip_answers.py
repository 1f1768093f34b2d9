"""What the SIP door answers, and what it reads of a call: pure functions of requests (RFC 3261, section 8.2; RFC 3323, RFC 3325)."""

import contextlib
import hashlib
from typing import NamedTuple

import msgspec

from heliograph.wire.sip import tables
from heliograph.wire.sip.addresses import (
    MIN_DIGITS,
    SHORT_DIGITS,
    find_number,
    is_anonymous,
    parse_address,
    parse_uri,
)
from heliograph.wire.sip.fields import FieldError, Via, find, split_list
from heliograph.wire.sip.messages import Request, Response

ALLOW = ("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE")
# Extensions that ask nothing of somebody who refuses: reliable provisional responses beyond 100 (RFC 3262), of which
# there are none, and session timers (RFC 4028), for there is no session.
EXTENSIONS = frozenset(("100rel", "timer"))


class Call(msgspec.Struct, frozen=True):
    """A call that came in. Numbers are digits as the peer wrote them, with a plus when they are surely international:
    +84912345678 is of Vietnam alone, 84912345678 may be of Ryazan. National notations are not resolved.

    `asserted`: a trusted peer vouches for the caller (P-Asserted-Identity or Remote-Party-ID), otherwise he is who From
    says he is. `peer` is the address the call came from, `user` whose password it came with ("": allowed by address).
    """

    caller: str
    called: str
    peer: str
    call_id: str
    asserted: bool
    user: str
    received_ms: int


class Caller(NamedTuple):
    """Who calls: the number, "" when there is none; whether that is vouched for; whether he hides."""

    number: str
    asserted: bool = False
    anonymous: bool = False


def respond(request: Request, status: int, tag: str = "", extra: tuple[tuple[str, str], ...] = ()) -> Response:
    """A response to a request (section 8.2.6): every Via in its order, From, To with `tag` unless it has one, Call-ID, CSeq,
    for an INVITE Record-Route, and for a 100 its Timestamp."""
    to = request.get("To") or ""
    headers = [("Via", via) for via in request.all("Via")]
    headers += [("From", request.get("From") or ""), ("To", f"{to};tag={tag}" if tag and not request.to.tag else to)]
    headers += [("Call-ID", request.call_id), ("CSeq", request.get("CSeq") or "")]
    if status == 100:
        headers += [("Timestamp", value) for value in request.all("Timestamp")[:1]]
    elif request.method == tables.INVITE:
        headers += [("Record-Route", value) for value in request.all("Record-Route")]
    return Response(status=status, reason=tables.REASONS[status], headers=(*headers, *extra))


def stamp_request(request: Request, via: Via) -> Request:
    """The request with its topmost Via replaced, and without its body, which nobody reads."""
    headers = list(request.headers)
    place = next(place for place, (name, _) in enumerate(headers) if name == "Via")
    headers[place] = ("Via", ", ".join([str(via), *split_list(headers[place][1])[1:]]))
    return msgspec.structs.replace(request, headers=tuple(headers), body=b"")


def make_tag(key: bytes, request: Request, via: Via) -> str:
    """The tag of our To: the same for every response of a transaction, and nothing has to be remembered for it."""
    seed = "\0".join((request.call_id, request.from_.tag, via.branch, str(request.cseq.number)))
    return hashlib.blake2s(seed.encode("utf-8", "surrogateescape"), key=key, digest_size=8).hexdigest()


def identify(request: Request, via: Via, address: str) -> tuple[str, ...]:
    """What a transaction is found by (section 17.2.3), the method left out. Clients of RFC 2543 send no unique branch.

    The address it came from is part of it, so that no peer can end another's calls.
    """
    if via.branch.startswith(tables.MAGIC):
        return (address, via.branch, via.host.lower(), str(via.port or tables.PORT))
    return (address, request.uri, request.call_id, request.from_.tag, str(request.cseq.number), str(via))


def find_fault(request: Request) -> tuple[int, tuple[tuple[str, str], ...]] | None:
    """The status and headers for a request that no listener could serve (section 8.2), None for a sound one."""
    if request.method not in (tables.INVITE, tables.OPTIONS, tables.BYE):
        return 405, (ALLOW,)
    try:
        scheme = parse_uri(request.uri).scheme
    except FieldError:
        return 400, ()
    if scheme not in ("sip", "tel"):
        return 416, ()
    unknown = [each for each in request.elements("Require") if each.lower() not in EXTENSIONS]
    if unknown:
        return 420, (("Unsupported", ", ".join(unknown)),)
    # A dialogue is never begun here, so nothing can belong to one.
    if request.method == tables.BYE or request.to.tag:
        return 481, ()
    return None


def find_caller(request: Request, trusted: bool) -> Caller:
    """Who calls. A trusted peer's word (RFC 3325, section 9.1) goes before From, and holds when the caller hides from others."""
    if trusted:
        for name in ("P-Asserted-Identity", "Remote-Party-ID"):
            for text in request.elements(name):
                number = _number_in(text)
                if number:
                    return Caller(number, asserted=True)
    privacy = {part.strip().lower() for value in request.all("Privacy") for part in value.split(";")}
    try:
        uri = parse_uri(request.from_.uri)
    except FieldError:
        return Caller("")
    if privacy & {"id", "user", "header"} or is_anonymous(uri):
        return Caller("", anonymous=True)
    return Caller(find_number(uri))


def find_called(request: Request, from_to: bool) -> str:
    """The number that was called, "" when there is none: of the first line, or of To when that has none or
    `from_to` says that To is right (trunks that put the name of an account into the first line). A short code counts when
    neither has more, for the name of an account may be of digits, too."""
    uris = []
    for text in (request.to.uri, request.uri) if from_to else (request.uri, request.to.uri):
        with contextlib.suppress(FieldError):
            uris.append(parse_uri(text))
    found = (find_number(uri, shortest) for shortest in (MIN_DIGITS, SHORT_DIGITS) for uri in uris)
    return next(filter(None, found), "")


def mask_number(digits: str) -> str:
    """A number as logs may have it: country and operator, and the last two digits."""
    digits = digits.removeprefix("+")
    return f"{digits[:4]}{'*' * max(0, len(digits) - 6)}{digits[-2:]}" if len(digits) >= 6 else "*" * len(digits)


def _number_in(text: str) -> str:
    try:
        address = parse_address(text)
        return "" if find(address.params, "party") == "called" else find_number(parse_uri(address.uri))
    except FieldError:
        return ""
