"""Vulnerabilities that are new in images that are watched, and the events that tell of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model.events import Event
from holdfast.model.scanning import INSPECTOR
from holdfast.model.severities import ORDER, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.images import Image
    from holdfast.model.names import RepositoryRef

NAMES = 20  # that an event tells; the others are counted
OURS = "holdfast"  # the source of events that ECR and Inspector do not have


@dataclass(frozen=True, slots=True)
class News:
    """Vulnerabilities that are new in something: how many, and the worst of them with their severities."""

    count: int
    severities: Mapping[str, Severity]  # by name, the worst first

    def __or__(self, other: News) -> News:
        """Those of two sets of packages of an image."""
        shared = len(self.severities.keys() & other.severities.keys())
        return news({**other.severities, **self.severities}, self.count + other.count - shared)


def news(severities: Mapping[str, Severity], count: int | None = None) -> News:
    """News of vulnerabilities by their names."""
    ordered = sorted(severities.items(), key=lambda item: (ORDER.index(item[1]), item[0]))
    return News(len(ordered) if count is None else count, dict(ordered[:NAMES]))


def in_image(at: RepositoryRef, image: Image, found: News, status: str = "ACTIVE") -> Event:
    """The event of all that is new in an image with its tags, or CLOSED, as bad as the worst of it.

    Inspector tells one for each finding, which would be a flood where a popular package has several.
    """
    container = {
        "imageHash": image.digest,
        "imageTags": list(image.tags),
        "registry": at.registry.account_id,
        "repositoryName": at.name,
    }
    resource = {
        "id": f"{at.arn}/{image.digest}",
        "type": "AWS_ECR_CONTAINER_IMAGE",
        "region": at.registry.region,
        "details": {"awsEcrContainerImage": container},
    }
    return Event(
        "Inspector2 Finding",
        {
            "awsAccountId": at.registry.account_id,
            "type": "PACKAGE_VULNERABILITY",
            "status": status,
            "severity": next(iter(found.severities.values())).value,
            "title": ", ".join(found.severities),
            "finding-count": found.count,
            "vulnerability-ids": list(found.severities),
            "resources": [resource],
        },
        (at.arn,),
        INSPECTOR,
    )


def in_repository(at: RepositoryRef, image_count: int, found: Mapping[str, tuple[Severity, int]]) -> Event:
    """The event of what is new in a repository: each vulnerability with its severity and how many images have it."""
    return Event(
        "New Vulnerabilities",
        {
            "repository-name": at.name,
            "image-count": image_count,
            "vulnerabilities": [
                {"vulnerability-id": name, "severity": severity.value, "image-count": count}
                for name, (severity, count) in found.items()
            ],
        },
        (at.arn,),
        OURS,
    )
