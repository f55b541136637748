"""Calls of ECR's API elsewhere, signed with an access key, through the same judged connections as images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Signer

from holdfast.outbound.distribution.ecr_login import beside
from holdfast.outbound.distribution.faults import (
    Lied,
    NotThere,
    Refused,
    Rejected,
    TooManyRequests,
    Unreachable,
    printable,
)
from holdfast.outbound.distribution.wire import at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.remotes import AccessKey, Remote
    from holdfast.outbound.distribution.wire import Wire

ECR = "AmazonEC2ContainerRegistry_V20150921"
HOLDFAST = "Holdfast_V20261128"  # our own operations, which only another Holdfast has
SECONDS = 60.0
ANSWER_BYTES = 8 * 1024 * 1024
_REFUSED = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
}


def call(
    wire: Wire, remote: Remote, key: AccessKey, operation: str, members: Mapping[str, Any], service: str = ECR
) -> dict[str, Any]:
    """What an operation answers. Raises a `RemoteFault`; a `Rejected` has the code of the API."""
    url = key.api_url or beside(remote)
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{service}.{operation}"}
    sent = msgspec.json.encode(members)
    request = AWSRequest("POST", url, headers, sent)
    SigV4Auth(Signer(key.id, key.secret, key.session_token), "ecr", key.region).add_auth(request)
    target = at(url)
    answer = wire.open("POST", target, dict(request.headers.items()), sent, seconds=SECONDS)
    body = answer.whole(ANSWER_BYTES)
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = None
    if answer.status == 200 and isinstance(told, dict):
        return told
    if answer.status == 200:
        raise Lied(f"{target.authority} answered {operation} with something else than its members")
    code, words = _said(told)
    message = f"{target.authority} answered {answer.status} for {operation}: {code} {words}"
    if code == "ThrottlingException":
        raise TooManyRequests(message)
    if answer.status >= 500:
        raise Unreachable(message)
    if code in _REFUSED or answer.status in {401, 403}:
        raise Refused(message)
    if code.endswith("NotFoundException"):
        raise NotThere(message)
    raise Rejected(message, answer.status, code)


def _said(told: Any) -> tuple[str, str]:
    known = told if isinstance(told, dict) else {}
    code, words = known.get("__type", ""), known.get("message") or known.get("Message") or ""
    return printable(str(code).rpartition("#")[2][:100]), printable(str(words))
