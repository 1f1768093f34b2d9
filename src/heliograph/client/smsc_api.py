"""The names of the service's own Python module, for programs that were written for it: ``from heliograph.client.smsc_api import SMSC``.

Values are texts in lists, in the order of fmt=1 (spec sending 7 and 12, clients 2.2); errors are values, too, never exceptions.
"""

import smtplib
from collections.abc import Sequence
from email.mime.text import MIMEText
from typing import Any
from urllib.parse import parse_qsl

from heliograph.client.access import open_access
from heliograph.client.blocking import try_hosts
from heliograph.client.calls import Call, Repeat
from heliograph.client.connections import Connections
from heliograph.client.errors import ApiError
from heliograph.client.settings import find
from heliograph.client.tries import Host

# The kinds of message by their numbers in ``format``.
FORMATS = (
    *("", "flash=1", "push=1", "hlr=1", "bin=1", "bin=2", "ping=1"),
    *("mms=1", "mail=1", "call=1", "viber=1", "soc=1"),
)
# Where "HLR" stands in a full status, and how many values such a line of a text has: the message, the last one, may hold commas.
FULL = {1: (14, 9), 2: (17, 12)}
UNANSWERED = ["", ""]


class SMSC:
    """The account. What is not given here comes from the environment or the user's file (heliograph.client.settings).

    ``smtp_host`` and what follows it are for ``send_sms_mail`` only.
    """

    def __init__(
        self,
        login: str = "",
        password: str = "",
        base_url: str = "",
        *,
        key: str = "",
        hosts: Sequence[str] = (),
        charset: str = "utf-8",
        timeout_s: float = 30.0,
        attempts: int = 5,
        pause_s: float = 0.5,
        smtp_host: str = "",
        smtp_port: int = 25,
        mail_from: str = "",
        mail_to: str = "",
    ) -> None:
        if not (base_url and (key or login)):
            known = find()
            base_url, hosts = (base_url, hosts) if base_url else (known.url.partition(",")[0], known.urls[1:])
            if not (key or login):
                login, password, key = known.login, known.password, known.key
        self._access = open_access(base_url, hosts, login, password, key, charset, attempts, pause_s)
        self._connections = Connections(timeout_s, None)
        self._charset = charset
        self._mail = (smtp_host, smtp_port, mail_from, mail_to)
        self._line = f"{login}:{password or key}"

    def send_sms(
        self,
        phones: str,
        message: str,
        translit: int = 0,
        time: str = "",
        id: int | str = 0,
        format: int = 0,
        sender: str | bool = False,
        query: str = "",
    ) -> list[str]:
        """[id, parts, cost, balance], or [id, -error]; ["", ""] when nobody answered."""
        params = self._text(phones, message, translit, format, sender, query)
        return self._ask("send", {"cost": 3, **params, "id": id, "time": time}, Repeat.GUARDED)

    def get_sms_cost(
        self,
        phones: str,
        message: str,
        translit: int = 0,
        format: int = 0,
        sender: str | bool = False,
        query: str = "",
    ) -> list[str]:
        """[cost, parts], or [0, -error]."""
        return self._ask("send", {**self._text(phones, message, translit, format, sender, query), "cost": 1})

    def get_status(self, id: int | str, phone: str, all: int = 0) -> list[Any]:
        """[status, time, err] and with ``all`` what more there is, the text last; for lists of ids a list of such lists."""
        text = self._raw("status", {"phone": phone, "id": id, "all": all})
        if "," in str(id) and text and text[2:3] != "-":
            return [line.split(",") for line in text.split("\n")]
        values = text.split(",") if text else list(UNANSWERED)
        place, count = FULL.get(all, (0, len(values)))
        if place and (len(values) <= place or values[place] != "HLR"):
            return text.split(",", count - 1) if text else values
        return values

    def get_balance(self) -> str | bool:
        """The balance, or False."""
        values = self._ask("balance", {})
        return values[0] if len(values) == 1 else False

    def send_sms_mail(
        self,
        phones: str,
        message: str,
        translit: int = 0,
        time: str = "",
        id: int | str = 0,
        format: int = 0,
        sender: str = "",
    ) -> None:
        """Send by e-mail to the service's mail door (spec clients 2.6). ValueError without ``smtp_host`` and ``mail_to``."""
        host, port, mail_from, mail_to = self._mail
        if not host or not mail_to:
            raise ValueError("smtp_host and mail_to say where the mail goes")
        line = f"{self._line}:{id}:{time}:{translit},{format},{sender}:{phones}:{message}"
        letter = MIMEText(line, "plain", self._charset)
        letter["From"], letter["To"] = mail_from, mail_to
        with smtplib.SMTP(host, port, timeout=30) as server:
            server.sendmail(mail_from, mail_to, letter.as_string())

    def _text(
        self, phones: str, message: str, translit: int, format: int, sender: str | bool, query: str
    ) -> dict[str, object]:
        params: dict[str, object] = {"phones": phones, "mes": message, "translit": translit}
        if sender is not False:
            params["sender"] = sender
        kind = FORMATS[format] if 0 <= format < len(FORMATS) else ""
        return params | dict(parse_qsl(kind)) | dict(parse_qsl(query, keep_blank_values=True))

    def _ask(self, page: str, params: dict[str, object], repeat: Repeat = Repeat.ALWAYS) -> list[str]:
        text = self._raw(page, params, repeat)
        return text.split(",") if text else list(UNANSWERED)

    def _raw(self, page: str, params: dict[str, object], repeat: Repeat = Repeat.ALWAYS) -> str:
        call = Call(page, params, str, repeat)

        def ask(host: Host, body: bytes) -> str:
            return self._connections.post(host, page, body).decode(self._access.charset, "replace")

        try:
            return try_hosts(self._access, call, ask, "1")
        except ApiError:
            return ""
        finally:
            self._connections.close()  # programs that were written for the original never close anything
