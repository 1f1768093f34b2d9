"""send.php and /rest/send/: what is read, and every reply in the four formats (spec sending 2 to 8, clients 2.1 to 2.3)."""

import json

import pytest
from tests.fakes.api import ALEX, NOW_MS, FakeCredentials, House

from heliograph.api.operations import send
from heliograph.api.request import Request
from heliograph.core.accounts import Account, Settings
from heliograph.core.messages import Accepted, Kind, Quote, Recipient, Submission, Verdict
from heliograph.core.reasons import Reason, Refusal

PATH = "/sys/send.php"
A, B = "79001112233", "79001"
GOOD = Verdict(A, "25001", 16_000, 1)
BAD = Verdict(B, "", 0, 1, 22, 249)


@pytest.fixture
def house() -> House:
    return House(send.OPERATIONS)


def read(house: House, **params: object) -> Submission:
    """The submission that a request becomes."""
    body = house.ask(PATH, **{"phones": A, "mes": "Hello", **params})
    assert body.startswith("OK"), body
    return house.submitting.asked[-1]


def test_accepted_text_is_answered_with_id_and_parts(house: House) -> None:
    """The bytes every client library matches; no line break may follow them."""
    assert house.four(PATH, phones=A, mes="Hi") == (
        "OK - 1 SMS, ID - 17",
        "17,1",
        "<result><id>17</id><cnt>1</cnt></result>",
        '{"id": 17, "cnt": 1}',
    )


def test_cost_2_adds_the_price(house: House) -> None:
    """Money is a text in JSON: clients in Go fail on a number."""
    assert house.four(PATH, phones=A, mes="Hi", cost=2) == (
        "OK - 1 SMS, ID - 17, COST - 1.6",
        "17,1,1.6",
        "<result><id>17</id><cnt>1</cnt><cost>1.6</cost></result>",
        '{"id": 17, "cnt": 1, "cost": "1.6"}',
    )


def test_cost_3_adds_price_and_balance(house: House) -> None:
    """Exactly four values in format 1."""
    assert house.four(PATH, phones=A, mes="Hi", cost=3) == (
        "OK - 1 SMS, ID - 17, COST - 1.6, BALANCE - 98.4",
        "17,1,1.6,98.4",
        "<result><id>17</id><cnt>1</cnt><cost>1.6</cost><balance>98.4</balance></result>",
        '{"id": 17, "cnt": 1, "cost": "1.6", "balance": "98.4"}',
    )


def test_price_comes_before_the_parts(house: House) -> None:
    """cost=1 swaps the order, and two values are all there are."""
    house.submitting.quote = Quote(32_000, 2, ())
    assert house.four(PATH, phones=A, mes="Hi", cost=1) == (
        "3.2 (2 SMS)",
        "3.2,2",
        "<result><cost>3.2</cost><cnt>2</cnt></result>",
        '{"cost": "3.2", "cnt": 2}',
    )


def test_op_lists_every_number(house: House) -> None:
    """All values are texts, in the order asked; status and error only where there is a problem."""
    house.submitting.result = Accepted("17", 2, 16_000, 984_000, (GOOD, BAD))
    assert house.four(PATH, phones=f"{A},{B}", mes="Hi", op=1, cost=2) == (
        "OK - 2 SMS, ID - 17, COST - 1.6\n79001112233,25001,1.6\n79001,0,0,22,249",
        "17,2,1.6\n79001112233,25001,1.6\n79001,0,0,22,249",
        "<result><id>17</id><cnt>2</cnt><cost>1.6</cost><phones>"
        '<phone mccmnc="25001" cost="1.6">79001112233</phone>'
        '<phone mccmnc="0" cost="0" status="22" error="249">79001</phone></phones></result>',
        '{"id": 17, "cnt": 2, "cost": "1.6", "phones": ['
        '{"phone": "79001112233", "mccmnc": "25001", "cost": "1.6"}, '
        '{"phone": "79001", "mccmnc": "0", "cost": "0", "status": "22", "error": "249"}]}',
    )


def test_err_lists_the_bad_numbers_only(house: House) -> None:
    """A client that asks for errors counts the rows."""
    house.submitting.result = Accepted("17", 2, 16_000, 984_000, (GOOD, BAD))
    assert house.four(PATH, phones=f"{A},{B}", mes="Hi", err=1) == (
        "OK - 2 SMS, ID - 17\n79001,22,249",
        "17,2\n79001,22,249",
        '<result><id>17</id><cnt>2</cnt><phones><phone status="22" error="249">79001</phone></phones></result>',
        '{"id": 17, "cnt": 2, "phones": [{"phone": "79001", "status": "22", "error": "249"}]}',
    )


def test_err_without_bad_numbers_is_an_empty_list(house: House) -> None:
    """The key stays, so that readers need no special case; text formats have no empty line."""
    assert house.four(PATH, phones=A, mes="Hi", err=1) == (
        "OK - 1 SMS, ID - 17",
        "17,1",
        "<result><id>17</id><cnt>1</cnt><phones></phones></result>",
        '{"id": 17, "cnt": 1, "phones": []}',
    )


def test_op_and_err_work_with_prices(house: House) -> None:
    """Shops ask for the price per number before they send."""
    house.submitting.quote = Quote(16_000, 2, (GOOD, BAD))
    assert json.loads(house.ask(PATH, phones=A, mes="Hi", cost=1, op=1, fmt=3))["phones"][0]["cost"] == "1.6"
    assert json.loads(house.ask(PATH, phones=A, mes="Hi", cost=1, err=1, fmt=3))["phones"][0]["phone"] == B


def test_test_mode_costs_nothing_and_prices_no_number(house: House) -> None:
    """The total is "0" and the numbers have no cost at all."""
    house.submitting.result = Accepted("17", 1, 0, 1_000_000, (Verdict(A, "25001", 0, 1),), test=True)
    assert json.loads(house.ask(PATH, phones=A, mes="Hi", cost=3, op=1, fmt=3)) == {
        "id": 17,
        "cnt": 1,
        "cost": "0",
        "balance": "100",
        "phones": [{"phone": A, "mccmnc": "25001"}],
    }


def test_id_that_is_a_text_stays_one(house: House) -> None:
    """A number comes back as a number, anything else quoted."""
    house.submitting.result = Accepted("order-5", 1, 0, 0, ())
    assert house.ask(PATH, phones=A, mes="Hi", fmt=3) == '{"id": "order-5", "cnt": 1}'
    house.submitting.result = Accepted("9999999999", 1, 0, 0, ())
    assert house.ask(PATH, phones=A, mes="Hi", fmt=3) == '{"id": "9999999999", "cnt": 1}'


STORED = [
    (Reason.NO_MONEY, 3, "no money"),
    (Reason.TEXT_DENIED, 6, "message is denied"),
    (Reason.BAD_NUMBER, 7, "invalid number"),
    (Reason.NO_ROUTE, 8, "can't to deliver"),
]


@pytest.mark.parametrize(("reason", "number", "words"), STORED)
def test_errors_of_stored_texts_carry_the_id(house: House, reason: Reason, number: int, words: str) -> None:
    """The text can be found in the history under it."""
    house.submitting.result = Refusal(reason, id="17")
    assert house.four(PATH, phones=A, mes="Hi") == (
        f"ERROR = {number} ({words}), ID - 17",
        f"17,-{number}",
        f"<result><error>{words}</error><error_code>{number}</error_code><id>17</id></result>",
        f'{{"error": "{words}", "error_code": {number}, "id": 17}}',
    )


NOT_STORED = [
    (Reason.NO_MONEY, 3, "no money"),
    (Reason.BAD_TIME, 5, "invalid date"),
    (Reason.REPEATED_REQUEST, 9, "duplicate request, wait a minute"),
    (Reason.TOO_MANY_AT_ONCE, 9, "too many concurrent requests"),
    (Reason.BAD_CODE, 10, "invalid code"),
]


@pytest.mark.parametrize(("reason", "number", "words"), NOT_STORED)
def test_other_errors_have_no_id(house: House, reason: Reason, number: int, words: str) -> None:
    """Format 1 starts with 0 then."""
    house.submitting.result = house.submitting.quote = Refusal(reason)
    expected = (
        f"ERROR = {number} ({words})",
        f"0,-{number}",
        f"<result><error>{words}</error><error_code>{number}</error_code></result>",
        f'{{"error": "{words}", "error_code": {number}}}',
    )
    assert house.four(PATH, phones=A, mes="Hi") == expected
    assert house.four(PATH, phones=A, mes="Hi", cost=1) == expected


def test_rest_takes_json_and_answers_json(house: House) -> None:
    """The example of the specification, byte for byte."""
    body = (
        '{"apikey":"k-demo","phones":["79001112233"],"mes":"Код 4821","sender":"Shop","cost":3,"tz":null,"flash":false}'
    )
    answer = house.post(Request("POST", "/rest/send/", body=body.encode(), received_ns=NOW_MS * 1_000_000))
    assert answer is not None
    assert answer.body == b'{"id": 17, "cnt": 1, "cost": "1.6", "balance": "98.4"}'
    assert answer.content_type == b"application/json; charset=utf-8"
    asked = house.submitting.asked[0]
    assert (asked.recipients, asked.sender) == ((Recipient(A, "Код 4821"),), "Shop")


def test_plain_request_becomes_a_submission(house: House) -> None:
    """Everything that was not said is left to the account."""
    assert read(house) == Submission(recipients=(Recipient(A, "Hello"),), client="127.0.0.1")


def test_what_libraries_always_send_is_no_error(house: House) -> None:
    """id=0, translit=0, time=0-24, an empty sender and the like occur in every request of some libraries."""
    asked = read(
        house, id=0, translit=0, time="0-24", flash=0, tz="", sender="", query="", valid="", maxsms="", tinyurl=0,
        call=0, mms="", period="", freq=0, bin=0, push=0, hlr=0, ping=0, list="", param="", voice="", subj="", pp="",
    )  # fmt: skip
    assert asked == Submission(recipients=(Recipient(A, "Hello"),), sender="", client="127.0.0.1")


@pytest.mark.parametrize(
    ("params", "field", "expected"),
    [
        ({"id": "15"}, "id", "15"),
        ({"id": "007"}, "id", "7"),
        ({"id": "A-1_b.c"}, "id", "A-1_b.c"),
        ({"sender": "."}, "sender", ""),
        ({"sender": " Shop "}, "sender", "Shop"),
        ({"translit": 2}, "translit", 2),
        ({"valid": "3"}, "valid_s", 3 * 3600),
        ({"valid": "01:30"}, "valid_s", 5400),
        ({"valid": "24:00"}, "valid_s", 86400),
        ({"maxsms": 3}, "maxsms", 3),
        ({"period": "0.5"}, "period_s", 1800),
        ({"period": "2"}, "freq_s", 3600),
        ({"period": "2", "freq": 5}, "freq_s", 300),
        ({"freq": 5}, "freq_s", 0),
        ({"userip": "10.0.0.1"}, "user_ip", "10.0.0.1"),
        ({"userip": "2001:DB8:0::1"}, "user_ip", "2001:db8::1"),
        ({"userip": "::ffff:10.0.0.1"}, "user_ip", "10.0.0.1"),
        ({"test": 1}, "test", True),
        ({"lane": 3}, "lane", 3),
        ({"flash": 1}, "kind", Kind.FLASH),
        ({"push": 1}, "kind", Kind.PUSH),
        ({"hlr": 1, "mes": None}, "kind", Kind.HLR),
        ({"ping": 1, "mes": ""}, "kind", Kind.PING),
        ({"bin": 2, "mes": "00616263"}, "kind", Kind.BINARY),
        ({"time": "+10"}, "send_ms", NOW_MS + 600_000),
        ({"time": " 10"}, "send_ms", NOW_MS + 600_000),
        ({"time": "1511241000"}, "send_ms", 1_731_654_000_000),
        ({"time": "1511241000"}, "zone_min", 180),
        ({"time": "1511241000", "tz": 2}, "send_ms", 1_731_654_000_000 - 2 * 3_600_000),
        ({"time": "1511241000", "tz": 2}, "zone_min", 300),
        ({"time": "1311241000"}, "send_ms", 0),
    ],
)
def test_parameter_reaches_the_submission(
    house: House, params: dict[str, object], field: str, expected: object
) -> None:
    """Each parameter of the reference says what the submission holds."""
    assert getattr(read(house, **params), field) == expected


@pytest.mark.parametrize(
    ("params", "number"),
    [
        ({"phones": ""}, 1),
        ({"mes": ""}, 1),
        ({"mes": None}, 1),
        ({"mes": "x" * 1001}, 1),
        ({"id": "пять"}, 1),
        ({"id": "x" * 41}, 1),
        ({"translit": 3}, 1),
        ({"cost": 4}, 1),
        ({"cost": "x"}, 1),
        ({"op": 2}, 1),
        ({"valid": 25}, 1),
        ({"valid": "24:01"}, 1),
        ({"valid": "1:60"}, 1),
        ({"maxsms": -1}, 1),
        ({"period": "721"}, 1),
        ({"period": "0.05"}, 1),
        ({"period": "1", "freq": 1441}, 1),
        ({"userip": "localhost"}, 1),
        ({"tz": "east"}, 1),
        ({"flash": 1, "push": 1}, 1),
        ({"flash": "yes"}, 1),
        ({"bin": 2, "mes": "xyz"}, 1),
        ({"bin": 2, "mes": "00" * 1001}, 1),
        ({"list": "no separator"}, 1),
        ({"time": "tomorrow"}, 5),
        ({"time": "3202241000"}, 5),
    ],
)
def test_bad_parameter_is_refused(house: House, params: dict[str, object], number: int) -> None:
    """Nothing is sent when the customer cannot have meant it."""
    body = house.ask(PATH, fmt=1, **{"phones": A, "mes": "Hello", **params})
    assert body == f"0,-{number}"
    assert not house.submitting.asked


@pytest.mark.parametrize("name", ["mms", "mail", "viber", "soc", "tg", "whatsapp"])
def test_later_features_are_named(house: House, name: str) -> None:
    """A customer must see that the server, not his request, is short of something."""
    expected = f"ERROR = 1 (parameters error: {name} comes in a later version)"
    assert house.ask(PATH, phones=A, mes="code", **{name: 1}) == expected


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"bot": "@name_bot"}, "bot"),
        ({"fileurl": "https://example.com/a.jpg"}, "fileurl"),
        ({"mes": "__TG__1234"}, "tg"),
        ({"list": f"{A}:__MAIL__Hello"}, "mail"),
    ],
)
def test_later_features_are_found_in_values_and_prefixes(house: House, params: dict[str, object], name: str) -> None:
    """A prefix that is not understood would otherwise be sent to the phone."""
    body = house.ask(PATH, **{"phones": A, "mes": "x", **params})
    assert body == f"ERROR = 1 (parameters error: {name} comes in a later version)"


@pytest.mark.parametrize(
    ("params", "kind", "text"),
    [
        ({"mes": "__FLASH__Hello"}, Kind.FLASH, "Hello"),
        ({"mes": "__HLR__"}, Kind.HLR, ""),
        ({"mes": "__PING__"}, Kind.PING, ""),
        ({"mes": "__CALL__code"}, Kind.CALL, "code"),
        ({"mes": "__PING__Hello", "flash": 1}, Kind.FLASH, "Hello"),
        ({"mes": "__CALL__Hello", "flash": 1}, Kind.FLASH, "Hello"),
        ({"mes": "__OTHER__Hello"}, Kind.SMS, "__OTHER__Hello"),
        ({"list": f"{A}:__FLASH__Hello"}, Kind.FLASH, "Hello"),
    ],
)
def test_prefix_chooses_the_kind(house: House, params: dict[str, object], kind: Kind, text: str) -> None:
    """An explicit parameter beats it; it is never sent."""
    asked = read(house, **params)
    assert (asked.kind, asked.recipients[0].text) == (kind, text)


def test_list_with_two_prefixes_is_refused(house: House) -> None:
    """One request is of one kind."""
    assert house.ask(PATH, list=f"{A}:__FLASH__x\n{A}:__PING__", fmt=1) == "0,-1"


def test_list_replaces_phones_and_mes(house: House) -> None:
    """Every record has its own text, sender and zone."""
    asked = read(house, list=f"{A}:one\\ntwo\nShop,2|{B}:three\n", time="1311241300")
    assert asked.recipients == (Recipient(A, "one\ntwo"), Recipient(B, "three", "Shop", 300))
    assert asked.send_ms == 1_731_492_000_000  # the past moment is kept: another zone may lie ahead
    assert read(house, list=f"{A}:one\ntwo: 3\n\n", nl=1).recipients == (Recipient(A, "one\ntwo: 3"),)


def test_groups_and_odd_numbers_are_passed_through(house: House) -> None:
    """Whether they are good is decided in one place for all doors."""
    asked = read(house, phones=f"G321; +7 900 111-22-33,{A}")
    assert [recipient.given for recipient in asked.recipients] == ["G321", "+7 900 111-22-33", A]


@pytest.mark.parametrize(
    "params", ["phones=" + "1," * 50_001, "phones=" + "," * 1_600_001, "list=" + "1,2:x%0A" * 25_001]
)
def test_too_many_recipients_are_refused(house: House, params: str) -> None:
    """One request is bounded, whatever fits into its body."""
    body = ("login=alex&psw=123&fmt=1&mes=x&" + params).encode()
    answer = house.post(Request("POST", PATH, body=body, received_ns=NOW_MS * 1_000_000))
    assert answer is not None
    assert answer.body == b"0,-1"


TAIL = "\n~~~\npid: 64, dcs: 245"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (b"bin=2&mes=00 61FF", "0061FF"),
        (b"bin=2&mes=0061%0A~~~%0Apid: 64, dcs: 245", "0061" + TAIL),
        (b"bin=1&mes=%00a%FF%98", "0061ff98"),
        (b"bin=1&charset=utf-8&mes=%00a%FF%0A~~~%0Apid: 64, dcs: 245", "0061ff" + TAIL),
        (b"bin=1&mes=ab%0A~~~%0Anote%0A~~~%0Apid: 1, dcs: 4", "6162\n~~~\nnote\n~~~\npid: 1, dcs: 4"),
        (b"bin=1&list=79001112233:ab", "6162"),
    ],
)
def test_binary_reaches_the_submission_as_hex(house: House, query: bytes, text: str) -> None:
    """bin=1 are bytes that no charset may touch; the tail with pid and dcs stays behind the payload."""
    full = b"login=alex&psw=123&phones=79001112233&" + query
    answer = house.post(Request("GET", PATH, full, received_ns=NOW_MS * 1_000_000))
    assert answer is not None
    assert answer.body == b"OK - 1 SMS, ID - 17"
    assert house.submitting.asked[0].recipients[0].text == text


def test_comment_does_not_count_towards_the_length(house: House) -> None:
    """1000 characters are the limit of what is sent."""
    assert read(house, mes="x" * 1000 + "\n~~~\nOrder 15").recipients[0].text.endswith("Order 15")


def test_default_charset_is_windows_1251_both_ways(house: House) -> None:
    """Old clients name no charset at all."""
    query = b"login=alex&psw=123&fmt=3&phones=79001112233&mes=%CF%F0%E8%E2%E5%F2"
    answer = house.post(Request("GET", PATH, query, received_ns=NOW_MS * 1_000_000))
    assert answer is not None
    assert answer.content_type == b"application/json; charset=windows-1251"
    assert house.submitting.asked[0].recipients[0].text == "Привет"


def test_date_counts_in_the_zone_of_the_account() -> None:
    """And with the offset of that day: Berlin is an hour nearer to Greenwich in July than in November."""
    account = Account(7, "alex", "EUR", 0, 1, Settings(tz="Europe/Berlin"))
    house = House(send.OPERATIONS, credentials=FakeCredentials(account))
    asked = read(house, time="0107251200")
    assert (asked.send_ms, asked.zone_min) == (1_751_364_000_000, 120)


def test_failed_sends_count_towards_a_ban(house: House) -> None:
    """Bad numbers and forbidden texts do, lack of money and repeats do not, prices never."""
    read(house)
    for reason in (Reason.BAD_NUMBER, Reason.TEXT_DENIED, Reason.NO_MONEY, Reason.REPEATED_REQUEST):
        house.submitting.result = Refusal(reason)
        house.ask(PATH, phones=A, mes="x")
    house.ask(PATH, phones=A, mes="x", cost=1)
    assert house.guard.sends == [True, False, False]


@pytest.mark.parametrize("more", ["", "&cost=1"])
def test_reply_waits_for_the_commit_or_the_price(house: House, more: str) -> None:
    """The slot is given back with the reply, not before; the price of many recipients takes its time as well."""
    house.submitting.slow = True
    query = f"login=alex&psw=123&phones={A}&mes=x{more}".encode()
    assert house.post(Request("GET", PATH, query, received_ns=NOW_MS * 1_000_000)) is None
    assert (house.guard.inside, house.guard.left) == (1, 0)
    house.submitting.pending[0]()
    assert len(house.answers) == 1
    assert (house.guard.inside, house.guard.left) == (0, 1)
    assert ALEX.settings.concurrency == 15
