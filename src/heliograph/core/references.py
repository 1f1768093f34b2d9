"""The carrier's id of a message in other notations, each with a name so that a matcher can learn which one fits (design section 6C).

A centre may answer a submit with one notation and write another into the receipt: decimal or hexadecimal, either
case, zeros before it, or padded to ten digits (SMPP 3.4 leaves the form of message_id to the centre).
"""

from collections.abc import Callable

MOST = 16  # spellings of one id; the query of the store takes as many


def _is_decimal(ref: str) -> bool:
    return ref.isascii() and ref.isdigit() and len(ref) <= 20  # 20 digits hold any 64-bit number


def _is_hex(ref: str) -> bool:
    return 0 < len(ref) <= 16 and all(c in "0123456789abcdefABCDEF" for c in ref)


def _from_hex(ref: str, form: str) -> str:
    return format(int(ref, 16), form) if _is_hex(ref) else ""


def _from_decimal(ref: str, form: str) -> str:
    return format(int(ref), form) if _is_decimal(ref) else ""


NOTATIONS: dict[str, Callable[[str], str]] = {
    "same": lambda ref: ref,
    "hex to decimal": lambda ref: _from_hex(ref, "d"),
    "decimal to hex": lambda ref: _from_decimal(ref, "x"),
    "decimal to HEX": lambda ref: _from_decimal(ref, "X"),
    "lower case": str.lower,
    "upper case": str.upper,
    "no leading zeros": lambda ref: ref.lstrip("0"),
    "ten digits": lambda ref: ref.rjust(10, "0"),
    "decimal to hex of eight": lambda ref: _from_decimal(ref, "08x"),
    "decimal to HEX of eight": lambda ref: _from_decimal(ref, "08X"),
    "hex to decimal of ten": lambda ref: _from_hex(ref, "010d"),
    "no leading zeros, lower case": lambda ref: ref.lstrip("0").lower(),
    "no leading zeros, upper case": lambda ref: ref.lstrip("0").upper(),
    "no 0x": lambda ref: ref[2:] if ref[:2].lower() == "0x" else "",
}


def spell(ref: str, first: str = "same") -> dict[str, str]:
    """The spellings of ``ref`` with the name of the notation that makes each, the one called ``first`` in front."""
    found: dict[str, str] = {}
    if not ref:
        return found
    for name in (first, *NOTATIONS):
        spelling = NOTATIONS[name](ref)
        if spelling and spelling not in found:
            found[spelling] = name
    return found
