"""Settings → open handles → application: the only floor that knows every part."""

from holdfast.boot.opening import KEY_FILE, check, key_file_path, open_backends, open_existing, open_key_service
from holdfast.boot.restoring import backup_secrets, open_shelf, restore
from holdfast.boot.serving import serve, work

__all__ = [
    "KEY_FILE",
    "backup_secrets",
    "check",
    "key_file_path",
    "open_backends",
    "open_existing",
    "open_key_service",
    "open_shelf",
    "restore",
    "serve",
    "work",
]
