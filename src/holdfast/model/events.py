"""What happened, in EventBridge's shape (ECR user guide, "Sample events from Amazon ECR")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.caching import CacheRule
    from holdfast.model.images import Image
    from holdfast.model.names import Registry, RepositoryRef

SOURCE = "aws.ecr"
VERSION = "0"
IMAGE_ACTION = "ECR Image Action"
PULL = "PULL"  # an action that Amazon ECR tells nothing of


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a registry; its detail's members are hyphenated, as ECR's are."""

    detail_type: str
    detail: dict[str, Any]
    resources: tuple[str, ...] = ()
    source: str = SOURCE


@dataclass(frozen=True, slots=True)
class Told:
    """An event with its position in the outbox."""

    number: int
    id: str
    registry: Registry
    occurred_at: datetime
    event: Event

    @property
    def envelope(self) -> dict[str, Any]:
        """The event as EventBridge hands it on."""
        return {
            "version": VERSION,
            "id": self.id,
            "detail-type": self.event.detail_type,
            "source": self.event.source,
            "account": self.registry.account_id,
            "time": f"{self.occurred_at:%Y-%m-%dT%H:%M:%SZ}",
            "region": self.registry.region,
            "resources": list(self.event.resources),
            "detail": self.event.detail,
        }


def image_action(action: str, repository_name: str, image: Image, tag: str | None, **more: str | None) -> Event:
    """A PUSH, DELETE or UPDATE_STORAGE_CLASS of an image, or of a referrer."""
    detail = {
        "result": "SUCCESS",
        "repository-name": repository_name,
        "image-digest": image.digest,
        "action-type": action,
        "image-tag": tag,
        "manifest-media-type": image.media_type if more else None,
        "artifact-media-type": (image.artifact_type or image.config_media_type) if more else None,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    kind = "ECR Referrer Action" if image.subject else IMAGE_ACTION
    return Event(kind, {name: value for name, value in detail.items() if value is not None})


def pulled(
    repository_name: str, digest: str, tag: str | None, principal_arn: str, count: int, *, is_missed: bool
) -> Event:
    """Pulls of an image by one principal within a second or so, which fail if it is in the archive; an extension."""
    detail = {
        "result": "FAILURE" if is_missed else "SUCCESS",
        "failure-code": "ImageArchived" if is_missed else None,
        "repository-name": repository_name,
        "image-digest": digest,
        "action-type": PULL,
        "image-tag": tag,
        "principal-arn": principal_arn,
        "pull-count": count,
    }
    return Event(IMAGE_ACTION, {name: value for name, value in detail.items() if value is not None})


def is_pull(envelope: dict[str, Any]) -> bool:
    """Whether an event, in its envelope, tells of pulls: who did not ask for these must not get them."""
    return bool(envelope["detail"].get("action-type") == PULL)


def replication_action(at: RepositoryRef, image: Image, tag: str | None, source: Registry) -> Event:
    """An image was copied here from another registry; told in the registry that it came to."""
    detail = {
        "result": "SUCCESS",
        "repository-name": at.name,
        "image-digest": image.digest,
        "source-account": source.account_id,
        "action-type": "REPLICATE",
        "source-region": source.region,
        "image-tag": tag,
    }
    kept = {name: value for name, value in detail.items() if value is not None}
    return Event("ECR Replication Action", kept, (at.arn,))


def pull_through_action(
    at: RepositoryRef, rule: CacheRule | None, digest: str, tag: str, *, failure: str | None = None
) -> Event:
    """What a pull through cache rule brought, or did not bring in the end."""
    detail = {
        "rule-version": "1",
        "sync-status": "SUCCESS" if failure is None else "FAILED",
        "ecr-repository-prefix": None if rule is None else rule.prefix,
        "repository-name": at.name,
        "upstream-registry-url": None if rule is None else rule.upstream.url,
        "image-tag": tag or None,
        "image-digest": digest,
        "failure-code": None if failure is None else "UpstreamUnavailable",
        "failure-reason": failure,
    }
    named = {name: value for name, value in detail.items() if value is not None}
    return Event("ECR Pull Through Cache Action", named, (at.arn,))
