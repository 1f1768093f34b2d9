"""Money as integers of 1/10,000 of a currency unit (design section 8; spec sending 7.1 for how it is written)."""

from functools import lru_cache

SCALE = 10_000


def parse_money(text: str) -> int:
    """Units of 1/10,000 from a decimal such as ``1000``, ``1.6`` or ``-0.05``; ValueError for anything else."""
    sign = -1 if text.startswith("-") else 1
    whole, _, fraction = text.removeprefix("-" if sign < 0 else "+").partition(".")
    if not (whole + fraction).isascii() or not (whole + fraction).isdigit():
        raise ValueError(f"not an amount of money: {text!r}; write it like 12.50")
    if len(fraction) > 4:
        raise ValueError(f"{text!r} has more than four decimals; the smallest amount is 0.0001")
    return sign * (int(whole or "0") * SCALE + int(fraction.ljust(4, "0")))


@lru_cache(maxsize=4096)  # prices come back all day
def format_money(amount: int) -> str:
    """A decimal with a dot and no padding: ``3.8``, ``0``, ``1000`` (spec sending 7.1: "4.1", not "4.10")."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), SCALE)
    if not rest:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{rest:04d}".rstrip("0")
