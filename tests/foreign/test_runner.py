"""The runner of foreign clients notices what differs: it is the last step of CI, and silence there would pass."""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parent
GOOD = "sent: id 5\nstatus: 1 Доставлено\nbalance: 998.40 RUR\n"


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with its neighbour."""
    monkeypatch.syspath_prepend(str(HERE))
    return importlib.import_module("runner")


def test_every_client_and_example_is_found(runner: ModuleType) -> None:
    """One of each language of the documentation, and names that are there once."""
    programs = runner.find_programs()
    names = [program.name for program in programs]
    assert len(set(names)) == len(names)
    assert {f"example-{language}" for language in ("py", "php", "js", "go", "sh")} <= set(names)
    assert {"smsc", "smsc-client", "node-smsc", "smsc-ru", "php", "php-handler", "perl", "java"} <= set(names)
    assert {"smpplib", "node-smpp", "net-smpp", "kannel", "zeep", "suds", "nodemailer", "swaks"} <= set(names)
    doors = [value for program in programs for name, value in program.server.items() if name.endswith("_LISTEN")]
    assert len(set(doors)) == len(doors)  # three servers run at a time


def test_a_module_that_is_not_there_is_missing(runner: ModuleType) -> None:
    """Of Perl, as an extension of PHP and a command are."""
    programs = importlib.import_module("programs")
    needs = ("perl:No::Such", "php:nosuch", "no-such-command")
    assert programs.Program("x", "y", Path("x.sh"), needs=needs).missing[-3:] == list(needs)


def test_a_client_declares_itself(runner: ModuleType, tmp_path: Path) -> None:
    """In its comments; what is misspelt is told instead of being passed over."""
    file = tmp_path / "x.js"
    file.write_text(
        '// foreign: name = "x"\n// foreign: what = "y"\n// foreign: npm = ["z@1"]\n// foreign: server = { A = "b" }\n'
    )
    programs = importlib.import_module("programs")
    program = programs.read_program(file)
    assert (program.commands, program.npm, program.server) == (("node", "npm"), ("z@1",), {"A": "b"})
    for text in (
        '// foreign: name = "x"\n',
        "// foreign: name = \n",
        '// foreign: name = "x"\n// foreign: what = "y"\n// foreign: nmp = []\n',
    ):
        file.write_text(text)
        with pytest.raises(SystemExit, match=r"x\.js"):
            programs.read_program(file)
    file.write_text("// a part of another program\n")
    assert not programs.is_declared(file)


@pytest.mark.parametrize("printed", [GOOD.replace("1 Доставлено", "20 Невозможно доставить"), "sent: id 5\n", ""])
def test_an_example_that_fails_differs(runner: ModuleType, printed: str) -> None:
    """It must say all three things, and end well."""
    argv = [sys.executable, "-c", f"print({printed!r})"]
    lines = runner.run_example(argv, dict(os.environ), "http://127.0.0.1:1", "79161234567")
    assert not all(ok for _, ok, _ in lines)
    ends_badly = [sys.executable, "-c", f"import sys; print({GOOD!r}); sys.exit('it did not work')"]
    lines = runner.run_example(ends_badly, dict(os.environ), "http://127.0.0.1:1", "79161234567")
    assert lines[-1] == ("the program", False, "it did not work")


def test_a_client_that_crashes_or_is_silent_differs(runner: ModuleType) -> None:
    """Also when all that it said before was fine."""
    for program in ("print('send\\tok\\t1'); raise SystemExit('crashed')", "pass", "print('send\\tdiffers\\t1')"):
        lines = runner.run_client([sys.executable, "-c", program], dict(os.environ), "http://127.0.0.1:1", "7916")
        assert not runner.Outcome(lines).fine
    fine = runner.run_client(
        [sys.executable, "-c", "print('send\\tok\\t1')"], dict(os.environ), "http://127.0.0.1:1", "7"
    )
    assert runner.Outcome(fine).fine


def test_languages_are_not_installed_without_root(runner: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not root gets the line to paste; elsewhere than on Debian the names."""
    programs = importlib.import_module("programs")
    wanted = [programs.Program("x", "y", Path("x.pl"), needs=("no-such-command",), debian=("no-such-package",))]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(programs.shutil, "which", lambda command: "/usr/bin/apt-get" if command == "apt-get" else None)
    with pytest.raises(SystemExit, match="sudo apt-get install --no-install-recommends no-such-package perl"):
        programs.install_debian(wanted)
    monkeypatch.setattr(programs.shutil, "which", lambda command: None)
    with pytest.raises(SystemExit, match="your system"):
        programs.install_debian(wanted)
