"""What operations on secrets are asked leave for, and what they are given."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.operations import tags_told
from holdfast.model import secrets as model
from holdfast.model.errors import InvalidParameter, InvalidRequest
from holdfast.model.names import Arn, Registry
from holdfast.model.secrets import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.aws.operations import Call, Shape
    from holdfast.model.circumstances import Facts

# Members that are condition keys (service authorization reference, "AWS Secrets Manager").
CONDITIONS = ("Description", "ForceDeleteWithoutRecovery", "KmsKeyId", "Name", "RecoveryWindowInDays", "VersionId",
              "VersionStage")  # fmt: skip
REFUSED = {
    "AddReplicaRegions": "Secrets are not replicated to other regions here",
    "CrossAccountPrimaryARN": "Secrets are not replicated to other accounts here",
    "RotationToken": "Secrets are not rotated by functions here",
    "Type": "Secrets that partners manage are not kept here",
}


def home(call: Call) -> Registry:
    """Whose secrets are meant: the caller's, in the region that is called."""
    return Registry(call.caller.account_id, call.region)


def the_secret(call: Call, request: Shape) -> Arn:
    """The secret that a request names."""
    at = home(call)
    named = model.read_id(at, request["SecretId"])
    return Arn(named.registry.account_id, registry.secrets.arn_of(call.on, at, request["SecretId"]))


def the_new_secret(call: Call, request: Shape) -> Arn:
    """The secret that would be made: nobody knows the end of its ARN yet."""
    at = home(call)
    return Arn(at.account_id, model.arn(at, request["Name"], model.ANY_SUFFIX))


def the_secrets(call: Call, _request: Shape) -> Arn:
    """All secrets of the account."""
    return Arn(call.caller.account_id, "*")


def told(request: Shape) -> Sequence[Facts]:
    """The condition keys that a request tells."""
    facts = {f"secretsmanager:{name.lower()}": _fact(request[name]) for name in CONDITIONS if name in request}
    keys = {"aws:tagkeys": tuple(request["TagKeys"])} if request.get("TagKeys") else {}
    pairs = [pair for pair in request.get("Tags", ()) if "Key" in pair]
    return [{**facts, **keys, **tags_told([{"Value": "", **pair} for pair in pairs])}]


def _fact(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def refuse_what_is_not_here(request: Shape) -> None:
    """Refuse what would be asked for in vain."""
    for member, why in REFUSED.items():
        if member in request:
            raise InvalidRequest(f"{why}: leave {member} out.")
    key = request.get("KmsKeyId")
    if key is not None and not key.endswith(model.DEFAULT_KEY):
        raise InvalidRequest("Secrets are sealed under the registry's own key: leave KmsKeyId out.")


def value_in(request: Shape) -> Value | None:
    """The value in a request, or None."""
    text, data = request.get("SecretString"), request.get("SecretBinary")
    if text is not None and data is not None:
        raise InvalidParameter(
            "SecretBinary", "You can't specify both a binary secret value and a string secret value in the same secret."
        )
    return None if text is None and data is None else Value(text, data)


def token_in(request: Shape) -> str:
    """The version that a value will be; SDKs choose it, so that they may ask twice."""
    token: str = request.get("ClientRequestToken") or str(uuid.uuid4())
    return token


def tags_in(request: Shape) -> dict[str, str]:
    """The tags in a request."""
    return {pair["Key"]: pair.get("Value", "") for pair in request.get("Tags", ()) if "Key" in pair}
