"""What a start makes if it is missing: the schema, the default account, and its root key."""

from __future__ import annotations

import configparser
import io
import logging
import re
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.blobs.keys import WrongKey
from holdfast.blobs.secret_files import write_secret_file
from holdfast.boot.opening import KEY_FILE, require_keys
from holdfast.settings import BadSetting
from holdfast.store.migrations import SchemaTooNew, migrate

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.settings import Settings

log = logging.getLogger(__name__)


def prepare(settings: Settings, on: registry.Backends) -> Path:
    """Bring the schema up to date and make the default account with its root key; where the key is written."""
    try:
        for step in migrate(on.database):
            log.info("database migrated: %s", step)
    except SchemaTooNew as fault:
        raise BadSetting(str(fault)) from None
    require_keys(on, may_make=True)
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
