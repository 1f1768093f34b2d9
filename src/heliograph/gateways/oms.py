"""The service for Outlook and SharePoint: OMS over the operations of the HTTP API (spec protocols 7; [MS-OMS]).

Arguments and results are documents in strings. Each text of a message is a request of its own to ``send``, one after the
other, so that parts which a client has cut arrive in their order.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from heliograph.api.app import Api
from heliograph.api.call import Call
from heliograph.api.operation import Operation, Pace
from heliograph.api.operations import send
from heliograph.api.params import Params
from heliograph.api.render import escape_xml
from heliograph.api.request import Answer, Reply, Request, Response
from heliograph.api.shapes import ACK, ERROR, Shape
from heliograph.core.messages import Door
from heliograph.core.money import format_money
from heliograph.core.reasons import Refusal
from heliograph.gateways.envelopes import (
    Envelope,
    Fault,
    own_address,
    read_document,
    take_envelope,
    write_envelope,
    write_fault,
)
from heliograph.gateways.oms_documents import (
    OPERATIONS,
    About,
    Message,
    OmsError,
    User,
    describe_service,
    read_batch,
    read_message,
    read_user,
    write_response,
    write_responses,
    write_service_info,
    write_user_error,
    write_user_info,
)
from heliograph.gateways.oms_errors import (
    ABOUT_RECIPIENTS,
    CODES,
    LOW_BALANCE,
    OK,
    OTHER,
    PER_DAY_LIMIT,
    SERVICE_NETWORK,
    Complaint,
    Complaints,
    code_of_verdict,
)
from heliograph.wire.xml import Element, XmlError

PATHS: Final = ("/sys/oms.php", "/sys/oms.asmx")

_SEND: Final = send.OPERATIONS[0]
_USER: Final = Operation(
    name="oms_user",
    page="oms",
    title="User of OMS",
    help="Tells who a user is.",
    handler=lambda call: call.answer(ACK, None),
    parameters=(),
    replies=(("", ACK),),
    paces=(Pace(limit=10, identical=False),),
)
_NOTED: Final = Response(200, b"text/plain", b"")  # nobody sees it: what an operation said was noted
_Tell = Callable[[str], None]


class OmsService:
    """The application for the addresses of the service; see ``api.request``."""

    def __init__(self, api: Api, about: About) -> None:
        self._api = api
        self._about = about

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answers exactly once, now or later."""
        take_envelope(request, reply, describe_service, self._perform)

    def _perform(self, request: Request, envelope: Envelope, reply: Reply) -> None:
        version, content = envelope
        name = content.name
        if name not in OPERATIONS:
            reply(write_fault(Fault(version, "the Body holds no operation of this service")))
            return

        def tell(document: str) -> None:
            space = f' xmlns="{escape_xml(content.namespace)}"' if content.namespace else ""
            result = f"<{name}Result>{escape_xml(document)}</{name}Result>"
            reply(write_envelope(version, f"<{name}Response{space}>{result}</{name}Response>"))

        if name == "GetServiceInfo":
            tell(write_service_info(self._about, own_address(request)))
            return
        answer = {"GetUserInfo": self._tell_user, "DeliverXmsBatch": self._deliver_batch}.get(name, self._deliver)
        text = content.child_text(OPERATIONS[name]).lstrip("\ufeff \t\r\n")
        # The declaration of such a document is mostly wrong: it is in a string, whatever encoding it names.
        read_document(text.encode(), "UTF-8", lambda root: answer(request, root, tell))

    def _tell_user(self, request: Request, root: Element | XmlError, tell: _Tell) -> None:
        if isinstance(root, XmlError):
            tell(write_user_error(Complaint(OTHER, str(root))))
            return
        said: list[str] = []

        def write(call: Call, shape: Shape, value: Any) -> Answer:
            if shape is ERROR:
                said.append(write_user_error(_complain(call, value, ())))
            else:
                host = urlsplit(own_address(request)).hostname
                said.append(write_user_info(f"{call.account.login}@{host}"))
            return _NOTED

        params = _identify(read_user(root))
        self._api.perform(_USER, request, params, write, lambda _: tell(said[0]), Door.OMS)

    def _deliver(self, request: Request, root: Element | XmlError, tell: _Tell) -> None:
        try:
            if isinstance(root, XmlError):
                raise OmsError(OTHER, str(root))
            message = read_message(root)
        except OmsError as error:
            tell(write_response([error.complaint]))
            return
        _Sending(self._api, request, message, lambda complaints: tell(write_response(complaints))).go_on()

    def _deliver_batch(self, request: Request, root: Element | XmlError, tell: _Tell) -> None:
        try:
            if isinstance(root, XmlError):
                raise OmsError(OTHER, str(root))
            messages = read_batch(root)
        except OmsError as error:
            tell(write_responses([("", [error.complaint])]))
            return
        user = root.child("user")
        _Batch(self._api, request, messages, read_user(user) if user is not None else None, tell).go_on()


class _Batch:
    """The messages of a batch, one after the other."""

    def __init__(
        self, api: Api, request: Request, messages: list[tuple[str, Element]], user: User | None, tell: _Tell
    ) -> None:
        self._api = api
        self._request = request
        self._messages = messages
        self._user = user
        self._tell = tell
        self._responses: list[tuple[str, list[Complaint]]] = []

    def go_on(self) -> None:
        """The next message; the answer when there is none."""
        if len(self._responses) == len(self._messages):
            self._tell(write_responses(self._responses))
            return
        _, root = self._messages[len(self._responses)]
        try:
            message = read_message(root, self._user)
        except OmsError as error:
            self._finish([error.complaint])
            return
        _Sending(self._api, self._request, message, self._finish).go_on()

    def _finish(self, complaints: list[Complaint]) -> None:
        id, _ = self._messages[len(self._responses)]
        self._responses.append((id, complaints))
        asyncio.get_running_loop().call_soon(self.go_on)


class _Sending:
    """A message on its way: its texts one after the other, until one is refused as a whole."""

    def __init__(self, api: Api, request: Request, message: Message, done: Callable[[list[Complaint]], None]) -> None:
        self._api = api
        self._request = request
        self._message = message
        self._done = done
        self._complaints = Complaints()
        self._next = 0

    def go_on(self) -> None:
        """The next text; what is to be told when there is none."""
        message = self._message
        if self._next == len(message.texts):
            self._done(self._complaints.all())
            return
        params = _identify(message.user)
        params["phones"] = ";".join(message.recipients)
        params["mes"] = message.texts[self._next]
        params["err"] = "1"
        if message.send_s:
            params["time"] = f"0{message.send_s}"
        self._next += 1
        self._api.perform(_SEND, self._request, params, self._note, self._go_on_later, Door.OMS)

    def _note(self, call: Call, shape: Shape, value: Any) -> Answer:
        if shape is ERROR:
            complaint = _complain(call, value, self._message.recipients)
            self._complaints.add(complaint)
            if complaint.code != OK:
                self._next = len(self._message.texts)
        else:
            for each in value["phones"]:
                code = code_of_verdict(int(each["status"] or 0), int(each["error"] or 0))
                self._complaints.add(Complaint(code, _WORDS.get(code, "not accepted"), (each["phone"],)))
        return _NOTED

    def _go_on_later(self, answer: Answer) -> None:
        # Not at once: texts that are answered at once would nest, a text deeper each.
        asyncio.get_running_loop().call_soon(self.go_on)


def _identify(user: User) -> Params:
    params = Params("utf-8")
    params["login"], params["psw"] = user
    return params


_WORDS = {
    "invalidUser": "wrong user id or password",
    "invalidRecipient": "number not accepted",
    "crossCarrier": "no way to the number",
    "invalidChar": "the text is forbidden",
}


def _complain(call: Call, value: dict[str, Any], phones: tuple[str, ...]) -> Complaint:
    """An error of an operation, with the details that its code has."""
    refusal: Refusal | None = call.refusal
    if refusal is None:
        return Complaint(SERVICE_NETWORK, "internal failure")
    code = CODES[refusal.reason]
    if code == LOW_BALANCE:
        balance, _, _ = call.services.money.balance(call.account.id)
        return Complaint(code, f"balance {format_money(balance)}")
    if code == PER_DAY_LIMIT:
        return Complaint(code, str(call.account.settings.day_limit))
    if code in ABOUT_RECIPIENTS:
        return Complaint(code, _WORDS[code], phones)
    return Complaint(code, _WORDS.get(code) or str(value["error"]))
