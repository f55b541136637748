"""Another identity for an access key: the role that it assumes at AWS STS, or at that of another Holdfast."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from xml.sax.saxutils import unescape

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Signer

from holdfast.outbound.distribution.faults import Refused, Unreachable, fault_of, printable
from holdfast.outbound.distribution.wire import at

if TYPE_CHECKING:
    from holdfast.model.remotes import AccessKey
    from holdfast.outbound.distribution.wire import Wire

SECONDS = 30.0
ANSWER_BYTES = 64 * 1024
SESSION_SECONDS = 3600
SESSION_NAME = "holdfast-pull-through-cache"


def assume(wire: Wire, url: str, key: AccessKey) -> AccessKey:
    """The key of a session of the role that a key names (STS API, "AssumeRole"). Raises `Refused`, `Unreachable`."""
    assert key.role_arn is not None, "whoever has no role needs no session"
    asked = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": key.role_arn,
        "RoleSessionName": SESSION_NAME,
        "DurationSeconds": str(SESSION_SECONDS),
    }
    sent = urlencode(asked).encode()
    request = AWSRequest("POST", url, {"Content-Type": "application/x-www-form-urlencoded"}, sent)
    SigV4Auth(Signer(key.id, key.secret, key.session_token), "sts", key.region).add_auth(request)
    target = at(url)
    answer = wire.open("POST", target, dict(request.headers.items()), sent, seconds=SECONDS)
    body = answer.whole(ANSWER_BYTES)
    told = body.decode(errors="replace")
    if answer.status in {400, 401, 403}:  # the AWS protocol's refusals
        words = _member(told, "Message") or _member(told, "Code") or "it does not say why"
        raise Refused(f"{target.authority} does not let {key.id} assume {key.role_arn}: {printable(words)}")
    if answer.status != 200:
        raise fault_of(target.authority, "AssumeRole", answer.status, answer.headers, b"")
    found = [_member(told, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    if not all(found):
        raise Unreachable(f"{target.authority} answered AssumeRole without credentials")
    return replace(key, id=found[0], secret=found[1], session_token=found[2], role_arn=None)


def _member(document: str, name: str) -> str:
    """The text of an element without children; empty if there is none."""
    found = re.search(rf"<{name}>([^<]{{1,8192}})</{name}>", document)
    return unescape(found[1].strip()) if found else ""
