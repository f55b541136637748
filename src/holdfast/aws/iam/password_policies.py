"""What an account asks of the passwords of its users."""

from __future__ import annotations

from holdfast import registry
from holdfast.aws.iam.account import the_account
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.password_policies import PasswordPolicy

# Members of requests and answers, and the fields of the policy.
MEMBERS = {
    "MinimumPasswordLength": "minimum_length",
    "RequireSymbols": "needs_symbols",
    "RequireNumbers": "needs_numbers",
    "RequireUppercaseCharacters": "needs_uppercase",
    "RequireLowercaseCharacters": "needs_lowercase",
    "AllowUsersToChangePassword": "users_may_change",
    "MaxPasswordAge": "max_age_days",
    "PasswordReusePrevention": "reuse_prevention",
    "HardExpiry": "hard_expiry",
}


@operation(on=the_account)
def get_account_password_policy(call: Call, _request: Shape) -> Shape:
    """What passwords must be like; an account that does not say it has AWS's default policy."""
    policy = registry.iam.password_policies.get(call.on, call.caller.account_id)
    told = {member: getattr(policy, field) for member, field in MEMBERS.items()}
    return {"PasswordPolicy": {**told, "ExpirePasswords": policy.max_age_days is not None}}


@operation(on=the_account)
def update_account_password_policy(call: Call, request: Shape) -> Shape:
    """Say what passwords must be like; what is not given goes back to its default."""
    policy = PasswordPolicy(**{field: request[member] for member, field in MEMBERS.items() if member in request})
    registry.iam.password_policies.put(call.on, call.caller.account_id, policy)
    return {}


@operation(on=the_account)
def delete_account_password_policy(call: Call, _request: Shape) -> Shape:
    """Let AWS's default policy hold again."""
    registry.iam.password_policies.delete(call.on, call.caller.account_id)
    return {}
