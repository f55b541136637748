"""Push, pull and delete images and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from holdfast import registry
from holdfast.model.errors import ImageAlreadyExists, Refusal, RepositoryNotFound
from holdfast.simulation.client import check_bytes
from holdfast.simulation.errands.marks import SOMETHING, blob_of, found_repository, image_of, mark_removed, tag_of
from holdfast.simulation.registers import becomes, may_turn, sees, sees_other_than
from holdfast.simulation.things import BLOBS, FIXED, REPOSITORIES, TAGS, THINGS, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.images import ImageId
    from holdfast.simulation.client import Client, Reply
    from holdfast.simulation.history import Deed
    from holdfast.simulation.things import Thing


def put(client: Client, repository: str, thing: Thing, tags: Sequence[str]) -> Reply:
    """Push a manifest under tags, or under its digest only."""
    by_digest = len(tags) != 1
    commits = client.machine.commits
    what = f"put {thing.name} as {', '.join(tags) or 'untagged'} in {repository}"
    deed, reply = client.ask(
        what, "PUT", f"/v2/{repository}/manifests/{thing.digest if by_digest else tags[0]}",
        "&".join(f"tag={tag}" for tag in tags) if by_digest else "", [thing.body],
        headers=[("content-type", thing.media_type)],
    )  # fmt: skip
    if reply.status == 201 or not deed.is_known:
        deed.is_kept = deed.is_known
        deed.mark(("repository", repository), sees(True))
        deed.mark(image_of(repository, thing.digest), becomes(True))
        for tag in tags:
            movable = None if repository != FIXED else (None, thing.digest)
            deed.mark(tag_of(repository, tag), becomes(thing.digest, was=movable))
        for digest in thing.blobs:  # what was taken for garbage is taken back
            deed.mark(blob_of(repository, digest), becomes(True))
        for digest in thing.children:
            deed.mark(image_of(repository, digest), sees(True))
    elif found_repository(deed, reply, repository) and reply.code == "TAG_INVALID" and len(tags) == 1:
        deed.mark(tag_of(repository, tags[0]), sees_other_than(None, thing.digest))
    elif reply.code == "MANIFEST_BLOB_UNKNOWN" and thing.blobs and client.machine.commits == commits:
        client.machine.check_refused(what, REPOSITORIES[repository], thing.blobs)
    return reply


def get(client: Client, repository: str, reference: str) -> Thing | None:
    """Pull a manifest by tag or digest."""
    by_tag = reference in TAGS
    deed, reply = client.ask(
        f"get {reference if by_tag else name_of(reference)} of {repository}", "GET",
        f"/v2/{repository}/manifests/{reference}",
    )  # fmt: skip
    if not found_repository(deed, reply, repository):
        return None
    if reply.status != 200:
        key = tag_of(repository, reference) if by_tag else image_of(repository, reference)
        deed.mark(key, sees(None if by_tag else False))
        return None
    digest = reply.header("docker-content-digest")
    check_bytes(digest if by_tag else reference, reply.body)
    deed.outcome += f" {name_of(digest)}"
    deed.mark(image_of(repository, digest), sees(True))
    if by_tag:
        deed.mark(tag_of(repository, reference), sees(digest))
    return THINGS[digest]


def list_tags(client: Client, repository: str) -> None:
    """List the tags."""
    deed, reply = client.ask(f"list tags of {repository}", "GET", f"/v2/{repository}/tags/list")
    if found_repository(deed, reply, repository):
        found = msgspec.json.decode(reply.body)["tags"]
        deed.outcome += f" {found}"
        for tag in TAGS:
            deed.mark(tag_of(repository, tag), sees(*SOMETHING) if tag in found else sees(None))


def list_referrers(client: Client, repository: str, subject: str) -> None:
    """List what refers to an image."""
    deed, reply = client.ask(
        f"list referrers of {name_of(subject)} in {repository}", "GET", f"/v2/{repository}/referrers/{subject}"
    )
    if found_repository(deed, reply, repository):
        found = {entry["digest"] for entry in msgspec.json.decode(reply.body)["manifests"]}
        for thing in THINGS.values():
            if thing.subject == subject:
                deed.mark(image_of(repository, thing.digest), sees(thing.digest in found))


def delete_tag(client: Client, repository: str, tag: str) -> None:
    """Remove a tag."""
    deed, reply = client.ask(f"delete tag {tag} of {repository}", "DELETE", f"/v2/{repository}/manifests/{tag}")
    if reply.status == 202 or not deed.is_known:
        deed.is_kept = deed.is_known
        deed.mark(tag_of(repository, tag), becomes(None, was=SOMETHING))
    elif found_repository(deed, reply, repository):
        deed.mark(tag_of(repository, tag), sees(None))


def delete(client: Client, repository: str, digest: str) -> None:
    """Remove an image with its tags."""
    deed, reply = client.ask(
        f"delete {name_of(digest)} of {repository}", "DELETE", f"/v2/{repository}/manifests/{digest}"
    )
    if reply.status == 202 or not deed.is_known:
        deed.is_kept = deed.is_known
        mark_removed(deed, repository, digest)
    elif found_repository(deed, reply, repository):
        deed.mark(image_of(repository, digest), sees(reply.code != "MANIFEST_UNKNOWN"))


def batch_delete(client: Client, repository: str, id_: ImageId) -> None:
    """Remove a tag or an image, as BatchDeleteImage does: an image goes with its last tag."""
    named = " and ".join([*([id_.tag] if id_.tag else []), *([name_of(id_.digest)] if id_.digest else [])])
    deed, result = client.call(
        f"batch-delete {named} of {repository}",
        lambda on: registry.images.delete(on, REPOSITORIES[repository], [id_]),
    )
    if result is None:
        _mark_perhaps_deleted(deed, repository, id_)
    elif isinstance(result, RepositoryNotFound):
        deed.mark(("repository", repository), sees(False))
    elif not isinstance(result, Refusal):
        deed.is_kept = True
        deed.mark(("repository", repository), sees(True))
        removed, failures = result
        if failures:
            deed.outcome += f" {failures[0].code}"
            _mark_not_deleted(deed, repository, id_, failures[0].code)
        else:
            _mark_deleted(deed, repository, id_, removed)


def _mark_deleted(deed: Deed, repository: str, id_: ImageId, removed: Sequence[ImageId]) -> None:
    digest = removed[0].digest or ""
    deed.outcome += f" {name_of(digest)}"
    tags = {gone.tag for gone in removed if gone.tag is not None}
    for tag in TAGS:
        if tag in tags:
            deed.mark(tag_of(repository, tag), becomes(None, was=(digest,)))
        elif id_.tag is None:
            deed.mark(tag_of(repository, tag), sees_other_than(digest))
    if id_.tag is None:
        deed.mark(image_of(repository, digest), becomes(False, was=(True,)))
    else:  # perhaps it was the last tag
        step = may_turn(True, False)
        deed.mark(image_of(repository, digest), lambda value: step(value) if value[0] else ())


def _mark_not_deleted(deed: Deed, repository: str, id_: ImageId, code: str) -> None:
    if code == "ImageNotFound" and id_.tag is None:
        deed.mark(image_of(repository, id_.digest or ""), sees(False))
    elif code == "ImageNotFound" and id_.digest is None:
        deed.mark(tag_of(repository, id_.tag or ""), sees(None))
    elif code == "ImageTagDoesNotMatchDigest":
        deed.mark(tag_of(repository, id_.tag or ""), sees_other_than(None, id_.digest))


def _mark_perhaps_deleted(deed: Deed, repository: str, id_: ImageId) -> None:
    if id_.tag is None and id_.digest is not None:
        mark_removed(deed, repository, id_.digest)
    elif id_.tag is not None:
        deed.mark(tag_of(repository, id_.tag), becomes(None, was=SOMETHING if id_.digest is None else (id_.digest,)))
        for digest in THINGS if id_.digest is None else (id_.digest,):
            deed.mark(image_of(repository, digest), may_turn(True, False))


def restore(client: Client, repository: str, digest: str) -> None:
    """Let a deleted image live again, with those of its tags that are free."""
    deed, result = client.call(
        f"restore {name_of(digest)} of {repository}",
        lambda on: registry.undelete.restore_image(on, REPOSITORIES[repository], digest, with_referrers=True),
    )
    if isinstance(result, Refusal):
        if isinstance(result, ImageAlreadyExists):
            deed.mark(image_of(repository, digest), sees(True))
    elif result is None:
        for thing in THINGS.values():
            deed.mark(image_of(repository, thing.digest), may_turn(False, True))
        for blob in BLOBS:
            deed.mark(blob_of(repository, blob), may_turn(False, True))
        for tag in TAGS:
            deed.mark(tag_of(repository, tag), lambda value: (value, *((thing, *value[1:]) for thing in SOMETHING)))
    else:
        deed.is_kept = True
        for image in result:
            deed.mark(image_of(repository, image.digest), becomes(True, was=(False,)))
            for blob in THINGS[image.digest].blobs:
                deed.mark(blob_of(repository, blob), becomes(True))
            for tag in image.tags:
                deed.mark(tag_of(repository, tag), becomes(image.digest, was=(None,)))


def restore_tag(client: Client, repository: str, tag: str) -> None:
    """Let a tag name again what it named before its last change."""
    deed, result = client.call(
        f"restore {tag} of {repository}", lambda on: registry.undelete.restore_tag(on, REPOSITORIES[repository], tag)
    )
    if isinstance(result, Refusal):
        return
    if result is None:
        deed.mark(tag_of(repository, tag), lambda value: (value, *((thing, *value[1:]) for thing in SOMETHING)))
    else:
        deed.is_kept = True
        deed.outcome += f" {name_of(result.digest)}"
        was = None if repository != FIXED else (None, result.digest)
        deed.mark(tag_of(repository, tag), becomes(result.digest, was=was))
        deed.mark(image_of(repository, result.digest), sees(True))
