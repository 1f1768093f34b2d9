"""Heliograph as a peer of the comparison tools: the real server, its own store on disk, every check switched on.

Variants: heliograph (SQLite), heliograph-postgres (the empty database that BENCH_PG_DSN names, or a server from the test
wheel), heliograph-key (login by API key). Found by the tools through BENCH_PEERS, the folder of this file; the tools must run
under the Python of .venv.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

from peers.base import CALLBACK, CARRIER, Peer, wait_port
from procs import Proc

ROOT = Path(__file__).resolve().parents[2]
PORT = 2795
PYTHON = str(ROOT / ".venv" / "bin" / "python")
sys.path[1:1] = [str(ROOT), str(ROOT / "src")]

from bench.preparation import BULK, PASSWORD, SERVER_ENVIRONMENT, fill_store, key_of  # noqa: E402
from bench.stores import PostgresStores  # noqa: E402
from native.compile import code  # noqa: E402


class Driver(Peer):
    """What the tools ask of a peer."""

    kill_roles = ("server",)
    stores = None
    database = ""

    def prepare(self):
        """A fresh store with all that a load needs."""
        shutil.rmtree(self.state, ignore_errors=True)
        data = Path(self.path("data", ""))
        if self.variant.startswith("postgres"):
            self.stores = PostgresStores(os.environ.get("BENCH_PG_DSN", "postgres"))
            self.database = self.stores.make(data)
        else:
            self.database = str(data / "heliograph.db")
        url = f"http://127.0.0.1:{CALLBACK}/dlr"
        asyncio.run(fill_store(data, self.database, carrier_port=CARRIER, callback_url=url, window=self.window))
        argv = [PYTHON, "-m", "heliograph", "serve", "--http", f"127.0.0.1:{PORT}", "--data", str(data)]
        argv += ["--database", self.database]
        subprocess.run([str(ROOT / "dev"), "build"], check=False)
        env = SERVER_ENVIRONMENT | {"PYTHONPATH": str(code())}
        self.procs = {"server": Proc(argv, self.path("server.log"), env=env, cwd=self.state)}

    @property
    def window(self):
        """Submits under way on a link: 100, or what a variant such as w10 says."""
        last = self.variant.rpartition("-")[2]
        return int(last[1:]) if last[:1] == "w" and last[1:].isdigit() else 100

    def start(self):
        """Start the server; it need not listen yet."""
        for proc in self.procs.values():
            proc.start()

    def restart(self, role):
        """After a kill."""
        note = super().restart(role)
        wait_port(PORT)
        return note

    def stop(self):
        """The server, then its database."""
        super().stop()
        if self.stores is not None:
            self.stores.drop(self.database)
            self.stores.close()
            self.stores = None

    def http_spec(self):
        """One text a request; the mark travels as its comment and comes back in the callback as cmt."""
        who = f"apikey={key_of(BULK)}" if "key" in self.variant else f"login={BULK}&psw={PASSWORD}"
        path = f"/sys/send.php?{who}&phones=@DST@&fmt=3&charset=utf-8&mes=@TEXT@%0A~~~%0Ab=@MARK@"
        return {"port": PORT, "ok": [200], "ok_text": '"cnt"', "path": path}
