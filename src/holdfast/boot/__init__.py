"""Settings → open handles → application: the only floor that knows every part."""

from holdfast.boot.opening import (
    KEY_FILE,
    advisory_folder,
    check,
    key_file_path,
    open_backends,
    open_downloader,
    open_existing,
    open_key_service,
    open_shadowed,
)
from holdfast.boot.restoring import backup_secrets, open_shelf, restore
from holdfast.boot.serving import serve, work

__all__ = [
    "KEY_FILE",
    "advisory_folder",
    "backup_secrets",
    "check",
    "key_file_path",
    "open_backends",
    "open_downloader",
    "open_existing",
    "open_key_service",
    "open_shadowed",
    "open_shelf",
    "restore",
    "serve",
    "work",
]
