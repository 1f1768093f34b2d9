"""get_answers in the four formats (seed 000; spec management 0.1 and 6.3)."""

import asyncio
import json
from urllib.parse import urlencode

import pytest
from tests.fakes.api import NOW_MS, House

from heliograph.api.call import PORTION
from heliograph.api.operations import answers
from heliograph.api.request import Request, Response
from heliograph.services.inbound import Inbound

PATH = "/sys/get.php"
HOUR_MS = 3_600_000


def make(id: int = 12, text: str = "да, приду", sent_ms: int = NOW_MS - 3000) -> Inbound:
    return Inbound(id, 1, NOW_MS, sent_ms, "79161234567", "79251112233", text, "", 7, 900)


@pytest.fixture
def house() -> House:
    house = House(answers.OPERATIONS)
    house.histories.texts = [make()]
    return house


def test_text_has_the_values_of_the_reference_in_their_order(house: House) -> None:
    """Format 1 has the text last."""
    assert house.four(PATH, get_answers=1) == (
        "id = 12, received = 14.11.2024 12:30:00, phone = 79161234567, message = да, приду, "
        "to_phone = 79251112233, sent = 14.11.2024 12:29:57",
        "12,14.11.2024 12:30:00,79161234567,79251112233,14.11.2024 12:29:57,да, приду",
        "<sms_answers><sms><id>12</id><received>14.11.2024 12:30:00</received><phone>79161234567</phone>"
        "<message>да, приду</message><to_phone>79251112233</to_phone><sent>14.11.2024 12:29:57</sent></sms>"
        "</sms_answers>",
        '[{"id": 12, "received": "14.11.2024 12:30:00", "phone": "79161234567", "message": "да, приду", '
        '"to_phone": "79251112233", "sent": "14.11.2024 12:29:57"}]',
    )


def test_unknown_time_of_sending_is_empty(house: House) -> None:
    """Most carriers do not tell it."""
    house.histories.texts = [make(sent_ms=0), make(13, "a\nb")]
    text, commas, xml, read = house.four(PATH, get_answers=1)
    assert text.split("\n")[0].endswith(", sent = ")
    assert commas.split("\n") == [
        "12,14.11.2024 12:30:00,79161234567,79251112233,,да, приду",
        "13,14.11.2024 12:30:00,79161234567,79251112233,14.11.2024 12:29:57,a b",
    ]
    assert "<sent></sent>" in xml
    assert [row["sent"] for row in json.loads(read)] == ["", "14.11.2024 12:29:57"]


def test_empty_list_is_no_error(house: House) -> None:
    """Unlike in the history."""
    house.histories.texts = []
    assert house.four(PATH, get_answers=1) == ("", "", "<sms_answers></sms_answers>", "[]")


def test_bad_parameters_are_error_1(house: House) -> None:
    """In the form of each format."""
    text, commas, xml, read = house.four(PATH, get_answers=1, hour=169)
    assert text.startswith("ERROR = 1 (") and commas == "0,-1"
    assert xml.endswith("<error_code>1</error_code></result>") and json.loads(read)["error_code"] == 1
    for bad in ({"cnt": 10_001}, {"cnt": "all"}, {"hour": -1}, {"after_id": "x"}, {"after_id": -5}):
        house.guard.paces.clear()
        assert house.ask(PATH, get_answers=1, fmt=1, **bad) == "0,-1", bad


def test_wrong_login_is_error_2_and_a_banned_address_error_4(house: House) -> None:
    """In every format, and nothing is looked up."""
    text, commas, xml, read = house.four(PATH, get_answers=1, psw="wrong")
    assert (text, commas) == ("ERROR = 2 (authorise error)", "0,-2")
    assert "<error_code>2</error_code>" in xml and '"error_code": 2' in read
    house.guard.banned.add("127.0.0.1")
    text, commas, xml, read = house.four(PATH, get_answers=1)
    assert text.startswith("ERROR = 4 (") and commas == "0,-4"
    assert "<error_code>4</error_code>" in xml and '"error_code": 4' in read
    assert house.histories.asked == []


def test_fourth_identical_request_in_a_minute_is_error_9(house: House) -> None:
    """And so is a store that is away."""
    for fmt in (0, 1, 3):
        assert "12" in house.ask(PATH, get_answers=1, fmt=fmt)
    assert house.ask(PATH, get_answers=1, fmt=0).startswith("ERROR = 9 (")
    assert house.ask(PATH, get_answers=1, fmt=1) == "0,-9"
    assert "<error_code>9</error_code>" in house.ask(PATH, get_answers=1, fmt=2)
    assert json.loads(house.ask(PATH, get_answers=1, fmt=3))["error_code"] == 9
    house.histories.texts = None
    assert house.ask(PATH, get_answers=1, fmt=1, cnt=7) == "0,-9"


def test_period_is_the_current_day_unless_something_else_is_asked(house: House) -> None:
    """With after_id alone there is no bound of time: nothing is missed by who asks rarely."""
    midnight = NOW_MS - 12 * HOUR_MS - HOUR_MS // 2
    cases: list[tuple[dict[str, object], tuple[int, int, tuple[str, ...], int]]] = [
        ({}, (0, midnight, (), 10_000)),
        ({"cnt": 0, "hour": 0, "after_id": 0}, (0, midnight, (), 10_000)),
        ({"hour": 48, "cnt": 15}, (0, NOW_MS - 48 * HOUR_MS, (), 15)),
        ({"after_id": 1234567, "cnt": 20}, (1234567, 0, (), 20)),
        ({"after_id": 5, "hour": 1}, (5, NOW_MS - HOUR_MS, (), 10_000)),
    ]
    for params, asked in cases:
        house.guard.paces.clear()
        house.ask(PATH, get_answers=1, **params)
        assert house.histories.asked[-1] == asked
    house.ask(PATH, get_answers=1, to_phone="+7 925 111-22-33")
    assert "79251112233" in house.histories.asked[-1][2]
    house.ask(PATH, get_answers=1, to_phone="7000")
    assert house.histories.asked[-1][2] == ("7000",)


def test_ten_thousand_texts_are_answered_in_portions(house: House) -> None:
    """Others are served between."""
    house.histories.texts = [make(i) for i in range(10_000)]
    query = {"login": "alex", "psw": "123", "fmt": 3, "charset": "utf-8", "get_answers": 1}

    async def story() -> int:
        house.api(Request("GET", PATH, urlencode(query).encode(), received_ns=NOW_MS * 1_000_000), house.answers.append)
        turns = 0
        while not house.answers:
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert asyncio.run(story()) >= 9_999 // PORTION
    (answer,) = house.answers
    assert isinstance(answer, Response)
    assert [row["id"] for row in json.loads(answer.body)] == list(range(10_000))
