"""Letters over an SMTP server of the operator's (RFC 5321, RFC 5322; RFC 3207 for STARTTLS)."""

import ssl
from email.message import EmailMessage
from email.utils import formatdate, parseaddr

import aiosmtplib

from heliograph.sections import Mail
from heliograph.services.errands import Letter, MailError


def make_relay(said: Mail) -> "Relay | None":
    """The mail server that is configured, if one is."""
    if not said.host:
        return None
    return Relay(said.host, said.port, said.user, said.password, said.tls, said.sender, said.timeout_s)


class Relay:
    """Hands letters to a mail server, each on a connection of its own. ``tls`` is "starttls", "tls" (from the first
    octet on) or "none"."""

    def __init__(self, host: str, port: int, user: str, password: str, tls: str, sender: str, timeout_s: float) -> None:
        self._host = host
        self._port = port
        self._user = user
        self._password = password
        self._tls = tls
        self._sender = sender
        self._timeout_s = timeout_s

    async def send(self, letter: Letter) -> None:
        """MailError when it was not taken; final when the server refused it for good (a 5xx answer, RFC 5321 4.2.1)."""
        try:
            message = self._compose(letter)
            await aiosmtplib.send(
                message,
                hostname=self._host,
                port=self._port,
                username=self._user or None,
                password=self._password or None,
                use_tls=self._tls == "tls",
                start_tls=self._tls == "starttls",
                timeout=self._timeout_s,
                # A server that is reached without encryption proves nothing by a certificate either.
                tls_context=ssl.create_default_context() if self._tls != "none" else None,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [each.code for each in error.recipients]
            raise MailError(f"recipient refused: {codes}", final=all(code >= 500 for code in codes)) from None
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
            raise MailError(f"refused: {error.code}", final=error.code >= 500) from None
        except aiosmtplib.SMTPException as error:
            raise MailError(type(error).__name__) from None
        except (OSError, ValueError) as error:
            raise MailError(type(error).__name__) from None

    def _compose(self, letter: Letter) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = letter.target
        message["Subject"] = " ".join(letter.subject.split())
        message["Date"] = formatdate()
        domain = parseaddr(self._sender)[1].rpartition("@")[2] or "heliograph"
        message["Message-ID"] = f"<{letter.key}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no robot should answer
        message.set_content(letter.text)
        return message
