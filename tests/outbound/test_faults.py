"""Faults of connections are told in words, and not as Python prints them."""

from __future__ import annotations

import socket
import ssl

import pytest
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, SSLError

from holdfast.outbound.faults import worded

REFUSED = "Failed to establish a new connection: [Errno 111] Connection refused"

WRONG = "wrong version number (_ssl.c:1006)"
UNKNOWN = "certificate verify failed: unable to get local issuer certificate"


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (NewConnectionError(HTTPConnection("10.0.0.1", 5000), REFUSED), "Connection refused"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (SSLError(f"[SSL: WRONG_VERSION_NUMBER] {WRONG}"), "it does not speak TLS; perhaps it speaks plain HTTP"),
        (ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] {UNKNOWN} (_ssl.c:1006)"), UNKNOWN),
        (ValueError("invalid chunk"), "ValueError: invalid chunk"),
    ],
)  # fmt: skip
def test_faults_are_worded(fault, text):
    assert worded(fault) == text
