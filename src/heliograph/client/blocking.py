"""The blocking client of the API (docs/client.md; docs/reference)."""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, Unpack

from heliograph.client import calls
from heliograph.client.access import (
    ANSWERS_PAGE,
    EXPORTS_PAGE,
    HISTORY_PAGE,
    Access,
    history_pace,
    open_access,
    status_pace,
)
from heliograph.client.calls import Call, Phones, SendOptions
from heliograph.client.connections import Connections
from heliograph.client.errors import TOO_MANY, ApiError, NoAnswer
from heliograph.client.pace import poll_delays
from heliograph.client.records import (
    Answer,
    Balance,
    Link,
    Message,
    Operator,
    Price,
    Prices,
    Progress,
    Rent,
    RentableNumber,
    Sent,
    Statistics,
    Status,
    Task,
    WaitedCall,
)
from heliograph.client.replies import encode
from heliograph.client.tries import Host

T = TypeVar("T")


class Client:
    """A client that waits for its answers; threads may share it. Close it, or use it with ``with``.

    ``base_url`` is where the server is, ``hosts`` further addresses of the same service, which are asked when one gives no
    answer. ``timeout_s`` is how long a server may say nothing; ``attempts`` how often a request without any answer is made
    in all, with ``pause_s`` (doubled each round) between rounds over the hosts. Every method raises ApiError; ValueError
    for what cannot be asked.
    """

    def __init__(
        self,
        base_url: str,
        login: str = "",
        password: str = "",
        *,
        key: str = "",
        hosts: Sequence[str] = (),
        timeout_s: float = 30.0,
        charset: str = "utf-8",
        attempts: int = 3,
        pause_s: float = 0.5,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._access = open_access(base_url, hosts, login, password, key, charset, attempts, pause_s)
        self._connections = Connections(timeout_s, ssl_context)
        self._history_pace = history_pace()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        self._connections.close()

    # -- texts ------------------------------------------------------------------
    def send(self, phones: Phones, mes: str = "", **options: Unpack[SendOptions]) -> Sent:
        """Send a text; ``list`` among the options instead of phones and text. AlreadyTaken when its answer was lost."""
        return self._run(calls.send(phones, mes, options))

    def price(self, phones: Phones, mes: str = "", **options: Unpack[SendOptions]) -> Price:
        """What ``send`` would cost; nothing is sent."""
        return self._run(calls.price(phones, mes, options))

    def status(self, phone: str, id: int | str, all: int = 0) -> Status:
        """What became of a message; ``all`` 1 and 2 tell more. One that is not known has status -3."""
        return self._run(calls.status(phone, id, all))

    def statuses(self, pairs: Iterable[tuple[str, int | str]], all: int = 0) -> list[Status]:
        """The same for pairs of number and id, in their order; the service takes a list once a minute."""
        rows: tuple[Status, ...] = self._run(calls.statuses(pairs, all))
        return list(rows)

    def wait(
        self,
        phone: str,
        id: int | str,
        all: int = 0,
        *,
        patience_s: float = 300.0,
        pause_s: float = 1.0,
        on_status: Callable[[Status], object] | None = None,
    ) -> Status:
        """Ask until the status is final or unknown; the last one when patience ends.

        ``pause_s`` is the first pause; each is twice the one before up to 15 s, and there are five questions a minute at most.
        """
        pace, ends_s, delays = status_pace(), time.monotonic() + patience_s, poll_delays(pause_s)
        pace.reserve(time.monotonic())
        while True:
            status = None
            try:
                status = self.status(phone, id, all)
            except ApiError as error:
                refused = error
                if error.code != TOO_MANY:  # somebody else asks for it as well
                    raise
            if status is not None and on_status is not None:
                on_status(status)
            now_s, delay_s = time.monotonic(), next(delays)
            wait_s = delay_s + pace.reserve(now_s + delay_s)
            ends = now_s + wait_s > ends_s
            if status is not None and (ends or status.final or not status.found):
                return status
            if ends:
                raise refused
            time.sleep(wait_s)

    def delete(self, phone: str, id: int | str) -> None:
        """Take a message out of the history; one that still waits is stopped."""
        self._run(calls.delete(phone, id))

    # -- reading ----------------------------------------------------------------
    def balance(self) -> Balance:
        """Money, credit and currency."""
        return self._run(calls.balance())

    def history(
        self,
        start: date | str | None = None,
        end: date | str | None = None,
        phones: Phones = "",
        *,
        mail: bool = False,
        page: int = HISTORY_PAGE,
    ) -> Iterator[Message]:
        """Messages of a period, newest first, page after page.

        The service tells 30 pages an hour: after that many the iterator sleeps until the next one is due.
        """
        last = ""
        while True:
            time.sleep(self._history_pace.reserve(time.monotonic()))
            try:
                found = self._run(calls.history(start, end, phones, mail, page, last))
            except ApiError as error:
                if calls.is_empty(error):
                    return
                raise
            yield from found
            if len(found) < page:
                return
            last = found[-1].int_id

    def answers(
        self, after_id: int | None = None, hour: int | None = None, to_phone: str = "", *, page: int = ANSWERS_PAGE
    ) -> Iterator[Answer]:
        """Incoming texts behind ``after_id``, or of the last ``hour`` hours; those of today without either. Oldest first."""
        while True:
            found = self._run(calls.answers(after_id, hour, to_phone, page))
            yield from found
            if len(found) < page:
                return
            after_id = found[-1].id

    def statistics(
        self, start: date | str, end: date | str | None = None, *, mycur: bool = False, balance2: bool = False
    ) -> list[Statistics]:
        """Messages and money of a period, a row for each login and currency."""
        rows: tuple[Statistics, ...] = self._run(calls.statistics(start, end, mycur, balance2))
        return list(rows)

    def prices(self) -> Prices:
        """The account's tariff."""
        return self._run(calls.prices())

    def operator(self, phone: str) -> Operator:
        """Whose a number is. ApiError 3 when nobody knows."""
        return self._run(calls.operator(phone))

    def operators(self, phones: Iterable[str]) -> list[Operator]:
        """Whose numbers are, in their order; the fields of an unknown one are empty. Thousands go in several requests."""
        numbers = list(phones)
        found: list[Operator] = []
        for first in range(0, len(numbers), calls.NUMBERS_AT_ONCE):
            part = numbers[first : first + calls.NUMBERS_AT_ONCE]
            try:
                rows: tuple[Operator, ...] = self._run(calls.operators(part))
                found += rows
            except ApiError as error:
                if not calls.is_empty(error):
                    raise
                found += [Operator(phone=phone) for phone in part]
        return found

    def link(self, link: str = "", *, id: int | None = None) -> Link:
        """Clicks on a link, by the address that it leads to, or the short link's id."""
        return self._run(calls.link(link, id))

    # -- exports ----------------------------------------------------------------
    def exports(self, after_id: int = 0, *, page: int = EXPORTS_PAGE) -> Iterator[Task]:
        """Exports of the history, by rising ids."""
        while True:
            found = self._run(calls.exports(after_id, page))
            yield from found
            if len(found) < page:
                return
            after_id = found[-1].id

    def add_export(
        self,
        start: date | str,
        end: date | str | None = None,
        phones: Phones = "",
        *,
        form: str = "csv",
        name: str = "",
    ) -> int:
        """Have the messages of a period written into a file (csv, gzip or xlsx); the id of the task."""
        return self._run(calls.add_export(start, end, phones, form, name)).id

    def export_progress(self, id: int) -> Progress:
        """How far an export is."""
        return self._run(calls.export_progress(id))

    def wait_export(self, id: int, *, patience_s: float = 3600.0) -> Progress:
        """Ask until an export has ended or patience has."""
        ends_s = time.monotonic() + patience_s
        for delay_s in poll_delays(1.0, 5.0):
            progress = self.export_progress(id)
            if progress.final or time.monotonic() + delay_s > ends_s:
                break
            time.sleep(delay_s)
        return progress

    def cancel_export(self, id: int) -> None:
        """End an export, or remove its file."""
        self._run(calls.cancel_export(id))

    def download(self, id: int, path: Path | str) -> Path:
        """Write the file of an export to ``path``, whole or not at all (beside it ``.part`` while it comes). OSError."""
        target = Path(path)
        partial = target.with_name(target.name + ".part")
        call = calls.export_file(id)
        try:
            with partial.open("wb") as file:

                def ask(host: Host, body: bytes) -> None:
                    file.seek(0)
                    file.truncate()
                    answer = self._connections.fetch(host, call.page, body, file)
                    if answer is not None:
                        calls.refuse(call, answer, self._access.charset)

                self._try(call, ask)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    # -- numbers ----------------------------------------------------------------
    def numbers(self) -> list[RentableNumber]:
        """Numbers for rent."""
        rows: tuple[RentableNumber, ...] = self._run(calls.numbers())
        return list(rows)

    def buy_number(self, phone: str, *, noprolong: bool = False) -> Rent:
        """Rent a number up to the end of the month, and further unless ``noprolong``."""
        return self._run(calls.buy_number(phone, noprolong))

    def change_number(self, phone: str, *, noprolong: bool) -> None:
        """Whether a rented number is paid for next month."""
        self._run(calls.change_number(phone, noprolong))

    def wait_call(self, phone: str) -> WaitedCall:
        """The number that a subscriber is to call, so that his own is confirmed."""
        return self._run(calls.wait_call(phone))

    def _run(self, call: Call[T]) -> T:
        def ask(host: Host, body: bytes) -> T:
            return calls.read(call, self._connections.post(host, call.page, body), self._access.charset)

        return self._try(call, ask)

    def _try(self, call: Call[Any], ask: Callable[[Host, bytes], T]) -> T:
        return try_hosts(self._access, call, ask)


def try_hosts(access: Access, call: Call[Any], ask: Callable[[Host, bytes], T], fmt: str = "3") -> T:
    """Ask one host after the other, as often as is safe. ApiError, ValueError."""
    body = encode(call, access.login, access.charset, fmt)
    tries = access.tries(call)
    while True:
        began_s = time.monotonic()
        try:
            return ask(tries.host, body)
        except NoAnswer as error:
            time.sleep(tries.fail(error, began_s))
        except ApiError as error:
            raise tries.explain(error) from None
