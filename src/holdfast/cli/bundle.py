"""Carry images to a registry without a network: export a bundle, and import it there."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, counted, printable, refusals_as_text
from holdfast.cli.progress import Progress, size
from holdfast.cli.shadow import pass_as_text

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from holdfast.cli.ground import Commands
    from holdfast.model.bundles import Bundle
    from holdfast.registry.shadows import Pass
    from holdfast.settings import Settings

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
SMALLEST_VOLUME = 64 * 1024
MOST_AT_ONCE = 32
SHOWN = 50  # things that were left out


def add(commands: Commands) -> None:
    """Add the commands of bundles."""
    export = add_command(
        commands, "export", _export, "write images, tags, signatures and settings into a bundle, or go on with it"
    )
    export.add_argument("folder", metavar="FOLDER", type=Path, help="a new one, or that of an export that was stopped")
    export.add_argument("--since", metavar="BUNDLE|TIME", help="only what is new since that bundle, or since a time "
                        "such as 2026-11-28T12:00:00Z")  # fmt: skip
    export.add_argument("--sign", metavar="KEY", type=Path, help="sign it with this Ed25519 key instead of the "
                        "installation's own")  # fmt: skip
    export.add_argument("--volume-size", metavar="SIZE", help="volumes of a tar of so many bytes, such as 4G, instead "
                        "of a folder of files")  # fmt: skip
    bring = add_command(commands, "import", _import, "import a bundle, or go on with it; what is here stays")
    bring.add_argument("bundle", metavar="BUNDLE", type=Path, help="its folder, or its first volume")
    whom = bring.add_mutually_exclusive_group(required=True)
    whom.add_argument("--key", metavar="FILE", type=Path, help="the public key of whoever must have signed it")
    whom.add_argument("--unverified", action="store_true", help="take it from whomever it is")
    bring.add_argument("--check", action="store_true", help="read it and see whether it is what was signed; no more")
    bring.add_argument("--follow-deletions", action="store_true", help="remove what was gone when the bundle was made, "
                       "too; it can be restored for days")  # fmt: skip
    bring.add_argument("--confirm-deletions", action="store_true", help="remove even more than half of a repository, "
                       "or of all of them")  # fmt: skip
    bring.add_argument("--at-once", type=int, default=4, metavar="N", help="images that come at a time [4]")
    for command in (export, bring):
        command.add_argument(
            "--repositories", metavar="PREFIX,…", default="", help="only those whose names begin so; all by default"
        )
        add_settings(command)
    key = add_command(commands, "export-key", _key, "print the public key to what `export` signs with")
    add_settings(key)


def _export(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.blobs.signatures import BadKey
    from holdfast.registry import exporting
    from holdfast.settings import BadSetting

    volume_bytes = _volume_bytes(options.volume_size)

    is_whole = True

    def export() -> None:
        nonlocal is_whole
        on, folder = backends(settings), options.folder
        wanted = exporting.Wanted(on.home, _prefixes(options), _since(options.since), options.sign, volume_bytes)
        if exporting.is_complete(folder):
            print(f"{folder} holds a whole bundle: there is nothing to do.")
            return
        with Progress() as progress:
            done = exporting.export(
                on, folder, wanted, lambda count, total: progress.begin("exporting", count, total),
                lambda size_bytes: progress.add(size_bytes=size_bytes),
            )  # fmt: skip
        registry.audit.close(on)
        bundle = done.bundle
        images = sum(len(one.images) for one in bundle.repositories)
        repositories = counted(len(bundle.repositories), "repository", "repositories")
        print(f"The bundle {bundle.id}{', which was gone on with,' if done.goes_on else ''} has "
              f"{repositories} with {counted(images, 'image')}.")  # fmt: skip
        print(f"{counted(len(bundle.parts), 'blob')} with {size(sum(bundle.parts.values()))} in it; "
              f"{len(bundle.known):,} more are known there.")  # fmt: skip
        for prefix in wanted.prefixes:
            if not any(one.name.startswith(prefix) for one in bundle.repositories):
                sys.stderr.write(f"holdfast: no repository's name begins with {printable(prefix)}: is that right?\n")
        is_whole = _told_faults(done.left_out, None)

    try:
        return refusals_as_text(export) or (0 if is_whole else 1)
    except (OSError, BadKey) as fault:
        raise BadSetting(f"{fault}. Run the same command again: it goes on from there") from None


def _import(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.blobs.signatures import BadKey
    from holdfast.registry import bundle_imports, shadows
    from holdfast.settings import BadSetting

    if not 1 <= options.at_once <= MOST_AT_ONCE:
        raise BadSetting(f"--at-once: 1 to {MOST_AT_ONCE}")
    is_whole = True

    def bring() -> None:
        nonlocal is_whole
        layout, bundle = bundle_imports.open_bundle(options.bundle, options.key)
        with Progress() as progress:
            progress.begin("checking" if options.check else "importing", len(bundle.parts), sum(bundle.parts.values()))
            if options.check:
                faults = list(bundle_imports.check(layout, bundle, progress.add_bytes))
                is_whole = _told_faults([("", fault) for fault in faults], bundle)
                return
            on = backends(settings)
            wanted = shadows.Wanted(
                on.home, _prefixes(options), options.follow_deletions, options.confirm_deletions, options.at_once
            )
            done = bundle_imports.bring(on, layout, bundle, wanted, print, progress.add_bytes)
            registry.audit.close(on)
        is_whole = _told(done)

    try:
        status = refusals_as_text(bring)
    except (OSError, BadKey) as fault:
        raise BadSetting(str(fault)) from None
    return status or (0 if is_whole else 1)


def _key(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast.blobs import signatures
    from holdfast.registry import exporting

    print(signatures.public_half(exporting.own_key(backends(settings))).decode(), end="")
    return 0


def _told(done: Pass) -> bool:
    print(pass_as_text(done))
    return _told_faults(done.faults, None)


def _told_faults(faults: list[tuple[str, str]], checked: Bundle | None) -> bool:
    for what, why in faults[:SHOWN]:
        sys.stderr.write(f"holdfast: {printable(f'{what}: {why}' if what else why)}\n")
    if faults:
        sys.stderr.write(f"holdfast: {counted(len(faults), 'thing was', 'things were')} left out.\n")
    elif checked is not None:
        print(f"The bundle {checked.id} is what was signed: {counted(len(checked.parts), 'blob')}.")
    return not faults


def _prefixes(options: argparse.Namespace) -> tuple[str, ...]:
    return tuple(filter(None, options.repositories.split(",")))


def _since(text: str | None) -> Bundle | datetime | None:
    from holdfast.model import instants
    from holdfast.registry import exporting

    if text is None:
        return None
    return instants.read(text) or exporting.read_bundle(Path(text))


def _volume_bytes(text: str | None) -> int | None:
    from holdfast.settings import BadSetting

    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,12})([KMGT]?)", text)
    count = int(found[1]) * UNITS[found[2]] if found else 0
    if count < SMALLEST_VOLUME:
        raise BadSetting(f"--volume-size {text}: a number of bytes such as 650M or 4G, and at least 64K")
    return count
