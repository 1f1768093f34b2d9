"""The certificate of the HTTPS door, reloaded when its files change (RFC 8446, RFC 9325: TLS 1.2 and up)."""

import logging
import ssl
from pathlib import Path

log = logging.getLogger(__name__)

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
