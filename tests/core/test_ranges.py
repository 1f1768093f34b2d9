"""The place of a number: the shipped tables, nesting, overriding, and agreement with a plain search."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.core.ranges import Range, RangeTable, load_countries, load_seed, read_table

SEED = load_seed()


@pytest.mark.parametrize(
    ("phone", "iso", "operator", "mccmnc", "tz", "kind"),
    [
        ("79161234567", "RU", "МТС", "25001", 180, "mobile"),
        ("79261234567", "RU", "МегаФон", "25002", 180, "mobile"),
        ("79990001234", "RU", "Yota", "25011", 180, "mobile"),
        ("79001112233", "RU", "T2", "25020", 180, "mobile"),
        ("79031234567", "RU", "Билайн", "25099", 180, "mobile"),
        ("79000412345", "RU", "МОТИВ", "25035", 300, "mobile"),
        ("79131234567", "RU", "МТС", "25001", 420, "mobile"),
        ("74951234567", "RU", "", "2500", 180, "fixed"),
        ("74011234567", "RU", "", "2500", 120, "fixed"),
        ("77001234567", "KZ", "Altel", "40107", 300, "mobile"),
        ("77021234567", "KZ", "Kcell", "40102", 300, "mobile"),
        ("77771234567", "KZ", "Beeline", "40101", 300, "mobile"),
        ("77471234567", "KZ", "Tele2", "40177", 300, "mobile"),
        ("380501234567", "UA", "Vodafone", "25501", 120, "mobile"),
        ("380671234567", "UA", "Київстар", "25503", 120, "mobile"),
        ("380931234567", "UA", "lifecell", "25506", 120, "mobile"),
        ("375291234567", "BY", "A1", "25701", 180, "mobile"),
        ("375292345678", "BY", "МТС", "25702", 180, "mobile"),
        ("375251234567", "BY", "life:)", "25704", 180, "mobile"),
        ("998901234567", "UZ", "Beeline", "43404", 300, "mobile"),
        ("996755123456", "KG", "MEGA", "43705", 360, "mobile"),
        ("491700000000", "DE", "", "2620", 60, "mobile"),
        ("4930123456", "DE", "", "2620", 60, "fixed"),
        ("12025550123", "US", "", "3100", -300, "mobile"),
        ("14165550123", "CA", "", "3020", -300, "mobile"),
        ("18765550123", "JM", "", "3380", -300, "mobile"),
        ("447797123456", "JE", "", "2340", 0, "mobile"),
        ("79407712345", "GE-AB", "", "2890", 180, "mobile"),
        ("870776123456", "870", "", "9010", 0, "mobile"),
    ],
)
def test_seed_knows_the_place(phone: str, iso: str, operator: str, mccmnc: str, tz: int, kind: str) -> None:
    """Prices hang on mccmnc and quiet hours on the zone from the first start, before anything was imported."""
    place = SEED.lookup(phone)
    assert place is not None
    assert (place.iso, place.operator, place.mccmnc, place.tz, place.kind) == (iso, operator, mccmnc, tz, kind)


def test_every_country_of_the_seed_resolves_to_itself() -> None:
    """A country whose row is hidden by another's prefix would be priced as that other."""
    for country in load_countries().values():
        prefix = next(iter(country.mobile or country.prefixes))
        place = SEED.lookup(prefix.ljust(11, "3"))
        assert place is not None
        assert place.iso == country.iso, country
        assert all((place.country, place.country_en, place.region, place.mcc, place.mnc, place.mccmnc))


def test_every_shipped_row_is_used() -> None:
    """Rows of operators must not be lost under others."""
    for row in read_table("ranges.csv"):
        for part in row["prefixes"].split():
            for prefix in part.split("-"):
                # Numbers inside may belong to a narrower row; at least one must be the row's own.
                places = [SEED.lookup((prefix + tail).ljust(12, "0")) for tail in ("", *map(str, range(10)))]
                owners = {(place.iso, place.operator, place.kind) for place in places if place}
                assert (row["iso"], row["operator"], row["kind"]) in owners, prefix


def test_every_russian_mobile_code_in_use_has_an_operator() -> None:
    """The home market must have operators without an import; codes nobody uses stay with the country."""
    unnamed = {907, 935, *range(940, 950), 954, 955, 956, 957, 959, *range(969, 977), 979, 990, 997, 998}
    for code in range(900, 1000):
        place = SEED.lookup(f"7{code}1234567")
        assert place is not None
        assert place.iso == ("GE-AB" if code == 940 else "RU")
        assert bool(place.operator) != (code in unnamed), code


@pytest.mark.parametrize("phone", ["", "+79161234567", "abc", "7916x", "0501234567", "9990000000", "1" * 16, "9" * 16])
def test_unknown_number_has_no_place(phone: str) -> None:
    """Callers ask about whatever they were given: nonsense has no place and raises nothing."""
    assert SEED.lookup(phone) is None


def name(table: RangeTable, phone: str) -> str | None:
    place = table.lookup(phone)
    return place.operator if place else None


def test_inner_range_wins_and_outer_goes_on_behind_it() -> None:
    """Regulators take thousands out of a block; the rest of the block stays with its owner."""
    table = RangeTable(
        [
            Range(7916, 7916, "RU", "outer"),
            Range(79161230000, 79161239999, "RU", "inner"),
            Range(79161234000, 79161234000, "RU", "innermost"),
        ]
    )
    phones = ["79161229999", "79161230000", "79161234000", "79161234001", "79161239999", "79161240000", "79170000000"]
    assert [name(table, phone) for phone in phones] == [
        "outer", "inner", "innermost", "inner", "inner", "outer", None,
    ]  # fmt: skip


def test_imported_rows_override_the_seed_even_when_wider() -> None:
    """A regulator's block is newer than any shipped guess inside it; what it leaves out stays with the seed."""
    table = RangeTable([Range(7900, 7900, "RU", "Новый")], below=SEED)
    assert name(table, "79000412345") == "Новый"
    assert name(table, "79161234567") == "МТС"
    assert table.size == 1


def test_later_of_equal_ranges_wins() -> None:
    """Rows repeated in a newer file replace the older ones."""
    assert name(RangeTable([Range(7916, 7916, "RU", "a"), Range(7916, 7916, "RU", "b")]), "79161234567") == "b"


def test_empty_table_answers_from_below() -> None:
    """Before any import the table of imported rows is empty."""
    assert RangeTable([]).lookup("79161234567") is None
    assert name(RangeTable([], below=SEED), "79161234567") == "МТС"


def test_row_speaks_over_the_country() -> None:
    """MCC, zone and kind of a row count before those of its country; what it leaves empty is the country's."""
    table = RangeTable([Range(7916, 7916, "RU", "X", "Y", "999", "07", -60, "fixed"), Range(7917, 7917, "RU")])
    place, bare = table.lookup("79161234567"), table.lookup("79171234567")
    assert place is not None
    assert bare is not None
    assert (place.mccmnc, place.region, place.tz, place.kind, place.is_precise) == ("99907", "Y", -60, "fixed", True)
    assert (bare.mccmnc, bare.region, bare.tz, bare.kind, bare.is_precise) == ("2500", "Россия", 180, "mobile", False)


def test_kind_comes_from_below_when_a_row_has_none() -> None:
    """Stored rows do not say mobile or fixed; the shipped table knows it by the code."""
    table = RangeTable([Range(74950000000, 74959999999, "RU"), Range(7916, 7916, "RU")], below=SEED)
    kinds = [place.kind for phone in ("74951234567", "79161234567") if (place := table.lookup(phone))]
    assert kinds == ["fixed", "mobile"]


@pytest.mark.parametrize(("start", "end"), [(0, 5), (-5, 5), (7917, 7916), (7916, 79161), (10**15, 10**15)])
def test_what_is_no_range_is_refused(start: int, end: int) -> None:
    """A broken row must not be spread over other people's numbers."""
    with pytest.raises(ValueError, match="not a range"):
        RangeTable([Range(start, end, "RU")])


def test_unknown_country_is_refused() -> None:
    """A row of no country has no price and no words."""
    with pytest.raises(ValueError, match="unknown country: 'ZZ'"):
        RangeTable([Range(7916, 7916, "ZZ")])


@st.composite
def nested(draw: st.DrawFn) -> list[Range]:
    """Blocks of ten to the power n, which nest or are apart, as number blocks do."""
    prefixes = draw(st.lists(st.text("12", min_size=1, max_size=6), max_size=12))
    return [Range(int(prefix), int(prefix), "RU", f"{i}") for i, prefix in enumerate(prefixes)]


@settings(max_examples=200)
@given(nested(), st.text("123", min_size=6, max_size=9))
def test_lookup_agrees_with_a_search_for_the_longest_prefix(rows: list[Range], phone: str) -> None:
    """The flattening is clever; the plain search that it replaces is the proof."""
    found = [row for row in rows if phone.startswith(str(row.start))]
    best = max(found, key=lambda row: (row.start, int(row.operator)), default=None)
    assert name(RangeTable(rows), phone) == (best.operator if best else None)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(100, 999), st.integers(0, 300)), max_size=12), st.integers(100, 999))
def test_overlapping_ranges_never_lose_a_number(pairs: list[tuple[int, int]], phone: int) -> None:
    """Files contradict themselves: a number that some row has gets the place of one that has it."""
    rows = [Range(start, min(start + span, 999), "RU", f"{i}") for i, (start, span) in enumerate(pairs)]
    owners = {row.operator for row in rows if row.start <= phone <= row.end}
    found = name(RangeTable(rows), f"{phone}55")
    assert found in owners if owners else found is None


def test_many_rows_stay_compact() -> None:
    """Neighbouring rows that say the same are one, and equal places are one object."""
    rows = [Range(79000000000 + i * 1000, 79000000999 + i * 1000, "RU", "A" if i < 9000 else "B") for i in range(10000)]
    table = RangeTable(rows)
    assert table.size == 10000
    assert table.lookup("79000000000") is table.lookup("79008999999")
    assert name(table, "79009000000") == "B"
