"""Operations that Amazon ECR does not have: a service of our own, described as Amazon describes its."""

from holdfast.aws.operations import collect
from holdfast.aws.own import (
    deleted,
    efficiency,
    event_targets,
    inventories,
    leases,
    package_search,
    pull_through,
    replication,
    sboms,
    suppressions,
    vex,
)

OPERATIONS = collect(
    (
        deleted,
        efficiency,
        event_targets,
        inventories,
        leases,
        package_search,
        pull_through,
        replication,
        sboms,
        suppressions,
        vex,
    )
)
