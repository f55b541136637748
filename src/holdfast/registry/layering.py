"""What the layers of an image come to, wherever their bytes are: bounded, whole, and as its configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from holdfast.model import inventory, manifests
from holdfast.model.inventory import LIMIT, State, Taken
from holdfast.model.packages import OS_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from holdfast.model.inventory import Inventory, LayerRecord
    from holdfast.model.manifests import Descriptor

CONFIG_BYTES = 8 * 1024 * 1024
LAYERS = 512
RECORD_BYTES = 256 * 1024**2  # of all layers together
ENTRIES = 2_000_000  # likewise
PACKAGES = 100_000
# No image has more versions of one package, and each is held against all that is known of the package.
VERSIONS_OF_SYSTEM, VERSIONS = 50, 1000
NO_FILES = "It is a list of images or another artifact, which has no files."
LAYER_TYPES = frozenset({
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
})  # fmt: skip


class _RootFs(msgspec.Struct):
    diff_ids: list[str] = []


class _Step(msgspec.Struct):
    created_by: str = ""
    empty_layer: bool = False


class Config(msgspec.Struct):
    """The configuration of an image, as far as it tells of layers."""

    os: str = ""
    rootfs: _RootFs = msgspec.field(default_factory=_RootFs)
    history: list[_Step] | None = None

    @property
    def instructions(self) -> tuple[str, ...]:
        """What made each layer, as far as it tells."""
        return tuple(step.created_by for step in self.history or () if not step.empty_layer)


class NotTaken(Exception):
    """There is no inventory; with the state and the reason."""

    def __init__(self, state: State, reason: str) -> None:
        super().__init__(reason)
        self.taken = Taken(state, reason)


class TooLarge(NotTaken):
    """An image that would cost more than its worth."""

    def __init__(self, reason: str) -> None:
        super().__init__(State.TOO_LARGE, f"{LIMIT}{reason}")


def parts(
    body: bytes, media_type: str, read: Callable[[Descriptor], Iterable[bytes | memoryview]]
) -> tuple[list[Descriptor], Config]:
    """The layers of a manifest, and its configuration, whose pieces are read."""
    config, *descriptors = manifests.parse(body, media_type).layers
    strange = next((one for one in descriptors if one.media_type not in LAYER_TYPES), None)
    if strange is not None:
        raise NotTaken(State.UNSUPPORTED, f"It has a layer of the type {strange.media_type!r:.200}, which is not read.")
    if len(descriptors) > LAYERS:
        raise TooLarge(f"the image has more than {LAYERS} layers")
    try:
        document = msgspec.json.decode(_whole(read(config)), type=Config)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise NotTaken(State.FAILED, f"The configuration is not one of an image: {fault}") from None
    if document.os == "windows":
        raise NotTaken(State.UNSUPPORTED, "It is an image of Windows.")
    told = len(document.rootfs.diff_ids)
    if told != len(descriptors):
        raise NotTaken(
            State.FAILED, f"The configuration tells of {told} layers, and the manifest of {len(descriptors)}."
        )
    return descriptors, document


def _whole(pieces: Iterable[bytes | memoryview]) -> bytes:
    """The bytes of a configuration, whatever size a manifest claims for it."""
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) > CONFIG_BYTES:
            raise TooLarge(f"the configuration has more than {CONFIG_BYTES} bytes")
    return bytes(found)


def records(
    descriptors: Sequence[Descriptor],
    config: Config,
    read: Callable[[Descriptor], bytes],
    watch: Callable[[], None],
    maximum_bytes: int,
) -> Iterator[LayerRecord]:
    """What each layer holds, the lowest first, from its packed record; the image unpacks to so many bytes at most."""
    size_bytes = record_bytes = entries = packages = 0
    for number, (descriptor, diff_id) in enumerate(zip(descriptors, config.rootfs.diff_ids, strict=True), 1):
        watch()
        packed = read(descriptor)
        record_bytes += len(packed)
        record = inventory.unpack(packed)
        size_bytes += record.size_bytes
        entries += record.files.count
        packages += sum(len(evidence.packages) for evidence in record.evidence.values())
        if record.diff_id != diff_id:
            raise NotTaken(
                State.FAILED,
                f"Layer {number} unpacks to {record.diff_id}, and the configuration says {diff_id[:100]}.",
            )
        if size_bytes > maximum_bytes:
            raise TooLarge(f"the image unpacks to more than {maximum_bytes} bytes")
        if record_bytes > RECORD_BYTES or entries > ENTRIES or packages > 10 * PACKAGES:
            raise TooLarge(f"the layers have more than {ENTRIES} entries, or too many packages")
        yield record


def merged(records_: Sequence[LayerRecord]) -> Inventory:
    """The layers laid on each other."""
    found = inventory.merge(records_)
    if len(found.packages) > PACKAGES:
        raise TooLarge(f"the image has more than {PACKAGES} packages")
    versions: dict[tuple[str, str], set[str]] = {}
    for package in (one.package for one in found.packages):
        versions.setdefault((package.type, package.source_name or package.name), set()).add(package.version)
    for (type_, name), some in versions.items():
        most = VERSIONS_OF_SYSTEM if type_ in OS_TYPES else VERSIONS
        if len(some) > most:
            raise TooLarge(f"the image has more than {most} versions of {name!r:.100}")
    return found
