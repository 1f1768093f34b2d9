"""Letters to a real SMTP server on loopback (delivery/mail.py; RFC 5321)."""

import asyncio
import email
import email.policy

import pytest
from tests.delivery.letterbox import serving

from heliograph.delivery.mail import Relay
from heliograph.services.errands import Letter, MailError

LETTER = Letter("boss@example.ru", "Text from 79161234567\r\nBcc: all@example.ru", "Привет, 😀\n.\nend", "7.1")


def relay(port: int, user: str = "", password: str = "", tls: str = "none") -> Relay:
    return Relay("127.0.0.1", port, user, password, tls, "Shop <sms@example.ru>", 5.0)


def test_letter_arrives_as_it_was_written() -> None:
    """Any characters, a line with a dot, and no header that a subscriber could write."""

    async def story() -> None:
        async with serving() as server:
            await relay(server.port, "user", "secret").send(LETTER)
            (raw,) = server.letters
            found = email.message_from_bytes(raw.removesuffix(b"\r\n.\r\n") + b"\r\n", policy=email.policy.default)
            assert found["To"] == "boss@example.ru" and found["Bcc"] is None
            assert found["From"] == "Shop <sms@example.ru>" and found["Message-ID"] == "<7.1@example.ru>"
            assert found["Auto-Submitted"] == "auto-generated"
            assert found.get_content().split() == ["Привет,", "😀", "..", "end"]  # the dot is doubled on the wire
            assert any(line.startswith("AUTH") for line in server.said)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("command", "answer", "final"),
    [
        ("RCPT", "550 no such box", True),
        ("RCPT", "450 busy", False),
        ("MAIL", "552 no", True),
        ("DATA", "451 later", False),
        ("DATA", "554 spam", True),
        ("AUTH", "535 wrong password", False),
    ],
)
def test_refusals_are_told_apart(command: str, answer: str, final: bool) -> None:
    """For good: the letter is given up. For now, or by our own mistake: it is tried again."""

    async def story() -> None:
        async with serving() as server:
            server.refuse[command] = answer
            with pytest.raises(MailError) as told:
                await relay(server.port, "user", "secret").send(LETTER)
            assert told.value.final == final and "secret" not in str(told.value)

    asyncio.run(story())


def test_absent_server_is_for_now() -> None:
    """And one without STARTTLS is not talked to in the clear."""

    async def story() -> None:
        async with serving() as server:
            with pytest.raises(MailError) as told:
                await relay(server.port, tls="starttls").send(LETTER)
            assert not told.value.final and server.letters == []
        with pytest.raises(MailError) as told:
            await relay(server.port).send(LETTER)
        assert not told.value.final

    asyncio.run(story())
