"""Commands that come as texts from trusted phones, and their answers (spec protocols 8; docs/sms-commands.md).

What is stored of a command has no secret any more. It is checked and done once the text is on disk, from memory: one that a
kill cuts off is not done, is answered by nothing, and is written again by whoever waits. Nothing is ever done twice.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple, Protocol

from heliograph.core import commands
from heliograph.core.accounts import Account
from heliograph.core.commands import Command
from heliograph.core.inbound import fold_logins
from heliograph.core.limits import Window
from heliograph.core.messages import Accepted, Door, Recipient, Submission
from heliograph.core.numbers import normalize
from heliograph.core.reasons import Reason, Refusal, Refused
from heliograph.core.status import name_status
from heliograph.services import accounts
from heliograph.services.credentials import Credentials
from heliograph.services.desk import Desk
from heliograph.services.submit import Submitting

log = logging.getLogger(__name__)
Spawn = Callable[[Coroutine[Any, Any, None]], None]
# Wrong secrets from one phone in half an hour; then nothing is checked nor answered: who forges senders must not guess.
GUESSES, GUESSES_S = 5, 1800
MOST = 60  # commands of one phone in an hour: each answer costs money


class Text(Protocol):
    """An incoming text."""

    @property
    def id(self) -> int: ...
    @property
    def phone(self) -> str: ...


class Order(NamedTuple):
    """A command of an account; one that is not ``trusted`` is stored without its secret, and not done."""

    account: Account
    command: Command
    phone: str
    trusted: bool


class Commands:
    """Finds commands among incoming texts, and does them."""

    def __init__(
        self,
        desk: Desk,
        credentials: Credentials,
        submitting: Submitting,
        spawn: Spawn,
        clock_ms: Callable[[], int],
    ) -> None:
        self._desk = desk
        self._credentials = credentials
        self._submitting = submitting
        self._spawn = spawn
        self._clock_ms = clock_ms
        self._wrong = Window(GUESSES, GUESSES_S)
        self._pace = Window(MOST, 3600)
        self._logins: dict[str, Account] = {}
        self._folded: Mapping[int, Account] | None = None
        self.done = self.refused = 0

    def find(self, text: str, phone: str, owner: Account | None) -> Order | None:
        """The command that a text is, None when it is an ordinary one. ``owner`` is the account of the number it came on, or
        the one it names ("login: "), ``phone`` the sender as an international number."""
        account = owner if owner is not None else self._fold().get(commands.first_word(text))
        if account is None or not account.settings.command_phones or account.settings.blocked:
            return None
        command = commands.parse(text, account.login, owner is not None)
        if command is None:
            return None
        plan = self._desk.snapshots.current.plan
        trusted = phone in {normalize(each, plan) for each in account.settings.command_phones}
        if not trusted and not command.named:
            return None  # somebody's words, which look like one
        return Order(account, command, phone, trusted)

    def take(self, inbound: Text, order: Order) -> bool:
        """Do a command whose text is on disk; False when it is not, for there were too many. The answer goes out as a text."""
        key, now_ms = (order.account.id, order.phone), self._clock_ms()
        if self._wrong.count(key, now_ms) >= GUESSES or not self._pace.take(key, now_ms):
            log.warning("command_ignored", extra={"login": order.account.login, "inbound_id": inbound.id})
            return False
        self._spawn(self._do(inbound, order))
        return True

    def _fold(self) -> dict[str, Account]:
        known = self._desk.snapshots.current.accounts
        if known is not self._folded:
            self._logins, self._folded = fold_logins(known.values()), known
        return self._logins

    async def _do(self, inbound: Text, order: Order) -> None:
        account, command = order.account, order.command
        try:
            reason = await self._check(order)
            if reason is not None:
                answer = commands.answer_refused(reason)
            elif command.fault:
                answer = commands.answer_refused(Reason.BAD_PARAMETERS, command.fault)
            else:
                answer = await self._answer(account, command)
        except Refused as refused:
            answer = commands.answer_refused(refused.reason)
        except Exception:
            log.exception("command_failed", extra={"inbound_id": inbound.id})
            answer = commands.answer_refused(Reason.NOT_POSSIBLE)
        fine = answer.startswith("OK")
        self.done += fine
        self.refused += not fine
        log.info(
            "command_done",
            extra={"login": account.login, "command": command.name, "inbound_id": inbound.id, "ok": fine},
        )
        await self._submit(account, (order.phone,), answer)

    async def _check(self, order: Order) -> Reason | None:
        """Whether the secret is a password or a key of the account."""
        found: asyncio.Future[Account | Refusal | None] = asyncio.get_running_loop().create_future()
        for login, key in (("", order.command.secret), (order.account.login, "")):
            found = asyncio.get_running_loop().create_future()
            try:
                self._credentials.verify(login, "" if key else order.command.secret, key, "sms", _tell(found))
            except Refused as refused:
                return refused.reason
            answer = await found
            if isinstance(answer, Refusal):
                return answer.reason
            if answer is not None and answer.id == order.account.id:
                return None
        self._wrong.take((order.account.id, order.phone), self._clock_ms())
        return Reason.BAD_LOGIN

    async def _answer(self, account: Account, command: Command) -> str:
        if command.name == commands.BAL:
            return commands.answer_balance(self._desk.purses.left(account.id), account.currency)
        if command.name == commands.STAT:
            return await self._tell_status(account, command.id)
        if command.name in (commands.STOP, commands.START):
            paused = "yes" if command.name == commands.STOP else "no"
            await accounts.set_settings(self._desk.db, account.login, {"mailings_paused": paused})
            return "OK mailings paused" if paused == "yes" else "OK mailings go on"
        phones = command.phones if command.name == commands.SEND else account.settings.command_recipients
        if not phones:
            return commands.answer_refused(Reason.BAD_PARAMETERS, "command_recipients is empty")
        return commands.answer_sent(await self._submit(account, phones, command.text))

    async def _tell_status(self, account: Account, id_: str) -> str:
        rows = await self._desk.db.all("messages.states", account.id, id_)
        if not rows:
            return commands.answer_refused(Reason.NOT_FOUND)
        return commands.answer_status(id_, {name_status(row[0], english=True).lower(): row[1] for row in rows})

    async def _submit(self, account: Account, phones: tuple[str, ...], text: str) -> Accepted | Refusal:
        """A text of the account, by the rules of every other."""
        answer: asyncio.Future[Accepted | Refusal] = asyncio.get_running_loop().create_future()
        recipients = tuple(Recipient(phone, text) for phone in phones)
        # The account may have changed since its text came.
        account = self._desk.snapshots.current.accounts.get(account.id, account)
        self._submitting.accept(
            account, Submission(recipients=recipients, door=Door.WEB), self._clock_ms(), _tell(answer)
        )
        return await answer


def _tell(future: "asyncio.Future[Any]") -> Callable[[Any], None]:
    def told(answer: Any) -> None:
        if not future.done():
            future.set_result(answer)

    return told
