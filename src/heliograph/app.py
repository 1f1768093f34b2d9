"""Builds everything, in order; the only file that knows every room (design section 2)."""

import asyncio
import ipaddress
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from heliograph.api.app import Api
from heliograph.api.operation import Services
from heliograph.api.request import App
from heliograph.callbacks.sender import Sender
from heliograph.callbacks.settings import make_client, make_handlers
from heliograph.config import Config
from heliograph.core.accounts import Account
from heliograph.core.links import Codes
from heliograph.core.messages import Message
from heliograph.core.numbers import normalize
from heliograph.core.tariffs import Tariff
from heliograph.delivery.carriers import make
from heliograph.delivery.dispatcher import Dispatcher
from heliograph.delivery.mail import make_relay
from heliograph.doors import Doors, fit, limit_smpp, make_http
from heliograph.gateways import oms, soap
from heliograph.gateways.http import HttpDoor
from heliograph.gateways.oms import OmsService
from heliograph.gateways.oms_documents import About
from heliograph.gateways.postroom import Postroom
from heliograph.gateways.sip import SipDoor
from heliograph.gateways.sip_answers import Call
from heliograph.gateways.sip_settings import read_settings as read_sip
from heliograph.gateways.smpp import SmppDoor
from heliograph.gateways.smpp_orders import Orders
from heliograph.gateways.smpp_submits import Submits
from heliograph.gateways.soap import SoapService
from heliograph.services.attempts import Attempts
from heliograph.services.building import Builder
from heliograph.services.callbacks import Callbacks
from heliograph.services.captchas import Captchas, make_code
from heliograph.services.clicks import Clicks
from heliograph.services.commands import Commands
from heliograph.services.credentials import Credentials
from heliograph.services.deliveries import Deliveries
from heliograph.services.desk import Desk
from heliograph.services.dispatch import Dispatch
from heliograph.services.errands import Errands
from heliograph.services.exports import FOLDER, Exports
from heliograph.services.guard import BanRules, Guard
from heliograph.services.histories import Histories
from heliograph.services.inbound import Incoming
from heliograph.services.links import Links
from heliograph.services.newsfeed import Newsfeed
from heliograph.services.numbers import Numbers
from heliograph.services.pieces import Pieces
from heliograph.services.quotas import Quotas
from heliograph.services.receipts import Receipts
from heliograph.services.retention import Retention
from heliograph.services.snapshot import Snapshots
from heliograph.services.staging import Staging, sweep_all
from heliograph.services.statistics import Statistics
from heliograph.services.statuses import Statuses
from heliograph.services.submit import Submitting
from heliograph.services.waits import Waits
from heliograph.site import Site
from heliograph.store.database import Database
from heliograph.store.migrate import MIGRATIONS_DIRECTORY, migrate
from heliograph.store.opening import open_database
from heliograph.store.secrets import LINKS, Secrets
from heliograph.web import hooks, probes
from heliograph.web.imgcode import Pictures
from heliograph.web.metrics import Figures
from heliograph.web.redirect import Redirect
from heliograph.web.survey import Survey

log = logging.getLogger(__name__)

REFRESH_S = 0.25
GRACE_S = 10.0


def clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Heliograph:
    """One running installation."""

    def __init__(self, config: Config, secrets: Secrets, db: Database) -> None:
        self.config = config = fit(config)
        self.db = db
        self._tasks: set[asyncio.Task[None]] = set()
        limits = config.limits
        self.snapshots = Snapshots(db, secrets.unseal, config.numbers.home)
        self.desk = Desk(db, self.snapshots)
        self.quotas = Quotas(limits.flood_count, limits.flood_s)
        self.guard = Guard(
            self.snapshots,
            BanRules(
                limits.login_failures,
                limits.login_minutes * 60,
                limits.login_ban_minutes * 60,
                limits.send_failures,
                limits.send_minutes * 60,
                limits.send_ban_minutes * 60,
            ),
        )
        self.credentials = Credentials(self.snapshots, workers=limits.password_workers, waiting=limits.password_waiting)
        self.staging = Staging(self.desk, self.quotas, self.spawn)
        self.submitting = Submitting(self.desk, self.quotas, self.staging)
        self.statuses = Statuses(self.desk, self.spawn)
        codes = Codes(secrets.derive(LINKS))
        self.links = self.submitting.links = Links(self.desk, codes, config.links.base, self.spawn)
        self.quotas.restore = self.links.restore
        self.dispatch = Dispatch(self.desk)
        self.clicks = Clicks(self.desk, self.dispatch, codes, self.spawn)
        self.redirect = Redirect(self.clicks, config.links.base)
        self.attempts = Attempts(self.desk, self.dispatch)
        self.receipts = Receipts(self.desk, self.dispatch, self.attempts)
        self.incoming = Incoming(
            self.desk, self.spawn, config.inbound.wait_s, config.inbound.stop_words, config.inbound.start_words
        )
        self.incoming.commands = Commands(self.desk, self.credentials, self.submitting, self.spawn, clock_ms)
        self.errands = Errands(self.desk, self.submitting, make_relay(config.mail), clock_ms)
        self.callbacks = Callbacks(self.desk, config.callbacks.retry_s, config.callbacks.attempts)
        self.dispatcher = Dispatcher(
            self.dispatch,
            self.attempts,
            self.receipts,
            self.incoming,
            lambda carrier, listener: make(carrier, listener, clock_ms),
            clock_ms,
            config.delivery.memory,
        )
        self.handlers = make_handlers(config.callbacks)
        self.sender = Sender(self.callbacks, make_client(config.callbacks), self.handlers, clock_ms)
        self.newsfeed = Newsfeed(self.desk, self.spawn, clock_ms)
        self.retention = Retention(self.desk, clock_ms, config.store.keep_days)
        self._make_exports(db, config)
        self.numbers = Numbers(self.desk, self.spawn, clock_ms)
        self.waits = Waits(self.desk, self.spawn)
        self.waits.watchers = self.incoming.watchers  # who sees texts come sees calls come
        self.call_hook = hooks.CallHook(self.waits, config.calls.hook_secret, clock_ms)
        sip = config.sip
        lines = bool(sip.listen_udp or sip.listen_tcp or sip.registrations)
        self.sip = SipDoor(read_sip(sip), self._ring, clock_ms=clock_ms) if lines else None
        self.captchas = Captchas()
        self.pictures = Pictures(self.captchas)
        self.api = Api(
            Services(
                self.credentials,
                self.guard,
                self.submitting,
                self.statuses,
                self.desk.purses,
                self,
                lambda text: normalize(text, self.snapshots.current.plan),
                self,
                Statistics(db, self.snapshots, self.spawn),
                self.links,
                self.exports,
                self.newsfeed,
                Histories(self.desk, self.spawn),
                self.numbers,
                self.waits,
                self.captchas,
                make_code,
            )
        )
        outlook = OmsService(
            self.api, About(config.oms.provider, config.oms.name, config.oms.sign_up, config.oms.locale)
        )
        services: dict[str, App] = {soap.PATH: SoapService(self.api), **dict.fromkeys(oms.PATHS, outlook)}
        self.site = Site(self.api, services, self.call_hook, self.pictures, self.redirect)
        self.door = self._door(self.site)
        self._make_smpp(config)
        self.postroom = Postroom(self.desk, self.credentials, self.guard, self.submitting, clock_ms)
        db.watch_outage(self.desk.batch.give_back)
        self._watch()
        self.doors = Doors(
            config, self.door, self.probes_door, self.smpp, self.sip, self.postroom, self.guard, clock_ms
        )
        self.addresses = self.doors.addresses

    def _make_exports(self, db: Database, config: Config) -> None:
        folder, said = config.data / FOLDER, config.exports
        self.exports = Exports(db, folder, self.spawn, said.tasks)
        self.builder = Builder(
            db,
            config.database,
            folder,
            clock_ms,
            parallel=said.parallel,
            keep_ms=said.keep_days * 86_400_000,
            nice=said.nice,
        )
        self.exports.added, self.exports.cancelled = self.builder.wake, self.builder.stop

    def _ring(self, call: Call, done: Callable[[bool], None]) -> None:
        """A call over SIP; where it could not be kept the caller gets no word, and a little later that he may try again."""

        def said(kept: bool | None) -> None:
            if kept is not None:
                done(kept)

        self.waits.call(call.caller, call.called, call.received_ms, said)

    def _make_smpp(self, config: Config) -> None:
        said = config.smpp
        pieces = Pieces(self.desk)
        self.smpp = SmppDoor(
            self.snapshots,
            self.credentials,
            self.guard,
            Submits(self.desk, self.submitting, pieces, clock_ms, said.incomplete_s * 1000),
            pieces,
            Deliveries(self.desk, said.keep_days),
            Orders(self.statuses, self.spawn, clock_ms),
            self.spawn,
            clock_ms,
            limit_smpp(config),
        )

    def look_up(self, phone: str) -> Any:
        """Country, operator and region of a number, by the present snapshot."""
        return self.snapshots.current.look_up(phone)

    def tariff_of(self, account: Account) -> Tariff | None:
        """The price list of an account, by the present snapshot."""
        return self.snapshots.current.tariff_of(account)

    def _watch(self) -> None:
        """The figures, the hooks that feed them, and their pages, on a door of their own when one is asked for."""
        self.survey = Survey(self.db, clock_ms)
        self.figures = Figures(self, clock_ms())
        self.desk.batch.took = self.figures.tally.note_commit
        self.desk.batch.watch["messages.accept"] = self.figures.tally.note_stored
        self.desk.moved = self.figures.tally.note_moved
        self.dispatcher.handed = self.figures.tally.note_handed
        said = self.config.metrics
        allow = [ipaddress.ip_network(text, strict=False) for text in said.allow]
        self.probes = probes.Probes(self.figures, allow, clock_ms, self.spawn)
        self.probes_door: HttpDoor | None = self._door(self.probes) if said.listen else None
        if self.probes_door is None:
            self.site.probes = self.probes
        self._surveying: asyncio.Task[None] | None = None

    def _accepted(self, messages: list[Message]) -> None:
        self.figures.tally.note_accepted(messages, clock_ms())
        self.dispatcher.accepted(messages)

    def _door(self, application: App) -> HttpDoor:
        return make_http(self.config, application, self.site.too_large, self.site.failed)

    def set_links_base(self, base: str) -> None:
        """Short links begin with this from now on; the demo knows its address only when its door is open."""
        self.links.base = base
        self.redirect.set_base(base)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something to its end; it is waited for when the program stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- start -------------------------------------------------------------------
    async def open(self) -> None:
        """Take over the store: snapshot, balances, sequences, what the last run left behind."""
        now_ms = clock_ms()
        await self.snapshots.load()
        await self.desk.open(now_ms)
        swept = await sweep_all(self.desk)
        await self.quotas.rebuild(self.db, list(self.snapshots.current.accounts.values()), now_ms)
        unsure = await self.dispatch.recover(now_ms)
        await self.receipts.open(now_ms)
        await self.smpp.open()
        await self.incoming.reactions.open(now_ms)
        self.submitting.accepted = self._accepted
        self.submitting.reserve = self.dispatcher.reserve
        self.submitting.begin = self.dispatcher.begin
        self.staging.activated = self.dispatcher.activated
        self.desk.batch.watch["callbacks.add"] = self.sender.take
        self.desk.batch.watch["feed.add"] = self.newsfeed.note
        self.desk.batch.watch["deliveries.add"] = self.smpp.customers.take
        self.desk.batch.watch["errands.add"] = self.errands.wake
        self.desk.batch.watch["staged.end"] = lambda _: self.sender.look()
        log.info("store_opened", extra={"dialect": self.db.dialect, "unsure": unsure, "swept": swept})

    async def listen(self, free: bool, demo: bool = False) -> None:
        """Open the doors; with ``free`` a port that is taken is replaced by a free one, and a ``demo`` has more of them."""
        await self.doors.open(free, demo)

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set or a loop dies; then everything ends in an order that loses nothing."""
        if self.config.delivery.enabled:
            await self.dispatcher.publish(self.snapshots.current)
        loops = [
            asyncio.create_task(self._refresh(), name="refresh"),
            asyncio.create_task(self.retention.run(), name="retention"),
            asyncio.create_task(self.postroom.run(), name="letters"),
            asyncio.create_task(self.newsfeed.run(), name="newsfeed"),
            asyncio.create_task(self.incoming.run(clock_ms), name="incoming"),
            asyncio.create_task(self.errands.run(), name="errands"),
            asyncio.create_task(self.builder.run(), name="builder"),
            asyncio.create_task(self.numbers.run(), name="numbers"),
            asyncio.create_task(self.dispatcher.run(), name="dispatcher"),
            asyncio.create_task(self.sender.run(), name="sender"),
        ]
        self._surveying = asyncio.create_task(self.survey.run(), name="survey")
        self.sender.take([])
        waiting = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([*loops, waiting], return_when=asyncio.FIRST_COMPLETED)
        failures = [task.exception() for task in done if task is not waiting]
        for reading in loops[:8]:
            reading.cancel()  # a look at the store while it closes would only fail
        await asyncio.wait(loops[:8])
        await self.errands.stop()
        await self.close()
        for task in [*loops, waiting]:
            task.cancel()
        await asyncio.gather(*loops, waiting, return_exceptions=True)
        for failure in failures:
            if failure is not None:
                raise failure

    async def close(self) -> None:
        """Doors first, then what is under way, then the store: nothing in flight is lost or doubled."""
        self.probes.stopping = True
        if self._surveying is not None:
            self._surveying.cancel()
            await asyncio.gather(self._surveying, return_exceptions=True)
        self.newsfeed.release()
        await self.doors.stop(GRACE_S)
        self.pictures.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.dispatcher.stop(GRACE_S)
        await self._settle()
        await self.sender.stop(GRACE_S)
        await self._settle()
        self.credentials.close()
        if self.probes_door is not None:
            await self.probes_door.stop(1.0)
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.db.close()
        log.info("stopped")

    async def _settle(self) -> None:
        """Everything that has happened is on disk; a store that is away is not waited for without end."""
        try:
            async with asyncio.timeout(GRACE_S):
                await self.receipts.settle()
                await self.incoming.settle()
                await self.desk.batch.settle()
        except TimeoutError:
            log.error("store_away", extra={"changes": self.desk.batch.waiting})

    async def _refresh(self) -> None:
        """See what the command line or another program changed in the store."""
        published = self.snapshots.current.version  # kept apart: what failed half-way is done again
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                row = await self.db.one("snapshot.version")
                if row is not None and int(row[0]) != self.snapshots.current.version:
                    # Balances first: an account is not seen before its money is.
                    await self.desk.take_balances()
                    await self.snapshots.refresh()
                if self.config.delivery.enabled and published != self.snapshots.current.version:
                    await self.dispatcher.publish(self.snapshots.current)
                    published = self.snapshots.current.version
            except Exception:
                log.exception("refresh_failed")


async def build(config: Config) -> Heliograph:
    """An installation with its store opened, before any door."""
    config.data.mkdir(parents=True, exist_ok=True)
    db = await open_database(config.database, patience_s=config.store.patience_s)
    try:
        await db.lock_for_serving()
        await migrate(db, MIGRATIONS_DIRECTORY, clock_ms())
        return Heliograph(config, Secrets.open(config.data), db)
    except BaseException:
        await db.close()
        raise
