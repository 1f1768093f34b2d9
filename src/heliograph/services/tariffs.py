"""Tariffs: price lists made by hand, by file, and the statuses that give money back (core/tariffs.py; design section 8)."""

import csv
import io
import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from heliograph.core.money import format_money, parse_money
from heliograph.core.reasons import Reason, Refused
from heliograph.core.status import FINAL
from heliograph.core.tariffs import DEFAULT_REFUND, Prices, Tariff, Zone
from heliograph.services.changes import change, check_name
from heliograph.store.database import Database, Row, Transaction

CURRENCY = re.compile(r"[A-Z]{3}")
MATCH = re.compile(r"\*|\+\d{1,15}|[A-Z]{2}(-[A-Z]{2})?|\d{3}|\d{5,6}")
CODE = re.compile(r"\d{5,6}")
KINDS = ("sms", "mass", "ping", "hlr", "mms", "call", "waitcall")
COLUMNS = ("zone", "name", "matches", *KINDS)
MAIL = "MAIL"  # stands among the matches of a file for e-mails, whose price is in the column of sms
LARGEST_PRICE = 10**12  # 100 million units: what is beyond is a slip of the hand


async def create(
    db: Database,
    name: str,
    *,
    currency: str = "RUR",
    refund: Iterable[int] = DEFAULT_REFUND,
    zones: Iterable[Zone] = (),
    codes: dict[str, Prices] | None = None,
    mail: int = 0,
) -> Tariff:
    """A new tariff. Refused: BAD_PARAMETERS for its parts, NOT_POSSIBLE when the name is taken."""
    check_name("a tariff", name)
    if not CURRENCY.fullmatch(currency):
        raise Refused(Reason.BAD_PARAMETERS, f"{currency!r} is no currency: three capitals such as RUR or EUR")
    made = Tariff(0, name, currency, _check_refund(refund), tuple(zones), codes or {}, mail)
    _check_prices(made)
    async with change(db) as tx:
        if await tx.one("tariffs.find", name) is not None:
            raise Refused(Reason.NOT_POSSIBLE, f"there is a tariff {name!r} already")
        row = await tx.one("tariffs.next_id")
        assert row is not None
        tariff = msgspec.structs.replace(made, id=row[0])
        await tx.run("tariffs.create", tariff.id, name, currency, _write_refund(tariff.refund), mail)
        await _write_prices(tx, tariff)
    return tariff


async def replace_prices(
    db: Database, name: str, zones: Iterable[Zone], codes: dict[str, Prices], mail: int | None = None
) -> Tariff:
    """Put other zones and codes in the place of all those of a tariff; Refused(NOT_FOUND, BAD_PARAMETERS).

    The price of an e-mail stays when ``mail`` is None, as it does for files that do not name it.
    """
    async with change(db) as tx:
        id_, _, currency, refund, present = _must(await tx.one("tariffs.find", name), name)
        priced = present if mail is None else mail
        tariff = Tariff(id_, name, currency, read_refund(refund), tuple(zones), codes, priced)
        _check_prices(tariff)
        await tx.run("tariffs.set_mail", tariff.mail, id_)
        await tx.run("tariffs.remove_zones", id_)
        await tx.run("tariffs.remove_codes", id_)
        await _write_prices(tx, tariff)
    return tariff


async def set_refund(db: Database, name: str, statuses: Iterable[int]) -> frozenset[int]:
    """Which final statuses give the money of a message back."""
    refund = _check_refund(statuses)
    async with change(db) as tx:
        row = _must(await tx.one("tariffs.find", name), name)
        await tx.run("tariffs.set_refund", _write_refund(refund), row[0])
    return refund


async def set_mail(db: Database, name: str, mail: int) -> None:
    """The price of an e-mail, in 1/10,000 of a unit; Refused(NOT_FOUND, BAD_PARAMETERS)."""
    _check_amount("e-mail", "mail", mail)
    async with change(db) as tx:
        row = _must(await tx.one("tariffs.find", name), name)
        await tx.run("tariffs.set_mail", mail, row[0])


async def remove(db: Database, name: str) -> None:
    """Remove a tariff that no account has; Refused(NOT_FOUND, NOT_POSSIBLE)."""
    async with change(db) as tx:
        id_ = _must(await tx.one("tariffs.find", name), name)[0]
        users = [login for (login,) in await tx.all("tariffs.users", id_)]
        if users:
            raise Refused(Reason.NOT_POSSIBLE, f"accounts have the tariff {name!r}: {', '.join(users)}")
        for query in ("tariffs.remove_zones", "tariffs.remove_codes", "tariffs.remove"):
            await tx.run(query, id_)


async def list_all(db: Database) -> list[Tariff]:
    """All tariffs with their zones and codes, in the order in which they were made."""
    zones: dict[int, list[Zone]] = {}
    for tariff_id, zone, name, matches, prices in await db.all("tariffs.zones"):
        made = Zone(zone, name, read_matches(matches), msgspec.json.decode(prices, type=Prices))
        zones.setdefault(tariff_id, []).append(made)
    codes: dict[int, dict[str, Prices]] = {}
    for tariff_id, mccmnc, prices in await db.all("tariffs.codes"):
        codes.setdefault(tariff_id, {})[mccmnc] = msgspec.json.decode(prices, type=Prices)
    return [
        Tariff(id_, name, currency, read_refund(refund), tuple(zones.get(id_, ())), codes.get(id_, {}), mail)
        for id_, name, currency, refund, mail in await db.all("tariffs.list")
    ]


async def show(db: Database, name: str) -> Tariff:
    """One tariff; Refused(NOT_FOUND)."""
    for tariff in await list_all(db):
        if tariff.name == name:
            return tariff
    raise _unknown(name)


def read_matches(text: str) -> tuple[str, ...]:
    """The destinations of a zone from a text with commas: countries, operators, +prefixes, or *."""
    return tuple(match.strip().upper() for match in text.split(",") if match.strip())


def read_refund(text: str) -> frozenset[int]:
    """Statuses from a text such as 20,22,25; Refused(BAD_PARAMETERS)."""
    try:
        return frozenset(int(status) for status in text.split(",") if status.strip())
    except ValueError:
        raise Refused(Reason.BAD_PARAMETERS, f"{text!r} is no list of statuses; write it like 20,22,25") from None


# Files


def write_csv(tariff: Tariff) -> str:
    """A tariff as CSV: a row a zone, then a row an operator's own price (its zone is empty), then that of e-mails."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for zone in tariff.zones:
        writer.writerow([zone.zone, zone.name, ",".join(zone.matches), *_write_money(zone.prices)])
    for mccmnc, prices in sorted(tariff.codes.items()):
        writer.writerow(["", "", mccmnc, *_write_money(prices)])
    writer.writerow(["", "E-mail", MAIL.lower(), *_write_money(Prices(sms=tariff.mail))])
    return out.getvalue()


class PriceList(NamedTuple):
    """The prices of a file; ``mail`` is None when it does not name the price of an e-mail."""

    zones: tuple[Zone, ...]
    codes: dict[str, Prices]
    mail: int | None


def read_csv(text: str) -> PriceList:
    """Prices from CSV with the columns of ``write_csv`` (comma or semicolon); Refused names the line."""
    head = text.lstrip("\ufeff").partition("\n")[0]
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")), delimiter=";" if ";" in head else ",")
    missing = {"matches", "sms"} - set(rows.fieldnames or ())
    unknown = set(rows.fieldnames or ()) - set(COLUMNS)
    if missing or unknown:
        wrong = f"lacks {', '.join(sorted(missing))}" if missing else f"has unknown {', '.join(sorted(unknown))}"
        raise Refused(Reason.BAD_PARAMETERS, f"the first line {wrong}; the columns are {', '.join(COLUMNS)}")
    zones: list[Zone] = []
    codes: dict[str, Prices] = {}
    mail: int | None = None
    for row in rows:
        try:
            own = _read_line(row, zones, codes)
            if own is not None and mail is not None:
                raise ValueError("a second price of an e-mail")
        except ValueError as error:
            raise Refused(Reason.BAD_PARAMETERS, f"line {rows.line_num}: {error}") from None
        mail = mail if own is None else own
    return PriceList(tuple(zones), codes, mail)


def _read_line(row: dict[str, str | None], zones: list[Zone], codes: dict[str, Prices]) -> int | None:
    """Adds a zone or codes; the price of an e-mail when the line is that."""
    if None in row:
        raise ValueError("more fields than columns; put quotation marks around several matches")
    prices = Prices(
        **{kind: parse_money((row.get(kind) or "").strip()) for kind in KINDS if (row.get(kind) or "").strip()}
    )
    matches = read_matches(row.get("matches") or "")
    number = (row.get("zone") or "").strip()
    if MAIL in matches:
        if number or len(matches) > 1:
            raise ValueError("mail stands in a line of its own, without a zone")
        return prices.sms
    if number or any(not CODE.fullmatch(match) for match in matches):
        zone = int(number) if number else len(zones) + 1
        zones.append(Zone(zone, (row.get("name") or "").strip() or f"Zone {zone}", matches, prices))
        return None
    for match in matches:
        codes[match] = prices
    return None


def _write_money(prices: Prices) -> list[str]:
    values = [getattr(prices, kind) for kind in KINDS]
    return ["" if value is None else format_money(value) for value in values]


# Rules and rows


def _check_refund(statuses: Iterable[int]) -> frozenset[int]:
    refund = frozenset(statuses)
    wrong = sorted(refund - {int(status) for status in FINAL})
    if wrong:
        raise Refused(
            Reason.BAD_PARAMETERS,
            f"{', '.join(map(str, wrong))}: money is given back for final statuses only: "
            + ", ".join(str(int(status)) for status in sorted(FINAL)),
        )
    return refund


def _check_prices(tariff: Tariff) -> None:
    seen: dict[str, str] = {}
    for zone in tariff.zones:
        for match in zone.matches:
            if not MATCH.fullmatch(match):
                raise Refused(
                    Reason.BAD_PARAMETERS,
                    f"zone {zone.zone}: {match!r} is no country (RU), operator (25001), prefix (+7495) or *",
                )
            if match in seen:
                raise Refused(Reason.BAD_PARAMETERS, f"{match} stands in zone {seen[match]} and in zone {zone.zone}")
            seen[match] = str(zone.zone)
        if not zone.matches:
            raise Refused(Reason.BAD_PARAMETERS, f"zone {zone.zone} matches nothing; * is all the rest")
        _check_amounts(f"zone {zone.zone}", zone.prices)
    if len({zone.zone for zone in tariff.zones}) != len(tariff.zones):
        raise Refused(Reason.BAD_PARAMETERS, "two zones have one number")
    for mccmnc, prices in tariff.codes.items():
        if not CODE.fullmatch(mccmnc):
            raise Refused(Reason.BAD_PARAMETERS, f"{mccmnc!r} is no operator: MCC and MNC, 5 or 6 digits")
        _check_amounts(f"operator {mccmnc}", prices)
    _check_amount("e-mail", "mail", tariff.mail)


def _check_amounts(where: str, prices: Prices) -> None:
    for kind in KINDS:
        value = getattr(prices, kind)
        if value is not None:
            _check_amount(where, kind, value)


def _check_amount(where: str, kind: str, value: int) -> None:
    if not 0 <= value <= LARGEST_PRICE:
        raise Refused(Reason.BAD_PARAMETERS, f"{where}: {format_money(value)} is no price for {kind}")


async def _write_prices(tx: Transaction, tariff: Tariff) -> None:
    for zone in tariff.zones:
        text = msgspec.json.encode(zone.prices).decode()
        await tx.run("tariffs.add_zone", tariff.id, zone.zone, zone.name, ",".join(zone.matches), text)
    for mccmnc, prices in tariff.codes.items():
        await tx.run("tariffs.add_code", tariff.id, mccmnc, msgspec.json.encode(prices).decode())


def _write_refund(refund: frozenset[int]) -> str:
    return ",".join(map(str, sorted(refund)))


def _must(row: Row | None, name: str) -> Row:
    if row is None:
        raise _unknown(name)
    return row


def _unknown(name: str) -> Refused:
    return Refused(Reason.NOT_FOUND, f"there is no tariff {name!r}")
