"""The audit log: check that it is whole, and look into it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, counted

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings

MOST_LINES = 1_000_000


def add(commands: Commands) -> None:
    """Add the commands of the audit log."""
    group = commands.add_parser("audit", help="the log of every call", description="The log of every call.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, help_ in (
        ("verify", _verify, "check that no line was altered, removed, inserted or moved, and that no file is missing"),
        ("list", _list, "print records, one JSON document a line, the newest last"),
    ):
        action = add_command(actions, name, run, help_)
        action.add_argument("--since", metavar="TIME", help="only what was written since, such as 2026-01-31 or "
                            "2026-01-31T12:00:00Z")  # fmt: skip
        if name == "list":
            action.add_argument("--request", metavar="ID", help="only of this request")
            action.add_argument("--principal", metavar="NAME", help="only of this principal: its ARN, its id, its "
                                "user name, the id of its key, or its account")  # fmt: skip
            action.add_argument("--event", metavar="NAME", help="only of this name, such as PutImage")
            action.add_argument("--limit", metavar="N", type=int, default=1000, help="only the newest so many [1000]")
        add_settings(action)


def _verify(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    files = lines = faults = 0
    on = backends(settings)
    for checked in registry.audit.verify(on, _since(options.since)):
        files += 1
        lines += checked.lines
        if checked.fault is not None:
            faults += 1
            print(f"BROKEN  {checked.file}  {checked.fault}", flush=True)
        else:
            remark = f"  {checked.remark}" if checked.remark else ""
            print(f"ok      {checked.file}  {counted(checked.lines, 'line')}{remark}", flush=True)
    if faults:
        at_fault = f"at fault: {faults:,} of {counted(files, 'file')}"
        sys.stderr.write(f"holdfast: the audit log is not what was written; {at_fault}\n")
        return 1
    print(f"All of {counted(files, 'file')} with {counted(lines, 'line')} is as it was written.")
    elsewhere = registry.audit.chains_elsewhere(on)
    if elsewhere:
        print(
            f"The database knows of {counted(elsewhere, 'chain')} more in other folders: verify on those nodes as well."
        )
    return 0


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    since = _since(options.since)
    wanted = registry.audit.Wanted(options.request, options.principal, options.event, since)
    limit = min(max(options.limit, 1), MOST_LINES)
    for line in registry.audit.find(backends(settings), wanted, limit):
        print(line.decode())
    return 0


def _since(text: str | None) -> datetime | None:
    from holdfast.settings import BadSetting

    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadSetting(f"--since {text}: it must be a date or a time, such as 2026-01-31T12:00:00Z") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
