"""Accounts and their access keys."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from holdfast.cli import guardrails
from holdfast.cli.ground import add_command, add_settings, backends, counted, refusals_as_text

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings


def add(commands: Commands) -> None:
    """Add the commands of accounts."""
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
        ("rotate-login-keys", _rotate_login_keys, "make new keys for login tokens and temporary credentials", ()),
    ):
        action = add_command(actions, name, run, help_)
        for argument in positional:
            action.add_argument(argument, metavar=argument.upper().replace("_", "-"))
        if name == "create-key":
            action.add_argument("--description", default="", help="what the key is for")
        if name == "rotate-login-keys":
            action.add_argument("--revoke", action="store_true", help="end all logins and sessions of before at once")
        add_settings(action)
    guardrails.add_to(actions)


def _create_account(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def create() -> None:
        made = registry.accounts.create(backends(settings), options.account_id)
        print(f"Account {options.account_id} {'is made' if made else 'exists already'}.")
        print(f"Next: holdfast account create-key {options.account_id}")

    return refusals_as_text(create)


def _list_accounts(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry

    for account_id, keys in registry.accounts.list_accounts(backends(settings)):
        print(f"{account_id}  {counted(keys, 'access key')}")
    return 0


def _create_key(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def create() -> None:
        key, secret = registry.accounts.create_key(backends(settings), options.account_id, options.description)
        print(f"[default]\naws_access_key_id = {key.id}\naws_secret_access_key = {secret}")
        sys.stderr.write("The secret is not shown again. The lines above are a credentials file for aws and boto3.\n")

    return refusals_as_text(create)


def _list_keys(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry

    for key in registry.accounts.list_keys(backends(settings)):
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
        registry.accounts.set_key_active(backends(settings), key_id, is_active=is_active)
        print(f"The key {key_id} is {'active' if is_active else 'disabled'}.")

    return refusals_as_text(change)


def _delete_key(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def delete() -> None:
        registry.accounts.delete_key(backends(settings), options.key_id)
        print(f"The key {options.key_id} is forgotten.")

    return refusals_as_text(delete)


def _rotate_login_keys(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def rotate() -> None:
        registry.login_keys.rotate(backends(settings), revoke=options.revoke)
        print("Login tokens and temporary credentials are made with new keys from now on, on every worker.")
        if options.revoke:
            print("Those of before are worthless: docker, nodes and jobs have to log in again.")
        else:
            print("Those of before hold until they expire, 12 hours at most for logins and 36 for sessions;")
            print("with --revoke they end at once.")

    return refusals_as_text(rotate)
