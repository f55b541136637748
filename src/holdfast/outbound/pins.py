"""Trust by thumbprint: the SHA-1 of the last certificate that a server sends, as AWS takes it of identity providers.

A certificate whose thumbprint is pinned becomes the only CA that is trusted, and the server is verified against it from
the beginning: its signature, its dates and its host name must be right.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

# OpenSSL's X509_V_ERR_…: self-signed, self-signed in the chain, no local issuer, no way to verify the leaf.
NO_TRUSTED_CA = {18, 19, 20, 21}


def context(address: str, port: int, host: str, thumbprints: Collection[str], seconds: float) -> ssl.SSLContext | None:
    """What trusts a server by one of some thumbprints; None if its chain ends with none of them."""
    anchor = _last_certificate(address, port, host, seconds)
    if hashlib.sha1(anchor).hexdigest() not in thumbprints:  # noqa: S324 - AWS's thumbprints are SHA-1
        return None
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an intermediate, or the server's own, may be pinned
    tls.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(anchor))
    return tls


def _last_certificate(address: str, port: int, host: str, seconds: float) -> bytes:
    """The last certificate that a server sends; nothing is said to it."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address, port), seconds) as plain,
        tls.wrap_socket(plain, server_hostname=host) as secured,
    ):
        return _chain(secured)[-1]


def _chain(secured: Any) -> list[bytes]:
    if hasattr(secured, "get_unverified_chain"):  # from Python 3.13 on
        found: list[bytes] = secured.get_unverified_chain()
        return found
    chain = secured._sslobj.get_unverified_chain()  # noqa: SLF001 - before that there is no public way
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in chain]
