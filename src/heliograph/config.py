"""The configuration: one TOML file, environment variables over it, what a command line says over both (design section 11).

The rule for the environment: HELIOGRAPH_<SECTION>_<SETTING>, so HELIOGRAPH_HTTP_LISTEN is `listen` of `[http]`; lists are
written with commas. What the command line says goes over both. Reference: https://toml.io/en/v1.0.0
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from heliograph.core.settings import Setting, describe, read, suggest
from heliograph.sections import (
    Callbacks,
    Calls,
    Delivery,
    Demo,
    Exports,
    Http,
    Inbound,
    Limits,
    Links,
    Log,
    Mail,
    Metrics,
    Numbers,
    Oms,
    Section,
    Sip,
    Smpp,
    Smtp,
    Store,
)
from heliograph.wire.sip.registrar import mask_registrar, parse_registrar

FILE = "heliograph.toml"
PREFIX = "HELIOGRAPH_"
LISTEN = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]*):(\d{1,5})")
# Nothing in it may be touched by translit, and what follows must be read as a code: / alone or a path that ends in /r/.
BASE = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?(?:/|/(?:[A-Za-z0-9._~-]+/)*r/)", re.ASCII)
# Docker links and Kubernetes put such names beside a program called heliograph; CLIENT_ is for heliograph.client.
FOREIGN = re.compile(r"HELIOGRAPH_(CLIENT_.*|SERVICE_.*|PORT|PORT_\d.*|ENV_.*|NAME|CONFIG)")
SHORTEST_SECRET = 16
DEFAULT_CONFIG_VARIABLE = "HELIOGRAPH_CONFIG"


class ConfigError(Exception):
    """The configuration cannot be used; the message says where and what to do."""


class Config(Section, frozen=True):
    """Everything that is configured by file; accounts, prices and routes live in the database."""

    http: Http = Http()
    smpp: Smpp = Smpp()
    smtp: Smtp = Smtp()
    sip: Sip = Sip()
    calls: Calls = Calls()
    store: Store = Store()
    numbers: Numbers = Numbers()
    callbacks: Callbacks = Callbacks()
    limits: Limits = Limits()
    links: Links = Links()
    oms: Oms = Oms()
    inbound: Inbound = Inbound()
    mail: Mail = Mail()
    delivery: Delivery = Delivery()
    exports: Exports = Exports()
    demo: Demo = Demo()
    metrics: Metrics = Metrics()
    log: Log = Log()

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(self.store.data)

    @property
    def database(self) -> str:
        """The store's address: the configured one, or the file in the data folder."""
        return self.store.database or str(self.data / "heliograph.db")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a command line may say over the file and the environment; None where it says nothing."""

    demo: bool = False
    config: str | None = None
    data: str | None = None
    database: str | None = None
    http: str | None = None
    smpp: str | None = None
    smtp: str | None = None
    log_level: str | None = None


def settle(options: Options, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration that holds for a command line: its options, over the environment, over the file."""
    said: dict[tuple[str, str], str | None] = {
        ("store", "data"): options.data,
        ("store", "database"): options.database,
        ("http", "listen"): options.http,
        ("smpp", "listen"): options.smpp,
        ("smtp", "listen"): options.smtp,
        ("log", "level"): options.log_level,
    }
    return load(
        find_file(options.config, environ), environ, {key: text for key, text in said.items() if text is not None}
    )


def find_file(given: str | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file to read: the given one, that of HELIOGRAPH_CONFIG, or heliograph.toml in the working folder if it is there."""
    name = given or environ.get(DEFAULT_CONFIG_VARIABLE)
    if name:
        return Path(name)
    path = Path(FILE)
    return path if path.is_file() else None


def load(
    path: Path | None,
    environ: Mapping[str, str] = os.environ,
    said: Mapping[tuple[str, str], str] | None = None,
) -> Config:
    """Read a file (None: defaults), put the environment over it and then ``said`` ((section, setting): text).

    ConfigError for what cannot be read, is unknown (with the nearest known name) or out of bounds.
    """
    values = _read_file(path) if path is not None else {}
    source = str(path) if path is not None else "the configuration"
    known = _known()
    _check_names(values, known, source)
    for name, text in environ.items():
        if name.startswith(PREFIX) and not FOREIGN.fullmatch(name):
            section, setting = _resolve(name, known)
            _put(values, known, section, setting, text, name)
    for (section, setting), text in (said or {}).items():
        _put(values, known, section, setting, text, "the command line")
    config = _convert(values, source)
    _check(config)
    return config


def check(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """``load``, and whether the files it names can be read; ConfigError."""
    config = load(path, environ)
    for name in ("tls_cert", "tls_key"):
        file = getattr(config.http, name)
        if file and not os.access(file, os.R_OK):
            raise ConfigError(f"http.{name}: cannot read {file}")
    return config


def sample() -> str:
    """A configuration file that says what each setting is; every value in it is the default."""
    lines = [
        "# Heliograph's configuration. Every setting has its default here; leave out what you do not change.",
        "# The environment goes over this file: HELIOGRAPH_HTTP_LISTEN is `listen` of [http].",
    ]
    for field in msgspec.structs.fields(Config):
        lines += ["", f"# {_first_line(field.type)}", f"[{field.name}]"]
        for setting in describe(field.type):
            lines += [f"# {setting.help}{_limits(setting)}", f"{setting.name} = {_toml(setting.default)}"]
    return "\n".join(lines) + "\n"


def mask(config: Config) -> dict[str, Any]:
    """The configuration as plain values, without the passwords in it."""
    values: dict[str, Any] = msgspec.to_builtins(config)
    values["sip"]["users"] = dict.fromkeys(config.sip.users, "***")
    values["sip"]["registrations"] = [mask_registrar(each) for each in config.sip.registrations]
    values["calls"]["hook_secret"] = "***" if config.calls.hook_secret else ""
    values["mail"]["password"] = "***" if config.mail.password else ""
    values["store"]["database"] = re.sub(r"(://[^:/@]*:).*@", r"\1***@", config.store.database)
    return values


def split_listen(text: str) -> tuple[str, int]:
    """Host and port of host:port; an empty host is every address. ValueError for anything else."""
    found = LISTEN.fullmatch(text)
    if found is None or int(found[2]) > 65535:
        raise ValueError(f"{text!r} is no host:port, such as 0.0.0.0:8080 or [::]:8080")
    return found[1].strip("[]"), int(found[2])


def _known() -> dict[str, dict[str, Setting]]:
    sections = msgspec.structs.fields(Config)
    return {field.name: {setting.name: setting for setting in describe(field.type)} for field in sections}


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _check_names(values: dict[str, Any], known: dict[str, dict[str, Setting]], source: str) -> None:
    for section, settings in values.items():
        if section not in known:
            raise ConfigError(f"{source}: there is no section [{section}]; {suggest(section, known)}")
        if not isinstance(settings, dict):
            raise ConfigError(f"{source}: {section} is a section; write [{section}] and its settings below")
        for name in settings:
            if name not in known[section]:
                raise ConfigError(f"{source}: [{section}] has no {name!r}; {suggest(name, known[section])}")


def _resolve(variable: str, known: dict[str, dict[str, Setting]]) -> tuple[str, str]:
    section, _, setting = variable.removeprefix(PREFIX).lower().partition("_")
    if setting in known.get(section, {}):
        return section, setting
    names = [f"{part}_{name}" for part, settings in known.items() for name in settings]
    near = difflib.get_close_matches(f"{section}_{setting}", names, n=1, cutoff=0.6)
    hint = f"did you mean {PREFIX}{near[0].upper()}?" if near else "heliograph config sample lists all settings"
    raise ConfigError(f"the environment variable {variable} is not known; {hint}")


def _put(
    values: dict[str, Any], known: dict[str, dict[str, Setting]], section: str, setting: str, text: str, source: str
) -> None:
    try:
        values.setdefault(section, {})[setting] = read(known[section][setting].type, text)
    except ValueError as error:
        raise ConfigError(f"{source}: {section}.{setting}: {error}") from None


def _convert(values: dict[str, Any], source: str) -> Config:
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        raise ConfigError(f"{source}: {where.rstrip('`')}: {reason}") from None


def _check(config: Config) -> None:
    """Rules that a type does not say."""
    for section in ("http", "smpp", "smtp", "metrics", "demo"):
        for name in ("listen", "https_listen", "tls_listen", "carrier_listen"):
            text = getattr(getattr(config, section), name, "")
            if text:
                try:
                    split_listen(text)
                except ValueError as error:
                    raise ConfigError(f"{section}.{name}: {error}") from None
    _check_sip(config.sip)
    if 0 < len(config.calls.hook_secret) < SHORTEST_SECRET:
        raise ConfigError(f"calls.hook_secret: {SHORTEST_SECRET} characters or more; openssl rand -hex 24 makes one")
    for section, name in (
        ("http", "trusted_proxies"),
        ("callbacks", "allow_private"),
        ("metrics", "allow"),
        ("smtp", "relays"),
        ("sip", "peers"),
        ("sip", "trusted"),
    ):
        for network in getattr(getattr(config, section), name):
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                raise ConfigError(f"{section}.{name}: {network!r} is no address or network") from None
    if config.links.base and not BASE.fullmatch(config.links.base):
        raise ConfigError(
            f"links.base: {config.links.base!r} is no such address; write https://s.example.ru/ or "
            "https://sms.example.ru/r/ (a Cyrillic domain in its xn-- form, the path / alone or ending in /r/)"
        )
    if bool(config.smpp.tls_cert) != bool(config.smpp.tls_key):
        raise ConfigError("smpp: tls_cert and tls_key belong together")
    if config.smpp.tls_listen and not (config.smpp.tls_cert or config.http.tls_cert):
        raise ConfigError("smpp: a TLS door needs tls_cert and tls_key, here or in [http]")
    _check_smtp(config)
    if bool(config.http.tls_cert) != bool(config.http.tls_key):
        raise ConfigError("http: tls_cert and tls_key belong together")
    if config.http.https_listen and not config.http.tls_cert:
        raise ConfigError("http: a TLS door needs tls_cert and tls_key")


def _check_smtp(config: Config) -> None:
    smtp = config.smtp
    if bool(smtp.tls_cert) != bool(smtp.tls_key):
        raise ConfigError("smtp: tls_cert and tls_key belong together")
    if smtp.tls_listen and not (smtp.tls_cert or config.http.tls_cert):
        raise ConfigError("smtp: a TLS door needs tls_cert and tls_key, here or in [http]")


def _check_sip(sip: Sip) -> None:
    for name in ("listen_udp", "listen_tcp"):
        for text in getattr(sip, name):
            try:
                split_listen(text)
            except ValueError as error:
                raise ConfigError(f"sip.{name}: {error}") from None
    for name, password in sip.users.items():
        if not name or ":" in name or not password:  # a digest is over name:realm:password (RFC 7616, section 3.4.2)
            raise ConfigError(f"sip.users: {name!r} needs a name without a colon, and a password")
    for text in sip.registrations:
        try:
            transport = parse_registrar(text).transport
        except ValueError as error:
            raise ConfigError(f"sip.registrations: {error}") from None
        if transport == "udp" and not sip.listen_udp:
            raise ConfigError("sip.registrations: over UDP they need listen_udp, where the calls will come")


def _first_line(section: type[msgspec.Struct]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _limits(setting: Setting) -> str:
    return f" (one of {', '.join(get_args(setting.type))})" if get_origin(setting.type) is Literal else ""


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return str(value)
