"""Advisories: fetch them, import them, carry them to where there is no network, and see what is known."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, counted, refusals_as_text
from holdfast.cli.progress import Progress, size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from holdfast.cli.ground import Commands
    from holdfast.registry import Backends
    from holdfast.registry.advisories import Given, Imported
    from holdfast.registry.advisory_files import Folder, Wanted
    from holdfast.settings import Settings

NOTHING_WANTED = "Nothing is fetched unless it is wanted: say --advisory-feeds, such as debian,osv/npm,kev.\n"


def add(commands: Commands) -> None:
    """Add the commands of advisories."""
    group = commands.add_parser("advisories", help="advisories of vulnerabilities",
                                description="Advisories of vulnerabilities.")  # fmt: skip
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, help_ in (
        ("pull", _pull, "fetch the feeds of --advisory-feeds and import what is new"),
        ("import", _import, "import a bundle, or a file of one feed"),
        ("bundle", _bundle, "fetch the feeds and pack them into a bundle for a registry without a network"),
        ("status", _status, "tell which feeds there are, how old they are, and on which terms they are used"),
    ):
        action = add_command(actions, name, run, help_)
        if name in {"import", "bundle"}:
            action.add_argument("file", metavar="FILE", type=Path, help="such as advisories.tar.gz")
        if name in {"import", "pull"}:
            action.add_argument("--force", action="store_true", help="import what is older than what counts, too")
        if name == "import":
            action.add_argument("--feed", metavar="NAME", help="the file is no bundle but of this feed, as its server "
                                "has it, such as osv/npm")  # fmt: skip
            action.add_argument("--verify", metavar="KEY", type=Path, help="refuse a bundle that the private half of "
                                "this Ed25519 key did not sign")  # fmt: skip
        if name == "bundle":
            action.add_argument("--sign", metavar="KEY", type=Path, help="sign it with this Ed25519 key")
        if name == "status":
            action.add_argument("--json", action="store_true", help="print JSON")
        add_settings(action)


def _pull(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast.model.errors import Refusal
    from holdfast.registry import advisory_files

    if not settings.advisory_feeds:
        sys.stderr.write(NOTHING_WANTED)
        return 2
    on = backends(settings)
    folder, wanted = _folder(settings)
    fetched, status = _fetch(settings, folder, wanted)
    for one in fetched:
        found = folder.find(one.source)
        if found is None or _counts(on, one.source.name, found.sha256):
            print(f"{one.source.name}: nothing new")
            continue
        try:
            with folder.path_of(one.source).open("rb") as file:
                _load(settings, on, [advisory_files.given(one.source, file, found)], force=options.force)
        except Refusal as refusal:  # one feed that is bad does not keep the others out
            sys.stderr.write(f"holdfast: {refusal.message}\n")
            status = 1
    return status


def _import(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import boot
    from holdfast.blobs.signatures import BadKey
    from holdfast.model import feed_sources
    from holdfast.registry import advisory_files
    from holdfast.settings import BadSetting

    def load() -> None:
        on = backends(settings)
        with options.file.open("rb") as file:
            if options.feed is not None:
                source = feed_sources.find(options.feed)
                if source is None:
                    raise BadSetting(f"--feed: there is no '{options.feed}'; there are {feed_sources.shown()}")
                known = advisory_files.provenance_of(source, file, options.file, datetime.now(UTC))
                _load(settings, on, [advisory_files.given(source, file, known)], force=options.force)
                return
            spool = boot.advisory_folder(settings)
            spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            with advisory_files.unpacked(file, spool, options.verify) as found:
                _load(settings, on, found, force=options.force)

    try:
        return refusals_as_text(load)
    except (OSError, BadKey) as fault:
        raise BadSetting(str(fault)) from None


def _bundle(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast.blobs.signatures import BadKey
    from holdfast.registry import advisory_files
    from holdfast.settings import BadSetting

    if not settings.advisory_feeds:
        sys.stderr.write(NOTHING_WANTED)
        return 2
    folder, wanted = _folder(settings)
    _, status = _fetch(settings, folder, wanted)

    def pack() -> None:
        sources = [one.source for one in wanted]
        manifest = advisory_files.pack(folder, sources, options.file, datetime.now(UTC), options.sign)
        for one in manifest.files:
            print(f"{one.name:<24} {one.as_of:%Y-%m-%d %H:%M}  {size(one.size_bytes):>10}  {one.licence}")
        print(f"{options.file}: {size(options.file.stat().st_size)}. `holdfast advisories import` takes it.")

    try:
        return refusals_as_text(pack) or status
    except (OSError, BadKey) as fault:
        raise BadSetting(str(fault)) from None


def _status(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    found = registry.advisories.status(backends(settings))
    if options.json:
        rows = [
            {"name": feed.name, "as_of": feed.as_of, "imported_at": feed.imported_at, "advisories": count,
             "is_importing": feed.loading is not None, **feed.details}
            for feed, count in found
        ]  # fmt: skip
        print(json.dumps(rows, default=str))
        return 0
    for feed, _ in found:
        if feed.as_of is None:
            print(f"{feed.name:<24} nothing counts yet")
            continue
        print(f"{feed.name:<24} of {feed.as_of:%Y-%m-%d %H:%M}  {feed.details['records']:>8,} records")
        print(f"{'':<24} {feed.details['attribution']}; terms: {feed.details['licence']}")
        if feed.details["problems"]:
            print(f"{'':<24} {counted(feed.details['problems'], 'record')} could not be read")
    if not found:
        print("There are no advisories. `holdfast advisories pull` fetches them, `import` takes a bundle.")
    return 0


def _folder(settings: Settings) -> tuple[Folder, list[Wanted]]:
    from holdfast import boot
    from holdfast.registry import advisory_files

    wanted = [advisory_files.Wanted(source, url) for source, url in settings.advisory_feeds]
    return advisory_files.Folder(boot.advisory_folder(settings)), wanted


def _fetch(settings: Settings, folder: Folder, wanted: Sequence[Wanted]) -> tuple[list[Wanted], int]:
    """Fetch what is new; what was fetched or is there, and the exit status."""
    from holdfast import boot
    from holdfast.outbound import Unreachable

    downloader = boot.open_downloader(settings)
    there, status = [], 0
    with Progress() as progress:
        for one in wanted:
            try:
                folder.fetch(one, downloader, progress, datetime.now(UTC))
            except Unreachable as fault:
                progress.clear()
                sys.stderr.write(f"holdfast: {one.source.name} was not fetched: {fault}\n")
                status = 1
            else:
                there.append(one)
    return there, status


def _counts(on: Backends, name: str, sha256: str) -> bool:
    """Whether a file is the one that was imported last."""
    from holdfast import registry

    feed = registry.advisories.find(on, name)
    return feed is not None and feed.details.get("sha256") == sha256


def _load(settings: Settings, on: Backends, given: Sequence[Given], *, force: bool) -> None:
    from holdfast import registry

    with Progress() as progress:
        done = registry.advisories.load(on, given, progress, force=force, malware=settings.advisory_malware)
    for one in done:
        _tell(one)


def _tell(one: Imported) -> None:
    print(f"{one.name}: {counted(one.records, 'record')}, {one.changed:,} new or changed, {one.closed:,} closed")
    if one.problems.count:
        unread = counted(one.problems.count, "record cannot be read and was", "records cannot be read and were")
        sys.stderr.write(f"holdfast: {one.name}: {unread} left out:\n")
        for line in one.problems.told[:5]:
            sys.stderr.write(f"  {line}\n")
