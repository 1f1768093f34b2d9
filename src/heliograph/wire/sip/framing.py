"""Messages out of a stream of bytes (RFC 3261, section 18.3; keep-alives of RFC 5626, section 4.4.1)."""

from __future__ import annotations

import re
from typing import Final

from . import tables
from .messages import MessageError

PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"
_LENGTH: Final = re.compile(rb"(?:\r\n|\A)(?:content-length|l)[ \t]*:(?:\r\n[ \t]|[ \t])*([0-9]{1,9})[ \t]*\r\n", re.I)


class Framer:
    """Cuts what comes into messages. It holds at most one message of `tables.MAX_MESSAGE` bytes and what one read brought."""

    __slots__ = ("_data", "_searched", "pings")

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0
        self.pings = 0  # keep-alives to be answered by a PONG each; whoever answers sets it back

    @property
    def waiting(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._data += data

    def cut(self) -> bytes | None:
        """The next whole message, None when more must come first. After a `MessageError` the stream has no limits any more."""
        data = self._data
        self._skip_blank()
        if not data:
            return None
        end = data.find(b"\r\n\r\n", self._searched)
        if end < 0:
            if len(data) > tables.MAX_MESSAGE:
                raise MessageError("message too large", 513)
            self._searched = max(0, len(data) - 3)
            return None
        self._searched = end
        size = end + 4
        found = _LENGTH.search(data, 0, end + 2)
        size += int(found[1]) if found else 0  # `parse` refuses a message without it
        if size > tables.MAX_MESSAGE:
            raise MessageError("message too large", 513)
        if len(data) < size:
            return None
        message = bytes(data[:size])
        del data[:size]
        self._searched = 0
        return message

    def _skip_blank(self) -> None:
        """Line ends before a message: two of them are a ping, single ones a pong or noise."""
        data = self._data
        size = 0
        while data[size : size + 2] == b"\r\n":
            if data[size : size + 4] == PING:
                self.pings += 1
                size += 4
            elif len(data) - size < 4 and PING.startswith(bytes(data[size:])):
                break  # the other half of a ping may follow
            else:
                size += 2
        if size:
            del data[:size]
            self._searched = 0
