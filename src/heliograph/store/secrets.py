"""Secrets at rest: carrier passwords encrypted with a key file of the data folder, from which other keys are derived as well (design section 11; the Fernet specification)."""

import contextlib
import os
from hashlib import blake2b
from pathlib import Path

from heliograph.store.database import StoreError

KEY_FILE = "heliograph.key"
LINKS = "codes of short links"  # what a key is derived for


class Secrets:
    """Seals texts for the database and opens them again. The key file is not part of a backup of the database."""

    def __init__(self, key: bytes) -> None:
        # Loading this package costs some 50 ms, and most commands never meet a secret.
        from cryptography.fernet import Fernet

        self._fernet = Fernet(key)
        self._key = key

    @classmethod
    def open(cls, folder: Path) -> "Secrets":
        """With the key file of a folder, made (for its owner only) when there is none; StoreError when it is no key."""
        path = folder / KEY_FILE
        try:
            if not path.exists():
                _make(path)
            return cls(path.read_bytes().strip())
        except ValueError:
            raise StoreError(f"{path} holds no key; put back the one this installation was made with") from None
        except OSError as error:
            raise StoreError(f"cannot use the key file {path}: {error.strerror}") from None

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for one purpose, always the same for this installation (keyed BLAKE2b, RFC 7693)."""
        return blake2b(purpose.encode(), key=self._key, digest_size=32).digest()

    def seal(self, text: str) -> str:
        """The text encrypted; empty stays empty."""
        return self._fernet.encrypt(text.encode()).decode() if text else ""

    def unseal(self, sealed: str) -> str:
        """The text that was sealed; StoreError when it was sealed with another key."""
        from cryptography.fernet import InvalidToken

        try:
            return self._fernet.decrypt(sealed.encode()).decode() if sealed else ""
        except InvalidToken:
            raise StoreError(
                f"a secret was encrypted with another {KEY_FILE}; put that file back, or set the password again"
            ) from None


def _make(path: Path) -> None:
    from cryptography.fernet import Fernet

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, not a rename: of two programs that start at once one wins, and both read what it wrote.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(partial)
    finally:
        partial.unlink()
