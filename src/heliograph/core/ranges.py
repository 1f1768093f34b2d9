"""Which country, operator, region and time zone a number belongs to, by leading digits.

Reference: ITU-T E.164 (numbers), E.212 (MCC and MNC); the page "operator information" of the API. The shipped tables are described
in `data/README.md`.
"""

from __future__ import annotations

import csv
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

from heliograph.core.places import Country as Country
from heliograph.core.places import Place as Place
from heliograph.core.places import Range as Range

# Every number is compared as 15 digits (the E.164 maximum), filled up with zeros on the right: 7916 stands for 791600000000000.
_WIDTH = 15
_SCALE = tuple(10 ** (_WIDTH - digits) if digits else 0 for digits in range(_WIDTH + 1))

# What stands for an operator that no table names: with it `mccmnc` is one digit shorter than any real one, so it never collides.
UNKNOWN_MNC = "0"


class RangeTable:
    """Ranges, flattened to borders that a binary search finds.

    Within one table the more specific of nested ranges wins (of partly overlapping ones, the one that starts later; of equal ones,
    the one given later). Numbers it does not have are looked up in `below`, so imported rows override the shipped ones.
    Raises ValueError for a range that is not one, and for an unknown country.
    """

    __slots__ = ("_below", "_borders", "_owners", "size")

    def __init__(self, ranges: Iterable[Range], below: RangeTable | None = None) -> None:
        starts, ends, places = _collect(ranges, below)
        self.size = len(starts)
        self._below = below
        self._borders, self._owners = _flatten(starts, ends, places)

    def lookup(self, phone: str) -> Place | None:
        """The place of an international number (digits without plus), or None when no table has it."""
        try:
            place = self._owners[bisect_right(self._borders, int(phone.ljust(_WIDTH, "0"))) - 1]
        except ValueError:
            return None
        if place is None and self._below is not None:
            return self._below.lookup(phone)
        return place


def _collect(ranges: Iterable[Range], below: RangeTable | None) -> tuple[array[int], array[int], list[Place]]:
    """Check the ranges, widen them to 15 digits, and share one Place among all that say the same."""
    starts, ends = array("q"), array("q")
    places: list[Place] = []
    known: dict[tuple[str, str, str, str, str, int | None, str], Place] = {}
    for row in ranges:
        first, last = row.start, row.end
        digits = len(str(first))
        if not 0 < first <= last or digits > _WIDTH or last >= 10**digits:
            raise ValueError(f"not a range of numbers: {first}-{last}")
        kind = row.kind
        if not kind:
            outer = below.lookup(str(first)) if below is not None else None
            kind = outer.kind if outer is not None else "mobile"
        key = (row.iso, row.operator, row.region, row.mcc, row.mnc, row.tz, kind)
        place = known.get(key)
        if place is None:
            place = known[key] = _describe(row, kind)
        scale = _SCALE[digits]
        starts.append(first * scale)
        ends.append(last * scale + scale - 1)
        places.append(place)
    return starts, ends, places


def _describe(row: Range, kind: str) -> Place:
    country = load_countries().get(row.iso)
    if country is None:
        raise ValueError(f"unknown country: {row.iso!r}")
    mcc = row.mcc or country.mcc
    mnc = row.mnc or UNKNOWN_MNC
    return Place(
        country=country.name,
        country_en=country.name_en,
        iso=country.iso,
        operator=row.operator,
        region=row.region or country.name,
        mcc=mcc,
        mnc=mnc,
        mccmnc=mcc + mnc,
        tz=country.tz if row.tz is None else row.tz,
        kind=kind,
    )


def _flatten(starts: array[int], ends: array[int], places: list[Place]) -> tuple[array[int], list[Place | None]]:
    """Nested ranges to borders: from `borders[i]` up to the next border all numbers belong to `owners[i]`."""
    borders, owners = array("q", (0,)), list[Place | None]((None,))
    order: Sequence[int] = range(len(starts))
    if not _in_order(starts, ends):
        order = sorted(order, key=lambda i: (starts[i], -ends[i]))
    # Ranges that began before the current one and reach beyond its start, the innermost last.
    open_ends: list[int] = []
    open_places: list[Place] = []

    def mark(border: int, owner: Place | None) -> None:
        if borders[-1] == border:
            owners[-1] = owner
        elif owners[-1] is not owner:
            borders.append(border)
            owners.append(owner)

    def close(before: int) -> None:
        while open_ends and open_ends[-1] < before:
            end = open_ends.pop()
            open_places.pop()
            while open_ends and open_ends[-1] <= end:
                open_ends.pop()
                open_places.pop()
            mark(end + 1, open_places[-1] if open_places else None)

    for i in order:
        close(starts[i])
        mark(starts[i], places[i])
        open_ends.append(ends[i])
        open_places.append(places[i])
    close(10**_WIDTH + 1)
    return borders, owners


def _in_order(starts: array[int], ends: array[int]) -> bool:
    """Whether outer ranges come before inner ones already (a regulator's file does), which saves the sorting."""
    start, end = -1, -1
    for next_start, next_end in zip(starts, ends, strict=True):
        if next_start < start or (next_start == start and next_end > end):
            return False
        start, end = next_start, next_end
    return True


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of a shipped table (`core/data/<name>`), by column."""
    text = resources.files(__package__).joinpath("data", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _spread(text: str) -> Iterator[tuple[str, str]]:
    """ "7900 7910-7919" as pairs of first and last."""
    for part in text.split():
        first, _, last = part.partition("-")
        yield first, last or first


@lru_cache(maxsize=1)
def load_countries() -> Mapping[str, Country]:
    """All countries and world-wide services of the shipped table, by `iso`."""
    countries = {}
    for row in read_table("world.csv"):
        lengths = (range(int(first), int(last) + 1) for first, last in _spread(row["lengths"]))
        countries[row["iso"]] = Country(
            iso=row["iso"],
            name=row["name_ru"],
            name_en=row["name_en"],
            prefixes=tuple(row["prefixes"].split()),
            code=row["code"],
            mcc=row["mcc"],
            lengths=frozenset(count for counts in lengths for count in counts),
            trunk=row["trunk"],
            tz=int(row["tz"]),
            mobile=tuple(row["mobile"].split()),
        )
    return MappingProxyType(countries)


def _read_world() -> Iterator[Range]:
    """Countries first, then their mobile numbers: for equal ranges the later counts."""
    for country in load_countries().values():
        for prefix in country.prefixes:
            yield Range(int(prefix), int(prefix), country.iso, kind="fixed" if country.mobile else "mobile")
    for country in load_countries().values():
        for prefix in country.mobile:
            yield Range(int(prefix), int(prefix), country.iso)


def _read_operators() -> Iterator[Range]:
    for row in read_table("ranges.csv"):
        for first, last in _spread(row["prefixes"]):
            yield Range(
                start=int(first),
                end=int(last),
                iso=row["iso"],
                operator=row["operator"],
                region=row["region"],
                mnc=row["mnc"],
                tz=int(row["tz"]) if row["tz"] else None,
                kind=row["kind"],
            )


@lru_cache(maxsize=1)
def load_seed() -> RangeTable:
    """The shipped table: the operators of some countries by prefix, and below them every country of the world."""
    return RangeTable(_read_operators(), below=RangeTable(_read_world()))
