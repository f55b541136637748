"""Background work: see it, stop it, try it again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, refusals_as_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from holdfast.cli.ground import Commands
    from holdfast.model.work import Item
    from holdfast.registry import Backends
    from holdfast.settings import Settings

PAGE = 1000


def add(commands: Commands) -> None:
    """Add the commands of work."""
    group = commands.add_parser("work", help="background work", description="Background work.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, help_ in (
        ("list", _list, "list what is still to be done, and what was given up"),
        ("show", _show, "show an item whole, as JSON"),
        ("cancel", _cancel, "ask that an item be stopped"),
        ("retry", _retry, "let an item that waits, or was given up, be done now"),
        ("forget", _forget, "forget an item that was given up"),
    ):
        action = add_command(actions, name, run, help_)
        if name != "list":
            action.add_argument("item_id", metavar="NUMBER", type=int)
        add_settings(action)


def _list(settings: Settings, _options: argparse.Namespace) -> int:
    for item in _items(backends(settings)):
        due = f"{item.due_at:%Y-%m-%d %H:%M:%S}" if item.due_at and item.owner is None else ""
        print(f"{item.id:>8}  {item.state:<8}  {due:<19}  {item.kind} {item.key}".rstrip())
        if item.progress:
            print(f"{'':>10}progress: {json.dumps(item.progress)}")
        if item.error:
            print(f"{'':>10}attempt {item.attempts} failed: {item.error}")
    return 0


def _items(on: Backends) -> Iterator[Item]:
    from holdfast import registry

    after = 0
    while page := registry.work.page(on, after, PAGE):
        yield from page
        after = page[-1].id


def _show(settings: Settings, options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from holdfast import registry

    def show() -> None:
        item = registry.work.get(backends(settings), options.item_id)
        print(json.dumps({"state": item.state, **asdict(item)}, indent=2, default=str))

    return refusals_as_text(show)


def _cancel(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def cancel() -> None:
        registry.work.cancel(backends(settings), options.item_id)
        print(f"Work {options.item_id} stops at its next step.")

    return refusals_as_text(cancel)


def _retry(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def retry() -> None:
        registry.work.retry(backends(settings), options.item_id)
        print(f"Work {options.item_id} is done as soon as a process is free.")

    return refusals_as_text(retry)


def _forget(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def forget() -> None:
        registry.work.forget(backends(settings), options.item_id)
        print(f"Work {options.item_id} is forgotten.")

    return refusals_as_text(forget)
