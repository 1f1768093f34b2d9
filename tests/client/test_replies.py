"""Each answer of the API becomes its record, each refusal an ApiError (docs/reference)."""

import inspect
import json
from decimal import Decimal
from typing import Any

import pytest

from heliograph.client import ApiError, AsyncClient, Client, NoAnswer, Operator, calls
from heliograph.client.calls import Call, SendOptions
from heliograph.client.replies import encode
from heliograph.client.smsc_api import SMSC

TEXT = SendOptions()
STATUS: dict[str, Any] = {"status": 1, "last_date": "28.12.2019 19:20:22", "last_timestamp": 1577550022}
MESSAGE = {**STATUS, "int_id": "77", "id": "own-1", "phone": "79161234567", "cost": "1.6", "sms_cnt": 1, "crc": 5}
LINK = {
    "id": "5",
    "cnt": "3",
    "cnt_mon": "2",
    "cnt_day": "1",
    "cnt_yes": "0",
    "cnt_pmon": "1",
    "link": "https://s.ru/abc",
}
PRICES = {
    "zones": [{"zone": "1", "name": "World", "api": "1.6", "mass": "1.5", "mms": "6", "hlr": "0.4", "call": "0"}],
    "codes": [{"mccmnc": "25001", "cost": "2"}],
    "mail": "0.1",
}


def read(call: Call[Any], answer: object, charset: str = "utf-8") -> Any:
    """The record of an answer in JSON."""
    return calls.read(call, json.dumps(answer, ensure_ascii=False).encode(charset), charset)


def test_money_is_exact_and_ids_keep_their_type() -> None:
    """Amounts come as texts so that nobody rounds them; an own id may be a text of digits."""
    call = calls.send("79161234567", "x", TEXT)
    sent = read(call, {"id": 1, "cnt": 2, "cost": "3.2", "balance": "996.8001"})
    assert (sent.id, sent.cnt, sent.cost, sent.balance) == (1, 2, Decimal("3.2"), Decimal("996.8001"))
    assert read(call, {"id": "017", "cnt": 1}).id == "017"
    coded = read(call, {"id": 1, "cnt": 1, "code": "001234"})
    assert coded.code == "001234"


def test_numbers_with_problems_are_told() -> None:
    """op=1 tells statuses and errors as texts, and only where there is a problem."""
    rows = [
        {"phone": "1", "mccmnc": "25001", "cost": "1.6"},
        {"phone": "2", "mccmnc": "0", "status": "22", "error": "249"},
    ]
    fine, bad = read(calls.send("1,2", "x", {"op": True}), {"id": 1, "cnt": 1, "phones": rows}).phones
    assert (fine.cost, fine.error) == (Decimal("1.6"), None)
    assert (bad.status, bad.error) == (22, 249)
    assert read(calls.price("1", "x", TEXT), {"cost": "1.6", "cnt": 1}).cost == Decimal("1.6")


def test_a_status_tells_whether_it_stays() -> None:
    """What waits for a status needs to know when to stop."""
    short = read(calls.status("79161234567", 1, 0), STATUS)
    assert short.final and short.delivered and short.found and short.err == 0 and short.id is None
    waiting = read(calls.status("79161234567", 1, 0), {**STATUS, "status": -1, "err": 6})
    assert not waiting.final and waiting.err == 6
    failed = read(calls.status("79161234567", 1, 0), {**STATUS, "status": 20})
    assert failed.final and not failed.delivered


def test_a_list_of_statuses_may_hold_unknown_messages() -> None:
    """They come without dates."""
    unknown = {"status": -3, "id": 138, "phone": "89991234567"}
    known, missing = read(calls.statuses([("7916", 1), ("8999", 138)], 0), [{**STATUS, "id": 1}, unknown])
    assert known.found and not missing.found and missing.last_date == ""


def test_lists_are_read() -> None:
    """Rows of each page that lists something, an empty list too."""
    (message,) = read(calls.history(None, None, "", False, 100, ""), [MESSAGE])
    assert (message.int_id, message.id, message.cost) == ("77", "own-1", Decimal("1.6"))
    row = {"id": 9, "received": "20.11.2026 10:00:00", "phone": "7916", "message": "Да", "to_phone": "7000", "sent": ""}
    assert read(calls.answers(None, None, "", None), [row])[0].message == "Да"
    row = {"login": "shop", "sms": "12", "credit": "19.2", "debit": "1000", "currency": "RUR"}
    assert read(calls.statistics("01.11.2026", None, False, False), [row])[0].sms == 12
    row = {"phone": "7999", "type": 1, "cost": "500", "current_cost": "233.33", "info": "MTS"}
    assert read(calls.numbers(), [row])[0].current_cost == Decimal("233.33")
    task = {"id": 1, "name": "x", "status": 2, "created": "", "time": "", "file": "a.csv"}
    assert read(calls.exports(0, None), [task])[0].file == "a.csv"
    place = {
        "phone": "7916",
        "country": "Россия",
        "operator": "МТС",
        "region": "",
        "mcc": "250",
        "mnc": "01",
        "tz": "3",
    }
    assert read(calls.operators(["7916"]), [place])[0].operator == "МТС"
    for call in (calls.numbers(), calls.exports(0, None), calls.answers(None, None, "", None)):
        assert read(call, []) == ()


def test_single_answers_are_read() -> None:
    """The other pages."""
    assert read(calls.balance(), {"balance": "10.00", "credit": "5", "currency": "RUR"}).credit == Decimal(5)
    assert read(calls.balance(), {"balance": "-3.5"}).balance == Decimal("-3.5")
    assert read(calls.prices(), PRICES).zones[0].name == "World"
    assert read(calls.prices(), PRICES).codes[0].cost == Decimal(2)
    assert read(calls.operator("7916"), {"country": "Россия", "mnc": "01", "tz": "3"}).mnc == "01"
    assert read(calls.link("x.ru", None), LINK).cnt_mon == 2
    assert read(calls.export_progress(1), {"status": 1, "rows_done": 5, "rows_all": 9, "percent": 55}).final is False
    assert read(calls.wait_call("7916"), {"phone": "7800", "all_phones": ["7800", "7801"]}).all_phones == (
        "7800",
        "7801",
    )
    assert read(calls.buy_number("7999", False), {"cost": "233.33"}).cost == Decimal("233.33")
    assert read(calls.change_number("7999", noprolong=True), {"result": "OK"}).result == "OK"
    assert read(calls.add_export("01.11.2026", None, "", "csv", ""), {"id": 4}).id == 4


def test_keys_that_are_not_known_are_passed_over() -> None:
    """A later server may tell more."""
    assert read(calls.balance(), {"balance": "1", "bonus": {"a": [1]}}).balance == Decimal(1)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'{"error": "no money", "error_code": 3, "id": 17}', (3, "no money", 17)),
        (b'{"error": "invalid number", "error_code": 7, "id": "own"}', (7, "invalid number", "own")),
        (b'{"error": "authorise error", "error_code": 2}', (2, "authorise error", None)),
        (b"ERROR = 4 (ip is blocked)", (4, "ip is blocked", None)),
        (b"ERROR = 6 (message is denied), ID - 12", (6, "message is denied", 12)),
    ],
)
def test_refusals_are_one_exception(answer: bytes, expected: tuple[int, str, object]) -> None:
    """With number, words and id, also where a page answers in text though JSON was asked for."""
    with pytest.raises(ApiError) as caught:
        calls.read(calls.send("1", "x", TEXT), answer, "utf-8")
    assert (caught.value.code, caught.value.text, caught.value.id) == expected
    assert expected[1] in str(caught.value)


@pytest.mark.parametrize("answer", [b"<html>proxy</html>", b'{"id": 1', b"\xff\xfe", b"[]", b'{"cnt": 1}', b"null"])
def test_what_is_no_answer_is_no_result(answer: bytes) -> None:
    """A page of a proxy must not look like a text that was sent."""
    with pytest.raises(NoAnswer) as caught:
        calls.read(calls.send("1", "x", TEXT), answer, "utf-8")
    assert caught.value.code == 0 and caught.value.sent


def test_other_charsets_are_read_and_written() -> None:
    """A request and its answer have the same charset."""
    call = calls.operator("7916")
    assert read(call, {"country": "Россия"}, "cp1251") == Operator(country="Россия")
    body = encode(calls.send("7916", "Привет", TEXT), {"apikey": "k"}, "windows-1251")
    assert b"mes=%CF%F0%E8%E2%E5%F2" in body and b"charset=windows-1251" in body
    with pytest.raises(ValueError, match="utf-8"):
        encode(calls.send("7916", "€ 😀", TEXT), {"apikey": "k"}, "koi8-r")


def test_options_are_written_as_the_reference_has_them() -> None:
    """Flags as 1, what is off or absent not at all; an empty sender means none and stays."""
    call = calls.send(
        ["7916", 7917], "x", {"tinyurl": True, "flash": False, "sender": "", "period": 0.5, "translit": 0}
    )
    form = encode(call, {"login": "shop", "psw": "p&1"}, "utf-8").decode()
    assert form == (
        "phones=7916%2C7917&mes=x&tinyurl=1&sender=&period=0.5&translit=0&login=shop&psw=p%261&charset=utf-8&fmt=3"
    )
    with pytest.raises(ValueError, match="price"):
        calls.send("7916", "x", {"cost": 1})


def test_module_of_the_service_needs_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing configured is an error at once, not an empty answer."""
    for name in (
        "HELIOGRAPH_CLIENT_URL",
        "HELIOGRAPH_CLIENT_KEY",
        "HELIOGRAPH_CLIENT_LOGIN",
        "HOME",
        "XDG_CONFIG_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="needed"):
        SMSC()
    with pytest.raises(ValueError, match="smtp_host"):
        SMSC("shop", "secret", "http://127.0.0.1:1").send_sms_mail("7916", "x")


def test_both_clients_have_the_same_methods() -> None:
    """Who knows one knows the other: names, arguments and defaults."""
    blocking = {name: each for name, each in vars(Client).items() if callable(each) and not name.startswith("_")}
    awaited = {name: each for name, each in vars(AsyncClient).items() if callable(each) and not name.startswith("_")}
    assert blocking.keys() == awaited.keys()
    for name, method in blocking.items():
        assert inspect.signature(method).parameters == inspect.signature(awaited[name]).parameters, name
    assert inspect.signature(Client).parameters == inspect.signature(AsyncClient).parameters
