"""Settings → open handles: databases, keys, blobs, and what use cases need beside them."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import aws, inventory, outbound, registry
from holdfast.blobs import FileStore, KeyFile, KeyFileFault, ObjectMissing, OutOfSpace, SealedStore, StoreUnavailable
from holdfast.inventory import LayerReader
from holdfast.model import object_stores
from holdfast.model.names import Registry
from holdfast.model.quotas import ANY
from holdfast.outbound import AwsEcr, AwsEvents, Downloader, Fetcher, Harbors, Poster, Scanner
from holdfast.outbound.distribution import Wire
from holdfast.outbound.ecr_images import EcrImages
from holdfast.settings import BadSetting
from holdfast.store import open_database
from holdfast.store.migrations import SchemaTooNew, is_current

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.blobs.remote import RemoteStore
    from holdfast.outbound import KeyService
    from holdfast.settings import Settings
    from holdfast.store import Database

MIB = 1024 * 1024
KEY_FILE = "keys/local.json"  # in the data folder
RESTORING = "restoring"  # stands in the data folder until a restore is complete


def open_existing(settings: Settings) -> registry.Backends:
    """Open a registry that was served before: a mistyped folder must not become a new one."""
    if not holds_data(settings):
        raise BadSetting(f"--data {settings.data} holds no registry yet; `holdfast serve` makes it")
    on = open_backends(settings)
    try:
        if not is_current(on.database):
            raise BadSetting("The database has the schema of an older Holdfast: run `holdfast migrate` first")
    except SchemaTooNew as fault:
        raise BadSetting(str(fault)) from None
    require_keys(on)
    return on


def holds_data(settings: Settings) -> bool:
    """Whether a registry was ever served from these settings."""
    database = _database(settings)
    try:
        return not database.is_new()
    finally:
        database.close()


def open_backends(settings: Settings, *, is_restoring: bool = False) -> registry.Backends:
    """Open everything that use cases need, and make what is missing. Raises `BadSetting`."""
    half = settings.data.absolute() / RESTORING
    if half.exists() and not is_restoring:
        raise BadSetting(f"--data {settings.data} is only half restored: run the same `holdfast restore` again")
    services = (aws.ecr, aws.own, aws.iam, aws.sts)
    unknown = set(settings.throttle).difference({ANY}, *(service.OPERATIONS for service in services))
    if unknown:
        raise BadSetting(f"--throttle: there is no operation '{min(unknown)}'; docs/reference/operations.md lists them")
    limits = registry.Limits(
        lifecycle_interval=timedelta(seconds=settings.lifecycle_interval),
        deleted_lifetime=timedelta(days=settings.keep_deleted),
        scrub_bytes_per_second=settings.scrub_rate * MIB,
        collects_garbage=settings.gc,
        quarantine=timedelta(days=settings.gc_quarantine),
        surprising_share=settings.gc_surprise / 100,
        scan_watch=timedelta(days=settings.scan_watch),
    )
    limits = registry.quotas.with_quotas(limits, settings.quotas)
    data = settings.data.absolute()
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = _database(settings)
        keys = _open_keys(settings, database)
        blobs = _open_blobs(settings, limits.layer_bytes)
    except KeyFileFault as fault:
        raise BadSetting(str(fault)) from None
    except OSError as fault:
        raise BadSetting(f"--data {settings.data}: {fault.strerror}: {fault.filename}") from None
    poster = Poster(settings.event_allow, settings.event_ca_file, allowing="--event-allow")
    return registry.Backends(
        database=database,
        blobs=SealedStore(blobs),
        keys=keys,
        clock=database.now,
        limits=limits,
        profile=settings.profile,
        home=Registry(settings.account, settings.region),
        public_repositories=settings.public_repositories,
        throttle=_throttle(settings.throttle),
        web_identity_throttle=_throttle(settings.web_identity_rate),
        seals_layers=settings.seal == "holdfast",
        redirects_blobs=settings.blob_redirect,
        layer_reader=_layer_reader(limits),
        peers=registry.peer_sessions.PeerSessions(settings.upstream_allow),
        fetcher=Fetcher(settings.oidc_allow, settings.oidc_ca_file),
        upstreams=registry.pull_through.Upstreams(settings.upstream_allow, data / "spool"),
        poster=poster,
        aws_events=AwsEvents(),
        scanner=_scanner(settings),
        harbors=_harbors(settings),
        audit=registry.audit.Audit(
            data / "audit",
            is_on=settings.audit,
            pull_share=settings.audit_pull_sample,
            file_bytes=settings.audit_file_mib * MIB,
            keep=timedelta(days=settings.audit_days),
        ),
    )


def _layer_reader(limits: registry.Limits) -> LayerReader:
    """What reads layers; two thirds of its time may be the processor's."""
    return LayerReader(
        inventory.Limits(
            layer_bytes=limits.scan_layer_bytes,
            wall_seconds=limits.scan_seconds,
            cpu_seconds=limits.scan_seconds * 2 // 3,
            memory_bytes=limits.scan_memory_bytes,
        )
    )


def open_downloader(settings: Settings) -> Downloader:
    """What fetches the files of feeds."""
    return Downloader(settings.advisory_allow, settings.advisory_ca_file, allowing="--advisory-allow")


def open_shadowed(
    settings: Settings, region: str, endpoint: str | None, profile: str | None, ca_file: Path | None
) -> tuple[AwsEcr, EcrImages]:
    """A registry of ECR in a region: its API, and its images. Raises `BadSetting` and `EcrRefused`."""
    try:
        ca_pem = ca_file.read_text() if ca_file is not None else None
        wire = Wire(settings.upstream_allow, ca_pem)
    except (OSError, ValueError) as fault:
        raise BadSetting(f"--ca-file {ca_file}: {fault}") from None
    ecr = AwsEcr(region, endpoint, profile, ca_file)
    return ecr, EcrImages(ecr, wire, ca_pem)


def advisory_folder(settings: Settings) -> Path:
    """Where the files of feeds are kept."""
    return settings.data.absolute() / "advisories"


def _harbors(settings: Settings) -> Harbors | None:
    if settings.adapter_token is None:
        return None
    try:
        return Harbors(settings.adapter_token.reveal(), settings.upstream_allow, settings.adapter_ca_file)
    except (OSError, ValueError) as fault:
        raise BadSetting(f"--adapter-ca-file {settings.adapter_ca_file}: {fault}") from None


def _scanner(settings: Settings) -> Scanner | None:
    if not settings.scanner:
        return None
    if not settings.scanner_registry:
        raise BadSetting("--scanner needs --scanner-registry: from there a scanner pulls what it looks at")
    token = settings.scanner_token.reveal() if settings.scanner_token else None
    return Scanner(
        settings.scanner,
        token,
        settings.scanner_ca_file,
        registry_url=settings.scanner_registry,
        is_beside=settings.scanner_beside,
    )


def _database(settings: Settings) -> Database:
    return open_database(settings.database or f"sqlite:///{settings.data.absolute() / 'holdfast.db'}")


def now() -> datetime:
    """This moment, aware and in UTC."""
    return datetime.now(UTC)


def _open_blobs(settings: Settings, layer_bytes: int) -> FileStore | RemoteStore:
    """The store that a setting names; an object store is asked when it is first needed."""
    if not settings.has_remote_blobs:
        return FileStore(Path(settings.blobs.removeprefix("file://") or settings.data.absolute() / "objects"))
    from holdfast.blobs.remote import RemoteStore, part_bytes

    place = object_stores.parse(settings.blobs)
    if settings.seal == "store" and place.scheme == "s3":  # the other clouds encrypt whatever they keep
        place = replace(place, options={"sse": "AES256", **place.options})
    return RemoteStore(place, part_bytes=part_bytes(layer_bytes))


def try_blobs(settings: Settings) -> None:
    """Write, read and delete something in an object store. Raises `BadSetting`."""
    store = _open_blobs(settings, 0)
    if isinstance(store, FileStore):
        return
    try:
        store.probe(os.urandom(16).hex())
    except (StoreUnavailable, ObjectMissing, OutOfSpace) as fault:
        raise BadSetting(f"--blobs: {fault}") from None


def try_blobs_apart(settings: Settings) -> None:
    """The same in a process of its own: the library's threads would not survive the forks to come."""
    if not settings.has_remote_blobs:
        return
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            try_blobs(settings)
            status = 0
        except BadSetting as fault:
            os.write(writing, str(fault).encode()[:4000])
            status = 2
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found = pipe.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise BadSetting(found or "--blobs: trying the store failed")


def _throttle(rates: Mapping[str, float]) -> registry.throttle.Throttle | None:
    return registry.throttle.Throttle(rates, time.monotonic) if rates else None


def _open_keys(settings: Settings, database: Database) -> registry.keys.Keys:
    """The registry's own key: in its file, or in the key service that the operator names."""
    if settings.keys is not None:
        return registry.keys.Keys(database, None, open_key_service(settings), lifetime=settings.keys.remember_seconds)
    # Data without its keys must not get new ones: the old bytes would be lost without a word.
    path = key_file_path(settings)
    return registry.keys.Keys(database, KeyFile.create(path, now()) if database.is_new() else KeyFile(path))


def open_key_service(settings: Settings) -> KeyService:
    """The key service of the settings; a client of it, which has asked nothing yet."""
    assert settings.keys is not None
    try:
        return outbound.open_service(settings.keys, os.environ)
    except outbound.KeyServiceDown as fault:
        raise BadSetting(f"--keys: {fault}") from None


def key_file_path(settings: Settings) -> Path:
    """Where the key file is, if the registry's own key lies in one."""
    return settings.data.absolute() / KEY_FILE


def require_keys(on: registry.Backends, *, may_make: bool = False) -> None:
    """Prove that the registry's own key is at hand, and is the one that its data lies under."""
    try:
        registry.kms.require_own(on, may_make=may_make)
    except registry.kms.KeysElsewhere as fault:
        raise BadSetting(f"--keys: {fault}") from None


def check(settings: Settings) -> list[tuple[str, str | None]]:
    """Try every part without changing anything that exists; each with what is wrong, or None."""
    results: list[tuple[str, str | None]] = [("settings", None)]
    if not holds_data(settings):
        return [*results, ("data", f"{settings.data} holds no registry yet; `holdfast serve` makes it")]
    try:
        on = open_backends(settings)
    except BadSetting as fault:
        return [*results, ("data", str(fault))]
    results.append(("data and keys", None))
    try:
        current = is_current(on.database)
        results.append(("database", None if current else "the schema is an older program's: run `holdfast migrate`"))
    except Exception as fault:  # noqa: BLE001 - the point is to tell what is wrong
        results.append(("database", str(fault)))
    try:
        registry.objects.probe(on)
        results.append(("blobs", None))
    except Exception as fault:  # noqa: BLE001 - likewise
        results.append(("blobs", str(fault.__cause__ or fault) or type(fault).__name__))
    return results
