"""Numbers as people type them: every rule of correction, what is refused, and lists."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliograph.core.numbers import CORRECTIONS, Correction, is_possible, make_plan, normalize, parse_recipients
from heliograph.core.ranges import Range, RangeTable, load_countries, load_seed

PLAN = make_plan()

CORRECTED = [
    # As it is.
    ("79161234567", "79161234567"),
    ("79990001234", "79990001234"),
    ("491700000000", "491700000000"),
    ("380501234567", "380501234567"),
    ("375291234567", "375291234567"),
    ("12025550123", "12025550123"),
    # Punctuation.
    ("+7 (916) 123-45-67", "79161234567"),
    ("8 (916) 123-45-67", "79161234567"),
    ("8.916.123.45.67", "79161234567"),
    (" 7916 1234567\n", "79161234567"),
    ("(+7)9161234567", "79161234567"),
    ("\u202a+7\u00a0916\u2011123\u201145\u201167\u202c", "79161234567"),
    ("7/916/1234567", "79161234567"),
    # Russia: 8 for 7, and neither.
    ("89161234567", "79161234567"),
    ("84951234567", "74951234567"),
    ("83431234567", "73431234567"),
    ("88121234567", "78121234567"),
    ("88001234567", "78001234567"),
    ("9161234567", "79161234567"),
    # Kazakhstan.
    ("87011234567", "77011234567"),
    ("87771234567", "77771234567"),
    ("7011234567", "77011234567"),
    ("7471234567", "77471234567"),
    # Ukraine.
    ("0501234567", "380501234567"),
    ("80501234567", "380501234567"),
    ("(067) 123-45-67", "380671234567"),
    # Belarus, before Ukraine.
    ("80291234567", "375291234567"),
    ("80331234567", "375331234567"),
    ("80441234567", "375441234567"),
    ("80251234567", "375251234567"),
    # International prefixes.
    ("0079161234567", "79161234567"),
    ("00491701234567", "491701234567"),
    ("810491701234567", "491701234567"),
    ("8 10 380 50 123 45 67", "380501234567"),
    # 84… is Vietnam where Russia has no such code.
    ("84351234567", "84351234567"),
    ("84912345678", "74912345678"),
    # Exactly as given.
    ("+84912345678", "84912345678"),
    ("+9607123456", "9607123456"),
    ("+3725123456", "3725123456"),
    # World-wide services have no lengths of ours.
    ("+881612345678", "881612345678"),
]


@pytest.mark.parametrize(("typed", "meant"), CORRECTED)
def test_typed_number_becomes_international(typed: str, meant: str) -> None:
    """Customers send address books as they are: each habit of writing must reach the same phone."""
    assert normalize(typed, PLAN) == meant


REFUSED = [
    "",
    "+",
    "00",
    "810",
    "79001",
    "7916123456",
    "791612345678",
    "+89161234567",
    "+9161234567",
    "+0501234567",
    "71234567890",
    "75001234567",
    "11234567890",
    "38050123456",
    "37529123456",
    "99912345678",
    "2101234567",
    "+8816",
    "1234567890123456",
    "a@example.org",
    "79161234567@example.org",
    "@nick",
    "nick",
    "#79161234567",
    "G321",
    "7916123456а",
    "79161234567 доб. 5",
    "+7+9161234567",
    "７９１６１２３４５６７",
    "٧٩١٦١٢٣٤٥٦٧",
    "7 916 123 45 67" + " " * 60,
]


@pytest.mark.parametrize("typed", REFUSED)
def test_what_is_no_number_is_refused(typed: str) -> None:
    """A bad number must end with error 249 here, not be paid for and refused by a carrier."""
    assert normalize(typed, PLAN) is None


@given(st.one_of(st.text(max_size=30), st.text("+0123456789 -()", max_size=24)))
def test_any_text_gives_a_number_or_nothing(typed: str) -> None:
    """Whatever a request holds, the result is digits that any door may pass on, and with a plus it stays as it is."""
    number = normalize(typed, PLAN)
    if number is not None:
        assert number.isascii()
        assert number.isdigit()
        assert 7 <= len(number) <= 15
        assert normalize("+" + number, PLAN) == number
        assert PLAN.ranges.lookup(number) is not None


@pytest.mark.parametrize("rule", CORRECTIONS, ids=lambda rule: rule.name)
def test_every_correction_is_reached(rule: Correction) -> None:
    """A rule that an earlier one hides would be a promise in the settings that nobody keeps."""
    examples = [typed for typed, _ in CORRECTED if typed.isdigit() and typed.startswith(rule.starts)]
    results = [rule.add + typed[rule.drop :] for typed in examples if len(typed) in rule.lengths]
    assert set(results) & {meant for _, meant in CORRECTED}


@pytest.mark.parametrize(
    ("home", "typed", "meant"),
    [
        ("DE", "01701234567", "491701234567"),
        ("DE", "1701234567", "491701234567"),
        ("DE", "00491701234567", "491701234567"),
        ("DE", "0079161234567", "79161234567"),
        ("MX", "5512345678", "525512345678"),
        ("US", "2025550123", "12025550123"),
        ("US", "12025550123", "12025550123"),
        ("GB", "07912345678", "447912345678"),
        ("GB", "7912345678", "447912345678"),
        ("UA", "501234567", "380501234567"),
        ("UA", "0501234567", "380501234567"),
        ("BY", "291234567", "375291234567"),
        ("BY", "80291234567", "375291234567"),
        ("UZ", "901234567", "998901234567"),
        ("KG", "0555123456", "996555123456"),
        ("TJ", "901234567", "992901234567"),
        ("KZ", "87011234567", "77011234567"),
        ("DE", "79161234567", "79161234567"),
        ("DE", "89161234567", "79161234567"),
    ],
)
def test_home_numbers_come_first(home: str, typed: str, meant: str) -> None:
    """An installation in another country gets the notation of that country, and still understands the rest."""
    assert normalize(typed, make_plan(home=home)) == meant


def test_every_country_can_be_home() -> None:
    """Any country of the table may be set as home, and a wrong one stops the start with words."""
    for iso in load_countries():
        assert normalize("+79161234567", make_plan(home=iso)) == "79161234567"
    with pytest.raises(ValueError, match="'ZZ'"):
        make_plan(home="ZZ")


def test_corrections_can_be_replaced() -> None:
    """An operator may switch the corrections off or bring his own."""
    assert normalize("89161234567", make_plan(corrections=())) is None
    own = Correction("short Moscow numbers", ("1", "2"), (7,), 0, "7495")
    assert normalize("123-45-67", make_plan(corrections=[own])) == "74951234567"
    with pytest.raises(ValueError, match="'anything'"):
        make_plan(corrections=[Correction("anything", ("",), (7,), 0, "7495")])


def test_imported_code_makes_a_correction_known() -> None:
    """8 430 … is Vietnam until a table says that Russia has such a code."""
    assert normalize("84301234567", PLAN) == "84301234567"
    table = RangeTable([Range(7430, 7430, "RU", region="Новый край", kind="fixed")], below=load_seed())
    assert normalize("84301234567", make_plan(table)) == "74301234567"


def test_every_country_accepts_its_own_lengths() -> None:
    """The table of lengths by three digits must not lose a country whose prefix is shorter or longer."""
    for country in load_countries().values():
        for prefix in country.prefixes:
            for length in country.lengths:
                assert is_possible(prefix.ljust(length, "5"), PLAN)


def test_start_does_not_load_the_phone_library() -> None:
    """Ordinary numbers are decided by our own table; the library costs start-up time and 12 µs a number."""
    code = (
        "import sys; from heliograph.core.numbers import make_plan, normalize; plan = make_plan();"
        "assert normalize('89161234567', plan) and normalize('491700000000', plan);"
        "assert 'phonenumbers' not in sys.modules;"
        "assert normalize('+881612345678', plan); assert 'phonenumbers' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("79161234567", ["79161234567"]),
        ("1,2;3\n4\r\n5", ["1", "2", "3", "4", "5"]),
        (" +7 916 1 , ; ,8(916)2 ;", ["+7 916 1", "8(916)2"]),
        ("b@x.org,a@x.org,b@x.org", ["b@x.org", "a@x.org", "b@x.org"]),
        ("", []),
        (" \n;,", []),
    ],
)
def test_list_keeps_order_and_drops_empty_items(text: str, items: list[str]) -> None:
    """The reply names recipients in the order asked; duplicates are the caller's decision."""
    assert parse_recipients(text) == items
