"""A small SMTP server on loopback that keeps what it gets (RFC 5321)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Server:
    """What an SMTP server must say; ``refuse`` answers a command otherwise."""

    def __init__(self) -> None:
        self.refuse: dict[str, str] = {}
        self.letters: list[bytes] = []
        self.said: list[str] = []
        self.port = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        writer.write(b"220 mail.example.ru\r\n")
        while line := await reader.readline():
            command = line.decode().split(" ")[0].strip().upper().split(":")[0]
            self.said.append(line.decode().strip())
            if command in self.refuse:
                writer.write(f"{self.refuse[command]}\r\n".encode())
            elif command == "EHLO":
                writer.write(b"250-mail.example.ru\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n")
            elif command == "DATA":
                writer.write(b"354 go on\r\n")
                self.letters.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 taken\r\n")
            elif command == "AUTH":
                writer.write(b"235 welcome\r\n")
            elif command == "QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 fine\r\n")
            await writer.drain()
        writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    own = Server()
    server = await asyncio.start_server(own.talk, "127.0.0.1", 0)
    own.port = server.sockets[0].getsockname()[1]
    async with server:
        yield own
        await asyncio.sleep(0.02)
        await asyncio.gather(*own.tasks)
