"""A new installation out of a backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.blobs import KeyFile, KeyFileFault
from holdfast.blobs.secret_files import write_secret_file
from holdfast.blobs.system import fsync_folder
from holdfast.blobs.vault import Vault, VaultFault, has_something
from holdfast.boot.opening import KEY_FILE, RESTORING, holds_data, open_backends
from holdfast.settings import BadSetting
from holdfast.store.migrations import SchemaTooNew

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.blobs.vault import Generation
    from holdfast.settings import Settings


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
