"""Whom the registry protocol follows where the specification and Amazon ECR differ."""

from __future__ import annotations

from enum import StrEnum


class Profile(StrEnum):
    """The operator's choice; both are tested."""

    SPEC = "spec"  # OCI distribution-spec 1.1, to the letter
    ECR_STRICT = "ecr-strict"  # the measured behaviour of Amazon ECR
