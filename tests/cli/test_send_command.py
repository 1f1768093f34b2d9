"""heliograph send before anything is sent: what it takes, and what it says when it cannot know where to or as whom."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner, Result

from heliograph.cli import send as module
from heliograph.cli.main import heliograph

CONFIGURED = {"HELIOGRAPH_CLIENT_URL": "http://127.0.0.1:1", "HELIOGRAPH_CLIENT_KEY": "k-secret"}


class Server:
    """The API as far as this command asks: notes forms, answers with the next line."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.answers: list[dict[str, object]] = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                server.forms.append({name: values[0] for name, values in parse_qs(body).items()})
                said = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                answer = json.dumps(said).encode() if said else b""
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,))
        self.thread.start()
        self.environment = {**CONFIGURED, "HELIOGRAPH_CLIENT_URL": f"http://127.0.0.1:{self.http.server_port}"}


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this test."""
    own = Server()
    yield own
    own.http.shutdown()
    own.http.server_close()
    own.thread.join()


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without any settings, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "HELIOGRAPH_CLIENT_URL", "HELIOGRAPH_CLIENT_KEY", "HELIOGRAPH_CLIENT_FILE"):
        monkeypatch.delenv(name, raising=False)


def call(*arguments: str, env: dict[str, str] | None = None, stdin: str | None = None) -> Result:
    """Run the command; a traceback fails the test."""
    result = CliRunner().invoke(heliograph, ["send", *arguments], env=env, input=stdin, prog_name="heliograph")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "a number and a text"),
        (("79161234567",), "a number and a text"),
        (("79161234567", "two", "words"), "quotes"),
        (("79161234567", "  "), "empty"),
        ((",;", "x"), "no numbers"),
        (("--file", "nothing.txt", "x"), "nothing.txt"),
        (("--file", "-", "79161234567", "x"), "--file FILE TEXT"),
        (("7916", "x", "--key", "k", "--login", "shop"), "--key goes without"),
        (("7916", "x", "--host", "ftp://x"), "no address"),
        (("7916", "x", "--translit", "3"), "translit"),
    ],
)
def test_wrong_usage_says_what_is_right(arguments: tuple[str, ...], words: str) -> None:
    """And sends nothing: the configured server would not even answer."""
    result = call(*arguments, env=CONFIGURED)
    assert result.exit_code in (1, 2) and words in result.stderr, result.stderr
    assert "k-secret" not in result.output


@pytest.mark.parametrize(
    ("environment", "arguments", "words"),
    [
        ({"HELIOGRAPH_CLIENT_KEY": "k"}, (), "which server?"),
        ({"HELIOGRAPH_CLIENT_URL": "http://127.0.0.1:1"}, (), "who are you?"),
        ({"HELIOGRAPH_CLIENT_URL": "http://127.0.0.1:1"}, ("--login", "shop"), "HELIOGRAPH_CLIENT_PASSWORD"),
        ({}, ("--host", "http://127.0.0.1:1"), "who are you?"),
        ({"HELIOGRAPH_CLIENT_FILE": "gone.toml"}, (), "gone.toml"),
    ],
)
def test_half_a_configuration_is_not_guessed(
    environment: dict[str, str], arguments: tuple[str, ...], words: str
) -> None:
    """The demo stands in only for nobody's configuration: a text that was meant for customers must not vanish there."""
    result = call("79161234567", "x", *arguments, env=environment)
    assert result.exit_code in (1, 2) and words in result.stderr, result.stderr


def test_without_configuration_the_demo_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has neither a server nor the demo learns how to get either."""
    monkeypatch.setattr(module, "DEMO_URL", "http://127.0.0.1:1/")
    result = call("79161234567", "x")
    assert result.exit_code == 1
    assert "goes to the demo" in result.stderr and "./dev serve --demo" in result.stderr
    assert "HELIOGRAPH_CLIENT_URL" in result.stderr


def test_options_reach_the_server(server: Server) -> None:
    """What stands on the command line, over the environment's sender."""
    server.answers = [{"id": 5, "cnt": 1, "cost": "1.6", "balance": "98.4"}]
    environment = {**server.environment, "HELIOGRAPH_CLIENT_SENDER": "Shop"}
    result = call("7916,7917", "Текст", "--time", "+5", "--tinyurl", "--translit", "1", env=environment)
    assert result.output == "Sent to 2 numbers: id 5, 1 SMS, cost 1.6, balance 98.4.\n"
    expected = {"phones": "7916,7917", "mes": "Текст", "time": "+5", "tinyurl": "1", "translit": "1", "sender": "Shop"}
    assert {**expected, "apikey": "k-secret", "cost": "3"}.items() <= server.forms[0].items()
    call("7916", "x", "--login", "other", "--password", "p", "--sender", "Else", env=environment)
    assert server.forms[1]["login"] == "other" and server.forms[1]["psw"] == "p" and "apikey" not in server.forms[1]
    assert server.forms[1]["sender"] == "Else"


def test_many_numbers_go_in_portions(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """One refused portion does not stop the others and is told; when the money has gone, the rest is not tried."""
    monkeypatch.setattr(module, "PORTION", 2)
    taken = {"id": 5, "cnt": 2, "cost": "3.2", "balance": "98.4"}
    server.answers = [taken, {"error": "message is denied", "error_code": 6}, taken]
    result = call("--file", "-", "x", "--json", env=server.environment, stdin="1\n2\n3\n4\n5\n6\n")
    told = json.loads(result.stdout)
    assert result.exit_code == 1 and len(told["sent"]) == 2
    assert told["refused"] == [{"numbers": 2, "error_code": 6, "error": "message is denied"}]
    server.forms.clear()
    server.answers = [taken, {"error": "no money", "error_code": 3}]
    result = call("--file", "-", "x", env=server.environment, stdin="1\n2\n3\n4\n5\n6\n")
    assert result.exit_code == 1 and len(server.forms) == 2
    assert "Not sent to 2 numbers (3 …)" in result.stderr and "Not sent to 2 numbers (5 …)" in result.stderr


def test_statuses_of_many_are_asked_as_a_list(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only those that are still open, the second time."""
    monkeypatch.setattr(module, "FIRST_LOOK_S", 0.0)
    monkeypatch.setattr(module, "LIST_S", 0.01)
    done, open_ = {"status": 1, "status_name": "Delivered"}, {"status": 0, "status_name": "Sent"}
    taken = {"id": 5, "cnt": 2, "cost": "3.2", "balance": "98.4"}
    failed = {"status": 20, "status_name": "Failed", "err": 6}
    server.answers = [taken, [done, open_], [failed]]  # type: ignore[list-item]
    result = call("7916,7917", "x", "--wait", "--json", env=server.environment)
    assert [row["status"] for row in json.loads(result.stdout)["statuses"]] == [1, 20] and result.exit_code == 1
    assert [form.get("phone") for form in server.forms] == [None, "7916,7917,", "7917,"]


def test_a_text_whose_answer_was_lost_counts_as_sent(server: Server) -> None:
    """A script that sends again on a failure would send it twice."""
    server.answers = [{}, {"error": "duplicate request, wait a minute", "error_code": 9}]
    result = call("7916", "x", "--json", env=server.environment)
    assert result.exit_code == 0 and json.loads(result.stdout)["taken"] == ["7916"]
    server.answers = [{}, {"error": "duplicate request, wait a minute", "error_code": 9}]
    result = call("7916", "y", "--wait", env=server.environment)
    assert result.exit_code == 1 and "was taken" in result.stdout
