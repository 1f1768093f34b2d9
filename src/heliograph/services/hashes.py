"""Hashes of passwords at rest: argon2id of the plain form, of its MD5 and of its SHA-1 (RFC 9106; spec sending 1.2).

All hashes of one account have one salt, so whatever form a client sends, and however many passwords the account has,
one computation tells whether it is one of them: the work of a check is the same for every login, known or not.
"""

import base64
import hashlib
import secrets
from typing import NamedTuple

import argon2
from argon2.low_level import hash_secret

# 19 MiB and two passes cost some 20 ms a check (dependencies of the design), on one thread: the workers are the parallelism.
_PARAMETERS = argon2.Parameters(
    type=argon2.Type.ID,
    version=argon2.low_level.ARGON2_VERSION,
    salt_len=16,
    hash_len=32,
    time_cost=2,
    memory_cost=19 * 1024,
    parallelism=1,
)


class Hashes(NamedTuple):
    """Argon2 hashes of the three forms in which clients send a password."""

    plain: str
    md5: str
    sha1: str


def make(password: str, like: str = "") -> Hashes:
    """The three hashes of a password, salted as the hash ``like`` of the same account; some 60 ms, so never on a loop."""
    raw = password.encode("utf-8", "surrogatepass")
    md5 = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    sha1 = hashlib.sha1(raw, usedforsecurity=False).hexdigest()
    like = like or _hash(b"", secrets.token_bytes(_PARAMETERS.salt_len), _PARAMETERS)
    return Hashes(derive(like, password), derive(like, md5), derive(like, sha1))


def derive(like: str, given: str) -> str:
    """What the hash ``like`` would be if it were one of ``given``; some 20 ms, so never on a loop."""
    salt = like.split("$")[4]
    return _hash(
        given.encode("utf-8", "surrogatepass"),
        base64.b64decode(salt + "=" * (-len(salt) % 4)),
        argon2.extract_parameters(like),
    )


def salting(hashed: str) -> str:
    """Algorithm, cost and salt of a hash: those with the same are compared by one computation."""
    return hashed.rpartition("$")[0]


def _hash(secret: bytes, salt: bytes, cost: argon2.Parameters) -> str:
    return hash_secret(
        secret, salt, cost.time_cost, cost.memory_cost, cost.parallelism, cost.hash_len, cost.type, cost.version
    ).decode("ascii")
