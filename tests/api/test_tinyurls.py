"""tinyurls.php in the four formats, with the replies of the reference page (seed 000), and tinyurl=1 of send."""

import pytest
from tests.fakes.api import FakeLinks, House

from heliograph.api.operations import send, tinyurls
from heliograph.core.accounts import Settings
from heliograph.core.links import Counts

PATH = "/sys/tinyurls.php"
FOUND = Counts(145142, "http://mywebsite.ru", "https://s.example.ru/AbCd123", 120, 30, 4, 5, 61, 0)


@pytest.fixture
def house() -> House:
    return House(tinyurls.OPERATIONS, links=FakeLinks(FOUND))


def test_a_link_is_told_in_four_formats(house: House) -> None:
    """Fields and their order are those of the reference; in JSON all are texts."""
    assert house.four(PATH, get=1, id=145142) == (
        "id = 145142, cnt = 120, cnt_mon = 30, cnt_day = 4, cnt_yes = 5, cnt_pmon = 61, "
        "link = https://s.example.ru/AbCd123",
        "145142,120,30,4,5,61,https://s.example.ru/AbCd123",
        "<result><id>145142</id><cnt>120</cnt><cnt_mon>30</cnt_mon><cnt_day>4</cnt_day><cnt_yes>5</cnt_yes>"
        "<cnt_pmon>61</cnt_pmon><link>https://s.example.ru/AbCd123</link></result>",
        '{"id": "145142", "cnt": "120", "cnt_mon": "30", "cnt_day": "4", "cnt_yes": "5", "cnt_pmon": "61", '
        '"link": "https://s.example.ru/AbCd123"}',
    )


def test_a_link_without_clicks_is_told_with_zeros() -> None:
    """A new link is no unknown one."""
    house = House(
        tinyurls.OPERATIONS, links=FakeLinks(Counts(7, "http://a.ru", "https://s.ru/1234567", 0, 0, 0, 0, 0, 0))
    )
    assert house.four(PATH, get=1, link="a.ru") == (
        "id = 7, cnt = 0, cnt_mon = 0, cnt_day = 0, cnt_yes = 0, cnt_pmon = 0, link = https://s.ru/1234567",
        "7,0,0,0,0,0,https://s.ru/1234567",
        "<result><id>7</id><cnt>0</cnt><cnt_mon>0</cnt_mon><cnt_day>0</cnt_day><cnt_yes>0</cnt_yes>"
        "<cnt_pmon>0</cnt_pmon><link>https://s.ru/1234567</link></result>",
        '{"id": "7", "cnt": "0", "cnt_mon": "0", "cnt_day": "0", "cnt_yes": "0", "cnt_pmon": "0", '
        '"link": "https://s.ru/1234567"}',
    )


def test_the_id_goes_before_the_link(house: House) -> None:
    """Both in one request would else be a riddle."""
    house.ask(PATH, get=1, id=145142, link="mywebsite.ru")
    house.ask(PATH, get=1, link=" mywebsite.ru ")
    assert house.links.asked == [(145142, "mywebsite.ru"), (0, "mywebsite.ru")]


def test_an_unknown_link_is_error_3(house: House) -> None:
    """Another account's as well: what is not the customer's does not exist."""
    answers = house.four(PATH, get=1, link="other.ru")
    assert answers == (
        "ERROR = 3 (not found)",
        "0,-3",
        "<result><error>not found</error><error_code>3</error_code></result>",
        '{"error": "not found", "error_code": 3}',
    )
    for id_ in (0, 7, 10**17):
        assert house.ask(PATH, get=1, id=id_) == "ERROR = 3 (not found)"


def test_neither_id_nor_link_is_error_1(house: House) -> None:
    """In every format; the service is not asked."""
    assert house.four(PATH, get=1) == (
        "ERROR = 1 (parameters error: id or link is missing)",
        "0,-1",
        "<result><error>parameters error: id or link is missing</error><error_code>1</error_code></result>",
        '{"error": "parameters error: id or link is missing", "error_code": 1}',
    )
    assert house.ask(PATH, get=1, id="", link="") == "ERROR = 1 (parameters error: id or link is missing)"
    assert house.ask(PATH, get=1, id="seven") == "ERROR = 1 (parameters error: id is a whole number)"
    assert house.ask(PATH, get=1, id="1" * 19) == "ERROR = 1 (parameters error: id is a whole number)"
    assert house.ask(PATH, id=145142) == "ERROR = 1 (parameters error: no action is named)"
    assert house.links.asked == []


def test_a_wrong_password_is_error_2(house: House) -> None:
    """As on every page."""
    assert house.ask(PATH, get=1, id=145142, psw="wrong") == "ERROR = 2 (authorise error)"


def test_a_banned_address_is_error_4(house: House) -> None:
    """As on every page."""
    house.guard.banned.add("127.0.0.1")
    assert house.ask(PATH, get=1, id=145142) == "ERROR = 4 (ip is blocked)"


def test_the_fourth_identical_request_within_a_minute_is_error_9(house: House) -> None:
    """Another link is another request; the format makes no difference."""
    for fmt in range(3):
        assert "145142" in house.ask(PATH, get=1, id=145142, fmt=fmt)
    assert house.ask(PATH, get=1, id=145142) == "ERROR = 9 (duplicate request, wait a minute)"
    assert house.ask(PATH, get=1, link="mywebsite.ru").startswith("id = 145142")


def test_a_store_that_cannot_be_asked_is_error_9(house: House) -> None:
    """Wait and ask again."""
    house.links.full = True
    assert house.ask(PATH, get=1, id=145142) == "ERROR = 9 (too many concurrent requests)"


@pytest.mark.parametrize(("given", "wanted"), [("1", True), ("0", False), ("", False), (None, False)])
def test_tinyurl_of_send_asks_for_short_links(given: str | None, wanted: bool) -> None:
    """The service shortens; the account's own setting is its business, too."""
    house = House(send.OPERATIONS)
    assert house.ask("/sys/send.php", phones="79161234567", mes="Hi http://a.ru", tinyurl=given).startswith("OK")
    assert house.submitting.asked[-1].shorten is wanted
    assert house.submitting.asked[-1].recipients[0].text == "Hi http://a.ru"


def test_a_bad_tinyurl_is_error_1() -> None:
    """Nothing is sent."""
    house = House(send.OPERATIONS)
    assert house.ask("/sys/send.php", phones="79161234567", mes="Hi", tinyurl=2) == (
        "ERROR = 1 (parameters error: tinyurl is 0 or 1)"
    )
    assert house.submitting.asked == []


def test_settings_of_short_links_have_their_defaults() -> None:
    """Nobody's texts change by an upgrade."""
    assert (Settings().short_links, Settings().track_links) == (False, False)
