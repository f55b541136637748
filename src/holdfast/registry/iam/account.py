"""An account as IAM sees it: its alias, and how much it has of everything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import EntityAlreadyExists, NoSuchEntity, Validation
from holdfast.model.iam_policies import INLINE_CHARACTERS, MANAGED_CHARACTERS, MOST_VERSIONS
from holdfast.model.names import ACCOUNT_ID

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.registry.backends import Backends

ALIAS = re.compile(r"[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]", re.ASCII)


def created_at(on: Backends, account_id: str) -> datetime:
    """When an account was made."""
    with on.database.snapshot() as tx:
        moment = store.accounts.created_at(tx, account_id)
    if moment is None:
        raise NoSuchEntity("user", account_id)
    return moment


def alias(on: Backends, account_id: str) -> str | None:
    """The name by which an account may be called instead of its number."""
    with on.database.snapshot() as tx:
        return store.iam_aliases.find(tx, account_id)


def create_alias(on: Backends, account_id: str, name: str) -> None:
    """Give an account an alias that nobody has, in the place of the one it had."""
    if not ALIAS.fullmatch(name) or ACCOUNT_ID.fullmatch(name):
        raise Validation(f"The account alias {name[:63]} is not valid: it must not look like the number of an account")
    with on.database.transaction() as tx:
        if store.iam_aliases.account_of(tx, name) is not None:
            raise EntityAlreadyExists("account alias", name)
        store.iam_aliases.put(tx, account_id, name)


def delete_alias(on: Backends, account_id: str, name: str) -> None:
    """Take an account's alias away, if it is this one."""
    with on.database.transaction() as tx:
        if store.iam_aliases.account_of(tx, name) != account_id:
            raise NoSuchEntity("account alias", name)
        store.iam_aliases.delete(tx, account_id)


def summary(on: Backends, account_id: str) -> dict[str, int]:
    """How much there is of everything, and how much there may be, by AWS's names."""
    with on.database.snapshot() as tx:
        counts = store.iam_summary.counts(tx, account_id)
        keys = store.accounts.count_keys_of(tx, account_id, None)
    return {
        **counts,
        "AccountAccessKeysPresent": int(keys > 0),
        "AccountMFAEnabled": 0,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "MFADevices": 0,
        "MFADevicesInUse": 0,
        "ServerCertificates": 0,
        **_quotas(on),
    }


def _quotas(on: Backends) -> dict[str, int]:
    limits = on.limits
    return {
        "AccessKeysPerUserQuota": limits.keys_per_user,
        "AssumeRolePolicySizeQuota": limits.trust_policy_characters,
        "AttachedPoliciesPerGroupQuota": limits.policies_per_entity,
        "AttachedPoliciesPerRoleQuota": limits.policies_per_entity,
        "AttachedPoliciesPerUserQuota": limits.policies_per_entity,
        "GlobalEndpointTokenVersion": 1,
        "GroupPolicySizeQuota": INLINE_CHARACTERS["group"],
        "GroupsPerUserQuota": limits.groups_per_user,
        "GroupsQuota": limits.groups,
        "InstanceProfilesQuota": limits.instance_profiles,
        "PoliciesQuota": limits.customer_policies,
        "PolicySizeQuota": MANAGED_CHARACTERS,
        "PolicyVersionsInUseQuota": limits.customer_policies * MOST_VERSIONS,
        "RolePolicySizeQuota": INLINE_CHARACTERS["role"],
        "RolesQuota": limits.roles,
        "ServerCertificatesQuota": 0,
        "SigningCertificatesPerUserQuota": 0,
        "UserPolicySizeQuota": INLINE_CHARACTERS["user"],
        "UsersQuota": limits.users,
        "VersionsPerPolicyQuota": MOST_VERSIONS,
    }
