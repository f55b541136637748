"""Everything in the account that decides who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.iam import documents, groups, instance_profiles, markers, policies, roles, tags, users
from holdfast.aws.iam.account import the_account
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model import iam_policies
from holdfast.model.errors import Validation
from holdfast.model.iam_entities import Group, User
from holdfast.model.iam_policies import ManagedPolicy
from holdfast.registry.iam.authorization import KINDS
from holdfast.registry.iam.instance_profiles import Furnished
from holdfast.registry.iam.policies import Used

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.iam_roles import Role
    from holdfast.registry.iam.authorization import Detail

LISTS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies", "Policies")  # of each kind


@operation(on=the_account)
def get_account_authorization_details(call: Call, request: Shape) -> Shape:
    """Users, groups, roles and policies, with all that decides what each may; a page may be short of its size."""
    kinds = request.get("Filter") or list(KINDS)
    found, more = registry.iam.authorization.page(
        call.on, call.caller.account_id, kinds, _after(request), markers.size(request)
    )
    lists: dict[str, list[Shape]] = {name: [] for name in LISTS}
    for detail in found:
        lists[LISTS[detail.kind]].append(_rendered(detail))
    return {**lists, **markers.rest(found[-1].place if more else None)}


def _after(request: Shape) -> tuple[int, str]:
    """After which kind and name the list goes on."""
    text = markers.after(request)
    kind, _, key = text.partition(" ")
    if not text:
        return 0, ""
    if kind not in {str(number) for number in range(len(KINDS))}:
        raise Validation("Invalid Marker.")
    return int(kind), key


def _rendered(detail: Detail) -> Shape:
    match detail.subject:
        case User() as user:
            return _rendered_user(detail, user)
        case Group() as group:
            attached = _rendered_attached(detail.attached)
            inline = _rendered_inline(detail.inline)
            return groups.rendered(group) | {"GroupPolicyList": inline, "AttachedManagedPolicies": attached}
        case ManagedPolicy() as policy:
            versions = [
                policies.rendered_version(version, Document=documents.encoded(version.document))
                for version in detail.versions
            ]
            used = Used(policy, detail.usage)
            return policies.rendered(used, Description=policy.description, PolicyVersionList=versions)
        case role:
            return _rendered_role(detail, role)


def _rendered_user(detail: Detail, user: User) -> Shape:
    return users.rendered(
        user,
        PasswordLastUsed=None,
        UserPolicyList=_rendered_inline(detail.inline) or None,  # AWS leaves out this list alone
        GroupList=list(detail.groups),
        AttachedManagedPolicies=_rendered_attached(detail.attached),
        PermissionsBoundary=users.rendered_boundary(user.boundary_arn),
        Tags=tags.rendered(user.tags) or [],
    )


def _rendered_role(detail: Detail, role: Role) -> Shape:
    return roles.rendered(
        role,
        Description=None,
        MaxSessionDuration=None,
        InstanceProfileList=[instance_profiles.rendered(Furnished(profile, role)) for profile in detail.profiles],
        RolePolicyList=_rendered_inline(detail.inline),
        AttachedManagedPolicies=_rendered_attached(detail.attached),
        PermissionsBoundary=users.rendered_boundary(role.boundary_arn),
        Tags=tags.rendered(role.tags) or [],
        RoleLastUsed={"LastUsedDate": role.used_at, "Region": role.used_in},
    )


def _rendered_inline(inline: Sequence[tuple[str, str]]) -> list[Shape]:
    return [{"PolicyName": name, "PolicyDocument": documents.encoded(text)} for name, text in inline]


def _rendered_attached(attached: Sequence[str]) -> list[Shape]:
    return [{"PolicyName": iam_policies.read_arn(arn).name, "PolicyArn": arn} for arn in attached]
