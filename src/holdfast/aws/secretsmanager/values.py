"""Get and put the values of secrets, and list their versions."""

from __future__ import annotations

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation
from holdfast.aws.secretsmanager.places import home, refuse_what_is_not_here, the_secret, token_in, told, value_in
from holdfast.model.errors import InvalidRequest


@operation(on=the_secret, facts=told)
def get_secret_value(call: Call, request: Shape) -> Shape:
    """A value of a secret: by its version or its label, else the current one."""
    secret, version, value = registry.secrets.get_value(
        call.on, home(call), request["SecretId"], request.get("VersionId"), request.get("VersionStage")
    )
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version.id,
        "SecretString": value.text,
        "SecretBinary": value.data,
        "VersionStages": list(version.stages) or None,
        "CreatedDate": version.created_at,
    }


@operation(on=the_secret, facts=told, lacks="rotation")
def put_secret_value(call: Call, request: Shape) -> Shape:
    """Give a secret another value, which becomes the current one unless it is labelled otherwise."""
    refuse_what_is_not_here(request)
    value, token = value_in(request), token_in(request)
    if value is None:
        raise InvalidRequest("You must provide either SecretString or SecretBinary.")
    secret, stages = registry.secrets.put_value(
        call.on, home(call), request["SecretId"], value, token, request.get("VersionStages", [])
    )
    return {"ARN": secret.arn, "Name": secret.name, "VersionId": token, "VersionStages": stages}


@operation(on=the_secret, facts=told)
def update_secret_version_stage(call: Call, request: Shape) -> Shape:
    """Let a label name another version of a secret, or none."""
    secret = registry.secrets.move_label(
        call.on,
        home(call),
        request["SecretId"],
        request["VersionStage"],
        request.get("MoveToVersionId"),
        request.get("RemoveFromVersionId"),
    )
    return {"ARN": secret.arn, "Name": secret.name}


@operation(on=the_secret, facts=told)
def list_secret_version_ids(call: Call, request: Shape) -> Shape:
    """The versions of a secret; those without a label only if asked for."""
    secret, versions = registry.secrets.describe(call.on, home(call), request["SecretId"])
    after = pages.after({"nextToken": request.get("NextToken")}, "")
    wanted = sorted(
        (one for one in versions if (one.stages or request.get("IncludeDeprecated", False)) and one.id > after),
        key=lambda one: one.id,
    )
    page = wanted[: request.get("MaxResults", pages.DEFAULT)]
    return {
        "Versions": [
            {"VersionId": one.id, "VersionStages": list(one.stages) or None, "CreatedDate": one.created_at}
            for one in page
        ],
        "NextToken": pages.token(page[-1].id) if len(page) < len(wanted) else None,
        "ARN": secret.arn,
        "Name": secret.name,
    }
