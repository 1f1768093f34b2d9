"""The mail door: letters in over SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the first byte (RFC 8314).

Each connection is a conversation (gateways/smtp_conversation.py). A letter is answered when it is on disk.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from heliograph.core.letters import split_address
from heliograph.core.mail_forwards import SEND
from heliograph.core.sources import source_of
from heliograph.gateways.postroom import Came, Postroom
from heliograph.gateways.proxies import Network
from heliograph.gateways.shares import Shares
from heliograph.gateways.sip_peers import Allowance
from heliograph.gateways.smtp_conversation import BANNED, LEAVING, Conversation, address_of
from heliograph.gateways.tls import Certificate, accept_all
from heliograph.services.guard import Guard

log = logging.getLogger(__name__)

ANY = "*"
BACKLOG = 512
CERTIFICATE_S = 5.0

TAKEN = "250 2.0.0 taken"
AGAIN = "451 4.3.0 not taken now, bring it again later"
CROWDED = "421 4.7.0 too many connections, come again later"


class SmtpLimits(NamedTuple):
    """Octets of a letter, letters a minute of one source, seconds for a command, a letter or a handshake, connections."""

    size: int = 100 * 1024
    letters: int = 600
    timeout_s: float = 60.0
    connections: int = 1000
    per_client: int = 50


class SmtpDoor:
    """Listens on any number of addresses. ``domains`` are those whose letters are taken ("*": any), ``relays`` the mail servers
    that bring the letters of many."""

    def __init__(
        self,
        postroom: Postroom,
        guard: Guard,
        clock_ms: Callable[[], int],
        *,
        domains: Iterable[str] = (ANY,),
        relays: Iterable[Network] = (),
        limits: SmtpLimits | None = None,
    ) -> None:
        self.postroom = postroom
        self.guard = guard
        self.clock_ms = clock_ms
        self.limits = limits or SmtpLimits()
        self.domains = tuple(domain.lower().rstrip(".") for domain in domains)
        self.hostname = next((domain for domain in self.domains if domain != ANY), "heliograph")
        self.letters = Allowance(self.limits.letters, max(1, 60_000 // self.limits.letters))
        self._relays = tuple(relays)
        self._shares = Shares(self.limits.per_client)
        self._servers: list[asyncio.Server] = []
        self._listeners: list[socket.socket] = []
        self._watching: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._held: dict[object, str] = {}
        self.conversations: set[Conversation] = set()
        self.accepted = self.turned_away = 0
        self.malformed = self.too_large = self.too_many = self.unaddressed = self.failed = 0  # letters
        self.stopping = False

    async def start(
        self, host: str, port: int, certificate: Certificate | None = None, *, implicit: bool = False
    ) -> tuple[str, int]:
        """Listen; where. With a certificate STARTTLS is offered, or (``implicit``) TLS begins at once. OSError."""
        context = certificate.context if certificate is not None else None

        loop = asyncio.get_running_loop()
        if implicit:
            listener = socket.create_server((host, port), family=_family(host), backlog=BACKLOG)
            listener.setblocking(False)
            self._listeners.append(listener)
            self._watching.append(loop.create_task(self._accept(listener, context)))
            self._watch(certificate)
            name, number = listener.getsockname()[:2]
            return str(name), int(number)
        server = await loop.create_server(lambda: Conversation(self, context), host or None, port, backlog=BACKLOG)
        self._servers.append(server)
        self._watch(certificate)
        name, number = server.sockets[0].getsockname()[:2]
        return str(name), int(number)

    def _watch(self, certificate: Certificate | None) -> None:
        if certificate is not None:
            self._watching.append(asyncio.get_running_loop().create_task(_watch(certificate)))

    async def _accept(self, listener: socket.socket, context: Any) -> None:
        """Connections with TLS from the first byte; each is counted before its handshake."""
        async for accepted, peer in accept_all(listener):
            task = asyncio.get_running_loop().create_task(self._shake_hands(accepted, address_of(peer), context))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _shake_hands(self, accepted: socket.socket, client: str, context: Any) -> None:
        conversation = Conversation(self, None)
        if self.admit(conversation, client):
            accepted.close()  # a word of explanation would cost a handshake
            return
        conversation.admitted = True
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: conversation, accepted, ssl=context, ssl_handshake_timeout=self.limits.timeout_s
            )
        except OSError as error:
            log.debug("tls_handshake_failed", extra={"kind": type(error).__name__})
            self.release(conversation)

    async def stop(self, grace_s: float) -> None:
        """Listen no longer; letters that have come are answered, up to ``grace_s`` seconds, everybody else is sent away."""
        self.stopping = True
        for task in self._watching:
            task.cancel()
        for server in self._servers:
            server.close()
        for listener in self._listeners:
            listener.close()
        for conversation in list(self.conversations):
            if not conversation.busy:
                conversation.leave(LEAVING)
        busy = [conversation.over.wait() for conversation in self.conversations if conversation.busy]
        if busy:
            await asyncio.wait([asyncio.ensure_future(each) for each in busy], timeout=grace_s)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for conversation in list(self.conversations):
            conversation.leave(LEAVING)
        await asyncio.sleep(0)
        await asyncio.gather(*self._watching, return_exceptions=True)
        self.postroom.close()

    def stats(self) -> dict[str, int]:
        """The gauge `connections`; counters since the start of connections, and of letters that were not handed on."""
        return {
            "connections": len(self._held),
            "accepted": self.accepted,
            "turned_away": self.turned_away,
            "malformed": self.malformed,
            "too_large": self.too_large,
            "too_many": self.too_many,
            "unaddressed": self.unaddressed,
            "failed": self.failed,
        }

    # -- what conversations ask -----------------------------------------------------
    def admit(self, held: object, client: str) -> str:
        """Count a connection; empty when it is welcome, else what it is told."""
        source = "" if self.is_relay(client) else source_of(client)
        if self.stopping:
            return LEAVING
        if source and self.guard.is_banned(client, self.clock_ms()):
            self.turned_away += 1
            return BANNED
        if len(self._held) >= self.limits.connections or not self._shares.take(source):
            self.turned_away += 1
            return CROWDED
        self._held[held] = source
        self.accepted += 1
        return ""

    def release(self, held: object) -> None:
        """A connection is over."""
        source = self._held.pop(held, None)
        if source is not None:
            self._shares.give(source)

    def is_relay(self, client: str) -> bool:
        """Whether this address brings letters of many."""
        if not self._relays:
            return False
        address = ipaddress.ip_address(client)
        return any(address in network for network in self._relays)

    def judge(self, address: str) -> str:
        """Whether letters to this address are taken: empty, or what the client is told."""
        local, domain = split_address(address)
        if ANY not in self.domains and domain not in self.domains:
            return "550 5.7.1 no domain of this server"
        if local != SEND and self.postroom.find(local) is None:
            return "550 5.1.1 nobody here"
        return ""

    async def receive(self, address: str, raw: bytes, client: str) -> str:
        """A whole letter; the answer. What has begun goes on when the client leaves."""
        task = asyncio.get_running_loop().create_task(self._receive(address, raw, client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _receive(self, address: str, raw: bytes, client: str) -> str:
        local, _ = split_address(address)
        came = Came(raw, address.lower(), local, client, self.is_relay(client))
        try:
            if local == SEND:
                return TAKEN if await self.postroom.order(came) else AGAIN
            target = self.postroom.find(local)
            if target is None:
                return "550 5.1.1 nobody here"
            return TAKEN if await self.postroom.forward(came, target) else AGAIN
        except Exception:
            self.failed += 1
            log.exception("letter_failed")
            return AGAIN


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def _watch(certificate: Certificate) -> None:
    """New files of the certificate are taken over."""
    while True:
        await asyncio.sleep(CERTIFICATE_S)
        if await asyncio.to_thread(certificate.changed):
            certificate.reload()
