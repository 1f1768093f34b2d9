"""The SIP door and sipp, a program that knows the protocol by itself: callers, a PBX with a password, a trunk to register at."""

import asyncio
import socket
from pathlib import Path

import pytest
import uvloop
from tests.gateways.sip_house import LOOPBACK, Owner, opened, place_of, run_sipp, until

from heliograph.gateways import sip_registration
from heliograph.wire.sip.registrar import parse_registrar
from heliograph.wire.sip.transactions import Timing

CALLS = 200


@pytest.mark.parametrize(
    ("transport", "arguments"),
    [("udp", ["-t", "u1"]), ("tcp", ["-t", "t1"]), ("udp", ["-t", "u1", "-lost", "10"])],
    ids=["udp", "tcp", "loss"],
)
def test_callers_are_refused_and_told_once(transport: str, arguments: list[str], tmp_path: Path) -> None:
    """200 calls at 100 a second, with a tenth of all datagrams lost each way, too: every caller hears 486, and the owner
    is told of every call exactly once."""

    async def talk() -> None:
        owner = Owner()
        async with opened(owner, timing=Timing(t1_ms=200, t2_ms=400)) as door:
            host, port = place_of(door, transport)
            code, output = await run_sipp(
                tmp_path, "caller.xml", f"{host}:{port}", "-m", str(CALLS), "-r", "100", *arguments
            )
            assert code == 0, output
            assert sorted(int(call.caller.removeprefix("+7999000")) for call in owner.calls) == list(
                range(1, CALLS + 1)
            )
            assert {call.called for call in owner.calls} == {"+74951234567"}
            assert door.stats()["calls"] == door.stats()["expected"] == CALLS
            assert door.stats()["repeated"] > 0 or "-lost" not in arguments

    uvloop.run(talk())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_pbx_logs_in_by_digest(transport: str, tmp_path: Path) -> None:
    """A PBX without an address of its own is asked for its password, and its calls count."""

    async def talk() -> None:
        owner = Owner()
        async with opened(owner, peers=(), users={"pbx": "secret"}) as door:
            host, port = place_of(door, transport)
            letter = transport[0]
            code, output = await run_sipp(
                tmp_path, "user.xml", f"{host}:{port}", "-m", "20", "-r", "50", "-t", f"{letter}1"
            )
            assert code == 0, output
            assert len(owner.calls) == 20 and {call.user for call in owner.calls} == {"pbx"}

    uvloop.run(talk())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_trunk_is_registered_at_kept_and_left(transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Password, refresh before the granted second is over, and Expires: 0 at the end, as sipp's scenario checks."""
    monkeypatch.setattr(sip_registration, "FIRST_S", 0.1)  # sipp takes its time to listen
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    registrar = parse_registrar(f"sip:74951234567:secret@127.0.0.1:{port};login=login;transport={transport}")

    async def talk() -> None:
        arguments = ["-p", str(port), "-m", "1", "-t", f"{transport[0]}1"]
        trunk = asyncio.get_running_loop().create_task(run_sipp(tmp_path, "registrar.xml", *arguments))
        async with opened(Owner(), registrars=(registrar,), peers=LOOPBACK, timing=Timing(t1_ms=100)) as door:
            await until(lambda: door.stats()["registered"])
            assert door.registrations()[0].expires_s == 1
            await until(lambda: door.registrations()[0].expires_s == 600)
        code, output = await trunk
        assert code == 0, output
        assert not door.registrations()[0].registered

    uvloop.run(talk())
