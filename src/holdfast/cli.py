"""The command line: serve · worker · migrate · check · account."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING

from holdfast import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast import registry
    from holdfast.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    from holdfast.settings import BadSetting, read

    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        settings = read(vars(options))
        logging.basicConfig(
            level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
        )
        logging.getLogger("alembic").setLevel(logging.WARNING)
        status: int = options.run(settings, options)
    except BadSetting as fault:
        sys.stderr.write(f"holdfast: {fault}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast", description="An Amazon ECR that anyone can run.")
    parser.add_argument("--version", action="version", version=f"holdfast {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, run, help_ in (
        ("serve", _serve, "serve the ECR API and the registry"),
        ("worker", _worker, "do background work only"),
        ("migrate", _migrate, "bring the database to this program's schema"),
        ("check", _check, "try the settings and every part behind them"),
    ):
        command = commands.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
        _add_settings(command)
        command.set_defaults(run=run)
    _add_account(commands)
    return parser


def _add_settings(command: argparse.ArgumentParser) -> None:
    from holdfast.settings import CHOICES

    for choice in CHOICES:
        if not choice.flag:
            continue
        flag = f"--{choice.name.replace('_', '-')}"
        default = f" [{choice.default}]" if choice.default and not choice.switch else ""
        help_ = f"{choice.help}{default} ({choice.variable})".replace("%", "%%")
        if choice.switch:
            command.add_argument(flag, dest=choice.name, action="store_const", const="true", help=help_)
        elif choice.name == "listen":
            command.add_argument(flag, dest=choice.name, action=_Repeat, metavar=choice.placeholder, help=help_)
        else:
            command.add_argument(flag, dest=choice.name, metavar=choice.placeholder, help=help_)


class _Repeat(argparse.Action):
    """Collects a repeated flag as one text with commas."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        _option: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, f"{before},{values}" if before else values)


def _add_account(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    account = commands.add_parser("account", help="accounts and their access keys", description="Accounts and keys.")
    actions = account.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, help_, positional in (
        ("create", _create_account, "make an account", ("account_id",)),
        ("list", _list_accounts, "list accounts", ()),
        ("create-key", _create_key, "make an access key; its secret is shown once", ("account_id",)),
        ("list-keys", _list_keys, "list access keys", ()),
        ("disable-key", _disable_key, "refuse a key, and logins made with it, from now on", ("key_id",)),
        ("enable-key", _enable_key, "accept a disabled key again", ("key_id",)),
        ("delete-key", _delete_key, "forget a key, and logins made with it, for good", ("key_id",)),
    ):
        action = actions.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
        for argument in positional:
            action.add_argument(argument, metavar=argument.upper().replace("_", "-"))
        if name == "create-key":
            action.add_argument("--description", default="", help="what the key is for")
        _add_settings(action)
        action.set_defaults(run=run)


def _serve(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import boot

    return boot.serve(settings)


def _worker(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import boot

    return boot.work(settings)


def _migrate(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import boot
    from holdfast.settings import BadSetting
    from holdfast.store.migrations import SchemaTooNew, migrate

    try:
        steps = migrate(boot.open_backends(settings).database)
    except SchemaTooNew as fault:
        raise BadSetting(str(fault)) from None
    for step in steps:
        print(f"migrated: {step}")
    print("The database has this program's schema.")
    return 0


def _check(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import boot

    results = boot.check(settings)
    for part, fault in results:
        print(f"{part:<14} {'ok' if fault is None else fault}")
    return 0 if all(fault is None for _, fault in results) else 1


def _backends(settings: Settings) -> registry.Backends:
    from holdfast import boot

    return boot.open_existing(settings)


def _create_account(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def create() -> None:
        made = registry.accounts.create(_backends(settings), options.account_id)
        print(f"Account {options.account_id} {'is made' if made else 'exists already'}.")
        print(f"Next: holdfast account create-key {options.account_id}")

    return _refusals_as_text(create)


def _list_accounts(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry

    for account_id, keys in registry.accounts.list_accounts(_backends(settings)):
        print(f"{account_id}  {keys} access key{'s' if keys != 1 else ''}")
    return 0


def _create_key(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def create() -> None:
        key, secret = registry.accounts.create_key(_backends(settings), options.account_id, options.description)
        print(f"[default]\naws_access_key_id = {key.id}\naws_secret_access_key = {secret}")
        sys.stderr.write("The secret is not shown again. The lines above are a credentials file for aws and boto3.\n")

    return _refusals_as_text(create)


def _list_keys(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry

    for key in registry.accounts.list_keys(_backends(settings)):
        state = "active  " if key.is_active else "disabled"
        print(f"{key.account_id}  {key.id:<20}  {state}  {key.created_at:%Y-%m-%d %H:%M}  {key.description}")
    return 0


def _disable_key(settings: Settings, options: argparse.Namespace) -> int:
    return _change_key(settings, options.key_id, is_active=False)


def _enable_key(settings: Settings, options: argparse.Namespace) -> int:
    return _change_key(settings, options.key_id, is_active=True)


def _change_key(settings: Settings, key_id: str, *, is_active: bool) -> int:
    from holdfast import registry

    def change() -> None:
        registry.accounts.set_key_active(_backends(settings), key_id, is_active=is_active)
        print(f"The key {key_id} is {'active' if is_active else 'disabled'}.")

    return _refusals_as_text(change)


def _delete_key(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def delete() -> None:
        registry.accounts.delete_key(_backends(settings), options.key_id)
        print(f"The key {options.key_id} is forgotten.")

    return _refusals_as_text(delete)


def _refusals_as_text(do: Callable[[], None]) -> int:
    from holdfast.model.errors import Refusal

    try:
        do()
    except Refusal as refusal:
        sys.stderr.write(f"holdfast: {refusal.message}\n")
        return 1
    return 0
