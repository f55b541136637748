"""Bundles for registries without a network: what is to be in one is settled and signed first, and then written.

    settle ──► state, signed ──► hold its images ──► write what is not there yet ──► done, the state goes
                  └──────────── after a kill: go on from here ────────────┘

Images are held by leases meanwhile, so what was settled can be written to its end.
"""

from __future__ import annotations

import base64
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast import store
from holdfast.blobs import signatures
from holdfast.blobs.layouts import VOLUME, BadLayout, FolderWriter, VolumesWriter, alone_in, open_layout, read_small
from holdfast.blobs.system import fsync_folder
from holdfast.model import bundles, digests, manifests
from holdfast.model.bundles import BUNDLE, INDEX, LAYOUT, REF_NAME, SIGNATURE, BadBundle, Bundle
from holdfast.model.errors import (
    ImageDamaged,
    ImageNotFound,
    LifecyclePolicyNotFound,
    NotFound,
    RepositoryNotFound,
    RepositoryPolicyNotFound,
)
from holdfast.model.images import ACTIVE, ANY, ImageId
from holdfast.model.leases import USUAL
from holdfast.model.manifests import OCI_INDEX
from holdfast.model.names import RepositoryRef
from holdfast.registry import audit, images, layers, leases, lifecycle, policies, repositories
from holdfast.registry.leases import Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from holdfast.model.images import Image
    from holdfast.model.manifests import Manifest
    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends

OWN_KEY = "bundle-key"  # the name of a secret of the installation
STATE = "holdfast-export.json"  # while an export is under way
PAGE = 1000
HOLD_AGAIN_SECONDS = 3600.0
LAYOUT_TEXT = b'{"imageLayoutVersion":"1.0.0"}'


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is exported, and how."""

    home: Registry
    prefixes: tuple[str, ...] = ()  # of the names of repositories; none: all of them
    since: Bundle | datetime | None = None
    key_file: Path | None = None  # None: by the installation's own key
    volume_bytes: int | None = None  # None: a folder

    @property
    def since_told(self) -> str | None:
        """The bundle or time since which things are new."""
        if isinstance(self.since, Bundle):
            return self.since.id
        return None if self.since is None else self.since.isoformat()


@dataclass(slots=True)
class Exported:
    """What came of it."""

    bundle: Bundle
    left_out: list[tuple[str, str]] = field(default_factory=list)  # images that cannot be read, and why
    goes_on: bool = False  # from a run that was stopped


class _State(msgspec.Struct, frozen=True):
    """An export that is under way."""

    bundle: str
    signature: str
    index: str
    prefixes: list[str]
    since: str | None
    volume_bytes: int | None
    left_out: list[tuple[str, str]]


def export(
    on: Backends, folder: Path, wanted: Wanted, begin: Callable[[int, int], None], moved: Callable[[int], None]
) -> Exported:
    """Write a bundle into a folder, or go on; `begin` is told of how many files and bytes, `moved` of what is done.

    Raises `BadBundle` if the folder holds something else, or an image went that was to be exported.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with alone_in(folder):
            return _export(on, folder, wanted, begin, moved)
    except BadLayout as fault:
        raise BadBundle(str(fault)) from None


def _export(
    on: Backends, folder: Path, wanted: Wanted, begin: Callable[[int, int], None], moved: Callable[[int], None]
) -> Exported:
    state, goes_on = _state(on, folder, wanted)
    bundle = bundles.read(state.bundle.encode())
    done = Exported(bundle, [(what, why) for what, why in state.left_out], goes_on)
    if not (folder / STATE).exists():
        return done
    documents = {
        LAYOUT: LAYOUT_TEXT,
        INDEX: state.index.encode(),
        BUNDLE: state.bundle.encode(),
        SIGNATURE: state.signature.encode(),
    }
    files = [(name, len(data)) for name, data in documents.items()]
    files += [(bundles.blob_name(digest), size) for digest, size in sorted(bundle.parts.items())]
    _hold(on, bundle)
    reader = _Reader(on, bundle, documents)
    begin(len(files), sum(size for _, size in files))
    writer = (
        FolderWriter(folder)
        if wanted.volume_bytes is None
        else VolumesWriter(folder, wanted.volume_bytes, int(bundle.created_at.timestamp()))
    )
    hold_at = on.monotonic() + HOLD_AGAIN_SECONDS
    for size in writer.write(files, reader.read):
        moved(size)
        if on.monotonic() > hold_at:
            _hold(on, bundle)
            hold_at = on.monotonic() + HOLD_AGAIN_SECONDS
    (folder / STATE).unlink()
    fsync_folder(folder)
    told = {"bundleId": bundle.id, "since": bundle.since, "repositories": len(bundle.repositories),
            "blobs": len(bundle.parts), "bytes": sum(bundle.parts.values())}  # fmt: skip
    audit.carried(on, audit.EXPORTED, wanted.home, told)
    for one in bundle.repositories:
        with suppress(RepositoryNotFound):  # an empty one may have gone meanwhile
            leases.release(on, RepositoryRef(bundle.registry, one.name), _holder(bundle), None)
    return done


# ---- Settle


def _state(on: Backends, folder: Path, wanted: Wanted) -> tuple[_State, bool]:
    """The export that a folder holds, or a new one."""
    since = wanted.since_told
    asked = (list(wanted.prefixes), since, wanted.volume_bytes)
    path = folder / STATE
    if path.exists():
        try:
            state = msgspec.json.decode(path.read_bytes(), type=_State)
        except msgspec.MsgspecError as fault:
            raise BadBundle(f"{path} is not what an export wrote: {fault}. Export into another folder") from None
        if (state.prefixes, state.since, state.volume_bytes) != asked:
            raise BadBundle(f"{folder} holds an export that was stopped; go on {_flags(state)}")
        return state, True
    if any(folder.iterdir()):
        raise BadBundle(f"{folder} is not empty, and holds no export that was stopped: name another one")
    bundle, index, left_out = _settled(on, wanted, since)
    document = msgspec.json.encode(bundle)
    if len(document) > bundles.BUNDLE_BYTES:
        raise BadBundle("There are too many images for one bundle: export some --repositories at a time")
    sign = own_key(on) if wanted.key_file is None else signatures.read_key(wanted.key_file)
    signature = base64.b64encode(signatures.sign_with(document, sign)).decode()
    state = _State(document.decode(), signature, index.decode(), *asked, left_out)
    draft = folder / f"{STATE}.partial"
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    fsync_folder(folder)
    return state, False


def _flags(state: _State) -> str:
    """The flags that an export was begun with."""
    told = (
        f"--repositories {','.join(state.prefixes)}" if state.prefixes else "",
        f"--since the bundle or time {state.since}" if state.since else "",
        f"--volume-size {state.volume_bytes}" if state.volume_bytes else "",
    )
    flags = ", ".join(filter(None, told))
    return f"with {flags}" if flags else "without --repositories, --since and --volume-size"


def _settled(on: Backends, wanted: Wanted, since: str | None) -> tuple[Bundle, bytes, list[tuple[str, str]]]:
    """What is to be in a bundle, its index.json, and what cannot be in it."""
    sizes: dict[str, int] = {}
    known: set[str] = set()
    left_out: list[tuple[str, str]] = []
    found: list[bundles.Repository] = []
    entries: list[dict[str, Any]] = []
    before = wanted.since if isinstance(wanted.since, Bundle) else None
    if before is not None and before.registry != wanted.home:
        raise BadBundle("--since: that bundle was made of another registry")
    if before is not None:
        known.update(before.parts, before.known)
    for at in _repositories(on, wanted):
        kept: list[bundles.Image] = []
        listed: set[str] = set()
        whole: set[str] = set()
        withheld: dict[str, list[str]] = {}
        for image in _all(on, at):
            if image.status != ACTIVE:
                withheld[image.digest] = list(image.tags)
                continue
            try:
                manifest = _manifest(on, at, image.digest)
                needed = {digest: layers.size(on, at, digest) for digest in manifest.needed_blobs}
                gone = manifest.needed_manifests.keys() - whole
            except ImageNotFound:
                continue  # it went while we looked
            except (NotFound, ImageDamaged) as refusal:
                left_out.append((f"{at.name}@{image.digest}", refusal.message))
                withheld[image.digest] = list(image.tags)
                continue
            if gone:
                left_out.append((f"{at.name}@{image.digest}", f"it lists {min(gone)}, which is left out"))
                withheld[image.digest] = list(image.tags)
                continue
            if isinstance(wanted.since, datetime) and image.pushed_at <= wanted.since:
                known.update((image.digest, *needed))
            sizes |= {**needed, image.digest: len(manifest.body)}
            listed.update(manifest.needed_manifests)
            whole.add(image.digest)
            kept.append(
                bundles.Image(image.digest, image.media_type, len(manifest.body), list(image.tags), image.pushed_at)
            )
        found.append(_described(on, at, kept, withheld))
        entries += [entry for one in kept if one.digest not in known for entry in _entries(at, one, listed)]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    bundle = Bundle(
        id=on.new_id(),
        created_at=on.clock(),
        account_id=wanted.home.account_id,
        region=wanted.home.region,
        since=since,
        repositories=found,
        parts={digest: size for digest, size in sizes.items() if digest not in known},
        known=sorted(known & sizes.keys()),
        index=digests.digest_of(index),
        prefixes=list(wanted.prefixes),
    )
    return bundle, index, left_out


def _repositories(on: Backends, wanted: Wanted) -> Iterator[RepositoryRef]:
    after, more = "", True
    while more:
        page, more = repositories.page(on, wanted.home, after, PAGE)
        for one in page:
            after = one.name
            if not wanted.prefixes or one.name.startswith(wanted.prefixes):
                yield one.ref


def _all(on: Backends, at: RepositoryRef) -> Iterator[Image]:
    after, more = 0, True
    while more:
        page, more = images.page(on, at, after, PAGE, status=ANY)
        yield from page
        after = page[-1].id if page else after


def _described(
    on: Backends, at: RepositoryRef, kept: list[bundles.Image], withheld: dict[str, list[str]]
) -> bundles.Repository:
    repository = repositories.get(on, at)
    try:
        policy = policies.of_repository(on, at)
    except RepositoryPolicyNotFound:
        policy = None
    try:
        rules = lifecycle.get(on, at).text
    except LifecyclePolicyNotFound:
        rules = None
    mutability = repository.mutability
    return bundles.Repository(
        at.name,
        mutability.setting.value,
        list(mutability.filters),
        repository.scan_on_push,
        repositories.tags(on, at),
        policy,
        rules,
        kept,
        withheld,
    )


def _entries(at: RepositoryRef, image: bundles.Image, listed: set[str]) -> Iterator[dict[str, Any]]:
    """How index.json names an image: once for each tag, or once if nothing else leads to it."""
    plain = {"mediaType": image.media_type, "digest": image.digest, "size": image.size_bytes}
    for tag in image.tags:
        yield plain | {"annotations": {REF_NAME: f"{at.name}:{tag}"}}
    if not image.tags and image.digest not in listed:
        yield plain


# ---- Write


class _Reader:
    """The bytes of the files of a bundle, from where they are kept."""

    def __init__(self, on: Backends, bundle: Bundle, documents: dict[str, bytes]) -> None:
        self._on = on
        self._documents = documents
        self._manifests: dict[str, tuple[RepositoryRef, str]] = {}
        self._blobs: dict[str, tuple[RepositoryRef, str]] = {}
        for at, image in _images(bundle):
            if image.digest in bundle.parts:
                self._manifests[bundles.blob_name(image.digest)] = at, image.digest
            for digest in _manifest(on, at, image.digest).needed_blobs:
                if digest in bundle.parts:
                    self._blobs[bundles.blob_name(digest)] = at, digest

    def read(self, name: str, start: int) -> Iterator[bytes]:
        """The bytes of a file from a place on."""
        if name in self._documents:
            yield self._documents[name][start:]
        elif name in self._manifests:
            yield images.find_stored(self._on, *self._manifests[name], by_tag=False).body[start:]
        else:
            at, digest = self._blobs[name]
            size, reader = layers.size(self._on, at, digest), layers.open_blob(self._on, at, digest)
            try:
                while start < size:
                    piece = bytes(reader.read(start))
                    yield piece
                    start += len(piece)
            finally:
                reader.close()


def _images(bundle: Bundle) -> Iterator[tuple[RepositoryRef, bundles.Image]]:
    for one in bundle.repositories:
        at = RepositoryRef(bundle.registry, one.name)
        yield from ((at, image) for image in one.images)


def _manifest(on: Backends, at: RepositoryRef, digest: str) -> Manifest:
    stored = images.find_stored(on, at, digest, by_tag=False)
    return manifests.parse(stored.body, stored.media_type, digests.algorithm(digest))


def _hold(on: Backends, bundle: Bundle) -> None:
    """Keep the images of a bundle from going while it is written."""
    for one in bundle.repositories:
        at = RepositoryRef(bundle.registry, one.name)
        for start in range(0, len(one.images), PAGE):
            wishes = [Wish(ImageId(image.digest), "") for image in one.images[start : start + PAGE]]
            taken, missing = leases.put(on, at, _holder(bundle), "OTHER", "holdfast export", USUAL, wishes)
            gone = [id_.digest for id_, _ in missing] + [
                held.lease.digest for held in taken if held.status == leases.DELETED
            ]
            if gone:
                raise BadBundle(f"{at.name}@{gone[0]} went since this export began: export into another folder")


def _holder(bundle: Bundle) -> str:
    return f"export {bundle.id}"


# ---- Keys and bundles of before


def own_key(on: Backends) -> bytes:
    """The installation's own key for bundles, in PEM, which it makes when it is asked for first."""
    with on.database.snapshot() as tx:
        sealed = store.secrets.find_all(tx, OWN_KEY)
    if not sealed:
        made = signatures.new_key()
        with on.database.transaction() as tx:
            sealed = store.secrets.find_all(tx, OWN_KEY)
            if not sealed:
                sealed = {1: on.keys.wrap(made, OWN_KEY)}
                store.secrets.add(tx, OWN_KEY, 1, sealed[1], on.clock())
    return on.keys.unwrap(sealed[max(sealed)], OWN_KEY)


def read_bundle(path: Path) -> Bundle:
    """What a bundle of before says of itself; whoever exports has made it, so its signature is not asked for."""
    try:
        return bundles.read(read_small(open_layout(path, bundles.is_name), BUNDLE, bundles.BUNDLE_BYTES))
    except FileNotFoundError:
        raise BadBundle(f"{path} is neither a bundle nor a time such as 2026-11-28T12:00:00Z") from None
    except (BadLayout, OSError) as fault:
        raise BadBundle(f"{path}: {fault}") from None


def is_complete(folder: Path) -> bool:
    """Whether a folder holds a bundle that was written to its end."""
    has_bundle = (folder / BUNDLE).exists() or (folder / VOLUME.format(1)).exists()
    return has_bundle and not (folder / STATE).exists()
