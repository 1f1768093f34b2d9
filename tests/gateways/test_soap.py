"""The SOAP service: what each method answers, in golden envelopes, and what bad envelopes get (spec protocols 6, clients 2.5)."""

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.api import NOW_MS, House
from tests.gateways.soap_rig import SOAP11, SOAP12, TYPES, ask, body_of, fault_of, wrap

from heliograph.api.operations import balance, send, status
from heliograph.api.request import Answer, Request, Response
from heliograph.core.messages import Accepted, Door, Kind, Message, Verdict
from heliograph.core.reasons import Reason, Refusal
from heliograph.gateways.envelopes import MAX_BODY, failed, too_large
from heliograph.gateways.soap import PATH, SoapService
from heliograph.gateways.soap_methods import METHODS
from heliograph.wire.xml import Element, parse_document

SPACE = "http://smsc.ua/sys/soap.php"
LOGIN = "<login>alex</login><psw>123</psw>"
TEXT = "<phones>79001112233</phones><mes>Hi</mes>"
SENT_MS = 1_577_550_020_000


@pytest.fixture
def house() -> House:
    house = House((*balance.OPERATIONS, *send.OPERATIONS, *status.OPERATIONS))
    fields: dict[str, Any] = {
        "int_id": 9001, "account_id": 7, "id": "55", "phone": "79001112233", "given": "79001112233", "kind": 0, "flags": 0,
        "sender": "Shop", "text": "5 < 6 & 7", "comment": "", "parts": 2, "cost": 16_000, "mccmnc": "25001", "status": 20,
        "err": 6, "send_ms": SENT_MS, "created_ms": SENT_MS, "changed_ms": SENT_MS + 2000, "expires_ms": SENT_MS, "lane": 1,
        "route_id": 1, "carrier_id": 1, "door": 1,
    }  # fmt: skip
    house.statuses.messages["55", "79001112233"] = Message(**fields)
    house.submitting.result = Accepted("17", 2, 16_000, 984_000, ())
    return house


def call(house: House, element: str, children: str = "", namespace: str = SPACE, soap: str = SOAP11) -> Response:
    """The answer to a method, in the envelope of either version."""
    content = f'<s:{element} xmlns:s="{namespace}">{children}</s:{element}>'
    return ask(SoapService(house.api), wrap(content, soap), PATH, TYPES[soap])


def result(house: House, element: str, children: str) -> dict[str, str]:
    """The fields of a result, in their order."""
    answer = call(house, element, children)
    assert (answer.status, answer.content_type) == (200, TYPES[SOAP11])
    response = body_of(answer)
    assert (response.name, response.namespace, len(response.children)) == (_named(element).response, SPACE, 1)
    wrapper = response.children[0]
    assert (wrapper.name, wrapper.namespace) == (_named(element).result, "")
    assert all(child.namespace == "" for child in wrapper.children)
    return {child.name: child.text for child in wrapper.children}


def _named(element: str) -> Any:
    return next(method for method in METHODS if method.element == element)


def golden(response: str, content: str, soap: str = SOAP11, namespace: str = SPACE) -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{soap}"><soap:Body>'
        f'<s:{response} xmlns:s="{namespace}">{content}</s:{response}></soap:Body></soap:Envelope>'
    ).encode()


# -- success --------------------------------------------------------------------------------------------------------


GOLDEN = {
    "balance": ("", "BalanceResponse", "<balanceresult><balance>250.80</balance><error>0</error></balanceresult>"),
    "send": (
        TEXT,
        "SendResponse",
        "<sendresult><id>17</id><balance>98.4</balance><cost>1.6</cost><cnt>2</cnt><error>0</error></sendresult>",
    ),
    "send2": (
        TEXT + "<query>translit=1&amp;tinyurl=0</query>",
        "Send2Response",
        "<sendresult><id>17</id><balance>98.4</balance><cost>1.6</cost><cnt>2</cnt><error>0</error></sendresult>",
    ),
    "cost": (TEXT, "CostResponse", "<costresult><cost>1.6</cost><cnt>1</cnt><error>0</error></costresult>"),
    "cost2": (
        TEXT + "<query>translit=1</query>",
        "Cost2Response",
        "<costresult><cost>1.6</cost><cnt>1</cnt><error>0</error></costresult>",
    ),
    "status": (
        "<phone>79001112233</phone><id>55</id>",
        "StatusResponse",
        "<statusresult><status>20</status><last_date>28.12.2019 19:20:22</last_date>"
        "<last_timestamp>1577550022</last_timestamp><err>6</err><error>0</error></statusresult>",
    ),
    "status2": (
        "<phone>79001112233</phone><id>55</id><query>all=2</query>",
        "Status2Response",
        "<statusresult><status>20</status><last_date>28.12.2019 19:20:22</last_date>"
        "<last_timestamp>1577550022</last_timestamp><err>6</err><error>0</error>"
        "<send_date>28.12.2019 19:20:20</send_date><send_timestamp>1577550020</send_timestamp>"
        "<phone>79001112233</phone><cost>1.6</cost><sender_id>Shop</sender_id>"
        "<status_name>Невозможно доставить</status_name><message>5 &lt; 6 &amp; 7</message>"
        "<operator>МТС</operator><region>Москва</region><sms_cnt>2</sms_cnt></statusresult>",
    ),
}


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
@pytest.mark.parametrize("element", GOLDEN)
def test_method_answers_in_the_envelope_and_namespace_of_its_caller(house: House, element: str, soap: str) -> None:
    """Classes made from the WSDL of another host know its namespace only; Java and zeep mind the order."""
    children, response, content = GOLDEN[element]
    answer = call(house, element, LOGIN + children, soap=soap)
    assert (answer.status, answer.content_type) == (200, TYPES[soap])
    assert answer.body == golden(response, content, soap)


def test_every_method_has_its_golden_answer() -> None:
    """None is forgotten above."""
    assert GOLDEN.keys() == {method.element for method in METHODS}
    assert [method.name for method in METHODS] == [
        "get_balance", "send_sms", "send_sms2", "get_sms_cost", "get_sms_cost2", "get_status", "get_status2",
    ]  # fmt: skip


def test_caller_without_a_namespace_is_answered_without_one(house: House) -> None:
    """Scripts write envelopes by hand."""
    answer = ask(SoapService(house.api), wrap(f"<balance>{LOGIN}</balance>"), PATH, b"text/xml")
    assert b"<soap:Body><BalanceResponse><balanceresult><balance>250.80</balance>" in answer.body
    odd = call(house, "balance", LOGIN, namespace="urn:a&amp;b&lt;&quot;")
    assert body_of(odd).namespace == 'urn:a&b<"'


def test_children_may_be_qualified_in_any_order_and_strange(house: House) -> None:
    """Unknown ones are ignored, whatever they hold; some clients send numbers as such, some null."""
    children = (
        '<s:psw xmlns:s="u">123</s:psw><tinyurl>1</tinyurl><deep><er/></deep><mes>Hi</mes><id>7</id>'
        '<sender xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/><time>0</time>'
        "<phones>79001112233</phones><login>alex</login><query>translit=1</query>"
    )
    assert result(house, "send", children)["error"] == "0"
    taken = house.submitting.asked[0]
    assert (taken.id, taken.sender, taken.shorten, taken.translit, taken.send_ms) == ("7", None, False, 0, 0)
    result(house, "send2", children)
    assert house.submitting.asked[1].translit == 1


def test_texts_come_through_letter_for_letter(house: House) -> None:
    """Blanks, line ends, entities and characters beyond the first plane."""
    result(
        house,
        "send",
        LOGIN + "<phones>79001112233</phones><mes> Ёж &lt;b&gt; &amp;amp; 😀\n строка <![CDATA[<&>]]> </mes>",
    )
    assert house.submitting.asked[0].recipients[0].text == " Ёж <b> &amp; 😀\n строка <&> "


def test_texts_in_other_encodings_are_read(house: House) -> None:
    """What the Content-Type or the document says."""
    document = f'<send xmlns="{SPACE}">{LOGIN}<phones>79001112233</phones><mes>Привет</mes></send>'
    whole = wrap(document).decode()
    for data, kind in (
        (whole.encode("cp1251"), b'text/xml; charset="windows-1251"'),
        (b'<?xml version="1.0" encoding="windows-1251"?>' + whole.encode("cp1251"), b"text/xml"),
        (whole.encode("utf-16"), b"text/xml"),
        (whole.encode("utf-8-sig"), b"text/xml; charset=utf-8"),
    ):
        ask(SoapService(house.api), data, PATH, kind)
    assert [each.recipients[0].text for each in house.submitting.asked] == ["Привет"] * 4


def test_submission_is_of_the_soap_door(house: House) -> None:
    """Statuses are told to the client handler for texts sent by HTTP, SMTP and SMPP only."""
    result(house, "send", LOGIN + TEXT)
    assert house.submitting.asked[0].door is Door.SOAP


# -- query ----------------------------------------------------------------------------------------------------------


def test_query_carries_parameters_and_elements_go_before_it(house: House) -> None:
    """Percent escapes in UTF-8, or in the charset it names; what stands in elements is not changed by it."""
    result(
        house, "send2", LOGIN + TEXT + "<query>?flash=1&amp;sender=%D0%96&amp;mes=other&amp;login=eve&amp;fmt=9</query>"
    )
    result(house, "send2", LOGIN + TEXT + "<query>sender=%C6&amp;charset=windows-1251</query>")
    result(house, "send2", LOGIN + TEXT + "<query>sender=Жук&amp;charset=windows-1251</query>")
    first, second, third = house.submitting.asked
    assert (first.kind, first.sender, first.recipients[0].text) == (Kind.FLASH, "Ж", "Hi")
    assert (second.sender, third.sender) == ("Ж", "Жук")


def test_query_may_hold_the_login_and_everything_else(house: House) -> None:
    """It is a request of the HTTP interface in a string."""
    assert (
        result(house, "status2", "<query>login=alex&amp;psw=123&amp;phone=79001112233&amp;id=55</query>")["status"]
        == "20"
    )
    assert (
        result(house, "send2", "<apikey>k-demo</apikey><query>list=79001112233:a%0A79001112234:b</query>")["error"]
        == "0"
    )
    assert len(house.submitting.asked[0].recipients) == 2


def test_sending_always_tells_cost_and_balance(house: House) -> None:
    """Unless the query wants the price alone: then nothing is sent."""
    for cost in ("", "0", "2", "3"):
        assert result(house, "send2", f"{LOGIN}{TEXT}<query>cost={cost}</query>")["balance"] == "98.4"
    assert len(house.submitting.asked) == 4
    assert result(house, "send2", f"{LOGIN}{TEXT}<query>cost=1</query>") == {"cost": "1.6", "cnt": "1", "error": "0"}
    assert result(house, "cost2", f"{LOGIN}{TEXT}<query>cost=3</query>") == {"cost": "1.6", "cnt": "1", "error": "0"}
    assert result(house, "send2", f"{LOGIN}{TEXT}<query>cost=9</query>") == {"error": "1"}


def test_send2_lists_numbers_with_a_problem_when_it_is_asked_to(house: House) -> None:
    """A list of elements behind the others."""
    verdicts = (Verdict("79001112233", "25001", 8000, 1), Verdict("12", "0", 0, 1, 22, 249))
    house.submitting.result = Accepted("17", 1, 8000, 984_000, verdicts)
    for query in ("op=1", "err=1"):
        answer = call(house, "send2", f"{LOGIN}{TEXT}<query>{query}</query>")
        assert b"<error>0</error><errors><phone>12</phone><status>22</status></errors></sendresult>" in answer.body
    assert b"errors" not in call(house, "send2", f"{LOGIN}{TEXT}<query>test=0</query>").body


def test_code_of_a_call_is_told(house: House) -> None:
    """Whoever has one made up must hear of it."""
    found = result(house, "send2", f"{LOGIN}<phones>79001112233</phones><mes>code</mes><query>call=1</query>")
    assert found["code"] == house.submitting.asked[0].code != ""


# -- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("element", ["balance", "send", "send2", "cost", "cost2", "status", "status2"])
def test_wrong_password_is_error_2_in_the_result(house: House, element: str) -> None:
    """Never a fault; the one of the login counts towards the ban."""
    expected = {"error": "2"} if "status" not in element else {"err": "0", "error": "2"}
    assert result(house, element, "<login>alex</login><psw>no</psw>") == expected
    assert house.guard.failed == [("127.0.0.1", "alex")]
    assert result(house, element, "") == expected


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        (Reason.BAD_PARAMETERS, {"error": "1"}),
        (Reason.NO_MONEY, {"id": "18", "error": "3"}),
        (Reason.BAD_TIME, {"error": "5"}),
        (Reason.TEXT_DENIED, {"id": "18", "error": "6"}),
        (Reason.BAD_NUMBER, {"id": "18", "error": "7"}),
        (Reason.NO_ROUTE, {"id": "18", "error": "8"}),
        (Reason.REPEATED_REQUEST, {"error": "9"}),
        (Reason.STORE_FULL, {"error": "9"}),
    ],
)
def test_refusal_of_a_text_is_its_number(house: House, reason: Reason, fields: dict[str, str]) -> None:
    """With the id of what was stored all the same."""
    house.submitting.result = Refusal(reason, "why", "18" if "id" in fields else "")
    assert result(house, "send", LOGIN + TEXT) == fields


def test_ban_pace_and_concurrency_are_those_of_http(house: House) -> None:
    """One way in for every door: the eleventh balance in a minute is refused, by whatever door the ten came."""
    for _ in range(5):
        assert result(house, "balance", LOGIN) == {"balance": "250.80", "error": "0"}
        assert house.ask("/sys/balance.php") == "250.80"
    assert result(house, "balance", LOGIN) == {"error": "9"}
    assert (house.guard.inside, house.guard.left) == (0, 11)
    for _ in range(5):
        result(house, "status", LOGIN + "<phone>79001112233</phone><id>55</id>")
    assert result(house, "status", LOGIN + "<phone>79001112233</phone><id>55</id>") == {"err": "0", "error": "9"}
    house.guard.banned.add("127.0.0.1")
    assert result(house, "send", LOGIN + TEXT) == {"error": "4"}


def test_unknown_message_is_error_3(house: House) -> None:
    """Seed 004; HTTP has status -3 in its place."""
    assert result(house, "status", LOGIN + "<phone>79001112233</phone><id>56</id><all>2</all>") == {
        "err": "0",
        "error": "3",
    }
    assert "-3" in house.ask("/sys/status.php", phone="79001112233", id=56)


def test_status_is_of_one_message(house: House) -> None:
    """A result has no place for a list; a closing comma alone is none."""
    assert result(house, "status", LOGIN + "<phone>79001112233</phone><id>55,</id>")["status"] == "20"
    assert result(house, "status", LOGIN + "<phone>79001112233</phone><id>55,56</id>") == {"err": "0", "error": "1"}
    assert result(house, "status", LOGIN + "<phone>79001112233</phone>") == {"err": "0", "error": "1"}


def test_message_is_deleted_by_query(house: House) -> None:
    """What answers OK over HTTP answers error 0."""
    children = LOGIN + "<phone>79001112233</phone><id>55</id><query>del=1</query>"
    assert result(house, "status2", children) == {"err": "0", "error": "0"}
    assert house.statuses.deleted == [("55", "79001112233")]


@pytest.mark.parametrize(
    "query", ["%00", "a=%FF", "bin=2&amp;mes=zz", "mes=Ж&amp;charset=martian", "mes=漢&amp;charset=koi8-r"]
)
def test_bad_parameters_are_error_1(house: House, query: str) -> None:
    """What the query or an element holds is the API's business."""
    phones = "<phones>79001112233</phones>"
    assert result(house, "send2", f"{LOGIN}{phones}<query>{query}</query>")["error"] == "1"
    assert result(house, "send", f"{LOGIN}{phones}<mes><b>bold</b></mes>") == {"error": "1"}


def test_fault_of_the_program_is_error_1_and_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """As over HTTP: the trace is the operator's, the customer gets a number."""
    house.money = house.api._services.money = None  # type: ignore[assignment]
    assert result(house, "balance", LOGIN) == {"error": "1"}
    assert "api_operation_failed" in caplog.text


# -- bad envelopes --------------------------------------------------------------------------------------------------

BAD = {
    "broken": (b"<e:Envelope", "well-formed"),
    "empty": (b"", "well-formed"),
    "form": (b"login=alex&psw=123", "well-formed"),
    "json": (b'{"a": 1}', "well-formed"),
    "not an envelope": (b"<balance/>", "no Envelope"),
    "no body": (f'<Envelope xmlns="{SOAP11}"/>'.encode(), "no Body"),
    "empty body": (wrap(""), "Body is empty"),
    "text in body": (wrap("balance"), "Body is empty"),
    "unknown method": (wrap("<get_balance/>"), "no method"),
    "DTD": (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + wrap("<balance>&x;</balance>"), "DTD"),
    "entity": (wrap("<balance><login>&nbsp;</login></balance>"), "undefined entity"),
    "deep": (wrap("<a>" * 100_000), "nested"),
    "wide": (wrap("<balance>" + "<a/>" * 100_000 + "</balance>"), "elements"),
    "too large": (wrap("<balance>" + " " * 10_000_000 + "</balance>"), "larger than"),
    "bytes": (wrap("<balance><login>Ж</login></balance>").replace("Ж".encode(), b"\xc6"), "well-formed"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_envelope_is_a_fault_with_words(house: House, name: str) -> None:
    """Of the client's kind; nothing was asked of the services."""
    body, words = BAD[name]
    answer = ask(SoapService(house.api), body, PATH)
    assert (answer.status, answer.content_type) == (500, TYPES[SOAP11])
    code, text = fault_of(answer)
    assert code == "Client"
    assert words in text
    assert house.guard.failed == []
    answer = ask(SoapService(house.api), body.replace(SOAP11.encode(), SOAP12.encode()), PATH, TYPES[SOAP12])
    assert (answer.status, answer.content_type) == (400, TYPES[SOAP12])
    assert fault_of(answer)[0] == "Sender"


def test_unknown_encoding_is_a_fault(house: House) -> None:
    """Named by the Content-Type or by the document."""
    for data, kind in (
        (b'<?xml version="1.0" encoding="martian"?><a/>', b"text/xml"),
        (b"<a/>", b"text/xml; charset=x"),
    ):
        assert fault_of(ask(SoapService(house.api), data, PATH, kind)) == ("Client", "unknown encoding")


def test_large_envelope_is_parsed_in_turns_of_the_loop(house: House) -> None:
    """The longest that is taken answers like a short one, and others are served meanwhile."""
    phones = ",".join(str(79_000_000_000 + n) for n in range(20_000))
    assert result(house, "send", f"{LOGIN}<phones>{phones}</phones><mes>Hi</mes>")["error"] == "0"
    assert len(house.submitting.asked[0].recipients) == 20_000
    filler = "x" * (MAX_BODY - 1000)
    assert result(house, "balance", f"{LOGIN}<filler>{filler}</filler>")["error"] == "0"


def test_others_are_served_while_a_large_envelope_is_read(house: House) -> None:
    """A megabyte must not hold up a code."""

    async def story() -> None:
        service, order = SoapService(house.api), list[str]()
        large = wrap(f"<balance>{LOGIN}<filler>{'x' * 1_000_000}</filler></balance>")
        for name, body in (("large", large), ("small", wrap(f"<balance>{LOGIN}</balance>"))):
            request = Request("POST", PATH, body=body, received_ns=NOW_MS * 1_000_000)
            service(request, lambda answer, name=name: order.append(name))  # type: ignore[misc]
        assert order == ["small"]
        while len(order) < 2:
            await asyncio.sleep(0)

    asyncio.run(story())


def test_requests_leave_nothing_for_the_collector(house: House) -> None:
    """Its full passes hold the loop: cycles of every request would bring them on."""
    service, answers = SoapService(house.api), list[Answer]()
    for body in (
        wrap(f"<send>{LOGIN}{TEXT}</send>"),
        wrap(f"<balance>{LOGIN}</balance>"),
        wrap("<nothing/>"),
        b"<broken",
    ):
        # Threads of the test runner leave some too, now and then; a request would leave some each time.
        assert min(count_left(service, body, answers) for _ in range(4)) == 0
    assert len(answers) == 16


def count_left(service: SoapService, body: bytes, answers: list[Answer]) -> int:
    """Objects that only the collector finds after one request."""
    gc.collect()
    gc.disable()
    try:
        service(Request("POST", PATH, body=body, received_ns=NOW_MS * 1_000_000), answers.append)
        return gc.collect()
    finally:
        gc.enable()


def test_other_versions_and_headers_have_faults_of_their_own(house: House) -> None:
    """Those that SOAP names."""
    other = ask(SoapService(house.api), wrap(f"<balance>{LOGIN}</balance>", "urn:soap:9"), PATH)
    assert (other.status, fault_of(other)[0]) == (500, "VersionMismatch")
    for soap, mark in ((SOAP11, "1"), (SOAP12, "true")):
        header = f'<e:Header><x:Security xmlns:x="urn:x" e:mustUnderstand="{mark}"/></e:Header>'
        must = ask(SoapService(house.api), wrap(f"<balance>{LOGIN}</balance>", soap, header), PATH, TYPES[soap])
        assert (must.status, fault_of(must)[0]) == (500, "MustUnderstand")
        for may in (
            'e:mustUnderstand="0"',
            "",
            f'e:mustUnderstand="1" e:{"actor" if soap == SOAP11 else "role"}="urn:other"',
        ):
            header = f'<e:Header><x:Security xmlns:x="urn:x" {may}/></e:Header>'
            fine = ask(SoapService(house.api), wrap(f"<balance>{LOGIN}</balance>", soap, header), PATH, TYPES[soap])
            assert body_of(fine).name == "BalanceResponse"


def test_door_and_program_answer_in_envelopes() -> None:
    """What the door does not take, and what fails before a method is known."""
    request = Request("POST", PATH, headers={b"content-type": TYPES[SOAP12]})
    assert (too_large(request).status, fault_of(too_large(request))) == (400, ("Sender", "the request is too large"))
    assert (failed(request).status, fault_of(failed(request))) == (500, ("Receiver", "internal failure"))


@given(st.lists(st.sampled_from([
    "<", ">", "</", "/>", "&", ";", "<![CDATA[", "]]>", "<!--", "-->", "<?xml", "?>", "<!DOCTYPE a [", "<e:Body>", "</e:Body>",
    "<send>", "</send>", "<login>", "</login>", "alex", "123", ' xmlns:e="' + SOAP11 + '"', "<e:Envelope", "</e:Envelope>",
    "&#0;", "&lt;", " ", "\0", "Ж", "<e:Header>", "</e:Header>", "<mes>", "</mes>", "<query>", "</query>", "%", "=",
]), max_size=25))  # fmt: skip
def test_any_mixture_of_pieces_is_answered_once(pieces: list[str]) -> None:
    """Whatever it is: one answer that can be read."""
    house = House((*balance.OPERATIONS, *send.OPERATIONS, *status.OPERATIONS))
    service = SoapService(house.api)
    mixture = "".join(pieces)
    for body in (mixture.encode(), wrap(mixture), wrap(f"<send2>{LOGIN}{mixture}</send2>")):
        answers: list[Answer] = []
        service(Request("POST", PATH, body=body, received_ns=NOW_MS * 1_000_000), answers.append)
        assert len(answers) == 1
        assert isinstance(answers[0], Response)
        assert body_of(answers[0]).name in {"Fault", *(method.response for method in METHODS)}


# -- the description ------------------------------------------------------------------------------------------------


def describe(house: House, query: bytes = b"wsdl", method: str = "GET", **fields: Any) -> Response:
    answers: list[Answer] = []
    SoapService(house.api)(Request(method, PATH, query, **fields), answers.append)
    assert isinstance(answers[0], Response)
    return answers[0]


def find(root: Element, name: str) -> list[Element]:
    """All elements of a name."""
    return [found for child in root.children for found in ([child] if child.name == name else []) + find(child, name)]


@pytest.mark.parametrize(
    ("host", "secure", "address"),
    [
        (b"sms.example.ru", False, "http://sms.example.ru/sys/soap.php"),
        (b"smsc.example:8443", True, "https://smsc.example:8443/sys/soap.php"),
        (b"[::1]:80", False, "http://[::1]:80/sys/soap.php"),
        (b'x" onload="', False, "http://localhost/sys/soap.php"),
        (b"", True, "https://localhost/sys/soap.php"),
    ],
)
def test_description_is_of_the_address_that_was_asked(house: House, host: bytes, secure: bool, address: str) -> None:
    """Namespace, SOAPAction and location, whatever brand the host is of."""
    for query in (b"wsdl", b"WSDL", b"a=1&wsdl=1"):
        answer = describe(house, query, headers={b"host": host}, secure=secure)
        assert (answer.status, answer.content_type) == (200, b"text/xml; charset=utf-8")
        root = parse_document(answer.body)
        assert root.attribute("targetNamespace") == address
        assert {each.attribute("soapAction") for each in find(root, "operation") if each.attribute("soapAction")} == {
            address
        }
        assert [each.attribute("location") for each in find(root, "address")] == [address]


def test_description_and_methods_cannot_differ(house: House) -> None:
    """Every method with its elements, the required ones marked so, is in it."""
    root = parse_document(describe(house).body)
    schema = root.child("types").child("schema")  # type: ignore[union-attr]
    assert schema is not None
    elements = {each.attribute("name"): each for each in schema.children if each.name == "element"}
    types = {each.attribute("name"): each for each in schema.children if each.name == "complexType"}
    for method in METHODS:
        fields = find(elements[method.element], "element")
        written = [each.attribute("name") + "?" * (each.attribute("minOccurs") == "0") for each in fields]
        assert written == list(method.inputs)
        outputs = find(types[f"{method.response}Type"], "element")
        assert [each.attribute("name") for each in outputs] == list(method.outputs)
        assert {each.attribute("minOccurs") for each in outputs} == {"0"}
    assert {"query"} <= {
        name for method in METHODS for name in method.inputs if method.name in ("get_sms_cost2", "get_status2")
    }
    assert len(find(root, "operation")) == 3 * len(METHODS)


def test_guide_tells_every_method_as_it_is() -> None:
    """The table of the guide is what people write their calls from."""
    guide = (Path(__file__).resolve().parents[2] / "docs" / "soap.md").read_text("utf-8")
    for method in METHODS:
        inputs = " ".join(f"`{name}`" for name in method.inputs)
        outputs = " ".join(f"`{name}`" for name in method.outputs)
        answers = "as `get_status`" if method.name == "get_status2" else outputs
        assert f"| `{method.name}` | `{method.element}` | {inputs} | {answers} |\n" in guide
    outputs_of = {method.name: method.outputs for method in METHODS}
    assert outputs_of["get_status2"] == outputs_of["get_status"]


def test_get_without_wsdl_says_what_this_is(house: House) -> None:
    """A browser gets words, other methods their answer of HTTP."""
    answer = describe(house, b"")
    assert (answer.status, b"?wsdl" in answer.body) == (400, True)
    assert describe(house, b"wsdl", "HEAD").status == 200
    assert (describe(house, b"wsdl", "PUT").status, describe(house, b"", "DELETE").status) == (405, 405)
