"""Connections that are kept and used again, for the blocking client (RFC 9112, section 9.3, by http.client).

Threads may share them: each request takes a connection for itself.
"""

import http.client
import ssl
import time
from collections import deque
from typing import BinaryIO

from heliograph.client.errors import NoAnswer
from heliograph.client.replies import BODY_MOST, CONNECT_S, FORM, IDLE_S, PIECE, judge
from heliograph.client.tries import Host


class Connections:
    """Idle connections by host. ``timeout_s`` is how long a server may say nothing."""

    def __init__(self, timeout_s: float, context: ssl.SSLContext | None) -> None:
        self._timeout_s, self._context = timeout_s, context
        self._idle: dict[Host, deque[tuple[float, http.client.HTTPConnection]]] = {}

    def post(self, host: Host, page: str, body: bytes) -> bytes:
        """The body of the answer. NoAnswer."""
        connection, response = self._ask(host, page, body)
        try:
            answer = response.read(BODY_MOST + 1)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NoAnswer(f"{host.header}: {_say(error)}", sent=True) from None
        if response.length and len(answer) <= BODY_MOST:
            connection.close()
            raise NoAnswer(f"{host.header}: the answer ended too early", sent=True)
        self._keep(host, connection, response)
        judge(host.header, response.status, len(answer))
        return answer

    def fetch(self, host: Host, page: str, body: bytes, file: BinaryIO) -> bytes | None:
        """Write an attachment to a file; the body of what is none. NoAnswer, OSError of the file."""
        connection, response = self._ask(host, page, body)
        try:
            if response.getheader("Content-Disposition") is None:
                answer = response.read(BODY_MOST + 1)
                judge(host.header, response.status, len(answer))
                return answer
            while piece := self._read_piece(host, response):
                file.write(piece)
            if response.length:  # it ended before its length was reached
                raise NoAnswer(f"{host.header}: the file ended too early", sent=True)
            return None
        finally:
            connection.close()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            _, kept = self._idle.popitem()
            for _, connection in kept:
                connection.close()

    def _ask(self, host: Host, page: str, body: bytes) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = self._take(host)
        try:
            if connection.sock is None:
                connection.connect()
                connection.sock.settimeout(self._timeout_s)  # type: ignore[attr-defined]
        except OSError as error:
            connection.close()
            raise NoAnswer(f"{host.header}: {_say(error)}", sent=False) from None
        try:
            headers = {"Content-Type": FORM, "Host": host.header}
            connection.request("POST", f"{host.path}sys/{page}.php", body, headers)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise NoAnswer(f"{host.header}: {_say(error)}", sent=True) from None

    def _read_piece(self, host: Host, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read(PIECE)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"{host.header}: {_say(error)}", sent=True) from None

    def _take(self, host: Host) -> http.client.HTTPConnection:
        kept = self._idle.get(host)
        while kept:
            try:
                since_s, connection = kept.pop()
            except IndexError:  # another thread was quicker
                break
            if time.monotonic() - since_s < IDLE_S:
                return connection
            connection.close()
        connect_s = min(self._timeout_s, CONNECT_S)
        if host.tls:
            return http.client.HTTPSConnection(host.name, host.port, timeout=connect_s, context=self._context)
        return http.client.HTTPConnection(host.name, host.port, timeout=connect_s)

    def _keep(self, host: Host, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        if response.will_close or not response.isclosed():
            connection.close()
        else:
            self._idle.setdefault(host, deque()).append((time.monotonic(), connection))


def _say(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the connection was closed without an answer"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
