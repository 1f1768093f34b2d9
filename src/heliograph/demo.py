"""What ``heliograph serve --demo`` makes: an account, a price list, a simulated carrier, a route, a live page (README, five minutes)."""

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from heliograph.config import split_listen
from heliograph.core.money import SCALE
from heliograph.core.reasons import Reason, Refused
from heliograph.core.tariffs import Prices, Zone
from heliograph.sections import Demo
from heliograph.services import accounts, carriers, routes, tariffs
from heliograph.simulator import control
from heliograph.simulator.behaviour import profile_named, scripted_table
from heliograph.simulator.server import Simulator
from heliograph.store.database import Database
from heliograph.store.secrets import Secrets
from heliograph.web.live import LivePage

if TYPE_CHECKING:
    from heliograph.app import Heliograph

NAME = "demo"
CARRIER = "simulator"
SYSTEM_ID = "demo"
SYSTEM_PASSWORD = "demo"  # noqa: S105 - the carrier is a simulator on this machine
SENDER = "DEMO"
PRICE = Prices(sms=16_000, ping=8_000, hlr=4_000, mass=15_000, mms=60_000, call=12_000)


async def prepare(db: Database, secrets: Secrets, demo: Demo, carrier: tuple[str, int], now_ms: int) -> None:
    """Make what is missing; what a former run left is kept, but the carrier is found where it listens now."""
    host, port = carrier
    # The simulator takes whatever comes, calls too, so window and links may follow the load.
    sizes = {"links": "2", "links_most": "4", "window_most": "500", "calls": "yes"}
    address = {"host": host, "port": str(port), "system_id": SYSTEM_ID, **sizes}
    try:
        await accounts.show(db, demo.login)
    except Refused as refused:
        if refused.reason is not Reason.NOT_FOUND:
            raise
    else:
        await carriers.alter(db, secrets, CARRIER, settings=address)
        return
    await tariffs.create(db, NAME, currency="RUR", zones=(Zone(1, "World", ("*",), PRICE),))
    await carriers.create(db, secrets, CARRIER, password=SYSTEM_PASSWORD, settings=address)
    await routes.create(db, "everything", carrier=CARRIER)
    settings = {"sender": SENDER, "any_sender": "yes", "tz": "Europe/Moscow", "name": "Demonstration"}
    settings |= {"smpp": "yes", "smpp_addresses": "127.0.0.0/8,::1"}
    await accounts.create(
        db,
        demo.login,
        tariff=NAME,
        currency="RUR",
        password=demo.password,
        weak=True,
        settings=settings,
        now_ms=now_ms,
    )
    await accounts.create_key(db, demo.login, key=demo.key, label="demo", now_ms=now_ms)
    await accounts.top_up(db, demo.login, demo.balance * SCALE, note="demo", now_ms=now_ms)


class Carrier:
    """The simulated carrier of the demo, and the socket for incoming texts."""

    def __init__(self) -> None:
        self.simulator = Simulator(profile_named("demo"), {SYSTEM_ID: SYSTEM_PASSWORD})
        self.address = ("", 0)
        self.control = ("", 0)
        self._server: asyncio.Server | None = None

    async def start(self, listen: str) -> None:
        """Listen for the carrier's links and for orders, on loopback."""
        host, port = split_listen(listen)
        self.address = await self.simulator.start(host, port)
        try:
            self._server = await control.serve(self.simulator)
        except OSError:
            self._server = await control.serve(self.simulator, port=0)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.control = (host, port)

    async def stop(self) -> None:
        """Close both."""
        if self._server is not None:
            self._server.close()
        await self.simulator.stop()


def reach(host: str) -> str:
    """A listening host as a browser on this machine names it."""
    return f"[{host}]" if ":" in host and host != "::" else "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104


def open_page(heliograph: "Heliograph", carrier: Carrier, clock_ms: Callable[[], int], *, kept: bool) -> None:
    """Show the live page at /, and tell a person who has just started the demo what can be done with it."""
    config, (host, port) = heliograph.config, heliograph.addresses["http"]
    said, base = config.demo, f"http://{host}:{port}"
    asked = f"login={said.login}&psw={said.password}&phones=79161234567&mes=Hello&fmt=3"
    curl = f"curl '{base}/sys/send.php?{asked}'"
    account = heliograph.snapshots.current.accounts_by_login[said.login]
    heliograph.site.live = LivePage(
        account.id,
        heliograph.desk,
        heliograph.submitting,
        heliograph.incoming,
        clock_ms,
        hints=scripted_table(),
        curl=curl,
        password=said.password,
    )
    where = f"{carrier.control[0]}:{carrier.control[1]}"
    lines = [
        f"  watch it             {base}/",
        f"  login, password      {said.login}, {said.password}    API key  {said.key}",
        f"  simulated carrier    {carrier.address[0]}:{carrier.address[1]}",
        f"  data                 {config.data}" + ("" if kept else "    (removed at the end; keep it with --data DIR)"),
        "  send a text:",
        f"    {curl}",
        *_tell_mail(heliograph),
        "  send one back:",
        f"    ./dev run simulate inbound --control {where} --from 79161234567 --to 7000 'Hi there'",
        "Ctrl-C stops it.",
    ]
    if "smpp" in heliograph.addresses:
        host, port = heliograph.addresses["smpp"]
        lines.insert(2, f"  SMPP                 {host}:{port}    system_id {said.login}, password {said.password}")
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _tell_mail(heliograph: "Heliograph") -> list[str]:
    """How a text is sent by mail, where the door for it is open."""
    if "smtp" not in heliograph.addresses:
        return []
    host, port = heliograph.addresses["smtp"]
    said = heliograph.config.demo
    letter = f"printf '\\n{said.login}:{said.password}::0:0,0,:79161234567:Hello by mail'"
    return [
        "  or by mail:",
        f"    {letter} | curl --crlf -T - --mail-from me@localhost --mail-rcpt send@localhost smtp://{host}:{port}",
    ]
