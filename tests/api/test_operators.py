"""get_operator in the four formats (seed 000, "Getting information about the operator"; spec clients 2.3)."""

import asyncio
import json
from urllib.parse import urlencode

import pytest
from tests.fakes.api import MOSCOW, NOW_MS, FakeCredentials, FakePlaces, House

from heliograph.api.operations import operators
from heliograph.api.request import Request, Response
from heliograph.core.accounts import Account, Settings
from heliograph.core.numbers import make_plan, normalize
from heliograph.core.ranges import Place

PATH = "/sys/info.php"
PHONE = "79161234567"
GERMAN = Place("Германия", "Germany", "DE", "", "Германия", "262", "0", "2620", 60, "mobile")
DELHI = Place("Индия", "India", "IN", "Airtel, Delhi", "Индия", "404", "10", "40410", 330, "mobile")
ENGLISH = Account(7, "alex", "RUR", 0, 1, Settings(english=True))
REPEATED = "duplicate request, wait a minute"


class Table(FakePlaces):
    """Moscow, a country without operators, and an operator with a comma in its name."""

    def look_up(self, phone: str) -> Place | None:
        return {"79": MOSCOW, "74": GERMAN, "75": DELHI}.get(phone[:2])


@pytest.fixture
def house() -> House:
    return House(operators.OPERATIONS, places=Table())


def test_one_number_is_described_by_six_fields(house: House) -> None:
    """Clients read six keys, all of them texts; the number may be typed in any way."""
    for typed in (PHONE, "8 (916) 123-45-67", f" +{PHONE} "):
        assert house.four(PATH, get_operator=1, phone=typed) == (
            "country = Россия, operator = МТС, region = Москва, mcc = 250, mnc = 01, tz = 3",
            "Россия,МТС,Москва,250,01,3",
            "<info><country>Россия</country><operator>МТС</operator><region>Москва</region><mcc>250</mcc><mnc>01</mnc>"
            "<tz>3</tz></info>",
            '{"country": "Россия", "operator": "МТС", "region": "Москва", "mcc": "250", "mnc": "01", "tz": "3"}',
        )


def test_list_has_the_number_in_front_and_blanks_for_what_is_not_known(house: House) -> None:
    """Rows come in the order asked, each with the number as it was typed, also those of no number and of no operator."""
    assert house.four(PATH, get_operator=1, phone="89161234567, +74012345678,75012345678,12") == (
        "phone = 89161234567, country = Россия, operator = МТС, region = Москва, mcc = 250, mnc = 01, tz = 3\n"
        "phone = +74012345678, country = Германия, operator = , region = Германия, mcc = 262, mnc = , tz = 1\n"
        "phone = 75012345678, country = Индия, operator = Airtel, Delhi, region = Индия, mcc = 404, mnc = 10, tz = 5.5\n"
        "phone = 12, country = , operator = , region = , mcc = , mnc = , tz = ",
        "89161234567,Россия,МТС,Москва,250,01,3\n+74012345678,Германия,,Германия,262,,1\n"
        "75012345678,Индия,Airtel  Delhi,Индия,404,10,5.5\n12,,,,,,",
        "<list><info><phone>89161234567</phone><country>Россия</country><operator>МТС</operator><region>Москва</region>"
        "<mcc>250</mcc><mnc>01</mnc><tz>3</tz></info>"
        "<info><phone>+74012345678</phone><country>Германия</country><operator></operator><region>Германия</region>"
        "<mcc>262</mcc><mnc></mnc><tz>1</tz></info>"
        "<info><phone>75012345678</phone><country>Индия</country><operator>Airtel, Delhi</operator>"
        "<region>Индия</region><mcc>404</mcc><mnc>10</mnc><tz>5.5</tz></info>"
        "<info><phone>12</phone><country></country><operator></operator><region></region><mcc></mcc><mnc></mnc>"
        "<tz></tz></info></list>",
        '[{"phone": "89161234567", "country": "Россия", "operator": "МТС", "region": "Москва", "mcc": "250", '
        '"mnc": "01", "tz": "3"}, {"phone": "+74012345678", "country": "Германия", "operator": "", '
        '"region": "Германия", "mcc": "262", "mnc": "", "tz": "1"}, {"phone": "75012345678", "country": "Индия", '
        '"operator": "Airtel, Delhi", "region": "Индия", "mcc": "404", "mnc": "10", "tz": "5.5"}, '
        '{"phone": "12", "country": "", "operator": "", "region": "", "mcc": "", "mnc": "", "tz": ""}]',
    )


def test_comma_behind_one_number_makes_a_list(house: House) -> None:
    """As with statuses: a client that joins a list of one gets a list."""
    rows = json.loads(house.ask(PATH, get_operator=1, phone=f"{PHONE},", fmt=3))
    assert [row["phone"] for row in rows] == [PHONE]


def test_names_are_english_when_the_account_asks_for_it() -> None:
    """Names of countries, and of a region that is the whole country; other names exist in one language."""
    house = House(operators.OPERATIONS, credentials=FakeCredentials(ENGLISH), places=Table())
    text = house.ask(PATH, get_operator=1, phone=f"{PHONE},75012345678", fmt=1)
    assert text == f"{PHONE},Russia,МТС,Москва,250,01,3\n75012345678,India,Airtel  Delhi,India,404,10,5.5"


def errors(number: int, words: str) -> tuple[str, ...]:
    return (
        f"ERROR = {number} ({words})",
        f"0,-{number}",
        f"<result><error>{words}</error><error_code>{number}</error_code></result>",
        f'{{"error": "{words}", "error_code": {number}}}',
    )


@pytest.mark.parametrize("phone", ["", ",", " , "])
def test_request_without_number_is_error_1(house: House, phone: str) -> None:
    """There is nothing to look for."""
    assert house.four(PATH, get_operator=1, phone=phone) == errors(1, "parameters error: phone is missing")


def test_request_without_action_is_error_1(house: House) -> None:
    """The page is asked by its flag."""
    assert house.ask(PATH, phone=PHONE) == "ERROR = 1 (parameters error: no action is named)"


def test_more_numbers_than_a_reply_holds_are_error_1(house: House) -> None:
    """The longest list is answered whole; one more number would hold up everybody else."""
    most = operators.MAX_NUMBERS
    phones = [*["12"] * (most - 1), PHONE]
    query = urlencode({"login": "alex", "psw": "123", "get_operator": 1, "phone": ",".join(phones), "fmt": 1})

    async def ask() -> str:
        house.post(Request("POST", PATH, query.encode(), received_ns=NOW_MS * 1_000_000))
        while not house.answers:
            await asyncio.sleep(0)
        answer = house.answers[-1]
        assert isinstance(answer, Response)
        return answer.body.decode("cp1251")

    lines = asyncio.run(ask()).splitlines()
    assert [line.partition(",")[0] for line in lines] == phones
    assert lines[-1] == f"{PHONE},Россия,МТС,Москва,250,01,3"
    too_many = ",".join([PHONE] * (most + 1))
    assert house.four(PATH, get_operator=1, phone=too_many) == errors(1, f"parameters error: more than {most} numbers")


def test_wrong_password_is_error_2(house: House) -> None:
    """As on every page."""
    assert house.four(PATH, get_operator=1, phone=PHONE, psw="124") == errors(2, "authorise error")


@pytest.mark.parametrize("phone", ["74012345678", "12", "12,", "74012345678,77777777777,no number"])
def test_unknown_operator_is_error_3(house: House, phone: str) -> None:
    """For one number, and for a list of which no operator is known."""
    assert house.four(PATH, get_operator=1, phone=phone) == errors(3, "operator not found")


def test_banned_address_is_error_4(house: House) -> None:
    """As on every page."""
    house.guard.banned.add("127.0.0.1")
    assert house.four(PATH, get_operator=1, phone=PHONE) == errors(4, "ip is blocked")


@pytest.mark.parametrize("fmt", range(4))
def test_fourth_identical_request_within_a_minute_is_error_9(house: House, fmt: int) -> None:
    """Another number may still be asked for."""
    for i in range(3):
        assert "250" in house.ask(PATH, get_operator=1, phone=PHONE, fmt=i)
    assert house.ask(PATH, get_operator=1, phone=PHONE, fmt=fmt).endswith(errors(9, REPEATED)[fmt])
    assert "250" in house.ask(PATH, get_operator=1, phone="79161234568", fmt=fmt)


def test_request_after_a_hundred_within_a_minute_is_error_9(house: House) -> None:
    """A list counts once, however long it is."""
    for i in range(100):
        assert "250" in house.ask(PATH, get_operator=1, phone=f"{79160000000 + i},{PHONE},{PHONE}")
    assert house.ask(PATH, get_operator=1, phone="79161234567") == errors(9, REPEATED)[0]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("8 900 123-45-67", ("Россия", "T2", "Россия", "250", "20", "3")),
        ("79000301234", ("Россия", "МОТИВ", "Свердловская область", "250", "35", "5")),
        ("+12025550123", ("США", "", "США", "310", "", "-5")),
        ("+97798", ("", "", "", "", "", "")),
        ("Anna", ("", "", "", "", "", "")),
    ],
)
def test_shipped_table_answers_in_the_notation_of_the_page(typed: str, told: tuple[str, ...]) -> None:
    """The words of the reply come from the tables of a fresh installation."""
    plan = make_plan()
    found = operators.find(typed, lambda text: normalize(text, plan), plan.ranges.lookup, False)
    assert tuple(found.values()) == told
