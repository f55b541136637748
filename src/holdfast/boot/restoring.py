"""Backups, and a new installation out of one."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.blobs import KeyFile, KeyFileFault, shelves
from holdfast.blobs.secret_files import write_secret_file
from holdfast.blobs.system import fsync_folder
from holdfast.blobs.vault import Vault, VaultFault
from holdfast.boot.opening import KEY_FILE, RESTORING, holds_data, open_backends
from holdfast.settings import BadSetting
from holdfast.store.migrations import SchemaTooNew

if TYPE_CHECKING:
    from holdfast.blobs.shelves import Shelf
    from holdfast.blobs.vault import Generation
    from holdfast.settings import Settings


def backup_secrets(settings: Settings) -> dict[str, bytes]:
    """What a backup with keys holds beside facts and objects, by its name in the data folder."""
    data = settings.data.absolute()
    found = [data / KEY_FILE, *data.glob("root*.credentials"), *data.glob("tls/*")]
    return {str(path.relative_to(data)): path.read_bytes() for path in found if path.is_file()}


def open_shelf(target: str, settings: Settings | None = None) -> Shelf:
    """The place of backups that a command names. Raises `BadSetting`."""
    limits = registry.quotas.with_quotas(registry.Limits(), settings.quotas if settings else {})
    try:
        return shelves.open_shelf(target, limits.layer_bytes)
    except ValueError as fault:
        raise BadSetting(f"{target}: {fault}") from None


def restore(
    settings: Settings, source: str, name: str | None, keys: Path | None, watch: registry.backups.Watch
) -> tuple[Generation, list[str]]:
    """Make an installation from a backup; which, and digests of what it did not have. Raises `BadSetting`.

    Until all of it is there and was opened, the data folder is marked, and nothing serves from it.
    """
    data = settings.data.absolute()
    half = data / RESTORING
    try:
        vault = Vault.open(open_shelf(source, settings))
        generation = vault.generation(name) if name else vault.newest()
        if generation is None:
            raise BadSetting(f"{vault} holds no finished backup")
        if half.exists() and half.read_text() != generation.name:
            raise BadSetting(f"--data {settings.data} is half restored from another backup, {half.read_text()}: "
                             "name that one with --generation, or empty the folder")  # fmt: skip
        if not half.exists() and (holds_data(settings) or not shelves.is_bare(data)):
            raise BadSetting(f"--data {settings.data} is not empty: a backup is restored into a new folder only")
        secrets = {one: vault.secret(generation, one).decode() for one in generation.secrets}
        if settings.keys is None:
            if keys is not None:
                secrets[KEY_FILE] = keys.read_text()
            if KEY_FILE not in secrets:
                raise BadSetting(f"The backup {generation.name} holds no keys: name a copy of the registry's key file, "
                                 f"{KEY_FILE}, with --key-file, or its key service with --keys")  # fmt: skip
            _require_seal(generation, secrets[KEY_FILE])
        registry.backups.check_files(vault, generation)
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret_file(half, generation.name)
        for one, text in secrets.items():
            _restore_secret(data, one, text)
        on = open_backends(settings, is_restoring=True)
        lost = registry.restores.restore(on, vault, generation, watch)
        on.database.close()
    except (VaultFault, KeyFileFault, SchemaTooNew) as fault:
        raise BadSetting(str(fault)) from None
    half.unlink()
    fsync_folder(data)
    return generation, lost


def _require_seal(generation: Generation, key_file: str) -> None:
    """Prove a backup by a key file that lies nowhere yet."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "keys"
        write_secret_file(path, key_file)
        registry.backups.require_seal(generation, KeyFile(path).unwrap)


def _restore_secret(data: Path, name: str, text: str) -> None:
    path = (data / name).resolve()
    if not path.is_relative_to(data.resolve()):
        raise BadSetting(f"The backup holds a file that would lie outside of --data: {name}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_secret_file(path, text)
