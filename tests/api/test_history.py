"""get_messages in the four formats (seed 000; spec sending 15)."""

import asyncio
import json
from urllib.parse import urlencode
from zlib import crc32

import pytest
from tests.fakes.api import NOW_MS, FakeCredentials, House

from heliograph.api.call import PORTION
from heliograph.api.operations import history
from heliograph.api.render import render
from heliograph.api.request import Request, Response
from heliograph.core.accounts import Account, Settings
from heliograph.core.histories import FOREVER, Kinds, Wanted
from heliograph.core.messages import Message

PATH = "/sys/get.php"
PHONE = "79001112233"
CHANGED_MS = 1_577_550_022_000  # 28.12.2019 19:20:22 in Moscow
SENT_MS = CHANGED_MS - 2000


def make(**changes: object) -> Message:
    fields: dict[str, object] = {
        "int_id": 9_000_000_001, "account_id": 7, "id": "55", "phone": PHONE, "given": PHONE, "kind": 0, "flags": 0,
        "sender": "Shop", "text": "Hello, you", "comment": "", "parts": 2, "cost": 16_000, "mccmnc": "25001",
        "status": 1, "err": 0, "send_ms": SENT_MS, "created_ms": SENT_MS, "changed_ms": CHANGED_MS,
        "expires_ms": CHANGED_MS, "lane": 1, "route_id": 1, "carrier_id": 1, "door": 1, **changes,
    }  # fmt: skip
    return Message(**fields)  # type: ignore[arg-type]


@pytest.fixture
def house() -> House:
    house = House(history.OPERATIONS)
    house.histories.messages = [make()]
    return house


def ask(house: House, **params: object) -> str:
    house.guard.paces.clear()
    return house.ask(PATH, get_messages=1, **params)


def wanted(house: House, **params: object) -> Wanted:
    """What the service is asked for."""
    ask(house, **params)
    found = house.histories.asked[-1]
    assert isinstance(found, Wanted)
    return found


def error_of(house: House, **params: object) -> int:
    return int(json.loads(ask(house, fmt=3, **params))["error_code"])


def test_message_has_the_values_of_the_reference_in_their_order(house: House) -> None:
    """19 in formats 0 (18 without an error) and 1, 21 in 2 and 3."""
    text, commas, xml, read = house.four(PATH, get_messages=1)
    assert text == (
        "Status = 1, check_time = 28.12.2019 19:20:22, send_date = 28.12.2019 19:20:20, phone = 79001112233, "
        "mccmnc = 25001, country = Россия, operator = МТС, region = Москва, cost = 1.6, sender_id = Shop, "
        "status_name = Доставлено, message = Hello, you, type = 0, ID = 55, int_id = 9000000001, sms_cnt = 2, "
        "format = 0, crc = 2009729308"
    )
    assert commas == (
        "1,1577550022,0,1577550020,79001112233,25001,Россия,МТС,Москва,1.6,Shop,Доставлено,Hello, you,0,55,"
        "9000000001,2,0,2009729308"
    )
    assert len(commas.replace(", ", " ").split(",")) == 19
    assert xml == (
        "<list><sms><status>1</status><last_date>28.12.2019 19:20:22</last_date>"
        "<last_timestamp>1577550022</last_timestamp><err>0</err><send_date>28.12.2019 19:20:20</send_date>"
        "<send_timestamp>1577550020</send_timestamp><phone>79001112233</phone><cost>1.6</cost>"
        "<sender_id>Shop</sender_id><status_name>Доставлено</status_name><message>Hello, you</message>"
        "<mccmnc>25001</mccmnc><country>Россия</country><operator>МТС</operator><region>Москва</region>"
        "<type>0</type><id>55</id><int_id>9000000001</int_id><sms_cnt>2</sms_cnt><format>0</format>"
        "<crc>2009729308</crc></sms></list>"
    )
    assert read == (
        '[{"status": 1, "last_date": "28.12.2019 19:20:22", "last_timestamp": 1577550022, "err": 0, '
        '"send_date": "28.12.2019 19:20:20", "send_timestamp": 1577550020, "phone": "79001112233", "cost": "1.6", '
        '"sender_id": "Shop", "status_name": "Доставлено", "message": "Hello, you", "mccmnc": "25001", '
        '"country": "Россия", "operator": "МТС", "region": "Москва", "type": 0, "id": 55, '
        '"int_id": "9000000001", "sms_cnt": 2, "format": 0, "crc": 2009729308}]'
    )
    assert len(json.loads(read)[0]) == 21


def test_error_stands_behind_the_time_and_lines_stay_lines(house: House) -> None:
    """Format 0 shows err only when there is one; a line break inside a text would look like another message."""
    house.histories.messages = [make(status=20, err=6, text="a\nb", id="mine", phone="1", mccmnc="0"), make()]
    text, commas, _, read = house.four(PATH, get_messages=1)
    first, second = text.split("\n")
    assert first.startswith("Status = 20, check_time = 28.12.2019 19:20:22, err = 6, send_date = ")
    assert ", country = , operator = , region = , cost = " in first
    assert "message = a b, type = 0, ID = mine, " in first
    assert "err" not in second
    assert [line.split(",")[2] for line in commas.split("\n")] == ["6", "0"]
    assert [(row["id"], row["err"]) for row in json.loads(read)] == [("mine", 6), (55, 0)]
    assert json.loads(read)[0]["message"] == "a\nb"


def test_names_are_english_for_who_wants_them_and_times_are_his(house: House) -> None:
    """Both are settings of the account."""
    house.credentials.account = Account(7, "alex", "RUR", 0, 1, Settings(english=True, tz="+7"))
    row = json.loads(ask(house, fmt=3))[0]
    assert (row["status_name"], row["country"]) == ("Delivered", "Russia")
    assert (row["send_date"], row["last_date"]) == ("28.12.2019 23:20:20", "28.12.2019 23:20:22")


def test_number_query_says_hlr_in_place_of_a_sender(house: House) -> None:
    """As in status."""
    house.histories.messages = [make(kind=4, text="")]
    row = json.loads(ask(house, fmt=3))[0]
    assert (row["sender_id"], row["type"], row["format"], row["crc"]) == ("HLR", 4, 4, 0)


def test_crc_is_the_crc_32_of_the_text_in_utf_8(house: House) -> None:
    """The check value of the catalogues of checksums, and a text outside ASCII."""
    house.histories.messages = [make(text="123456789"), make(text="да")]
    assert [row["crc"] for row in json.loads(ask(house, fmt=3))] == [0xCBF43926, crc32("да".encode())]


def test_nothing_found_is_error_3(house: House) -> None:
    """Clients make an empty list of that, and only of that."""
    house.histories.messages = []
    assert house.four(PATH, get_messages=1) == (
        "ERROR = 3 (message not found)",
        "0,-3",
        "<result><error>message not found</error><error_code>3</error_code></result>",
        '{"error": "message not found", "error_code": 3}',
    )


def test_bad_parameters_are_error_1(house: House) -> None:
    """In the form of each format."""
    text, commas, xml, read = house.four(PATH, get_messages=1, cnt=1001)
    assert text.startswith("ERROR = 1 (") and commas == "0,-1"
    assert xml.endswith("<error_code>1</error_code></result>") and json.loads(read)["error_code"] == 1
    for bad in (
        {"cnt": -1}, {"cnt": "x"}, {"format": 1}, {"format": 9}, {"prev_id": "x"}, {"start": "2024-01-01"},
        {"start": "31.02.2024"}, {"end": "today"}, {"start": "02.11.2024", "end": "01.11.2024"},
        {"start": "13.05.2024"}, {"start": "01.01.2024", "end": "02.07.2024"}, {"phone": "abc"}, {"phone": ","},
        {"email": "nobody"}, {"phone": ",".join(["79001112233"] * 1001)},
    ):  # fmt: skip
        assert error_of(house, **bad) == 1, bad


def test_wrong_login_is_error_2_and_a_banned_address_error_4(house: House) -> None:
    """In every format, and nothing is looked up."""
    assert house.four(PATH, get_messages=1, psw="wrong")[:2] == ("ERROR = 2 (authorise error)", "0,-2")
    house.guard.banned.add("127.0.0.1")
    text, commas, xml, read = house.four(PATH, get_messages=1)
    assert text.startswith("ERROR = 4 (") and commas == "0,-4"
    assert "<error_code>4</error_code>" in xml and '"error_code": 4' in read
    assert house.histories.asked == []


def test_fourth_identical_request_in_a_minute_is_error_9(house: House) -> None:
    """Whatever its format; another request is another one."""
    path = {"get_messages": 1, "cnt": 5}
    assert [house.ask(PATH, **path, fmt=fmt)[:8] for fmt in (0, 1, 3)][1] == "1,157755"
    assert house.ask(PATH, **path, fmt=0).startswith("ERROR = 9 (")
    assert house.ask(PATH, **path, fmt=1) == "0,-9"
    assert "<error_code>9</error_code>" in house.ask(PATH, **path, fmt=2)
    assert json.loads(house.ask(PATH, **path, fmt=3))["error_code"] == 9
    assert house.ask(PATH, get_messages=1, cnt=6, fmt=1)[:2] == "1,"


def test_thirty_first_request_of_an_hour_is_error_9(house: House) -> None:
    """Identical or not."""
    answers = [house.ask(PATH, get_messages=1, cnt=count, fmt=1) for count in range(1, 32)]
    assert all(answer.startswith("1,") for answer in answers[:30]) and answers[30] == "0,-9"


def test_store_that_is_away_is_error_9(house: House) -> None:
    """As everywhere: come again."""
    house.histories.messages = None
    assert error_of(house) == 9


def test_period_is_the_last_six_months_unless_it_is_named(house: House) -> None:
    """Days are the account's; the end is whole, and without one what is scheduled belongs to the period."""
    moscow = 3 * 3_600_000
    assert wanted(house) == Wanted(start_ms=1_715_644_800_000 - moscow, limit=100)  # 14.05.2024
    asked = wanted(house, start="01.11.2024", end="02.11.2024")
    assert (asked.start_ms, asked.end_ms) == (1_730_419_200_000 - moscow, 1_730_592_000_000 - moscow)
    asked = wanted(house, start="1.11.2024")
    assert (asked.start_ms, asked.end_ms) == (1_730_419_200_000 - moscow, FOREVER)
    asked = wanted(house, end="30.09.2024")  # from 30.03.2024 on
    assert (asked.start_ms, asked.end_ms) == (1_711_756_800_000 - moscow, 1_727_740_800_000 - moscow)
    asked = wanted(house, start="29.02.2024", end="31.08.2024")
    assert asked.end_ms > asked.start_ms
    house.credentials.account = Account(7, "alex", "RUR", 0, 1, Settings(tz="+0"))
    assert wanted(house, start="01.11.2024").start_ms == 1_730_419_200_000
    assert wanted(house, start="15.12.2024").start_ms > NOW_MS


def test_numbers_and_addresses_choose_the_kinds(house: House) -> None:
    """Numbers are read as everywhere; an address asks for e-mail by itself."""
    asked = wanted(house, phone="8 (900) 111-22-33, 79001112234;junk", cnt=0, prev_id=0)
    assert (asked.kinds, asked.phones, asked.limit, asked.before) == (
        Kinds.TEXTS, (PHONE, "79001112234"), 100, FOREVER,
    )  # fmt: skip
    assert wanted(house, format=8).kinds is Kinds.MAILS
    asked = wanted(house, email="Ann@Example.com")
    assert (asked.kinds, set(asked.phones)) == (Kinds.MAILS, {"Ann@Example.com", "ann@example.com"})
    assert wanted(house, email="a@b.c", phone=PHONE).kinds is Kinds.ALL
    assert wanted(house, email="a@b.c", phone=PHONE, format=8).kinds is Kinds.MAILS
    asked = wanted(house, prev_id=9_000_000_000, cnt=1000, phone=",".join([PHONE] * 1000))
    assert (asked.before, asked.limit) == (9_000_000_000, 1000)


@pytest.mark.parametrize("fmt", range(4))
@pytest.mark.parametrize("charset", ["utf-8", "windows-1251"])
@pytest.mark.parametrize("count", [PORTION, PORTION + 1, 10_000])
def test_long_list_is_answered_in_portions_and_is_the_same(fmt: int, charset: str, count: int, house: House) -> None:
    """10,000 rows at once would hold everybody else for a quarter of a second."""
    messages = [make(int_id=i, text=f"№ {i} <&> \U0001f44d", err=i % 3) for i in range(count)]
    house.histories.messages = messages
    query = {"login": "alex", "psw": "123", "charset": charset, "fmt": fmt, "get_messages": 1}

    async def story() -> int:
        request = Request("GET", PATH, urlencode(query).encode(), received_ns=NOW_MS * 1_000_000)
        house.api(request, house.answers.append)
        turns = 0
        while not house.answers:
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert asyncio.run(story()) >= (count - 1) // PORTION
    (answer,) = house.answers
    assert isinstance(answer, Response)
    assert house.guard.inside == 0

    class Whole:
        """The call as a describing function sees it."""

        account = house.credentials.account
        services = type("S", (), {"places": house.places})

    rows = [history._describe(Whole, message) for message in messages]  # type: ignore[arg-type]
    text = render(history.MESSAGES, rows, fmt)
    found = answer.body.decode(charset)
    if fmt == 2:
        declaration = f'<?xml version="1.0" encoding="{charset}"?>'
        assert found.startswith(declaration)
        found = found.removeprefix(declaration)
    if charset == "utf-8":
        assert found == text
    else:
        assert found.count("79001112233") == count and len(found.split("\n")) == len(text.split("\n"))


def test_failure_in_a_later_portion_is_one_error(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """And the request's slot is free again."""
    house.histories.messages = [make() for _ in range(PORTION)] + [make(status=77)]
    query = {"login": "alex", "psw": "123", "fmt": 1, "get_messages": 1}

    async def story() -> None:
        house.api(Request("GET", PATH, urlencode(query).encode(), received_ns=NOW_MS * 1_000_000), house.answers.append)
        while not house.answers:
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(story())
    (answer,) = house.answers
    assert isinstance(answer, Response) and answer.body == b"0,-1"
    assert house.guard.inside == 0 and "api_operation_failed" in caplog.text


def test_account_is_asked_with_its_key(house: House) -> None:
    """As in every operation."""
    house.credentials = FakeCredentials()
    assert house.ask(PATH, get_messages=1, login="", psw="k-demo", fmt=1).startswith("1,")
