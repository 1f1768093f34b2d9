"""Letters to an address of an account that go on as texts (spec protocols 4.4; management 2.3 mph, mh1, mh2, mlen, 2.4 mfl)."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from heliograph.core.accounts import Account, Settings
from heliograph.core.letters import Letter
from heliograph.core.reasons import Reason, Refused
from heliograph.core.texts import MAX_TEXT

MAX_PHONES = 20  # that a stranger may name in an address or a letter
SEND = "send"
"""The local part to which orders are written."""

_PHONES = re.compile(r"\s*\+?\d{5,15}(?:[ \t]*[,;][ \t]*\+?\d{5,15})*[ \t]*[,;]?\s*", re.ASCII)
_NUMBER = re.compile(r"\+?\d{5,15}", re.ASCII)


class Target(NamedTuple):
    """An account to which letters are written, and the numbers in the address."""

    account: Account
    phones: tuple[str, ...]


def find_target(local: str, logins: Mapping[str, Account]) -> Target | None:
    """``login``, or ``phone.phone.login``, as the local part of an address; None when that is nobody who gets letters.

    ``logins`` are accounts by login in any case (core.inbound.fold_logins).
    """
    account = logins.get(local.casefold())
    phones: list[str] = []
    rest = local
    while account is None:
        phone, dot, rest = rest.partition(".")
        if not dot or not _NUMBER.fullmatch(phone) or len(phones) == MAX_PHONES:
            return None
        phones.append(phone)
        account = logins.get(rest.casefold())
    settings = account.settings
    if settings.blocked or not settings.mail_to_sms or (phones and not settings.mail_phones_in_address):
        return None
    return Target(account, tuple(phones))


def is_sender_welcome(settings: Settings, sender: str) -> bool:
    """Whether letters of this address are forwarded: a list of addresses and @domains, empty for all."""
    sender = sender.lower()
    domain = "@" + sender.rpartition("@")[2]
    wanted = [each.lower() for each in settings.mail_from]
    return not wanted or sender in wanted or domain in wanted


def compose(letter: Letter, target: Target) -> dict[str, str]:
    """The parameters of send for a letter; raises Refused(BAD_PARAMETERS) where there are no numbers or no text."""
    settings = target.account.settings
    phones, text = list(target.phones), letter.text
    if settings.mail_phones_in_body:
        first, _, rest = text.partition("\n")
        if _PHONES.fullmatch(first):
            named = _NUMBER.findall(first)
            if len(named) > MAX_PHONES:
                raise Refused(Reason.BAD_PARAMETERS, f"more than {MAX_PHONES} numbers in a letter")
            phones += named
            text = rest
    phones = phones or list(settings.mail_phones)
    if not phones:
        raise Refused(Reason.BAD_PARAMETERS, "no numbers: mail_phones is empty")
    words = [
        "" if settings.mail_drop_from else letter.sender,
        "" if settings.mail_drop_subject else letter.subject,
        "" if settings.mail_drop_text else text.strip(),
    ]
    said = "\n".join(word for word in words if word)[: settings.mail_length or MAX_TEXT].rstrip()
    # "~~~" on a line of its own would begin a comment, and a prefix would choose another kind of message.
    said = said.replace("~~~", "~ ~").lstrip("_")
    if not said:
        raise Refused(Reason.BAD_PARAMETERS, "nothing of the letter is left")
    params = {"phones": ",".join(phones), "mes": said}
    if settings.mail_translit:
        params["translit"] = "1"
    if settings.mail_hours:
        params["time"] = settings.mail_hours
    return params
