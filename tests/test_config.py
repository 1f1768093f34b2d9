"""The configuration: file, environment, command line, and what they say of mistakes (config.py)."""

import re
from pathlib import Path

import msgspec
import pytest

from heliograph import config
from heliograph.config import Config, ConfigError, Options


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "heliograph.toml"
    path.write_text(text, "utf-8")
    return path


def test_sample_is_the_defaults_and_explains_every_setting(tmp_path: Path) -> None:
    """A file that was printed and not changed must not change anything, and each of its lines has its help above."""
    text = config.sample()
    assert config.load(write(tmp_path, text), {}) == Config()
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# ") and len(lines[number - 1]) > 4, line


def test_command_line_goes_over_environment_over_file(tmp_path: Path) -> None:
    """Each layer wins over the one below it, setting by setting."""
    path = write(tmp_path, '[http]\nlisten = "127.0.0.1:1"\nmax_body_mb = 5\n[log]\nlevel = "error"\n')
    environ = {"HELIOGRAPH_HTTP_LISTEN": "127.0.0.1:2", "HELIOGRAPH_LOG_JSON": "yes", "HELIOGRAPH_CONFIG": str(path)}
    found = config.settle(Options(http="127.0.0.1:3", data="/srv/h"), environ)
    assert (found.http.listen, found.http.max_body_mb, found.log.level, found.log.json) == (
        "127.0.0.1:3",
        5,
        "error",
        True,
    )
    assert found.database == "/srv/h/heliograph.db"
    assert config.settle(Options(), environ).http.listen == "127.0.0.1:2"


def test_lists_and_numbers_come_from_the_environment() -> None:
    """One rule for every type: lists with commas, truth as yes or no."""
    environ = {"HELIOGRAPH_HTTP_TRUSTED_PROXIES": "10.0.0.0/8, ::1", "HELIOGRAPH_CALLBACKS_ANSWER_S": "2.5"}
    found = config.load(None, environ)
    assert found.http.trusted_proxies == ("10.0.0.0/8", "::1") and found.callbacks.answer_s == 2.5


def test_names_beside_a_container_are_not_settings() -> None:
    """An orchestrator puts such variables beside a service called heliograph; they must not stop the start."""
    environ = {"HELIOGRAPH_PORT": "tcp://10.0.0.1:80", "HELIOGRAPH_SERVICE_HOST": "x", "HELIOGRAPH_PORT_80_TCP": "y"}
    assert config.load(None, environ) == Config()


@pytest.mark.parametrize(
    ("text", "environ", "said"),
    [
        ("[htp]\n", {}, "did you mean http?"),
        ("[http]\nlistn = ''\n", {}, "did you mean listen?"),
        ("http = 1\n", {}, "[http]"),
        ("[http]\nmax_body_mb = 0\n", {}, "http.max_body_mb"),
        ("[http]\nlisten = 8080\n", {}, "http.listen"),
        ("[http]\nlisten = 'here'\n", {}, "0.0.0.0:8080"),
        ("[http]\nhttps_listen = ':443'\n", {}, "tls_cert"),
        ("[http]\ntls_cert = 'a.pem'\n", {}, "belong together"),
        ("[http]\ntrusted_proxies = ['10.0.0.300']\n", {}, "10.0.0.300"),
        ("[log]\nlevel = 'loud'\n", {}, "log.level"),
        ("[http\n", {}, "not TOML"),
        ("", {"HELIOGRAPH_HTP_LISTEN": "x"}, "did you mean HELIOGRAPH_HTTP_LISTEN?"),
        ("", {"HELIOGRAPH_HTTP_LISTN": "x"}, "did you mean HELIOGRAPH_HTTP_LISTEN?"),
        ("", {"HELIOGRAPH_XYZ": "x"}, "config sample"),
        ("", {"HELIOGRAPH_HTTP_MAX_BODY_MB": "much"}, "a whole number"),
        ("", {"HELIOGRAPH_HTTP_MAX_BODY_MB": "0"}, "http.max_body_mb"),
    ],
)
def test_mistake_stops_the_start_and_says_where(tmp_path: Path, text: str, environ: dict[str, str], said: str) -> None:
    """A setting that is silently not taken is found out on the worst of days."""
    with pytest.raises(ConfigError, match=re.escape(said)):
        config.load(write(tmp_path, text), environ)


def test_check_reads_the_files_it_names(tmp_path: Path) -> None:
    """A missing certificate is better found before the restart than by it."""
    with pytest.raises(ConfigError, match="cannot read"):
        config.check(tmp_path / "none.toml", {})
    path = write(tmp_path, "[http]\ntls_cert = '/nowhere/a.pem'\ntls_key = '/nowhere/a.key'\n")
    with pytest.raises(ConfigError, match="tls_cert"):
        config.check(path, {})


@pytest.mark.parametrize(
    ("text", "meant"),
    [("0.0.0.0:80", ("0.0.0.0", 80)), (":80", ("", 80)), ("[::1]:80", ("::1", 80)), ("h:0", ("h", 0))],
)
def test_address_is_split(text: str, meant: tuple[str, int]) -> None:
    """An IPv6 address has colons of its own."""
    assert config.split_listen(text) == meant


@pytest.mark.parametrize("text", ["80", "h", "h:", "h:99999", "::1:80", "a b:80"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """A wrong address is told as such, not as a failure of the socket."""
    with pytest.raises(ValueError, match="host:port"):
        config.split_listen(text)


def test_password_of_the_database_is_masked() -> None:
    """What is printed may be pasted somewhere."""
    found = config.load(None, {"HELIOGRAPH_STORE_DATABASE": "postgresql://me:se@cret@db/h"})
    assert config.mask(found)["store"]["database"] == "postgresql://me:***@db/h"


def test_password_of_the_mail_server_is_masked() -> None:
    """It opens a mailbox."""
    found = config.load(None, {"HELIOGRAPH_MAIL_PASSWORD": "se@cret", "HELIOGRAPH_INBOUND_STOP_WORDS": "стоп,no more"})
    assert config.mask(found)["mail"]["password"] == "***"
    assert found.inbound.stop_words == ("стоп", "no more")


def test_passwords_of_sip_are_masked() -> None:
    """A trunk's password costs money in other hands."""
    url = "sip:me:se:c%40ret@trunk.example;expires=600"
    environ = {
        "HELIOGRAPH_SIP_USERS": "pbx=hidden",
        "HELIOGRAPH_SIP_REGISTRATIONS": url,
        "HELIOGRAPH_SIP_LISTEN_UDP": ":1",
    }
    shown = config.mask(config.load(None, environ))["sip"]
    assert shown["users"] == {"pbx": "***"}
    assert shown["registrations"] == ["sip:me:***@trunk.example;expires=600"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('listen_udp = ["5060"]', "sip.listen_udp"),
        ('peers = ["trunk"]', "sip.peers"),
        ('users = { pbx = "" }', "a password"),
        ('users = { "a:b" = "secret" }', "without a colon"),
        ('registrations = ["sip:trunk.example"]', "sip:user:password@registrar"),
        ('registrations = ["sip:a:b@trunk.example"]', "listen_udp"),
        ('registrations = ["sip:a:b@trunk.example;transport=tls"]', "udp or tcp"),
        ('registrations = ["sip:a:b@trunk.example;expires=1"]', "60 at least"),
        ('registrations = ["sip:a:b@trunk.example;contakt=1"]', "contakt"),
        ('registrations = ["sip:a:b@trunk.example;proxy=:x"]', "proxy"),
        ('answer = "404"', "answer"),
        ("algorithms = []", "algorithms"),
    ],
)
def test_wrong_settings_of_sip_are_told(tmp_path: Path, text: str, said: str) -> None:
    """A door that would never open is told at the start, and no password with it."""
    with pytest.raises(ConfigError, match=said) as raised:
        config.load(write(tmp_path, f"[sip]\n{text}\n"), {})
    assert "a:b@" not in str(raised.value)


def test_every_setting_is_read_by_the_program() -> None:
    """A setting that changes nothing is worse than none."""
    source = Path(config.__file__).parent
    files = (
        "app.py",
        "program.py",
        "doors.py",
        "demo.py",
        "config.py",
        "callbacks/settings.py",
        "delivery/mail.py",
        "gateways/sip_settings.py",
    )
    text = "".join((source / name).read_text("utf-8") for name in files)
    fields = msgspec.structs.fields(Config)
    names = {(field.name, each.encode_name) for field in fields for each in msgspec.structs.fields(field.type)}
    used = {name for name in names if re.search(rf"\b(said|limits|config|{name[0]})\.{name[1]}\b", text)}
    assert names - used == set()
