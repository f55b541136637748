"""Follow a registry of Amazon ECR: its repositories, their settings, images and tags are brought here, again and again.

    names ─► one repository after the other: made, settings ─► images that are not here, the oldest first ─► tags
        ─► if deletions are followed: what is not there any more goes here, too

A repository that follows another one says so by a resource tag; to any other nothing is done. No more is remembered:
each pass compares what is there with what is here, so it goes on wherever the last one ended.
"""

from __future__ import annotations

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from holdfast.model.errors import (
    AlreadyExists,
    Invalid,
    LifecyclePolicyNotFound,
    Refusal,
    RepositoryNotFound,
    RepositoryPolicyNotFound,
)
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.model.repositories import Encryption, Mutability, TagMutability
from holdfast.outbound import EcrRefused
from holdfast.outbound.distribution import RemoteFault
from holdfast.registry import images, lifecycle, policies, repositories
from holdfast.registry.importing import Brought, Importer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from holdfast.model.names import Registry
    from holdfast.outbound import AwsEcr, FoundImage, FoundRepository
    from holdfast.registry.backends import Backends
    from holdfast.registry.importing import Source

MARK = "holdfast:shadow-of"  # a resource tag; its value is the account and region that a repository follows
OWN_TAGS = "holdfast:"
PAGE = 1000
AT_ONCE = 100  # deletions in a transaction
SURPRISE = 0.5  # the share of a repository's images, or of all repositories, that does not go unasked
FEW = 10  # that may go all the same


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is followed, and how far."""

    into: Registry
    prefixes: tuple[str, ...] = ()  # of the names of repositories; none: all of them
    follows_deletions: bool = False
    is_confirmed: bool = False  # that much may go
    at_once: int = 4  # images

    def selects(self, name: str) -> bool:
        """Whether a repository is followed."""
        return not self.prefixes or name.startswith(self.prefixes)


@dataclass(slots=True)
class Pass:
    """What one pass did."""

    repositories: int = 0
    created: int = 0
    tags: int = 0
    removed: int = 0
    brought: Brought = field(default_factory=Brought)
    faults: list[tuple[str, str]] = field(default_factory=list)  # what was left out, and why


def follow(
    on: Backends,
    source: AwsEcr,
    puller: Source,
    wanted: Wanted,
    tell: Callable[[str], None] = lambda _: None,
    moved: Callable[[int], None] = lambda _: None,
) -> Pass:
    """Bring everything up to date once; one thing that fails is told and stops nothing else.

    Raises `EcrRefused` if the source does not even say which repositories it has.
    """
    mark, done = f"{source.account_id()}/{source.region}", Pass()
    importer = Importer(on, puller, moved)
    names = sorted(name for name in source.names() if wanted.selects(name))
    for name in names:
        before = replace(importer.brought)
        with told(done, name):
            _one(on, source, importer, wanted, mark, RepositoryRef(wanted.into, name), done)
        done.repositories += 1
        if (came := importer.brought.images - before.images) > 0:
            tell(
                f"{name}: {came:,} image{'s' * (came != 1)}, {importer.brought.size_bytes - before.size_bytes:,} bytes"
            )
    if wanted.follows_deletions:
        forget_repositories(on, wanted, mark, lambda at: wanted.selects(at.name), set(names), done, tell)
    done.brought = importer.brought
    return done


def followers(on: Backends, into: Registry) -> Iterator[tuple[RepositoryRef, str]]:
    """The repositories that follow others, and whose."""
    after = ""
    while True:
        found, is_more = repositories.page(on, into, after, PAGE)
        for one in found:
            mark = repositories.tags(on, one.ref).get(MARK)
            if mark is not None:
                yield one.ref, mark
        if not is_more:
            return
        after = found[-1].ref.name


# ---- One repository


def _one(
    on: Backends, source: AwsEcr, importer: Importer, wanted: Wanted, mark: str, at: RepositoryRef, done: Pass
) -> None:
    there = source.repository(at.name)
    if there is None:
        return  # it went while we looked
    settle(on, at, there, mark, done)
    found = list(source.images(at.name))
    bring(importer, wanted, at, [image for image in found if not image.is_archived], images_of(on, at), done)
    if wanted.follows_deletions:
        forget_images(on, wanted, at, {image.digest: image.tags for image in found}, done)


def settle(on: Backends, at: RepositoryRef, there: FoundRepository, mark: str, done: Pass) -> None:
    """Let a repository be here, and be set as it is there; a key of AWS is none of ours, so ours are used."""
    if there.mutability not in Mutability.__members__:
        raise Invalid(f"Tags cannot be {there.mutability[:100]!r}")
    mutability = TagMutability(Mutability(there.mutability), there.filters)
    tags = {key: value for key, value in there.tags.items() if not key.startswith(OWN_TAGS)}
    try:
        here = repositories.get(on, at)
    except RepositoryNotFound:
        here = repositories.create(
            on,
            at,
            mutability=mutability,
            scan_on_push=there.scan_on_push,
            encryption=Encryption(),
            tags={**tags, MARK: mark},
        )
        done.created += 1
    known = repositories.tags(on, at)
    if known.get(MARK) != mark:
        whose = f"follows {known[MARK]}" if MARK in known else "is a repository of its own"
        raise NotOurs(at.name, f"{whose}; the resource tag {MARK}={mark} would let it follow this source")
    if here.mutability != mutability:
        repositories.set_mutability(on, at, mutability)
    if here.scan_on_push != there.scan_on_push:
        repositories.set_scan_on_push(on, at, there.scan_on_push)
    if gone := [key for key in known if key not in tags and not key.startswith(OWN_TAGS)]:
        repositories.untag(on, at, gone)
    if new := {key: value for key, value in tags.items() if known.get(key) != value}:
        repositories.tag(on, at, new)
    with told(done, f"{at.name}: its policy"):
        _settle_policy(on, at, there.policy)
    with told(done, f"{at.name}: its lifecycle policy"):
        _settle_lifecycle(on, at, there.lifecycle)


class NotOurs(AlreadyExists):
    """A repository here that does not follow the one of the same name there."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why}")


def _settle_policy(on: Backends, at: RepositoryRef, there: str | None) -> None:
    try:
        here = policies.of_repository(on, at)
    except RepositoryPolicyNotFound:
        here = None
    if there is not None and not _is_same(here, there):
        policies.bring_to_repository(on, at, there)
    elif there is None and here is not None:
        policies.delete_from_repository(on, at)


def _settle_lifecycle(on: Backends, at: RepositoryRef, there: str | None) -> None:
    try:
        here = lifecycle.get(on, at).text
    except LifecyclePolicyNotFound:
        here = None
    if there is not None and not _is_same(here, there):
        lifecycle.put(on, at, there)
    elif there is None and here is not None:
        lifecycle.delete(on, at)


def _is_same(here: str | None, there: str) -> bool:
    """Whether two texts say the same in JSON."""
    try:
        return here is not None and bool(json.loads(here) == json.loads(there))
    except (ValueError, RecursionError):
        return here == there


# ---- Its images


def images_of(on: Backends, at: RepositoryRef) -> dict[str, set[str]]:
    """The images that are here, and the tags of each."""
    found: dict[str, set[str]] = defaultdict(set)
    after = (0, "")
    while True:
        page, is_more = images.identifiers(on, at, after, PAGE)
        for _, digest, tag in page:
            found[digest].update({tag} if tag else ())
        if not is_more:
            return found
        after = (page[-1][0], page[-1][2] or "")


def bring(
    importer: Importer,
    wanted: Wanted,
    at: RepositoryRef,
    found: Sequence[FoundImage],
    here: dict[str, set[str]],
    done: Pass,
) -> None:
    """Bring what is not here, the oldest first, and let tags name what they name there."""
    subjects = {image.digest for image in found}

    def bring_one(image: FoundImage) -> int:
        new = [tag for tag in image.tags if tag not in here.get(image.digest, ())]
        if image.digest in here and not new:
            return 0
        importer.tag(at, importer.bring(at, at.name, image.digest, subjects), new)
        return len(new)

    pool = ThreadPoolExecutor(wanted.at_once, "shadow")
    try:
        coming = [(image, pool.submit(bring_one, image)) for image in sorted(found, key=lambda image: image.pushed_at)]
        for image, one in coming:
            with told(done, f"{at.name}@{image.digest}"):
                done.tags += one.result()
    except BaseException:  # whoever ends this does not want to wait for the rest
        importer.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


# ---- What is not there any more


def forget_images(
    on: Backends, wanted: Wanted, at: RepositoryRef, there: Mapping[str, Sequence[str]], done: Pass
) -> None:
    """Remove images that are not there, and tags; they can be restored for a while, as whatever is deleted."""
    here = images_of(on, at)
    gone = [digest for digest in here if digest not in there]
    _require_no_surprise(wanted, at.name, len(gone), len(here), "images")
    for digest, tags in here.items():
        for tag in tags.difference(there.get(digest, tags)):
            images.delete_tag(on, at, tag)
            done.removed += 1
    gone.reverse()  # indexes came after what they list
    for start in range(0, len(gone), AT_ONCE):
        removed, failures = images.delete(on, at, [ImageId(digest) for digest in gone[start : start + AT_ONCE]])
        done.removed += len({id_.digest for id_ in removed})
        done.faults += [(f"{at.name}@{failure.id.digest}", failure.reason) for failure in failures]


def forget_repositories(
    on: Backends,
    wanted: Wanted,
    mark: str,
    selects: Callable[[RepositoryRef], bool],
    there: Collection[str],
    done: Pass,
    tell: Callable[[str], None],
) -> None:
    """Remove those of the selected repositories that follow a source and are not there; they can be restored, too."""
    here = [at for at, of in followers(on, wanted.into) if of == mark and selects(at)]
    gone = [at for at in here if at.name not in there]
    with told(done, "repositories that are gone"):
        _require_no_surprise(wanted, "the source", len(gone), len(here), "repositories")
        for at in gone:
            with told(done, at.name):
                repositories.delete(on, at, force=True)
                done.removed += 1
                tell(f"{at.name}: removed, since the source has it no more")


def _require_no_surprise(wanted: Wanted, name: str, going: int, of: int, what: str) -> None:
    if going > FEW and going > of * SURPRISE and not wanted.is_confirmed:
        raise NotOurs(name, f"has lost {going} of {of} {what}; they stay here unless --confirm-deletions lets them go")


@contextmanager
def told(done: Pass, what: str) -> Iterator[None]:
    """Let one thing fail without the others."""
    try:
        yield
    except Refusal as refusal:
        done.faults.append((what, refusal.message))
    except (RemoteFault, EcrRefused) as fault:
        done.faults.append((what, str(fault)))
