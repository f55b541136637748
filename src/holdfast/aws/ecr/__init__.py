"""The operations of Amazon ECR, one file a noun."""

from holdfast.aws.ecr import (
    account_settings,
    images,
    layers,
    lifecycle,
    policies,
    pull_exclusions,
    pull_through,
    registry,
    replication,
    repositories,
    scanning,
    signing,
    storage,
    templates,
)
from holdfast.aws.operations import collect

OPERATIONS = collect(
    (
        account_settings,
        images,
        layers,
        lifecycle,
        policies,
        pull_exclusions,
        pull_through,
        registry,
        replication,
        repositories,
        scanning,
        signing,
        storage,
        templates,
    )
)
