"""A login token of ECR, for whoever has an access key there (ECR API, "GetAuthorizationToken")."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Signer

from holdfast.outbound.distribution import sts
from holdfast.outbound.distribution.faults import Refused, Unreachable, fault_of
from holdfast.outbound.distribution.wire import at

if TYPE_CHECKING:
    from holdfast.model.remotes import AccessKey, Remote
    from holdfast.outbound.distribution.wire import Wire

SECONDS = 30.0
ANSWER_BYTES = 64 * 1024
LIFETIME_SECONDS = 12 * 3600
AMAZON = re.compile(
    r"[0-9]{12}\.dkr[.-]ecr(?P<fips>-fips)?\.(?P<region>[0-9a-z-]{2,25})\.(?P<domain>amazonaws\.com(\.cn)?|on\.aws)",
    re.ASCII,
)
_TOKEN = re.compile(r"[A-Za-z0-9+/=_-]+", re.ASCII)


def get(wire: Wire, remote: Remote, key: AccessKey) -> tuple[str, float]:
    """What an ECR wants to see, and for how many seconds it takes it. Raises `Refused` and `Unreachable`."""
    lifetime = LIFETIME_SECONDS
    if key.role_arn is not None:
        key, lifetime = sts.assume(wire, sts_beside(remote), key), sts.SESSION_SECONDS
    url = key.api_url or beside(remote)
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
    }
    request = AWSRequest("POST", url, headers, b"{}")
    SigV4Auth(Signer(key.id, key.secret, key.session_token), "ecr", key.region).add_auth(request)
    target = at(url)
    answer = wire.open("POST", target, dict(request.headers.items()), b"{}", seconds=SECONDS)
    body = answer.whole(ANSWER_BYTES)
    if answer.status in {400, 401, 403}:  # the AWS protocol's refusals
        raise Refused(f"{target.authority} refuses the access key {key.id}")
    if answer.status != 200:
        raise fault_of(target.authority, "GetAuthorizationToken", answer.status, answer.headers, body)
    found = _token_of(body)
    if found is None:
        raise Unreachable(f"{target.authority} answered without a login token")
    token, expires_at = found
    return f"Basic {token}", min(max(expires_at - time.time(), 60), lifetime)


def _token_of(body: bytes) -> tuple[str, float] | None:
    """The token of an answer, and until when it is good, in seconds since the epoch."""
    try:
        told: Any = msgspec.json.decode(body)
        given = told["authorizationData"][0]
        token, expires_at = given["authorizationToken"], float(given.get("expiresAt") or 0)
        return (token, expires_at) if _TOKEN.fullmatch(token) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError, ValueError,
            AttributeError):  # fmt: skip
        return None


def beside(remote: Remote) -> str:
    """Where the ECR API of a registry is: Amazon's has a host of its own, ours the same."""
    found = AMAZON.fullmatch(remote.authority)
    if found is None:
        return f"{remote.url}/"
    region, domain = found["region"], found["domain"]
    if domain == "on.aws":
        return f"https://ecr{found['fips'] or ''}.{region}.api.aws/"
    return f"https://{'ecr-fips' if found['fips'] else 'api.ecr'}.{region}.{domain}/"


def sts_beside(remote: Remote) -> str:
    """Where the STS is that an ECR believes: Amazon's of the same region, ours at the same address."""
    found = AMAZON.fullmatch(remote.authority)
    if found is None:
        return f"{remote.url}/"
    domain = "api.aws" if found["domain"] == "on.aws" else found["domain"]
    return f"https://sts{found['fips'] or ''}.{found['region']}.{domain}/"
