"""call=1&mes=code: what is read, and the replies in the four formats (spec sending 6.6, clients 2.3)."""

import json

import pytest
from tests.fakes.api import House

from heliograph.api.operations import send
from heliograph.core.messages import Accepted, Kind, Recipient, Verdict
from heliograph.core.reasons import Reason, Refusal

PATH = "/sys/send.php"
A = "79001112233"


@pytest.fixture
def house() -> House:
    return House(send.OPERATIONS)


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (
            0,
            (
                "OK - 1 SMS, ID - 17, CODE - 042917",
                "17,1,042917",
                "<result><id>17</id><cnt>1</cnt><code>042917</code></result>",
                '{"id": 17, "cnt": 1, "code": "042917"}',
            ),
        ),
        (
            2,
            (
                "OK - 1 SMS, ID - 17, COST - 1.6, CODE - 042917",
                "17,1,1.6,042917",
                "<result><id>17</id><cnt>1</cnt><cost>1.6</cost><code>042917</code></result>",
                '{"id": 17, "cnt": 1, "cost": "1.6", "code": "042917"}',
            ),
        ),
        (
            3,
            (
                "OK - 1 SMS, ID - 17, COST - 1.6, BALANCE - 98.4, CODE - 042917",
                "17,1,1.6,98.4,042917",
                "<result><id>17</id><cnt>1</cnt><cost>1.6</cost><balance>98.4</balance><code>042917</code></result>",
                '{"id": 17, "cnt": 1, "cost": "1.6", "balance": "98.4", "code": "042917"}',
            ),
        ),
    ],
)
def test_code_comes_last(house: House, cost: int, expected: tuple[str, ...]) -> None:
    """Clients find cost and balance at the places they always had."""
    assert house.four(PATH, phones=A, mes="code", call=1, cost=cost) == expected


def test_clients_find_the_secret_in_the_last_four_digits(house: House) -> None:
    """Existing clients cut the code so, from a text of six digits with its zeros: in JSON it must be no number."""
    code = json.loads(house.ask(PATH, phones=A, mes="code", call=1, fmt=3))["code"]
    assert isinstance(code, str)
    assert len(code) == 6
    assert (code[-4:], code[2:6]) == ("2917", "2917")
    assert house.submitting.asked[0].code == code


@pytest.mark.parametrize("mes", ["code", " Code ", "code\n~~~\nOrder 15"])
def test_word_is_stored_and_not_the_code(house: House, mes: str) -> None:
    """The text that everybody reads (history, exports, the handler) is the word; the digits are for the carrier."""
    house.ask(PATH, phones=A, mes=mes, call=1)
    (asked,) = house.submitting.asked
    assert (asked.kind, asked.code) == (Kind.CALL, "042917")
    assert asked.recipients == (Recipient(A, mes.strip().replace("Code", "code")),)


def test_op_lists_numbers_behind_the_code(house: House) -> None:
    """One request has one code, whoever is called."""
    verdict = Verdict(A, "25001", 16_000, 1)
    house.submitting.result = Accepted("17", 2, 32_000, 968_000, (verdict, verdict))
    assert house.ask(PATH, phones=A, mes="code", call=1, op=1, fmt=1) == f"17,2,042917\n{A},25001,1.6\n{A},25001,1.6"
    assert house.ask(PATH, phones=A, mes="code", call=1, err=1, fmt=3) == (
        '{"id": 17, "cnt": 2, "code": "042917", "phones": []}'
    )


@pytest.mark.parametrize("mes", ["Hello", "code 1", "<file 1>", "codes"])
def test_other_voice_texts_are_refused(house: House, mes: str) -> None:
    """Nobody is called by something that nobody can read aloud yet."""
    body = house.ask(PATH, phones=A, mes=mes, call=1)
    assert body == "ERROR = 1 (parameters error: voice messages come later: only mes=code)"
    assert house.ask(PATH, list=f"{A}:code\n{A}:Hello", call=1, fmt=1) == "0,-1"
    assert not house.submitting.asked


def test_two_kinds_at_once_are_refused(house: House) -> None:
    """A call is a kind like the others."""
    assert house.ask(PATH, phones=A, mes="code", call=1, flash=1, fmt=1) == "0,-1"


def test_price_and_refusal_tell_no_code(house: House) -> None:
    """There is no call, so there is nothing to compare with."""
    assert house.ask(PATH, phones=A, mes="code", call=1, cost=1, fmt=3) == '{"cost": "1.6", "cnt": 1}'
    assert house.submitting.asked[-1].code == ""
    house.submitting.result = Refusal(Reason.NO_ROUTE, id="17")
    assert house.four(PATH, phones=A, mes="code", call=1) == (
        "ERROR = 8 (can't to deliver), ID - 17",
        "17,-8",
        "<result><error>can't to deliver</error><error_code>8</error_code><id>17</id></result>",
        '{"error": "can\'t to deliver", "error_code": 8, "id": 17}',
    )
