"""The doors of an installation: which are open where, by its configuration; opened in order and closed together (design section 2)."""

import asyncio
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec.structs import replace

from heliograph.api.request import App, Request, Response
from heliograph.config import Config, ConfigError, split_listen
from heliograph.descriptors import make_room
from heliograph.gateways.http import HttpDoor
from heliograph.gateways.http import Limits as HttpLimits
from heliograph.gateways.postroom import Postroom
from heliograph.gateways.sip import SipDoor
from heliograph.gateways.smpp import Limits as SmppLimits
from heliograph.gateways.smpp import SmppDoor
from heliograph.gateways.smtp import SmtpDoor, SmtpLimits
from heliograph.gateways.tls import Certificate
from heliograph.services.guard import Guard

DEMO_SMPP = "127.0.0.1:2775"
DEMO_SMTP = "127.0.0.1:2525"
Address = tuple[str, int]


def fit(config: Config) -> Config:
    """The configuration with no more connections than the process can hold; its limit of open files is raised for them.

    Where the system allows too few, callbacks keep what they ask for up to a quarter, and the doors that are open share the
    rest in the proportion they ask for.
    """
    doors = {"http": config.http.connections}
    if config.smpp.listen or config.smpp.tls_listen:
        doors["smpp"] = config.smpp.connections
    if config.smtp.listen or config.smtp.tls_listen:
        doors["smtp"] = config.smtp.connections
    calls, asked = config.callbacks.total + config.callbacks.slow, sum(doors.values())
    room = make_room(asked + calls)
    if room == asked + calls:
        return config
    for_calls = min(calls, max(8, room // 4))
    slow = max(4, config.callbacks.slow * for_calls // calls)
    callbacks = replace(config.callbacks, slow=slow, total=max(1, for_calls - slow))
    fitted = {
        name: replace(getattr(config, name), connections=max(1, n * (room - for_calls) // asked))
        for name, n in doors.items()
    }
    return replace(config, callbacks=callbacks, **fitted)


def make_http(
    config: Config, application: App, too_large: Callable[[Request], Response], failed: Callable[[Request], Response]
) -> HttpDoor:
    """An HTTP door with the limits of ``[http]``."""
    said = config.http
    return HttpDoor(
        application,
        too_large=too_large,
        failed=failed,
        trusted=[ipaddress.ip_network(text, strict=False) for text in said.trusted_proxies],
        max_body=said.max_body_mb * 2**20,
        max_connections=said.connections,
        max_per_client=said.connections_per_client,
        limits=HttpLimits(head_s=said.header_s, body_s=said.body_s, body_rate=said.body_rate, idle_s=said.idle_s),
    )


def limit_smpp(config: Config) -> SmppLimits:
    """The times and counts of ``[smpp]``."""
    said = config.smpp
    return SmppLimits(
        init_s=said.init_s,
        idle_s=said.idle_s,
        answer_s=said.answer_s,
        window=said.window,
        deliver_window=said.deliver_window,
        connections=said.connections,
        connections_per_client=said.connections_per_client,
    )


class Doors:
    """Opens and closes them. ``addresses`` tells by name where each listens (host, port)."""

    def __init__(
        self,
        config: Config,
        http: HttpDoor,
        probes: HttpDoor | None,
        smpp: SmppDoor,
        sip: SipDoor | None,
        postroom: Postroom,
        guard: Guard,
        clock_ms: Callable[[], int],
    ) -> None:
        self.addresses: dict[str, Address] = {}
        self._config = config
        self._http = http
        self._probes = probes
        self._smpp = smpp
        self._sip = sip
        self.smtp: SmtpDoor | None = None  # from `open` on, when there is one
        self._postroom = postroom
        self._guard = guard
        self._clock_ms = clock_ms

    async def open(self, free: bool, in_demo: bool) -> None:
        """Open all that are configured; with ``free`` an HTTP port that is taken is replaced by a free one. A demo has doors
        for SMPP and letters, too. ConfigError names the setting that cannot be."""
        await self._open_http(free)
        await self._open_smpp(in_demo)
        if self._probes is not None:
            where = self._config.metrics.listen
            self.addresses["metrics"] = await _start(self._probes.start(*split_listen(where)), "metrics.listen", where)
        if self._sip is not None:
            try:
                await self._sip.start()
            except OSError as error:
                raise ConfigError(f"sip: cannot listen: {error.strerror}; see sip.listen_udp, sip.listen_tcp") from None
        await self._open_smtp(in_demo)

    async def stop(self, grace_s: float) -> None:
        """Close them all but that of the probes, which tells of the end as well; what is under way has so many seconds."""
        lines = [door.stop(grace_s) for door in (self._sip, self.smtp) if door is not None]
        await asyncio.gather(self._http.stop(grace_s), self._smpp.stop(grace_s), *lines)

    async def _open_http(self, free: bool) -> None:
        said = self._config.http
        if said.listen:
            self.addresses["http"] = await self._open_or_free(self._http.start, said.listen, None, free, "--http")
        if said.https_listen:
            if not (said.tls_cert and said.tls_key):
                raise ConfigError("http.https_listen needs http.tls_cert and http.tls_key")
            pair = _certify(said.tls_cert, said.tls_key)
            self.addresses["https"] = await self._open_or_free(
                self._http.start, said.https_listen, pair, free, "--http"
            )

    async def _open_smpp(self, in_demo: bool) -> None:
        said, http = self._config.smpp, self._config.http
        if said.tls_listen:
            pair = _certify(said.tls_cert or http.tls_cert, said.tls_key or http.tls_key)
            starting = self._smpp.start(*split_listen(said.tls_listen), pair)
            self.addresses["smpps"] = await _start(starting, "smpp.tls_listen", said.tls_listen)
        where = said.listen or (DEMO_SMPP if in_demo else "")
        if where:
            free = not said.listen
            self.addresses["smpp"] = await self._open_or_free(self._smpp.start, where, None, free, "--smpp")

    async def _open_smtp(self, in_demo: bool) -> None:
        said, http = self._config.smtp, self._config.http
        where = said.listen or (DEMO_SMTP if in_demo else "")
        if not where and not said.tls_listen:
            return
        cert, key = said.tls_cert or http.tls_cert, said.tls_key or http.tls_key
        pair = _certify(cert, key) if cert and key else None
        smtp = self.smtp = self._make_smtp()
        if said.tls_listen:
            starting = smtp.start(*split_listen(said.tls_listen), pair, implicit=True)
            self.addresses["smtps"] = await _start(starting, "smtp.tls_listen", said.tls_listen)
        if where:
            self.addresses["smtp"] = await self._open_or_free(smtp.start, where, pair, in_demo, "--smtp")

    def _make_smtp(self) -> SmtpDoor:
        said = self._config.smtp
        if not said.domains:
            raise ConfigError("smtp.domains: say whose letters are taken, such as sms.example.ru, or * for any")
        return SmtpDoor(
            self._postroom,
            self._guard,
            self._clock_ms,
            domains=said.domains,
            relays=[ipaddress.ip_network(text, strict=False) for text in said.relays],
            limits=SmtpLimits(
                said.letter_kb * 1024,
                said.letters_per_minute,
                said.timeout_s,
                said.connections,
                said.connections_per_client,
            ),
        )

    async def _open_or_free(
        self,
        start: Callable[[str, int, Certificate | None], Awaitable[Address]],
        where: str,
        pair: Certificate | None,
        free: bool,
        option: str,
    ) -> Address:
        """Where it listens: as asked, or with ``free`` on another port when that one is taken."""
        host, port = split_listen(where)
        try:
            return await start(host or "0.0.0.0", port, pair)  # noqa: S104 - asked for by ":8080"
        except OSError as error:
            if free:
                return await start(host, 0, pair)
            raise ConfigError(f"cannot listen on {where}: {error.strerror}; choose another with {option}") from None


async def _start(starting: Awaitable[Address], setting: str, where: str) -> Address:
    try:
        return await starting
    except OSError as error:
        raise ConfigError(f"{setting}: cannot listen on {where}: {error.strerror}") from None


def _certify(cert: str, key: str) -> Certificate:
    """The certificate of a TLS door. ConfigError when it cannot be used."""
    try:
        return Certificate(Path(cert), Path(key))
    except OSError as error:  # ssl.SSLError is one: broken, encrypted, or of another certificate
        why = "no PEM, encrypted, or no pair" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"cannot use {cert} with {key}: {why}") from None
