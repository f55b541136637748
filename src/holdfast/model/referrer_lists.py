"""The list of what refers to an image, where a registry keeps none (distribution-spec, "Referrers Tag Schema").

It is an index under a tag that is made of the digest of the subject; whoever pushes a referrer adds it there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.model import manifests
from holdfast.model.errors import Refusal
from holdfast.model.manifests import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from holdfast.model.manifests import Manifest

_TAG = re.compile(r"sha(?:256|512)-[0-9a-f]{64}", re.ASCII)


def tag_of(subject: str) -> str:
    """The tag of the list of a subject."""
    algorithm, _, encoded = subject.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def is_tag(tag: str) -> bool:
    """Whether a tag is called like that of a list."""
    return _TAG.fullmatch(tag) is not None


def entry(manifest: Manifest) -> dict[str, Any]:
    """A referrer as a list has it."""
    kind = manifest.artifact_type or manifest.config_media_type
    return {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.body),
        **({"artifactType": kind} if kind else {}),
        **({"annotations": manifest.annotations} if manifest.annotations else {}),
    }


class _Referring(msgspec.Struct):
    subject: manifests.Descriptor | None = None


def subject_in(body: bytes) -> str | None:
    """The digest of what a manifest refers to, whatever else it says."""
    try:
        subject = msgspec.json.decode(body, type=_Referring).subject
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if subject is None else subject.digest


@dataclass(frozen=True, slots=True)
class ReferrerList:
    """An index with all its members, also those that are unknown."""

    document: dict[str, Any]

    @property
    def digests(self) -> list[str]:
        """What it lists."""
        return [one["digest"] for one in self.document["manifests"]]

    @property
    def body(self) -> bytes:
        """As it is pushed."""
        return msgspec.json.encode(self.document)

    def adding(self, entries: Iterable[dict[str, Any]]) -> ReferrerList:
        """The same with those of some entries that it does not have."""
        known = dict.fromkeys(self.digests)
        more = {one["digest"]: one for one in entries if one["digest"] not in known}
        return self._with([*self.document["manifests"], *more.values()])

    def without(self, digests: Collection[str]) -> ReferrerList:
        """The same without some."""
        return self._with([one for one in self.document["manifests"] if one["digest"] not in digests])

    def _with(self, entries: list[Any]) -> ReferrerList:
        return ReferrerList({**self.document, "manifests": entries})


EMPTY = ReferrerList({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})


def read(body: bytes, media_type: str | None) -> ReferrerList | None:
    """A list as it is kept; None if it is anything else than an index of OCI."""
    try:
        if manifests.parse(body, media_type).media_type != OCI_INDEX:
            return None
        document = msgspec.json.decode(body)
    except (Refusal, msgspec.DecodeError, RecursionError):
        return None
    return ReferrerList({**document, "manifests": document["manifests"] or []})
