"""Read-mostly facts in memory: one immutable snapshot with a version, a change publishes a new one (design section 5)."""

import logging
from collections.abc import Callable, Mapping

import msgspec

from heliograph.core.accounts import Account
from heliograph.core.accounts import Settings as AccountSettings
from heliograph.core.carriers import Carrier
from heliograph.core.carriers import Settings as CarrierSettings
from heliograph.core.numbers import Plan, make_plan
from heliograph.core.ranges import Place, Range, RangeTable, load_seed
from heliograph.core.rates import Exchange
from heliograph.core.rents import Number
from heliograph.core.routing import Conditions, Route, RouteIndex
from heliograph.core.rules import Actions, Rule
from heliograph.core.tariffs import PriceIndex, Prices, Tariff, Zone
from heliograph.store.database import Database, Row

log = logging.getLogger(__name__)


class PasswordRow(msgspec.Struct, frozen=True):
    """A password at rest: argon2 hashes of its plain form, its MD5 and its SHA-1; ``kind`` is what it opens: "" the API,
    "smpp" the SMPP door."""

    id: int
    plain: str
    md5: str
    sha1: str
    kind: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    """Everything a request may ask about without a query. ``blacklist`` maps a number to {account or 0: type}; ``rates``
    and ``exchanges`` (an account's, oldest first) are those of core/rates.py; ``callback_keys`` sign what an account is told, the newest
    first; ``numbers`` are the dedicated ones, each with the account that rents it; ``rules`` are an account's for incoming
    texts, in their order."""

    version: int
    accounts: Mapping[int, Account]
    accounts_by_login: Mapping[str, Account]
    passwords: Mapping[int, tuple[PasswordRow, ...]]
    keys: Mapping[str, int]
    prices: Mapping[int, PriceIndex]
    senders: Mapping[int, frozenset[str]]
    blacklist: Mapping[str, Mapping[int, int]]
    carriers: Mapping[int, Carrier]
    routes: RouteIndex
    plan: Plan
    rates: Mapping[str, int] = {}
    exchanges: Mapping[int, tuple[Exchange, ...]] = {}
    callback_keys: Mapping[int, tuple[str, ...]] = {}
    numbers: Mapping[str, Number] = {}
    rules: Mapping[int, tuple[Rule, ...]] = {}

    def tariff_of(self, account: Account) -> Tariff | None:
        """The price list of an account, None when it has none."""
        index = self.prices.get(account.tariff_id)
        return None if index is None else index.tariff

    def look_up(self, phone: str) -> Place | None:
        """Country, operator, region and zone of a number."""
        return self.plan.ranges.lookup(phone)


Decrypt = Callable[[str], str]


class Snapshots:
    """Holds the current snapshot and renews it when ``facts.version`` has risen."""

    def __init__(self, db: Database, decrypt: Decrypt, home: str = "RU") -> None:
        self._db = db
        self._decrypt = decrypt
        self._home = home
        self._ranges_mark: str | None = None
        self._plan: Plan | None = None
        self._put = 0  # numbers, and listed ones, that this server has published itself
        self.current: Snapshot
        self.listeners: list[Callable[[Snapshot], None]] = []

    async def load(self) -> Snapshot:
        """Read everything and publish it."""
        row = await self._db.one("snapshot.version")
        version = int(row[0]) if row else 0
        accounts = await self._load_accounts()
        carriers = await self._load_carriers()
        made = Snapshot(
            version=version,
            accounts=accounts,
            accounts_by_login={account.login: account for account in accounts.values()},
            passwords=await self._load_passwords(),
            keys=dict(await self._db.all("snapshot.keys")),
            prices=await self._load_prices(),
            senders=await self._load_senders(),
            blacklist={},
            carriers=carriers,
            routes=RouteIndex(await self._load_routes(carriers)),
            plan=await self._load_plan(),
            callback_keys=await self._load_callback_keys(),
            rules=await self._load_rules(),
            rates=dict(await self._db.all("snapshot.rates")),
            exchanges=await self._load_exchanges(),  # after the accounts: none with a new currency lacks its exchange
        )
        while True:  # what was put since these rows were read must not be lost: nothing is awaited behind the loop
            put = self._put
            numbers, blacklist = await self._load_numbers(), await self._load_blacklist()
            if put == self._put:
                break
        self.current = msgspec.structs.replace(made, numbers=numbers, blacklist=blacklist)
        for listener in self.listeners:
            listener(self.current)
        return self.current

    async def refresh(self) -> bool:
        """Load anew when something was changed, by this process or another; whether it was."""
        row = await self._db.one("snapshot.version")
        if row is None or int(row[0]) == self.current.version:
            return False
        await self.load()
        log.info("snapshot_loaded", extra={"version": self.current.version})
        return True

    def put_number(self, number: Number) -> None:
        """Publish a dedicated number as this server has just committed it, without reading everything anew."""
        self._put += 1
        numbers = {**self.current.numbers, number.phone: number}
        self.current = msgspec.structs.replace(self.current, numbers=numbers)

    def put_listed(self, account_id: int, phone: str, type_: int | None) -> None:
        """Publish a number of an account's black list (None: taken off it) as this server has just committed it."""
        self._put += 1
        blacklist = self.current.blacklist
        assert isinstance(blacklist, dict)  # changed in place: it may hold millions
        listed = {**blacklist.get(phone, {})}
        if type_ is None:
            listed.pop(account_id, None)
        else:
            listed[account_id] = type_
        if listed:
            blacklist[phone] = listed
        else:
            blacklist.pop(phone, None)

    async def _load_rules(self) -> dict[int, tuple[Rule, ...]]:
        found: dict[int, tuple[Rule, ...]] = {}
        for row in await self._db.all("rules.all"):
            rule = rule_of(row)
            found[rule.account_id] = (*found.get(rule.account_id, ()), rule)
        return found

    async def _load_numbers(self) -> dict[str, Number]:
        return {row[0]: number_of(row) for row in await self._db.all("numbers.list")}

    async def _load_accounts(self) -> dict[int, Account]:
        accounts = {}
        for id_, login, currency, credit, tariff_id, settings in await self._db.all("snapshot.accounts"):
            accounts[id_] = Account(
                id=id_,
                login=login,
                currency=currency,
                credit=credit,
                tariff_id=tariff_id,
                settings=msgspec.json.decode(settings, type=AccountSettings),
            )
        return accounts

    async def _load_exchanges(self) -> dict[int, tuple[Exchange, ...]]:
        found: dict[int, tuple[Exchange, ...]] = {}
        for account_id, *row in await self._db.all("snapshot.exchanges"):
            found[account_id] = (*found.get(account_id, ()), Exchange(*row))
        return found

    async def _load_callback_keys(self) -> dict[int, tuple[str, ...]]:
        keys = {}
        for account_id, sealed in await self._db.all("snapshot.callback_keys"):
            text = self._decrypt(sealed)
            if text:
                keys[account_id] = tuple(msgspec.json.decode(text, type=list[str]))
        return keys

    async def _load_passwords(self) -> dict[int, tuple[PasswordRow, ...]]:
        rows: dict[int, tuple[PasswordRow, ...]] = {}
        for id_, account_id, plain, md5, sha1, kind in await self._db.all("snapshot.passwords"):
            rows[account_id] = (*rows.get(account_id, ()), PasswordRow(id_, plain, md5, sha1, kind))
        return rows

    async def _load_prices(self) -> dict[int, PriceIndex]:
        zones: dict[int, list[Zone]] = {}
        for tariff_id, zone, name, matches, prices in await self._db.all("snapshot.zones"):
            found = tuple(match.strip() for match in matches.split(",") if match.strip())
            zones.setdefault(tariff_id, []).append(Zone(zone, name, found, msgspec.json.decode(prices, type=Prices)))
        codes: dict[int, dict[str, Prices]] = {}
        for tariff_id, mccmnc, prices in await self._db.all("snapshot.codes"):
            codes.setdefault(tariff_id, {})[mccmnc] = msgspec.json.decode(prices, type=Prices)
        indexes = {}
        for id_, name, currency, refund, mail in await self._db.all("snapshot.tariffs"):
            statuses = frozenset(int(part) for part in refund.split(",") if part.strip())
            tariff = Tariff(id_, name, currency, statuses, tuple(zones.get(id_, ())), codes.get(id_, {}), mail)
            indexes[id_] = PriceIndex(tariff)
        return indexes

    async def _load_senders(self) -> dict[int, frozenset[str]]:
        names: dict[int, set[str]] = {}
        for account_id, name in await self._db.all("snapshot.senders"):
            names.setdefault(account_id, set()).add(name)
        return {account_id: frozenset(found) for account_id, found in names.items()}

    async def _load_blacklist(self) -> dict[str, dict[int, int]]:
        numbers: dict[str, dict[int, int]] = {}
        for account_id, phone, type_ in await self._db.all("snapshot.blacklist"):
            numbers.setdefault(phone, {})[account_id] = type_
        return numbers

    async def _load_carriers(self) -> dict[int, Carrier]:
        carriers = {}
        for id_, name, kind, enabled, settings, secret in await self._db.all("snapshot.carriers"):
            carriers[id_] = Carrier(
                id=id_,
                name=name,
                kind=kind,
                enabled=bool(enabled),
                settings=msgspec.json.decode(settings, type=CarrierSettings),
                password=self._decrypt(secret) if secret else "",
            )
        return carriers

    async def _load_routes(self, carriers: Mapping[int, Carrier]) -> tuple[Route, ...]:
        routes = []
        for id_, name, carrier_id, priority, weight, conditions in await self._db.all("snapshot.routes"):
            if carrier_id in carriers and carriers[carrier_id].enabled:
                found = msgspec.json.decode(conditions, type=Conditions)
                calls = carriers[carrier_id].settings.calls
                routes.append(Route(id_, name, carrier_id, priority, weight, found, calls))
        return tuple(routes)

    async def _load_plan(self) -> Plan:
        """The number plan; a large imported table is built anew only when an import has changed it."""
        row = await self._db.one("snapshot.ranges_mark")
        mark = row[0] if row else ""
        if self._plan is None or mark != self._ranges_mark:
            imported = [
                Range(first, last, iso, operator, region, mcc, mnc, int(tz) if tz else None)
                for first, last, iso, operator, region, mcc, mnc, tz in await self._db.all("snapshot.ranges")
            ]
            table = RangeTable(imported, below=load_seed()) if imported else load_seed()
            self._plan, self._ranges_mark = make_plan(table, self._home), mark
        return self._plan


def rule_of(row: Row) -> Rule:
    """A rule for incoming texts from its row."""
    id_, account_id, position, phone, keyword, actions = row
    return Rule(id_, account_id, position, phone, keyword, msgspec.json.decode(actions, type=Actions))


def number_of(row: Row) -> Number:
    """A dedicated number from the columns that numbers.list selects."""
    phone, type_, uses, shared, cost, currency, info, account_id, since_ms, until_ms, noprolong = row
    named = tuple(uses.split(","))
    return Number(
        phone, type_, named, bool(shared), cost, currency, info, account_id, since_ms, until_ms, bool(noprolong)
    )
