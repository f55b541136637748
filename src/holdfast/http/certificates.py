"""TLS: a private certificate authority of our own, or certificates that were given.

tls/ca.crt    what clients must trust        tls/tls.crt   what the server shows
tls/ca.key    signs server certificates      tls/tls.key   its key
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CA_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=825)  # the longest that clients accept
RENEW_BEFORE = timedelta(days=60)


def context(folder: Path) -> ssl.SSLContext:
    """A server's TLS settings with the certificate of a folder."""
    settings = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    settings.minimum_version = ssl.TLSVersion.TLSv1_2
    settings.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    settings.set_alpn_protocols(["http/1.1"])
    return settings


def ensure(folder: Path, names: Sequence[str], now: datetime) -> bool:
    """Make the authority and a certificate for the names, where they are missing, old or for other names.

    The authority is made once and kept, so that clients need to be told of it once. True if a certificate was made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two servers may start at once
        return _ensure(folder, names, now)
    finally:
        os.close(lock)


def _ensure(folder: Path, names: Sequence[str], now: datetime) -> bool:
    if not (folder / "ca.crt").exists():
        _make_authority(folder, now)
    if _is_good(folder, names, now):
        return False
    _make_leaf(folder, names, now)
    return True


def _is_good(folder: Path, names: Sequence[str], now: datetime) -> bool:
    try:
        leaf = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
        authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        leaf.verify_directly_issued_by(authority)
        context(folder)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, a new one is made
        return False
    shown = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(shown) == set(_alternative_names(names)) and leaf.not_valid_after_utc - now > RENEW_BEFORE


def _make_authority(folder: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Holdfast private CA {os.urandom(4).hex()}")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, name, key.public_key(), now, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder / "ca.key", _key_text(key))
    _write(folder / "ca.crt", certificate.public_bytes(serialization.Encoding.PEM))


def _make_leaf(folder: Path, names: Sequence[str], now: datetime) -> None:
    authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    signer = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    certificate = (
        _builder(subject, authority.subject, key.public_key(), now, LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(names)), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM) + authority.public_bytes(serialization.Encoding.PEM)
    _write(folder / "tls.key", _key_text(key))
    _write(folder / "tls.crt", pem)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(hours=1))  # clients' clocks differ
        .not_valid_after(now.astimezone(UTC) + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _alternative_names(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _key_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, text: bytes) -> None:
    """Replace a file as a whole, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
