"""Heliograph as a peer of the bench tools: the real server, its own store on disk, every check switched on.

Variants: heliograph (SQLite), heliograph-postgres (a server from the test wheel), heliograph-key (login by API key).
Found by the tools through BENCH_PEERS, the folder of this file.
"""

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path

from peers.base import CALLBACK, CARRIER, Peer, wait_port
from procs import Proc

ROOT = Path(__file__).resolve().parents[2]
PORT = 2795
PYTHON = str(ROOT / ".venv" / "bin" / "python")
SETTINGS = {
    "callback_url": f"http://127.0.0.1:{CALLBACK}/dlr",
    "sender": "BENCH",
    "concurrency": "100000",  # the limit of the account, raised; every check stays on
    "code_rate": "50",
}
LINKS = {"links": "2", "window": "100", "host": "127.0.0.1", "port": str(CARRIER), "system_id": "bench"}


class Driver(Peer):
    kill_roles = ("server",)
    database = ""

    def prepare(self):
        shutil.rmtree(self.state, ignore_errors=True)
        data = self.path("data", "")
        self.data = data
        if self.variant.startswith("postgres"):
            self.database = os.environ["BENCH_PG_DSN"]
        asyncio.run(self.fill_store())
        log = self.path("server.log")
        env = {"HELIOGRAPH_CALLBACKS_ALLOW_PRIVATE": "127.0.0.0/8", "HELIOGRAPH_CALLBACKS_PER_HOST": "32",
               "HELIOGRAPH_LOG_LEVEL": "warning", "PYTHONPATH": str(ROOT / "src")}
        argv = [PYTHON, "-m", "heliograph", "serve", "--http", f"127.0.0.1:{PORT}", "--data", data]
        if self.database:
            argv += ["--database", self.database]
        self.procs = {"server": Proc(argv, log, env=env, cwd=self.state)}

    async def fill_store(self):
        sys.path.insert(0, str(ROOT / "src"))
        from heliograph.core.money import SCALE
        from heliograph.core.tariffs import Prices, Zone
        from heliograph.services import accounts, carriers, routes, tariffs
        from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
        from heliograph.store.opening import open_database
        from heliograph.store.secrets import Secrets

        now_ms = time.time_ns() // 1_000_000
        db = await open_database(self.database or os.path.join(self.data, "heliograph.db"))
        await migrate(db, MIGRATIONS_DIRECTORY, now_ms)
        secrets = Secrets.open(Path(self.data))
        await tariffs.create(db, "bench", zones=(Zone(1, "World", ("*",), Prices(sms=16_000)),))
        links = LINKS | ({"window": self.window} if self.window else {})
        await carriers.create(db, secrets, "sink", password="bench", settings=links)
        await routes.create(db, "all", carrier="sink")
        await accounts.create(db, "bench", tariff="bench", password="bench", weak=True, settings=SETTINGS, now_ms=now_ms)
        await accounts.create_key(db, "bench", key="bench-key", now_ms=now_ms)
        await accounts.top_up(db, "bench", 100_000_000 * SCALE, note="bench", now_ms=now_ms)
        await db.close()

    @property
    def window(self):
        return self.variant.rpartition("w")[2] if "-w" in "-" + self.variant and self.variant[-1].isdigit() else ""

    def start(self):
        for proc in self.procs.values():
            proc.start()

    def restart(self, role):
        note = super().restart(role)
        wait_port(PORT)
        return note

    def http_spec(self):
        who = "apikey=bench-key" if "key" in self.variant else "login=bench&psw=bench"
        # The mark travels as the text's comment and comes back as cmt.
        return {"port": PORT, "ok": [200], "ok_text": "\"cnt\"",
                "path": f"/sys/send.php?{who}&phones=@DST@&fmt=3&charset=utf-8"
                        "&mes=@TEXT@%0A~~~%0Ab=@MARK@"}
