"""Backup, restore, queue, trace, the simulated carrier and the reference pages from the command line."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from heliograph.cli import backup as backup_command
from heliograph.cli import reference
from heliograph.store.sqlite_session import lock_for_serving


def test_backup_is_restored(shop: Any) -> None:
    """What was copied is what stands there after the restore; the store it replaced is kept beside it."""
    shop.tell("backup", "monday.db")
    shop.tell("account", "top-up", "shop", "5")
    assert "--force" in shop.fail(1, "backup", "monday.db")
    assert "--force" in shop.fail(1, "restore", "monday.db")
    kept = shop.ask("restore", "monday.db", "--force")["kept"]
    assert shop.ask("account", "show", "shop")["balance"] == "100"
    assert Path(kept).exists()
    assert "All agrees" in shop.tell("ledger", "check")
    assert (shop.data / "heliograph.db").stat().st_mode & 0o777 == 0o600


def test_backup_goes_to_an_empty_place(shop: Any, tmp_path: Path) -> None:
    """A new machine has no store yet."""
    shop.tell("backup", "monday.db")
    shop.data = tmp_path / "elsewhere"
    assert "was restored" in shop.tell("restore", "monday.db")
    assert shop.ask("account", "show", "shop")["balance"] == "100"


def test_store_that_is_served_is_not_replaced(shop: Any) -> None:
    """A server would go on writing into a file that has no name any more."""
    shop.tell("backup", "monday.db")
    lock = lock_for_serving(shop.data / "heliograph.db")
    try:
        assert "another Heliograph" in shop.fail(1, "restore", "monday.db", "--force")
    finally:
        os.close(lock)
    assert not list(shop.data.glob("*.partial"))


@pytest.mark.parametrize("fault", ["none", "text", "foreign", "damaged", "in use"])
def test_what_is_no_backup_is_refused(shop: Any, fault: str) -> None:
    """The store that works is better than a file that does not."""
    path = Path("bad.db")
    if fault == "text":
        path.write_text("no database" * 100)
    elif fault == "foreign":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE other (a)")
        connection.close()
    elif fault != "none":
        shop.tell("backup", "bad.db")
        if fault == "in use":
            Path("bad.db-wal").write_bytes(b"x")
        else:
            content = bytearray(path.read_bytes())
            content[4096:40960] = b"\xff" * 36864
            path.write_bytes(content)
    assert "bad.db" in shop.fail(1, "restore", "bad.db", "--force")
    assert shop.ask("account", "show", "shop")["balance"] == "100"


def test_password_of_postgres_is_not_seen_among_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments of a program can be read by everybody on the machine."""
    program = tmp_path / "pg_dump"
    program.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/args\necho "$PGPASSWORD" > {tmp_path}/password\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    asyncio.run(backup_command._call_postgres("pg_dump", "postgresql://me:s%40crt@db:5/h?sslmode=disable", "--file=x"))
    assert (tmp_path / "args").read_text() == "--file=x --dbname=postgresql://me@db:5/h?sslmode=disable\n"
    assert (tmp_path / "password").read_text() == "s@crt\n"


def test_missing_or_failing_program_of_postgres_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install, or what the program said."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    program = tmp_path / "pg_restore"
    program.write_text("#!/bin/sh\necho no such role >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(backup_command.Failure, match="no such role"):
        asyncio.run(backup_command._call_postgres("pg_restore", "postgresql://db/h"))
    with pytest.raises(backup_command.Failure, match="is not installed"):
        asyncio.run(backup_command._call_postgres("pg_dump_of_nobody", "postgresql://db/h"))


def put_message(shop: Any) -> None:
    """Message 100 of the shop, waiting for the carrier."""
    shop.tell("carrier", "create", "acme")
    shop.tell("route", "create", "all", "--carrier", "acme")
    with sqlite3.connect(shop.data / "heliograph.db") as store:
        names = [row[1] for row in store.execute("PRAGMA table_info(messages)")]
        known = {
            "int_id": 100,
            "account_id": 1,
            "id": "7",
            "phone": "79161234567",
            "text": "code 1234",
            "sender": "A\x1b",
        }
        texts = {"given", "comment", "mccmnc", "extra", "tried"}
        row = [
            known.get(name, "" if name in texts else 1_790_000_000_000 if name.endswith("_ms") else 0) for name in names
        ]
        store.execute(f"INSERT INTO messages VALUES ({','.join('?' * len(row))})", row)
        store.execute("INSERT INTO queue VALUES (100, 1, 1, 1790000000000, 0, 0)")
    store.close()


def test_trace_tells_the_story_for_people_and_programs(shop: Any) -> None:
    """By int_id or by the account's id, without its text unless asked for."""
    put_message(shop)
    shown = shop.tell("trace", "100")
    assert "100, id 7 of shop" in shown and "takes it" in shown and "1234" not in shown.replace("791612345", "")
    assert "\x1b" not in shown
    (story,) = shop.ask("trace", "7", "--login", "shop")
    assert story["message"]["text"] == "(hidden)" and story["waiting"]["carrier"] == "acme"
    assert "code 1234" in shop.tell("trace", "100", "--text")
    assert "--login" in shop.fail(1, "trace", "7")
    assert "no account 'nobody'" in shop.fail(1, "trace", "7", "--login", "nobody")


def test_queue_tells_what_waits(shop: Any) -> None:
    """By carrier and lane, with its age."""
    assert "Nothing waits." in shop.tell("queue")
    put_message(shop)
    assert "acme" in shop.tell("queue")
    assert [(line["carrier"], line["lane"], line["waiting"]) for line in shop.ask("queue")["lines"]] == [("acme", 1, 1)]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_simulated_carrier_runs_until_it_is_told_to_stop(shell: Any) -> None:
    """It listens where it says, obeys orders, and ends cleanly with its counters."""
    control = f"127.0.0.1:{free_port()}"
    arguments = ["simulate", "--listen", "127.0.0.1:0", "--profile", "instant", "--control", control]
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "heliograph", *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert "listens on 127.0.0.1:" in process.stdout.readline()
        assert shell.ask("simulate", "stats", "--control", control)["sessions"] == 0
        order = ("simulate", "inbound", "--from", "79161234567", "--to", "7495", "--control", control, "STOP")
        assert "customer" in shell.fail(1, *order)
        process.send_signal(signal.SIGTERM)
        left, _ = process.communicate(timeout=10)
        assert "sessions 0" in left and process.returncode == 0
    finally:
        process.kill()
        process.wait()
    assert shell.fail(1, *order)


def test_simulated_carrier_says_where_it_cannot_listen(shell: Any) -> None:
    """Two of them on one port is the usual mistake."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert address in shell.fail(1, "simulate", "--listen", address, "--control", "127.0.0.1:0")
    assert "host:port" in shell.fail(2, "simulate", "--listen", "here")
    assert shell.ask("simulate", "numbers")


def test_reference_pages_are_written_and_checked(shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages say what the code says: the check finds a page that differs, and one that is not made any more."""
    made = {f"{reference.FOLDER}/a.md": f"# A\n{reference.MADE}\n"}
    monkeypatch.setattr(reference, "pages", lambda: made)
    monkeypatch.setattr(reference, "own_pages", lambda: {f"{reference.FOLDER}/b.md": f"# B\n{reference.MADE}\n"})
    assert "run: heliograph reference" in shell.fail(1, "reference", "--check")
    assert "written: docs/reference/a.md" in shell.tell("reference")
    assert "up to date" in shell.tell("reference", "--check")
    Path("docs/reference/own.md").write_text("by hand")
    made.clear()
    assert shell.ask("reference")["stale"] == ["docs/reference/a.md"]
    assert sorted(path.name for path in Path("docs/reference").iterdir()) == ["b.md", "own.md"]


def test_pages_of_settings_and_commands_hold_everything() -> None:
    """Nothing that can be set or called is missing from them."""
    page = reference.write_settings()
    for name in ("day_limit", "enquire_s", "prefixes"):
        assert f"| `{name}` |" in page
