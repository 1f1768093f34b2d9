"""The documents inside OMS envelopes, as strings in both directions (spec protocols 7.3; [MS-OMS] 2.2.3)."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from heliograph.api.render import escape_xml
from heliograph.core.texts import MAX_TEXT
from heliograph.gateways.oms_errors import (
    LENGTH_LIMIT,
    OK,
    OTHER,
    UNREGISTERED_SERVICE,
    Complaint,
)
from heliograph.wire.xml import Element

NAMESPACE: Final = "http://schemas.microsoft.com/office/Outlook/2006/OMS"
MAX_RECIPIENTS: Final = 200  # of one message
MESSAGES: Final = 20  # texts of one message, as clients are told
MAX_MESSAGES: Final = 50  # what they send all the same as a summary of a calendar
BATCH: Final = 20  # messages of one batch
SBCS, DBCS = 160, 70  # characters of a text, ASCII only or not, into which clients cut

_SMS = "SMS_SENDER"
_SCHEDULED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?Z", re.ASCII)


class OmsError(Exception):
    """A document that asks for what cannot be done."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.complaint = Complaint(code, text)


class User(NamedTuple):
    """Who asks."""

    login: str
    password: str


class Message(NamedTuple):
    """One xmsData: texts to be sent in their order to all recipients, at ``send_s`` (UNIX seconds, 0 is now)."""

    user: User
    recipients: tuple[str, ...]
    texts: tuple[str, ...]
    send_s: int


class About(NamedTuple):
    """What a client is told of the service."""

    provider: str
    name: str
    sign_up: str
    locale: int


def read_user(element: Element | None) -> User:
    """The credentials of ``xmsUser`` or ``user``; those that lack are empty."""
    if element is None:
        return User("", "")
    return User(element.child_text("userId").strip(), element.child_text("password"))


def read_message(root: Element, default: User | None = None) -> Message:
    """An ``xmsData``; OmsError. ``default`` are the credentials of the batch around it."""
    if root.name != "xmsData":
        raise OmsError(OTHER, "the document is no xmsData")
    head, body = root.child("xmsHead"), root.child("xmsBody")
    if head is None or body is None:
        raise OmsError(OTHER, "xmsHead or xmsBody is missing")
    service = head.child_text("requiredService").strip() or _SMS
    if service != _SMS or body.attribute("format").strip().upper() not in ("", "SMS"):
        raise OmsError(UNREGISTERED_SERVICE, service if service != _SMS else "MMS_SENDER")
    to = head.child("to")
    phones = [each.text.strip() for each in to.children if each.name == "recipient"] if to is not None else []
    recipients = tuple(dict.fromkeys(phone for phone in phones if phone))
    if not recipients:
        raise OmsError(OTHER, "there is no recipient")
    if len(recipients) > MAX_RECIPIENTS:
        raise OmsError(OTHER, f"more than {MAX_RECIPIENTS} recipients")
    texts = tuple(each.text for each in body.children if each.name == "content")
    _check_texts(texts)
    user = root.child("user")
    return Message(
        read_user(user) if user is not None or default is None else default,
        recipients,
        texts,
        _read_time(head.child_text("scheduled").strip()),
    )


def _check_texts(texts: tuple[str, ...]) -> None:
    if not texts:
        raise OmsError(OTHER, "there is no content")
    if len(texts) > MAX_MESSAGES:
        raise OmsError(OTHER, f"more than {MAX_MESSAGES} texts")
    if any(len(text) > MAX_TEXT for text in texts):
        raise OmsError(LENGTH_LIMIT, f"{SBCS} characters of ASCII, {DBCS} of others; {MAX_TEXT} in several parts")


def _read_time(text: str) -> int:
    if not text:
        return 0
    if _SCHEDULED.fullmatch(text):
        try:
            return int(datetime.fromisoformat(text[:19]).replace(tzinfo=UTC).timestamp())
        except ValueError:
            pass
    raise OmsError(OTHER, "scheduled is no time of the form 2026-01-31T09:00:00Z")


def read_batch(root: Element) -> list[tuple[str, Element]]:
    """The messages of an ``xmsBatch`` with their ids; OmsError."""
    if root.name != "xmsBatch":
        raise OmsError(OTHER, "the document is no xmsBatch")
    messages = [(each.attribute("id"), each) for each in root.children if each.name == "xmsData"]
    if not messages:
        raise OmsError(OTHER, "there is no xmsData")
    if len(messages) > BATCH:
        raise OmsError(OTHER, f"more than {BATCH} messages")
    return messages


def write_service_info(about: About, address: str) -> str:
    """``serviceInfo``; ``address`` is that of the service, which clients know it by."""
    sign_up = about.sign_up or address[: address.index("/", 8) + 1]
    return (
        f'<serviceInfo xmlns="{NAMESPACE}/serviceInfo">'
        f"<serviceProvider>{escape_xml(about.provider)}</serviceProvider>"
        f"<serviceUri>{escape_xml(address)}</serviceUri>"
        f"<signUpPage>{escape_xml(sign_up)}</signUpPage>"
        f"<targetLocale>{about.locale}</targetLocale>"
        f"<localName>{escape_xml(about.name)}</localName>"
        f"<englishName>{escape_xml(about.name)}</englishName>"
        "<authenticationType>other</authenticationType>"
        f"<batchSize>{BATCH}</batchSize>"
        f'<supportedService><SMS_SENDER maxRecipientsPerMessage="{MAX_RECIPIENTS}" maxMessagesPerSend="{MESSAGES}" '
        f'maxSbcsPerMessage="{SBCS}" maxDbcsPerMessage="{DBCS}"/></supportedService></serviceInfo>'
    )


def write_user_info(smtp_address: str) -> str:
    """``userInfo`` of a user whose password is right. His phone is not known: clients ask him for it."""
    return (
        f'<userInfo xmlns="{NAMESPACE}"><replyPhone/><smtpAddress>{escape_xml(smtp_address)}</smtpAddress>'
        f"{_write_error(Complaint(OK))}</userInfo>"
    )


def write_user_error(complaint: Complaint) -> str:
    """``userInfo`` of anybody else: why there is none."""
    return f'<userInfo xmlns="{NAMESPACE}">{_write_error(complaint)}</userInfo>'


def write_response(complaints: Iterable[Complaint]) -> str:
    """``xmsResponse``."""
    return f'<xmsResponse xmlns="{NAMESPACE}">{"".join(map(_write_error, complaints))}</xmsResponse>'


def write_responses(responses: Iterable[tuple[str, list[Complaint]]]) -> str:
    """``xmsResponses``: those of a batch with the ids of its messages."""
    texts = [
        f'<xmsResponse id="{escape_xml(id)}">{"".join(map(_write_error, complaints))}</xmsResponse>'
        for id, complaints in responses
    ]
    return f'<xmsResponses xmlns="{NAMESPACE}">{"".join(texts)}</xmsResponses>'


def _write_error(complaint: Complaint) -> str:
    if complaint.code == OK:
        return '<error code="ok" severity="neutral"/>'
    phones = f"<recipientList>{escape_xml(';'.join(complaint.phones))}</recipientList>" if complaint.phones else ""
    return (
        f'<error code="{complaint.code}" severity="failure">'
        f"<content>{escape_xml(complaint.text)}</content>{phones}</error>"
    )


OPERATIONS: Final = {
    "GetServiceInfo": "",
    "GetUserInfo": "xmsUser",
    "SendXms": "xmsData",
    "DeliverXms": "xmsData",
    "DeliverXmsBatch": "packageXml",
}
"""Each operation with its argument."""


@lru_cache(maxsize=1)
def _template() -> str:
    def elements(name: str, argument: str) -> str:
        field = '<xs:element minOccurs="0" maxOccurs="1" name="{}" type="xs:string"/>'
        inside = f"<xs:sequence>{field.format(argument)}</xs:sequence>" if argument else ""
        return (
            f'<xs:element name="{name}"><xs:complexType>{inside}</xs:complexType></xs:element>'
            f'<xs:element name="{name}Response"><xs:complexType><xs:sequence>{field.format(name + "Result")}'
            "</xs:sequence></xs:complexType></xs:element>"
        )

    names = list(OPERATIONS)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<definitions name="OMS" targetNamespace="{NAMESPACE}" xmlns="http://schemas.xmlsoap.org/wsdl/"'
        f' xmlns:tns="{NAMESPACE}" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"'
        ' xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        f'<types><xs:schema elementFormDefault="qualified" targetNamespace="{NAMESPACE}">'
        + "".join(elements(name, argument) for name, argument in OPERATIONS.items())
        + "</xs:schema></types>"
        + "".join(
            f'<message name="{name}SoapIn"><part name="parameters" element="tns:{name}"/></message>'
            f'<message name="{name}SoapOut"><part name="parameters" element="tns:{name}Response"/></message>'
            for name in names
        )
        + '<portType name="OMSSoap">'
        + "".join(
            f'<operation name="{name}"><input message="tns:{name}SoapIn"/>'
            f'<output message="tns:{name}SoapOut"/></operation>'
            for name in names
        )
        + '</portType><binding name="OMSSoap" type="tns:OMSSoap">'
        '<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>'
        + "".join(
            f'<operation name="{name}"><soap:operation soapAction="{NAMESPACE}/{name}"/>'
            '<input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>'
            for name in names
        )
        + '</binding><service name="OMS"><port name="OMSSoap" binding="tns:OMSSoap">'
        '<soap:address location="{address}"/></port></service></definitions>\n'
    )


def describe_service(address: str) -> str:
    """The WSDL 1.1 of the service at an address."""
    return _template().replace("{address}", escape_xml(address))
