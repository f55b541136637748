"""What a policy may ask of an image that is pulled: how its scan stands, and how bad the worst of its findings is.

Both keys are ours. They are looked up for each pull, and only where a policy that applies asks for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import scanning as model
from holdfast.model.circumstances import IMAGE_DIGEST_KEY, IMAGE_TAG_KEY, NOTHING
from holdfast.model.names import RepositoryRef
from holdfast.model.severities import ORDER
from holdfast.registry import scanning

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.model.circumstances import Facts
    from holdfast.registry.backends import Backends
    from holdfast.registry.parties import Resource

PULL = "ecr:BatchGetImage"
STATUS_KEY, SEVERITY_KEY = "ecr:imagescanstatus", "ecr:imageseverity"
KEYS = frozenset({STATUS_KEY, SEVERITY_KEY})
NONE, UNKNOWN = "NONE", "UNKNOWN"  # nothing was found; nobody looked, or could


def with_findings(on: Backends, action: str, resource: Resource, facts: Facts, keys: Iterable[str]) -> Facts:
    """Facts of a request, with what is known of the image that it pulls, if any of the keys asks for that."""
    if KEYS.isdisjoint(keys) or action != PULL or not isinstance(resource, RepositoryRef):
        return facts
    return {**facts, **_of_image(on, resource, facts)}


def _of_image(on: Backends, at: RepositoryRef, facts: Facts) -> Facts:
    named = {"digest": facts.get(IMAGE_DIGEST_KEY), "tag": facts.get(IMAGE_TAG_KEY)}
    names = {key: value for key, value in named.items() if isinstance(value, str)}
    if not names:
        return NOTHING
    with on.database.snapshot() as tx:
        repository = store.repositories.find(tx, at)
        image = store.images.find(tx, repository, **names) if repository else None
    if image is None or not model.is_scannable(image):
        return NOTHING  # lists and artifacts are never scanned; the images of a list are asked for by themselves
    scan = scanning.of_images(on, at, [image], is_exact=True).get(image.id)
    if scan is None:
        return {STATUS_KEY: NONE, SEVERITY_KEY: UNKNOWN}
    if not scan.has_findings:
        return {STATUS_KEY: scan.status.value, SEVERITY_KEY: UNKNOWN}
    worst = min(scan.counts or (), key=ORDER.index, default=None)
    return {STATUS_KEY: scan.status.value, SEVERITY_KEY: worst.value if worst else NONE}
