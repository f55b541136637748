"""Back the registry up, look at backups, and let old ones go."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, counted
from holdfast.cli.progress import Progress, size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from holdfast.blobs.vault import Generation
    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings


def add(commands: Commands) -> None:
    """Add the commands of backups."""
    group = commands.add_parser("backup", help="back the registry up", description="Back the registry up.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, help_ in (
        ("create", _create, "back up everything while the server serves; what is there already is not copied again"),
        ("list", _list, "list the backups in a folder or bucket"),
        ("verify", _verify, "read a backup and see whether it is what was written; no keys are needed"),
        ("prune", _prune, "remove all but the newest backups, and the objects that only they needed"),
    ):
        action = add_command(actions, name, run, help_)
        action.add_argument("target", metavar="TARGET", help="a folder, best on another disk, or a URL such as "
                            "s3://bucket/backups")  # fmt: skip
        if name == "create":
            action.add_argument("--with-keys", action="store_true", help="put the key file, the root's credentials and "
                                "certificates into it: whoever has it can then read every image")  # fmt: skip
            action.add_argument("--verify", action="store_true", help="read again what earlier backups copied, and "
                                "copy it anew if it is other bytes by now")  # fmt: skip
            add_settings(action)
        if name == "list":
            action.add_argument("--json", action="store_true", help="print it for machines")
        if name == "verify":
            action.add_argument("--generation", metavar="NAME", help="that one instead of the newest")
        if name == "prune":
            action.add_argument("--keep", metavar="N", type=int, required=True, help="how many are kept")


@contextmanager
def _faults_told(target: str) -> Iterator[None]:
    """Tell in one line what keeps a place of backups from its work."""
    from holdfast.blobs import OutOfSpace, StoreUnavailable
    from holdfast.blobs.vault import VaultFault
    from holdfast.settings import BadSetting

    try:
        yield
    except VaultFault as fault:
        raise BadSetting(str(fault)) from None
    except (OSError, OutOfSpace, StoreUnavailable) as fault:
        raise BadSetting(f"{target}: {fault}. Run the same command again: it goes on from there") from None


def _create(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import boot, registry
    from holdfast.blobs.vault import Vault

    on = backends(settings)
    secrets = boot.backup_secrets(settings) if options.with_keys else {}
    with _faults_told(options.target), Progress() as progress:
        vault = Vault.create(boot.open_shelf(options.target, settings))
        made = registry.backups.create(on, vault, progress, secrets=secrets, verify=options.verify)
    assert made.generation is not None
    print(f"{made.generation.name}  in {vault}")
    for noun, copied, size_bytes, reused in (
        ("object", made.copied, made.copied_bytes, made.reused),
        ("small one", made.copied_small, made.copied_small_bytes, made.reused_small),
    ):
        print(f"{counted(copied, noun)} with {size(size_bytes)} copied, {counted(reused, 'was', 'were')} there.")
    if options.with_keys:
        print("It holds the keys: whoever reads it can read every image. Guard it as you guard the server.")
    elif settings.keys is None:
        sys.stderr.write(
            "NOTE: The keys are not in it, and without them nothing of it can be read. Keep a copy of "
            f"{settings.data / boot.KEY_FILE} in another place, or say --with-keys.\n"
        )
    if made.missing:
        missing = counted(len(made.missing), "object is", "objects are")
        sys.stderr.write(
            f"holdfast: {missing} damaged or missing, and not in it; everything else is. "
            "`holdfast scrub status` tells of which blobs.\n"
        )
        return 1
    return 0


def _list(_settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import boot
    from holdfast.blobs.vault import Vault

    with _faults_told(options.target):
        generations = Vault.open(boot.open_shelf(options.target)).generations()
    if options.json:
        documents = [{"name": one.name} | {k: v for k, v in one.manifest.items() if k != "seal"} for one in generations]
        print(json.dumps(documents, indent=2))
        return 0
    for one in generations:
        print(_line(one))
    return 0


def _line(generation: Generation) -> str:
    told = generation.manifest
    objects, missing = told["objects"], told["missing"]["count"]
    lacks = f"  {counted(missing, 'object')} MISSING" if missing else ""
    keys = "with keys" if generation.secrets else "without keys"
    images = told["facts"]["rows"].get("manifests", 0)
    what = (f"{counted(images, 'image')}, {counted(objects['count'], 'object')} with {size(objects['bytes'])} and "
            f"{counted(told['small']['count'], 'small one')}")  # fmt: skip
    return f"{generation.name}  {what}  {keys}  Holdfast {told['program']}{lacks}"


def _verify(_settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import boot, registry
    from holdfast.blobs.vault import Vault, VaultFault
    from holdfast.settings import BadSetting

    faults = 0
    try:
        with _faults_told(options.target):
            vault = Vault.open(boot.open_shelf(options.target))
            generation = vault.generation(options.generation) if options.generation else vault.newest()
        if generation is None:
            raise BadSetting(f"{options.target} holds no finished backup")
        with Progress() as progress:
            for key, fault in registry.backups.verify(vault, generation, progress):
                progress.clear()
                print(f"BROKEN  {key}  {fault}", flush=True)
                faults += 1
    except VaultFault as fault:
        sys.stderr.write(f"holdfast: {fault}\n")
        return 1
    if faults:
        sys.stderr.write(
            f"holdfast: {counted(faults, 'object is', 'objects are')} not what was written for {generation.name}. "
            "`holdfast backup create --verify` copies them anew, as long as the registry has them.\n"
        )
        return 1
    print(f"The backup {generation.name} is what was written: {counted(generation.objects[0], 'object')}.")
    return 0


def _prune(_settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import boot, registry
    from holdfast.blobs.vault import Vault
    from holdfast.settings import BadSetting

    if options.keep < 1:
        raise BadSetting("--keep: at least 1 must be kept")
    with _faults_told(options.target):
        gone, freed = registry.backups.prune(Vault.open(boot.open_shelf(options.target)), options.keep)
    for name in gone:
        print(f"removed  {name}")
    print(f"{counted(len(gone), 'backup')} removed, {size(freed)} freed.")
    return 0
