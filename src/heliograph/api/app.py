"""The HTTP API as one function: addresses, formats, and every answer that no operation gives (spec sending 1.1 and 1.3)."""

import logging
import pkgutil
from collections.abc import Sequence
from importlib import import_module

from heliograph.api import operations as room
from heliograph.api.authorization import read_authorization
from heliograph.api.call import Call, Write
from heliograph.api.forms import ParamError, find_charset, split_fields
from heliograph.api.operation import Operation, Services
from heliograph.api.params import Params, decode
from heliograph.api.refusals import describe
from heliograph.api.render import render, respond
from heliograph.api.request import TEXT, Reply, Request, Response, plain
from heliograph.api.shapes import ERROR, JSON
from heliograph.core.messages import Door
from heliograph.core.reasons import Reason

log = logging.getLogger("heliograph.api")

_FORMATS = {"0": 0, "1": 1, "2": 2, "3": 3}
_GLANCE = 65536  # bytes of an unreadable body that are searched for its format
_METHODS = frozenset({"GET", "POST"})
_NOT_SO = Response(405, TEXT, b"405: GET or POST\n", ((b"Allow", b"GET, POST"),))
_NOWHERE = plain("404: there is no such page\n", 404)


def discover() -> tuple[Operation, ...]:
    """Every operation there is: each module of ``api/operations`` holds a tuple ``OPERATIONS``."""
    names = sorted(module.name for module in pkgutil.iter_modules(room.__path__))
    found: list[Operation] = []
    for name in names:
        found += import_module(f"{room.__name__}.{name}").OPERATIONS
    return tuple(found)


class Api:
    """The application that doors call with a request and a function for its answer (see ``api.request``)."""

    def __init__(self, services: Services, operations: Sequence[Operation] | None = None) -> None:
        self._services = services
        self._pages: dict[str, tuple[Operation, ...]] = {}
        for operation in discover() if operations is None else operations:
            for path in operation.paths:
                for spelling in (path.rstrip("/"), path.rstrip("/") + "/"):
                    self._pages[spelling] = (*self._pages.get(spelling, ()), operation)

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answers exactly once, now or later; whatever goes wrong is an error in the asked format with HTTP 200."""
        page = self._pages.get(request.path)
        if page is None:
            reply(_NOWHERE)
            return
        if request.method not in _METHODS:
            # What a browser or a monitor asks in passing must not send a text.
            reply(_NOT_SO)
            return
        try:
            params = decode(request, "utf-8" if page[0].address else "windows-1251")
            if page[0].address:
                read_authorization(request.headers.get(b"authorization", b""), params)
        except ParamError as error:
            reply(self.refused(request, Reason.BAD_PARAMETERS, str(error)))
            return
        except Exception:
            log.exception("api_parameters_failed", extra={"path": request.path})
            reply(self.failed(request))
            return
        fmt = _FORMATS.get(params.get("fmt", ""), _default_format(request))
        operation = page[0] if len(page) == 1 and not page[0].flag else _choose(page, params)
        if operation is None:
            reply(_refusal(Reason.BAD_PARAMETERS, "no action is named", fmt, params.charset))
            return
        Call(self._services, operation, request, params, fmt, reply).begin()

    def perform(
        self, operation: Operation, request: Request, params: Params, write: Write, reply: Reply, door: Door
    ) -> None:
        """An operation for a door that has its own form of parameters and replies: the same steps, and ``write`` makes the
        answer of what the operation says."""
        Call(self._services, operation, request, params, JSON, reply, write, door).begin()

    def knows(self, path: str) -> bool:
        """Whether a path is one of the API's, for a door that also has other pages."""
        return path in self._pages

    def refused(self, request: Request, reason: Reason, detail: str = "") -> Response:
        """An error for a request whose parameters could not be read; its format is looked for all the same."""
        fields = dict(split_fields(request.query + b"&" + request.body[:_GLANCE]))
        charset = find_charset(fields.get(b"charset", b"").decode("latin-1"))
        fmt = _FORMATS.get(fields.get(b"fmt", b"").decode("latin-1"), _default_format(request))
        return _refusal(reason, detail, fmt, charset or ("utf-8" if _is_rest(request) else "windows-1251"))

    def too_large(self, request: Request) -> Response:
        """The answer to a request that a door does not take; its body need not be there."""
        return self.refused(request, Reason.TOO_LARGE)

    def failed(self, request: Request) -> Response:
        """The answer when the program itself failed."""
        return self.refused(request, Reason.BAD_PARAMETERS, "internal failure")


def _choose(page: tuple[Operation, ...], params: Params) -> Operation | None:
    """The operation whose flag the request sets, else the one of the page that needs none."""
    for operation in page:
        if operation.flag and params.get(operation.flag, "") not in ("", "0"):
            return operation
    return next((operation for operation in page if not operation.flag), None)


def _refusal(reason: Reason, detail: str, fmt: int, charset: str) -> Response:
    return respond(render(ERROR, describe(reason, detail), fmt), fmt, charset)


def _is_rest(request: Request) -> bool:
    return request.path.startswith(("/rest/", "/api/"))


def _default_format(request: Request) -> int:
    return 3 if _is_rest(request) else 0
