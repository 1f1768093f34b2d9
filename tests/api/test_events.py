"""News to be fetched over HTTP: cursor, login, errors (api/operations/events.py, api/authorization.py)."""

import base64
import json

import msgspec
import pytest
from tests.fakes.api import ALEX, NOW_MS, FakeCredentials, House

from heliograph.api.operations.events import OPERATIONS
from heliograph.api.request import Request
from heliograph.core.accounts import Account
from heliograph.core.news import Incoming, incoming_fields
from heliograph.services.newsfeed import Batch, Event

PATH = "/api/v1/events"
KEEPS = msgspec.structs.replace(ALEX, settings=msgspec.structs.replace(ALEX.settings, events_days=3))
TEXT = Incoming(31, "79991234567", "79037654321", "Привет", 1_000, 2_000, "", "a-7")
CALL = Incoming(32, "79991234567", "79037654321", "", 0, 3_000, call=True)
NEWS = Batch(
    (Event(100, "incoming", incoming_fields(TEXT)), Event(102, "call", incoming_fields(CALL))), next=77, more=True
)


def house(account: Account = KEEPS) -> House:
    made = House(OPERATIONS, credentials=FakeCredentials(account))
    made.newsfeed.news = NEWS
    return made


def ask(made: House, query: bytes = b"", authorization: str = "") -> dict[str, object]:
    headers = {b"authorization": authorization.encode()} if authorization else {}
    answer = made.post(Request("GET", PATH, query, headers, received_ns=NOW_MS * 1_000_000))
    assert answer is not None and answer.status == 200 and answer.content_type == b"application/json; charset=utf-8"
    found: dict[str, object] = json.loads(answer.body)
    return found


def test_news_with_its_fields_and_the_cursor() -> None:
    """JSON without asking for it; each piece holds what a handler would be told."""
    made = house()
    assert ask(made, b"apikey=k-demo&after=1795202050123457&limit=2&wait=30") == {
        "next": 77,
        "more": 1,
        "events": [
            {
                "event": 100,
                "kind": "incoming",
                "id": 31,
                "sms_id": "a-7",
                "phone": "79991234567",
                "mes": "Привет",
                "to": "79037654321",
                "smsc": "",
                "sent": 1,
                "time": 2,
            },
            {"event": 102, "kind": "call", "waitcall": 1, "phone": "79991234567", "ts": 3},
        ],
    }
    assert made.newsfeed.asked == [(1_795_202_050_123_457, 2, 30)]


def test_page_begins_at_the_start_and_is_bounded() -> None:
    """Nothing given: the first hundred, without waiting."""
    made = house()
    ask(made, b"apikey=k-demo")
    assert made.newsfeed.asked == [(0, 100, 0)]


@pytest.mark.parametrize(
    "query", [b"limit=251", b"limit=-1", b"wait=31", b"after=-1", b"after=x", b"after=1234567890123456789"]
)
def test_bad_parameters_are_error_1(query: bytes) -> None:
    """In the shape that every page has."""
    made = house()
    found = ask(made, b"apikey=k-demo&" + query)
    assert found["error_code"] == 1 and not made.newsfeed.asked


def test_account_that_keeps_no_news_is_told_which_setting() -> None:
    """An empty list would look like no news."""
    found = ask(house(ALEX), b"apikey=k-demo")
    assert found["error_code"] == 1 and "events_days" in str(found["error"])


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("value", ["Bearer k-demo", "bearer  k-demo", basic("alex:123")])
def test_header_stands_for_the_parameters(value: str) -> None:
    """Tools that know HTTP's own ways of signing in need no others."""
    assert ask(house(), authorization=value)["next"] == 77


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer wrong", "Basic !!", basic("alex"), basic("alex:1"), "Digest a"]
)
def test_bad_header_is_error_2(value: str) -> None:
    """As a bad password is."""
    assert ask(house(), authorization=value)["error_code"] == 2


def test_parameters_go_before_the_header() -> None:
    """A proxy's own Basic login does not disturb."""
    assert ask(house(), b"apikey=k-demo", basic("proxy:x"))["next"] == 77


def test_store_that_is_away_is_error_9() -> None:
    """Wait and ask again."""
    made = house()
    made.newsfeed.news = None
    assert ask(made, b"apikey=k-demo")["error_code"] == 9


def test_other_formats_are_there_when_asked_for() -> None:
    """The same shapes as everywhere."""
    made = house()
    answer = made.post(Request("GET", PATH, b"apikey=k-demo&fmt=2", received_ns=NOW_MS * 1_000_000))
    assert answer is not None and answer.body.decode().endswith(
        "<phone>79991234567</phone><ts>3</ts></event></events></result>"
    )
