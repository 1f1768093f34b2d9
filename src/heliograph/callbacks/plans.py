"""How a handler wants to be told, read from its address (seed 001, "Transmitting statuses"; spec management 5.1 and 5.2).

``https://shop.example/cb!tok=9?charset=utf-8&fmt=3&md5=secret&src=sms``: what stands between ``!`` and ``?`` is the
query of the request, what stands behind ``?`` says how to tell and comes back in the body, secrets replaced by hashes.
"""

import hashlib
import re
import zlib
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from heliograph.callbacks.targets import Target, parse_target
from heliograph.core.news import HASHES, RESERVED

FORM, XML, JSON = 0, 2, 3
WINDOWS, UTF, KOI = "windows-1251", "utf-8", "koi8-r"
_CHARSETS = {WINDOWS: WINDOWS, "cp1251": WINDOWS, UTF: UTF, "utf8": UTF, KOI: KOI, "koi8": KOI}
_MEDIA = {FORM: "application/x-www-form-urlencoded", XML: "application/xml", JSON: "application/json"}
_NO_ELEMENT = re.compile(r"[^A-Za-z0-9_.-]")


class Echo:
    """A parameter of the address that comes back in the body; of one with an ``algorithm`` the value is a secret."""

    __slots__ = ("algorithm", "element", "name", "value")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value
        self.algorithm = name if name in HASHES else ""
        # XML knows no other names (XML 1.0, section 2.3): what does not fit becomes an underscore.
        element = _NO_ELEMENT.sub("_", name)
        self.element = element if element[:1].isalpha() else f"_{element}"


class Plan:
    """A handler's address, its format (0 form, 2 XML, 3 JSON), charset, and what comes back."""

    __slots__ = ("charset", "content_type", "echoes", "fmt", "target")

    def __init__(self, target: Target, fmt: int, charset: str, echoes: tuple[Echo, ...]) -> None:
        self.target = target
        self.fmt = fmt
        self.charset = charset
        self.echoes = echoes
        self.content_type = f"{_MEDIA[fmt]}; charset={charset}".encode("ascii")

    def answer_echo(self, echo: Echo, hashed: str) -> str:
        """The value to send for a parameter: its own, or the hash of ``hashed`` and the secret, in the plan's charset."""
        if not echo.algorithm:
            return echo.value
        return digest(echo.algorithm, f"{hashed}:{echo.value}".encode(self.charset, "replace"))


def digest(algorithm: str, octets: bytes) -> str:
    """md5 and sha1 in lower-case hex, crc32 as an unsigned decimal number as PHP prints it."""
    if algorithm == "md5":
        return hashlib.md5(octets, usedforsecurity=False).hexdigest()
    if algorithm == "sha1":
        return hashlib.sha1(octets, usedforsecurity=False).hexdigest()
    return str(zlib.crc32(octets))


@lru_cache(maxsize=4096)
def parse_plan(url: str) -> Plan:
    """Takes a handler's address apart; the last 4,096 are remembered. Raises BadTarget."""
    head, _, tail = url.strip(" ").partition("#")[0].partition("?")
    path = head.find("/", head.find("//") + 2)
    bang = head.find("!", path) if path >= 0 else -1
    target = parse_target(head if bang < 0 else f"{head[:bang]}?{head[bang + 1 :]}")
    pairs = [piece.partition("=") for piece in tail.split("&") if piece]
    said = {_decode(name, UTF): _decode(value, UTF) for name, _, value in pairs}
    fmt = {"2": XML, "3": JSON}.get(said.get("fmt", ""), FORM)
    charset = _CHARSETS.get(said.get("charset", "").lower(), WINDOWS)
    if charset == KOI and fmt != FORM:
        charset = UTF
    found: dict[str, str] = {}
    for name, _, value in pairs:
        key = _decode(name, charset)
        if key and key not in RESERVED:
            found[key] = _decode(value, charset)
    return Plan(target, fmt, charset, tuple(Echo(name, value) for name, value in found.items()))


def _decode(text: str, charset: str) -> str:
    octets = unquote_to_bytes(text.replace("+", " "))
    try:
        return octets.decode(UTF)
    except UnicodeDecodeError:
        return octets.decode(charset, "replace")
