"""The section ``[callbacks]`` of the configuration, as the sender needs it (docs/callbacks.md)."""

import ipaddress

from heliograph.callbacks.client import Client
from heliograph.callbacks.handlers import Handlers
from heliograph.sections import Callbacks


def make_handlers(said: Callbacks) -> Handlers:
    """Turns within the numbers of calls that are configured."""
    return Handlers(said.per_handler, said.total, said.slow)


def make_client(said: Callbacks) -> Client:
    """A client for as many calls, with the configured times; made inside the running loop."""
    return Client(
        total_cap=said.total + said.slow,
        allow=[ipaddress.ip_network(text, strict=False) for text in said.allow_private],
        connect_s=said.connect_s,
        total_s=said.connect_s + said.answer_s,
    )
