"""Callbacks over TLS: whose certificate is accepted, and what is said when it is not."""

import datetime
import ssl
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.callbacks.receivers import ask, opened, receive

Run = Callable[[Any], Any]


def self_signed(folder: Path) -> Path:
    """A certificate for localhost and 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server_side(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.fixture
def trusting(pem: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(pem))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_trusted_server_is_called_and_its_connection_kept(
    run: Run, server_side: ssl.SSLContext, trusting: ssl.SSLContext, host: str
) -> None:
    """A handshake per callback would be the dearest part of it."""

    async def main() -> None:
        async with receive(tls=server_side) as server, opened(tls=trusting) as client:
            for _ in range(3):
                assert (await ask(client, server.target(scheme="https", host=host))).status == 200
            assert server.connections == 1

    run(main())


def test_server_is_told_the_name(run: Run, server_side: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    """We connect to an address, but servers with many sites choose the certificate by name (SNI)."""
    names: list[str | None] = []

    def note(_socket: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        names.append(name)

    server_side.sni_callback = note  # type: ignore[assignment]

    async def main() -> None:
        async with receive(tls=server_side) as server, opened(tls=trusting) as client:
            assert (await ask(client, server.target(scheme="https", host="localhost"))).status == 200
            assert names == ["localhost"]

    run(main())


def test_self_signed_certificate_is_not_accepted(run: Run, server_side: ssl.SSLContext) -> None:
    """Who is in between could read every message; the customer is told why nothing comes."""

    async def main() -> None:
        async with receive(tls=server_side) as server, opened() as client:
            answer = await ask(client, server.target(scheme="https", host="localhost"))
            assert (answer.status, answer.error) == (
                0,
                "TLS: the certificate was not accepted: self-signed certificate",
            )
            assert server.requests == []

    run(main())


def test_certificate_of_another_host_is_not_accepted(
    run: Run, server_side: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    """A valid certificate for something else proves nothing."""

    async def main() -> None:
        async with receive(tls=server_side, host="127.0.0.2") as server, opened(tls=trusting) as client:
            answer = await ask(client, server.target(scheme="https", host="127.0.0.2"))
            assert answer.status == 0
            assert answer.error.startswith("TLS: the certificate was not accepted: ")
            assert server.requests == []

    run(main())


def test_plain_server_behind_https_is_an_answer(run: Run) -> None:
    """A wrong scheme is a common mistake."""

    async def main() -> None:
        async def script(exchange: Any) -> None:
            await exchange.reader.read(1)
            exchange.writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

        async with receive(script) as server, opened() as client:
            answer = await ask(client, server.target(scheme="https"))
            assert answer.status == 0
            assert answer.error.startswith("TLS: ")

    run(main())
