"""Registering at a trunk, so that it knows where to send calls: again before the time is over, with pauses after failures (RFC 3261, section 10)."""

import asyncio
import contextlib
import logging
import random
import re
import secrets
from collections.abc import Callable
from typing import Protocol

import msgspec

from heliograph.gateways.sip_exchanges import Channel
from heliograph.gateways.sip_settings import SipSettings
from heliograph.gateways.sip_sockets import TcpConnection
from heliograph.wire.sip import tables
from heliograph.wire.sip.addresses import parse_address
from heliograph.wire.sip.digest import Challenge, choose_challenge, write_answer
from heliograph.wire.sip.fields import FieldError, find
from heliograph.wire.sip.framing import PING
from heliograph.wire.sip.messages import Request, Response
from heliograph.wire.sip.registrar import Registrar

log = logging.getLogger(__name__)

FIRST_S = 5.0  # the pause after a failure; each further one doubles it
MOST_S = 300.0
DENIED_S = 60.0  # at least, after a wrong password: some trunks ban who asks more often
TRIES = (
    5  # requests in a row: without a password, with it, with a proxy's as well, with a new nonce, with a longer time
)
_SECONDS = re.compile(r"[0-9]{1,7}")


class RegistrationState(msgspec.Struct, frozen=True):
    """`name` is user@domain; `reason` why the last try failed, "" when it did not; `expires_s` is what was granted last."""

    name: str
    registered: bool = False
    reason: str = ""
    expires_s: int = 0
    failures: int = 0


class Door(Protocol):
    """What a registration needs of the door."""

    settings: SipSettings

    async def reach(self, host: str, port: int, transport: str) -> tuple[Channel, tuple[str, int]]:
        """A way to a registrar, and our own address."""

    def ask(self, request: Request, channel: Channel, told: Callable[[Response | None], None]) -> None:
        """Sends a request."""


class FailedError(Exception):
    """A try to register failed; `pause_s` is the shortest time until the next."""

    def __init__(self, reason: str, pause_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.pause_s = pause_s


class Registration:
    """One trunk. A task keeps it registered from `start` to `stop`."""

    def __init__(self, registrar: Registrar, door: Door) -> None:
        self._registrar = registrar
        self._door = door
        self._task: asyncio.Task[None] | None = None
        self._channel: Channel | None = None
        self._local = ("", 0)
        self._call_id = secrets.token_hex(16)
        self._tag = secrets.token_hex(8)
        self._cseq = 0
        # What was asked and how often it was answered, by the header that answers: a proxy on the way may ask as well as
        # the registrar behind it, and both must be answered at once (RFC 3261, section 22.3).
        self._challenges: dict[str, tuple[Challenge, int]] = {}
        self.state = RegistrationState(registrar.name)

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self, patience_s: float) -> None:
        """Ends it, and tells the trunk so when it was registered."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self.state.registered:
            with contextlib.suppress(FailedError, OSError, TimeoutError):
                await asyncio.wait_for(self._register(0), patience_s)
        self.state = RegistrationState(self._registrar.name)

    async def _run(self) -> None:
        while True:
            try:
                granted_s = await self._register(self._registrar.expires_s)
            except (FailedError, OSError, TimeoutError) as error:
                await asyncio.sleep(self._note(error))
            else:
                if not self.state.registered:
                    log.info("sip_registered", extra={"trunk": self._registrar.name, "expires_s": granted_s})
                self.state = RegistrationState(self._registrar.name, True, "", granted_s)
                await self._rest(max(granted_s * 0.75, 0.5))

    def _note(self, error: Exception) -> float:
        """Keeps and logs a failure; the seconds until the next try."""
        failed = error if isinstance(error, FailedError) else FailedError(str(error) or "no answer")
        count = self.state.failures + 1
        pause_s = min(FIRST_S * 2.0 ** min(count - 1, 10), MOST_S) * random.uniform(0.8, 1.2)
        pause_s = max(pause_s, failed.pause_s)
        self.state = RegistrationState(self._registrar.name, False, failed.reason, 0, count)
        fields = {"trunk": self._registrar.name, "reason": failed.reason, "again_s": round(pause_s)}
        log.warning("sip_registration_failed", extra=fields)
        return pause_s

    async def _rest(self, seconds: float) -> None:
        """Until it is time to register again; with signs of life, and no longer than the connection stands."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            pause = min(left, self._door.settings.keepalive_s or left)
            if isinstance(self._channel, TcpConnection):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._channel.lost.wait(), pause)
                    return
            else:
                await asyncio.sleep(pause)
            if self._channel is not None and self._door.settings.keepalive_s:
                self._channel.send(PING)

    async def _register(self, expires_s: int) -> int:
        """One registration with whatever the trunk asks for on the way; the seconds it granted."""
        await self._connect()
        fresh: set[str] = set()  # where the password was sent with a nonce that had just been given
        for _ in range(TRIES):
            response = await self._ask(expires_s)
            if response is None:
                self._challenges, self._channel = {}, None
                raise FailedError("no answer")
            if 200 <= response.status < 300:
                granted_s = _granted(response, self._contact(), expires_s)
                if expires_s and not granted_s:
                    raise FailedError("registered for no time")
                return granted_s
            if response.status in (401, 407):
                answer, stale = self._learn(response)
                if answer in fresh and not stale:
                    self._challenges = {}
                    raise FailedError("the password is not taken", DENIED_S)
                fresh.add(answer)
            elif response.status == 423 and expires_s:
                expires_s = max(_seconds(response.get("Min-Expires")), expires_s + 1)
            else:
                raise FailedError(
                    f"{response.status} {response.reason}"[:100], min(_seconds(response.get("Retry-After")), 3600)
                )
        raise FailedError("the trunk asks again and again", DENIED_S)

    async def _connect(self) -> None:
        channel = self._channel
        if channel is None or not isinstance(channel, TcpConnection) or channel.lost.is_set():
            registrar = self._registrar
            self._channel, self._local = await self._door.reach(registrar.host, registrar.port, registrar.transport)

    async def _ask(self, expires_s: int) -> Response | None:
        channel = self._channel
        assert channel is not None  # `_connect` goes before
        future: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()

        def told(response: Response | None) -> None:
            if not future.done():
                future.set_result(response)

        self._door.ask(self._write(expires_s), channel, told)
        return await future

    def _write(self, expires_s: int) -> Request:
        registrar = self._registrar
        self._cseq += 1
        uri = f"sip:{_bracketed(registrar.domain)}"
        account = f"<sip:{registrar.user}@{_bracketed(registrar.domain)}>"
        host, port = self._local
        via = f"{tables.VERSION}/{registrar.transport.upper()} {_bracketed(host)}:{port}"
        headers = [
            ("Via", f"{via};rport;branch={tables.MAGIC}{secrets.token_hex(16)}"),
            ("Max-Forwards", "70"),
            ("From", f"{account};tag={self._tag}"),
            ("To", account),
            ("Call-ID", self._call_id),
            ("CSeq", f"{self._cseq} {tables.REGISTER}"),
            ("Contact", f"<{self._contact()}>"),
            ("Expires", str(expires_s)),
        ]
        for name, (challenge, count) in self._challenges.items():
            self._challenges[name] = (challenge, count + 1)
            cnonce = secrets.token_hex(8)
            answer = write_answer(
                challenge, registrar.login, registrar.password, tables.REGISTER, uri, nc=count + 1, cnonce=cnonce
            )
            headers.append((name, answer))
        return Request(method=tables.REGISTER, uri=uri, headers=tuple(headers))

    def _contact(self) -> str:
        place = self._registrar.address or f"{_bracketed(self._local[0])}:{self._local[1]}"
        tail = ";transport=tcp" if self._registrar.transport == "tcp" else ""
        return f"sip:{self._registrar.contact}@{place}{tail}"

    def _learn(self, response: Response) -> tuple[str, bool]:
        """Takes over what a 401 or 407 asks: the header that answers it, and whether only the nonce was too old."""
        asked, answer = (
            ("WWW-Authenticate", "Authorization")
            if response.status == 401
            else ("Proxy-Authenticate", "Proxy-Authorization")
        )
        challenge = choose_challenge(response.all(asked))
        if challenge is None:
            self._challenges = {}
            raise FailedError("the trunk asks for a login that is not known here", DENIED_S)
        self._challenges[answer] = (challenge, 0)
        return answer, challenge.stale


def _granted(response: Response, contact: str, asked_s: int) -> int:
    """The seconds granted to our contact (section 10.2.4), or to the only one; then those of Expires; then those asked for."""
    found = []
    for text in response.elements("Contact"):
        with contextlib.suppress(FieldError):
            address = parse_address(text)
            if _SECONDS.fullmatch(find(address.params, "expires") or ""):
                found.append((address.uri == contact, int(find(address.params, "expires") or 0)))
    ours = [seconds for same, seconds in found if same] or [seconds for _, seconds in found[:1] if len(found) == 1]
    said = response.get("Expires")
    return ours[0] if ours else _seconds(said) if said else asked_s


def _seconds(text: str | None) -> int:
    found = _SECONDS.match(text or "")
    return int(found[0]) if found else 0


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
