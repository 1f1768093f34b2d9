"""The service for Outlook and SharePoint: documents in strings, texts in order, every code of error (spec protocols 7)."""

import asyncio
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.api import ALEX, NOW_MS, FakeSubmitting, House
from tests.gateways.soap_rig import SOAP11, SOAP12, TYPES, ask, body_of, fault_of, wrap

from heliograph.api.operations import send
from heliograph.api.request import Answer, Request, Response
from heliograph.core.accounts import Account, Settings
from heliograph.core.messages import Accepted, Door, Submission, Verdict
from heliograph.core.reasons import Reason, Refusal
from heliograph.core.status import REFUSALS
from heliograph.gateways.oms import PATHS, OmsService
from heliograph.gateways.oms_documents import NAMESPACE, OPERATIONS, About
from heliograph.gateways.oms_errors import CODES, code_of_verdict
from heliograph.wire.xml import Element, parse_document

ABOUT = About("Acme & Co", "Acme SMS", "", 1049)
USER = "<user><userId>alex</userId><password>123</password><replyPhone/><customData/></user>"
OK = '<error code="ok" severity="neutral"/>'
PUBLISHED = {
    "ok", "invalidUser", "unregisteredUser", "unregisteredService", "expiredUser", "ceasedService", "invalidRecipient",
    "crossCarrier", "invalidChar", "invalidMedia", "perDayMsgLimit", "perMonthMsgLimit", "lengthLimit", "sizeLimit",
    "slidesLimit", "lowBalance", "serviceNetwork", "noScheduled", "serviceUpdate", "other",
}  # fmt: skip


@pytest.fixture
def house() -> House:
    house = House(send.OPERATIONS)
    house.submitting.result = Accepted("17", 1, 16_000, 984_000, (Verdict("79001112233", "25001", 16_000, 1),))
    return house


def invoke(house: House, name: str, document: str | None = None, soap: str = SOAP11, path: str = PATHS[0]) -> Response:
    """The answer to an operation."""
    argument = f"<{OPERATIONS[name]}>{escape(document)}</{OPERATIONS[name]}>" if document is not None else ""
    content = f'<{name} xmlns="{NAMESPACE}">{argument}</{name}>'
    return ask(OmsService(house.api, ABOUT), wrap(content, soap), path, TYPES[soap])


def result(house: House, name: str, document: str | None = None) -> str:
    """The document in the answer to an operation."""
    answer = invoke(house, name, document)
    assert (answer.status, answer.content_type) == (200, TYPES[SOAP11])
    response = body_of(answer)
    assert (response.name, response.namespace) == (f"{name}Response", NAMESPACE)
    assert [child.name for child in response.children] == [f"{name}Result"]
    assert parse_document(response.children[0].text.encode())
    return response.children[0].text


def xms(
    *texts: str,
    to: tuple[str, ...] = ("79001112233",),
    head: str = "",
    user: str = USER,
    id: str = "",
    kind: str = "SMS",
) -> str:
    """An xmsData."""
    recipients = "".join(f"<recipient>{phone}</recipient>" for phone in to)
    contents = "".join(
        f'<content contentType="text/plain" contentId="{n}">{escape(t)}</content>' for n, t in enumerate(texts)
    )
    return (
        f'<xmsData client="Microsoft Office Outlook 14.0"{f" id={quoteattr(id)}" if id else ""} xmlns="{NAMESPACE}">{user}'
        f"<xmsHead><requiredService>{kind}_SENDER</requiredService>{head}<to>{recipients}</to></xmsHead>"
        f'<xmsBody format="{kind}">{contents}</xmsBody></xmsData>'
    )


def response(*errors: str) -> str:
    return f'<xmsResponse xmlns="{NAMESPACE}">{"".join(errors)}</xmsResponse>'


def error(code: str, text: str, phones: str = "") -> str:
    listed = f"<recipientList>{phones}</recipientList>" if phones else ""
    return f'<error code="{code}" severity="failure"><content>{text}</content>{listed}</error>'


# -- what is told of the service and of users ------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS)
def test_service_is_told_without_a_login(house: House, path: str) -> None:
    """Outlook asks for it before it asks for a password; the address is what it knows the service by."""
    found = body_of(invoke(house, "GetServiceInfo", path=path)).children[0].text
    assert found == (
        f'<serviceInfo xmlns="{NAMESPACE}/serviceInfo"><serviceProvider>Acme &amp; Co</serviceProvider>'
        f"<serviceUri>http://sms.example.ru{path}</serviceUri><signUpPage>http://sms.example.ru/</signUpPage>"
        "<targetLocale>1049</targetLocale><localName>Acme SMS</localName><englishName>Acme SMS</englishName>"
        "<authenticationType>other</authenticationType><batchSize>20</batchSize><supportedService>"
        '<SMS_SENDER maxRecipientsPerMessage="200" maxMessagesPerSend="20" maxSbcsPerMessage="160" maxDbcsPerMessage="70"/>'
        "</supportedService></serviceInfo>"
    )


@pytest.mark.parametrize("soap", [SOAP11, SOAP12])
def test_envelope_of_the_answer_is_golden(house: House, soap: str) -> None:
    """The document is escaped inside it."""
    answer = invoke(house, "DeliverXms", xms("Hi"), soap)
    assert answer.content_type == TYPES[soap]
    assert (
        answer.body
        == (
            f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{soap}"><soap:Body>'
            f'<DeliverXmsResponse xmlns="{NAMESPACE}"><DeliverXmsResult>&lt;xmsResponse xmlns=&quot;{NAMESPACE}&quot;&gt;'
            "&lt;error code=&quot;ok&quot; severity=&quot;neutral&quot;/&gt;&lt;/xmsResponse&gt;"
            "</DeliverXmsResult></DeliverXmsResponse></soap:Body></soap:Envelope>"
        ).encode()
    )


def xms_user(login: str = "alex", password: str = "123") -> str:
    return f'<xmsUser client="SP" xmlns="{NAMESPACE}"><userId>{login}</userId><password>{password}</password></xmsUser>'


def test_user_is_told_his_address(house: House) -> None:
    """Unique to him."""
    assert result(house, "GetUserInfo", xms_user()) == (
        f'<userInfo xmlns="{NAMESPACE}"><replyPhone/><smtpAddress>alex@sms.example.ru</smtpAddress>{OK}</userInfo>'
    )
    assert (house.guard.inside, house.guard.left) == (0, 1)


def test_wrong_user_is_told_only_that(house: House) -> None:
    """And counts towards the ban like any other wrong password."""
    wrong = f'<userInfo xmlns="{NAMESPACE}">{error("invalidUser", "wrong user id or password")}</userInfo>'
    assert result(house, "GetUserInfo", xms_user(password="no")) == wrong
    assert result(house, "GetUserInfo", "<xmsUser/>") == wrong
    assert house.guard.failed == [("127.0.0.1", "alex")]
    house.credentials.account = Account(7, "alex", "RUR", 0, 1, Settings(blocked=True))
    assert result(house, "GetUserInfo", xms_user()) == wrong
    assert 'code="other"' in result(house, "GetUserInfo", "<xmsUser")


def test_users_are_asked_for_at_a_pace(house: House) -> None:
    """Ten a minute, as balances."""
    for _ in range(10):
        assert OK in result(house, "GetUserInfo", xms_user())
    assert 'code="other"' in result(house, "GetUserInfo", xms_user())


def test_key_serves_as_a_password_without_a_user(house: House) -> None:
    """As in psw of the HTTP interface."""
    assert OK in result(house, "GetUserInfo", xms_user("", "k-demo"))


# -- texts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SendXms", "DeliverXms"])
def test_contents_are_texts_of_their_own_in_order(house: House, name: str) -> None:
    """Clients cut long texts themselves and number the parts."""
    texts = [f"({n}/20) Ёж & <ко>" for n in range(20)]
    assert result(house, name, xms(*texts, to=("79001112233", " +79001112234 ", "79001112233", ""))) == response(OK)
    asked = house.submitting.asked
    assert [each.recipients[0].text for each in asked] == texts
    assert [recipient.given for recipient in asked[0].recipients] == ["79001112233", "+79001112234"]
    assert {(each.door, each.sender, each.send_ms, each.client) for each in asked} == {(Door.OMS, None, 0, "127.0.0.1")}
    assert house.guard.left == 20


def test_next_text_waits_for_the_one_before(house: House) -> None:
    """Order is kept when texts wait for their commit."""
    house.submitting.slow = True
    answers: list[Answer] = []
    content = f'<SendXms xmlns="{NAMESPACE}"><xmsData>{escape(xms("one", "two"))}</xmsData></SendXms>'

    async def story() -> None:
        request = Request("POST", PATHS[0], body=wrap(content), received_ns=NOW_MS * 1_000_000)
        OmsService(house.api, ABOUT)(request, answers.append)
        for count in (1, 2):
            await asyncio.sleep(0)
            assert (len(house.submitting.asked), answers) == (count, [])
            house.submitting.pending.pop()()
        await asyncio.sleep(0)

    asyncio.run(story())
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("scheduled", "send_ms"),
    [
        ("2024-11-15T09:30:00Z", 1_731_663_000_000),
        ("2024-11-14T09:00:00Z", 0),
        ("2024-11-15T09:30:00.000Z", 1_731_663_000_000),
    ],
)
def test_scheduled_texts_go_out_at_their_time(house: House, scheduled: str, send_ms: int) -> None:
    """In UTC; a time that is over is now."""
    assert result(house, "DeliverXms", xms("Hi", head=f"<scheduled>{scheduled}</scheduled>")) == response(OK)
    assert house.submitting.asked[0].send_ms == send_ms


def test_reply_phone_and_unknown_elements_are_ignored(house: House) -> None:
    """The sender is the account's."""
    user = USER.replace("<replyPhone/>", "<replyPhone>79005556677</replyPhone><x><y/></x>")
    assert result(
        house, "DeliverXms", xms("Hi", user=user, head="<subject>s</subject><sourceType>reminder</sourceType>")
    ) == (response(OK))
    assert house.submitting.asked[0].sender is None


def test_document_may_be_dressed_as_clients_dress_it(house: House) -> None:
    """With a declaration of another encoding, a byte order mark, blanks before it, other namespaces, CDATA."""
    document = xms("Hi")
    for dressed in (
        f'<?xml version="1.0" encoding="utf-16"?>{document}',
        f'\ufeff\r\n<?xml version="1.0"?>{document}',
        document.replace(NAMESPACE, "urn:other"),
        document.replace("Hi", "<![CDATA[Hi]]>"),
    ):
        assert result(house, "DeliverXms", dressed) == response(OK)
    assert {each.recipients[0].text for each in house.submitting.asked} == {"Hi"}


# -- errors ---------------------------------------------------------------------------------------------------------


def test_dictionary_is_complete() -> None:
    """Each refusal has a code of those that clients know, and so has every problem of a recipient."""
    assert CODES.keys() == set(Reason)
    assert set(CODES.values()) <= PUBLISHED
    assert {code_of_verdict(*verdict) for verdict in REFUSALS.values()} <= PUBLISHED - {"ok"}
    assert code_of_verdict(20, 999) == "other"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Reason.BAD_PARAMETERS, error("other", "parameters error: why")),
        (Reason.LATER_FEATURE, error("unregisteredService", "parameters error: why comes in a later version")),
        (Reason.NO_MONEY, error("lowBalance", "balance 250.8")),
        (Reason.TEXT_DENIED, error("invalidChar", "the text is forbidden")),
        (Reason.SENDER_DENIED, error("other", "message is denied")),
        (Reason.BAD_NUMBER, error("invalidRecipient", "number not accepted", "79001112233")),
        (Reason.BLACK_LISTED, error("invalidRecipient", "number not accepted", "79001112233")),
        (Reason.NO_ROUTE, error("crossCarrier", "no way to the number", "79001112233")),
        (Reason.DAY_LIMIT, error("perDayMsgLimit", "0")),
        (Reason.STORE_FULL, error("serviceNetwork", "too many concurrent requests")),
        (Reason.TOO_MANY_AT_ONCE, error("other", "too many concurrent requests")),
        (Reason.REPEATED_REQUEST, OK),
        (Reason.DUPLICATE, OK),
    ],
)
def test_refusal_is_told_by_its_code(house: House, reason: Reason, told: str) -> None:
    """With the details that the code has; what was sent a moment ago is sent, for Outlook asks again."""
    house.submitting.result = Refusal(reason, "why")
    assert result(house, "DeliverXms", xms("Hi")) == response(told)


def test_login_and_ban_are_those_of_http(house: House) -> None:
    """Nothing else is tried after a wrong password."""
    user = USER.replace("123", "no")
    told = response(error("invalidUser", "wrong user id or password"))
    assert result(house, "DeliverXms", xms("one", "two", user=user)) == told
    assert (house.guard.failed, house.submitting.asked) == ([("127.0.0.1", "alex")], [])
    house.guard.banned.add("127.0.0.1")
    assert result(house, "DeliverXms", xms("Hi")) == response(error("other", "ip is blocked"))


def test_daily_limit_is_told(house: House) -> None:
    """The limit itself."""
    house.credentials.account = replace(ALEX, settings=Settings(day_limit=5))
    house.submitting.result = Refusal(Reason.DAY_LIMIT)
    assert result(house, "DeliverXms", xms("Hi")) == response(error("perDayMsgLimit", "5"))


def test_bad_recipients_among_good_ones_are_listed(house: House) -> None:
    """Each code once, however many texts there were; the rest is understood as sent."""
    verdicts = (
        Verdict("79001112233", "25001", 8000, 1),
        Verdict("12", "0", 0, 1, *REFUSALS[Reason.BAD_NUMBER]),
        Verdict("13", "0", 0, 1, *REFUSALS[Reason.BAD_NUMBER]),
        Verdict("77010000000", "0", 0, 1, *REFUSALS[Reason.NO_ROUTE]),
        Verdict("79001110000", "0", 0, 1, *REFUSALS[Reason.FLOOD]),
    )
    house.submitting.result = Accepted("17", 1, 8000, 984_000, verdicts)
    assert result(house, "DeliverXms", xms("one", "two", to=tuple(each.phone for each in verdicts))) == response(
        error("invalidRecipient", "number not accepted", "12;13"),
        error("crossCarrier", "no way to the number", "77010000000"),
        error("other", "not accepted", "79001110000"),
    )
    assert len(house.submitting.asked) == 2


class Failing(FakeSubmitting):
    """Refuses the second text."""

    def accept(self, account: Account, submission: Submission, now_ms: int, done: Any) -> None:
        self.result = Refusal(self.reason) if len(self.asked) == 1 else Accepted("1", 1, 0, 0, ())
        super().accept(account, submission, now_ms, done)

    reason = Reason.NO_MONEY


def test_texts_after_a_refused_one_are_not_sent(house: House) -> None:
    """A text without its middle is worse than its beginning; a copy of a moment ago is no refusal."""
    house.submitting = house.api._services.submitting = failing = Failing()
    assert result(house, "DeliverXms", xms("one", "two", "three")) == response(error("lowBalance", "balance 250.8"))
    assert len(failing.asked) == 2
    house.submitting = house.api._services.submitting = failing = Failing()
    failing.reason = Reason.REPEATED_REQUEST
    assert result(house, "DeliverXms", xms("one", "two", "three")) == response(OK)
    assert len(failing.asked) == 3


def test_fault_of_the_program_is_service_network(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """The trace is the operator's."""
    house.api._services.submitting = None  # type: ignore[assignment]
    assert result(house, "DeliverXms", xms("Hi")) == response(error("serviceNetwork", "internal failure"))
    assert "api_operation_failed" in caplog.text


BAD = {
    "MMS": (xms("Hi", kind="MMS"), "unregisteredService", "MMS_SENDER"),
    "no recipient": (xms("Hi", to=()), "other", "there is no recipient"),
    "many recipients": (xms("Hi", to=tuple(map(str, range(201)))), "other", "more than 200 recipients"),
    "no content": (xms(), "other", "there is no content"),
    "many contents": (xms(*["Hi"] * 51), "other", "more than 50 texts"),
    "long": (xms("x" * 1001), "lengthLimit", "160 characters of ASCII, 70 of others; 1000 in several parts"),
    "empty text": (xms(""), "other", "parameters error: mes is missing"),
    "time": (xms("Hi", head="<scheduled>tomorrow</scheduled>"), "other", "scheduled is no time of the form 2026-01-31T09:00:00Z"),
    "date": (xms("Hi", head="<scheduled>2024-02-31T09:00:00Z</scheduled>"), "other",
             "scheduled is no time of the form 2026-01-31T09:00:00Z"),
    "far": (xms("Hi", head="<scheduled>9999-01-01T00:00:00Z</scheduled>"), "other", "invalid date"),
    "other document": ("<xmsUser/>", "other", "the document is no xmsData"),
    "no head": ("<xmsData><xmsBody/></xmsData>", "other", "xmsHead or xmsBody is missing"),
    "no document": ("", "other", "no well-formed XML: no element found, line 1, column 0"),
    "DTD": ('<!DOCTYPE a [<!ENTITY x "y">]><xmsData>&x;</xmsData>', "other", "a document type declaration (DTD) is not allowed"),
    "deep": ("<a>" * 5000, "other", "elements are nested deeper than 32"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_document_is_an_error_in_the_result(house: House, name: str) -> None:
    """The envelope is fine, so the answer is one, too."""
    document, code, text = BAD[name]
    assert result(house, "DeliverXms", document) == response(error(code, text))


def test_missing_argument_and_unknown_operation(house: House) -> None:
    """The first is a document that is not there, the second a fault."""
    assert 'code="other"' in result(house, "DeliverXms")
    bad = ask(OmsService(house.api, ABOUT), wrap(f'<Nothing xmlns="{NAMESPACE}"/>'), PATHS[0])
    assert (bad.status, fault_of(bad)) == (500, ("Client", "the Body holds no operation of this service"))
    assert fault_of(ask(OmsService(house.api, ABOUT), b"<", PATHS[1]))[0] == "Client"


# -- batches --------------------------------------------------------------------------------------------------------


def batch(*messages: str, user: str = "") -> str:
    return f'<xmsBatch client="SP" xmlns="{NAMESPACE}">{user}{"".join(messages)}</xmsBatch>'


def test_batch_answers_each_message_with_its_id(house: House) -> None:
    """In order, each on its own: a bad one stops nobody else."""
    document = batch(
        xms("one", "two", id="a1"),
        xms("Hi", to=(), id="b&2"),
        xms("three", user="", id="c3"),
        xms("x", kind="MMS"),
        user=USER,
    )
    assert result(house, "DeliverXmsBatch", document) == (
        f'<xmsResponses xmlns="{NAMESPACE}"><xmsResponse id="a1">{OK}</xmsResponse>'
        f'<xmsResponse id="b&amp;2">{error("other", "there is no recipient")}</xmsResponse>'
        f'<xmsResponse id="c3">{OK}</xmsResponse>'
        f'<xmsResponse id="">{error("unregisteredService", "MMS_SENDER")}</xmsResponse></xmsResponses>'
    )
    assert [each.recipients[0].text for each in house.submitting.asked] == ["one", "two", "three"]


def test_largest_batch_is_sent(house: House) -> None:
    """Twenty messages of twenty texts to two hundred numbers each, and none more."""
    to = tuple(str(79_000_000_000 + n) for n in range(200))
    messages = [xms(*(f"{n} {m}" for m in range(20)), to=to, id=str(n)) for n in range(20)]
    assert result(house, "DeliverXmsBatch", batch(*messages)).count(OK) == 20
    assert len(house.submitting.asked) == 400
    assert "more than 20 messages" in result(house, "DeliverXmsBatch", batch(*messages, xms("Hi")))


@pytest.mark.parametrize(
    ("document", "words"), [("<xmsBatch/>", "no xmsData"), ("<xmsData/>", "no xmsBatch"), ("<", "well-formed")]
)
def test_bad_batch_is_an_error_in_the_result(house: House, document: str, words: str) -> None:
    """One response, without an id."""
    assert words in result(house, "DeliverXmsBatch", document)


# -- the description, and everything else -----------------------------------------------------------------------------


def test_description_has_every_operation() -> None:
    """Document, literal, wrapped; SOAPAction is namespace and operation."""
    answers: list[Answer] = []
    service = OmsService(House(send.OPERATIONS).api, ABOUT)
    service(Request("GET", PATHS[1], b"WSDL", headers={b"host": b"sms.example.ru"}, secure=True), answers.append)
    assert isinstance(answers[0], Response)
    root = parse_document(answers[0].body)

    def find(root: Element, name: str) -> list[Element]:
        return [found for child in root.children for found in [child] * (child.name == name) + find(child, name)]

    actions = {each.attribute("soapAction") for each in find(root, "operation")} - {""}
    assert actions == {f"{NAMESPACE}/{name}" for name in OPERATIONS}
    assert [each.attribute("location") for each in find(root, "address")] == [f"https://sms.example.ru{PATHS[1]}"]
    service(Request("GET", PATHS[0]), answers.append)
    service(Request("PUT", PATHS[0]), answers.append)
    assert [answer.status for answer in answers] == [200, 400, 405]


@settings(max_examples=40)
@given(st.text(max_size=200), st.sampled_from(sorted(OPERATIONS)), st.sampled_from(["{}", "<xmsData>{}", "<xmsBatch>{}</xmsBatch>",
       "<xmsData><xmsHead>{}</xmsHead><xmsBody>{}</xmsBody></xmsData>"]))  # fmt: skip
def test_any_document_is_answered_once(text: str, name: str, around: str) -> None:
    """With an envelope, whatever it is."""
    house = House(send.OPERATIONS)
    content = (
        f"<{name}><{OPERATIONS[name] or 'x'}>{escape(around.replace('{}', text))}</{OPERATIONS[name] or 'x'}></{name}>"
    )
    answer = ask(OmsService(house.api, ABOUT), wrap(content.replace("\0", "")[:4000]), PATHS[0])
    assert body_of(answer).name in (f"{name}Response", "Fault")
