"""The command line called in process, on a data folder of its own."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from heliograph.cli.main import heliograph

WITHOUT_STORE = {("config",), ("reference",), ("simulate",), ("account", "settings"), ("carrier", "settings")}


class Shell:
    """Calls commands; every one gets the folder of this test."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def call(self, *args: str, stdin: str | None = None) -> Result:
        """Run a command and give what it said; a traceback fails the test."""
        bare = args[:1] in WITHOUT_STORE or args[:2] in WITHOUT_STORE
        where = () if bare else ("--data", str(self.data))
        result = CliRunner().invoke(heliograph, [*args, *where], input=stdin, prog_name="heliograph")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def tell(self, *args: str, stdin: str | None = None) -> str:
        """The standard output of a command that must work."""
        result = self.call(*args, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def ask(self, *args: str) -> Any:
        """The JSON of a command that must work."""
        return json.loads(self.tell(*args, "--json"))

    def fail(self, code: int, *args: str) -> str:
        """The standard error of a command that must end with this code."""
        result = self.call(*args)
        assert result.exit_code == code, result.output
        return result.stderr


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell on an empty data folder, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path / "data")


@pytest.fixture
def shop(shell: Shell) -> Shell:
    """A shell on a store with a tariff and the account "shop" with 100 roubles."""
    shell.tell("tariff", "create", "basic", "--price", "2.5")
    shell.tell("account", "create", "shop", "--balance", "100", "--password", "secret1", "sender=Shop")
    return shell
