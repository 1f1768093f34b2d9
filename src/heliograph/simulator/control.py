"""A small socket on loopback to talk to a running simulator: one JSON object a line each way (ours).

`{"do": "inject", "from": "7999…", "to": "7495…", "text": "…", "order": [2, 1], "reference": 7}` (the last two may be
left out) is answered `{"parts": 1}`, `{"do": "stats"}` by the
counters, and whatever is wrong by `{"error": "…"}`.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from .records import SimulatorError
from .server import Simulator

PORT: Final = 2779
# A text of 255 parts of 67 characters, each escaped in JSON as six octets, is 255 x 67 x 6 = 102,510 octets.
_LINE_LIMIT: Final = 131_072
_ANSWER_S: Final = 15.0


class ControlError(Exception):
    """The simulator cannot be reached or has refused; says why."""


class _Order(msgspec.Struct, forbid_unknown_fields=True):
    do: str
    from_: str = msgspec.field(default="", name="from")
    to: str = ""
    text: str = ""
    order: tuple[int, ...] = ()
    reference: int = 0


async def serve(simulator: Simulator, host: str = "127.0.0.1", port: int = PORT) -> asyncio.Server:
    """Listen for orders. Raises ValueError for an address beyond this machine (there is no password), OSError."""
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise ValueError("the control socket listens on loopback only")

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await _obey(simulator, line)) + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError):
            pass  # a line beyond the limit, or the other side went away
        finally:
            writer.close()

    return await asyncio.start_server(talk, host, port, limit=_LINE_LIMIT)


async def inject(
    host: str, port: int, from_: str, to: str, text: str, order: Sequence[int] = (), reference: int = 0
) -> int:
    """Have a running simulator deliver a subscriber's text (see `Simulator.inject`); returns its parts once acknowledged.
    Raises ControlError."""
    said = {"do": "inject", "from": from_, "to": to, "text": text, "order": list(order), "reference": reference}
    answer = await _ask(host, port, said)
    return int(answer["parts"])


async def ask_stats(host: str, port: int) -> dict[str, int]:
    """The counters of a running simulator, see `Simulator.stats`. Raises ControlError."""
    return await _ask(host, port, {"do": "stats"})


async def _obey(simulator: Simulator, line: bytes) -> dict[str, Any]:
    try:
        order = msgspec.json.decode(line, type=_Order)
        if order.do == "stats":
            return dict(simulator.stats())
        if order.do == "inject":
            sent = simulator.inject(order.from_, order.to, order.text, order=order.order, reference=order.reference)
            return {"parts": await sent}
        return {"error": "do is inject or stats"}
    except TimeoutError:
        return {"error": "the customer did not acknowledge in time; the text waits for him"}
    except (msgspec.MsgspecError, SimulatorError, ValueError) as error:
        return {"error": str(error)}


async def _ask(host: str, port: int, order: dict[str, Any]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port, limit=_LINE_LIMIT)
            try:
                writer.write(msgspec.json.encode(order) + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
                await writer.wait_closed()
        answer = msgspec.json.decode(line, type=dict[str, Any])
    except (OSError, TimeoutError, ValueError, msgspec.MsgspecError) as error:
        raise ControlError(f"the simulator at {host}:{port} does not answer ({error})") from None
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return answer
