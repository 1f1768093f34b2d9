"""The HTTPS door and the reload of its certificate."""

import asyncio
import datetime
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from heliograph.api.request import Reply, Request, plain
from heliograph.gateways.http import HttpDoor, Limits
from heliograph.gateways.tls import Certificate

Runner = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Runner:
    """Runs a dialogue on each of the loops."""
    return uvloop.run if request.param == "uvloop" else asyncio.run


def write_pair(folder: Path, name: str, password: bytes | None = None) -> tuple[Path, Path]:
    """A self-signed certificate and its key as PEM files, put in place by renaming."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    for path, data in ((cert_path, cert.public_bytes(serialization.Encoding.PEM)), (key_path, pem)):
        fresh = path.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(path)
    return cert_path, key_path


def trusting() -> ssl.SSLContext:
    """A client that takes any certificate: the tests look at it themselves."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ask(host: str, port: int) -> tuple[str, bytes]:
    """One request over TLS: the name in the certificate and the raw answer."""
    reader, writer = await asyncio.open_connection(host, port, ssl=trusting())
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    (name,) = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    writer.write(b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return str(name.value), answer


def app(request: Request, reply: Reply) -> None:
    """Says how the client came."""
    reply(plain(f"{request.client} {request.secure}"))


def test_https_is_answered_beside_http(run: Runner, tmp_path: Path) -> None:
    """Clients use both, and redirects from one to the other are not followed (spec/clients 2.4)."""

    async def dialogue() -> None:
        door = HttpDoor(app)
        certificate = Certificate(*write_pair(tmp_path, "first"))
        host, port = await door.start("127.0.0.1", 0, certificate)
        plain_host, plain_port = await door.start("127.0.0.1", 0)
        name, answer = await ask(host, port)
        assert (name, answer.rpartition(b"\r\n\r\n")[2]) == ("first", b"127.0.0.1 True")
        reader, writer = await asyncio.open_connection(plain_host, plain_port)
        writer.write(b"GET /a HTTP/1.0\r\n\r\n")
        assert (await reader.read()).endswith(b"127.0.0.1 False")
        writer.close()
        await door.stop(5)
        assert door.stats()["answered"] == 2

    run(dialogue())


def test_large_answers_and_bodies_pass_tls(run: Runner, tmp_path: Path) -> None:
    """Backpressure and closing work the same through the TLS transport."""

    async def dialogue() -> None:
        door = HttpDoor(lambda request, reply: reply(plain(request.body.decode() * 2)))
        host, port = await door.start("127.0.0.1", 0, Certificate(*write_pair(tmp_path, "first")))
        reader, writer = await asyncio.open_connection(host, port, ssl=trusting())
        writer.write(b"POST /a HTTP/1.1\r\nContent-Length: 2000000\r\nConnection: close\r\n\r\n" + b"x" * 2_000_000)
        answer = await reader.read()
        assert answer.endswith(b"\r\n\r\n" + b"x" * 4_000_000)
        writer.close()
        await door.stop(5)

    run(dialogue())


def test_changed_certificate_is_taken_and_a_broken_one_is_not(
    run: Runner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Renewals need no restart, and a half-written file costs nobody the door."""

    async def until(host: str, port: int, name: str) -> None:
        while (await ask(host, port))[0] != name:
            await asyncio.sleep(0.01)

    async def dialogue() -> None:
        cert, key = write_pair(tmp_path, "first")
        door = HttpDoor(app, limits=Limits(sweep_s=0.01, certificate_s=0.02))
        host, port = await door.start("127.0.0.1", 0, Certificate(cert, key))
        await until(host, port, "first")
        write_pair(tmp_path, "second")
        await until(host, port, "second")
        caplog.clear()
        whole = cert.read_bytes()
        cert.write_bytes(whole[: len(whole) // 2])
        while "tls_certificate_rejected" not in caplog.text:
            await asyncio.sleep(0.01)
        assert (await ask(host, port))[0] == "second"
        key.unlink()
        await asyncio.sleep(0.05)
        assert (await ask(host, port))[0] == "second"
        write_pair(tmp_path, "third")
        await until(host, port, "third")
        await door.stop(5)

    run(asyncio.wait_for(dialogue(), 20))


def test_key_of_another_certificate_is_rejected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At the start it is an error; later the pair in use stays, and the log says it once."""
    cert, key = write_pair(tmp_path, "first")
    certificate = Certificate(cert, key)
    other = tmp_path / "other"
    other.mkdir()
    _, other_key = write_pair(other, "second")
    key.write_bytes(other_key.read_bytes())
    assert [certificate.changed() for _ in range(3)] == [False, False, False]
    assert [record.message for record in caplog.records] == ["tls_certificate_rejected"]
    with pytest.raises(ssl.SSLError):
        Certificate(cert, key)


def test_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    """Without one it is an error at once, not a question on the terminal."""
    cert, key = write_pair(tmp_path, "first", b"opensesame")
    assert Certificate(cert, key, "opensesame").context.minimum_version == ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        Certificate(cert, key)


def test_plain_request_to_the_tls_port_ends(run: Runner, tmp_path: Path) -> None:
    """It cannot be answered, and must not be left hanging."""

    async def dialogue() -> None:
        door = HttpDoor(app)
        host, port = await door.start("127.0.0.1", 0, Certificate(*write_pair(tmp_path, "first")))
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /a HTTP/1.1\r\n\r\n")
        try:
            assert b"200" not in await reader.read()
        except ConnectionError:
            pass
        writer.close()
        assert door.stats()["requests"] == 0
        await door.stop(1)

    run(dialogue())
