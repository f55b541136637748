"""What the ECR API asks for: images in batches, layers one by one; what is not here is brought as for other pulls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.errors import (
    BlobNotFound,
    ImageNotFound,
    Kms,
    LayerInaccessible,
    LayersNotFound,
    Refusal,
    RepositoryNotFound,
    SecretNotFound,
    UnableToDecryptSecretValue,
    UnableToGetUpstreamImage,
    UnableToGetUpstreamLayer,
)
from holdfast.model.images import ImageId
from holdfast.registry import images, layers
from holdfast.registry.images import Failure
from holdfast.registry.pull_through.images import Wait, is_stale, manifest, may_have, stat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.registry.pull_through.images import Leave
    from holdfast.store.hot import StoredManifest

Found = tuple[ImageId, str, bytes]  # and the media type and bytes of its manifest


class Batch:
    """Images by digest, tag or both; those that only an upstream may have are left, and brought one after the other."""

    def __init__(self, on: Backends, at: RepositoryRef, ids: Sequence[ImageId], *, puller: str, leave: Leave) -> None:
        self._on, self._at, self._puller, self._leave = on, at, puller, leave
        self._found: list[Found] = []
        self._failures: list[Failure] = []
        self._refusals: list[Refusal] = []
        self._left: list[ImageId] = []
        has_rule = may_have(on, at)
        try:
            found, failures = images.get(on, at, ids, puller=puller)
        except RepositoryNotFound:
            if not has_rule:
                raise
            found, failures = [], [Failure(id_, "ImageNotFound", images.NOT_FOUND) for id_ in ids]
        for id_, image, body in found:
            if has_rule and self._is_stale(id_):
                self._left.append(id_ if id_ in ids else ImageId(tag=id_.tag))  # it may name something else by now
            else:
                self._found.append((id_, image.media_type, body))
        for failure in failures:
            if has_rule and failure.code == "ImageNotFound":
                self._left.append(failure.id)
            else:
                self._failures.append(failure)

    def _is_stale(self, id_: ImageId) -> bool:
        kept = None if id_.tag is None else self._on.database.hot.manifest(self._at, id_.tag, by_tag=True)
        return kept is not None and is_stale(self._on, kept)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to be brought."""
        return not self._left

    def go_on(self) -> bool:
        """Bring the next image that is left, or note why it does not come; False while somebody else brings it."""
        id_ = self._left[0]
        reference = id_.tag or id_.digest
        assert reference is not None, "an id has a tag or a digest"
        try:
            came = manifest(self._on, self._at, reference, by_tag=id_.tag is not None, leave=self._leave)
        except Refusal as refusal:
            self._failures.append(Failure(id_, _code(refusal), _reason(refusal)))
            self._refusals.append(refusal)
        else:
            if isinstance(came, Wait):
                return False
            self._take(id_, came)
        del self._left[0]
        return True

    def _take(self, id_: ImageId, came: StoredManifest) -> None:
        if id_.digest not in {None, came.digest}:
            self._failures.append(images.mismatched(id_))
            return
        self._found.append((ImageId(came.digest, id_.tag), came.media_type, came.body))
        images.check_batch(sum(len(body) for *_, body in self._found))
        if came.id:
            self._on.pulls.note(self._at, came.id, self._puller, self._on.clock(), came.digest, id_.tag)

    def images(self) -> tuple[list[Found], list[Failure]]:
        """What was had, and why the rest was not; `UnableToGetUpstreamImage` if an upstream is why nothing was."""
        if not self._found:
            for refusal in self._refusals:
                if isinstance(refusal, RepositoryNotFound):
                    raise refusal
                if not isinstance(refusal, ImageNotFound):
                    raise UnableToGetUpstreamImage(self._at, refusal.message)
        return self._found, self._failures


def _code(refusal: Refusal) -> str:
    if isinstance(refusal, RepositoryNotFound | ImageNotFound):
        return "ImageNotFound"
    if isinstance(refusal, Kms):
        return "KmsError"
    if isinstance(refusal, SecretNotFound | UnableToDecryptSecretValue):
        return "UpstreamAccessDenied"
    return str(getattr(refusal, "code_of_failure", "UpstreamUnavailable"))


def _reason(refusal: Refusal) -> str:
    is_nowhere = isinstance(refusal, RepositoryNotFound | ImageNotFound)
    return images.NOT_FOUND if is_nowhere else refusal.message


def require_layer(on: Backends, at: RepositoryRef, digest: str, leave: Leave) -> None:
    """Refuse a layer as `layers.require_in_image` does, unless an upstream has it: whoever reads it brings it."""
    try:
        layers.require_in_image(on, at, digest)
    except (LayersNotFound, LayerInaccessible) as refusal:  # or an image that needs it is still on its way
        if not may_have(on, at) or not leave.may_import():
            raise
        try:
            stat(on, at, digest)
        except BlobNotFound:
            raise refusal from None
        except Refusal as fault:
            if isinstance(refusal, LayerInaccessible):
                raise refusal from None
            raise UnableToGetUpstreamLayer(at, fault.message) from None
