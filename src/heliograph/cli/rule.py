"""``heliograph rule``: what happens with incoming texts beside being stored and told (docs/incoming.md)."""

import click

from heliograph.cli.output import tell, tell_json, tell_table
from heliograph.cli.session import Session, load_facts, with_store
from heliograph.core.rules import Actions, Rule
from heliograph.store.database import Database

SWITCH = {"on": True, "off": False}


@click.group()
def rule() -> None:
    """What happens with incoming texts, by number and first word.

    \b
    heliograph rule add shop --keyword price --reply "Our prices: example.ru/prices"
    """


@rule.command()
@click.argument("login")
@click.option("--keyword", default="", help="The first word of the text, in any case; without it, every text.")
@click.option("--to", default="", help="The number that was written to; without it, any.")
@click.option("--reply", default="", help="Text to the subscriber, with {phone} and {text}; charged like any.")
@click.option("--forward", "phones", multiple=True, help="A number that gets the text; may be repeated.")
@click.option("--mail", "mails", multiple=True, help="An e-mail address that gets it; may be repeated.")
@click.option("--handler", type=click.Choice(list(SWITCH)), help="Tell the account's handler or not, whatever it says.")
@click.option("--last", is_flag=True, help="No rule behind this one applies.")
@click.option("--position", type=click.IntRange(1), help="Its place among the account's rules; without it, the last.")
@with_store
def add(
    session: Session,
    login: str,
    keyword: str,
    to: str,
    reply: str,
    phones: tuple[str, ...],
    mails: tuple[str, ...],
    handler: str | None,
    last: bool,
    position: int | None,
) -> None:
    """Make a rule.

    \b
    heliograph rule add shop --keyword price --reply "See example.ru/prices" --last
    heliograph rule add shop --to 74950000000 --forward +79161234567 --mail boss@example.ru
    """
    from heliograph.services import rules

    actions = Actions(reply, phones, mails, None if handler is None else SWITCH[handler], last)

    async def work(db: Database) -> Rule:
        plan = (await load_facts(db, session.config)).plan
        return await rules.add(db, login, plan, keyword=keyword, phone=to, actions=actions, position=position)

    _tell(session, session.run(work), f"is number {{}} of {login}")


@rule.command("list")
@click.option("--login", default="", help="Those of this account.")
@with_store
def list_(session: Session, login: str) -> None:
    """Rules in the order in which they apply.

    \b
    heliograph rule list --login shop
    """
    from heliograph.services import rules

    found = session.run(lambda db: rules.list_all(db, login))
    if session.as_json:
        tell_json([{"login": name, **_plain(each)} for name, each in found])
        return
    rows = [
        (each.id, name, each.position, each.phone or "any", each.keyword or "(every text)", _describe(each.actions))
        for name, each in found
    ]
    tell_table(
        ("rule>", "account", "place>", "to", "word", "does"), rows, "No rules yet; see heliograph rule add --help"
    )


@rule.command()
@click.argument("number", type=int)
@with_store
def remove(session: Session, number: int) -> None:
    """Forget a rule.

    \b
    heliograph rule remove 3
    """
    from heliograph.services import rules

    session.run(lambda db: rules.remove(db, number))
    if session.as_json:
        tell_json({"id": number})
    else:
        tell(f"Rule {number} was removed.")


@rule.command()
@click.argument("number", type=int)
@click.argument("position", type=click.IntRange(1))
@with_store
def move(session: Session, number: int, position: int) -> None:
    """Put a rule at another place among its account's.

    \b
    heliograph rule move 3 1
    """
    from heliograph.services import rules

    _tell(session, session.run(lambda db: rules.move(db, number, position)), "is number {} now")


@rule.command()
@click.argument("login")
@click.argument("text")
@click.option("--to", default="", help="The number that was written to.")
@click.option("--from", "phone", default="79161234567", show_default=True, help="The subscriber's number.")
@with_store
def test(session: Session, login: str, text: str, to: str, phone: str) -> None:
    """Say which rules would apply to a text, and what they would do. Nothing is sent.

    \b
    heliograph rule test shop "Price please" --to 74950000000
    """
    from heliograph.services import rules

    async def work(db: Database) -> list[rules.Tried]:
        plan = (await load_facts(db, session.config)).plan
        return await rules.test(db, login, plan, text, to=to, phone=phone)

    found = session.run(work)
    if session.as_json:
        tell_json([{**_plain(each.rule), "reply": each.reply} for each in found])
        return
    rows = [
        (each.rule.id, each.rule.keyword or "(every text)", _describe(each.rule.actions), each.reply) for each in found
    ]
    tell_table(("rule>", "word", "does", "reply"), rows, "No rule applies: it is stored, and told as the account says.")


def _tell(session: Session, made: Rule, said: str) -> None:
    if session.as_json:
        tell_json(_plain(made))
    else:
        tell(f"Rule {made.id} {said.format(made.position)}: {_describe(made.actions)}.")


def _plain(made: Rule) -> dict[str, object]:
    actions = made.actions
    return {
        "id": made.id,
        "position": made.position,
        "to": made.phone,
        "keyword": made.keyword,
        "reply": actions.reply,
        "forward": actions.phones,
        "mail": actions.mails,
        "handler": actions.handler,
        "last": actions.last,
    }


def _describe(actions: Actions) -> str:
    words = ["reply"] if actions.reply else []
    words += [f"forward to {phone}" for phone in actions.phones]
    words += [f"mail to {mail}" for mail in actions.mails]
    if actions.handler is not None:
        words.append("tell the handler" if actions.handler else "do not tell the handler")
    if actions.last:
        words.append("stop here")
    return ", ".join(words)
