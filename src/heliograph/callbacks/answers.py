"""Reads one HTTP/1 answer from bytes as they come: its status, and where it ends (RFC 9112 sections 4, 6, 7 and 9)."""

import re
from enum import IntEnum
from functools import lru_cache

HEAD_LIMIT = 16 * 1024
"""Bytes of heads read before giving up, those of 1xx answers included."""
BODY_LIMIT = 64 * 1024
"""Bytes of body read (chunk sizes included) so that the connection can be kept; a longer body is cut off with its connection."""

# A bare LF ends a line too: RFC 9112 section 2.2 lets a recipient accept it, and small scripts send it.
_HEAD_END = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?=[ \r\n])")
_FRAMING = re.compile(rb"\n(content-length|transfer-encoding|connection)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
# 16 hexadecimal digits are 2^64: more is nonsense, and far beyond the limit anyway.
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,16})[ \t]*(?:;[^\n]*)?\r?\n")


class BadAnswer(ValueError):  # noqa: N818 (a condition in the caller's words)
    """What came is not an HTTP/1 answer; the text says why."""


class _Part(IntEnum):
    HEAD = 0
    LENGTH = 1  # a body of a known length
    UNTIL_CLOSE = 2
    CHUNK_SIZE = 3
    CHUNK = 4
    CHUNK_END = 5
    TRAILER = 6
    DONE = 7


@lru_cache(maxsize=256)
def read_head(head: bytes) -> tuple[int, bool, _Part, int] | None:
    """Status, whether the connection is kept, how the body ends and its length; None for an interim answer.

    Remembered, because a busy server's heads differ in their date at most. Raises BadAnswer.
    """
    line = _STATUS_LINE.match(head)
    if line is None:
        raise BadAnswer("the answer is not HTTP/1")
    status = int(line[2])
    if 100 <= status < 200 and status != 101:
        return None
    keep_alive = line[1] == b"1"
    lengths: set[bytes] = set()
    codings = []
    for name, value in _FRAMING.findall(head):
        kind = len(name)
        if kind == 14:  # content-length
            lengths.update(item.strip() for item in value.split(b","))
        elif kind == 17:  # transfer-encoding
            codings.append(value.strip().lower())
        else:
            tokens = {token.strip() for token in value.lower().split(b",")}
            if b"close" in tokens:
                keep_alive = False
            elif b"keep-alive" in tokens:
                keep_alive = True
    return _frame(status, keep_alive, lengths, codings)


def _frame(status: int, keep_alive: bool, lengths: set[bytes], codings: list[bytes]) -> tuple[int, bool, _Part, int]:
    """How the body ends (RFC 9112 section 6.3); where the head contradicts itself, the connection is not kept."""
    if status in (204, 304):
        return status, keep_alive, _Part.LENGTH, 0
    if status == 101:
        return status, False, _Part.LENGTH, 0
    if codings == [b"chunked"]:
        return status, keep_alive and not lengths, _Part.CHUNK_SIZE, 0
    if not codings and len(lengths) == 1 and (length := next(iter(lengths))).isdigit() and len(length) <= 18:
        return status, keep_alive, _Part.LENGTH, int(length)
    return status, False, _Part.UNTIL_CLOSE, 0


class AnswerReader:
    """One answer. `status` is 0 until its head is complete; `note` says what was odd about an answer that has a status;
    `keep_alive` tells, once it is complete, whether the connection can carry another request."""

    __slots__ = ("_buffer", "_heads", "_left", "_part", "_taken", "keep_alive", "note", "started", "status")

    def __init__(self) -> None:
        self._buffer = b""
        self.reset()

    def reset(self) -> None:
        """Makes ready for the next answer on the same connection."""
        self._buffer = b""
        self._part = _Part.HEAD
        self._heads = 0
        self._left = 0
        self._taken = 0
        self.status = 0
        self.keep_alive = False
        self.started = False
        self.note = ""

    def feed(self, data: bytes) -> bool:
        """Takes bytes; True when the answer is complete or has been read far enough. Raises BadAnswer."""
        self.started = True
        while self._part == _Part.HEAD:
            searched = max(0, len(self._buffer) - 2)
            data = self._buffer + data if self._buffer else data
            end = _HEAD_END.search(data, searched)
            if end is None:
                self._want_head(data)
                return False
            self._heads += end.end()
            if self._heads > HEAD_LIMIT:
                raise BadAnswer("the answer's head is longer than 16 KiB")
            self._buffer = b""
            self._read_head(data[: end.end()])
            data = data[end.end() :]
        if self._part == _Part.LENGTH and len(data) == self._left:
            self._part = _Part.DONE
            return True
        return self._read_body(data)

    def end(self) -> bool:
        """The server has closed: True when there is an answer all the same (its status is known)."""
        if self.status and self._part not in (_Part.DONE, _Part.UNTIL_CLOSE):
            self.note = self.note or "closed in the middle of the body"
        self.keep_alive = False
        return self.status != 0

    def _want_head(self, data: bytes) -> None:
        """Keeps the piece of a head, and refuses early what cannot become one."""
        if not b"HTTP/1.".startswith(data[:7]):
            raise BadAnswer("the answer is not HTTP/1")
        if self._heads + len(data) > HEAD_LIMIT:
            raise BadAnswer("the answer's head is longer than 16 KiB")
        self._buffer = data

    def _read_head(self, head: bytes) -> None:
        found = read_head(head)
        if found is None:
            return  # an interim answer; the real one follows
        self.status, self.keep_alive, self._part, self._left = found

    def _read_body(self, data: bytes) -> bool:
        self._taken += len(data)
        if self._part == _Part.LENGTH:
            if len(data) > self._left:
                self.keep_alive = False  # bytes nobody asked for
            self._left -= min(len(data), self._left)
            self._part = _Part.DONE if not self._left else _Part.LENGTH
        elif self._part != _Part.UNTIL_CLOSE:
            self._read_chunks(data)
        if self._part == _Part.DONE:
            return True
        if self._taken > BODY_LIMIT:
            self.keep_alive = False
            self.note = "the body was cut off after 64 KiB"
            return True
        return False

    def _read_chunks(self, data: bytes) -> None:
        data = self._buffer + data
        at = 0
        while self._part != _Part.DONE:
            if self._part == _Part.CHUNK:
                skipped = min(self._left, len(data) - at)
                at += skipped
                self._left -= skipped
                if self._left:
                    break
                self._part = _Part.CHUNK_END
            end = data.find(b"\n", at) + 1
            if not end:
                break
            self._read_line(data[at:end])
            at = end
        self._buffer = data[at:]
        if self._part == _Part.DONE and self._buffer:
            self.keep_alive = False

    def _read_line(self, line: bytes) -> None:
        """A line between chunks: a size, the end of a chunk, or a trailer field."""
        if self._part == _Part.CHUNK_SIZE:
            size = _CHUNK_SIZE.fullmatch(line)
            if size is None:
                self._give_up()
                return
            self._left = int(size[1], 16)
            self._part = _Part.CHUNK if self._left else _Part.TRAILER
        elif line.strip(b"\r\n"):
            if self._part == _Part.CHUNK_END:
                self._give_up()
        else:
            self._part = _Part.CHUNK_SIZE if self._part == _Part.CHUNK_END else _Part.DONE

    def _give_up(self) -> None:
        """The status stands; where the body ends cannot be known, so the connection goes."""
        self.keep_alive = False
        self.note = "the body's chunks are broken"
        self._part = _Part.DONE
