"""Where a client finds its server: arguments, environment, the user's file; none of it disturbs the server."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from heliograph import config
from heliograph.client import Client, calls
from heliograph.client.calls import SendOptions
from heliograph.client.pace import Pace
from heliograph.client.settings import PREFIX, Settings, SettingsError, find
from heliograph.client.tries import Host, parse_host


def test_the_server_does_not_mind_the_clients_variables() -> None:
    """Names that it does not know stop its start; these are in the environment of many a machine that runs both."""
    names = [f"{PREFIX}{name.upper()}" for name in (*Settings.__struct_fields__, "file")]
    assert config.load(None, dict.fromkeys(names, "x")) == config.load(None, {})


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    """One setting at a time; a key of one place goes over a login of the other."""
    file = tmp_path / "heliograph" / "client.toml"
    file.parent.mkdir()
    file.write_text('url = "https://a.example/, https://b.example/"\nlogin = "shop"\npassword = "p"\nsender = "Shop"\n')
    file.chmod(0o600)
    home = {"XDG_CONFIG_HOME": str(tmp_path)}
    found = find(home)
    assert (found.urls, found.login, found.sender) == (("https://a.example/", "https://b.example/"), "shop", "Shop")
    keyed = find({**home, "HELIOGRAPH_CLIENT_KEY": "k", "HELIOGRAPH_CLIENT_URL": "http://c.example"})
    assert (keyed.key, keyed.login, keyed.password, keyed.urls) == ("k", "", "", ("http://c.example",))


def test_nothing_is_an_empty_setting() -> None:
    """No home, no file, no variable."""
    assert find({}).is_empty
    assert not find({"HELIOGRAPH_CLIENT_LOGIN": "shop"}).is_empty


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ('password = "secret"', 0o644, "chmod 600"),
        ("url = [", 0o600, "TOML"),
        ('adress = "x"', 0o600, "adress"),
        ("url = 5", 0o600, "url"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, mode: int, words: str) -> None:
    """And never what the password is."""
    file = tmp_path / "client.toml"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(SettingsError, match=words) as caught:
        find({"HELIOGRAPH_CLIENT_FILE": str(file)})
    assert "secret" not in str(caught.value)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    """The usual one need not."""
    assert find({"HOME": str(tmp_path)}).is_empty
    with pytest.raises(SettingsError, match="there is no"):
        find({"HELIOGRAPH_CLIENT_FILE": str(tmp_path / "nothing")})


@pytest.mark.parametrize(
    ("url", "host", "header"),
    [
        ("https://sms.example.ru", Host("sms.example.ru", 443, True, "/"), "sms.example.ru"),
        ("http://sms.example.ru:8080/sys/", Host("sms.example.ru", 8080, False, "/"), "sms.example.ru:8080"),
        ("127.0.0.1:8080", Host("127.0.0.1", 8080, False, "/"), "127.0.0.1:8080"),
        ("https://[::1]:8443/api/", Host("::1", 8443, True, "/api/"), "[::1]:8443"),
        ("https://смс.рф/", Host("xn--l1ajb.xn--p1ai", 443, True, "/"), "xn--l1ajb.xn--p1ai"),
    ],
)
def test_addresses_are_understood(url: str, host: Host, header: str) -> None:
    """As people have them: with the folder of the API or without, in Cyrillic too."""
    assert parse_host(url) == host
    assert host.header == header


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x", "http://", "http://u:p@x/", "http://x/?a=1", "http://x:99999/", "http://x y/"],
)
def test_other_addresses_are_refused(url: str) -> None:
    """Before anything is sent anywhere."""
    with pytest.raises(ValueError):
        parse_host(url)


def test_a_client_needs_one_way_to_sign_in() -> None:
    """Both, or half of one, is a mistake that the server would only answer with error 2."""
    for login, password, key in (("", "", ""), ("shop", "", ""), ("shop", "p", "k"), ("", "p", "")):
        with pytest.raises(ValueError):
            Client("http://127.0.0.1:1", login, password, key=key)
    for wrong in ({"charset": "latin-1"}, {"charset": "none"}, {"attempts": 0}):
        with pytest.raises(ValueError):
            Client("http://127.0.0.1:1", key="k", **wrong)  # type: ignore[arg-type]


def test_dates_and_moments_are_written() -> None:
    """A moment goes as UNIX seconds, whatever zone the account has; one without a zone is refused."""
    moment = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
    assert calls.send("7916", "x", {"time": moment}).params["time"] == "01795262400"
    with pytest.raises(ValueError, match="zone"):
        calls.send("7916", "x", SendOptions(time=datetime(2026, 11, 21, 12, 0)))
    assert calls.join_params(calls.statistics(date(2026, 11, 1), None, False, False).params)["start"] == "01.11.2026"


def test_pace_makes_room_for_a_limit() -> None:
    """Three in ten seconds: the fourth waits until the first is ten seconds old, the next one behind it."""
    pace = Pace(3, 10.0)
    assert [pace.reserve(now) for now in (0.0, 1.0, 2.0)] == [0.0, 0.0, 0.0]
    assert pace.reserve(4.0) == 6.0
    assert pace.reserve(4.0) == 7.0
    assert pace.reserve(30.0) == 0.0
