"""SOAP envelopes over HTTP, for every service that has them (SOAP 1.1; SOAP 1.2 part 1; spec protocols 6).

An envelope of either version is answered in the same. What is no envelope is a fault with the words for it; what a service
refuses is its own business and no fault.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from heliograph.api.render import escape_xml
from heliograph.api.request import Reply, Request, Response, plain
from heliograph.wire.xml import PORTION, DocumentParser, Element, XmlError, find_encoding

MAX_BODY: Final = 2 * 1024 * 1024  # bytes; 50,000 recipients are 0.6 MB

_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9._-]{1,40})", re.IGNORECASE)
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
_TRUE = frozenset({"1", "true"})
# The roles (1.2) and actors (1.1) that everybody plays who answers an envelope.
_OURS = frozenset(
    {
        "",
        "http://schemas.xmlsoap.org/soap/actor/next",
        "http://www.w3.org/2003/05/soap-envelope/role/next",
        "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver",
    }
)


class Version(NamedTuple):
    """What differs between the two SOAPs. ``refused`` is the HTTP status of a fault that is the client's."""

    namespace: str
    content_type: bytes
    role: str
    refused: int
    client: str
    server: str


SOAP11: Final = Version(
    "http://schemas.xmlsoap.org/soap/envelope/", b"text/xml; charset=utf-8", "actor", 500, "Client", "Server"
)
SOAP12: Final = Version(
    "http://www.w3.org/2003/05/soap-envelope", b"application/soap+xml; charset=utf-8", "role", 400, "Sender", "Receiver"
)
_VERSIONS = {version.namespace: version for version in (SOAP11, SOAP12)}


class Fault(Exception):  # noqa: N818 - SOAP's own word
    """Why an envelope cannot be answered; ``code`` is "Client", "VersionMismatch" or "MustUnderstand"."""

    def __init__(self, version: Version, text: str, code: str = "") -> None:
        super().__init__(text)
        self.version = version
        self.text = text
        self.code = code or version.client


class Envelope(NamedTuple):
    """An envelope that was read: its version and the first element of its body."""

    version: Version
    content: Element


def read_envelope(request: Request, done: Callable[[Envelope | Fault], None]) -> None:
    """Calls ``done`` with the envelope of a request or what is wrong with it: at once, or for a long one some turns of the
    loop later."""
    expected = expected_version(request)
    if len(request.body) > MAX_BODY:
        done(Fault(expected, f"the request is larger than {MAX_BODY} bytes"))
        return
    charset = _CHARSET.search(request.headers.get(b"content-type", b""))
    try:
        encoding = find_encoding(request.body, charset[1].decode("ascii") if charset else "")
    except XmlError as error:
        done(Fault(expected, str(error)))
        return

    def finish(root: Element | XmlError) -> None:
        if isinstance(root, XmlError):
            done(Fault(expected, str(root)))
            return
        try:
            envelope = open_envelope(root, expected)
        except Fault as fault:
            done(fault)
            return
        done(envelope)

    read_document(request.body, encoding, finish)


def read_document(data: bytes, encoding: str | None, done: Callable[[Element | XmlError], None]) -> None:
    """Parses a document a portion a turn of the loop, which text holds for 50 µs and nothing but tags for some 4 ms; a short
    one at once."""
    _Reading(data, encoding, done).go_on(0)


class _Reading:
    """A document on its way in. No function that names itself: that would be a cycle for the collector by every request."""

    __slots__ = ("_data", "_done", "_parser")

    def __init__(self, data: bytes, encoding: str | None, done: Callable[[Element | XmlError], None]) -> None:
        self._data = data
        self._done = done
        self._parser = DocumentParser(encoding)

    def go_on(self, start: int) -> None:
        """The portion from there on."""
        behind = start + PORTION
        try:
            self._parser.feed(self._data[start:behind])
            root = self._parser.close() if behind >= len(self._data) else None
        except XmlError as error:
            self._done(error)
            return
        if root is not None:
            self._done(root)
        else:
            asyncio.get_running_loop().call_soon(self.go_on, behind)


def open_envelope(root: Element, expected: Version) -> Envelope:
    """The version and content of a parsed envelope; Fault."""
    if root.name != "Envelope":
        raise Fault(expected, "the root of the document is no Envelope")
    version = _VERSIONS.get(root.namespace)
    if version is None:
        raise Fault(SOAP11, "the Envelope is in no namespace of SOAP 1.1 or 1.2", "VersionMismatch")
    header = root.child("Header")
    for block in header.children if header is not None else ():
        must = block.attribute("mustUnderstand", version.namespace).strip() in _TRUE
        if must and block.attribute(version.role, version.namespace) in _OURS:
            raise Fault(version, "a header that must be understood is not understood here", "MustUnderstand")
    body = root.child("Body")
    if body is None:
        raise Fault(version, "the Envelope has no Body")
    if not body.children:
        raise Fault(version, "the Body is empty")
    return Envelope(version, body.children[0])


def expected_version(request: Request) -> Version:
    """The version that the Content-Type speaks of, for faults of what is no envelope."""
    kind = request.headers.get(b"content-type", b"").strip().lower()
    return SOAP12 if kind.startswith(b"application/soap+xml") else SOAP11


def write_envelope(version: Version, content: str) -> Response:
    """The answer whose body holds ``content``, which is XML."""
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{version.namespace}">'
        f"<soap:Body>{content}</soap:Body></soap:Envelope>"
    )
    return Response(200, version.content_type, text.encode())


def write_fault(fault: Fault) -> Response:
    """A fault as its version has it, with the HTTP status that its HTTP binding asks for."""
    version, text = fault.version, escape_xml(fault.text)
    if version is SOAP12:
        content = (
            f"<soap:Fault><soap:Code><soap:Value>soap:{fault.code}</soap:Value></soap:Code>"
            f'<soap:Reason><soap:Text xml:lang="en">{text}</soap:Text></soap:Reason></soap:Fault>'
        )
    else:
        content = f"<soap:Fault><faultcode>soap:{fault.code}</faultcode><faultstring>{text}</faultstring></soap:Fault>"
    answer = write_envelope(version, content)
    status = version.refused if fault.code == version.client else 500
    return Response(status, answer.content_type, answer.body)


def too_large(request: Request) -> Response:
    """The answer to a request whose body the door did not take."""
    return write_fault(Fault(expected_version(request), "the request is too large"))


def failed(request: Request) -> Response:
    """The answer when the program itself failed."""
    version = expected_version(request)
    return write_fault(Fault(version, "internal failure", version.server))


def own_address(request: Request) -> str:
    """The address of a service as its client wrote it: scheme, host and path."""
    host = request.headers.get(b"host", b"").decode("latin-1").strip()
    if not _HOST.fullmatch(host):
        host = "localhost"
    return f"{'https' if request.secure else 'http'}://{host}{request.path}"


def answer_without_envelope(request: Request, describe: Callable[[str], str], reply: Reply) -> None:
    """The answer to what is no POST: the description for ``?wsdl``, else what the address is for."""
    if request.method not in ("GET", "HEAD"):
        reply(Response(405, b"text/plain; charset=utf-8", b"405: GET or POST\n", ((b"Allow", b"GET, HEAD, POST"),)))
    elif any(piece.partition(b"=")[0] == b"wsdl" for piece in request.query.lower().split(b"&")):
        reply(Response(200, b"text/xml; charset=utf-8", describe(own_address(request)).encode()))
    else:
        reply(
            plain(f"This is a SOAP service: POST an envelope, or GET {request.path}?wsdl for its description.\n", 400)
        )


def take_envelope(
    request: Request,
    reply: Reply,
    describe: Callable[[str], str],
    perform: Callable[[Request, Envelope, Reply], None],
) -> None:
    """What every service of envelopes does first: a description for GET, a fault for what cannot be read, the rest to
    ``perform``. The answer is given exactly once, now or later."""
    if request.method != "POST":
        answer_without_envelope(request, describe, reply)
        return

    def finish(envelope: Envelope | Fault) -> None:
        if isinstance(envelope, Fault):
            reply(write_fault(envelope))
        else:
            perform(request, envelope, reply)

    read_envelope(request, finish)
