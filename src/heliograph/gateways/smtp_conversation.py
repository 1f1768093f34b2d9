"""One connection of the mail door: its commands, its letters to their very end, STARTTLS (RFC 5321; RFC 3207).

aiosmtpd speaks SMTP; what is read after DATA and STARTTLS is read here. A letter ends with <CR><LF>.<CR><LF> and nothing else,
and one that holds a bare <CR> or <LF> is refused and ends its connection, since two servers may see different ends in it
("SMTP smuggling", CVE-2023-51764).
"""

import asyncio
import ipaddress
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from heliograph.core.sources import source_of

if TYPE_CHECKING:
    from heliograph.gateways.smtp import SmtpDoor

log = logging.getLogger(__name__)
# The library's own log holds whatever a client sends where a command should stand: a letter, and the password in it.
logging.getLogger("mail.log").disabled = True

LINE = 16 * 1024  # octets read at once; a letter's lines may be longer, for libraries write an order on one
COMMAND = 2048  # octets of a command; addresses have 256 at most, and some clients add parameters
# Commands of one connection: letters go on for as long as a mail server likes, all else is asked a few times.
CALLS = {"*": 50, "MAIL": 100_000, "RCPT": 200_000, "DATA": 100_000, "RSET": 200_000, "NOOP": 1000}

BARE = "550 5.6.0 a letter with a bare CR or LF is not taken"
TOO_LARGE = "552 5.3.4 the letter is too large"
BANNED = "421 4.7.0 not from this address for a while"
SLOW = "421 4.4.2 too slow"
LEAVING = "421 4.3.2 the server is being stopped, come again later"


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

    def __init__(self, door: "SmtpDoor", context: Any) -> None:
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
