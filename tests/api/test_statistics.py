"""get.php with get_stat in the four formats (seeds 000 and 002)."""

import pytest
from tests.fakes.api import ALEX, NOW_MS, FakeStatistics, House

import heliograph.core.accounts as core
from heliograph.api.operations import prices, statistics
from heliograph.services.statistics import Total

PATH = "/sys/get.php"
PERIOD = {"get_stat": 1, "start": "01.01.2014", "end": "01.02.2014"}


@pytest.fixture
def house() -> House:
    totals = [Total("alex", "RUR", 1250, 31_250_500, 50_000_000), Total("alex", "EUR", 2, -400, 0)]
    return House(statistics.OPERATIONS, statistics=FakeStatistics(totals))


def test_each_login_and_currency_is_a_row(house: House) -> None:
    """Every value is a text in JSON; lines end with no line break."""
    assert house.four(PATH, **PERIOD) == (
        "login = alex, sms = 1250, credit = 3125.05, debit = 5000, currency = RUR\n"
        "login = alex, sms = 2, credit = -0.04, debit = 0, currency = EUR",
        "alex,1250,3125.05,5000,RUR\nalex,2,-0.04,0,EUR",
        "<list><stat><login>alex</login><sms>1250</sms><credit>3125.05</credit><debit>5000</debit>"
        "<currency>RUR</currency></stat><stat><login>alex</login><sms>2</sms><credit>-0.04</credit>"
        "<debit>0</debit><currency>EUR</currency></stat></list>",
        '[{"login": "alex", "sms": "1250", "credit": "3125.05", "debit": "5000", "currency": "RUR"}, '
        '{"login": "alex", "sms": "2", "credit": "-0.04", "debit": "0", "currency": "EUR"}]',
    )


def test_nothing_in_the_period_is_an_empty_list(house: House) -> None:
    """Unlike the history, which answers with error 3 (spec clients 2.3)."""
    house.statistics.totals = []
    assert house.four(PATH, **PERIOD) == ("", "", "<list></list>", "[]")


def test_period_is_whole_days_of_the_account(house: House) -> None:
    """Moscow was four hours ahead in 2014; the last day belongs to the period."""
    house.ask(PATH, **PERIOD)
    house.ask(PATH, **PERIOD, mycur=1, balance2=1)
    moments = (1_388_520_000_000, 1_391_284_800_000)  # 31.12.2013 20:00 and 01.02.2014 20:00 UTC
    assert house.statistics.asked == [("alex", *moments, 1, False), ("alex", *moments, 2, True)]


def test_without_an_end_it_goes_up_to_now(house: House) -> None:
    """The quarter of an hour that is running counts whole."""
    house.ask(PATH, get_stat=1, start="14.11.2024")
    (asked,) = house.statistics.asked
    assert asked[1:3] == (1_731_531_600_000, NOW_MS + 900_000)


@pytest.mark.parametrize(
    ("wrong", "detail"),
    [
        ({"start": None}, "start is missing"),
        ({"start": "2014-01-01"}, "start is a date like 31.12.2026"),
        ({"start": "30.02.2014"}, "start is a date like 31.12.2026"),
        ({"start": "01.01.1969"}, "start is a date like 31.12.2026"),
        ({"end": "tomorrow"}, "end is a date like 31.12.2026"),
        ({"end": "31.12.9999"}, "end is a date like 31.12.2026"),
        ({"end": "31.12.2013"}, "end lies before start"),
        ({"mycur": "x"}, "mycur is 0 or 1"),
        ({"balance2": "2"}, "balance2 is 0 or 1"),
    ],
)
def test_bad_parameter_is_error_1(house: House, wrong: dict[str, str], detail: str) -> None:
    """In every format, and the store is not asked."""
    text = f"parameters error: {detail}"
    assert house.four(PATH, **{**PERIOD, **wrong}) == (
        f"ERROR = 1 ({text})",
        "0,-1",
        f"<result><error>{text}</error><error_code>1</error_code></result>",
        f'{{"error": "{text}", "error_code": 1}}',
    )
    assert house.statistics.asked == []


def test_wrong_password_is_error_2(house: House) -> None:
    """In every format."""
    assert house.four(PATH, **PERIOD, psw="wrong") == (
        "ERROR = 2 (authorise error)",
        "0,-2",
        "<result><error>authorise error</error><error_code>2</error_code></result>",
        '{"error": "authorise error", "error_code": 2}',
    )


def test_banned_address_is_error_4(house: House) -> None:
    """In every format."""
    house.guard.banned.add("127.0.0.1")
    assert [body[:12] for body in house.four(PATH, **PERIOD)] == [
        "ERROR = 4 (i",
        "0,-4",
        "<result><err",
        '{"error": "i',
    ]


def test_fourth_identical_request_within_a_minute_is_error_9(house: House) -> None:
    """A client that reads one month after the other is not held up; one that loops is."""
    for month in range(1, 10):
        assert house.ask(PATH, get_stat=1, start=f"01.{month:02d}.2014", end=f"28.{month:02d}.2014").startswith("login")
    answers = []
    for fmt in range(4):
        house.guard.paces.clear()
        answers.append([house.ask(PATH, **PERIOD, fmt=fmt) for _ in range(4)][3])
    assert answers[0] == "ERROR = 9 (duplicate request, wait a minute)"
    assert answers[1] == "0,-9"
    assert answers[2].endswith("<error_code>9</error_code></result>")
    assert answers[3] == '{"error": "duplicate request, wait a minute", "error_code": 9}'


def test_store_that_cannot_be_asked_is_error_9(house: House) -> None:
    """Wait and ask again; an empty list would be a lie."""
    house.statistics.totals = None
    assert house.ask(PATH, **PERIOD, fmt=1) == "0,-9"


def test_action_is_chosen_among_those_of_the_page() -> None:
    """get.php has several, each with its flag."""
    house = House((*prices.OPERATIONS, *statistics.OPERATIONS))
    assert house.ask(PATH, get_stat=1, start="01.01.2014", fmt=3) == "[]"
    assert house.ask("/rest/get/", get_stat=1, start="01.01.2014") == "[]"


def test_zone_of_the_account_decides(house: House) -> None:
    """Kathmandu is 5:45 ahead of UTC: its days begin on a quarter of an hour, too."""
    house.credentials.account = core.Account(7, ALEX.login, "RUR", 0, 1, core.Settings(tz="Asia/Kathmandu"))
    house.ask(PATH, get_stat=1, start="02.01.2024", end="02.01.2024")
    (asked,) = house.statistics.asked
    assert asked[1:3] == (1_704_132_900_000, 1_704_132_900_000 + 86_400_000)  # 01.01.2024 18:15 UTC
