"""What nobody of an account may do, whoever allows it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, refusals_as_text

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings


def add_to(actions: Commands) -> None:
    """Add the commands of guardrails to those of accounts."""
    for name, run, help_, positional in (
        ("put-guardrail", _put, "bound what an account may do, its root too, by a service control policy",
         ("level", "name", "file")),
        ("list-guardrails", _list, "list guardrails", ()),
        ("show-guardrail", _show, "print the policy of a guardrail", ("level", "name")),
        ("delete-guardrail", _delete, "take a guardrail away", ("level", "name")),
    ):  # fmt: skip
        action = add_command(actions, name, run, help_)
        if "level" in positional:
            action.add_argument("level", metavar="ACCOUNT-ID|all", help="whom it binds")
            action.add_argument("name", metavar="NAME", help="what it is called; FullAWSAccess is AWS's own")
        if "file" in positional:
            action.add_argument("file", metavar="FILE", nargs="?", help="the policy in JSON; - is the standard input")
        add_settings(action)


def _put(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.guardrails import FULL_ACCESS, whom

    try:
        text = None if options.file is None else _read(options.file)
    except (OSError, UnicodeDecodeError) as fault:
        sys.stderr.write(f"holdfast: {options.file}: {getattr(fault, 'strerror', None) or 'it is no text'}\n")
        return 1

    def put() -> None:
        is_first = registry.guardrails.put(backends(settings), options.level, options.name, text)
        print(f"{options.name} binds {whom(options.level)} from now on, roots too.")
        if is_first:
            print(f"{FULL_ACCESS} stands beside it, so what it does not deny stays as it was. For a list of Allows:")
            print(f"  holdfast account delete-guardrail {options.level} {FULL_ACCESS}")

    return refusals_as_text(put)


def _read(file: str) -> str:
    return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")


def _list(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry

    for one in registry.guardrails.list_all(backends(settings)):
        print(f"{one.level:<12}  {one.created_at:%Y-%m-%d %H:%M}  {one.name}")
    return 0


def _show(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    return refusals_as_text(
        lambda: print(registry.guardrails.get(backends(settings), options.level, options.name).document)
    )


def _delete(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.guardrails import whom

    def delete() -> None:
        registry.guardrails.remove(backends(settings), options.level, options.name)
        print(f"{options.name} binds {whom(options.level)} no more.")

    return refusals_as_text(delete)
