"""Settings → open handles → application: the only file that knows every part."""

from __future__ import annotations

import configparser
import io
import logging
import os
import platform
import re
import shlex
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import aws, oci, outbound, registry
from holdfast.blobs import (
    FileStore,
    KeyFile,
    KeyFileFault,
    ObjectMissing,
    OutOfSpace,
    SealedStore,
    StoreUnavailable,
)
from holdfast.blobs.keys import WrongKey
from holdfast.blobs.secret_files import write_secret_file
from holdfast.blobs.system import fsync_folder
from holdfast.blobs.vault import Vault, VaultFault, has_something
from holdfast.http import Response, certificates, metrics, processes
from holdfast.http.server import Server
from holdfast.model import object_stores
from holdfast.model.names import Registry
from holdfast.model.quotas import ANY
from holdfast.outbound import Fetcher
from holdfast.settings import BadSetting, Listen
from holdfast.store import WouldWait, open_database
from holdfast.store.migrations import SchemaTooNew, is_current, migrate
from holdfast.worker import Runner

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Mapping

    from holdfast.blobs.remote import RemoteStore
    from holdfast.blobs.vault import Generation
    from holdfast.http import Answer, Request
    from holdfast.outbound import KeyService
    from holdfast.settings import Settings
    from holdfast.store import Database

log = logging.getLogger(__name__)

OPEN_FILES = 65_536
MIB = 1024 * 1024
KEY_FILE = "keys/local.json"  # in the data folder
RESTORING = "restoring"  # stands in the data folder until a restore is complete


class Application:
    """Every door behind one port."""

    def __init__(self, settings: Settings, on: registry.Backends, numbers: metrics.Metrics | None) -> None:
        tokens = registry.accounts.Tokens(on)
        self._on = on
        self._numbers = numbers
        self._oci = oci.Door(on, tokens)
        self._aws = aws.Door(on, tokens, window=timedelta(seconds=settings.signature_window))

    def is_hot(self, request: Request) -> bool:
        """Whether a request is answered in microseconds."""
        return request.path in {"/healthz", "/readyz"} or (
            request.path.startswith("/v2/") and self._oci.is_hot(request)
        )

    def at_once(self, request: Request) -> Answer | None:
        """The answer to a hot request, unless it would take a wait."""
        try:
            with self._on.database.without_waiting():
                return self(request)
        except WouldWait:
            return None

    def __call__(self, request: Request) -> Answer:
        """Hand a request to its door."""
        path = request.path
        if path.startswith(("/v2/", "/layers/")) or path == "/v2":
            return self._oci(request)
        if path == "/":
            return self._aws(request)
        return self._machines(request)

    def failed(self, request: Request, fault: Exception) -> Response:
        """The answer to a fault that no door expected."""
        if request.path.startswith(("/v2", "/layers/")):
            return self._oci.failed(request, fault)
        return self._aws.failed(request, fault)

    def _machines(self, request: Request) -> Response:
        """What machines ask of the server itself."""
        kind = "text/plain; charset=utf-8"
        if request.method not in {"GET", "HEAD"}:
            return Response(
                405, [("Content-Type", kind), ("Allow", "GET, HEAD")], b"Only GET and HEAD are allowed here\n"
            )
        if request.path == "/healthz":
            return Response(200, [("Content-Type", kind)], b"alive\n")
        if request.path == "/readyz":
            self._on.database.hot.holder_of_key("")
            return Response(200, [("Content-Type", kind)], b"ready\n")
        if request.path == "/metrics" and self._numbers is not None:
            kind, text = self._numbers.exposition(registry.scrub.figures(self._on) | registry.garbage.figures(self._on))
            return Response(200, [("Content-Type", kind)], text)
        return Response(
            404, [("Content-Type", kind)], b"There is nothing here. ECR's API is POST /, the registry is /v2/\n"
        )


def holds_data(settings: Settings) -> bool:
    """Whether a registry was ever served from these settings."""
    database = _database(settings)
    try:
        return not database.is_new()
    finally:
        database.close()


def _database(settings: Settings) -> Database:
    return open_database(settings.database or f"sqlite:///{settings.data.absolute() / 'holdfast.db'}")


def now() -> datetime:
    """This moment, aware and in UTC."""
    return datetime.now(UTC)


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
        fetcher=Fetcher(settings.oidc_allow, settings.oidc_ca_file),
        audit=registry.audit.Audit(
            data / "audit",
            is_on=settings.audit,
            pull_share=settings.audit_pull_sample,
            file_bytes=settings.audit_file_mib * MIB,
            keep=timedelta(days=settings.audit_days),
        ),
    )


def _open_blobs(settings: Settings, layer_bytes: int) -> FileStore | RemoteStore:
    """The store that a setting names; an object store is asked when it is first needed."""
    if not settings.has_remote_blobs:
        return FileStore(Path(settings.blobs.removeprefix("file://") or settings.data.absolute() / "objects"))
    from holdfast.blobs.remote import RemoteStore, part_bytes

    place = object_stores.parse(settings.blobs)
    if settings.seal == "store" and place.scheme == "s3":  # the other clouds encrypt whatever they keep
        place = replace(place, options={"sse": "AES256", **place.options})
    return RemoteStore(place, part_bytes=part_bytes(layer_bytes))


def _try_blobs(settings: Settings) -> None:
    """Write, read and delete something in an object store. Raises `BadSetting`."""
    store = _open_blobs(settings, 0)
    if isinstance(store, FileStore):
        return
    try:
        store.probe(os.urandom(16).hex())
    except (StoreUnavailable, ObjectMissing, OutOfSpace) as fault:
        raise BadSetting(f"--blobs: {fault}") from None


def _try_blobs_apart(settings: Settings) -> None:
    """The same in a process of its own: the library's threads would not survive the forks to come."""
    if not settings.has_remote_blobs:
        return
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            _try_blobs(settings)
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


def _require_keys(on: registry.Backends, *, may_make: bool = False) -> None:
    """Prove that the registry's own key is at hand, and is the one that its data lies under."""
    try:
        registry.kms.require_own(on, may_make=may_make)
    except registry.kms.KeysElsewhere as fault:
        raise BadSetting(f"--keys: {fault}") from None


def open_existing(settings: Settings) -> registry.Backends:
    """Open a registry that was served before: a mistyped folder must not become a new one."""
    if not holds_data(settings):
        raise BadSetting(f"--data {settings.data} holds no registry yet; `holdfast serve` makes it")
    on = open_backends(settings)
    if not is_current(on.database):
        raise BadSetting("The database has another schema: run `holdfast migrate` first")
    _require_keys(on)
    return on


def prepare(settings: Settings, on: registry.Backends) -> Path:
    """Bring the schema up to date and make the default account with its root key; where the key is written."""
    try:
        for step in migrate(on.database):
            log.info("database migrated: %s", step)
    except SchemaTooNew as fault:
        raise BadSetting(str(fault)) from None
    _require_keys(on, may_make=True)
    try:
        registry.accounts.Tokens(on)
    except WrongKey:
        raise BadSetting(
            "The keys of this node are not those of the database, which another node made: copy its "
            f"{KEY_FILE} to {settings.data}, then start again. Nothing was changed."
        ) from None
    registry.rewraps.want_backfill(on)
    path = credentials_path(settings)
    if settings.root_secret_access_key is not None:
        pair = settings.root_access_key_id, settings.root_secret_access_key.reveal()
        try:
            registry.accounts.ensure_given_root(on, settings.account, *pair)
        except registry.accounts.KeyExists:
            raise BadSetting(
                "HOLDFAST_ROOT_ACCESS_KEY_ID is a key of another account or of a user; choose another id"
            ) from None
    elif not registry.accounts.exists(on, settings.account):
        pair = _root_credentials(path, settings, on)
        if _account_of(path) not in {settings.account, None}:
            raise BadSetting(f"{path} was made for another account by a start at the same time; start again")
        registry.accounts.ensure_root(on, settings.account, *pair)
    return path


def credentials_path(settings: Settings) -> Path:
    """Where the root key of the default account is written; a second default account does not disturb the first."""
    data = settings.data.absolute()
    own = data / f"root.{settings.account}.credentials"
    is_first = settings.account == _account_of(data / "root.credentials")
    return data / "root.credentials" if is_first or not (data / "root.credentials").exists() else own


def _account_of(path: Path) -> str | None:
    """The account that a credentials file of ours is for."""
    try:
        found = re.search(r"^# account (\d{12})$", path.read_text(), re.MULTILINE)
    except FileNotFoundError:
        return None
    return found[1] if found else None


def _root_credentials(path: Path, settings: Settings, on: registry.Backends) -> tuple[str, str]:
    """The root key of the credentials file, which is made if there is none."""
    if not path.exists():
        key_id, secret = registry.accounts.fresh_key(on, settings.account)
        lines = (
            f"# account {settings.account}",
            "[default]",
            f"aws_access_key_id = {key_id}",
            f"aws_secret_access_key = {secret}",
            f"region = {settings.region}",
        )
        write_secret_file(path, "\n".join(lines) + "\n")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_file(io.StringIO(path.read_text()))
        profile = parser["default"]
        return profile["aws_access_key_id"], profile["aws_secret_access_key"]
    except (configparser.Error, KeyError) as fault:
        raise BadSetting(f"{path} is not a credentials file with a profile 'default': {fault}") from None


def serve(settings: Settings) -> int:
    """Serve until told to stop; the exit status."""
    workers = settings.workers or os.cpu_count() or 1
    # What may be refused is tried before anything is made: an address in use leaves no half-made folder behind.
    given = _given_certificate(settings)
    sockets = [_listen(address, workers) for address in settings.listen]
    _try_blobs_apart(settings)
    on = open_backends(settings)
    credentials = prepare(settings, on)
    own = _own_certificate(settings) if given is None else given
    listeners = [
        (bound, own if settings.encrypts(address) else None)
        for bound, address in zip(sockets, settings.listen, strict=True)
    ]
    on.database.close()  # each worker opens its own
    metrics.prepare(settings.data.absolute() / "metrics")
    _raise_file_limit()
    _leave_no_core()

    def close_listeners(keep: int | None = None) -> None:
        """A socket listens until its last copy is closed, so nobody keeps one that he does not serve."""
        for sockets, _ in listeners:
            for index, listener in enumerate(sockets):
                if index != keep:
                    listener.close()

    def work(index: int, ready: Callable[[], None]) -> None:
        close_listeners(keep=index)
        mine = [(sockets[index], tls) for sockets, tls in listeners]
        numbers = metrics.Metrics()
        runners = [Runner(on), Runner(on, patient=True)] if settings.background else []
        server = Server(
            Application(settings, on, numbers),
            numbers,
            trusted_proxies=settings.trusted_proxies,
            notes=lambda: _write_notes(on, numbers),
            background=[runner.tick for runner in runners],
        )
        for runner in runners:
            runner.is_stopping = lambda: server.is_draining
        on.database.remember()
        server.run(mine, ready)
        _write_notes(on)
        registry.audit.close(on)
        on.database.close()

    addresses = [(sockets[0].getsockname(), tls is not None) for sockets, tls in listeners]
    return processes.Parent(
        workers,
        work,
        ready=lambda: _announce(settings, addresses, credentials),
        ended=metrics.forget_worker,
        rest=close_listeners,
    ).run()


def _write_notes(on: registry.Backends, numbers: metrics.Metrics | None = None) -> None:
    """Write down what requests noted; what cannot be is kept for the next time."""
    on.keys.refresh()
    if numbers is not None:
        numbers.read_faults(on.read_faults.take())
    records = (registry.pulls.record, registry.iam.key_uses.record, registry.refusals.record, registry.audit.record)
    for record in records:
        try:
            record(on)
        except Exception:
            log.exception("what requests noted could not be written down")


def work(settings: Settings) -> int:
    """Do background work only, until told to stop."""
    import signal

    _leave_no_core()
    on = open_existing(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _try_blobs(settings)
    patient = Runner(on, patient=True)
    thread = threading.Thread(target=_tick, args=(patient, stop), name="patient")
    thread.start()
    log.info("working in the background on %s", settings.data)
    _tick(Runner(on), stop, lambda: _write_notes(on))
    thread.join()
    registry.audit.close(on)
    return 0


def _tick(runner: Runner, stop: threading.Event, then: Callable[[], None] = lambda: None) -> None:
    """Let a runner do what is due, once a second until told to stop."""
    runner.is_stopping = stop.is_set
    while not stop.wait(1):
        runner.tick()
        then()


def backup_secrets(settings: Settings) -> dict[str, bytes]:
    """What a backup with keys holds beside facts and objects, by its name in the data folder."""
    data = settings.data.absolute()
    found = [data / KEY_FILE, *data.glob("root*.credentials"), *data.glob("tls/*")]
    return {str(path.relative_to(data)): path.read_bytes() for path in found if path.is_file()}


def restore(
    settings: Settings, source: Path, name: str | None, keys: Path | None, watch: registry.backups.Watch
) -> tuple[Generation, list[str]]:
    """Make an installation from a backup; which, and digests of what it did not have. Raises `BadSetting`.

    Until all of it is there and was opened, the data folder is marked, and nothing serves from it.
    """
    data = settings.data.absolute()
    half = data / RESTORING
    try:
        vault = Vault.open(source)
        generation = vault.generation(name) if name else vault.newest()
        if generation is None:
            raise BadSetting(f"{vault.folder} holds no finished backup")
        if half.exists() and half.read_text() != generation.name:
            raise BadSetting(f"--data {settings.data} is half restored from another backup, {half.read_text()}: "
                             "name that one with --generation, or empty the folder")  # fmt: skip
        if not half.exists() and (holds_data(settings) or (data.is_dir() and has_something(data))):
            raise BadSetting(f"--data {settings.data} is not empty: a backup is restored into a new folder only")
        key_path = keys or generation.folder / "secrets" / KEY_FILE
        if settings.keys is None:
            if not key_path.exists():
                raise BadSetting(f"The backup {generation.name} holds no keys: name a copy of the registry's key file, "
                                 f"{KEY_FILE}, with --key-file, or its key service with --keys")  # fmt: skip
            registry.backups.require_seal(generation, KeyFile(key_path).unwrap)
        registry.backups.check_files(generation)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret_file(half, generation.name)
        for one in generation.secrets:
            _restore_secret(data, one, generation.folder / "secrets" / one)
        if settings.keys is None:
            _restore_secret(data, KEY_FILE, key_path)
        on = open_backends(settings, is_restoring=True)
        lost = registry.restores.restore(on, vault, generation, watch)
        on.database.close()
    except (VaultFault, KeyFileFault, SchemaTooNew) as fault:
        raise BadSetting(str(fault)) from None
    half.unlink()
    fsync_folder(data)
    return generation, lost


def _restore_secret(data: Path, name: str, source: Path) -> None:
    path = (data / name).resolve()
    if not path.is_relative_to(data.resolve()):
        raise BadSetting(f"The backup holds a file that would lie outside of --data: {name}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_secret_file(path, source.read_text())


def _listen(address: Listen, workers: int) -> list[socket.socket]:
    try:
        return processes.listen(address.host, address.port, workers)
    except OSError as fault:
        raise BadSetting(f"--listen {address}: {fault.strerror}") from None


def _given_certificate(settings: Settings) -> ssl.SSLContext | None:
    """The certificate that the operator gives, if he does."""
    if settings.tls in {"", "auto", "off"}:
        return None
    try:
        return certificates.context(Path(settings.tls))
    except (OSError, ValueError) as fault:
        raise BadSetting(f"--tls {settings.tls}: the certificate or its key cannot be used: {fault}") from None


def _own_certificate(settings: Settings) -> ssl.SSLContext | None:
    """A certificate of our own authority, if one is needed."""
    if not any(settings.encrypts(address) for address in settings.listen):
        return None
    folder = settings.data.absolute() / "tls"
    certificates.ensure(folder, certificate_names(settings), now())
    return certificates.context(folder)


def certificate_names(settings: Settings) -> list[str]:
    """Every name by which clients may reach this server; ECR's form is one wildcard a domain and region."""
    host = platform.node()
    names = ["localhost", "127.0.0.1", "::1", host, *settings.tls_names]
    names += [address.host for address in settings.listen if address.host not in {"0.0.0.0", "::"}]  # noqa: S104
    names += [f"*.dkr.ecr.{settings.region}.{domain}" for domain in ("localhost", host)]
    return sorted(set(names), key=names.index)


def _raise_file_limit() -> None:
    """Each connection is a file; the usual soft limit of 1024 is soon reached."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leave_no_core() -> None:
    """Keys lie in memory in the clear, and a core dump would write them to a disk."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _announce(settings: Settings, addresses: list[tuple[tuple[str, int], bool]], credentials: Path) -> None:
    """Tell whoever started us that requests are served, and how to log in."""
    shown = []
    for asked, ((_, port, *_), encrypted) in zip(settings.listen, addresses, strict=True):
        host = "localhost" if asked.host in {"0.0.0.0", "::"} else asked.host  # noqa: S104 - compared, not bound
        shown.append((f"{'https' if encrypted else 'http'}://{Listen(host, port)}", str(Listen(host, port)), encrypted))
    url, host_port, encrypted = shown[0]
    lines = [f"Holdfast serves {', '.join(address for address, _, _ in shown)}  (data in {settings.data})", ""]
    if encrypted and settings.tls in {"", "auto"}:
        lines += [*trust_lines(settings.data.absolute() / "tls" / "ca.crt", host_port), ""]
    if settings.root_secret_access_key is not None:
        keys = f"AWS_ACCESS_KEY_ID={settings.root_access_key_id} AWS_SECRET_ACCESS_KEY=…"
    elif credentials.exists():
        keys = f"AWS_SHARED_CREDENTIALS_FILE={shlex.quote(str(credentials))}"
    else:
        keys = "AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…"
    lines += [
        "Log in and create a repository:",
        f"  export {keys} AWS_REGION={settings.region}",
        f"  aws --endpoint-url {url} ecr create-repository --repository-name hello",
        f"  aws --endpoint-url {url} ecr get-login-password | docker login --username AWS --password-stdin {host_port}",
    ]
    if not encrypted:
        lines.append("With podman, skopeo or buildah add --tls-verify=false: this address speaks plain HTTP.")
    sys.stdout.write("\n".join(lines) + "\n\n")
    sys.stdout.flush()


def trust_lines(authority: Path, host_port: str) -> list[str]:
    """What each client needs, to trust our own authority."""
    quoted = shlex.quote(str(authority))
    return [
        f"The certificate is signed by a private CA, {authority}. To trust it:",
        f"  docker      install -D {quoted} /etc/docker/certs.d/{host_port}/ca.crt",
        f"  podman      install -D {quoted} /etc/containers/certs.d/{host_port}/ca.crt   (skopeo and buildah too)",
        f"  containerd  install -D {quoted} /etc/containerd/certs.d/{host_port}/ca.crt, and beside it hosts.toml:",
        f'                server = "https://{host_port}"',
        f'                [host."https://{host_port}"]',
        f'                  ca = "/etc/containerd/certs.d/{host_port}/ca.crt"',
        f"  aws, boto3  export AWS_CA_BUNDLE={quoted}",
    ]


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
        results.append(("database", None if current else "the schema is not this program's: run `holdfast migrate`"))
    except Exception as fault:  # noqa: BLE001 - the point is to tell what is wrong
        results.append(("database", str(fault)))
    try:
        registry.objects.probe(on)
        results.append(("blobs", None))
    except Exception as fault:  # noqa: BLE001 - likewise
        results.append(("blobs", str(fault.__cause__ or fault) or type(fault).__name__))
    return results
