"""The operations of AWS Identity and Access Management, one file a noun."""

from holdfast.aws.iam import (
    access_keys,
    account,
    attachments,
    authorization,
    credential_reports,
    groups,
    instance_profiles,
    login_profiles,
    oidc_providers,
    other_credentials,
    password_policies,
    policies,
    roles,
    simulation,
    users,
)
from holdfast.aws.operations import collect

OPERATIONS = collect(
    (
        access_keys,
        account,
        attachments,
        authorization,
        credential_reports,
        groups,
        instance_profiles,
        login_profiles,
        oidc_providers,
        other_credentials,
        password_policies,
        policies,
        roles,
        simulation,
        users,
    )
)
