"""A certificate authority of the tests' own, and a certificate for 127.0.0.1."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

__all__ = ["write_certificates"]


def write_certificates(folder: Path) -> dict[str, Path]:
    """Write `ca.pem`, `server.pem` and `server.key` into a folder and return their paths by name without ending."""
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = _name("Toril's test authority")
    local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    authority = _certificate(issuer, issuer, authority_key, authority_key, x509.BasicConstraints(True, 0))
    server = _certificate(_name("localhost"), issuer, server_key, authority_key, x509.SubjectAlternativeName(local))
    folder.mkdir(parents=True, exist_ok=True)
    files = {"ca": folder / "ca.pem", "server": folder / "server.pem", "key": folder / "server.key"}
    files["ca"].write_bytes(authority.public_bytes(Encoding.PEM))
    files["server"].write_bytes(server.public_bytes(Encoding.PEM))
    files["key"].write_bytes(server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signed_by: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return builder.add_extension(extension, critical=True).sign(signed_by, hashes.SHA256())
