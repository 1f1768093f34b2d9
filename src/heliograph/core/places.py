"""Countries, ranges of numbers and the places numbers belong to, as records (ITU-T E.164, E.212)."""

import msgspec


class Country(msgspec.Struct, frozen=True):
    """One country, territory or world-wide service, as `data/world.csv` has it.

    `iso` is ISO 3166-1 alpha-2 ("GE-AB" is 3166-2; three digits are a world-wide service), `prefixes` the leading digits of its international numbers,
    `code` the E.164 code, `lengths` the possible counts of digits with the code (empty: no rule), `tz` minutes east of UTC in
    standard time, `mobile` the leading digits of mobile numbers (empty: cannot be told apart).
    """

    iso: str
    name: str
    name_en: str
    prefixes: tuple[str, ...]
    code: str
    mcc: str
    lengths: frozenset[int]
    trunk: str
    tz: int
    mobile: tuple[str, ...]


class Range(msgspec.Struct, frozen=True, gc=False):
    """A run of numbers of one operator in one region.

    `start` and `end` (inclusive) are international numbers or leading digits of such, with equally many digits: 79161000000 …
    79161999999 or 7916 … 7916. Empty texts and None mean "as the country has it". `tz` is minutes east of UTC; `kind` is
    "mobile", "fixed", or empty: as the table below has it for `start`, else mobile.
    """

    start: int
    end: int
    iso: str
    operator: str = ""
    region: str = ""
    mcc: str = ""
    mnc: str = ""
    tz: int | None = None
    kind: str = ""


class Place(msgspec.Struct, frozen=True, gc=False):
    """What the service tells about a number: names in Russian (`country_en` in English), `tz` in minutes east of UTC (standard time).

    Only `operator` may be empty (no table names it); `mnc` is then "0" and `mccmnc` the MCC followed by that 0, for instance "2620".
    """

    country: str
    country_en: str
    iso: str
    operator: str
    region: str
    mcc: str
    mnc: str
    mccmnc: str
    tz: int
    kind: str

    @property
    def is_precise(self) -> bool:
        """True when a table knows more than the country: an operator or a region within it."""
        return bool(self.operator) or self.region != self.country

    def country_in(self, english: bool) -> str:
        """The country's name in one of two languages."""
        return self.country_en if english else self.country

    def region_in(self, english: bool) -> str:
        """The region's name; in English for a number of the whole country, other regions have a Russian name only."""
        return self.country_en if english and self.region == self.country else self.region
