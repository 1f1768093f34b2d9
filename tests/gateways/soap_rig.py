"""Envelopes to and from an application, without a socket."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.fakes.api import NOW_MS

from heliograph.api.request import Reply, Request, Response
from heliograph.wire.xml import Element, parse_document

App = Callable[[Request, Reply], None]
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
TYPES = {SOAP11: b"text/xml; charset=utf-8", SOAP12: b"application/soap+xml; charset=utf-8"}


def ask(app: App, body: bytes, path: str, content_type: bytes = TYPES[SOAP11], **fields: Any) -> Response:
    """The answer to a POST; it may take some turns of the loop."""

    async def story() -> Response:
        answers: asyncio.Queue[Response] = asyncio.Queue()
        headers = {b"host": b"sms.example.ru", b"content-type": content_type, b"soapaction": b'"anything"'}
        request = Request("POST", path, headers=headers, body=body, received_ns=NOW_MS * 1_000_000, **fields)
        app(request, answers.put_nowait)  # type: ignore[arg-type]
        answer = await asyncio.wait_for(answers.get(), 20)
        await asyncio.sleep(0)
        assert answers.empty()
        return answer

    return asyncio.run(story())


def wrap(content: str, namespace: str = SOAP11, header: str = "") -> bytes:
    """An envelope around what stands in its body."""
    return f'<e:Envelope xmlns:e="{namespace}">{header}<e:Body>{content}</e:Body></e:Envelope>'.encode()


def body_of(answer: Response) -> Element:
    """What stands in the body of an answer."""
    root = parse_document(answer.body)
    assert (root.name, len(root.children), len(root.children[0].children)) == ("Envelope", 1, 1)
    return root.children[0].children[0]


def fault_of(answer: Response) -> tuple[str, str]:
    """Code and words of a fault, of either version."""
    fault = body_of(answer)
    assert fault.name == "Fault", answer.body
    code, reason = fault.child("Code"), fault.child("Reason")
    if code is not None and reason is not None:
        return code.child_text("Value").partition(":")[2], reason.child_text("Text")
    return fault.child_text("faultcode").partition(":")[2], fault.child_text("faultstring")
