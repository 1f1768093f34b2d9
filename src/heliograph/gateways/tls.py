"""What doors with TLS share: a certificate that is reloaded when its files change, and connections accepted before their
handshake (RFC 8446, RFC 9325: TLS 1.2 and up)."""

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

# When the process has no file descriptor left, another try at once would only spin.
PAUSE_S = 0.2

Marks = tuple[tuple[int, int, int], ...]


class Certificate:
    """A certificate chain and its key, both PEM files, and the server context made of them.

    Raises OSError or ssl.SSLError when the files cannot be read or do not fit each other. `password` opens an
    encrypted key.
    """

    def __init__(self, cert: Path, key: Path, password: str | None = None) -> None:
        self._cert = cert
        self._key = key
        self._password = password
        self._marks = self._look()
        self.context = self._build()

    def _look(self) -> Marks:
        """What tells one state of the files from another: time of change, size, inode (a renamed file is another)."""
        found = [path.stat() for path in (self._cert, self._key)]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in found)

    def _build(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        # Without a password OpenSSL would ask the terminal for that of an encrypted key, and hang there.
        context.load_cert_chain(self._cert, self._key, self._password or "")

    def changed(self) -> bool:
        """Whether the files differ from those last tried, and form a valid pair; may block on the disk.

        A broken pair is logged once per change of the files, and the certificate in use stays.
        """
        try:
            marks = self._look()
            if marks == self._marks:
                return False
            self._marks = marks
            # OpenSSL replaces the certificate before it looks at the key, so a pair is tried on another context.
            self._build()
        except (OSError, ssl.SSLError) as error:
            log.error("tls_certificate_rejected", extra={"reason": type(error).__name__, "file": str(self._cert)})
            return False
        return True

    def reload(self) -> None:
        """Puts the files into the context in use; from now on new connections get them. Called on the loop."""
        try:
            self._load(self.context)
        except (OSError, ssl.SSLError) as error:
            log.error("tls_certificate_rejected", extra={"reason": type(error).__name__, "file": str(self._cert)})
            self._marks = ()  # the files changed between trial and use: look again
            return
        log.info("tls_certificate_reloaded", extra={"file": str(self._cert)})


async def accept_all(listener: socket.socket) -> AsyncIterator[tuple[socket.socket, Any]]:
    """Every connection and its peer's address, as they come, until the caller's task is cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            accepted = await loop.sock_accept(listener)
        except OSError as error:
            log.error("tls_accept_failed", extra={"reason": error.strerror})
            await asyncio.sleep(PAUSE_S)
            continue
        yield accepted
