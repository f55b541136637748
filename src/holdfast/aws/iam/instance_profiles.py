"""Create, describe and delete instance profiles, and say which role is in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.iam import markers, places, roles, tags
from holdfast.aws.iam.roles import the_role
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.names import Arn
from holdfast.registry.iam.instance_profiles import Furnished

if TYPE_CHECKING:
    from collections.abc import Sequence

_new_profile = places.new("instance-profile", "InstanceProfileName")


def _the_profile(call: Call, request: Shape) -> Arn:
    """The instance profile that a request names, whether or not there is one."""
    account_id = call.caller.account_id
    return Arn(account_id, registry.iam.instance_profiles.arn(call.on, account_id, request["InstanceProfileName"]))


@operation(on=_new_profile, facts=tags.told)
def create_instance_profile(call: Call, request: Shape) -> Shape:
    """Make an instance profile without a role."""
    if request.get("Tags"):
        call.require("iam:TagInstanceProfile", _new_profile(call, request), tags.told(request)[0])
    profile = registry.iam.instance_profiles.create(
        call.on,
        call.caller.account_id,
        request["InstanceProfileName"],
        path=request.get("Path", "/"),
        tags=tags.given(request),
    )
    return {"InstanceProfile": rendered(Furnished(profile))}


@operation(on=_the_profile)
def get_instance_profile(call: Call, request: Shape) -> Shape:
    """An instance profile, and the role in it."""
    account_id, name = call.caller.account_id, request["InstanceProfileName"]
    return {"InstanceProfile": rendered(registry.iam.instance_profiles.get(call.on, account_id, name))}


@operation(on=places.all_of("instance-profile"))
def list_instance_profiles(call: Call, request: Shape) -> Shape:
    """List instance profiles, all of them or those whose paths begin alike."""
    account_id, prefix = call.caller.account_id, request.get("PathPrefix", "/")
    after, size = markers.after(request), markers.size(request)
    return _page(*registry.iam.instance_profiles.page(call.on, account_id, prefix, after, size))


@operation(on=the_role)
def list_instance_profiles_for_role(call: Call, request: Shape) -> Shape:
    """The instance profiles that a role is in."""
    account_id, after, size = call.caller.account_id, markers.after(request), markers.size(request)
    return _page(*registry.iam.instance_profiles.of_role(call.on, account_id, request["RoleName"], after, size))


@operation(on=_the_profile)
def add_role_to_instance_profile(call: Call, request: Shape) -> Shape:
    """Put a role into an instance profile, for which leave is needed to pass the role on."""
    call.require("iam:PassRole", the_role(call, request))
    account_id, name = call.caller.account_id, request["InstanceProfileName"]
    registry.iam.instance_profiles.add_role(call.on, account_id, name, request["RoleName"])
    return {}


@operation(on=_the_profile)
def remove_role_from_instance_profile(call: Call, request: Shape) -> Shape:
    """Take the role out of an instance profile."""
    account_id, name = call.caller.account_id, request["InstanceProfileName"]
    registry.iam.instance_profiles.remove_role(call.on, account_id, name, request["RoleName"])
    return {}


@operation(on=_the_profile)
def delete_instance_profile(call: Call, request: Shape) -> Shape:
    """Remove an instance profile without a role."""
    registry.iam.instance_profiles.delete(call.on, call.caller.account_id, request["InstanceProfileName"])
    return {}


@operation(on=_the_profile, facts=tags.told)
def tag_instance_profile(call: Call, request: Shape) -> Shape:
    """Add tags, or overwrite those of the same keys."""
    account_id, name = call.caller.account_id, request["InstanceProfileName"]
    registry.iam.instance_profiles.tag(call.on, account_id, name, tags.given(request))
    return {}


@operation(on=_the_profile, facts=tags.keys_told)
def untag_instance_profile(call: Call, request: Shape) -> Shape:
    """Remove tags."""
    account_id, name = call.caller.account_id, request["InstanceProfileName"]
    registry.iam.instance_profiles.untag(call.on, account_id, name, request["TagKeys"])
    return {}


@operation(on=_the_profile)
def list_instance_profile_tags(call: Call, request: Shape) -> Shape:
    """The tags of an instance profile."""
    found = registry.iam.instance_profiles.get(call.on, call.caller.account_id, request["InstanceProfileName"])
    return tags.page(request, found.profile.tags)


def _page(found: Sequence[Furnished], more: bool) -> Shape:
    rest = markers.rest_by_name([one.profile for one in found], more)
    return {"InstanceProfiles": list(map(rendered, found)), **rest}


def rendered(found: Furnished) -> Shape:
    """An instance profile as answers show it."""
    profile = found.profile
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": profile.created_at,
        "Roles": [roles.rendered(found.role, MaxSessionDuration=None)] if found.role else [],
        "Tags": tags.rendered(profile.tags),
    }
