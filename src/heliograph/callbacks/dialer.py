"""Opens a connection to a target: name, check of the addresses, TCP, TLS (RFC 9110 section 4.3)."""

import asyncio
import os
import ssl
from collections.abc import Callable, Iterable
from typing import TypeVar

from heliograph.callbacks.addresses import Network, Resolver, refusal
from heliograph.callbacks.targets import Target

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Dialer:
    """Connects only to addresses that a callback may go to, or that lie in `allow`; `tls` is used for https."""

    def __init__(self, resolver: Resolver, allow: Iterable[Network], tls: ssl.SSLContext, connect_s: float) -> None:
        self._resolver = resolver
        self._allow = tuple(allow)
        self._tls = tls
        self._connect_s = connect_s

    async def dial(self, target: Target, factory: Callable[[], P], deadline: float) -> P:
        """The connected protocol, within `connect_s` seconds and before `deadline` (loop time).

        Raises OSError (TimeoutError and ssl.SSLError are such) and ValueError; `explain` puts them in words.
        """
        loop = asyncio.get_running_loop()
        deadline = min(deadline, loop.time() + self._connect_s)
        async with asyncio.timeout_at(deadline):
            addresses = await self._addresses(target.host)
            failure: OSError | None = None
            for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
                # An address that does not answer leaves its fair part of the time to the others.
                share = (deadline - loop.time()) / left
                try:
                    async with asyncio.timeout(share):
                        return await self._reach(target, factory, address)
                except OSError as error:
                    failure = error
            assert failure is not None  # there is one address at least
            raise failure

    async def _addresses(self, host: str) -> list[str]:
        found = await self._resolver.find(host)
        if not found:
            raise OSError("the host's name was not found")
        reasons = {address: refusal(address, self._allow) for address in found}
        permitted = [address for address, reason in reasons.items() if not reason]
        if not permitted:
            raise OSError(f"address not allowed: {found[0]} ({reasons[found[0]]})")
        return permitted

    async def _reach(self, target: Target, factory: Callable[[], P], address: str) -> P:
        """Connects to the very address that was checked: a second look-up could answer with another (DNS rebinding)."""
        secure = target.scheme == "https"
        _, protocol = await asyncio.get_running_loop().create_connection(
            factory,
            address,
            target.port,
            ssl=self._tls if secure else None,
            server_hostname=target.host if secure else None,
            ssl_handshake_timeout=self._connect_s if secure else None,
            ssl_shutdown_timeout=1.0 if secure else None,
        )
        return protocol

    def explain(self, failure: BaseException) -> str:
        """A failure to connect, in a few words."""
        if isinstance(failure, TimeoutError):
            return f"no connection within {self._connect_s:g} s"
        return explain(failure)

    async def close(self) -> None:
        """Gives up the names that are being looked up."""
        await self._resolver.close()


def explain(failure: BaseException) -> str:
    """A network failure in a few words, without object addresses or source lines."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        return f"TLS: the certificate was not accepted: {failure.verify_message}"
    if isinstance(failure, ssl.SSLError):
        return f"TLS: {(failure.reason or 'handshake failed').lower().replace('_', ' ')}"
    if isinstance(failure, OSError) and failure.errno:
        return os.strerror(failure.errno).lower()  # the exception's own text differs from loop to loop
    return str(failure) or type(failure).__name__
