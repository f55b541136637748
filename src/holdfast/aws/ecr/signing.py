"""Which images are signed when they come, and how their signing stands."""

from __future__ import annotations

from holdfast import registry
from holdfast.aws.operations import Call, Shape, operation, the_image, the_registry, the_repository
from holdfast.model.signing import Configuration, Rule


@operation(on=the_registry, lacks="a signing service: every signing ends as FAILED, and says so")
def put_signing_configuration(call: Call, request: Shape) -> Shape:
    """Replace the rules by which a registry's images are signed."""
    configuration = Configuration(tuple(_rule(item) for item in request["signingConfiguration"]["rules"]))
    registry.signing.configure(call.on, the_registry(call, request), configuration)
    return {"signingConfiguration": _rendered(configuration)}


@operation(on=the_registry)
def get_signing_configuration(call: Call, request: Shape) -> Shape:
    """The rules by which a registry's images are signed."""
    home = the_registry(call, request)
    configuration = registry.signing.configuration(call.on, home)
    return {"registryId": home.account_id, "signingConfiguration": _rendered(configuration)}


@operation(on=the_registry)
def delete_signing_configuration(call: Call, request: Shape) -> Shape:
    """Sign nothing from now on; what is signed stays so."""
    home = the_registry(call, request)
    configuration = registry.signing.forget_configuration(call.on, home)
    return {"registryId": home.account_id, "signingConfiguration": _rendered(configuration)}


@operation(on=the_repository)
def describe_image_signing_status(call: Call, request: Shape) -> Shape:
    """How the signing of an image with each profile stands."""
    at, id_ = the_repository(call, request), the_image(request)
    image, found = registry.signing.of_image(call.on, at, id_)
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageId": {"imageDigest": image.digest, "imageTag": id_.tag},
        "signingStatuses": [
            {
                "signingProfileArn": signing.profile_arn,
                "status": signing.status,
                "failureCode": signing.failure_code,
                "failureReason": signing.failure_reason,
            }
            for signing in found
        ],
    }


def _rule(item: Shape) -> Rule:
    filters = item.get("repositoryFilters")
    return Rule(item["signingProfileArn"], tuple(wish["filter"] for wish in filters) if filters is not None else None)


def _rendered(configuration: Configuration) -> Shape:
    return {"rules": [_rendered_rule(rule) for rule in configuration.rules]}


def _rendered_rule(rule: Rule) -> Shape:
    filters = None
    if rule.patterns is not None:
        filters = [{"filter": pattern, "filterType": "WILDCARD_MATCH"} for pattern in rule.patterns]
    return {"signingProfileArn": rule.profile_arn, "repositoryFilters": filters}
