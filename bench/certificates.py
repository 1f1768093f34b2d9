"""A certificate of our own for the HTTPS door, made in a moment and believed by nobody but the loader (RFC 5280)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def write_certificate(folder: Path) -> dict[str, str]:
    """Write ``tls.crt`` and ``tls.key`` (P-256, two days); the environment that opens the HTTPS door with them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "tls.crt").write_bytes(certificate.public_bytes(pem))
    (folder / "tls.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return {
        "HELIOGRAPH_HTTP_HTTPS_LISTEN": "127.0.0.1:0",
        "HELIOGRAPH_HTTP_TLS_CERT": str(folder / "tls.crt"),
        "HELIOGRAPH_HTTP_TLS_KEY": str(folder / "tls.key"),
    }
