"""``heliograph send``: texts from the command line, over HTTP, to this or any other server of the API (docs/client.md)."""

import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from heliograph.cli.output import clean, make_console, show_progress, tell, tell_json, tell_table
from heliograph.cli.session import Failure, Misuse, read_file

if TYPE_CHECKING:
    from heliograph.client import Client, Sent, Status

DEMO_URL = "http://127.0.0.1:8080/"
DEMO = "demo"
PORTION = 500  # numbers in one request of --file: short enough for the bar to move
FIRST_LOOK_S, LIST_S = 5.0, 61.0  # a list of statuses is told once a minute: not too early the first time
Pair = tuple[str, int | str]


@click.command()
@click.argument("what", nargs=-1, metavar="[NUMBER[,NUMBER]] TEXT")
@click.option("--host", metavar="URL", help="The server, such as https://sms.example.ru/.")
@click.option("--login", help="The account; its password is asked for, or in HELIOGRAPH_CLIENT_PASSWORD.")
@click.option("--password", help="The password. Others on this machine may read it here; better leave it out.")
@click.option("--key", help="An API key instead; better in HELIOGRAPH_CLIENT_KEY.")
@click.option("--sender", help="Sender name.")
@click.option("--time", "at", help="When: DDMMYYhhmm, DD.MM.YY hh:mm, h1-h2, or + and minutes.")
@click.option("--tinyurl", is_flag=True, help="Replace links by short ones.")
@click.option("--translit", type=click.IntRange(0, 2), help="1 transliterates, 2 takes letters that look alike.")
@click.option("--cost", is_flag=True, help="Only say what it would cost.")
@click.option("--wait", is_flag=True, help="Wait for the final status of each number.")
@click.option("--patience", default=300, show_default=True, help="Seconds that --wait takes at most.")
@click.option("--file", "file", metavar="FILE", help='Numbers, one a line or with commas; "-" is standard input.')
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def send(
    what: Sequence[str],
    host: str | None,
    login: str | None,
    password: str | None,
    key: str | None,
    sender: str | None,
    at: str | None,
    tinyurl: bool,
    translit: int | None,
    cost: bool,
    wait: bool,
    patience: int,
    file: str | None,
    as_json: bool,
) -> None:
    """Send a text over HTTP.

    Server and login: the options, HELIOGRAPH_CLIENT_URL, _LOGIN, _PASSWORD, _KEY and _SENDER, or
    ~/.config/heliograph/client.toml; without any of them the demo on this machine. Ends with 1 when a text was refused or,
    with --wait, did not arrive.

    \b
    heliograph send 79161234567 "Hello"
    heliograph send 79161234567 "Hello" --wait
    heliograph send 79161234567 "Hello" --cost --json
    heliograph send --file numbers.txt "Sale until evening: https://shop.example/sale" --tinyurl
    heliograph send 79161234567 "Hello" --host https://sms.example.ru/ --login shop
    """
    from heliograph.client.errors import ApiError

    phones, text = _read_what(what, file)
    client, known_sender, demo = _open(host, login, password, key)
    options: dict[str, Any] = {"tinyurl": tinyurl, "translit": translit, "time": at}
    chosen = known_sender if sender is None else sender
    if chosen or sender is not None:
        options["sender"] = chosen
    job = _Job(client, phones, text, options, as_json)
    try:
        with client:
            if cost:
                job.tell_price()
            else:
                job.send(wait, patience)
    except ApiError as error:
        hint = (
            f"; no server is configured and the demo does not answer at {DEMO_URL}: "
            "set HELIOGRAPH_CLIENT_URL and _KEY (or _LOGIN and _PASSWORD), or start ./dev serve --demo"
        )
        raise Failure(clean(str(error)) + (hint if demo and error.code == 0 else "")) from None
    except ValueError as error:
        raise Misuse(clean(str(error))) from None


class _Job:
    """One call of the command: the numbers, the text, and what it answers."""

    def __init__(self, client: "Client", phones: list[str], text: str, options: dict[str, Any], as_json: bool) -> None:
        self.client, self.phones, self.text, self.options, self.as_json = client, phones, text, options, as_json

    def tell_price(self) -> None:
        """Say what it would cost; nothing is sent."""
        total, count = None, 0
        with show_progress("Pricing", quiet=self.as_json or len(self.phones) <= PORTION) as show:
            for first in range(0, len(self.phones), PORTION):
                price = self.client.price(self.phones[first : first + PORTION], self.text, **self.options)
                total, count = price.cost + (total or 0), count + price.cnt
                show(min(first + PORTION, len(self.phones)), len(self.phones))
        if self.as_json:
            tell_json({"numbers": len(self.phones), "cnt": count, "cost": str(total)})
        else:
            tell(f"{total} for {count} SMS to {len(self.phones)} number(s).")

    def send(self, wait: bool, patience_s: float) -> None:
        """Send in portions; a portion that is refused does not stop the others."""
        from heliograph.client.errors import LOGIN, MONEY, AlreadyTaken, ApiError

        taken: list[str] = []
        sent: list[tuple[list[str], Sent]] = []
        refused: list[tuple[list[str], ApiError]] = []
        with show_progress("Sending", quiet=self.as_json or len(self.phones) <= PORTION) as show:
            for first in range(0, len(self.phones), PORTION):
                part = self.phones[first : first + PORTION]
                try:
                    sent.append((part, self.client.send(part, self.text, cost=3, **self.options)))
                except AlreadyTaken:
                    taken += part
                except ApiError as error:
                    if len(self.phones) <= PORTION:
                        raise
                    refused.append((part, error))
                    if error.code in (0, LOGIN, MONEY):  # the next one would fare no better
                        refused += self._skip(first + PORTION, error)
                        break
                show(first + len(part), len(self.phones))
        statuses = self._wait(sent, patience_s) if wait and sent else []
        self._tell(sent, taken, refused, statuses)
        if refused or (wait and taken) or any(not status.delivered for _, status in statuses):
            click.get_current_context().exit(1)

    def _skip(self, first: int, error: "Exception") -> list[Any]:
        return [(self.phones[first:], error)] if first < len(self.phones) else []

    def _wait(self, sent: "list[tuple[list[str], Sent]]", patience_s: float) -> "list[tuple[Pair, Status]]":
        pairs = [(phone, done.id) for part, done in sent for phone in part]
        if len(pairs) == 1:
            return [(pairs[0], self._wait_one(*pairs[0], patience_s))]
        return self._wait_many(pairs, patience_s)

    def _wait_one(self, phone: str, id: int | str, patience_s: float) -> "Status":
        console = make_console(error=True)
        if self.as_json or not console.is_terminal:
            return self.client.wait(phone, id, 1, patience_s=patience_s)
        with console.status("Waiting for the status") as line:
            return self.client.wait(
                phone,
                id,
                1,
                patience_s=patience_s,
                on_status=lambda status: line.update(f"{phone}: {clean(status.status_name)}"),
            )

    def _wait_many(self, pairs: "list[Pair]", patience_s: float) -> "list[tuple[Pair, Status]]":
        """A list of statuses may be asked for once a minute."""
        ends_s, wait_s = time.monotonic() + patience_s, FIRST_LOOK_S
        known: dict[Pair, Status] = {}
        with show_progress("Waiting", quiet=self.as_json) as show:
            while True:
                time.sleep(max(0.0, min(wait_s, ends_s - time.monotonic())))
                open_ = [pair for pair in pairs if pair not in known or not known[pair].final]
                for first in range(0, len(open_), PORTION):
                    part = open_[first : first + PORTION]
                    known.update(zip(part, self.client.statuses(part, 1), strict=True))
                done = sum(status.final or not status.found for status in known.values())
                show(done, len(pairs))
                wait_s = LIST_S
                if done == len(pairs) or time.monotonic() + wait_s > ends_s:
                    return [(pair, known[pair]) for pair in pairs]

    def _tell(
        self,
        sent: "list[tuple[list[str], Sent]]",
        taken: list[str],
        refused: list[Any],
        statuses: "list[tuple[Pair, Status]]",
    ) -> None:
        if self.as_json:
            tell_json(
                {
                    "sent": [_plain_sent(part, done) for part, done in sent],
                    "taken": taken,
                    "refused": [
                        {"numbers": len(part), "error_code": error.code, "error": error.text} for part, error in refused
                    ],
                    "statuses": [_plain_status(*pair, status) for pair, status in statuses],
                }
            )
            return
        for part, done in sent:
            numbers = part[0] if len(part) == 1 else f"{len(part)} numbers"
            tell(f"Sent to {numbers}: id {done.id}, {done.cnt} SMS, cost {done.cost}, balance {done.balance}.")
        if taken:
            tell(f"Sent to {len(taken)} number(s) without an id: the answer was lost, but the text was taken.")
        for part, error in refused:
            click.echo(clean(f"Not sent to {len(part)} numbers ({part[0]} …): {error}"), err=True)
        if len(statuses) == 1:
            (((phone, _), status),) = statuses
            tell(f"{phone}: {status.status_name}" + (f" (err {status.err})" if status.err else ""))
        elif statuses:
            rows = [(phone, status.status, status.status_name, status.err or "") for (phone, _), status in statuses]
            tell_table(("number", "status>", "", "err>"), rows, "")


def _read_what(what: Sequence[str], file: str | None) -> tuple[list[str], str]:
    """Numbers and text of the command line; Misuse."""
    if len(what) != (2 if file is None else 1):
        usage = "heliograph send NUMBER TEXT" if file is None else "heliograph send --file FILE TEXT"
        raise Misuse(f"say a number and a text: {usage} (put a text with blanks in quotes)")
    if file is None:
        written = what[0]
    else:
        try:
            written = read_file(file).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise Misuse(f"{file} is no text") from None
    phones = list(dict.fromkeys(phone for part in re.split(r"[,;\r\n]", written) if (phone := part.strip())))
    if not phones:
        raise Misuse("there are no numbers" if file is None else f"there are no numbers in {file}")
    if not what[-1].strip():
        raise Misuse("the text is empty")
    return phones, what[-1]


def _open(host: str | None, login: str | None, password: str | None, key: str | None) -> "tuple[Client, str, bool]":
    """The client, the configured sender name, and whether it is the demo for want of anything else. Failure, Misuse."""
    from heliograph.client import Client
    from heliograph.client.settings import SettingsError, find

    try:
        known = find()
    except SettingsError as error:
        raise Failure(str(error)) from None
    if key and (login or password):
        raise Misuse("--key goes without --login and --password")
    if known.is_empty and not (host or login or password or key):
        click.echo(f"No server is configured: this goes to the demo at {DEMO_URL}", err=True)
        return Client(DEMO_URL, DEMO, DEMO, attempts=1), known.sender, True
    urls = (host,) if host else known.urls
    if not urls:
        raise Misuse("which server? --host, or HELIOGRAPH_CLIENT_URL")
    if not key and not login and known.key:
        key = known.key
    if not key:
        login, password = login or known.login, password or known.password
        if login and not password and sys.stdin.isatty():
            password = click.prompt(f"Password of {login}", hide_input=True, err=True)
        if not login or not password:
            raise Misuse(
                "who are you? HELIOGRAPH_CLIENT_KEY, or HELIOGRAPH_CLIENT_LOGIN and HELIOGRAPH_CLIENT_PASSWORD, "
                "or --key, or --login and --password"
            )
    try:
        if key:
            return Client(urls[0], key=key, hosts=urls[1:]), known.sender, False
        return Client(urls[0], login or "", password or "", hosts=urls[1:]), known.sender, False
    except ValueError as error:
        raise Misuse(clean(str(error))) from None


def _plain_sent(part: list[str], done: "Sent") -> dict[str, object]:
    return {
        "numbers": len(part),
        "id": done.id,
        "cnt": done.cnt,
        "cost": str(done.cost),
        "balance": str(done.balance),
    }


def _plain_status(phone: str, id: int | str, status: "Status") -> dict[str, object]:
    return {
        "phone": phone,
        "id": id,
        "status": status.status,
        "err": status.err,
        "status_name": status.status_name,
    }
