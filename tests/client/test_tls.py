"""HTTPS: a certificate that nobody vouches for ends the talk before a password is written (RFC 9110, section 4.3.4)."""

import asyncio
import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.client.conftest import Peer, awaited, listening, say

from heliograph.client import NoAnswer

BALANCE = say('{"balance": "10.00", "currency": "RUR"}')


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
    now, hour = datetime.datetime.now(datetime.UTC), datetime.timedelta(hours=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(x509.random_serial_number()).not_valid_before(now - hour).not_valid_after(now + hour)
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(serialization.Encoding.PEM, *form)
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def serving(pem: Path) -> ssl.SSLContext:
    """The server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_a_trusted_server_is_asked(client: Any, pem: Path) -> None:
    """With a context of one's own; the connection is kept."""

    async def story() -> None:
        trusting = ssl.create_default_context(cafile=str(pem))
        async with listening(Peer(BALANCE), serving(pem)) as peer, client(peer.url, ssl_context=trusting) as ask:
            for _ in range(3):
                assert (await ask("balance")).balance == 10
            assert peer.connections == 1

    asyncio.run(story())


def test_an_unknown_certificate_gets_no_password(client: Any, pem: Path) -> None:
    """Nothing was sent, and the error says why."""

    async def story() -> None:
        async with listening(Peer(BALANCE), serving(pem)) as peer, client(peer.url, attempts=1) as ask:
            with pytest.raises(NoAnswer, match=r"(?i)certificate") as caught:
                await ask("send", "79161234567", "x")
            assert not caught.value.sent and peer.forms == []

    asyncio.run(story())


def test_uvloop_runs_it_as_well(pem: Path) -> None:
    """Its transports end in their own way."""

    async def story() -> None:
        trusting = ssl.create_default_context(cafile=str(pem))
        for tls, options in ((None, {}), (serving(pem), {"ssl_context": trusting})):
            async with listening(Peer(b"", BALANCE), tls) as peer, awaited(peer.url, **options) as ask:
                answers = await asyncio.gather(*(ask("balance") for _ in range(5)))
                assert [answer.balance for answer in answers] == [10] * 5

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
