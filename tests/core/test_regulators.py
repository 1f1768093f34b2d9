"""Regulators' files: the Russian registry in both charsets, plain CSV, and lines that cannot be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.ranges import Range, RangeTable, load_seed
from heliograph.core.regulators import BadLine, parse_csv, parse_russian

REGISTRY = '''АВС/ DEF;От;До;Емкость;Оператор;Регион;ИНН
900;0000000;0061999;62000;ООО "Т2 Мобайл";Краснодарский край;7700000001
913;1000000;1009999;10000;ПАО "Мобильные ТелеСистемы";г. Новосибирск|Новосибирская обл.;7700000002

999;0000000;0009999;10000;ООО "Скартел";г. Москва и Московская область;7700000003
494;2000000;2009999;10000;ПАО "Ростелеком";Костромская область;7700000004
902;0000000;0009999;10000;"ПАО ""ВымпелКом""";Сахалинская область;7700000005
924;5000000;5009999;10000;ООО "Связь Ё";г. Комсомольск-на-Амуре|Хабаровский край
'''

RANGES = [
    Range(79000000000, 79000061999, "RU", "T2", "Краснодарский край", "250", "20", 180, "mobile"),
    Range(79131000000, 79131009999, "RU", "МТС", "Новосибирская обл.", "250", "01", 420, "mobile"),
    Range(79990000000, 79990009999, "RU", "Yota", "г. Москва и Московская область", "250", "11", 180, "mobile"),
    Range(74942000000, 74942009999, "RU", "Ростелеком", "Костромская область", "250", "39", 180, "fixed"),
    Range(79020000000, 79020009999, "RU", "Билайн", "Сахалинская область", "250", "99", 660, "mobile"),
    Range(79245000000, 79245009999, "RU", 'ООО "Связь Ё"', "Хабаровский край", "250", "", 600, "mobile"),
]


@pytest.mark.parametrize("charset", ["cp1251", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_registry_is_read_in_every_charset(charset: str, end: str) -> None:
    """The regulator has published both; the reader must not have to be told."""
    lines = REGISTRY.replace("\n", end).encode(charset).splitlines(keepends=True)
    assert list(parse_russian(lines)) == RANGES


def test_registry_may_come_as_text() -> None:
    """A file opened as text serves as well as one opened as bytes."""
    assert list(parse_russian(REGISTRY.splitlines())) == RANGES


@pytest.mark.parametrize(
    ("region", "tz"),
    [
        ("Калининградская область", 120),
        ("г. Санкт-Петербург и Ленинградская область", 180),
        ("Республика Крым и г. Севастополь", 180),
        ("Костромская область", 180),
        ("Омская область", 360),
        ("Томская область", 420),
        ("Республика Саха /Якутия/", 540),
        ("Сахалинская область", 660),
        ("Амурская область", 540),
        ("Ханты-Мансийский Автономный округ - Югра АО", 300),
        ("Ямало-Ненецкий АО", 300),
        ("Удмуртская Республика", 240),
        ("Кемеровская область - Кузбасс", 420),
        ("Приморский край", 600),
        ("Камчатский край", 720),
        ("Российская Федерация", 180),
        ("", 180),
    ],
)
def test_region_gives_the_zone(region: str, tz: int) -> None:
    """Eleven zones in one country: a text at nine in Moscow is at night in Kamchatka."""
    row = next(parse_russian([f"900;0;9;10;X;{region}"]))
    assert isinstance(row, Range)
    assert row.tz == tz


@pytest.mark.parametrize(
    ("legal", "operator", "mnc"),
    [
        ('ПАО "МТС"', "МТС", "01"),
        ('ПАО "МегаФон"', "МегаФон", "02"),
        ("ОАО Вымпел-Коммуникации", "Билайн", "99"),
        ('ООО "ЕКАТЕРИНБУРГ-2000"', "МОТИВ", "35"),
        ('ООО "К-телеком"', "Win mobile", "32"),
        ('ООО "КТК ТЕЛЕКОМ"', "Волна мобайл", "60"),
        ('ООО "МТС-Соседи"', 'ООО "МТС-Соседи"', ""),
        ("", "", ""),
    ],
)
def test_legal_name_gives_brand_and_mnc(legal: str, operator: str, mnc: str) -> None:
    """Prices are set by MNC while the registry has legal names only; half a name must not match."""
    row = next(parse_russian([f"900;0;9;10;{legal};X"]))
    assert isinstance(row, Range)
    assert (row.operator, row.mnc) == (operator, mnc)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("9x0;0;9;10;X;Y", "not a code"),
        ("9000;0;9;10;X;Y", "not a code"),
        ("900;9;0;10;X;Y", "not a range"),
        ("900;0;10000000;10;X;Y", "not a range"),
        ("900;;;10;X;Y", "not a range"),
        ("900;0;9", "3 fields"),
        ("701;0;9;10;X;Y", "not a Russian code"),
        ("<html>", "1 fields"),
        ('900;0;9;10;""' + "x" * 140000 + ";Y", "field larger"),
    ],
)
def test_bad_registry_line_is_named_and_passed_over(line: str, reason: str) -> None:
    """One bad line of 400,000 must not stop an import, nor go unseen."""
    bad, good = parse_russian([line, "900;0;9;10;X;Y"])
    assert isinstance(bad, BadLine)
    assert isinstance(good, Range)
    assert bad.line == 1
    assert reason in bad.reason
    assert len(bad.text) <= 80


def test_csv_with_header_takes_columns_by_name() -> None:
    """Files of other countries come with what columns they have, in any order."""
    text = """country;start;end;tz;operator
KZ;77010000000;77019999999;Asia/Almaty;Kcell
ua;38050;;;"Vodafone; Ukraine"
BY;+375291000000;+375291999999;+03:00;A1
"""
    assert list(parse_csv(text.splitlines())) == [
        Range(77010000000, 77019999999, "KZ", "Kcell", tz=300),
        Range(38050, 38050, "UA", "Vodafone; Ukraine"),
        Range(375291000000, 375291999999, "BY", "A1", tz=180),
    ]


def test_csv_without_header_takes_columns_by_place() -> None:
    """The documented order is enough."""
    lines = ["38067,38067,UA,Kyivstar,,255,03,120,mobile", "38044,,UA,,Киев,,,,fixed".encode("cp1251")]
    assert list(parse_csv(lines)) == [
        Range(38067, 38067, "UA", "Kyivstar", "", "255", "03", 120, "mobile"),
        Range(38044, 38044, "UA", "", "Киев", kind="fixed"),
    ]


@pytest.mark.parametrize(
    ("tz", "minutes"),
    [
        ("", None),
        ("0", 0),
        ("180", 180),
        ("-300", -300),
        ("+3", 180),
        ("UTC+5", 300),
        ("+0530", 330),
        ("-03:30", -210),
        ("Europe/Berlin", 60),
        ("America/Santiago", -240),
    ],
)
def test_zone_is_read_in_each_notation(tz: str, minutes: int | None) -> None:
    """Minutes, an offset or a name: all mean the standard time, since tables do not know the date."""
    row = next(parse_csv([f"38067,38067,UA,,,,,{tz}"]))
    assert isinstance(row, Range)
    assert row.tz == minutes


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2,ZZ", "unknown country"),
        ("38067,3806,UA", "not a range"),
        ("38068,38067,UA", "not a range"),
        ("0,9,UA", "not a range"),
        (",,UA", "not a range"),
        ("1" * 16 + ",,UA", "not a range"),
        ("38067,38067,UA,,,25,03", "not an MCC"),
        ("38067,38067,UA,,,255,0333", "not an MCC"),
        ("38067,38067,UA,,,,,Mars/Base", "not a time zone"),
        ("38067,38067,UA,,,,,../passwd", "not a time zone"),
        ("38067,38067,UA,,,,,+99", "not a time zone"),
        ("38067,38067,UA,,,,,,satellite", "neither mobile nor fixed"),
        ("38067,38067,UA,,,,,,,surplus", "10 fields, 9 columns"),
    ],
)
def test_bad_csv_line_is_named_and_passed_over(line: str, reason: str) -> None:
    """A typing error in one row is reported with its number and the rest is imported."""
    good, bad = parse_csv(["38050,,UA", line])
    assert isinstance(good, Range)
    assert isinstance(bad, BadLine)
    assert bad.line == 2
    assert reason in bad.reason


@given(st.lists(st.one_of(st.binary(max_size=60), st.text('0123456789;,ABUA.-+"\n', max_size=60)), max_size=5))
def test_any_file_gives_rows_a_table_accepts(lines: list[bytes | str]) -> None:
    """Someone will feed it a spreadsheet: nothing is raised, and what comes out as a range is one."""
    for parse in (parse_russian, parse_csv):
        RangeTable(row for row in parse(lines) if isinstance(row, Range))


def test_imported_registry_answers_before_the_seed() -> None:
    """The way of the data: file, ranges, table, answer."""
    rows = [row for row in parse_russian(REGISTRY.encode("cp1251").splitlines()) if isinstance(row, Range)]
    place = RangeTable(rows, below=load_seed()).lookup("79020000123")
    assert place is not None
    assert (place.operator, place.region, place.mccmnc, place.tz) == ("Билайн", "Сахалинская область", "25099", 660)
