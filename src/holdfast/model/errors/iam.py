"""What IAM refuses in words of its own; the texts are those of the real service."""

from __future__ import annotations

from holdfast.model.errors.families import AlreadyExists, Denied, Invalid, NotFound

NOT_FOUND = {
    "access key": "The Access Key with id {} cannot be found.",
    "account alias": "The account alias with name {} cannot be found.",
    "attachable policy": "Policy {} does not exist or is not attachable.",
    "boundary": "Scope ARN: {} does not exist or is not attachable.",
    "credential service": "No such service {} is supported for Service Specific Credentials",
    "deletion task": "The deletion task with id {} cannot be found.",
    "group": "The group with name {} cannot be found.",
    "group policy": "The group policy with name {} cannot be found.",
    "instance profile": "Instance Profile {} cannot be found.",
    "login profile": "Login Profile for User {} cannot be found.",
    "oidc provider": "OpenIDConnect Provider not found for arn {}",
    "password policy": "The Password Policy with domain name {} cannot be found.",
    "policy": "Policy {} was not found.",
    "role": "The role with name {} cannot be found.",
    "role policy": "The role policy with name {} cannot be found.",
    "user": "The user with name {} cannot be found.",
    "user policy": "The user policy with name {} cannot be found.",
}
EXISTS = {
    "account alias": "The account alias {} already exists.",
    "group": "Group with name {} already exists.",
    "instance profile": "Instance Profile {} already exists.",
    "login profile": "Login Profile for user {} already exists.",
    "oidc provider": "Provider with url {} already exists.",
    "policy": "A policy called {} already exists. Duplicate names are not allowed.",
    "role": "Role with name {} already exists.",
    "user": "User with name {} already exists.",
}


class NoSuchEntity(NotFound):
    """Something that the account does not have, by the kind of thing and its name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(NOT_FOUND[kind].format(name))


class EntityAlreadyExists(AlreadyExists):
    """Something whose name is taken, by the kind of thing and its name."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(EXISTS[kind].format(name))


class CredentialReportNotPresent(NotFound):
    """A report on credentials that nobody asked for yet."""

    def __init__(self) -> None:
        super().__init__("No report is present: GenerateCredentialReport makes one.")


class CredentialReportExpired(NotFound):
    """A report on credentials that is older than four hours."""

    def __init__(self) -> None:
        super().__init__("The report has expired: GenerateCredentialReport makes another one.")


class DeleteConflict(AlreadyExists):
    """Something that cannot go before what hangs on it."""


class InvalidInput(Invalid):
    """A value that has the right form and yet cannot be."""


class InvalidUserType(Denied):
    """A deed that only users can do, asked for by somebody else."""


class PasswordPolicyViolation(Invalid):
    """A password that is easier to guess than the account allows."""

    def __init__(self) -> None:
        super().__init__("Password does not conform to the account password policy.")


class MalformedPolicyDocument(Invalid):
    """A document that is not a policy, or not of the kind that is asked for."""


class PolicyNotAttachable(Invalid):
    """A policy of Amazon's that only the roles of its services may have."""

    def __init__(self, kind: str = "role") -> None:
        super().__init__(f"Cannot attach a Service Role Policy to a Customer {kind.capitalize()}.")


class UnmodifiableEntity(Denied):
    """A role that belongs to a service."""

    def __init__(self, role_name: str) -> None:
        super().__init__(
            f"Cannot perform the operation on the protected role '{role_name}' - this role is only modifiable by AWS"
        )
