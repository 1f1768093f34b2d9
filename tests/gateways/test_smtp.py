"""The mail door over real sockets (RFC 5321; spec protocols 4)."""

import asyncio
import hashlib
import logging
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest
from tests.databases import BACKENDS
from tests.gateways.smtp_house import KEY, PASSWORD, SEND, MailHouse, open_mail
from tests.gateways.test_http_tls import trusting, write_pair
from tests.house import PHONE, overdraft

from heliograph.core.messages import Door
from heliograph.gateways.smtp import SmtpLimits
from heliograph.store.database import StoreError

ORDER = f":{KEY}:7:0:0,0,ACME:{PHONE}:Заказ 501: готов\r\nждём"
TEXT = "Заказ 501: готов\nждём"
HELLO = b"EHLO client\r\nMAIL FROM:<a@b.ru>\r\nRCPT TO:<send@x.ru>\r\nDATA\r\n"


async def texts(mail: MailHouse) -> list[tuple[str, str]]:
    """Number and text of what is stored."""
    return [(message.phone, message.text) for message in await mail.house.stored()]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("charset", ["koi8-r", "windows-1251", "utf-8"])
def test_order_is_on_disk_before_its_answer(backend: str, charset: str, tmp_path: Path) -> None:
    """What was answered with 250 is in the history, as a text of the mail door."""

    async def story() -> None:
        async with open_mail(backend, tmp_path) as mail:
            head = f"Content-Type: text/plain; charset={charset}\r\n\r\n"
            assert (await mail.mail((head + ORDER).encode(charset)))[0] == 250
            (message,) = await mail.house.stored()
            assert (message.phone, message.text, message.id, message.door) == (PHONE, TEXT, "7", Door.SMTP)
            assert message.sender == "ACME"

    asyncio.run(story())


@pytest.mark.parametrize("psw", [PASSWORD, hashlib.md5(PASSWORD.encode()).hexdigest()])
def test_password_and_its_md5_open(psw: str, tmp_path: Path) -> None:
    """As over HTTP; without a charset the letter is koi8-r."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            assert (await mail.mail(f"\r\nshop:{psw}:::,0,,:{PHONE};79161234568:привет"))[0] == 250
            assert await texts(mail) == [(PHONE, "привет"), ("79161234568", "привет")]

    asyncio.run(story())


def test_list_gives_each_number_its_text(tmp_path: Path) -> None:
    """The second form of the reference, in the format of HTTP's list."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            await mail.mail(f"\r\n:{KEY}::0:0,0,ACME::{PHONE}:one: 1\r\n79161234568:two\r\n")
            assert await texts(mail) == [(PHONE, "one: 1"), ("79161234568", "two")]

    asyncio.run(story())


@pytest.mark.parametrize("coding", ["quoted-printable", "base64", "8bit"])
def test_letters_of_mail_programs_are_read(coding: str, tmp_path: Path) -> None:
    """Multipart with a page beside the text, and a page alone with the order between marks."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            both = EmailMessage()
            both["From"], both["To"], both["Subject"] = "a@b.ru", SEND, "тема"
            both.set_content(f"[text]:{KEY}::0:0,0,ACME:{PHONE}:из письма[/text]\nподпись", cte=coding)
            both.add_alternative("<p>nothing here</p>", subtype="html")
            page = EmailMessage()
            page.set_content(
                f"<p>Привет</p><p>[text]:{KEY}::0:0,0,ACME:79161234568:со <b>страницы</b>[/text]</p>",
                subtype="html",
                cte=coding,
            )
            for letter in (both, page):
                assert (await mail.mail(letter.as_bytes(policy=SMTP)))[0] == 250
            assert await texts(mail) == [(PHONE, "из письма"), ("79161234568", "со страницы")]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("order", "stored"),
    [
        (f"shop:wrong::0:0,0,ACME:{PHONE}:x", 0),
        (":no-such-key::0:0,0,:7:x", 0),
        ("hello", 0),
        (f":{KEY}::0:0,11,ACME:{PHONE}:soc", 0),
        (f":{KEY}::32132199:0,0,ACME:{PHONE}:bad time", 0),
        (f":{KEY}::0:0,0,ACME:4915112345678:no route", 1),
    ],
)
def test_refused_orders_are_taken_and_told_of_elsewhere(
    order: str, stored: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Relays would send complaints to people who know nothing of it; the log and the history tell, without any secret."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            assert (await mail.mail(f"\r\n{order}"))[0] == 250
            assert len(await mail.house.stored()) == stored
            assert mail.postroom.refused == 1

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())
    assert "letter_refused" in caplog.text
    assert not any(secret in caplog.text for secret in (KEY, "wrong:", "no-such-key", PHONE))


def test_nothing_a_client_says_reaches_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One that goes on with its letter after a refusal puts the password where a command should stand."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            await mail.raw(b"EHLO c\r\nDATA\r\nshop:" + PASSWORD.encode() + b":::,0,:79161234567:x\r\n.\r\nQUIT\r\n")

    with caplog.at_level(logging.DEBUG):
        asyncio.run(story())
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("letter", "code"),
    [
        (b"a\n.\nMAIL FROM:<x@y>\r\n.\r\n", b"550 5.6.0"),
        (b"a\r\n.\nMAIL FROM:<x@y>\r\n.\r\n", b"550 5.6.0"),
        (b"a\n.\r\nMAIL FROM:<x@y>\r\n.\r\n", b"550 5.6.0"),
        (b"a\r\n.\rMAIL FROM:<x@y>\r\n.\r\n", b"550 5.6.0"),
        (b"a\r.\rMAIL FROM:<x@y>\r\n.\r\n", b"550 5.6.0"),
        (b"a\r\r\n.\r\nMAIL FROM:<x@y>\r\n", b"550 5.6.0"),
        (b"a\r\n\r\n..\r\n.\r\nQUIT\r\n", b"250 2.0.0"),
    ],
)
def test_smuggled_letters_end_the_connection(letter: bytes, code: bytes, tmp_path: Path) -> None:
    """A letter ends in one way only, or a relay could be made to bring two for one."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            answer = await mail.raw(HELLO, letter)
            answers = answer.split(b"354 ")[1].splitlines()[1:]
            assert answers[0].startswith(code)
            # Nothing behind it was taken for commands.
            assert len(answers) == (2 if code == b"250 2.0.0" else 1)
            assert mail.postroom.accepted == 0

    asyncio.run(story())


def test_dots_are_unstuffed(tmp_path: Path) -> None:
    """A line that begins with a dot has one more on the way (RFC 5321, 4.5.2)."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            await mail.mail(f"\r\n:{KEY}::0:0,0,ACME:{PHONE}:a\r\n.\r\n..b")
            assert await texts(mail) == [(PHONE, "a\n.\n..b")]

    asyncio.run(story())


def test_letters_over_the_limit_are_refused(tmp_path: Path) -> None:
    """By the size that is announced, and by what comes; a letter of ten megabytes is not kept in memory."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            with pytest.raises(smtplib.SMTPSenderRefused):
                await mail.call(lambda client: client.sendmail("a@b.ru", SEND, "x" * 200_000))
            import resource

            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            answer = await mail.raw(HELLO, *[b"x" * 65_536] * 160, b"\r\n.\r\nQUIT\r\n")
            assert b"552 5.3.4" in answer and b"221" in answer
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096  # KiB
            # Of the largest size all is taken, on one line.
            order = f"\r\n:{KEY}::0:0,0,ACME:{PHONE}:ok~~~".encode().replace(b"~~~", b"\r\n~~~\r\n")
            letter = order + b"y" * (100 * 1024 - len(order) - 2)
            assert (await mail.mail(letter))[0] == 250
            assert await texts(mail) == [(PHONE, "ok")]
            assert (await mail.mail(letter + b"yyy"))[0] == 552

    asyncio.run(story())


def test_eight_bit_and_nul_are_survived(tmp_path: Path) -> None:
    """A database cannot hold NUL: it is left out."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            assert (await mail.mail(f"\r\n:{KEY}::0:0,0,ACME:{PHONE}:a\0b".encode()))[0] == 250
            assert (await mail.mail(b"\r\n" + bytes(set(range(256)) - {10, 13})))[0] == 250
            assert b"500" in await mail.raw("EHLO клиент\r\n".encode(), b"\0\xff\r\nQUIT\r\n")
            assert await texts(mail) == [(PHONE, "ab")]

    asyncio.run(story())


def test_only_letters_to_known_addresses_are_taken(tmp_path: Path) -> None:
    """Of the operator's domains, and to send or an account that gets letters; one recipient each."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path, domains=("send.example.ru",)) as mail:
            assert (await mail.mail("\r\nx", "send@elsewhere.ru"))[0] == 550
            assert (await mail.mail("\r\nx", "shop@send.example.ru"))[0] == 550
            assert (await mail.mail("\r\nx", "SEND@Send.Example.RU"))[0] == 250

            def two(client: smtplib.SMTP) -> list[int]:
                client.mail("a@b.ru")
                return [client.rcpt(SEND)[0], client.rcpt("send@SEND.example.ru")[0], client.rcpt("other@x.ru")[0]]

            assert await mail.call(two) == [250, 250, 550]

    asyncio.run(story())


def test_failed_logins_ban_an_address_but_no_relay(tmp_path: Path) -> None:
    """Five in half an hour, as at every other door; the relay's other customers must not suffer."""

    async def story(relays: Any, code: int) -> None:
        import ipaddress

        async with open_mail("sqlite", tmp_path, relays=[ipaddress.ip_network(each) for each in relays]) as mail:

            def guess(client: smtplib.SMTP) -> int:
                for number in range(5):
                    client.sendmail("a@b.ru", SEND, f"\r\nshop:guess{number}:::,0,:{PHONE}:x")
                return client.mail("a@b.ru")[0]

            assert await mail.call(guess) == code
            if code == 421:
                assert (await mail.raw()).startswith(b"421 4.7.0")

    asyncio.run(story([], 421))
    asyncio.run(story(["127.0.0.0/8"], 250))


def test_letters_a_minute_and_connections_are_limited(tmp_path: Path) -> None:
    """Of one address; the rest is put off, so that an honest mail server brings it again."""

    async def story() -> None:
        limits = SmtpLimits(letters=3, per_client=2)
        async with open_mail("sqlite", tmp_path, limits=limits) as mail:

            def many(client: smtplib.SMTP) -> list[int]:
                codes = []
                for number in range(4):
                    codes.append(client.mail("a@b.ru")[0])
                    if codes[-1] == 250:
                        client.rcpt(SEND)
                        client.data(f"\r\n:{KEY}::0:0,0,ACME:{PHONE}:{number}")
                return codes

            assert await mail.call(many) == [250, 250, 250, 451]
            held = [await asyncio.open_connection(*mail.address) for _ in range(2)]
            for reader, _ in held:
                assert (await reader.readline()).startswith(b"220")
            assert (await mail.raw()).startswith(b"421 4.7.0 too many")
            for _, writer in held:
                writer.close()
                await writer.wait_closed()
            while mail.door.conversations:
                await asyncio.sleep(0.01)
            assert (await mail.raw(b"QUIT\r\n")).startswith(b"220")

    asyncio.run(story())


def test_slow_clients_are_sent_away(tmp_path: Path) -> None:
    """Silent ones, and those that never end a letter."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path, limits=SmtpLimits(timeout_s=0.2)) as mail:
            assert b"421 4.4.2" in await mail.raw()
            assert b"421 4.4.2" in await mail.raw(HELLO, b"never\r\nends")

    asyncio.run(story())


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_starttls_and_tls_from_the_first_byte(loop: str, tmp_path: Path) -> None:
    """Both ways, with large letters; what was sent ahead of the handshake does not count."""

    async def story(implicit: bool) -> None:
        async with open_mail("sqlite", tmp_path, pair=write_pair(tmp_path, "mail"), implicit=implicit) as mail:
            context = trusting()

            def send(client: smtplib.SMTP) -> None:
                if not implicit:
                    assert client.has_extn("starttls")
                    client.starttls(context=context)
                    client.ehlo()
                    assert not client.has_extn("starttls")
                padding = "\r\n~~~\r\n" + "y\r\n" * 30_000
                client.sendmail("a@b.ru", SEND, f"\r\n:{KEY}::0:0,0,ACME:{PHONE}:ok{padding}")
                client.quit()

            await mail.call(send, context if implicit else None)
            assert await texts(mail) == [(PHONE, "ok")]
            while mail.door.conversations:
                await asyncio.sleep(0.01)
            if not implicit:
                reader, writer = await asyncio.open_connection(*mail.address)
                writer.write(b"EHLO a\r\nSTARTTLS\r\nMAIL FROM:<a@b>\r\n")
                await reader.readuntil(b"220 2.0.0 go ahead\r\n")
                writer.write(b"RCPT TO:<send@x.ru>\r\n")
                assert b"250" not in await reader.read()
                writer.close()
                await asyncio.sleep(0)
            assert not mail.door._held

    import uvloop

    for implicit in (False, True):
        (uvloop.run if loop == "uvloop" else asyncio.run)(story(implicit))


def test_failed_handshakes_give_their_place_back(tmp_path: Path) -> None:
    """Plain words to the TLS port, and a client that leaves."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path, pair=write_pair(tmp_path, "mail"), implicit=True) as mail:
            await mail.raw(b"EHLO plain\r\n")
            _, writer = await asyncio.open_connection(*mail.address)
            writer.close()
            with pytest.raises((ssl.SSLError, ConnectionError)):
                old = trusting()
                old.maximum_version = ssl.TLSVersion.TLSv1_2
                old.set_ciphers("AES128-SHA")
                await mail.call(lambda client: None, old)
            while mail.door._held:
                await asyncio.sleep(0.01)

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_letter_brought_again_sends_nothing(backend: str, tmp_path: Path) -> None:
    """A relay that saw no answer, for the server was killed, comes again for days."""

    async def story() -> None:
        async with open_mail(backend, tmp_path) as mail:
            letter = f"Message-ID: <1@example.ru>\r\n\r\n:{KEY}::0:0,0,ACME:{PHONE}:once"
            assert (await mail.mail(letter))[0] == 250
            again = MailHouse(await mail.house.restart(3 * 3_600_000), None)
            again.address = await again.door.start("127.0.0.1", 0)
            answers = await asyncio.gather(again.mail(f"Received: by x\r\n{letter}"), again.mail(letter))
            assert [code for code, _ in answers] == [250, 250]
            assert await texts(again) == [(PHONE, "once")]
            assert again.postroom.repeated == 2
            # Another letter with the same text is another order.
            assert (await again.mail(letter.replace("<1@", "<2@")))[0] == 250
            assert len(await again.house.stored()) == 2
            await again.postroom._forget(again.house.now + 1)
            assert await again.house.db.all("letters.find", "") == []
            await again.door.stop(1)
            again.credentials.close()

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_letter_is_put_off_while_the_store_is_away(backend: str, tmp_path: Path) -> None:
    """It must come again, and then be sent once."""

    async def story() -> None:
        async with open_mail(backend, tmp_path) as mail:
            letter = f"Message-ID: <1@example.ru>\r\n\r\n:{KEY}::0:0,0,ACME:{PHONE}:once"
            mail.house.db.fault = StoreError("disk full")
            assert (await mail.mail(letter))[0] == 451
            mail.house.db.fault = None
            assert (await mail.mail(letter))[0] == 250
            assert await texts(mail) == [(PHONE, "once")]
            assert await mail.house.balance() == 1000 * 10_000 - 15_000
            assert overdraft().kind == "check"

    asyncio.run(story())


def test_long_lists_are_known_again_too(tmp_path: Path) -> None:
    """Large requests are staged; the mark of the letter is in the transaction that makes them valid."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            phones = ",".join(str(79161230000 + number) for number in range(300))
            letter = f"Message-ID: <9@x>\r\n\r\n:{KEY}::0:0,0,ACME:{phones}:many"
            assert (await mail.mail(letter))[0] == 250
            mail.house.now += 3_600_000
            assert (await mail.mail(letter))[0] == 250
            assert len(await mail.house.stored()) == 300
            assert mail.postroom.repeated == 1

    asyncio.run(story())


@pytest.mark.parametrize("backend", BACKENDS)
def test_letters_to_an_account_go_on_as_texts(backend: str, tmp_path: Path) -> None:
    """E-mail to SMS: off until it is set up; the sender's address, the subject and the text, cut."""

    async def story() -> None:
        async with open_mail(backend, tmp_path) as mail:
            letter = "From: ann@example.ru\r\nSubject: Down\r\n\r\nserver 7 is down"
            to = "SHOP@x.ru"
            assert (await mail.mail(letter, to))[0] == 550
            await mail.house.set(mail_to_sms="yes", mail_phones=f"{PHONE},79161234568", mail_length="30")
            assert (await mail.mail(letter, to))[0] == 250
            expected = "ann@example.ru\nDown\nserver 7 i"
            assert await texts(mail) == [(PHONE, expected), ("79161234568", expected)]
            await mail.house.set(mail_from="@example.com")
            assert (await mail.mail(letter + "!", to))[0] == 250
            assert mail.postroom.refused == 1
            await mail.house.set(mail_from="", mail_phones_in_address="yes", mail_hours="1-2")
            assert (await mail.mail(letter + "?", "79160000001.shop@x.ru"))[0] == 250
            late = (await mail.house.stored())[-1]
            assert late.phone == "79160000001"
            assert late.send_ms > mail.house.now

    asyncio.run(story())


def test_stop_waits_for_a_letter_and_sends_the_others_away(tmp_path: Path) -> None:
    """What came whole is answered; idle connections end at once."""

    async def story() -> None:
        async with open_mail("sqlite", tmp_path) as mail:
            reader, writer = await asyncio.open_connection(*mail.address)
            await reader.readline()
            sending = asyncio.ensure_future(mail.mail(f"\r\nshop:{PASSWORD}:::,0,ACME:{PHONE}:last"))
            while not any(each.busy for each in mail.door.conversations):
                await asyncio.sleep(0.001)
            await mail.door.stop(5)
            assert (await sending)[0] == 250
            assert (await reader.read()).startswith(b"421 4.3.2")
            writer.close()
            assert await texts(mail) == [(PHONE, "last")]

    asyncio.run(story())
