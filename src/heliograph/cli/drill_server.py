"""The server under drill: a subprocess on a scratch store that can be killed, and the store made ready for it (design section 11)."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

from heliograph.cli.session import Failure
from heliograph.core.money import SCALE
from heliograph.core.tariffs import Prices, Zone
from heliograph.services import accounts, carriers, routes, tariffs
from heliograph.store.database import Database
from heliograph.store.secrets import Secrets

LOGIN = "drill"
LINKS, WINDOW = 2, 50
UNSURE_S = 4  # far longer than the slowest receipt, far shorter than a drill's patience
START_S = 30.0
STOP_S = 40.0
ADDRESS = re.compile(rb"listens on http://([^:/]+):(\d+)/")


async def prepare(db: Database, data: Path, carrier: tuple[str, int], callback_url: str, now_ms: int) -> str:
    """An account with money, a tariff, the drill's carrier and a route to it; returns the API key.

    Failure when the store has accounts: a drill must not be let loose on anybody's messages.
    """
    if await accounts.list_all(db):
        raise Failure("this store is in use; a drill wants an empty one")
    secrets = Secrets.open(data)
    await tariffs.create(db, LOGIN, zones=(Zone(1, "World", ("*",), Prices(sms=10_000)),), refund=(3, 20, 22, 25))
    settings = {
        "host": carrier[0],
        "port": str(carrier[1]),
        "system_id": LOGIN,
        "links": str(LINKS),
        "window": str(WINDOW),
        "unsure_s": str(UNSURE_S),
        "reconnect_s": "0.2",
    }
    await carriers.create(db, secrets, LOGIN, password=LOGIN, settings=settings)
    await routes.create(db, LOGIN, carrier=LOGIN)
    own = {"any_sender": "yes", "sender": "DRILL", "concurrency": "100000", "callback_url": callback_url}
    await accounts.create(db, LOGIN, tariff=LOGIN, settings=own, now_ms=now_ms)
    await accounts.top_up(db, LOGIN, 10**8 * SCALE, now_ms=now_ms, note="drill")
    return await accounts.create_key(db, LOGIN, now_ms=now_ms)


class Server:
    """``heliograph serve`` as a subprocess; its log goes to ``server.log`` in the folder."""

    def __init__(self, folder: Path, database: str) -> None:
        self._folder = folder
        self._database = database
        self._process: asyncio.subprocess.Process | None = None
        self.address = ("127.0.0.1", 0)
        self.up = asyncio.Event()

    async def start(self) -> None:
        """Start and wait until it listens; Failure with the end of its log when it does not."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HELIOGRAPH_")}
        environment |= {"HELIOGRAPH_CALLBACKS_ALLOW_PRIVATE": "127.0.0.0/8", "HELIOGRAPH_CALLBACKS_RETRY_S": "1"}
        arguments = ("--http", "127.0.0.1:0", "--data", str(self._folder), "--database", self._database)
        with (self._folder / "server.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "heliograph", "serve", *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=self._folder,  # where no configuration of anybody lies
                env=environment,
            )
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), START_S)
        except TimeoutError:
            line = b""
        found = ADDRESS.search(line)
        if found is None:
            raise Failure(f"the server does not start:\n{self._read_log()}")
        self.address = (found[1].decode(), int(found[2]))
        self.up.set()

    def _read_log(self) -> str:
        text = (self._folder / "server.log").read_text("utf-8", "replace")
        return "\n".join(text.splitlines()[-15:])

    async def kill(self) -> None:
        """SIGKILL: not one more instruction of it runs."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; the exit code. Killed when it does not end by itself."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        self.up.clear()
        process = self._process
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        try:
            return await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            return await process.wait()
        finally:
            self._process = None
