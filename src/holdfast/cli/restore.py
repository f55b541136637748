"""Make an installation from a backup."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, counted
from holdfast.cli.progress import Progress

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings


def add(commands: Commands) -> None:
    """Add the command."""
    help_ = "make a new installation from a backup; into an empty folder only"
    command = add_command(commands, "restore", _restore, help_)
    command.add_argument("source", metavar="SOURCE", help="the folder or URL that was the target of backups")
    command.add_argument("--generation", metavar="NAME", help="that backup instead of the newest")
    command.add_argument("--key-file", metavar="FILE", type=Path, help="a copy of the registry's key file, if the "
                         "backup was made without keys")  # fmt: skip
    add_settings(command)


def _restore(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import boot
    from holdfast.blobs import OutOfSpace, StoreUnavailable
    from holdfast.settings import BadSetting

    try:
        with Progress() as progress:
            generation, lost = boot.restore(settings, options.source, options.generation, options.key_file, progress)
    except (OSError, OutOfSpace, StoreUnavailable) as fault:
        raise BadSetting(f"{fault}. Run the same command again: it goes on from there") from None
    print(f"{settings.data} is what the registry was at {generation.manifest['created']}.")
    print("Every object was hashed and every blob was opened. `holdfast serve` serves it.")
    if lost:
        damaged = counted(len(lost), "blob was damaged", "blobs were damaged")
        sys.stderr.write(
            f"holdfast: {damaged} when the backup was made, and left out: push again "
            "what `holdfast scrub status` lists.\n"
        )
    return 0
