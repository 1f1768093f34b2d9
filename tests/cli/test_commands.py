"""What holds for every command: help with an example, JSON, no heavy imports, errors that say what to do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from heliograph.cli.main import COMMANDS, heliograph

PRINTED = {"sample", "serve", "drill", "simulate", "reference"}


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    """All commands that are not groups."""
    if isinstance(command, click.Group):
        if command.invoke_without_command:
            yield " ".join(path), command
        for name, found in command.commands.items():
            yield from walk(found, (*path, name))
    else:
        yield " ".join(path), command


def load() -> list[tuple[str, click.Command]]:
    """Every command of the table."""
    found = []
    for name, (module, attribute, _) in COMMANDS.items():
        found += list(walk(getattr(import_module(f"heliograph.cli.{module}"), attribute), (name,)))
    return found


EVERY = load()


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_help_has_an_example_of_itself(name: str, command: click.Command) -> None:
    """Whoever asks for help mostly wants something to copy."""
    assert f"heliograph {name}" in (command.help or "")


@pytest.mark.parametrize(("name", "command"), EVERY, ids=[name for name, _ in EVERY])
def test_option_has_help_and_programs_have_json(name: str, command: click.Command) -> None:
    """Every option is explained, and everything that tells something can tell it to a program."""
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert all(option.help for option in options)
    if name.split()[-1] not in PRINTED:
        assert "as_json" in {option.name for option in options}


def test_table_of_commands_says_what_each_says() -> None:
    """The list of commands is told without importing them, so its words stand twice: they must agree in the module."""
    assert {module for module, _, _ in COMMANDS.values()} >= {"serve", "account", "trace"}
    for name, (module, attribute, text) in COMMANDS.items():
        command = getattr(import_module(f"heliograph.cli.{module}"), attribute)
        assert isinstance(command, click.Command) and command.name == name and text.endswith(".")


def test_unknown_command_names_the_nearest(shell: Any) -> None:
    """A slip of the finger is answered with what was meant, and code 2."""
    assert "did you mean account?" in shell.fail(2, "acount")


def test_serve_imports_neither_tables_nor_stores_for_its_help() -> None:
    """The server starts at once: what draws tables is not loaded for it, nor the other commands."""
    code = (
        "import sys, json\n"
        "from heliograph.cli.main import heliograph\n"
        "heliograph(['serve', '--help'], standalone_mode=False)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert not {name for name in modules if name.split(".")[0] in {"rich", "cryptography", "asyncpg", "argon2"}}
    assert {name for name in modules if name.startswith("heliograph.cli.")} == {
        "heliograph.cli.main",
        "heliograph.cli.serve",
    }


def test_python_m_runs_it() -> None:
    """``python -m heliograph`` is the same command."""
    done = subprocess.run([sys.executable, "-m", "heliograph", "--help"], capture_output=True, text=True, check=True)
    assert "Usage: heliograph [OPTIONS]" in done.stdout and "serve" in done.stdout


def test_store_that_is_not_there_is_not_made_by_a_question(shell: Any) -> None:
    """A mistyped folder must not become an empty installation."""
    assert "there is no store" in shell.fail(1, "account", "list")
    assert not shell.data.exists()


def test_wrong_configuration_is_told_without_a_traceback(shell: Any) -> None:
    """The command line reads the same configuration as the server."""
    Path("heliograph.toml").write_text("[http]\nlistn = ''\n")
    assert "did you mean listen?" in shell.fail(1, "account", "list")


@pytest.mark.parametrize(("text", "why"), [(None, "No such file"), ("no certificate", "no PEM")])
def test_certificate_that_cannot_be_used_is_told_without_a_traceback(
    tmp_path: Path, text: str | None, why: str
) -> None:
    """Who sets up HTTPS mistypes a path or names the wrong file first."""
    if text is not None:
        (tmp_path / "cert.pem").write_text(text)
        (tmp_path / "key.pem").write_text(text)
    doors = "listen = '127.0.0.1:0'\nhttps_listen = '127.0.0.1:0'\n"
    (tmp_path / "heliograph.toml").write_text(f"[http]\n{doors}tls_cert = 'cert.pem'\ntls_key = 'key.pem'\n")
    serving = [sys.executable, "-m", "heliograph", "serve"]
    done = subprocess.run(serving, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "cannot use cert.pem with key.pem" in done.stderr and why in done.stderr


def test_group_without_command_shows_its_help() -> None:
    """The groups list what they can do."""
    from click.testing import CliRunner

    shown = CliRunner().invoke(heliograph, ["account"])
    assert "top-up" in shown.output


def test_version_is_told_from_a_source_tree_too(shell: Any) -> None:
    """It runs without being installed, and then has no version of its own."""
    from click.testing import CliRunner

    assert CliRunner().invoke(heliograph, ["--version"]).stdout.startswith("heliograph")
