"""What an image makes everybody store and fetch for nothing, by the layer that brought it and what to do about it.

    layer 0   a b c d ──┐ visible   a
    layer 1   ✗b  c'    ├─────────► c'      stored   a b c d c' d'
    layer 2   d'      ──┘           d'      wasted   b (deleted later), c (replaced), d (the same contents again)

The bytes are those of files as they lie in the layers, unpacked.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from holdfast.model import inventory
from holdfast.model.inventory import FOLDER
from holdfast.model.packages import OS_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.model.inventory import Installed, LayerRecord

SHOWN_PATHS = 20  # of each piece of advice, the largest first
SHOWN_ADVICE = 200
INSTRUCTION_CHARACTERS = 1000
LARGE_LAYER_BYTES = 500 * 1000 * 1000
MANY_LAYERS = 40
UNHASHED = bytes(8)


class Kind(StrEnum):
    """What is wrong; in the order in which it is told."""

    SECRET_DELETED = "SECRET_DELETED"  # noqa: S105 - a kind of advice
    SECRET = "SECRET"  # noqa: S105 - likewise
    DELETED_LATER = "DELETED_LATER"
    REPLACED = "REPLACED"
    SAME_AGAIN = "SAME_AGAIN"
    CACHE = "CACHE"
    DUPLICATE = "DUPLICATE"
    BUILD_TOOLS = "BUILD_TOOLS"
    REPOSITORY = "REPOSITORY"
    TEMPORARY = "TEMPORARY"
    DOCUMENTATION = "DOCUMENTATION"
    LARGE_LAYER = "LARGE_LAYER"
    EMPTY_LAYER = "EMPTY_LAYER"
    MANY_LAYERS = "MANY_LAYERS"


ADVICE = {
    Kind.SECRET_DELETED: "Treat it as published and replace it: whoever can pull the image can read it in the layer "
    "below. Hand secrets to a build as secret mounts, not as files.",
    Kind.SECRET: "Whoever can pull the image can read it. Hand secrets to a build as secret mounts and to a "
    "container when it starts.",
    Kind.DELETED_LATER: "Delete it in the instruction that makes it, or build in a stage of its own: a later layer "
    "only hides it.",
    Kind.REPLACED: "Write it once: put the instruction that changes it before the one that copies it, or into it.",
    Kind.SAME_AGAIN: "Only its mode or owner changed, which stores all of it again: use COPY --chmod or --chown.",
    Kind.CACHE: "Clean the cache in the same instruction, or keep it out of the image with a cache mount.",
    Kind.DUPLICATE: "Keep one copy and link to it.",
    Kind.BUILD_TOOLS: "Build in a stage of its own and copy only what was built into the last one.",
    Kind.REPOSITORY: "Leave it out of the build context by .dockerignore: it holds every version of every file.",
    Kind.TEMPORARY: "Delete what an instruction leaves behind in the same instruction.",
    Kind.DOCUMENTATION: "Leave documentation and translations out where nobody reads them, for instance by dpkg's "
    "path-exclude or --nodocs.",
    Kind.LARGE_LAYER: "Split it, what changes seldom first: a change of one byte moves the whole layer.",
    Kind.EMPTY_LAYER: "It changes nothing that can be seen; leave the instruction out or join it with another.",
    Kind.MANY_LAYERS: "Join instructions: each layer costs a request and a mount.",
}
ABOUT_BYTES = {Kind.DELETED_LATER, Kind.REPLACED, Kind.SAME_AGAIN, Kind.CACHE, Kind.DOCUMENTATION, Kind.TEMPORARY}

CACHES = re.compile(
    r"var/lib/apt/lists/(?!lock$|partial$).|var/cache/(?:apt|apk|yum|dnf|zypp|debconf|man|ldconfig|fontconfig)/."
    r"|etc/apk/cache/.|var/lib/dnf/."
    r"|(?:root|home/[^/]+)/(?:\.cache/|\.npm/_cacache/|\.cargo/registry/|\.m2/repository/|\.gradle/caches/"
    r"|\.nuget/packages/|\.composer/cache/|\.bundle/cache/|\.pub-cache/|go/pkg/mod/cache/)."
    r"|usr/local/share/\.cache/.|go/pkg/mod/cache/."
)
TEMPORARY = re.compile(r"(?:tmp|var/tmp)/.")
DOCUMENTATION = re.compile(r"usr/(?:local/)?share/(?:doc|man|info|locale|gtk-doc)/.")
REPOSITORY = re.compile(r"(?:.*/)?\.git/(?:objects|index|HEAD|refs)\b", re.DOTALL)
SECRETS = re.compile(
    r"(?:.*/)?(?:\.env(?:\.(?!example$|sample$|template$|dist$)[\w-]+)?|id_(?:rsa|dsa|ecdsa|ed25519)|\.npmrc|\.pypirc"
    r"|\.netrc|\.git-credentials|\.aws/credentials|\.docker/config\.json|\.dockercfg|\.kube/config"
    r"|\.config/gcloud/(?:credentials\.db|application_default_credentials\.json)|\.azure/accessTokens\.json"
    r"|[^/]+\.(?:pfx|p12|jks|keystore|ppk))",
    re.DOTALL,
)
SAMPLES = re.compile(r"(?:usr/(?:local/)?(?:lib|share)|opt)/.*(?:test|example|sample)|.*/node_modules/", re.DOTALL)
BUILD_TOOLS = re.compile(
    r"build-essential|build-base|gcc(?:-\d+)?|g\+\+(?:-\d+)?|gcc-c\+\+|clang(?:-\d+)?|make|cmake|ninja-build|autoconf|automake"
    r"|libtool|git|mercurial|subversion|rust|cargo|golang(?:-\d[\d.]*)?(?:-go)?|go|.+-dev|.+-devel|linux-headers-.+"
)


class File(NamedTuple):
    """A file as a layer brought it."""

    path: str
    size_bytes: int
    hash: bytes  # of small files it is not known
    layer: int


@dataclass(frozen=True, slots=True)
class Advice:
    """Something that could be better: in which layer it is, how much it costs, and the paths that cost most."""

    kind: Kind
    layer: int | None
    size_bytes: int
    count: int
    paths: tuple[str, ...] = ()
    hidden_by: int | None = None  # the layer that deletes or replaces it

    @property
    def is_severe(self) -> bool:
        """Whether it is about safety and not about bytes."""
        return self.kind in {Kind.SECRET_DELETED, Kind.SECRET}

    @property
    def text(self) -> str:
        """What to do."""
        return ADVICE[self.kind]


@dataclass(slots=True)
class LayerShare:
    """One layer's part of an image, in bytes of files."""

    files: int
    stored_bytes: int
    wasted_bytes: int = 0
    instruction: str = ""  # that made it, as the image's configuration tells


@dataclass(frozen=True, slots=True)
class Report:
    """An image's efficiency: the share of what is stored that can be seen, where it goes, and what to do."""

    stored_bytes: int
    wasted_bytes: int
    layers: tuple[LayerShare, ...]
    advice: tuple[Advice, ...]
    chain_ids: tuple[str, ...] = ()  # of the layers up to each

    @property
    def score(self) -> float:
        """From 0 to 1."""
        return 1 - self.wasted_bytes / self.stored_bytes if self.stored_bytes else 1.0


class _Piles:
    """Files by what is to be said of them."""

    def __init__(self) -> None:
        self._piles: dict[tuple[Kind, int | None, int | None], _Pile] = {}

    def add(self, kind: Kind, file: File, hidden_by: int | None = None) -> None:
        """Say something of a file."""
        self._piles.setdefault((kind, file.layer, hidden_by), _Pile()).add(file.path, file.size_bytes)

    def count(self, kind: Kind, layer: int | None, count: int, size_bytes: int = 0) -> None:
        """Say something of a layer or of the image."""
        self._piles[kind, layer, None] = _Pile(size_bytes, count)

    def advice(self) -> tuple[Advice, ...]:
        """All of it: what is about safety, then what costs most."""
        order = list(Kind)
        advice = [
            Advice(kind, layer, pile.size_bytes, pile.count, pile.paths(), hidden_by)
            for (kind, layer, hidden_by), pile in self._piles.items()
            if pile.size_bytes or kind not in ABOUT_BYTES
        ]
        advice.sort(key=lambda one: (not one.is_severe, -one.size_bytes, order.index(one.kind), one.layer or 0))
        return tuple(advice[:SHOWN_ADVICE])


@dataclass(slots=True)
class _Pile:
    """Files of which the same is to be said."""

    size_bytes: int = 0
    count: int = 0
    files: list[tuple[int, str]] = field(default_factory=list)  # size negated, path; more than will be shown

    def add(self, path: str, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        self.count += 1
        self.files.append((-size_bytes, path))
        if len(self.files) > 50 * SHOWN_PATHS:
            self.files = sorted(self.files)[:SHOWN_PATHS]

    def paths(self) -> tuple[str, ...]:
        return tuple(path for _, path in sorted(self.files)[:SHOWN_PATHS])


def chain_ids(diff_ids: Iterable[str]) -> tuple[str, ...]:
    """What names the layers up to each, in their order (image-spec, config.md, "Layer ChainID")."""
    found: list[str] = []
    for diff_id in diff_ids:
        below = found[-1] if found else None
        found.append(
            diff_id if below is None else f"sha256:{hashlib.sha256(f'{below} {diff_id}'.encode()).hexdigest()}"
        )
    return tuple(found)


def judge(
    layers: Sequence[LayerRecord], packages: Iterable[Installed] = (), instructions: Sequence[str] = ()
) -> Report:
    """Judge the layers of an image, the lowest first, and what its package managers know to be installed."""
    piles = _Piles()
    visible: dict[str, File] = {}
    shares: list[LayerShare] = []
    for number, record in enumerate(layers):
        files = _files(record, number)
        for path in inventory.covered(visible.keys(), record):
            below = visible.pop(path)
            shares[below.layer].wasted_bytes += below.size_bytes
            piles.add(_how_hidden(below, files.get(path)), below, number)
        visible |= files
        instruction = instructions[number][:INSTRUCTION_CHARACTERS] if number < len(instructions) else ""
        stored_bytes = sum(file.size_bytes for file in files.values())
        shares.append(LayerShare(len(files), stored_bytes, instruction=instruction))
        _judge_layer(piles, number, record, shares[number])
    if len(layers) > MANY_LAYERS:
        piles.count(Kind.MANY_LAYERS, None, len(layers))
    for file in visible.values():
        kind = _seen(file)
        if kind is not None:
            piles.add(kind, file)
    for file in _copies(visible.values()):
        piles.add(Kind.DUPLICATE, file)
    for installed in packages:
        if installed.package.type in OS_TYPES and BUILD_TOOLS.fullmatch(installed.package.name):
            piles.add(Kind.BUILD_TOOLS, File(installed.package.name, 0, UNHASHED, installed.layer))
    return Report(
        stored_bytes=sum(share.stored_bytes for share in shares),
        wasted_bytes=sum(share.wasted_bytes for share in shares),
        layers=tuple(shares),
        advice=piles.advice(),
        chain_ids=chain_ids(record.diff_id for record in layers),
    )


def _judge_layer(piles: _Piles, number: int, record: LayerRecord, share: LayerShare) -> None:
    if not (len(record.files.sizes) or record.whiteouts or record.opaque):
        piles.count(Kind.EMPTY_LAYER, number, 1)
    if share.stored_bytes > LARGE_LAYER_BYTES:
        piles.count(Kind.LARGE_LAYER, number, share.files, share.stored_bytes)


def _files(record: LayerRecord, number: int) -> dict[str, File]:
    """What a layer has that is no folder; of two entries of one path the last counts."""
    hashes = record.files.hashes
    return {
        (path := name.decode(errors="replace")): File(path, size, hashes[8 * at : 8 * at + 8], number)
        for at, (name, size) in enumerate(record.files)
        if size != FOLDER
    }


def _how_hidden(below: File, above: File | None) -> Kind:
    """What a layer did to a file of a lower one, with what is in its place."""
    if above is None:
        return Kind.SECRET_DELETED if _is_secret(below) else Kind.DELETED_LATER
    is_same = below.hash == above.hash != UNHASHED and below.size_bytes == above.size_bytes
    return Kind.SAME_AGAIN if is_same else Kind.REPLACED


def _is_secret(file: File) -> bool:
    return bool(file.size_bytes and SECRETS.fullmatch(file.path) and not SAMPLES.match(file.path))


def _seen(file: File) -> Kind | None:
    """What there is to say of a file that can be seen."""
    if _is_secret(file):
        return Kind.SECRET
    for pattern, kind in (
        (CACHES, Kind.CACHE),
        (DOCUMENTATION, Kind.DOCUMENTATION),
        (TEMPORARY, Kind.TEMPORARY),
        (REPOSITORY, Kind.REPOSITORY),
    ):
        if pattern.match(file.path):
            return kind
    return None


def _copies(files: Iterable[File]) -> list[File]:
    """Those files of which the image has another, of the same contents; small ones are not compared."""
    hashed = sorted(
        (file for file in files if file.hash != UNHASHED),
        key=lambda file: (file.hash, file.size_bytes, file.layer, file.path),
    )
    groups = (list(group) for _, group in groupby(hashed, key=lambda file: (file.hash, file.size_bytes)))
    return [file for group in groups for file in group[1:]]
