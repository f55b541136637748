"""Events: what happened, as EventBridge would hand it on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings

PAGE = 1000


def add(commands: Commands) -> None:
    """Add the commands of events."""
    group = commands.add_parser("events", help="what happened", description="What happened.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    help_ = "list the events of the last days, one JSON document a line"
    action = add_command(actions, "list", _list, help_)
    action.add_argument("--after", metavar="NUMBER", type=int, default=0, help="only those after this one")
    add_settings(action)


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    on, after = backends(settings), options.after
    while page := registry.events.page(on, after, PAGE):
        for told in page:
            print(json.dumps({"number": told.number, **told.envelope}))
        after = page[-1].number
    return 0
