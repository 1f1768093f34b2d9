"""``heliograph account``: accounts, their settings, money and passwords."""

import secrets

import click
import msgspec

from heliograph.cli.output import tell, tell_json, tell_table, write_time
from heliograph.cli.session import Session, now_ms, read_amount, read_pairs, read_secret, with_store
from heliograph.core.money import format_money
from heliograph.store.database import Database

READABLE = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@click.group()
def account() -> None:
    """Accounts: create, settings, money, passwords."""


@account.command()
@click.argument("login")
@click.option("--tariff", help="Its tariff; not needed when there is one only.")
@click.option("--currency", default="RUR", show_default=True, help="Its currency, that of the tariff.")
@click.option("--password", help='Its password; "-" reads it from standard input, none makes one.')
@click.option("--no-password", is_flag=True, help="No password: API keys only.")
@click.option("--weak", is_flag=True, help="Allow a short password (for tests).")
@click.option("--credit", default="0", help="How far below zero its balance may go.")
@click.option("--balance", default="0", help="A first top-up.")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@with_store
def create(
    session: Session,
    login: str,
    tariff: str | None,
    currency: str,
    password: str | None,
    no_password: bool,
    weak: bool,
    credit: str,
    balance: str,
    settings: tuple[str, ...],
) -> None:
    """Make an account. Its settings are listed by: heliograph account settings

    \b
    heliograph account create shop --tariff basic --balance 1000 sender=Shop tz=Europe/Moscow
    """
    from heliograph.services import accounts, tariffs

    given = read_secret(password, "password")
    made = "" if given or no_password else "".join(secrets.choice(READABLE) for _ in range(12))
    pairs, first, least = read_pairs(settings), read_amount(balance), read_amount(credit)

    async def work(db: Database) -> accounts.Overview:
        known = [each.name for each in await tariffs.list_all(db)]
        chosen = tariff or (known[0] if len(known) == 1 else "")
        if not chosen:
            names = ", ".join(known)
            raise click.UsageError(
                f"say which tariff with --tariff: {names}"
                if known
                else "there is no tariff yet; make one: heliograph tariff create basic --price 2.5"
            )
        await accounts.create(
            db,
            login,
            tariff=chosen,
            currency=currency,
            password=given or made,
            weak=weak,
            credit=least,
            balance=first,
            settings=pairs,
            now_ms=now_ms(),
        )
        return await accounts.show(db, login)

    found = session.run(work)
    if session.as_json:
        tell_json({**_plain(found), **({"password": made} if made else {})})
        return
    tell(f"The account {login} was made, number {found.account.id}.")
    if made:
        tell(f"Its password, shown this once: {made}")


@account.command("list")
@with_store
def list_(session: Session) -> None:
    """All accounts with their money.

    \b
    heliograph account list
    """
    from heliograph.services import accounts

    found = session.run(accounts.list_all)
    if session.as_json:
        tell_json([_plain(each) for each in found])
        return
    rows = [
        (
            each.account.login,
            format_money(each.balance),
            format_money(each.balance2),
            format_money(each.account.credit),
            each.account.currency,
            each.tariff,
            each.account.settings.name,
            "blocked" if each.account.settings.blocked else "test" if each.account.settings.test else "",
        )
        for each in found
    ]
    columns = ("login", "balance>", "second>", "credit>", "", "tariff", "name", "")
    tell_table(columns, rows, "No accounts yet; make one: heliograph account create LOGIN")


@account.command()
@click.argument("login")
@with_store
def show(session: Session, login: str) -> None:
    """One account: money, settings, passwords and keys.

    \b
    heliograph account show shop
    """
    from heliograph.services import accounts

    async def work(db: Database) -> tuple[accounts.Overview, list[accounts.Password], list[accounts.Key]]:
        overview = await accounts.show(db, login)
        return overview, await accounts.list_passwords(db, login), await accounts.list_keys(db, login)

    found, passwords, keys = session.run(work)
    if session.as_json:
        tell_json({**_plain(found), "passwords": passwords, "keys": keys})
        return
    own = found.account
    rows: list[tuple[object, object]] = [
        ("login", own.login),
        ("number", own.id),
        ("made", write_time(found.created_ms)),
        ("tariff", found.tariff),
        ("balance", f"{format_money(found.balance)} {own.currency}"),
        ("second balance", f"{format_money(found.balance2)} {own.currency}"),
        ("credit", f"{format_money(own.credit)} {own.currency}"),
        *msgspec.to_builtins(own.settings).items(),
    ]
    rows += [
        (f"password {each.id}", f"{each.kind or 'api'}  {each.label}  {write_time(each.created_ms)}")
        for each in passwords
    ]
    rows += [(f"key {each.hint}…", f"{each.label}  {write_time(each.created_ms)}") for each in keys]
    tell_table(("", ""), rows, "")


@account.command("set")
@click.argument("login")
@click.argument("settings", nargs=-1, required=True, metavar="KEY=VALUE...")
@with_store
def set_(session: Session, login: str, settings: tuple[str, ...]) -> None:
    """Change settings; also tariff=NAME and credit=AMOUNT. All of them: heliograph account settings

    \b
    heliograph account set shop day_limit=1000 hours=9-21 blocked=no credit=500
    """
    from heliograph.services import accounts

    pairs = read_pairs(settings)
    tariff, credit = pairs.pop("tariff", None), pairs.pop("credit", None)
    least = None if credit is None else read_amount(credit)

    found = session.run(lambda db: accounts.alter(db, login, settings=pairs, tariff=tariff, credit=least))
    if session.as_json:
        tell_json(_plain(found))
    else:
        tell(f"{login}: changed.")


@account.command("settings")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def list_settings(as_json: bool) -> None:
    """All settings an account may have, with their defaults.

    \b
    heliograph account settings
    """
    from heliograph.core.accounts import Settings
    from heliograph.core.settings import describe, write

    known = describe(Settings)
    if as_json:
        tell_json([{"name": each.name, "default": each.default, "help": each.help} for each in known])
    else:
        tell_table(("setting", "default", "meaning"), [(s.name, write(s.default), s.help) for s in known], "")


@account.command()
@click.argument("login")
@click.option("--off", is_flag=True, help="Let it in again.")
@with_store
def block(session: Session, login: str, off: bool) -> None:
    """Refuse every request of an account; nothing of it is deleted.

    \b
    heliograph account block shop
    """
    from heliograph.services import accounts

    session.run(lambda db: accounts.set_settings(db, login, {"blocked": "no" if off else "yes"}))
    if session.as_json:
        tell_json({"login": login, "blocked": not off})
    else:
        tell(f"{login}: {'let in again' if off else 'blocked'}.")


@account.command("top-up")
@click.argument("login")
@click.argument("amount")
@click.option("--note", default="", help="What for; it stays in the ledger.")
@click.option("--wallet", type=click.IntRange(1, 2), default=1, help="1 the main balance, 2 the second.")
@with_store
def top_up(session: Session, login: str, amount: str, note: str, wallet: int) -> None:
    """Add money to an account.

    \b
    heliograph account top-up shop 1000 --note "bank transfer 17"
    """
    from heliograph.services import accounts

    value = read_amount(amount)
    left = session.run(lambda db: accounts.top_up(db, login, value, now_ms=now_ms(), note=note, wallet=wallet))
    _tell_balance(session, login, left)


@account.command(context_settings={"ignore_unknown_options": True})
@click.argument("login")
@click.argument("amount")
@click.option("--note", required=True, help="Why; it stays in the ledger.")
@click.option("--wallet", type=click.IntRange(1, 2), default=1, help="1 the main balance, 2 the second.")
@with_store
def correct(session: Session, login: str, amount: str, note: str, wallet: int) -> None:
    """Add money, or with a minus take some, and say why.

    \b
    heliograph account correct shop -12.50 --note "paid twice"
    """
    from heliograph.services import accounts

    value = read_amount(amount)
    left = session.run(lambda db: accounts.correct(db, login, value, now_ms=now_ms(), note=note, wallet=wallet))
    _tell_balance(session, login, left)


@account.command()
@click.argument("login")
@click.argument("currency")
@click.option("--tariff", required=True, help="Its new tariff, in that currency.")
@with_store
def currency(session: Session, login: str, currency: str, tariff: str) -> None:
    """Give an account another currency: its balances and credit are exchanged at the present rates (heliograph rate list).

    \b
    heliograph account currency shop EUR --tariff world
    """
    from heliograph.services import accounts

    found = session.run(
        lambda db: accounts.change_currency(db, login, currency, tariff=tariff, now_ms=now_ms()),
    )
    if session.as_json:
        tell_json(_plain(found))
    else:
        tell(f"{login} has {format_money(found.balance)} {currency} now.")


@account.group()
def password() -> None:
    """Passwords of an account; it may have several."""


@password.command("add")
@click.argument("login")
@click.option("--password", "given", help='The password; "-" reads it from standard input, none makes one.')
@click.option("--label", default="", help="What it is for.")
@click.option("--kind", type=click.Choice(["api", "smpp"]), default="api", help="What it opens; for SMPP 8 characters.")
@click.option("--weak", is_flag=True, help="Allow a short one (for tests).")
@with_store
def add_password(session: Session, login: str, given: str | None, label: str, kind: str, weak: bool) -> None:
    """Give an account one more password. Once it has one for SMPP, no other opens that door.

    \b
    heliograph account password add shop --label "new site"
    heliograph account password add shop --kind smpp
    """
    from heliograph.services import accounts

    chosen = read_secret(given, "password")
    length = accounts.LONGEST_SMPP_PASSWORD if kind == accounts.SMPP else 12
    made = "" if chosen else "".join(secrets.choice(READABLE) for _ in range(length))
    opens = accounts.SMPP if kind == accounts.SMPP else ""
    number = session.run(
        lambda db: accounts.add_password(db, login, chosen or made, now_ms=now_ms(), label=label, weak=weak, kind=opens)
    )
    if session.as_json:
        tell_json({"login": login, "number": number, **({"password": made} if made else {})})
        return
    tell(f"{login} has one more password, number {number}.")
    if made:
        tell(f"Shown this once: {made}")


@password.command("list")
@click.argument("login")
@with_store
def list_passwords(session: Session, login: str) -> None:
    """The passwords of an account, by number and label.

    \b
    heliograph account password list shop
    """
    from heliograph.services import accounts

    found = session.run(lambda db: accounts.list_passwords(db, login))
    if session.as_json:
        tell_json(found)
    else:
        rows = [(each.id, each.kind or "api", each.label, write_time(each.created_ms)) for each in found]
        tell_table(("number>", "opens", "label", "made"), rows, f"{login} has no passwords.")


@password.command("remove")
@click.argument("login")
@click.argument("number", type=int)
@with_store
def remove_password(session: Session, login: str, number: int) -> None:
    """Take a password away.

    \b
    heliograph account password remove shop 2
    """
    from heliograph.services import accounts

    session.run(lambda db: accounts.remove_password(db, login, number))
    if session.as_json:
        tell_json({"login": login, "removed": number})
    else:
        tell(f"{login}: password {number} is gone.")


def _tell_balance(session: Session, login: str, left: int) -> None:
    if session.as_json:
        tell_json({"login": login, "balance": format_money(left)})
    else:
        tell(f"{login} has {format_money(left)} now.")


def _plain(found: object) -> dict[str, object]:
    """An account for programs: money as decimals."""
    from heliograph.services.accounts import Overview

    assert isinstance(found, Overview)
    return {
        "id": found.account.id,
        "login": found.account.login,
        "currency": found.account.currency,
        "balance": format_money(found.balance),
        "balance2": format_money(found.balance2),
        "credit": format_money(found.account.credit),
        "tariff": found.tariff,
        "settings": msgspec.to_builtins(found.account.settings),
        "created_ms": found.created_ms,
    }
