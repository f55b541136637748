"""What can be set on a whole registry, one word a setting (ECR user guide, 'Private registry settings')."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.model.errors import InvalidParameter

BLOB_MOUNTING = "BLOB_MOUNTING"
REGISTRY_POLICY_SCOPE = "REGISTRY_POLICY_SCOPE"
VALUES = {  # the first is the default; ECR's scanner CLAIR was retired in February 2026
    "BASIC_SCAN_TYPE_VERSION": ("AWS_NATIVE",),
    REGISTRY_POLICY_SCOPE: ("V2", "V1"),
    BLOB_MOUNTING: ("DISABLED", "ENABLED"),
}


@dataclass(frozen=True, slots=True)
class AccountSetting:
    """A setting with its value."""

    name: str
    value: str

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.value not in VALUES[self.name]:
            raise InvalidParameter("value", f"Member must satisfy enum value set: [{', '.join(VALUES[self.name])}]")


def check_name(name: str) -> str:
    """Return the name of a setting that there is, or refuse it."""
    if name not in VALUES:
        raise InvalidParameter("name", f"Member must satisfy enum value set: [{', '.join(VALUES)}]")
    return name


def default(name: str) -> str:
    """The value of a setting that nobody has set."""
    return VALUES[name][0]
