"""What an image makes everybody store and fetch for nothing, what it shares with others, and what it was built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import manifests
from holdfast.model.names import RepositoryRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.model.efficiency import Report
    from holdfast.model.images import Image
    from holdfast.model.manifests import Descriptor
    from holdfast.registry.backends import Backends
    from holdfast.store.image_reports import Base

BASES = 50  # that are looked at for one that the caller may see


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as it is kept, and how many images of the registry have it."""

    descriptor: Descriptor
    images: int


@dataclass(frozen=True, slots=True)
class Judged:
    """What an image wastes, its layers as they are kept, and the image that it was built from."""

    report: Report
    layers: tuple[Layer, ...]
    base: Base | None

    @property
    def shared_bytes(self) -> int:
        """Bytes as they are kept that other images have as well."""
        return sum(layer.descriptor.size for layer in self.layers if layer.images > 1)

    @property
    def own_bytes(self) -> int:
        """Bytes that would be free without the image."""
        return sum(layer.descriptor.size for layer in self.layers if layer.images <= 1)


def find(on: Backends, at: RepositoryRef, image: Image, may_see: Callable[[RepositoryRef], bool]) -> Judged | None:
    """What was found out when the inventory of an image was taken, or None if it was not.

    The image that it was built from is told if whoever asks may see it.
    """
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        report = store.image_reports.find(tx, image.id)
        if report is None:
            return None
        descriptors = manifests.parse(store.images.body(tx, image), image.media_type).layers[1:]
        users = store.image_reports.users(tx, repository, [one.digest for one in descriptors])
        bases = store.image_reports.bases(tx, repository, report.chain_ids[:-1], BASES)
    base = next((one for one in bases if may_see(RepositoryRef(at.registry, one.repository_name))), None)
    return Judged(report, tuple(Layer(one, users.get(one.digest, 0)) for one in descriptors), base)
