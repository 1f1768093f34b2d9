"""The sections of the configuration: every setting with its type, bounds, help and default (design section 11).

Reference: https://toml.io/en/v1.0.0; docs/reference/configuration.md is made of it.
"""

from typing import Annotated, Literal

import msgspec

Meta = msgspec.Meta


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
    per_handler: Annotated[int, Meta(ge=1, description="Calls to one handler at once: a host and a path")] = 8
    total: Annotated[
        int, Meta(ge=1, description="Calls at once in all, to handlers that answer within half a second")
    ] = 200
    slow: Annotated[
        int, Meta(ge=4, description="Further calls at once, to handlers that take longer or failed lately")
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
