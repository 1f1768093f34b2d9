"""Names, codes and limits of SIP as data (RFC 3261, sections 7, 20 and 21; compact forms as registered with IANA)."""

from __future__ import annotations

from typing import Final

VERSION: Final = "SIP/2.0"
PORT: Final = 5060
# What begins a branch that is unique, as RFC 3261, section 8.1.1.7 wants it; older clients send others.
MAGIC: Final = "z9hG4bK"

MAX_MESSAGE: Final = 64 * 1024  # bytes; the largest datagram, and the largest message over TCP
MAX_HEADERS: Final = 100
MAX_CSEQ: Final = 2**31 - 1  # section 8.1.1.5

INVITE: Final = "INVITE"
ACK: Final = "ACK"
CANCEL: Final = "CANCEL"
OPTIONS: Final = "OPTIONS"
BYE: Final = "BYE"
REGISTER: Final = "REGISTER"

COMPACT: Final = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}

# Names whose usual spelling is not a capital at the beginning of each word.
_SPELLED: Final = (
    "Call-ID",
    "CSeq",
    "WWW-Authenticate",
    "MIME-Version",
    "RAck",
    "RSeq",
    "P-Called-Party-ID",
    "Remote-Party-ID",
)
SPELLING: Final = {name.lower(): name for name in _SPELLED} | COMPACT

# Fields that a message has once (section 7.3.1 and table 2).
SINGLE: Final = frozenset(("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length"))
# Fields that every request has and every response repeats (section 8.1.1); Max-Forwards is missing in older clients.
REQUIRED: Final = ("Via", "From", "To", "Call-ID", "CSeq")

REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    423: "Interval Too Brief",
    433: "Anonymity Disallowed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    500: "Server Internal Error",
    503: "Service Unavailable",
    505: "Version Not Supported",
    513: "Message Too Large",
    603: "Decline",
}


def spell(name: str) -> str:
    """The one spelling of a header's name, whatever its case and also for its compact form."""
    lower = name.lower()
    return SPELLING.get(lower) or "-".join(part.capitalize() for part in lower.split("-"))
