"""The SMPP carrier when much goes wrong at once, over TLS, and with long texts on the wire."""

import asyncio
import datetime
import ipaddress
import random
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.delivery.centres import Books, Centre, bound, carrier, now_ms, unit, until

from heliograph.core.carriers import Settings
from heliograph.delivery.carriers.contract import What
from heliograph.delivery.carriers.smpp import SmppCarrier
from heliograph.delivery.carriers.smpp.inbound import Reader
from heliograph.wire.smpp import statuses
from heliograph.wire.smpp.pdus import Pdu
from heliograph.wire.smpp.session import Session


@pytest.mark.parametrize("way", ["udh", "udh16", "sar", "payload"])
@pytest.mark.parametrize("text", ["long € " * 100, "длинно 😀 " * 60])
def test_long_text_arrives_whole(way: str, text: str) -> None:
    """However the operator lets long texts travel, the other side puts the same text together."""

    async def main() -> None:
        async with bound(long_text=way) as (centre, links, books):
            links.send(unit(77, text))
            await until(lambda: bool(books.outcomes) and len(books.outcomes) == books.totals[77])
            assert books.count(What.ACCEPTED) == len(centre.submits) == (1 if way == "payload" else books.totals[77])
            parts = [Reader(Settings()).read(pdu, 0) for pdu in centre.submits]
            assert "".join(part.text for part in sorted(parts, key=lambda part: part.number)) == text

    asyncio.run(main())


class Rogue(Centre):
    """A centre that accepts, refuses, delays, forgets and hangs up by chance; ``chaos`` off, it is kind."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.chaos = True
        self.answer = self.whatever
        self.taken: set[bytes] = set()
        self.drops = 0

    def whatever(self, session: Session, pdu: Pdu) -> None:
        self.taken.add(pdu.short_message)
        what = self.chance.random() if self.chaos else 0.0
        if what < 0.7:
            self.accept(session, pdu)
        elif what < 0.8:
            asyncio.get_running_loop().call_later(0.005, self.accept, session, pdu)
        elif what < 0.86:
            session.answer(pdu, statuses.ESME_RSYSERR)
        elif what < 0.93:
            session.answer(pdu, statuses.ESME_RSUBMITFAIL)
        elif what > 0.985 and self.drops < 12:
            self.drops += 1
            session.abort("chaos")


@pytest.mark.parametrize("seed", range(4))
def test_every_part_is_answered_once_whatever_happens(seed: int) -> None:
    """The dispatcher's books depend on it: a part without an answer hangs for ever, one with two is charged twice.

    And a part told as never written (later, no code) must never have reached the centre in that try.
    """

    async def main() -> None:
        centre = Rogue(seed)
        async with bound(centre, links=2, window=8, answer_s=0.1) as (_, links, books):
            asked: list[int] = []
            for number in range(1, 301):
                while not links.room(1 + number % 3):
                    await asyncio.sleep(0.002)
                text = f"{number}." if number % 4 else f"{number}." + "long " * 60
                links.send(unit(number, text, lane=1 + number % 3))
                asked.append(number)
                if len(asked) > 150:
                    centre.chaos = False
            await links.stop(1)
            assert set(books.times.values()) == {1}
            for number in asked:
                total = books.totals[number]
                assert total == (1 if number % 4 else 2)
                ends = [books.outcomes[number, part] for part in range(1, total + 1)]
                for part, end in enumerate(ends, 1):
                    if end.what is What.LATER and not end.code and total == 1:
                        assert f"{number}.".encode() not in centre.taken, (number, part, end)
            assert books.count(What.ACCEPTED) > 150
            assert books.count(What.UNSURE) > 0

    asyncio.run(main())


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "north")])
    now = datetime.datetime.now(datetime.UTC)
    hour = datetime.timedelta(hours=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - hour)
        .not_valid_after(now + hour)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "north.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, *form)
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def make_door_context(pem: Path) -> ssl.SSLContext:
    """The centre's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.mark.parametrize("verified", [True, False])
def test_tls_with_a_certificate_of_the_carriers_own(pem: Path, verified: bool) -> None:
    """Signed by a known file, or taken unseen where the operator says so."""

    async def main() -> None:
        centre, books = Centre(), Books()
        await centre.start(make_door_context(pem))
        trust = {"tls_ca": str(pem)} if verified else {"tls_verify": False}
        links = SmppCarrier(carrier(centre.port, tls=True, **trust), books, now_ms)
        await links.start()
        await until(lambda: links.up)
        links.send(unit())
        await until(lambda: bool(books.outcomes))
        assert books.outcomes[1, 1].what is What.ACCEPTED
        await links.stop(0)
        await centre.stop()

    asyncio.run(main())


def test_context_of_the_callers_own_is_used(pem: Path) -> None:
    """Whoever needs client certificates brings a context."""

    async def main() -> None:
        centre, books = Centre(), Books()
        await centre.start(make_door_context(pem))
        context = ssl.create_default_context(cafile=str(pem))
        links = SmppCarrier(carrier(centre.port, tls=True), books, now_ms, context)
        await links.start()
        await until(lambda: links.up)
        await links.stop(0)
        await centre.stop()

    asyncio.run(main())


@pytest.mark.parametrize("trust", [{}, {"tls_ca": "/nowhere/ca.pem"}])
def test_stranger_is_not_bound_to(pem: Path, trust: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """An unknown certificate, or a file that is not there: the log says so, the password is not sent."""

    async def main() -> None:
        centre, books = Centre(), Books()
        await centre.start(make_door_context(pem))
        links = SmppCarrier(carrier(centre.port, tls=True, **trust), books, now_ms)
        await links.start()
        await until(lambda: caplog.text.count("carrier_unreachable carrier=north link=#1") >= 2)
        assert not links.up
        assert not centre.binds
        await links.stop(0)
        await centre.stop()

    asyncio.run(main())
    assert "s3cret" not in caplog.text


def test_centre_that_is_not_there_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """The carrier may be started before its peer is."""

    async def main() -> None:
        centre, books = Centre(), Books()
        await centre.start()
        await centre.stop()
        links = SmppCarrier(carrier(centre.port), books, now_ms)
        await links.start()
        await until(lambda: "carrier_unreachable" in caplog.text)
        assert links.down_since_ms > 0
        await centre.start()
        await until(lambda: links.up and books.changes > 0)
        await links.stop(0)
        await links.start()
        await until(lambda: links.up)
        await links.stop(0)
        await centre.stop()

    asyncio.run(main())


def test_listener_that_fails_costs_no_other_part_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    """One bug upstairs must not leave a window of parts without a word."""

    async def main() -> None:
        async with bound() as (_, links, books):
            plain = books.answered

            def answered(carrier_id: int, int_id: int, part: int, total: int, outcome: object) -> None:
                if int_id == 1:
                    raise RuntimeError("upstairs")
                plain(carrier_id, int_id, part, total, outcome)  # type: ignore[arg-type]

            books.answered = answered  # type: ignore[method-assign]
            for number in (1, 2, 3):
                links.send(unit(number))
            await until(lambda: len(books.outcomes) == 2)
            assert links.stats()["in_flight"] == 0

    asyncio.run(main())
    assert "carrier_listener_failed carrier=north int_id=1" in caplog.text
