"""The SOAP service: /sys/soap.php over the operations of the HTTP API (spec protocols 6, spec clients 2.5, seed 004).

Methods are found by the element in the body, for all have one SOAPAction; its namespace is the caller's, whose class was
made from the WSDL of whatever host, and is that of the answer. Errors stand inside the result.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from heliograph.api.app import Api
from heliograph.api.call import Call, Write
from heliograph.api.forms import ParamError, find_charset
from heliograph.api.operation import Operation
from heliograph.api.operations import balance, send, status
from heliograph.api.params import Params, decode
from heliograph.api.refusals import describe
from heliograph.api.render import escape_xml
from heliograph.api.request import Answer, Reply, Request
from heliograph.api.shapes import ERROR, Rows, Shape
from heliograph.core.messages import Door
from heliograph.core.reasons import Reason
from heliograph.core.status import Status
from heliograph.gateways.envelopes import (
    Envelope,
    Fault,
    take_envelope,
    write_envelope,
    write_fault,
)
from heliograph.gateways.soap_methods import BY_ELEMENT, ERRORS, Method, describe_service
from heliograph.wire.xml import Element

PATH: Final = "/sys/soap.php"

_OPERATIONS: dict[str, Operation] = {
    "balance": balance.OPERATIONS[0],
    "send": send.OPERATIONS[0],
    "cost": send.OPERATIONS[0],
    "status": status.OPERATIONS[0],
}
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_CHARSET = re.compile(r"(?:^|&)charset=([^&]*)")
_NOT_FOUND = 3  # of seed 004; status.php has status -3 in its place


class SoapService:
    """The application for the address of the service; see ``api.request``."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answers exactly once, now or later."""
        take_envelope(request, reply, describe_service, self._perform)

    def _perform(self, request: Request, envelope: Envelope, reply: Reply) -> None:
        version, content = envelope
        method = BY_ELEMENT.get(content.name)
        if method is None:
            reply(write_fault(Fault(version, "the Body holds no method of this service")))
            return
        write = _make_writer(method, envelope)
        try:
            params = read_params(method, content)
        except ParamError as error:
            reply(write_envelope(version, write_error(method, content.namespace, describe(_BAD, str(error)))))
            return
        self._api.perform(_OPERATIONS[method.page], request, params, write, reply, Door.SOAP)


_BAD = Reason.BAD_PARAMETERS


def read_params(method: Method, content: Element) -> Params:
    """The parameters of the operation: those of ``query``, and over them the children that the method has; ParamError."""
    given: dict[str, str] = {}
    known = _INPUTS[method.element]
    for child in content.children:
        if child.name not in known or child.attribute("nil", _INSTANCE) in ("1", "true"):
            continue
        if child.children:
            raise ParamError(f"{child.name} holds elements, not text")
        given[child.name] = child.text
    query = given.pop("query", "")
    params = _read_query(query) if query else Params("utf-8")
    params.update(given)
    if method.page == "cost":
        params["cost"] = "1"
    elif method.page == "send" and params.get("cost", "0") in ("", "0", "2"):
        # Only a query that asks for the price alone gets less: money would be spent against its word.
        params["cost"] = "3"
    return params


_INPUTS = {
    method.element: frozenset(name.removesuffix("?") for name in method.inputs) for method in BY_ELEMENT.values()
}


def _read_query(query: str) -> Params:
    """Parameters written as in an address; percent escapes are UTF-8 unless ``charset`` in it says otherwise."""
    named = _CHARSET.search(query)
    charset = (find_charset(named[1]) if named and named[1] else None) or "utf-8"
    try:
        raw = query.strip().lstrip("?").encode(charset)
    except UnicodeEncodeError:
        raise ParamError("characters outside the charset") from None
    return decode(Request("GET", PATH, raw), "utf-8")


def _make_writer(method: Method, envelope: Envelope) -> Write:
    """What makes the answer of whatever the operation says."""
    version, content = envelope

    def write(call: Call, shape: Shape, value: Any) -> Answer:
        if isinstance(shape, Rows):
            # A comma in id makes a list; its result would be no result of this service.
            if len(value) != 1:
                shape, value = ERROR, describe(_BAD, "one message at a time")
            else:
                value = value[0]
        if shape is ERROR:
            text = write_error(method, content.namespace, value)
        else:
            text = _write_result(method, content.namespace, _SHAPERS[method.page](value or {}))
        return write_envelope(version, text)

    return write


def write_error(method: Method, namespace: str, value: dict[str, Any]) -> str:
    """The response of a method with an error, a value of the shape ``ERROR``."""
    result = {"error": value["error_code"]}
    if method.page == "send" and "id" in value:
        result["id"] = value["id"]
    if method.page == "status":
        result["err"] = 0
    return _write_result(method, namespace, result)


def _shape_plainly(value: dict[str, Any]) -> dict[str, Any]:
    return {**value, "error": 0}


def _shape_sent(value: dict[str, Any]) -> dict[str, Any]:
    found = [each for each in value.get("phones", ()) if each.get("status") or each.get("error")]
    return {**value, "error": 0, ERRORS: found}


def _shape_status(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("status") == int(Status.NOT_FOUND):
        return {"error": _NOT_FOUND, "err": 0}
    return {"err": 0, **value, "error": 0}


_SHAPERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "balance": _shape_plainly,
    "send": _shape_sent,
    "cost": _shape_plainly,
    "status": _shape_status,
}


def _write_result(method: Method, namespace: str, result: dict[str, Any]) -> str:
    """The response element in the caller's namespace, its children in none."""
    fields = []
    for name in method.outputs:
        value = result.get(name)
        if name == ERRORS:
            fields += [
                f"<errors><phone>{escape_xml(each['phone'])}</phone>"
                f"<status>{escape_xml(each.get('status') or each.get('error'))}</status></errors>"
                for each in value or ()
            ]
        elif value is not None:
            fields.append(f"<{name}>{escape_xml(value)}</{name}>")
    inner = f"<{method.result}>{''.join(fields)}</{method.result}>"
    if not namespace:
        return f"<{method.response}>{inner}</{method.response}>"
    return f'<s:{method.response} xmlns:s="{escape_xml(namespace)}">{inner}</s:{method.response}>'
