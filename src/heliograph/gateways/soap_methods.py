"""The methods of the SOAP service as data, from which requests are read, replies written and the WSDL made (spec protocols
6.1, 6.2 and 6.4, spec clients 2.5)."""

from functools import lru_cache
from typing import NamedTuple

from heliograph.api.render import escape_xml


class Method(NamedTuple):
    """One method. Fields in the order of the schema; an input with ``?`` behind it may be left out, every output may.

    ``page`` is the operation of the HTTP API behind it.
    """

    name: str
    element: str
    inputs: tuple[str, ...]
    response: str
    result: str
    outputs: tuple[str, ...]
    page: str


_SENT = ("id", "balance", "cost", "cnt", "error")
_COST = ("cost", "cnt", "error")
_STATUS = (
    "status",
    "last_date",
    "last_timestamp",
    "err",
    "error",
    "send_date",
    "send_timestamp",
    "phone",
    "cost",
    "sender_id",
    "status_name",
    "message",
    "operator",
    "region",
    "sms_cnt",
)
# Either login and psw or apikey: so clients that insist on the schema can leave out what they do not use.
_LOGIN = ("login?", "psw?")
_SEND = (*_LOGIN, "phones", "mes", "id?", "sender?", "time?")
_ASK = (*_LOGIN, "phone", "id", "all?")
_PRICE = (*_LOGIN, "phones", "mes")

ERRORS = "errors"
"""The output that is a list: numbers with their status, where ``err=1`` or ``op=1`` of the query asks for them."""

METHODS = (
    Method(
        "get_balance",
        "balance",
        (*_LOGIN, "apikey?"),
        "BalanceResponse",
        "balanceresult",
        ("balance", "error"),
        "balance",
    ),
    Method("send_sms", "send", (*_SEND, "apikey?"), "SendResponse", "sendresult", _SENT, "send"),
    Method(
        "send_sms2",
        "send2",
        (*_SEND, "query?", "apikey?"),
        "Send2Response",
        "sendresult",
        (*_SENT, ERRORS, "code"),
        "send",
    ),
    Method("get_sms_cost", "cost", (*_PRICE, "apikey?"), "CostResponse", "costresult", _COST, "cost"),
    Method("get_sms_cost2", "cost2", (*_PRICE, "query", "apikey?"), "Cost2Response", "costresult", _COST, "cost"),
    Method("get_status", "status", (*_ASK, "apikey?"), "StatusResponse", "statusresult", _STATUS, "status"),
    Method("get_status2", "status2", (*_ASK, "query", "apikey?"), "Status2Response", "statusresult", _STATUS, "status"),
)
BY_ELEMENT = {method.element: method for method in METHODS}


def describe_service(address: str) -> str:
    """The WSDL 1.1 of the service at an address, which is its namespace too."""
    return _template().replace("{address}", escape_xml(address))


@lru_cache(maxsize=1)
def _template() -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<definitions name="Service" targetNamespace="{address}" xmlns="http://schemas.xmlsoap.org/wsdl/"'
        ' xmlns:tns="{address}" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"'
        ' xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        '<types><xs:schema targetNamespace="{address}">'
        + "".join(map(_elements, METHODS))
        + '<xs:complexType name="Error"><xs:sequence><xs:element name="phone" type="xs:string"/>'
        '<xs:element name="status" type="xs:string"/></xs:sequence></xs:complexType></xs:schema></types>'
        + "".join(map(_messages, METHODS))
        + '<portType name="ServiceSoap">'
        + "".join(
            f'<operation name="{method.name}"><input message="tns:{method.name}In"/>'
            f'<output message="tns:{method.name}Out"/></operation>'
            for method in METHODS
        )
        + '</portType><binding name="ServiceSoap" type="tns:ServiceSoap">'
        '<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>'
        + "".join(
            f'<operation name="{method.name}"><soap:operation soapAction="{{address}}"/>'
            '<input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation>'
            for method in METHODS
        )
        + '</binding><service name="Service"><port name="ServiceSoap" binding="tns:ServiceSoap">'
        '<soap:address location="{address}"/></port></service></definitions>\n'
    )


def _elements(method: Method) -> str:
    inputs = "".join(_field(name.removesuffix("?"), name.endswith("?")) for name in method.inputs)
    outputs = "".join(
        f'<xs:element name="{ERRORS}" type="tns:Error" minOccurs="0" maxOccurs="unbounded"/>'
        if name == ERRORS
        else _field(name, optional=True)
        for name in method.outputs
    )
    return (
        f'<xs:element name="{method.element}"><xs:complexType><xs:sequence>{inputs}</xs:sequence></xs:complexType>'
        f'</xs:element><xs:element name="{method.response}"><xs:complexType><xs:sequence>'
        f'<xs:element name="{method.result}" type="tns:{method.response}Type"/></xs:sequence></xs:complexType>'
        f'</xs:element><xs:complexType name="{method.response}Type"><xs:sequence>{outputs}</xs:sequence>'
        "</xs:complexType>"
    )


def _field(name: str, optional: bool) -> str:
    return f'<xs:element name="{name}" type="xs:string"{" minOccurs=" + chr(34) + "0" + chr(34) if optional else ""}/>'


def _messages(method: Method) -> str:
    return (
        f'<message name="{method.name}In"><part name="parameters" element="tns:{method.element}"/></message>'
        f'<message name="{method.name}Out"><part name="parameters" element="tns:{method.response}"/></message>'
    )
