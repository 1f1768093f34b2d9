"""Recipients as people type them, made international numbers: corrections by table, then a check of country code and length.

Reference: spec "Number formatting" (with a plus a number is taken as given, without it is corrected; a bad one is err 249);
ITU-T E.164 section 6 (at most 15 digits).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from heliograph.core.ranges import Country, RangeTable, load_countries, load_seed

MIN_DIGITS, MAX_DIGITS = 7, 15

# Longer than any number with all its brackets and spaces: what is longer is not looked at.
_MAX_TYPED = 64

# White space, dashes, brackets and marks people write numbers with, and the invisible direction marks that copying brings along.
_PUNCTUATION = " \t\r\n\v\f\u00a0\u202f\u3000-()[]{}<>./\\_'\"`~:|" + "".join(
    map(chr, (*range(0x2000, 0x2016), 0x2212, *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF))
)
_DROPPED = str.maketrans("", "", _PUNCTUATION)
_SEPARATORS = re.compile(r"[,;\r\n]")


class Correction(NamedTuple):
    """A number without a plus that begins with one of `starts` and has one of `lengths` digits loses `drop` digits and gains `add`.

    It applies only when the result is a possible number and, with `known`, when a table knows its operator or region.
    """

    name: str
    starts: tuple[str, ...]
    lengths: tuple[int, ...]
    drop: int
    add: str
    known: bool = False


_ANY_LENGTH = tuple(range(MIN_DIGITS, MAX_DIGITS + 4))

# In order; the first that gives a possible number wins. 84… is Vietnam and 88… Bangladesh or Taiwan when Russia has no such code.
CORRECTIONS = (
    Correction("international prefix 00", ("00",), _ANY_LENGTH, 2, ""),
    Correction("international prefix 8-10", ("810",), _ANY_LENGTH, 3, ""),
    Correction("Russia, 8 for 7", ("83", "89"), (11,), 1, "7"),
    Correction("Russia, 8 for 7 where others are possible", ("84", "88"), (11,), 1, "7", known=True),
    Correction("Kazakhstan, 8 for 7", ("87",), (11,), 1, "7"),
    Correction("Russia, without 7", ("9",), (10,), 0, "7"),
    # Not any 7: a Russian number of eleven digits that lost its last one begins with 73, 74, 78 or 79.
    Correction("Kazakhstan, without 7", ("70", "71", "72", "747", "76", "77"), (10,), 0, "7"),
    Correction("Belarus, 80", ("8025", "8029", "8033", "8044"), (11,), 2, "375"),
    Correction("Ukraine, 80", ("80",), (11,), 0, "3"),
    Correction("Ukraine, 0", ("0",), (10,), 0, "38"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What `normalize` needs, prepared by `make_plan`: ranges, corrections and the lengths of numbers by their first three digits.

    `lengths` has an empty set where no table knows the lengths; digits it does not have belong to no country.
    `rules` holds the corrections that a count of digits and a first digit select.
    """

    ranges: RangeTable
    home: str
    corrections: tuple[Correction, ...]
    lengths: Mapping[str, frozenset[int]]
    rules: Mapping[tuple[int, str], tuple[Correction, ...]]


def make_plan(
    ranges: RangeTable | None = None,
    home: str = "RU",
    corrections: Iterable[Correction] = CORRECTIONS,
) -> Plan:
    """A plan for a home country (ISO code); numbers in its own notation are tried before the corrections.

    Raises ValueError for a home that is not in the shipped table, and for a correction without leading digits.
    """
    countries = load_countries()
    if home not in countries:
        raise ValueError(f"unknown home country: {home!r}")
    every = (*correct_home(countries[home]), *corrections)
    rules: dict[tuple[int, str], tuple[Correction, ...]] = {}
    for rule in every:
        if not rule.starts or "" in rule.starts:
            raise ValueError(f"correction without leading digits: {rule.name!r}")
        for count in rule.lengths:
            for digit in {start[0] for start in rule.starts}:
                rules[count, digit] = (*rules.get((count, digit), ()), rule)
    return Plan(load_seed() if ranges is None else ranges, home, every, _tabulate(countries.values()), rules)


def correct_home(country: Country) -> tuple[Correction, ...]:
    """Corrections for numbers typed as inside `country`: with its trunk prefix, and mobile numbers without anything.

    Russia and Kazakhstan need none: `CORRECTIONS` has theirs.
    """
    if country.code == "7" or not country.lengths:
        return ()
    skipped = len(country.code)
    national = tuple(sorted(length - skipped for length in country.lengths))
    starts = tuple(prefix[skipped:] for prefix in country.mobile or country.prefixes if len(prefix) > skipped)
    if not starts and len(national) == 1:
        starts = tuple("123456789")
    rules = []
    # A trunk prefix of 8 belongs to Belarus and Turkmenistan, whose 80… and 8… `CORRECTIONS` reads in the Russian way.
    if country.trunk and country.trunk != "8":
        drop = len(country.trunk)
        lengths = tuple(length + drop for length in national)
        # Another 0 behind the trunk's makes it the international prefix.
        begun = tuple(country.trunk + digit for digit in "123456789")
        rules.append(Correction(f"{country.name_en}, trunk prefix", begun, lengths, drop, country.code))
    if starts:
        rules.append(Correction(f"{country.name_en}, national", starts, national, 0, country.code))
    return tuple(rules)


def _tabulate(countries: Iterable[Country]) -> Mapping[str, frozenset[int]]:
    """Possible lengths by the first three digits; where countries share them, the lengths of all."""
    table: dict[str, frozenset[int]] = {}
    for country in countries:
        for prefix in country.prefixes:
            for tail in product("0123456789", repeat=max(0, 3 - len(prefix))):
                first = prefix[:3] + "".join(tail)
                table[first] = table.get(first, frozenset()) | country.lengths
    return table


def normalize(given: str, plan: Plan) -> str | None:
    """The international number (digits without plus) that `given` means, or None for a bad one (error 249).

    With a plus in front the digits are taken as they are, otherwise the plan's corrections are tried first. Spaces, dashes, brackets
    and dots do not count; anything with letters, @ or # is not a number.
    """
    exact = False
    digits = given
    if not (given.isascii() and given.isdigit()):
        if len(given) > _MAX_TYPED:
            return None
        digits = given.translate(_DROPPED)
        if digits.startswith("+"):
            exact = True
            digits = digits[1:]
        if not (digits.isascii() and digits.isdigit()):
            return None
    if not exact:
        rules = plan.rules.get((len(digits), digits[0]))
        if rules is not None:
            corrected = _correct(digits, rules, plan)
            if corrected is not None:
                return corrected
    return digits if is_possible(digits, plan) else None


def _correct(digits: str, rules: tuple[Correction, ...], plan: Plan) -> str | None:
    for rule in rules:
        if not digits.startswith(rule.starts):
            continue
        number = rule.add + digits[rule.drop :]
        if not is_possible(number, plan):
            continue
        if rule.known:
            place = plan.ranges.lookup(number)
            if place is None or not place.is_precise:
                continue
        return number
    return None


def is_possible(digits: str, plan: Plan) -> bool:
    """Whether international digits begin with a country code and are as long as numbers there may be (7 to 15 at any rate)."""
    lengths = plan.lengths.get(digits[:3])
    count = len(digits)
    if lengths is None or not MIN_DIGITS <= count <= MAX_DIGITS:
        return False
    return count in lengths if lengths else _is_valid_by_metadata(digits)


@lru_cache(maxsize=4096)
def _is_valid_by_metadata(digits: str) -> bool:
    """Ask the phone number library, where our table has no rule of length (satellite and other world-wide numbers)."""
    # Imported late: it costs 20 ms, and hardly any installation ever comes here.
    import phonenumbers

    try:
        return phonenumbers.is_possible_number(phonenumbers.parse("+" + digits))
    except phonenumbers.NumberParseException:
        return False


def parse_recipients(text: str) -> list[str]:
    """The items of a list split by commas, semicolons and line breaks: trimmed, without empty ones, in the given order."""
    return [item for part in _SEPARATORS.split(text) if (item := part.strip())]
