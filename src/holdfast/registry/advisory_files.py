"""The files of feeds: fetched into a folder, packed into a bundle for those who have no network, and unpacked there.

    DIR/advisories/osv_npm.zip         as its server sent it
                   osv_npm.zip.json    where it came from, when, and its SHA-256
    bundle.tar.gz  manifest.json, manifest.sig (if it was signed), and the files that the manifest lists

Nothing of a bundle is written to a path: a member is named by the manifest, and read into a file without a name.
"""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import tempfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

import msgspec

from holdfast.blobs import signatures
from holdfast.model import feed_sources
from holdfast.outbound import Version
from holdfast.registry.advisories import BadAdvisories, Given

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from holdfast.model.feed_sources import Source
    from holdfast.outbound import Downloader
    from holdfast.registry.advisories import Shown

FILE_BYTES = 4 * 1024**3
MANIFEST_BYTES = 4 * 1024**2
FILES = 500
BUNDLE_BYTES = 64 * 1024**3  # of all files together
PIECE_BYTES = 1024 * 1024
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
BUNDLE = "the bundle"


class Provenance(msgspec.Struct, frozen=True):
    """Where a file came from."""

    name: str  # of the source
    url: str
    sha256: str
    size_bytes: int
    fetched_at: datetime
    as_of: datetime
    licence: str = ""
    attribution: str = ""
    etag: str = ""
    last_modified: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """What is in a bundle."""

    created_at: datetime
    files: list[Provenance]
    version: int = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source, and the address that it is fetched from."""

    source: Source
    url: str


class Folder:
    """Where the files of feeds are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fetch(self, wanted: Wanted, downloader: Downloader, shown: Shown, now: datetime) -> tuple[Provenance, bool]:
        """Bring the newest file of a source; where it came from, and whether it is another than before.

        Raises `outbound.Unreachable`; what is there stays there.
        """
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = self.find(wanted.source)
        have = Version(before.url, before.etag, before.last_modified) if before else None
        shown.begin(wanted.source.name, 0)
        done = 0

        def moved(size_bytes: int, total_bytes: int) -> None:
            nonlocal done
            if not done:
                shown.begin(wanted.source.name, 0, total_bytes)
            shown.add(0, size_bytes - done)
            done = size_bytes

        found = downloader.download(wanted.url, self.path_of(wanted.source), FILE_BYTES, have, moved)
        if found is None:
            assert before is not None
            return before, False
        provenance = Provenance(
            wanted.source.name,
            wanted.url,
            found.sha256,
            found.size_bytes,
            now,
            found.version.modified_at or now,
            wanted.source.licence,
            wanted.source.attribution,
            found.version.etag,
            found.version.last_modified,
        )
        self._note_of(wanted.source).write_bytes(msgspec.json.encode(provenance))
        return provenance, before is None or before.sha256 != provenance.sha256

    def find(self, source: Source) -> Provenance | None:
        """Where the file of a source that is there came from."""
        try:
            return msgspec.json.decode(self._note_of(source).read_bytes(), type=Provenance)
        except (OSError, msgspec.DecodeError):
            return None

    def path_of(self, source: Source) -> Path:
        """The file of a source."""
        return self._path / f"{source.name.replace('/', '_').replace(' ', '-')}.{source.suffix}"

    def _note_of(self, source: Source) -> Path:
        path = self.path_of(source)
        return path.with_name(f"{path.name}.json")


def given(source: Source, file: IO[bytes], provenance: Provenance) -> Given:
    """A file as it is imported."""
    details = {
        "url": provenance.url,
        "sha256": provenance.sha256,
        "fetched_at": provenance.fetched_at.isoformat(),
        "size_bytes": provenance.size_bytes,
    }
    return Given(source, file, provenance.size_bytes, provenance.as_of, details)


def pack(
    folder: Folder, sources: Iterable[Source], target: Path, now: datetime, key_file: Path | None = None
) -> Manifest:
    """Pack the files of sources into a bundle; it takes its name when it is whole."""
    files = []
    for source in sources:
        found = folder.find(source)
        if found is None:
            raise BadAdvisories(source.name, "its file is not there; fetch it first")
        files.append((source, found))
    manifest = Manifest(now, [provenance for _, provenance in files])
    _require_bounded(manifest)
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    partial = target.with_name(f"{target.name}.partial")
    with tarfile.open(partial, "w:gz", compresslevel=3) as bundle:
        _add(bundle, MANIFEST, io.BytesIO(content), len(content))
        if key_file is not None:
            signature = base64.b64encode(signatures.sign(content, key_file))
            _add(bundle, SIGNATURE, io.BytesIO(signature), len(signature))
        for source, provenance in files:
            path = folder.path_of(source)
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != provenance.sha256:
                    raise BadAdvisories(source.name, f"{path} is not what was fetched; remove it and fetch it again")
                file.seek(0)
                _add(bundle, source.name, file, provenance.size_bytes)
    partial.replace(target)
    return manifest


def _add(bundle: tarfile.TarFile, name: str, file: IO[bytes], size_bytes: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size_bytes, 0o644
    bundle.addfile(member, file)


@contextmanager
def unpacked(bundle: IO[bytes], spool: Path, key_file: Path | None = None) -> Iterator[list[Given]]:
    """The files of a bundle, each of which is what the manifest says, as long as the block is open.

    Raises `BadAdvisories`. With a key, whoever has its private half must have signed the manifest.
    """
    with ExitStack() as opened:
        yield _unpack(bundle, spool, key_file, opened)


def _unpack(bundle: IO[bytes], spool: Path, key_file: Path | None, opened: ExitStack) -> list[Given]:
    try:
        with tarfile.open(fileobj=bundle, mode="r|*") as archive:
            members = iter(archive)
            content = _content(archive, next(members, None), MANIFEST)
            signature: bytes | None = None
            manifest = msgspec.json.decode(content, type=Manifest)
            if manifest.version != 1:
                raise BadAdvisories(BUNDLE, f"its manifest is of version {manifest.version}")
            _require_bounded(manifest)
            found: list[Given] = []
            wanted = iter(manifest.files)
            for member in members:
                if member.name == SIGNATURE and not found:
                    signature = base64.b64decode(_content(archive, member, SIGNATURE), validate=True)
                    continue
                if key_file is not None and not found:
                    _require_signed(content, signature, key_file)
                file = opened.enter_context(tempfile.TemporaryFile(dir=spool))  # noqa: SIM115 - it does
                found.append(_spooled(archive, member, next(wanted, None), file))
            if next(wanted, None) is not None:
                raise BadAdvisories(BUNDLE, "files are missing that its manifest lists")
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, msgspec.DecodeError) as fault:
        raise BadAdvisories(BUNDLE, f"it is no bundle that can be read: {fault}") from None
    if not found:
        raise BadAdvisories(BUNDLE, "there are no files in it")
    return found


def _require_bounded(manifest: Manifest) -> None:
    if len(manifest.files) > FILES or sum(max(one.size_bytes, 0) for one in manifest.files) > BUNDLE_BYTES:
        raise BadAdvisories(BUNDLE, f"its manifest lists more than {FILES} files or {BUNDLE_BYTES} bytes")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo | None, name: str) -> bytes:
    opened = archive.extractfile(member) if member is not None and member.isreg() and member.name == name else None
    if opened is None or member is None or member.size > MANIFEST_BYTES:
        raise BadAdvisories(BUNDLE, f"it does not begin with a {name} of a sensible size")
    return opened.read()


def _require_signed(content: bytes, signature: bytes | None, key_file: Path) -> None:
    if signature is None:
        raise BadAdvisories(BUNDLE, "it is not signed")
    if not signatures.is_signed(content, signature, key_file):
        raise BadAdvisories(BUNDLE, f"its signature is not by the key of {key_file}")


def _spooled(archive: tarfile.TarFile, member: tarfile.TarInfo, told: Provenance | None, file: IO[bytes]) -> Given:
    """A member, copied into a file, if it is the one that the manifest has here."""
    source = feed_sources.find(told.name) if told is not None else None
    if told is None or source is None or member.name != told.name or not member.isreg():
        raise BadAdvisories(BUNDLE, f"its manifest does not have {member.name[:100]!r} in this place")
    if member.size != told.size_bytes or member.size > FILE_BYTES:
        raise BadAdvisories(told.name, "it has another size than the manifest of the bundle says")
    opened = archive.extractfile(member)
    assert opened is not None
    hashed = hashlib.sha256()
    while piece := opened.read(PIECE_BYTES):
        file.write(piece)
        hashed.update(piece)
    if hashed.hexdigest() != told.sha256:
        raise BadAdvisories(told.name, "its SHA-256 is not the one in the manifest of the bundle")
    file.seek(0)
    return given(source, file, told)


def provenance_of(source: Source, file: IO[bytes], path: Path, now: datetime) -> Provenance:
    """What is known of a file that somebody brought."""
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(0)
    facts = path.stat()
    as_of = datetime.fromtimestamp(facts.st_mtime, UTC)
    return Provenance(source.name, "", sha256, facts.st_size, now, as_of, source.licence, source.attribution)
