"""The pages of the HTTP doors: which path is answered by whom (design section 2)."""

from collections.abc import Mapping

from heliograph.api.app import Api
from heliograph.api.request import App, Reply, Request, Response
from heliograph.gateways import envelopes
from heliograph.web import hooks, imgcode, probes
from heliograph.web.redirect import Redirect


class Site:
    """Sends each request where it belongs. ``probes`` are here unless they have a door of their own; ``live`` is the demo's page."""

    def __init__(
        self, api: Api, services: Mapping[str, App], call_hook: App, pictures: App, redirect: Redirect
    ) -> None:
        self._api = api
        self._services = services
        self._call_hook = call_hook
        self._pictures = pictures
        self._redirect = redirect
        self.probes: App | None = None
        self.live: App | None = None

    def __call__(self, request: Request, reply: Reply) -> None:
        """Every request of the HTTP doors: the API, or a page."""
        if self._api.knows(request.path):
            self._api(request, reply)
        elif request.path in self._services:
            self._services[request.path](request, reply)
        elif self.probes is not None and request.path in probes.PATHS:
            self.probes(request, reply)
        elif request.path == hooks.PATH:
            self._call_hook(request, reply)
        elif request.path == imgcode.PATH:
            self._pictures(request, reply)
        elif self._redirect.knows(request):
            self._redirect(request, reply)
        elif self.live is not None:
            self.live(request, reply)
        else:
            self._api(request, reply)

    def too_large(self, request: Request) -> Response:
        """Its body is larger than the door takes."""
        return envelopes.too_large(request) if request.path in self._services else self._api.too_large(request)

    def failed(self, request: Request) -> Response:
        """A fault of the program, in the notation of whom it meets."""
        return envelopes.failed(request) if request.path in self._services else self._api.failed(request)
