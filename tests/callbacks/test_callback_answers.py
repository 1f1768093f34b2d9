"""The answer reader on bytes: however they are cut, and whatever they are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.callbacks.answers import BODY_LIMIT, AnswerReader, BadAnswer

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
# bytes, status, complete without a close, connection can be kept
CASES = [
    (HEAD + b"Content-Length: 3\r\n\r\nabc", 200, True, True),
    (HEAD + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 200, True, True),
    (HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 200, False, False),
    (HEAD + b"Content-Length: -3\r\n\r\nabc", 200, False, False),
    (HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\nabc", 200, False, False),
    (HEAD + b"X-Content-Length: 3\r\n\r\nabc", 200, False, False),
    (HEAD + b"\r\n", 200, False, False),
    (HEAD + b"Connection: Keep-Alive, CLOSE\r\nContent-Length: 0\r\n\r\n", 200, True, False),
    (b"HTTP/1.0 200\r\nContent-Length: 0\r\n\r\n", 200, True, False),
    (b"HTTP/1.1 200\nContent-Length: 1\n\na", 200, True, True),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, True, True),
    (b"HTTP/1.1 103 Hints\r\nContent-Length: 9\r\n\r\n" + HEAD + b"Content-Length: 0\r\n\r\n", 200, True, True),
    (b"HTTP/1.1 101 Switching\r\n\r\n", 101, True, False),
    (CHUNKED + b"0\r\n\r\n", 200, True, True),
    (CHUNKED + b"3;name=value\r\nabc\r\nA\r\n0123456789\r\n000\r\nTrailer: x\r\n\r\n", 200, True, True),
    (CHUNKED + b"zz\r\n", 200, True, False),
    (CHUNKED + b"1\r\nabc\r\n", 200, True, False),
    (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 200, True, False),
    (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 200, False, False),
    (b"HTTP/1.1 500 \xff\xfe\r\nContent-Length: 0\r\n\r\n", 500, True, True),
]


def read(pieces: list[bytes]) -> tuple[int, bool, bool]:
    reader = AnswerReader()
    complete = False
    for piece in pieces:
        complete = reader.feed(piece)
        if complete:
            break
    return reader.status, complete, reader.keep_alive


@pytest.mark.parametrize(("data", "status", "complete", "kept"), CASES)
def test_answer_ends_where_it_says_however_it_is_cut(data: bytes, status: int, complete: bool, kept: bool) -> None:
    """Whole, in two parts at every place, and byte by byte give the same."""
    expected = (status, complete, kept)
    assert read([data]) == expected
    assert read([data[at : at + 1] for at in range(len(data))]) == expected
    for at in range(1, len(data)):
        assert read([data[:at], data[at:]]) == expected


@pytest.mark.parametrize(("data", "status", "complete", "kept"), [case for case in CASES if case[2] and case[3]])
def test_surplus_bytes_end_the_connection(data: bytes, status: int, complete: bool, kept: bool) -> None:
    """They belong to no request."""
    assert read([data + b"x"]) == (status, True, False)


def test_reader_is_used_for_the_next_answer() -> None:
    """One reader serves a connection for its life."""
    reader = AnswerReader()
    assert reader.feed(HEAD + b"Content-Length: 1\r\n\r\na")
    reader.reset()
    assert (reader.started, reader.status) == (False, 0)
    assert reader.feed(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    assert (reader.status, reader.keep_alive) == (404, True)


@pytest.mark.parametrize(
    "head", [HEAD + b"\r\n", HEAD + b"Content-Length: 9999999\r\n\r\n", CHUNKED + b"FFFFFFFF\r\n", CHUNKED]
)
def test_no_body_is_read_beyond_the_limit(head: bytes) -> None:
    """Memory and time for a customer's answer are bounded whatever its framing."""
    reader = AnswerReader()
    assert not reader.feed(head)
    assert not reader.feed(b"1" * 1000)
    assert reader.feed(b"1" * BODY_LIMIT)
    assert (reader.status, reader.keep_alive, reader.note) == (200, False, "the body was cut off after 64 KiB")


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([HEAD, CHUNKED, b"\r\n", b"3\r\n", b"0\r\n\r\n", b"HTTP/1.1 100 C\r\n\r\n"]),
        ),
        max_size=12,
    )
)
@settings(max_examples=300, deadline=None)
def test_no_bytes_break_the_reader(pieces: list[bytes]) -> None:
    """Anything is either an answer or a BadAnswer."""
    reader = AnswerReader()
    try:
        for piece in pieces:
            if reader.feed(piece):
                assert reader.status >= 101
                return
    except BadAnswer:
        assert reader.status == 0
        return
    assert reader.end() == (reader.status != 0)
