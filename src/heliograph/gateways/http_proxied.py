"""Requests that come through a trusted proxy: each connection counts for the client of its latest request."""

from typing import TYPE_CHECKING

from heliograph.core.sources import source_of
from heliograph.gateways.http_reader import BUSY, RequestReader

if TYPE_CHECKING:
    from heliograph.gateways.http import HttpDoor


class ProxiedReader(RequestReader):
    """As `RequestReader`; a head that makes its client hold more than his share of connections is refused.

    He is known with the head, so a body that comes slowly is counted from its beginning. A request of the proxy's own
    (no client is named) counts for nobody.
    """

    def __init__(self, door: "HttpDoor", peer: str, trusted: bool, secure: bool) -> None:
        super().__init__(door, peer, trusted, secure)
        self.source = ""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self.deaf:
            return
        client, _ = self._door.proxies.resolve(self._peer, self._secure, self._headers)
        source = "" if client == self._peer else source_of(client)
        if source == self.source:
            return
        self._give_back()
        if self._door.shares.take(source):
            self.source = source
        else:
            self._door.turned_away += 1
            self.refuse(BUSY)

    def close(self) -> None:
        super().close()
        self._give_back()

    def _give_back(self) -> None:
        self._door.shares.give(self.source)
        self.source = ""
