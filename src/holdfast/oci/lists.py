"""Ping, repositories, tags and referrers: what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from holdfast import registry
from holdfast.http import Later, Response
from holdfast.model import digests, manifests
from holdfast.model.errors import InvalidParameter
from holdfast.oci.errors import API_VERSION

if TYPE_CHECKING:
    from holdfast.model.images import Image
    from holdfast.oci.call import Call

PAGE = 1000
STRICT_PAGE = 100


def ping(_call: Call) -> Response:
    """Say that the protocol is spoken and the credentials are good."""
    return Response(200, [("Content-Type", "application/json"), API_VERSION], b"{}")


def catalogue(call: Call) -> Response:
    """Repository names of the registry, in order."""
    limit = _page_size(call)
    names, more = registry.repositories.names(call.on, call.registry, _last(call), limit) if limit else ([], False)
    return _page(call, {"repositories": names}, "/v2/_catalog", limit, names[-1] if more else None)


def tags(call: Call) -> Response:
    """Tags of a repository, in order."""
    limit = _page_size(call)
    registry.repositories.require(call.on, call.at)
    names, more = registry.images.tag_names(call.on, call.at, _last(call), limit) if limit else ([], False)
    document = {"name": call.at.name, "tags": names}
    return _page(call, document, call.repository_path("tags/list"), limit, names[-1] if more else None)


def referrers(call: Call) -> Response | Later:
    """An index of the manifests whose subject is a digest (distribution-spec, "Listing Referrers")."""
    digests.check_digest(call.reference)
    kind = call.query("artifactType")
    after = call.query("last") or "0"
    place = int(after) if after.isdecimal() and len(after) < 19 else 0
    if place == 0 and registry.pull_through.may_have(call.on, call.at) and call.leave.may_import():
        return Later(lambda: _referrers(call, kind, place, _of_upstream(call, kind)))
    return _referrers(call, kind, place, [])


def _of_upstream(call: Call, kind: str | None) -> list[dict[str, Any]]:
    """Descriptors of what an upstream has that refers to a digest and is not here yet."""
    found = registry.pull_through.referrers(call.on, call.at, call.reference)
    return [
        {"mediaType": one.media_type, "digest": one.digest, "size": one.size_bytes}
        | ({"artifactType": one.artifact_type} if one.artifact_type else {})
        for one in found
        if kind in {None, one.artifact_type}
    ]


def _referrers(call: Call, kind: str | None, place: int, more_of_them: list[dict[str, Any]]) -> Response:
    kinds = [kind] if kind is not None else []
    found, more = registry.referrers.page(call.on, call.at, call.reference, place, PAGE, kinds=kinds)
    document = {
        "schemaVersion": 2,
        "mediaType": manifests.OCI_INDEX,
        "manifests": [_descriptor(image) for image in found] + more_of_them,
    }
    headers = [("Content-Type", manifests.OCI_INDEX), API_VERSION]
    if kind is not None:
        headers.append(("OCI-Filters-Applied", "artifactType"))
    if more:
        tail = f"&artifactType={quote(kind)}" if kind is not None else ""
        path = call.repository_path(f"referrers/{call.reference}")
        headers.append(("Link", f'<{call.url(path)}?last={found[-1].id}{tail}>; rel="next"'))
    return Response(200, headers, msgspec.json.encode(document))


def _descriptor(image: Image) -> dict[str, Any]:
    descriptor: dict[str, Any] = {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": image.manifest_bytes,
    }
    kind = image.artifact_type or image.config_media_type
    if kind:
        descriptor["artifactType"] = kind
    if image.annotations:
        descriptor["annotations"] = image.annotations
    return descriptor


def _last(call: Call) -> str:
    """The name after which a list goes on; none has a zero character, so none lies between one and what precedes it."""
    return (call.query("last") or "").partition("\0")[0]


def _page_size(call: Call) -> int:
    text = call.query("n")
    if text is None:
        return STRICT_PAGE if call.is_strict else PAGE
    if not text.isdecimal() or len(text) > 18:
        raise InvalidParameter("n", "Member must be a whole number that is not negative")
    size = int(text)
    if size > PAGE and call.is_strict:
        raise InvalidParameter("maxResults", "Member must have value less than or equal to 1000")
    return min(size, PAGE)


def _page(call: Call, document: dict[str, Any], path: str, limit: int, last: str | None) -> Response:
    kind = "text/plain; charset=utf-8" if call.is_strict else "application/json"
    headers = [("Content-Type", kind), API_VERSION]
    if last is not None:
        headers.append(("Link", f'<{call.url(path)}?n={limit}&last={quote(last, safe="")}>; rel="next"'))
    return Response(200, headers, msgspec.json.encode(document))
