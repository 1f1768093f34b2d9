"""A file as an answer, read in a worker piece by piece, so that memory does not grow with its size (RFC 9110, 8.6; RFC 6266)."""

import asyncio
from typing import BinaryIO

from heliograph.api.request import Stream

PIECE = 256 * 1024  # bytes: a fifth of a millisecond of a disk's time, and few enough to keep for each client


class Pieces:
    """The pieces of an open file from its beginning, ``size`` bytes at most; the file is closed at the end, or by ``aclose``."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = size

    def __aiter__(self) -> "Pieces":
        return self

    async def __anext__(self) -> bytes:
        if not self._left or self._file.closed:
            raise StopAsyncIteration
        piece = await asyncio.to_thread(self._file.read, min(PIECE, self._left))
        if not piece:  # it has become shorter; the door sees that the length is not kept
            raise StopAsyncIteration
        self._left -= len(piece)
        return piece

    async def aclose(self) -> None:
        """Close the file; in a worker, where a read that was given up may still be under way."""
        await asyncio.to_thread(self._file.close)


def attach(file: BinaryIO, size: int, name: str, media: str) -> Stream:
    """The answer that a browser keeps as a file called ``name`` (letters, digits, dots, dashes and underscores)."""
    return Stream(
        Pieces(file, size),
        media.encode("ascii"),
        headers=(
            (b"Content-Disposition", b'attachment; filename="%b"' % name.encode("ascii")),
            (b"Cache-Control", b"private, no-store"),
            (b"X-Content-Type-Options", b"nosniff"),
        ),
        length=size,
    )
