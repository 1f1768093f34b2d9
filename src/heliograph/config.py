"""The configuration: one TOML file, environment variables over it, and help beside every setting (design section 11).

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
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

from heliograph.core.settings import Setting, describe, read, suggest
from heliograph.wire.sip.registrar import mask_registrar, parse_registrar

Meta = msgspec.Meta
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


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all sections share: they cannot be changed and take no unknown names."""


class Http(Section, frozen=True):
    """The HTTP and HTTPS doors: the API, short links and the web account."""

    listen: Annotated[str, Meta(description="host:port of the HTTP door; empty closes it")] = "127.0.0.1:8080"
    https_listen: Annotated[str, Meta(description="host:port of the HTTPS door; empty closes it")] = ""
    tls_cert: Annotated[str, Meta(description="File with the certificate chain; read again when it changes")] = ""
    tls_key: Annotated[str, Meta(description="File with its private key; read again when it changes")] = ""
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(description="Addresses or networks whose X-Forwarded-For is believed, so that bans hit the client"),
    ] = ()
    max_body_mb: Annotated[int, Meta(ge=1, le=1024, description="Largest request body, in MiB")] = 32
    header_s: Annotated[
        float, Meta(gt=0, description="Seconds a client may take to shake hands (TLS), and to send a request's head")
    ] = 10.0
    body_s: Annotated[
        float, Meta(gt=0, description="Seconds a client may take to send a request's body, or 16 KiB more of it")
    ] = 60.0
    body_rate: Annotated[
        int, Meta(ge=1, description="Bytes a second that a body must average when it takes longer than body_s")
    ] = 4096
    idle_s: Annotated[
        float, Meta(gt=0, description="Seconds a silent connection is kept; 5 when nine tenths of them are in use")
    ] = 75.0
    connections: Annotated[
        int, Meta(ge=1, description="Connections at once; more are refused. The limit of open files may allow fewer")
    ] = 10_000
    connections_per_client: Annotated[
        int,
        Meta(ge=1, description="Those of one address (IPv6: of one /64); behind a trusted proxy, of one client"),
    ] = 512


class Smpp(Section, frozen=True):
    """The SMPP door for customers (docs/smpp.md)."""

    listen: Annotated[str, Meta(description="host:port of the SMPP door; empty closes it. 2775 is usual")] = ""
    tls_listen: Annotated[
        str, Meta(description="host:port of the same with TLS from the first byte; empty closes it")
    ] = ""
    tls_cert: Annotated[str, Meta(description="File with the certificate chain; empty: that of [http]")] = ""
    tls_key: Annotated[str, Meta(description="File with its private key; empty: that of [http]")] = ""
    init_s: Annotated[float, Meta(gt=0, description="Seconds from the connection to the bind")] = 10.0
    idle_s: Annotated[
        float, Meta(gt=0, description="Seconds without a PDU that end a session; at half of them it is asked for life")
    ] = 120.0
    answer_s: Annotated[
        float,
        Meta(gt=0, description="Seconds a client may take to acknowledge a receipt or text, which is then repeated"),
    ] = 30.0
    window: Annotated[
        int, Meta(ge=1, description="Requests of one session without an answer before nothing more is read from it")
    ] = 2000
    deliver_window: Annotated[
        int, Meta(ge=1, description="Receipts and texts that may wait for a session's acknowledgements")
    ] = 100
    connections: Annotated[int, Meta(ge=1, description="Connections at once; more are dropped")] = 2000
    connections_per_client: Annotated[int, Meta(ge=1, description="Those of one address (IPv6: of one /64)")] = 100
    incomplete_s: Annotated[
        int, Meta(ge=1, description="Seconds for all parts of a long text to come (account setting smpp_incomplete)")
    ] = 300
    keep_days: Annotated[
        int, Meta(ge=1, description="Days for which receipts and texts wait for a customer who does not bind")
    ] = 7


class Smtp(Section, frozen=True):
    """The mail door: letters that become texts (docs/smtp.md)."""

    listen: Annotated[str, Meta(description="host:port of the mail door; empty closes it. 25 is usual")] = ""
    tls_listen: Annotated[
        str, Meta(description="host:port of the same with TLS from the first byte; empty closes it. 465 is usual")
    ] = ""
    tls_cert: Annotated[
        str, Meta(description="File with the certificate chain, for STARTTLS too; empty: that of [http]")
    ] = ""
    tls_key: Annotated[str, Meta(description="File with its private key; empty: that of [http]")] = ""
    domains: Annotated[
        tuple[str, ...], Meta(description="Domains whose letters are taken, such as sms.example.ru; * is any")
    ] = ()
    relays: Annotated[
        tuple[str, ...],
        Meta(description="Addresses or networks of mail servers that bring letters of many: never banned nor slowed"),
    ] = ()
    letter_kb: Annotated[int, Meta(ge=1, le=10_240, description="Largest letter, in KiB")] = 100
    letters_per_minute: Annotated[
        int, Meta(ge=1, description="Letters a minute of one address (IPv6: of one /64); more are put off")
    ] = 600
    timeout_s: Annotated[
        float,
        Meta(gt=0, description="Seconds for a client's next command, for a whole letter, and to shake hands (TLS)"),
    ] = 60.0
    connections: Annotated[int, Meta(ge=1, description="Connections at once; more are turned away")] = 1000
    connections_per_client: Annotated[int, Meta(ge=1, description="Those of one address (IPv6: of one /64)")] = 50


class Sip(Section, frozen=True):
    """Calls that confirm a number: they are taken note of and refused, so that nobody pays (docs/sip.md)."""

    listen_udp: Annotated[
        tuple[str, ...], Meta(description="host:port, as many as wanted; empty closes this door")
    ] = ()
    listen_tcp: Annotated[tuple[str, ...], Meta(description="The same for TCP")] = ()
    peers: Annotated[
        tuple[str, ...], Meta(description="Addresses or networks of trunks that may call without a password")
    ] = ()
    trusted: Annotated[
        tuple[str, ...],
        Meta(description="Those that may, and whose P-Asserted-Identity is believed to say who calls"),
    ] = ()
    users: Annotated[
        dict[str, str],
        Meta(
            description="name = password of those that may call from any address (digest), such as { pbx = 'secret' }"
        ),
    ] = {}
    realm: Annotated[str, Meta(min_length=1, description="What these passwords are for, as peers are told")] = (
        "heliograph"
    )
    algorithms: Annotated[
        tuple[Literal["MD5", "SHA-256"], ...],
        Meta(
            min_length=1,
            description="How passwords are hashed on the wire, preferred first; many trunks know MD5 alone",
        ),
    ] = ("MD5",)
    strangers: Annotated[
        Literal["refuse", "silence"],
        Meta(description="What all others get: 403, or nothing; where there are users, 401 in any case"),
    ] = "refuse"
    called: Annotated[
        Literal["request", "to"],
        Meta(description="Where the called number stands: the first line, or To when that names an account"),
    ] = "request"
    answer: Annotated[Literal["486", "603"], Meta(description="Answer to a call that was waited for")] = "486"
    unexpected: Annotated[Literal["404", "603"], Meta(description="Answer to one that nobody waits for")] = "404"
    anonymous: Annotated[Literal["433", "603"], Meta(description="Answer to a caller who hides his number")] = "433"
    registrations: Annotated[
        tuple[str, ...],
        Meta(description="Trunks to register at: sip:user:password@registrar:5060;transport=udp;expires=600"),
    ] = ()
    keepalive_s: Annotated[
        int, Meta(ge=0, le=3600, description="Seconds between signs of life to registrars, for NAT; 0: none")
    ] = 25
    transactions: Annotated[
        int,
        Meta(ge=100, le=1_000_000, description="Transactions in memory, some 2 KB each; then the oldest is dropped"),
    ] = 20_000


class Calls(Section, frozen=True):
    """Calls that confirm numbers (docs/calls.md); the lines over SIP are in [sip]."""

    hook_secret: Annotated[
        str,
        Meta(
            description="Secret by which requests to /hooks/call are signed, 16 characters or more; empty closes the hook"
        ),
    ] = ""


class Store(Section, frozen=True):
    """Where everything is kept."""

    data: Annotated[str, Meta(description="Folder of the database, the key file and the locks")] = "data"
    database: Annotated[
        str,
        Meta(description="postgresql://user:password@host/name, or sqlite:///file; empty: heliograph.db in the folder"),
    ] = ""
    patience_s: Annotated[
        float, Meta(gt=0, description="Seconds that PostgreSQL may be away before requests are refused")
    ] = 10.0
    keep_days: Annotated[
        int,
        Meta(ge=0, description="Days that messages stay in the history, of accounts that do not say; 0: for ever"),
    ] = 0


class Numbers(Section, frozen=True):
    """How numbers are read."""

    home: Annotated[str, Meta(description="ISO code of the country whose own notation is tried first")] = "RU"


class Callbacks(Section, frozen=True):
    """News for customers over HTTP: delivery reports and incoming texts."""

    allow_private: Annotated[
        tuple[str, ...],
        Meta(description="Private addresses or networks that may be called, such as 10.0.0.0/8; all others may not"),
    ] = ()
    connect_s: Annotated[float, Meta(gt=0, description="Seconds to connect")] = 5.0
    answer_s: Annotated[float, Meta(gt=0, description="Seconds to wait for the answer")] = 10.0
    retry_s: Annotated[int, Meta(ge=1, description="Seconds between two tries")] = 240
    attempts: Annotated[int, Meta(ge=1, description="Tries before it is given up")] = 50
    per_host: Annotated[int, Meta(ge=1, description="Calls to one host at once")] = 8
    total: Annotated[int, Meta(ge=1, description="Calls at once in all, to hosts that answer within half a second")] = (
        200
    )
    slow: Annotated[
        int, Meta(ge=4, description="Further calls at once, to hosts that take longer or failed lately")
    ] = 600


class Limits(Section, frozen=True):
    """When addresses are banned and floods stopped. Limits of one account are its settings."""

    login_failures: Annotated[int, Meta(ge=1, description="Failed logins of an address that ban it")] = 5
    login_minutes: Annotated[int, Meta(ge=1, description="Minutes in which they are counted")] = 30
    login_ban_minutes: Annotated[int, Meta(ge=1, description="Minutes of that ban")] = 30
    password_workers: Annotated[
        int,
        Meta(ge=1, le=64, description="Passwords checked at once, each on a core and in 19 MiB; some 50 a second each"),
    ] = 2
    password_waiting: Annotated[
        int,
        Meta(
            ge=4,
            description="Password checks that may wait; half of one address, a quarter of one login; more: error 9",
        ),
    ] = 64
    send_failures: Annotated[int, Meta(ge=1, description="Failed sends of an address in a row that ban it")] = 100
    send_minutes: Annotated[int, Meta(ge=1, description="Minutes in which they are counted")] = 10
    send_ban_minutes: Annotated[int, Meta(ge=1, description="Minutes of that ban")] = 10
    flood_count: Annotated[int, Meta(ge=1, description="Messages to one number that are a flood")] = 50
    flood_s: Annotated[int, Meta(ge=1, description="when the gaps between them are below these seconds")] = 30


class Links(Section, frozen=True):
    """Short links in texts (docs/links.md)."""

    base: Annotated[
        str,
        Meta(
            description="Address that stands before a code: https://s.example.ru/ or https://sms.example.ru/r/; "
            "empty: links are not shortened"
        ),
    ] = ""


class Inbound(Section, frozen=True):
    """Texts from subscribers (docs/incoming.md)."""

    wait_s: Annotated[
        int,
        Meta(
            ge=1, le=86_400, description="Seconds that a long text waits for missing parts; then it goes without them"
        ),
    ] = 600
    stop_words: Annotated[
        tuple[str, ...], Meta(description="Words by which subscribers want no more texts of an account")
    ] = ("stop", "стоп")
    start_words: Annotated[tuple[str, ...], Meta(description="Words by which they take that back")] = (
        "start",
        "старт",
    )


class Mail(Section, frozen=True):
    """The SMTP server that takes letters, such as incoming texts forwarded by e-mail."""

    host: Annotated[str, Meta(description="Its name or address; empty: no letters are sent")] = ""
    port: Annotated[int, Meta(ge=1, le=65535, description="Its port")] = 587
    user: Annotated[str, Meta(description="Name to log in with; empty: without logging in")] = ""
    password: Annotated[str, Meta(description="Its password")] = ""
    tls: Annotated[
        Literal["starttls", "tls", "none"], Meta(description="Encryption: after STARTTLS, from the beginning, or none")
    ] = "starttls"
    sender: Annotated[str, Meta(description="Whom letters come from: Name <sms@example.ru>")] = "heliograph@localhost"
    timeout_s: Annotated[float, Meta(gt=0, description="Seconds to wait for each of its answers")] = 30.0


class Delivery(Section, frozen=True):
    """The loop that empties the queue."""

    enabled: Annotated[bool, Meta(description="Hand messages to carriers; no: accept and keep them only")] = True
    memory: Annotated[
        int, Meta(ge=100, description="Texts of one carrier and lane held in memory; the others wait on disk")
    ] = 20_000


class Exports(Section, frozen=True):
    """Exports of the history, in the folder `exports` of the data folder (docs/exports.md)."""

    keep_days: Annotated[int, Meta(ge=1, description="Days that a file is kept, and its task in the list")] = 7
    parallel: Annotated[int, Meta(ge=1, le=8, description="Files written at once; each takes up to a processor")] = 1
    nice: Annotated[
        int,
        Meta(ge=0, le=19, description="How far they step back: 0 not at all, 19 behind all that wants the processor"),
    ] = 19
    tasks: Annotated[
        int, Meta(ge=1, description="Tasks of one account that wait, are in progress or have a file; more: error 9")
    ] = 20


class Demo(Section, frozen=True):
    """What `heliograph serve --demo` makes when it is not there yet."""

    login: Annotated[str, Meta(description="Login of the demo account")] = "demo"
    password: Annotated[str, Meta(description="Its password")] = "demo"  # noqa: S105 - made known by intent
    key: Annotated[str, Meta(description="Its API key")] = "demo-key"
    balance: Annotated[int, Meta(ge=0, description="Its money, in whole units")] = 1000
    carrier_listen: Annotated[str, Meta(description="host:port of the simulated carrier; port 0: any")] = "127.0.0.1:0"


class Oms(Section, frozen=True):
    """What Outlook and SharePoint are told of this service (docs/soap.md)."""

    provider: Annotated[str, Meta(description="Company, shown in the account dialog")] = "Heliograph"
    name: Annotated[str, Meta(description="Name of the service, part of the names of accounts in Outlook")] = (
        "Heliograph"
    )
    sign_up: Annotated[
        str, Meta(description="Address of a page where one becomes a customer; empty: that of this server")
    ] = ""
    locale: Annotated[int, Meta(ge=1, le=65535, description="Country, as a Windows language number; 1049: Russia")] = (
        1049
    )


class Metrics(Section, frozen=True):
    """/metrics for Prometheus, /healthz and /readyz."""

    listen: Annotated[str, Meta(description="host:port of their own; empty: on the HTTP door")] = ""
    allow: Annotated[
        tuple[str, ...], Meta(description="Addresses or networks that may read /metrics, and in /readyz the carriers")
    ] = (
        "127.0.0.0/8",
        "::1/128",
    )


class Log(Section, frozen=True):
    """Logs go to standard error, one event a line."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level that is written")] = (
        "info"
    )
    json: Annotated[bool, Meta(description="One JSON object a line instead of text")] = False


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
