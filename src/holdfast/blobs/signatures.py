"""Ed25519 signatures of small documents, by keys in PEM files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

if TYPE_CHECKING:
    from pathlib import Path


class BadKey(Exception):
    """A file that has no key of Ed25519; the message says which."""


def sign(document: bytes, key_file: Path) -> bytes:
    """The signature of a document."""
    return sign_with(document, read_key(key_file))


def read_key(key_file: Path) -> bytes:
    """The private key in a file, in PEM, or `BadKey`."""
    try:
        pem = key_file.read_bytes()
        key = load_pem_private_key(pem, password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise BadKey(f"{key_file} has no private key in PEM without a password: {fault}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKey(f"{key_file} has a private key that is not of Ed25519")
    return pem


def sign_with(document: bytes, pem: bytes) -> bytes:
    """The signature of a document by a private key in PEM, which is one of Ed25519."""
    return _private(pem).sign(document)


def new_key() -> bytes:
    """A private key that nobody has yet, in PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_half(pem: bytes) -> bytes:
    """The public key to a private one, both in PEM."""
    return _private(pem).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _private(pem: bytes) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def is_signed(document: bytes, signature: bytes, key_file: Path) -> bool:
    """Whether whoever has the private key of a public one signed a document."""
    try:
        key = load_pem_public_key(key_file.read_bytes())
    except OSError as fault:
        raise BadKey(f"{key_file}: {fault.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadKey(f"{key_file} has no public key in PEM") from None
    if not isinstance(key, Ed25519PublicKey):
        raise BadKey(f"{key_file} has a public key that is not of Ed25519")
    try:
        key.verify(signature, document)
    except InvalidSignature:
        return False
    return True
