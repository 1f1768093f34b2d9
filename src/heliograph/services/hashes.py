"""Hashes of passwords at rest: argon2id of the plain form, of its MD5 and of its SHA-1 (RFC 9106; spec sending 1.2)."""

import hashlib
from typing import NamedTuple

import argon2

# 19 MiB and two passes cost some 20 ms a check (dependencies of the design), on one thread: the workers are the parallelism.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


class Hashes(NamedTuple):
    """Argon2 hashes of the three forms in which clients send a password."""

    plain: str
    md5: str
    sha1: str


def make(password: str) -> Hashes:
    """The three hashes of a password; some 60 ms, so never on a loop."""
    raw = password.encode("utf-8", "surrogatepass")
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    sha1 = hashlib.sha1(raw, usedforsecurity=False).hexdigest()
    return Hashes(_HASHER.hash(raw), _HASHER.hash(md5), _HASHER.hash(sha1))


def matches(hashed: str, given: str) -> bool:
    """Whether ``given`` is what was hashed; some 20 ms, so never on a loop."""
    try:
        return _HASHER.verify(hashed, given.encode("utf-8", "surrogatepass"))
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
