"""/metrics, /healthz and /readyz: how others see that the program is well (design section 11)."""

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from heliograph.api.request import Reply, Request, Response, json, plain
from heliograph.services.guard import Network, is_within
from heliograph.web.metrics import Figures

log = logging.getLogger(__name__)

PATHS = frozenset({"/metrics", "/healthz", "/readyz"})
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
TICK_LATE_MS = 10_000  # the dispatcher's clock goes round every 500 ms

_FORBIDDEN = plain("403: allow in [metrics] does not name your address\n", 403)
_NOWHERE = plain("404: there is no such page\n", 404)
_METHOD = plain("405: these pages are read by GET\n", 405)


class Probes:
    """The application of these three pages. ``spawn`` runs what has to wait."""

    def __init__(
        self,
        figures: Figures,
        allow: Sequence[Network],
        clock_ms: Callable[[], int],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._figures = figures
        self._allow = tuple(allow)
        self._clock_ms = clock_ms
        self._spawn = spawn
        self.stopping = False

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answers exactly once."""
        if request.path not in PATHS:
            reply(_NOWHERE)
        elif request.method not in ("GET", "HEAD"):
            reply(_METHOD)
        elif request.path == "/healthz":
            reply(json({"alive": True}))
        elif request.path == "/readyz":
            self._spawn(self._answer(self._ready, request, reply))
        elif not is_within(request.client, self._allow):
            reply(_FORBIDDEN)
        else:
            self._spawn(self._answer(self._metrics, request, reply))

    async def _answer(
        self, page: Callable[[Request], Coroutine[Any, Any, Response]], request: Request, reply: Reply
    ) -> None:
        try:
            answer = await page(request)
        except Exception:
            log.exception("probe_failed", extra={"path": request.path})
            answer = plain("500: internal failure, see the log\n", 500)
        reply(answer)

    async def _metrics(self, request: Request) -> Response:
        self._figures.ready = not await self.find_faults()
        return Response(200, CONTENT_TYPE, self._figures.render(self._clock_ms()))

    async def _ready(self, request: Request) -> Response:
        """What is wrong is for everybody, which carriers there are only for those who may read the figures."""
        faults = await self.find_faults()
        said: dict[str, Any] = {"ready": not faults, "faults": faults}
        if is_within(request.client, self._allow):
            lines = self._figures.sources.dispatcher.lines.values()
            said["carriers_down"] = sorted(line.links.carrier.name for line in lines if not line.links.up)
        return json(said, 503 if faults else 200)

    async def find_faults(self) -> list[str]:
        """Why no text should be sent here now; a carrier that is down is no reason, its texts wait in the queue."""
        if self.stopping:
            return ["stopping"]
        faults = []
        if self._clock_ms() - self._figures.sources.dispatcher.ticked_ms > TICK_LATE_MS:
            faults.append("the dispatcher's loop stands still")
        if not await self._figures.sources.survey.is_writable():
            faults.append("the store takes no writes")
        return faults
