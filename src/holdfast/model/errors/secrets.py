"""Refusals of secrets, as AWS Secrets Manager names them, and as ECR words those of a pull-through cache."""

from __future__ import annotations

from holdfast.model.errors.families import AlreadyExists, Invalid, NotFound, Unavailable


class ResourceNotFound(NotFound):
    """No such secret, or it has no such value."""

    def __init__(self, what: str = "") -> None:
        super().__init__(f"Secrets Manager can't find the specified secret{what and ' value for '}{what}.")


class ResourceExists(AlreadyExists):
    """A secret of that name, or another value under that token."""


class InvalidRequest(Invalid):
    """What is asked of a secret does not go with how it is."""


class SecretNotFound(NotFound):
    """The secret that a pull-through cache rule, or a peer of replication, names is not there."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(
            f"There is no secret '{name}' with a value in this account and region. "
            "Make it with 'aws secretsmanager create-secret', then try again."
            if name is not None
            else "The ARN of the secret specified in the pull through cache rule was not found. "
            "Update the pull through cache rule with a valid secret ARN and try again."
        )


class UnableToDecryptSecretValue(Unavailable):
    """The secret that a pull-through cache rule names does not open, or says nothing that logs in."""

    def __init__(self, why: str) -> None:
        super().__init__(f"The secret is accessible but is unable to be decrypted: {why}")
