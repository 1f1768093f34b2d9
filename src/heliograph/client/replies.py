"""What both clients know of HTTP: bounds, and when an answer is none (RFC 9112; spec clients 2.2 and 2.4)."""

from collections.abc import Mapping
from urllib.parse import urlencode

from heliograph.client.calls import Call, join_params
from heliograph.client.errors import NoAnswer

FORM = "application/x-www-form-urlencoded"
HEAD_MOST = 64 * 1024
BODY_MOST = 64 * 1024 * 1024  # a page of 10,000 incoming texts has some 20 MB at most
PIECE = 256 * 1024
CONNECT_S = 10.0
# A crowded server closes what was silent for 5 s; one that is closed while a request is written looks like no answer.
IDLE_S = 4.0


def encode(call: Call[object], login: Mapping[str, str], charset: str, fmt: str = "3") -> bytes:
    """The form of a request. ValueError for letters that the charset does not have."""
    params = {**join_params(call.params), **login, "charset": charset, "fmt": fmt}
    try:
        return urlencode(params, encoding=charset, errors="strict").encode("ascii")
    except UnicodeEncodeError as error:
        letters = error.object[error.start : error.end]
        raise ValueError(f"{letters!r} cannot be written in {charset}; use utf-8") from None


def judge(where: str, status: int, length: int) -> None:
    """NoAnswer for what is no answer of the API: HTTP status 200 and a body are always there."""
    if status != 200:
        raise NoAnswer(f"{where}: HTTP status {status}", sent=True)
    if length == 0:
        raise NoAnswer(f"{where}: an empty answer", sent=True)
    if length > BODY_MOST:
        raise NoAnswer(f"{where}: an answer of more than {BODY_MOST >> 20} MiB", sent=True)
