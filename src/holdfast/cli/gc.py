"""Garbage collection: see how it stands, run it, confirm what surprised it, repair what it found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, counted, refusals_as_text

if TYPE_CHECKING:
    import argparse
    from typing import Any

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings

SHOWN = 20  # of each kind in a plan


def add(commands: Commands) -> None:
    """Add the commands of garbage collection."""
    group = commands.add_parser("gc", help="garbage collection", description="Garbage collection.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, help_ in (
        ("status", _status, "tell how it stands: what waits, what is halted, and what the last runs did"),
        ("plan", _plan, "tell what a run would do now; nothing is changed"),
        ("run", _run, "do now what is due, instead of within the hour"),
        ("confirm", _confirm, "let happen what was a surprise"),
        ("repair", _repair, "link quarantined blobs again that images need"),
        ("orphans", _orphans, "compare the blob store with the database, both ways"),
    ):
        action = add_command(actions, name, run, help_)
        if name in {"status", "plan", "run", "orphans"}:
            action.add_argument("--json", action="store_true", help="print JSON")
        if name == "orphans":
            action.add_argument("--delete-unknown", action="store_true", help="delete objects that no row knows")
        add_settings(action)


def _status(settings: Settings, options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from holdfast import registry

    on = backends(settings)
    found = registry.garbage.status(on)
    if options.json:
        print(json.dumps(asdict(found), default=str))
        return 0
    figures = found.figures
    if not on.limits.collects_garbage:
        print("Garbage collection is off: --gc on lets it run.")
    if found.halt is not None:
        state = "confirmed, and goes on" if found.halt.is_confirmed else "halted"
        print(f"It is {state} since {found.halt.halted_at:%Y-%m-%d %H:%M}: {found.halt.reason}.")
    since = f", the first since {figures.due_since:%Y-%m-%d %H:%M}" if figures.due_since else ""
    print(f"{figures.candidates:>10,} layers to look at{since}")
    print(f"{figures.quarantined:>10,} layers in quarantine, for {on.limits.quarantine.days} days")
    print(f"{figures.doomed:>10,} objects whose bytes are still to be deleted")
    for one in found.runs:
        print(f"\nRun {one['id']} of {one['started_at']:%Y-%m-%d %H:%M}:")
        _print_tally(one["outcome"])
    return 0


def _print_tally(outcome: dict[str, Any]) -> None:
    print(f"  {counted(outcome['needed'], 'layer is', 'layers are')} needed, "
          f"{outcome['quarantined']:,} went into quarantine.")  # fmt: skip
    freed = counted(outcome["freed_objects"], "object"), counted(outcome["freed_bytes"], "byte")
    print(f"  {counted(outcome['blobs'], 'blob')} of {counted(outcome['expected_bytes'], 'byte')} went; "
          f"{' of '.join(freed)} deleted.")  # fmt: skip
    for key, fault in outcome["failures"].items():
        print(f"  The object {key} cannot be deleted and is tried again: {fault}")
    if outcome["halted"]:
        print(f"  Halted: {outcome['halted']}.")
    elif outcome["more"]:
        print("  There is more, for the next run.")


def _plan(settings: Settings, options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from holdfast import registry

    found = registry.garbage.plan(backends(settings))
    if options.json:
        print(json.dumps(asdict(found), default=str))
        return 0
    for title, items in (("Into quarantine", found.unneeded), ("Out of quarantine, to be deleted", found.expired)):
        print(f"{title}: {len(items):,}")
        for one in items[:SHOWN]:
            print(f"  {one.digest}  repository {one.repository_id}")
        if len(items) > SHOWN:
            print(f"  and {len(items) - SHOWN:,} more")
    print(f"Needed after all: {len(found.needed):,}")
    return 0


def _run(settings: Settings, options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from holdfast import registry

    tally = registry.garbage.run(backends(settings))
    if options.json:
        print(json.dumps(asdict(tally), default=str))
    else:
        _print_tally(asdict(tally))
    return 1 if tally.halted else 0


def _confirm(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry

    def confirm() -> None:
        halt = registry.garbage.confirm(backends(settings))
        print(f"Confirmed: {counted(halt.planned, 'link')} may go, within the hour or by `holdfast gc run`.")

    return refusals_as_text(confirm)


def _repair(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry

    linked = registry.garbage.repair(backends(settings))
    print(f"{counted(linked, 'layer is', 'layers are')} linked again.")
    return 0


def _orphans(settings: Settings, options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from holdfast import registry

    def compare() -> None:
        found = registry.orphans.compare(backends(settings), delete_unknown=options.delete_unknown)
        if options.json:
            print(json.dumps(asdict(found), default=str))
            return
        for key in found.missing:
            print(f"missing  {key}  the database knows it, and the store does not have it")
        for key in found.unknown:
            print(f"unknown  {key}  {'deleted' if options.delete_unknown else 'the database does not know it'}")
        compared = counted(found.compared, "object")
        print(f"{compared} compared: {len(found.missing):,} missing, {len(found.unknown):,} unknown.")
        if found.missing:
            print("Restore what is missing from a backup, or push it again: a push of the same bytes heals it.")
        if found.unknown and not options.delete_unknown:
            print("Unknown ones cost space only; --delete-unknown deletes them.")

    return refusals_as_text(compare)
