"""What clusters say that they run: images by where they are pulled from and by digest, out of their own documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.model.digests import is_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
TEMPLATES = ("initContainers", "containers")
DETAIL_CHARACTERS = 400
_REFERENCE = re.compile(  # host, name, tag and digest
    r"(?P<host>localhost|[^/@]*[.:][^/@]*)/(?P<repository>[^@:]+)(?::(?P<tag>[a-zA-Z0-9_][a-zA-Z0-9._-]{0,299}))?(?:@(?P<digest>[^@]+))?"
)


@dataclass(frozen=True, slots=True)
class Running:
    """An image that something runs; by its digest, or by a tag where the runtime does not tell one."""

    host: str
    repository: str
    digest: str | None
    tag: str | None


def read_reference(text: str) -> Running | None:
    """The image that a reference such as `host/name:tag@sha256:…` names; None if it has no host or says too little."""
    found = _REFERENCE.fullmatch(text.rpartition("://")[2])
    if found is None:
        return None
    digest, tag = found["digest"], found["tag"]
    if digest is not None:
        return Running(found["host"], found["repository"], digest, None) if is_digest(digest) else None
    return Running(found["host"], found["repository"], None, tag or "latest")


def of_pod(pod: Any) -> dict[Running, str]:
    """The images of a Kubernetes pod, each with what runs it: `namespace/pod container`."""
    about, status = _dict(pod, "metadata"), _dict(pod, "status")
    place = f"{about.get('namespace', '')}/{about.get('name', '')}"
    found: dict[Running, str] = {}
    for one in (one for kind in STATUSES for one in _dicts(status, kind)):
        # What kubelet resolved comes first; some runtimes have only the name that it was asked for.
        texts = (one.get("imageID"), one.get("image"))
        known = next((known for text in texts if isinstance(text, str) and (known := read_reference(text))), None)
        if known is not None:
            found.setdefault(known, detail(f"{place} {one.get('name', '')}"))
    return found


def of_template(kind: str, workload: Any) -> dict[Running, str]:
    """The images of whatever Kubernetes starts by a template, each with what would run it: `namespace/kind name …`."""
    about, spec = _dict(workload, "metadata"), _dict(workload, "spec")
    job = _dict(_dict(spec, "jobTemplate"), "spec")  # of a CronJob
    pod = _dict(_dict(job or spec, "template"), "spec")
    found: dict[Running, str] = {}
    for one in (one for name in TEMPLATES for one in _dicts(pod, name)):
        text = one.get("image")
        known = read_reference(text) if isinstance(text, str) else None
        if known is not None:
            place = f"{about.get('namespace', '')}/{kind} {about.get('name', '')} {one.get('name', '')}"
            found.setdefault(known, detail(place))
    return found


def of_task(task: Any) -> dict[Running, str]:
    """The images of an ECS task, each with what runs it: `cluster/group container`."""
    cluster = str(task.get("clusterArn", "")).rpartition("/")[2]
    group = task.get("group") or str(task.get("taskArn", "")).rpartition("/")[2]
    found: dict[Running, str] = {}
    for one in task.get("containers") or ():
        known, digest = read_reference(one.get("image") or ""), one.get("imageDigest")
        if known is not None and isinstance(digest, str) and is_digest(digest):
            known = Running(known.host, known.repository, digest, None)
        if known is not None:
            found.setdefault(known, detail(f"{cluster}/{group} {one.get('name', '')}"))
    return found


def of_definition(place: str, definition: Any) -> dict[Running, str]:
    """The images of an ECS task definition, each with what would run it: `cluster/service container`."""
    found: dict[Running, str] = {}
    for one in _dicts(definition, "containerDefinitions"):
        text = one.get("image")
        known = read_reference(text) if isinstance(text, str) else None
        if known is not None:
            found.setdefault(known, detail(f"{place} {one.get('name', '')}"))
    return found


def detail(text: str) -> str:
    """What runs an image, as a lease may say it."""
    shown = "".join(one if " " <= one <= "~" else "?" for one in text)
    return shown[:DETAIL_CHARACTERS]


def by_repository(running: Iterable[tuple[Running, str]]) -> Iterator[tuple[tuple[str, str], dict[Running, str]]]:
    """Images by host and repository, each with what runs it, and how many others do."""
    found: dict[tuple[str, str], dict[Running, list[str]]] = {}
    for one, what in running:
        found.setdefault((one.host, one.repository), {}).setdefault(one, []).append(what)
    for place, images in sorted(found.items()):
        told = {
            one: min(whats) + (f" and {len(whats) - 1} more" if len(whats) > 1 else "") for one, whats in images.items()
        }
        yield place, told


def _dicts(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = document.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _dict(document: Any, name: str) -> dict[str, Any]:
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}
