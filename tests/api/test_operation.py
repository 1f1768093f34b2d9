"""The fixed steps around every handler, and the addresses (spec sending 1, 8 and 9)."""

import json
import logging
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.api import ALEX, NOW_MS, FakeCredentials, House

from heliograph.api.app import discover
from heliograph.api.call import Call, fingerprint, write_id
from heliograph.api.inputs import Flag, Integer, Parameter
from heliograph.api.operation import Operation, Pace
from heliograph.api.operations import balance, send, status
from heliograph.api.reference import pages
from heliograph.api.request import Request, Response
from heliograph.api.shapes import ACK
from heliograph.core.accounts import Account, Settings
from heliograph.core.reasons import Reason, Refusal, Refused

AUTH = b"login=alex&psw=123"


def build(handler: Callable[[Call], None], **changes: object) -> Operation:
    fields = {
        "name": "try",
        "page": "try",
        "title": "Trying",
        "help": "Tries.",
        "parameters": (),
        "replies": (("always", ACK),),
    }
    return Operation(handler=handler, **{**fields, **changes})  # type: ignore[arg-type]


def acknowledge(call: Call) -> None:
    call.answer(ACK, None)


@pytest.fixture
def house() -> House:
    return House((build(acknowledge),))


def ask(house: House, query: bytes, path: str = "/sys/try.php", **changes: object) -> bytes:
    answer = house.post(Request("GET", path, query, received_ns=NOW_MS * 1_000_000, **changes))  # type: ignore[arg-type]
    assert answer is not None
    assert answer.status == 200
    return answer.body


@pytest.mark.parametrize(
    "query", [AUTH, b"apikey=k-demo", b"apikey=k-demo&login=x&psw=y", b"psw=k-demo", b"login=&psw=k-demo"]
)
def test_three_ways_to_sign_in(house: House, query: bytes) -> None:
    """Login and password, a key alone, and the key in place of the password."""
    assert ask(house, query) == b"OK"


@pytest.mark.parametrize("query", [b"login=alex&psw=124", b"apikey=nothing", b"psw=123", b"login=alex"])
def test_wrong_credentials_are_error_2(house: House, query: bytes) -> None:
    """In the asked format, with HTTP 200."""
    assert ask(house, query) == b"ERROR = 2 (authorise error)"


def test_failed_logins_are_counted_and_empty_ones_not(house: House) -> None:
    """A monitor that only looks whether the page answers must not be banned."""
    ask(house, b"login=alex&psw=124", client="192.0.2.9")
    ask(house, b"")
    assert house.guard.failed == [("192.0.2.9", "alex")]


def test_banned_address_is_error_4_before_the_login(house: House) -> None:
    """A right password does not help, nor can it be tried out."""
    house.guard.banned.add("192.0.2.9")
    assert ask(house, AUTH + b"&fmt=1", client="192.0.2.9") == b"0,-4"
    assert ask(house, b"login=alex&psw=124&fmt=0", client="192.0.2.9") == b"ERROR = 4 (ip is blocked)"
    assert not house.guard.failed


@pytest.mark.parametrize(
    ("rules", "client", "expected"),
    [
        (Settings(blocked=True), "192.0.2.9", b"0,-2"),
        (Settings(addresses="198.51.100.7, 192.0.2.0/24"), "192.0.2.9", b"OK"),
        (Settings(addresses="198.51.100.7, 192.0.2.0/24"), "192.0.3.9", b"0,-2"),
        (Settings(addresses="2001:db8::/32"), "2001:db8::5", b"OK"),
    ],
)
def test_blocks_of_the_account_are_error_2(rules: Settings, client: str, expected: bytes) -> None:
    """The same number as a wrong password, and counted as one: a stranger is not told that his guess was right."""
    house = House((build(acknowledge),), credentials=FakeCredentials(Account(7, "alex", "RUR", 0, 1, rules)))
    assert ask(house, AUTH + b"&fmt=1", client=client) == expected
    assert house.guard.failed == ([] if expected == b"OK" else [(client, "alex")])


def test_fifteenth_request_at_once_is_error_9() -> None:
    """The slot is given back when the answer goes out, exactly once."""
    waiting: list[Call] = []
    house = House((build(waiting.append),))
    request = Request("GET", "/sys/try.php", AUTH, received_ns=NOW_MS * 1_000_000)
    for _ in range(14):
        assert house.post(request) is None
    assert ask(house, AUTH) == b"ERROR = 9 (too many concurrent requests)"
    assert house.guard.inside == 14
    waiting[0].answer(ACK, None)
    assert (house.guard.inside, house.guard.left) == (13, 1)
    assert house.post(request) is None
    assert ALEX.settings.concurrency == 15


def test_second_answer_is_dropped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A door may be told once only."""
    calls: list[Call] = []
    house = House((build(calls.append),))
    house.post(Request("GET", "/sys/try.php", AUTH))
    calls[0].answer(ACK, None)
    calls[0].answer(ACK, None)
    assert len(house.answers) == 1
    assert house.guard.left == 1
    assert "api_second_answer_dropped" in caplog.text


def test_slow_login_answers_later() -> None:
    """A password that must be hashed first comes back from a worker."""
    credentials = FakeCredentials(slow=True)
    house = House((build(acknowledge),), credentials=credentials)
    for query in (AUTH, b"login=alex&psw=bad"):
        assert house.post(Request("GET", "/sys/try.php", query)) is None
    for wake in credentials.pending:
        wake()
    assert [answer.body for answer in house.answers if isinstance(answer, Response)] == [
        b"OK",
        b"ERROR = 2 (authorise error)",
    ]


def test_crowded_login_is_error_9_and_no_failed_login(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many hashes wait, nothing was found out about the password."""

    def refuse(*_: object) -> None:
        raise Refused(Reason.TOO_MANY_AT_ONCE)

    monkeypatch.setattr(house.credentials, "verify", refuse)
    assert ask(house, AUTH + b"&fmt=1") == b"0,-9"
    monkeypatch.setattr(house.credentials, "verify", lambda *asked: asked[-1](Refusal(Reason.TOO_MANY_AT_ONCE)))
    assert ask(house, AUTH + b"&fmt=1") == b"0,-9"
    assert not house.guard.failed


def test_identical_requests_are_paced() -> None:
    """Who asks, how and in which format makes no difference; what is asked does."""
    house = House((build(acknowledge, paces=(Pace(limit=2), Pace(limit=4, period_s=3600, identical=False))),))
    assert ask(house, AUTH + b"&a=1") == b"OK"
    assert ask(house, b"apikey=k-demo&a=1&fmt=1") == b"OK"
    assert ask(house, AUTH + b"&a=1") == b"ERROR = 9 (duplicate request, wait a minute)"
    assert ask(house, AUTH + b"&a=2") == b"OK"
    assert ask(house, AUTH + b"&a=3") == b"OK"
    assert ask(house, AUTH + b"&a=4&fmt=1") == b"0,-9"
    assert house.guard.inside == 0


def break_down(call: Call) -> None:
    raise RuntimeError("broken")


def break_later(call: Call) -> None:
    def finish(call: Call, result: int) -> None:
        raise RuntimeError("broken")

    call.then(finish)(5)


def refuse_later(call: Call) -> None:
    def finish(call: Call, result: int) -> None:
        raise Refused(Reason.NOT_FOUND)

    call.then(finish)(5)


@pytest.mark.parametrize("handler", [break_down, break_later])
def test_unexpected_exception_is_logged_once_and_answered(
    handler: Callable[[Call], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Never an empty body, which makes libraries repeat the request on five hosts; the password stays out of the log."""
    house = House((build(handler),))
    assert house.four("/sys/try.php") == (
        "ERROR = 1 (parameters error: internal failure)",
        "0,-1",
        "<result><error>parameters error: internal failure</error><error_code>1</error_code></result>",
        '{"error": "parameters error: internal failure", "error_code": 1}',
    )
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 4
    assert caplog.records[0].exc_info
    assert "123" not in caplog.records[0].getMessage()
    assert house.guard.inside == 0


def test_refusal_inside_a_callback_becomes_the_answer() -> None:
    """A service that calls back is never troubled by it."""
    assert House((build(refuse_later),)).ask("/sys/try.php") == "ERROR = 3 (not found)"


def test_page_may_have_its_own_words() -> None:
    """Numbers mean different things on different pages."""
    operation = build(refuse_later, words={Reason.NOT_FOUND: (8, "no such group")})
    assert House((operation,)).ask("/sys/try.php", fmt=1) == "0,-8"


@pytest.mark.parametrize(
    ("query", "path", "expected"),
    [
        (b"", "/sys/try.php", b"OK"),
        (b"&fmt=7", "/sys/try.php", b"OK"),
        (b"&fmt=", "/sys/try.php", b"OK"),
        (b"&fmt=3", "/sys/try.php", b'{"result": "OK"}'),
        (b"", "/sys/try.php/", b"OK"),
        (b"", "/rest/try/", b'{"result": "OK"}'),
        (b"", "/rest/try", b'{"result": "OK"}'),
        (b"&fmt=1", "/rest/try/", b"OK"),
        (b"&fmt=x", "/rest/try/", b'{"result": "OK"}'),
    ],
)
def test_format_and_address_have_their_defaults(house: House, query: bytes, path: str, expected: bytes) -> None:
    """/rest/ answers JSON by default; an unknown format is the default one."""
    assert ask(house, AUTH + query, path) == expected


def test_unknown_address_is_404(house: House) -> None:
    """And the host does not matter."""
    answer = house.post(Request("GET", "/sys/nothing.php", AUTH))
    assert answer is not None
    assert (answer.status, answer.content_type) == (404, b"text/plain; charset=utf-8")
    assert answer.body
    assert house.api.knows("/rest/try/")
    assert not house.api.knows("/sys/nothing.php")


def test_flag_chooses_among_operations_of_a_page() -> None:
    """get.php?get_messages=1 and get.php?get_answers=1 are different operations."""

    def say(word: str) -> Callable[[Call], None]:
        return lambda call: call.respond(Response(200, b"text/plain", word.encode()))

    house = House((build(say("one"), name="one", flag="get_one"), build(say("two"), name="two", flag="get_two")))
    assert ask(house, AUTH + b"&get_two=1") == b"two"
    assert ask(house, AUTH + b"&get_one=1&get_two=0") == b"one"
    assert ask(house, AUTH) == b"ERROR = 1 (parameters error: no action is named)"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request("GET", "/sys/try.php", AUTH + b"&mes=%FF&charset=utf-8&fmt=1"), b"0,-1"),
        (Request("POST", "/sys/try.php", body=AUTH + b"&mes=%00&fmt=3"), b'{"error": "parameters error: '),
        (
            Request("POST", "/rest/try/", body=b'{"login": '),
            b'{"error": "parameters error: malformed JSON", "error_code": 1}',
        ),
        (Request("GET", "/sys/try.php", AUTH + b"&charset=klingon"), b"ERROR = 1 (parameters error: unknown charset)"),
    ],
)
def test_unreadable_parameters_are_error_1_in_the_asked_format(
    house: House, request_: Request, expected: bytes
) -> None:
    """A client parses the reply by the format it asked for."""
    answer = house.post(request_)
    assert answer is not None
    assert answer.status == 200
    assert answer.body.startswith(expected)


def test_door_gets_answers_for_what_it_refuses_itself(house: House) -> None:
    """Too large a body and a failure of the program are API errors with HTTP 200."""
    request = Request("POST", "/sys/try.php", b"fmt=3&charset=utf8")
    answer = house.api.too_large(request)
    assert (answer.status, answer.content_type) == (200, b"application/json; charset=utf-8")
    assert json.loads(answer.body) == {"error": "parameters error: request is too large", "error_code": 1}
    assert house.api.failed(Request("GET", "/sys/try.php", b"fmt=1")).body == b"0,-1"


NAMES = st.sampled_from(["phones", "mes", "list", "id", "phone", "time", "tz", "bin", "fmt", "charset", "cost", "valid", "all", "del", "hlr", "op", "nl"])  # fmt: skip
FIELDS = st.dictionaries(NAMES, st.one_of(st.sampled_from(["0", "1", "2", "79001112233"]), st.text(max_size=20)))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=60), FIELDS.map(lambda fields: urlencode(fields).encode())),
    st.booleans(),
    st.sampled_from(["/sys/send.php", "/rest/send/", "/sys/status.php", "/sys/balance.php"]),
)
def test_any_request_is_answered_and_nothing_breaks(query: bytes, in_body: bool, path: str) -> None:
    """Whatever strangers send: HTTP 200, a body, and no internal failure."""
    house = House((*send.OPERATIONS, *status.OPERATIONS, *balance.OPERATIONS))
    first = AUTH + b"&" + query
    request = Request("POST", path, AUTH, body=query) if in_body else Request("GET", path, first)
    answer = house.post(request)
    assert answer is not None
    assert answer.status == 200
    assert answer.body
    assert b"internal failure" not in answer.body
    assert house.guard.inside == 0


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("17", 17),
        ("2147483647", 2147483647),
        ("2147483648", "2147483648"),
        ("007", "007"),
        ("a-1", "a-1"),
        ("٣", "٣"),
        ("", ""),
    ],
)
def test_id_is_a_number_where_it_is_one(id: str, expected: int | str) -> None:
    """Clients keep it in an int32; every other text is the caller's own."""
    assert write_id(id) == expected


def test_fingerprint_has_63_bits() -> None:
    """It goes into a signed column."""
    prints = {fingerprint(str(number)) for number in range(1000)}
    assert len(prints) == 1000
    assert all(0 <= print_ < 2**63 for print_ in prints)


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (Flag("x", ""), "1", True),
        (Flag("x", ""), "True", True),
        (Flag("x", ""), " 0", False),
        (Flag("x", ""), "", False),
        (Integer("x", "", high=5), "5", 5),
        (Integer("x", "", low=-3), "-3", -3),
        (Integer("x", "", low=1, missing=9, zero_is_absent=True), "0", 9),
        (Integer("x", "", missing=9), "", 9),
    ],
)
def test_parameters_read_themselves(parameter: Flag | Integer, value: str, expected: int) -> None:
    """What the reference page says is what the code does, for both come from one declaration."""
    assert parameter.read({"x": value}) == expected


@pytest.mark.parametrize("value", ["6", "-1", "1_0", "x", "1.0", "٣", "9" * 5000])
def test_number_outside_its_range_is_refused(value: str) -> None:
    """Whatever a client may call a number."""
    with pytest.raises(Refused):
        Integer("x", "", high=5).read({"x": value})


def test_required_parameter_must_be_there() -> None:
    """Its absence names it."""
    with pytest.raises(Refused, match="x is missing"):
        Parameter("x", "", required=True).text({})


def test_operations_are_found_by_their_files() -> None:
    """A new page is a new file; every operation has an address, help and replies of its own."""
    found = discover()
    assert {"send", "status", "balance"} <= {operation.name for operation in found}
    assert len({operation.name for operation in found}) == len(found)
    assert len({(operation.page, operation.flag) for operation in found}) == len(found)
    assert all(operation.help and (operation.replies or operation.gives) for operation in found)


def test_reference_pages_come_from_the_declarations() -> None:
    """One Markdown page an operation, an index and OpenAPI; all of it stable text."""
    made = pages()
    assert made == pages()
    page = made["docs/reference/send.md"]
    assert "| `maxsms` | Cuts texts to this many parts | a whole number from 1 |" in page
    assert "OK - 1 SMS, ID - 1" in page
    assert "[send](send.md)" in made["docs/reference/README.md"]
    document = json.loads(made["docs/reference/openapi.json"])
    assert document["openapi"] == "3.1.0"
    assert {"/sys/send.php", "/rest/send/", "/sys/status.php", "/sys/balance.php"} <= document["paths"].keys()
    schemas = document["components"]["schemas"]
    assert schemas["StatusRequest"]["required"] == ["phone", "id"]
    assert schemas["BalanceReply"]["anyOf"][0]["properties"]["balance"]["type"] == "string"
    for path in document["paths"].values():
        for call in path.values():
            name = call["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert name in schemas


def test_pages_with_several_operations_share_an_address() -> None:
    """OpenAPI knows no query in a path: their parameters and replies are joined."""
    one = build(acknowledge, name="one", flag="get_one", parameters=(Parameter("a", "A", required=True),))
    two = build(acknowledge, name="two", flag="get_two", parameters=(Integer("b", "B", high=5),))
    document = json.loads(pages((one, two))["docs/reference/openapi.json"])
    names = [parameter["name"] for parameter in document["paths"]["/sys/try.php"]["get"]["parameters"]]
    assert names[:4] == ["get_one", "a", "get_two", "b"]
    assert "required" not in document["components"]["schemas"]["TryRequest"]
    assert pages(balance.OPERATIONS).keys() >= {"docs/reference/balance.md"}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE"])
def test_only_get_and_post_do_anything(method: str) -> None:
    """A browser's or a monitor's question in passing must not send a text."""
    house = House((send.OPERATIONS[0],))
    query = urlencode({"login": "alex", "psw": "123", "phones": "79161234567", "mes": "x"}).encode()
    answer = house.post(Request(method, "/sys/send.php", query, received_ns=NOW_MS * 1_000_000))
    assert answer is not None and answer.status == 405 and (b"Allow", b"GET, POST") in answer.headers
    assert not house.submitting.asked
