"""Create, describe, change and delete managed policies and their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.iam import documents, markers, places, tags
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model import iam_policies
from holdfast.model.errors import Validation
from holdfast.model.iam_entities import key_of
from holdfast.model.iam_policies import PolicyArn, Usage
from holdfast.model.iam_principals import KINDS
from holdfast.model.names import Arn
from holdfast.registry.iam.policies import Used, Wish

if TYPE_CHECKING:
    from holdfast.model.iam_policies import PolicyVersion
    from holdfast.model.iam_principals import Entity

PURPOSES = {"PermissionsPolicy", "PermissionsBoundary"}
MOST_VERSIONS_EVER = 10**9
LISTS = {"user": "PolicyUsers", "group": "PolicyGroups", "role": "PolicyRoles"}

_new_policy = places.new("policy", "PolicyName")


def named(request: Shape) -> PolicyArn:
    """The policy whose ARN a request has."""
    return iam_policies.read_arn(request["PolicyArn"])


def _the_policy(call: Call, request: Shape) -> Arn:
    """A policy to look at: Amazon's are everybody's."""
    policy = named(request)
    return Arn(call.caller.account_id if policy.is_amazons else policy.account_id, policy.text)


def _policy_to_change(_call: Call, request: Shape) -> Arn:
    """A policy to change: Amazon's are nobody's."""
    policy = named(request)
    return Arn(policy.account_id, policy.text)


@operation(on=_new_policy, facts=tags.told)
def create_policy(call: Call, request: Shape) -> Shape:
    """Make a managed policy with its first version."""
    if request.get("Tags"):
        call.require("iam:TagPolicy", _new_policy(call, request), tags.told(request)[0])
    policy = registry.iam.policies.create(
        call.on,
        call.caller.account_id,
        request["PolicyName"],
        request["PolicyDocument"],
        path=request.get("Path", "/"),
        description=request.get("Description"),
        tags=tags.given(request),
    )
    used = Used(policy, Usage())
    return {"Policy": rendered(used, Description=policy.description, Tags=tags.rendered(policy.tags))}


@operation(on=_the_policy)
def get_policy(call: Call, request: Shape) -> Shape:
    """What is known about a policy, except what it says."""
    used = registry.iam.policies.get(call.on, call.caller.account_id, named(request))
    tags_ = tags.rendered(used.policy.tags) or []
    return {"Policy": rendered(used, Description=used.policy.description, Tags=tags_)}


@operation(on=places.all_of("policy"))
def list_policies(call: Call, request: Shape) -> Shape:
    """List policies: the account's own, Amazon's or both; perhaps only those that are used."""
    scope, purpose = request.get("Scope", "All"), request.get("PolicyUsageFilter")
    wish = Wish(
        own=scope != "AWS",
        amazons=scope != "Local",
        path_prefix=request.get("PathPrefix", "/"),
        attached=request.get("OnlyAttached", False) or purpose == "PermissionsPolicy",
        boundaries=purpose == "PermissionsBoundary",
    )
    after, size = markers.after(request), markers.size(request)
    found, more = registry.iam.policies.page(call.on, call.caller.account_id, wish, after, size)
    return {"Policies": list(map(rendered, found)), **markers.rest(found[-1].place if more else None)}


@operation(on=_policy_to_change)
def delete_policy(call: Call, request: Shape) -> Shape:
    """Remove a policy that nobody uses and that has one version."""
    registry.iam.policies.delete(call.on, named(request))
    return {}


@operation(on=_the_policy)
def list_entities_for_policy(call: Call, request: Shape) -> Shape:
    """Who has a policy: users, groups and roles."""
    wanted, purpose = request.get("EntityFilter"), request.get("PolicyUsageFilter")
    found, more = registry.iam.policies.entities(
        call.on,
        call.caller.account_id,
        named(request),
        _after_entity(request),
        markers.size(request),
        path_prefix=request.get("PathPrefix", "/"),
        purposes=PURPOSES if purpose is None else {purpose},
        kinds=KINDS if wanted is None else {wanted.lower()}.intersection(KINDS),
    )
    listed = {name: [_rendered_entity(one) for one in found if one.kind == kind] for kind, name in LISTS.items()}
    return {**listed, **markers.rest(f"{KINDS.index(found[-1].kind)} {key_of(found[-1].name)}" if more else None)}


@operation(on=_policy_to_change, facts=tags.told)
def tag_policy(call: Call, request: Shape) -> Shape:
    """Add tags, or overwrite those of the same keys."""
    registry.iam.policies.tag(call.on, named(request), tags.given(request))
    return {}


@operation(on=_policy_to_change, facts=tags.keys_told)
def untag_policy(call: Call, request: Shape) -> Shape:
    """Remove tags."""
    registry.iam.policies.untag(call.on, named(request), request["TagKeys"])
    return {}


@operation(on=_the_policy)
def list_policy_tags(call: Call, request: Shape) -> Shape:
    """The tags of a policy."""
    used = registry.iam.policies.get(call.on, call.caller.account_id, named(request))
    return tags.page(request, used.policy.tags)


# ---- Versions


@operation(on=_policy_to_change)
def create_policy_version(call: Call, request: Shape) -> Shape:
    """Add a version to a policy, which from now on may be what it says."""
    version = registry.iam.policies.create_version(
        call.on, named(request), request["PolicyDocument"], is_default=request.get("SetAsDefault", False)
    )
    return {"PolicyVersion": rendered_version(version)}


@operation(on=_the_policy)
def get_policy_version(call: Call, request: Shape) -> Shape:
    """What a version of a policy says."""
    version = registry.iam.policies.version(call.on, named(request), request["VersionId"])
    return {"PolicyVersion": rendered_version(version, Document=documents.encoded(version.document))}


@operation(on=_the_policy)
def list_policy_versions(call: Call, request: Shape) -> Shape:
    """The versions of a policy, the newest first."""
    versions = registry.iam.policies.versions(call.on, named(request))
    found, rest = markers.page(request, versions, lambda version: f"{MOST_VERSIONS_EVER - version.number:010}")
    return {"Versions": list(map(rendered_version, found)), **rest}


@operation(on=_policy_to_change)
def set_default_policy_version(call: Call, request: Shape) -> Shape:
    """Let another version be what the policy says."""
    registry.iam.policies.set_default_version(call.on, named(request), request["VersionId"])
    return {}


@operation(on=_policy_to_change)
def delete_policy_version(call: Call, request: Shape) -> Shape:
    """Remove a version that is not what the policy says."""
    registry.iam.policies.delete_version(call.on, named(request), request["VersionId"])
    return {}


# ---- As answers show them


def rendered(used: Used, **details: object) -> Shape:
    """A policy as lists show it, and more of it where it is asked for."""
    policy = used.policy
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default_version}",
        "AttachmentCount": used.usage.attachments,
        "PermissionsBoundaryUsageCount": used.usage.boundaries,
        "IsAttachable": True,
        "CreateDate": policy.created_at,
        "UpdateDate": policy.updated_at,
        **details,
    }


def rendered_version(version: PolicyVersion, **details: object) -> Shape:
    """A version of a policy, with what it says where that is asked for."""
    return {
        **details,
        "VersionId": version.id,
        "IsDefaultVersion": version.is_default,
        "CreateDate": version.created_at,
    }


def _rendered_entity(entity: Entity) -> Shape:
    kind = entity.kind.capitalize()
    return {f"{kind}Name": entity.name, f"{kind}Id": entity.id}


def _after_entity(request: Shape) -> tuple[int, str]:
    """After which kind and name the list goes on."""
    text = markers.after(request)
    rank, _, key = text.partition(" ")
    if not text:
        return -1, ""
    if rank not in {str(rank) for rank in range(len(KINDS))}:
        raise Validation("Invalid Marker.")
    return int(rank), key
