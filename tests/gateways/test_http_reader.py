"""The request parser alone: however the network cuts the bytes, and whatever they are."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.gateways.http import HttpDoor
from heliograph.gateways.http_reader import RequestReader

REQUESTS = [
    b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\nCookie: b=2\r\n\r\n",
    b"POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /",
    b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nX: y\r\n\r\n",
    b"\r\nHEAD /d HTTP/1.1\r\n\r\n",
    b"POST /e HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
]


def door() -> HttpDoor:
    """A door that is not open: its limits and counters are what the reader needs."""
    return HttpDoor(lambda request, reply: None, max_body=100, max_head=1000, clock=lambda: 0)


def read(pieces: list[bytes]) -> tuple[list[object], RequestReader, HttpDoor]:
    owner = door()
    reader = RequestReader(owner, "127.0.0.1", False, False)
    for piece in pieces:
        reader.feed(piece)
    return [(one.request, one.version, one.keep, one.refusal) for one in reader.ready], reader, owner


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[start:end] for start, end in pairwise(marks)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(REQUESTS), max_size=5), st.lists(st.integers(0, 2000), max_size=8))
def test_cuts_change_nothing(requests: list[bytes], places: list[int]) -> None:
    """TCP knows no messages; the same bytes are the same requests."""
    whole = b"".join(requests)
    at_once, _, _ = read([whole])
    in_pieces, reader, owner = read(cut(whole, places))
    assert in_pieces == at_once
    assert len(at_once) == len(requests)
    assert not reader.deaf
    assert (bytes(reader.head), owner.receiving) == (b"", 0)


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), max_size=5))
def test_unescaped_request_may_be_cut_anywhere(places: list[int]) -> None:
    """Its line may come in many segments, and the ordinary request behind it is read as ever."""
    raw = "GET /a?mes=Два слова\nи HTTP\r\n: ещё&b=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    found, _, _ = read([*cut(raw, places), REQUESTS[0]])
    (first, *_), (second, *_) = found
    assert first.path == "/a"
    assert first.headers == {b"host": b"x"}
    assert first.query.endswith(b"HTTP%0D%0A:%20%D0%B5%D1%89%D1%91&b=1")
    assert second.query == b"b=c"


HEADERS = [b"Content-Length: 5", b"Content-Length: 500", b"Transfer-Encoding: chunked", b"Upgrade: h2c"]
HEADERS += [b"Connection: Upgrade", b"Connection: close", b"Expect: 100-continue", b"X: y", b"5", b"0\r\n"]
WORDS = [b"GET", b"POST", b"CONNECT", b" ", b"/a", b"?", b"\xd0", b"\n", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n"]
WORDS += [b"abcde", b"\0", b"x" * 600, b"\r\n", *REQUESTS, *[header + b"\r\n" for header in HEADERS]]
TOKENS = st.lists(st.sampled_from(WORDS), max_size=20).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(TOKENS | st.binary(max_size=100), st.lists(st.integers(0, 2000), max_size=4))
def test_no_bytes_raise(whole: bytes, places: list[int]) -> None:
    """What is no request is a refusal, the last thing the reader says; nothing is left behind it."""
    found, reader, owner = read(cut(whole, places))
    assert all(refusal is None for *_, refusal in found[:-1])
    reader.close()
    assert owner.receiving == 0
