"""status.php in the four formats (spec sending 12, clients 2.1 to 2.3)."""

import json

import pytest
from tests.fakes.api import FakeCredentials, House

from heliograph.api.operations import status
from heliograph.core.accounts import Account, Settings
from heliograph.core.messages import Extra, Kind, Message, encode_extra

PATH = "/sys/status.php"
PHONE = "79001112233"
CHANGED_MS = 1_577_550_022_000  # 28.12.2019 19:20:22 in Moscow
SENT_MS = CHANGED_MS - 2000
ANSWER = {
    "imsi": "250011234567890", "msc": "79168999100", "mcc": "250", "mnc": "01",
    "cn": "Россия", "net": "МТС", "rcn": "", "rnet": "",
}  # fmt: skip


def make(**changes: object) -> Message:
    fields: dict[str, object] = {
        "int_id": 9001, "account_id": 7, "id": "55", "phone": PHONE, "given": PHONE, "kind": 0, "flags": 1 << 16,
        "sender": "Shop", "text": "Hello, you", "comment": "", "parts": 1, "cost": 16_000, "mccmnc": "25001",
        "status": 1, "err": 0, "send_ms": SENT_MS, "created_ms": SENT_MS, "changed_ms": CHANGED_MS,
        "expires_ms": CHANGED_MS, "lane": 1, "route_id": 1, "carrier_id": 1, "door": 1, **changes,
    }  # fmt: skip
    return Message(**fields)  # type: ignore[arg-type]


@pytest.fixture
def house() -> House:
    house = House(status.OPERATIONS)
    house.statuses.messages["55", PHONE] = make()
    house.statuses.messages["56", PHONE] = make(id="56", status=20, err=6, text="a\nb")
    house.statuses.messages["hlr", PHONE] = make(
        id="hlr", kind=int(Kind.HLR), text="", extra=encode_extra(Extra(hlr=ANSWER)), cost=2_000
    )
    return house


def test_short_status_is_three_values(house: House) -> None:
    """err shows only when there is one, but always in format 1."""
    assert house.four(PATH, phone=PHONE, id=55) == (
        "Status = 1, check_time = 28.12.2019 19:20:22",
        "1,1577550022,0",
        "<status><status>1</status><last_date>28.12.2019 19:20:22</last_date>"
        "<last_timestamp>1577550022</last_timestamp></status>",
        '{"status": 1, "last_date": "28.12.2019 19:20:22", "last_timestamp": 1577550022}',
    )


def test_failed_text_tells_its_error(house: House) -> None:
    """Behind the time in every format."""
    assert house.four(PATH, phone=PHONE, id=56) == (
        "Status = 20, check_time = 28.12.2019 19:20:22, err = 6",
        "20,1577550022,6",
        "<status><status>20</status><last_date>28.12.2019 19:20:22</last_date>"
        "<last_timestamp>1577550022</last_timestamp><err>6</err></status>",
        '{"status": 20, "last_date": "28.12.2019 19:20:22", "last_timestamp": 1577550022, "err": 6}',
    )


def test_unknown_message_is_a_status_and_no_error(house: House) -> None:
    """The second value of format 1 is 0: empty would be read as an error."""
    assert house.four(PATH, phone=PHONE, id=1) == (
        "Status = -3, check_time = ",
        "-3,0,0",
        "<status><status>-3</status></status>",
        '{"status": -3}',
    )


def test_unknown_message_in_a_list_has_id_and_phone(house: House) -> None:
    """The example of the specification."""
    assert house.ask(PATH, phone="89991112233,", id="138,", fmt=3) == (
        '[{"status": -3, "id": 138, "phone": "89991112233"}]'
    )
    assert house.ask(PATH, phone="89991112233,", id="138,", fmt=1) == "-3,0,0,138,89991112233"


def test_all_1_is_nine_values_with_the_text_last(house: House) -> None:
    """Samples cut at the first eight commas, so the text keeps its own."""
    text, commas, xml, read = house.four(PATH, phone="8 (900) 111-22-33", id=55, all=1)
    assert text == (
        "Status = 1, check_time = 28.12.2019 19:20:22, send_date = 28.12.2019 19:20:20, phone = 8 (900) 111-22-33, "
        "cost = 1.6, sender_id = Shop, status_name = Доставлено, message = Hello, you"
    )
    assert commas == "1,1577550022,0,1577550020,8 (900) 111-22-33,1.6,Shop,Доставлено,Hello, you"
    assert len(commas.split(",", 8)) == 9
    assert xml.startswith("<status><status>1</status><last_date>")
    assert json.loads(read) == {
        "status": 1, "last_date": "28.12.2019 19:20:22", "last_timestamp": 1577550022, "flag": 0, "err": 0,
        "send_date": "28.12.2019 19:20:20", "send_timestamp": 1577550020, "phone": "8 (900) 111-22-33",
        "cost": "1.6", "sender_id": "Shop", "status_name": "Доставлено", "message": "Hello, you",
        "mccmnc": "25001", "type": 0, "sms_cnt": 1,
    }  # fmt: skip


def test_all_2_is_twelve_values(house: House) -> None:
    """Country, operator and region stand between phone and cost."""
    text, commas, _, read = house.four(PATH, phone=PHONE, id=55, all=2)
    assert ", phone = 79001112233, country = Россия, operator = МТС, region = Москва, cost = 1.6, " in text
    assert commas == f"1,1577550022,0,1577550020,{PHONE},Россия,МТС,Москва,1.6,Shop,Доставлено,Hello, you"
    assert len(commas.split(",", 11)) == 12
    assert list(json.loads(read)) == [
        "status", "last_date", "last_timestamp", "flag", "err", "send_date", "send_timestamp", "phone", "country",
        "operator", "operator_orig", "region", "cost", "sender_id", "status_name", "message", "mccmnc", "type", "sms_cnt",
    ]  # fmt: skip


def test_word_hlr_stands_at_value_15_and_18(house: House) -> None:
    """That is how samples know such a reply; without it they glue the line together."""
    one = house.ask(PATH, phone=PHONE, id="hlr", all=1, fmt=1).split(",")
    two = house.ask(PATH, phone=PHONE, id="hlr", all=2, fmt=1).split(",")
    assert (one[14], two[17]) == ("HLR", "HLR")
    assert one[3:11] == ["250011234567890", "79168999100", "250", "01", "Россия", "МТС", "", ""]
    assert house.ask(PATH, phone=PHONE, id="hlr", fmt=1).split(",")[3] == "250011234567890"
    house.statuses.messages["hlr", PHONE] = make(id="hlr", kind=int(Kind.HLR), text="", status=-1)
    assert house.ask(PATH, phone=PHONE, id="hlr", all=1, fmt=1).split(",")[14] == "HLR"


def test_hlr_answer_is_in_the_short_reply_too(house: House) -> None:
    """Texts, leading zeros and all."""
    read = json.loads(house.ask(PATH, phone=PHONE, id="hlr", fmt=3))
    assert {key: read[key] for key in ANSWER} == ANSWER


def test_trailing_comma_makes_a_list(house: House) -> None:
    """The Python package always asks like this, and takes a bare object for an error."""
    read = json.loads(house.ask(PATH, phone=f"{PHONE},", id="55,", fmt=3, all=2))
    assert isinstance(read, list)
    needed = {"status", "status_name", "last_date", "send_date", "last_timestamp", "send_timestamp", "id"}
    assert needed <= read[0].keys()
    assert read[0]["id"] == 55
    assert isinstance(json.loads(house.ask(PATH, phone=PHONE, id="55,", fmt=3)), list)


def test_list_is_one_line_a_message(house: House) -> None:
    """Id and number are the fourth and fifth value, and no line break ends the reply."""
    assert house.four(PATH, phone=f"{PHONE},{PHONE},{PHONE}", id="55,56,57") == (
        "Status = 1, check_time = 28.12.2019 19:20:22, ID = 55, phone = 79001112233\n"
        "Status = 20, check_time = 28.12.2019 19:20:22, err = 6, ID = 56, phone = 79001112233\n"
        "Status = -3, check_time = , ID = 57, phone = 79001112233",
        "1,1577550022,0,55,79001112233\n20,1577550022,6,56,79001112233\n-3,0,0,57,79001112233",
        "<list><status><status>1</status><last_date>28.12.2019 19:20:22</last_date>"
        "<last_timestamp>1577550022</last_timestamp><id>55</id><phone>79001112233</phone></status>"
        "<status><status>20</status><last_date>28.12.2019 19:20:22</last_date>"
        "<last_timestamp>1577550022</last_timestamp><err>6</err><id>56</id><phone>79001112233</phone></status>"
        "<status><status>-3</status><id>57</id><phone>79001112233</phone></status></list>",
        '[{"status": 1, "last_date": "28.12.2019 19:20:22", "last_timestamp": 1577550022, "id": 55, '
        '"phone": "79001112233"}, {"status": 20, "last_date": "28.12.2019 19:20:22", "last_timestamp": 1577550022, '
        '"err": 6, "id": 56, "phone": "79001112233"}, {"status": -3, "id": 57, "phone": "79001112233"}]',
    )


def test_text_with_line_breaks_stays_one_line_in_a_list(house: House) -> None:
    """A reader counts lines; a single reply keeps the text as it is."""
    assert house.ask(PATH, phone=PHONE, id="56,", fmt=1, all=1).endswith(",a b,56")
    assert house.ask(PATH, phone=PHONE, id="56", fmt=1, all=1).endswith(",a\nb")


def test_missing_message_keeps_its_place_in_full_lists(house: House) -> None:
    """Positions hold, whatever is known."""
    assert house.ask(PATH, phone=PHONE, id="1,", fmt=1, all=1) == f"-3,0,0,0,{PHONE},,,Сообщение не найдено,,1"


def test_one_number_serves_many_ids_and_one_id_many_numbers(house: House) -> None:
    """Both occur in practice."""
    assert house.ask(PATH, phone=PHONE, id="55,56", fmt=1).count("\n") == 1
    assert house.ask(PATH, phone=f"{PHONE},79001112244", id="55", fmt=1).splitlines()[1] == "-3,0,0,55,79001112244"


def test_comment_comes_only_when_there_is_one(house: House) -> None:
    """It is the caller's own note, behind the text."""
    house.statuses.messages["55", PHONE] = make(comment="Order 15")
    assert '"message": "Hello, you", "comment": "Order 15"' in house.ask(PATH, phone=PHONE, id=55, all=1, fmt=3)


def test_internal_flags_stay_inside(house: House) -> None:
    """Bit 16 and above are ours."""
    house.statuses.messages["55", PHONE] = make(flags=(1 << 16) | (1 << 5) | 1)
    assert json.loads(house.ask(PATH, phone=PHONE, id=55, all=1, fmt=3))["flag"] == 33


def test_names_and_dates_follow_the_account() -> None:
    """English names, and the zone of the settings."""
    account = Account(7, "alex", "KZT", 0, 1, Settings(english=True, tz="+5"))
    house = House(status.OPERATIONS, credentials=FakeCredentials(account))
    house.statuses.messages["55", PHONE] = make()
    read = json.loads(house.ask(PATH, phone=PHONE, id=55, all=2, fmt=3))
    assert (read["status_name"], read["country"], read["last_date"]) == ("Delivered", "Russia", "28.12.2019 21:20:22")


def test_number_outside_every_table_has_no_place(house: House) -> None:
    """Empty, not absent."""
    house.statuses.messages["55", "12025550123"] = make(phone="12025550123")
    house.statuses.messages["55", "72025550123"] = make(phone="12025550123")
    assert house.ask(PATH, phone="12025550123", id=55, all=2, fmt=1).split(",")[5:8] == ["", "", ""]


def test_deleting_is_acknowledged(house: House) -> None:
    """The bare word passes in every client."""
    assert house.four(PATH, phone=PHONE, id=55, **{"del": 1}) == (
        "OK",
        "OK",
        "<result>OK</result>",
        '{"result": "OK"}',
    )
    assert house.statuses.deleted[0] == ("55", PHONE)
    assert house.ask(PATH, phone=PHONE, id="55,56", **{"del": 1}) == "OK"


def test_what_cannot_be_deleted_is_error_5(house: House) -> None:
    """One of several is enough."""
    assert house.four(PATH, phone=PHONE, id="55,57", **{"del": 1}) == (
        "ERROR = 5 (can't delete message)",
        "0,-5",
        "<result><error>can't delete message</error><error_code>5</error_code></result>",
        '{"error": "can\'t delete message", "error_code": 5}',
    )


@pytest.mark.parametrize(
    "params",
    [
        {"phone": PHONE},
        {"id": 55},
        {"phone": PHONE, "id": ""},
        {"phone": ",", "id": 55},
        {"phone": PHONE, "id": "a b"},
        {"phone": "1,2,3", "id": "1,2"},
        {"phone": PHONE, "id": 55, "all": 3},
        {"phone": PHONE, "id": 55, "del": 2},
        {"phone": PHONE, "id": "1," * 5001},
    ],
)
def test_bad_parameters_are_error_1(house: House, params: dict[str, object]) -> None:
    """A list request that fails is one line with the minus at the third place."""
    assert house.ask(PATH, fmt=1, **params) == "0,-1"


def test_sixth_question_for_one_message_is_error_9(house: House) -> None:
    """Asking for it as a list or with another spelling of its number is the same question."""
    for i in range(5):
        assert house.ask(PATH, phone=[PHONE, "8" + PHONE[1:]][i % 2], id=["55", "55,"][i % 2], fmt=1).startswith("1,")
    assert house.ask(PATH, phone=PHONE, id="55,", fmt=1) == "0,-9"
    assert house.ask(PATH, phone=PHONE, id="56", fmt=1).startswith("20,")


def test_second_identical_list_is_error_9(house: House) -> None:
    """A bulk query costs the service most."""
    assert house.ask(PATH, phone=PHONE, id="55,56", fmt=1).startswith("1,")
    assert house.ask(PATH, phone=PHONE, id="55,56", fmt=1) == "0,-9"
    assert house.ask(PATH, phone=PHONE, id="55,57", fmt=1).startswith("1,")


def test_rest_twin_answers_json(house: House) -> None:
    """The documented way is the PHP page; clients also ask here."""
    assert house.ask("/rest/status/", phone=PHONE, id=1) == '{"status": -3}'
