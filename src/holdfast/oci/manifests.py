"""Pull, push and delete manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.http import Later, ReadBody, Response
from holdfast.model import digests, instants, manifests, vex
from holdfast.model.callers import SCANNER
from holdfast.model.circumstances import IMAGE_DIGEST_KEY, IMAGE_TAG_KEY
from holdfast.model.errors import (
    ImageDigestDoesNotMatch,
    ImageNotFound,
    InvalidParameter,
    LayersNotFound,
    ManifestInvalid,
    ManifestTooLarge,
    ReferencedImagesNotFound,
    RepositoryNotFound,
    TagInvalid,
)
from holdfast.model.names import OCI_TAG, check_oci_tag
from holdfast.oci import errors
from holdfast.oci.errors import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.oci.call import Call
    from holdfast.store.hot import StoredManifest

MAXIMUM_TAGS_AT_ONCE = 10
AT = "@"  # no tag and no digest has it


def pull(call: Call) -> Response | Later:
    """Serve the exact bytes that a tag or digest names; GET and HEAD. What only an upstream has takes a wait."""
    reference = call.reference
    if AT in reference:
        reference = _named_then(call)
    by_tag = ":" not in reference
    if not (OCI_TAG.fullmatch(reference) if by_tag else digests.is_digest(reference)):
        registry.repositories.require(call.on, call.at)
        raise ImageNotFound(call.at, None if by_tag else reference, reference if by_tag else None)
    is_use = call.request.method == "GET" and call.caller.kind != SCANNER
    puller = call.caller.arn if is_use else None
    try:
        found = registry.images.find_stored(call.on, call.at, reference, by_tag=by_tag, puller=puller)
    except (RepositoryNotFound, ImageNotFound):
        if not registry.pull_through.may_have(call.on, call.at):
            raise
        return Later(lambda: _from_upstream(call, reference, puller, by_tag=by_tag))
    if registry.pull_through.is_stale(call.on, found):
        return Later(lambda: _from_upstream(call, reference, puller, by_tag=by_tag))
    return _served(call, found, by_tag=by_tag)


def _from_upstream(call: Call, reference: str, puller: str | None, *, by_tag: bool) -> Response | Later:
    """Serve what a cache rule brings; while somebody else asks for it, look again in a moment."""
    found = registry.pull_through.manifest(call.on, call.at, reference, by_tag=by_tag, leave=call.leave)
    if isinstance(found, registry.pull_through.Wait):
        return Later(lambda: _from_upstream(call, reference, puller, by_tag=by_tag), registry.pull_through.LOOK_SECONDS)
    if puller is not None and found.id:
        tag = reference if by_tag else None
        call.on.pulls.note(call.at, found.id, puller, call.on.clock(), found.digest, tag)
    return _served(call, found, by_tag=by_tag)


def _served(call: Call, found: StoredManifest, *, by_tag: bool) -> Response:
    body, media_type, digest = found.body, found.media_type, found.digest
    if by_tag and call.is_strict:
        converted = manifests.convert(body, media_type, _accepted(call))
        if converted is not None:
            body, media_type = converted
            digest = digests.digest_of(body)
    etag = f'"{digest}"'
    headers = [("Content-Type", media_type), API_VERSION, ("ETag", etag)]
    if not (call.is_strict and call.request.method == "GET"):  # ECR leaves it out of GET (containers-roadmap 1931)
        headers.append(("Docker-Content-Digest", digest))
    wanted = call.request.header("if-none-match")
    if wanted is not None and matches(wanted, etag):
        return Response(304, headers)
    return Response(200, headers, body)


def _named_then(call: Call) -> str:
    """The digest that a tag named at an instant: `latest@2026-11-28T12:00:00Z`, an extension."""
    tag, _, text = call.reference.partition(AT)
    instant = instants.read(text)
    if instant is None or not OCI_TAG.fullmatch(tag):
        registry.repositories.require(call.on, call.at)
        raise ImageNotFound(call.at, None, call.reference)
    call.require("ecr:BatchGetImage", {IMAGE_TAG_KEY: tag})
    digest = registry.undelete.digest_at(call.on, call.at, tag, instant)
    call.require("ecr:BatchGetImage", {IMAGE_DIGEST_KEY: digest})  # what is wrong with that one may be asked
    return digest


def matches(header: str, etag: str) -> bool:
    """Whether a list of entity tags has one (RFC 9110, section 13.1.2)."""
    return header.strip() == "*" or etag in (tag.strip().removeprefix("W/") for tag in header.split(","))


def _accepted(call: Call) -> frozenset[str]:
    values = (value for name, value in call.request.headers if name == "accept")
    return frozenset(kind.partition(";")[0].strip() for value in values for kind in value.split(","))


def push(call: Call) -> ReadBody:
    """Keep a manifest under a digest or a tag."""
    wanted, tags = _named(call)
    registry.repositories.require_for_push(call.on, call.at)

    def too_long() -> Response:
        return errors.refuse(call.request, ManifestTooLarge(manifests.MAXIMUM_BYTES), strict=call.is_strict)

    def keep(body: bytes) -> Response | Later:
        algorithm = digests.algorithm(wanted) if wanted else "sha256"
        manifest = _parse(call, body, algorithm)
        if wanted is not None and not digests.same(manifest.digest, wanted):
            raise ImageDigestDoesNotMatch(call.at, wanted)
        if not (manifest.needed_blobs or manifest.needed_manifests):  # a new repository has no parts for others
            call.ensure_repository()
        try:
            return _kept(call, manifest, wanted, tags)
        except (LayersNotFound, ReferencedImagesNotFound) as refusal:
            parts = registry.pull_through.Parts(call.on, call.at, manifest, call.leave, refusal)
            return Later(lambda: _when_here(parts, lambda: _kept(call, manifest, wanted, tags)))

    return ReadBody(manifests.MAXIMUM_BYTES, keep, too_long)


def _kept(call: Call, manifest: manifests.Manifest, wanted: str | None, tags: list[str]) -> Response:
    registry.images.put(call.on, call.at, manifest, tags, copied_from=call.copied_from)
    if vex.is_referrer(manifest, tags) and call.may(registry.vex.ACTION):
        registry.vex.pushed(call.on, call.at, manifest, tags, call.caller.arn)
    headers = [("Docker-Content-Digest", manifest.digest), API_VERSION]
    if not call.is_strict:
        headers.append(("Location", call.url(call.repository_path(f"manifests/{manifest.digest}"))))
    if manifest.subject:
        headers.append(("OCI-Subject", manifest.subject))
    if wanted is not None:
        headers += [("OCI-Tag", tag) for tag in tags]
    return Response(201, headers)


def _when_here(parts: registry.pull_through.Parts, kept: Callable[[], Response]) -> Response | Later:
    """Keep a manifest when what it needs has come from an upstream."""
    if not parts.go_on():
        return Later(lambda: _when_here(parts, kept), registry.pull_through.LOOK_SECONDS)
    return kept()


def _named(call: Call) -> tuple[str | None, list[str]]:
    """The digest and the tags under which a manifest is pushed."""
    if ":" not in call.reference:
        return None, [check_oci_tag(call.reference)]
    wanted = digests.check_digest(call.reference)
    tags = [check_oci_tag(tag) for tag in call.query_all("tag")]
    if len(tags) > MAXIMUM_TAGS_AT_ONCE:
        raise TagInvalid(f"more than {MAXIMUM_TAGS_AT_ONCE} tags")
    for tag in tags:
        call.require("ecr:PutImage", {IMAGE_TAG_KEY: tag})
    return wanted, tags


def _parse(call: Call, body: bytes, algorithm: str) -> manifests.Manifest:
    try:
        manifest = manifests.parse(body, call.request.header("content-type"), algorithm)
    except ManifestInvalid as refusal:
        if call.is_strict:
            raise InvalidParameter("ImageManifest", "Invalid JSON syntax") from refusal
        raise
    if call.is_strict and not manifest.is_index and len(manifest.layers) < 2:
        raise InvalidParameter("ImageManifest", "Invalid JSON syntax")  # ECR wants at least one layer
    return manifest


def delete(call: Call) -> Response:
    """Remove an image by digest, or a tag."""
    if ":" in call.reference:
        digest = digests.check_digest(call.reference)
        for tag in registry.images.tags_of(call.on, call.at, [digest]):
            call.require("ecr:BatchDeleteImage", {IMAGE_TAG_KEY: tag})
        registry.images.delete_manifest(call.on, call.at, digest, spreads=call.copied_from is None)
    else:
        named = (call.request.header("if-match") or "").strip('"')  # the tag may have moved on since it was asked for
        of = digests.check_digest(named) if named not in {"", "*"} else None
        registry.images.delete_tag(call.on, call.at, call.reference, of, spreads=call.copied_from is None)
    return Response(202, [API_VERSION])
