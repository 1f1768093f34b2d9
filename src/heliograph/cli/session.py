"""What commands share: options of the store, one event loop, errors that say what to do (design section 11)."""

import asyncio
import functools
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from heliograph import config
from heliograph.core.reasons import Reason, Refused
from heliograph.store.database import Database, StoreError

if TYPE_CHECKING:
    from heliograph.services.snapshot import Snapshot
    from heliograph.store.secrets import Secrets

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Failure(click.ClickException):
    """What could not be done; the program ends with 1."""


class Misuse(Failure):
    """What was asked in a wrong way; the program ends with 2, as it does for wrong options."""

    exit_code = 2


class Session:
    """The options of one call, and what they lead to."""

    def __init__(self, options: config.Options, as_json: bool) -> None:
        self.options = options
        self.as_json = as_json

    @functools.cached_property
    def config(self) -> config.Config:
        """The configuration that holds; Failure when it cannot be used."""
        try:
            return config.settle(self.options)
        except config.ConfigError as error:
            raise Failure(str(error)) from None

    @functools.cached_property
    def secrets(self) -> "Secrets":
        """The key file of the data folder, made when there is none; Failure."""
        from heliograph.store.secrets import Secrets

        try:
            return Secrets.open(self.config.data)
        except StoreError as error:
            raise Failure(str(error)) from None

    def run(self, work: Callable[[Database], Awaitable[T]], *, create: bool = False) -> T:
        """Open the store, do the work and close it; a store that is not there is made with ``create`` only.

        Failure for everything an operator can cause or cure.
        """

        async def story() -> T:
            db = await open_store(self.config, create=create)
            try:
                return await work(db)
            finally:
                await db.close()

        try:
            return asyncio.run(story())
        except Refused as refused:
            wrong = refused.reason in (Reason.BAD_PARAMETERS, Reason.BAD_NUMBER)
            raise (Misuse if wrong else Failure)(refused.detail or refused.reason.value) from None
        except StoreError as error:
            raise Failure(str(error)) from None


async def open_store(settings: config.Config, *, create: bool) -> Database:
    """The configured store with its tables up to date; Failure when it is not there, StoreError."""
    from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
    from heliograph.store.opening import file_of, open_database

    if not create and not settings.database.startswith(("postgresql://", "postgres://")):
        path = file_of(settings.database)
        if not path.exists():
            raise Failure(
                f"there is no store at {path}; say which with --data or --database, "
                "or begin one with heliograph tariff create"
            )
    db = await open_database(settings.database)
    try:
        await migrate(db, MIGRATIONS_DIRECTORY, now_ms())
    except BaseException:
        await db.close()
        raise
    return db


async def load_facts(db: Database, settings: config.Config) -> "Snapshot":
    """The facts as a server would load them, without the carriers' passwords."""
    from heliograph.services.snapshot import Snapshots

    return await Snapshots(db, lambda sealed: "", settings.numbers.home).load()


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def with_store(function: F) -> F:
    """Give a command --data, --database, --config and --json, and hand it their ``session`` first."""

    @click.option("--data", metavar="FOLDER", help="The data folder (default: data).")
    @click.option("--database", metavar="URL", help="postgresql://… or sqlite:///file instead of the data folder's.")
    @click.option("--config", "config_file", metavar="FILE", help="The configuration (default: heliograph.toml).")
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @functools.wraps(function)
    def wrapped(data: str | None, database: str | None, config_file: str | None, as_json: bool, **rest: Any) -> object:
        options = config.Options(data=data, database=database, config=config_file)
        return function(Session(options, as_json), **rest)

    return wrapped  # type: ignore[return-value]


def read_pairs(pairs: Iterable[str]) -> dict[str, str]:
    """``key=value`` arguments; usage error for anything else."""
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise click.UsageError(f"{pair!r} is no setting; write it like key=value")
        found[key.strip().replace("-", "_")] = value
    return found


def read_amount(text: str) -> int:
    """An amount of money from the command line, in 1/10,000 of a unit; usage error for anything else."""
    from heliograph.core.money import parse_money

    try:
        return parse_money(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def read_secret(text: str | None, prompt: str) -> str:
    """A secret from an option: "-" reads a line from standard input, so that it is not seen in the list of processes."""
    if text == "-":
        line = sys.stdin.readline().rstrip("\r\n")
        if not line:
            raise click.UsageError(f"standard input holds no {prompt}")
        return line
    return text or ""


def read_file(path: str) -> bytes:
    """The content of a file, "-" for standard input; Failure when it cannot be read."""
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}") from None
