"""The mail door: letters in over SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from the first byte (RFC 8314).

aiosmtpd speaks SMTP; what is read after DATA and STARTTLS is read here. A letter ends with <CR><LF>.<CR><LF> and nothing else,
and one that holds a bare <CR> or <LF> is refused and ends its connection, since two servers may see different ends in it
("SMTP smuggling", CVE-2023-51764). A letter is answered when it is on disk.
"""

import asyncio
import ipaddress
import logging
import socket
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, Envelope, Session

from heliograph.core.letters import split_address
from heliograph.core.mail_forwards import SEND
from heliograph.core.sources import source_of
from heliograph.gateways.postroom import Came, Postroom
from heliograph.gateways.proxies import Network
from heliograph.gateways.shares import Shares
from heliograph.gateways.sip_peers import Allowance
from heliograph.gateways.tls import Certificate
from heliograph.services.guard import Guard

log = logging.getLogger(__name__)
# The library's own log holds whatever a client sends where a command should stand: a letter, and the password in it.
logging.getLogger("mail.log").disabled = True

ANY = "*"
BACKLOG = 512
LINE = 16 * 1024  # octets read at once; a letter's lines may be longer, for libraries write an order on one
COMMAND = 2048  # octets of a command; addresses have 256 at most, and some clients add parameters
# Commands of one connection: letters go on for as long as a mail server likes, all else is asked a few times.
CALLS = {"*": 50, "MAIL": 100_000, "RCPT": 200_000, "DATA": 100_000, "RSET": 200_000, "NOOP": 1000}
CERTIFICATE_S = 5.0
# When the process has no file descriptor left, another try at once would only spin.
PAUSE_S = 0.2

TAKEN = "250 2.0.0 taken"
AGAIN = "451 4.3.0 not taken now, bring it again later"
BARE = "550 5.6.0 a letter with a bare CR or LF is not taken"
TOO_LARGE = "552 5.3.4 the letter is too large"
CROWDED = "421 4.7.0 too many connections, come again later"
BANNED = "421 4.7.0 not from this address for a while"
SLOW = "421 4.4.2 too slow"
LEAVING = "421 4.3.2 the server is being stopped, come again later"


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
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listener)
            except OSError as error:
                log.error("tls_accept_failed", extra={"reason": error.strerror})
                await asyncio.sleep(PAUSE_S)
                continue
            task = loop.create_task(self._shake_hands(accepted, address_of(peer), context))
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


class _Hooks:
    """What the library asks on the way."""

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, server: "Conversation", session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Nobody logs in here: who orders says so in the letter."""
        session.host_name = hostname
        return [line for line in responses if not line.startswith("250-AUTH")]

    async def handle_MAIL(  # noqa: N802 - the library's name
        self, server: "Conversation", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """A letter begins."""
        refusal = server.may_write()
        if refusal:
            return refusal
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: "Conversation", session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """One recipient each, for there is one answer to a letter; clients send it once more for the others."""
        refusal = server.door.judge(address)
        if refusal:
            server.door.unaddressed += 1
            return refusal
        if envelope.rcpt_tos and envelope.rcpt_tos[0].lower() != address.lower():
            return "452 4.5.3 one recipient for each letter"
        envelope.rcpt_tos = [address]
        return "250 2.1.5 OK"

    async def handle_exception(self, error: Exception) -> str:
        """Nothing of it is told."""
        log.debug("smtp_failed", extra={"kind": type(error).__name__})
        return "421 4.3.0 an error, come again later"


_HOOKS = _Hooks()


class Conversation(SMTP):
    """One connection."""

    line_length_limit = LINE

    def __init__(self, door: SmtpDoor, context: Any) -> None:
        self.door = door
        self.client = ""
        self.busy = False
        self.admitted = False
        self.over = asyncio.Event()
        self.command_size_limits = defaultdict(lambda: COMMAND)
        self.command_size_limit = COMMAND
        super().__init__(
            _HOOKS,
            data_size_limit=door.limits.size,
            hostname=door.hostname,
            ident="ESMTP Heliograph",
            tls_context=context,
            timeout=door.limits.timeout_s,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            command_call_limit=CALLS,
            loop=asyncio.get_running_loop(),
        )

    # -- the connection --------------------------------------------------------------
    def connection_made(self, transport: Any) -> None:
        """A client has come."""
        self.client = peer_of(transport)
        if not self.admitted:
            refusal = self.door.admit(self, self.client)
            if refusal:
                transport.write(refusal.encode() + b"\r\n")
                transport.close()
                return
        self.admitted = True
        self.door.conversations.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """It has gone."""
        if self.over.is_set():
            return
        self.over.set()
        if self.session is None:
            return
        self.door.conversations.discard(self)
        self.door.release(self)
        if self._handler_coroutine is not None:
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Nothing is read of one who was turned away."""
        if self.admitted:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """It says no more; what has come whole is done all the same."""
        return super().eof_received() if self.session is not None else False

    def leave(self, words: str) -> None:
        """End it."""
        if self.transport is not None and not self.transport.is_closing():
            self._writer.write(words.encode() + b"\r\n")
            self.transport.close()

    def _timeout_cb(self) -> None:
        if not self.busy:
            self.leave(SLOW)
        elif self.transport is not None:  # its letter is being stored: the store's own patience ends that
            self._reset_timeout()

    # -- letters ---------------------------------------------------------------------
    def may_write(self) -> str:
        """Whether another letter may come now: empty, or what the client is told."""
        door = self.door
        if door.stopping:
            return LEAVING
        if door.is_relay(self.client):
            return ""
        now_ms = door.clock_ms()
        if door.guard.is_banned(self.client, now_ms):
            return BANNED
        if not door.letters.take(source_of(self.client), now_ms):
            door.too_many += 1
            return "451 4.7.1 too many letters, bring it again in a minute"
        return ""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - the library's name
        """A letter, to its very end."""
        if await self.check_helo_needed():
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 RCPT first")
            return
        if arg:
            await self.push("501 5.5.4 DATA and nothing else")
            return
        address = self.envelope.rcpt_tos[0]
        await self.push("354 end with <CR><LF>.<CR><LF>")
        raw, bare = await self._read_letter()
        self.envelope = self._create_envelope()
        if bare:
            self.door.malformed += 1
            log.warning("letter_with_bare_line_ends", extra={"client": self.client})
            await self.push(BARE)
            assert self.transport is not None
            self.transport.close()
            return
        if raw is None:
            self.door.too_large += 1
            await self.push(TOO_LARGE)
            return
        self.busy = True
        try:
            answer = await self.door.receive(address, raw, self.client)
            await self.push(answer)
        finally:
            self.busy = False
        if self.door.stopping:
            self.leave(LEAVING)

    async def _read_letter(self) -> tuple[bytes | None, bool]:
        """The letter, None when it is too large, and whether a CR or LF stands alone in it. Memory holds a letter of the
        allowed size at most."""
        lines: list[bytes] | None = []
        size, bare, limit = 0, False, self.door.limits.size
        begins, carriage = True, b""  # of a line; its last octet where that was a CR
        while True:
            try:
                piece = await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                piece = await self._reader.read(min(error.consumed, LINE))
            ended, whole = piece.endswith(b"\n"), carriage + piece
            if ended:
                bare = bare or not whole.endswith(b"\r\n")
            bare = bare or b"\r" in (whole[:-2] if ended else whole[:-1])
            carriage = b"\r" if not ended and whole.endswith(b"\r") else b""
            # Once it is known that another server may see another end, the first that looks like one ends the connection.
            if begins and (piece == b".\r\n" or (bare and piece.strip(b"\r\n") == b".")):
                break
            size += len(piece)
            if size > limit:
                lines = None
            elif lines is not None:
                lines.append(piece[1:] if begins and piece.startswith(b".") else piece)
            begins = ended
        return (None if lines is None else b"".join(lines)), bare

    # -- TLS -------------------------------------------------------------------------
    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802 - the library's name
        """TLS from here on; what was said before does not count, and what was sent ahead is thrown away."""
        if arg:
            await self.push("501 5.5.4 STARTTLS and nothing else")
            return
        if not self.tls_context or self._tls_protocol:
            await self.push("454 4.7.0 no TLS here")
            return
        plain: Any = self.transport
        # Before the answer: the client's first octets behind it belong to the handshake, not to the reader of lines.
        plain.pause_reading()
        await self.push("220 2.0.0 go ahead")
        try:
            secured: Any = await self.loop.start_tls(
                plain,
                self,
                self.tls_context,
                server_side=True,
                ssl_handshake_timeout=self.door.limits.timeout_s,
            )
        except OSError as error:
            log.debug("tls_handshake_failed", extra={"kind": type(error).__name__})
            secured = None
        if secured is None or secured.is_closing():
            plain.abort()
            self.connection_lost(None)
            raise asyncio.CancelledError  # as the library ends what a client has left
        reader: Any = self._reader
        writer: Any = self._writer
        reader._buffer.clear()
        reader._transport = writer._transport = secured
        self._over_ssl = True
        self._original_transport, self.transport = plain, secured
        self._tls_protocol = secured
        self.envelope = self._create_envelope()
        self.session = self._create_session()
        self.session.peer = secured.get_extra_info("peername")
        self.session.ssl = {"cipher": secured.get_extra_info("cipher")}


def peer_of(transport: Any) -> str:
    """The address of a client."""
    return address_of(transport.get_extra_info("peername"))


def address_of(peer: Any) -> str:
    """The address out of a socket's own form, an IPv4 one as such."""
    try:
        address = ipaddress.ip_address(peer[0].partition("%")[0])
    except (TypeError, ValueError, IndexError):
        return "0.0.0.0"  # noqa: S104 - it has gone already, and has no address any more
    return str(getattr(address, "ipv4_mapped", None) or address)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def _watch(certificate: Certificate) -> None:
    """New files of the certificate are taken over."""
    while True:
        await asyncio.sleep(CERTIFICATE_S)
        if await asyncio.to_thread(certificate.changed):
            certificate.reload()
