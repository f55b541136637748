"""The keys that wrap all other keys."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, counted, refusals_as_text
from holdfast.cli.progress import Progress
from holdfast.model.kms import OWN

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings


def add(commands: Commands) -> None:
    """Add the commands of keys."""
    group = commands.add_parser("kms", help="the keys that wrap all other keys", description="Keys.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, help_ in (
        ("status", _status, "show the versions of the registry's key, and how much is wrapped under each"),
        ("rotate", _rotate, "add a version, under which everything is wrapped from now on"),
        ("rewrap", _rewrap, "bring what is wrapped under older versions under the newest one"),
        ("retire", _retire, "remove an old version under which nothing is wrapped any more"),
        ("move", _move, "put the registry's own key into a key service, or into a key file"),
        ("create-key", _create_key, "make a key that repositories may name in encryptionConfiguration"),
        ("list-keys", _list_keys, "list the keys that repositories may name"),
        ("disable-key", _disable_key, "let nobody push or pull what lies under a key, from now on"),
        ("enable-key", _enable_key, "let a disabled key be used again"),
    ):
        action = add_command(actions, name, run, help_)
        if name == "retire":
            action.add_argument("version", metavar="VERSION", type=int)
        if name == "move":
            action.add_argument("to", metavar="local|URL", help="as --keys would say it")
        if name in {"disable-key", "enable-key"}:
            action.add_argument("arn", metavar="ARN")
        if name == "create-key":
            action.add_argument("--alias", metavar="alias/NAME", help="another name for it")
            action.add_argument("--description", default="", help="what the key is for")
        if name in {"rotate", "retire"}:
            action.add_argument("--key", metavar="ARN", help="a key that repositories name [the registry's own]")
        if name == "rewrap":
            action.add_argument("--later", action="store_true", help="leave it to background work")
        add_settings(action)


def _status(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry

    def show() -> None:
        for scope in registry.kms.status(backends(settings)):
            print("The registry's own key" if scope.name == OWN else scope.name)
            if scope.refusal:
                print(f"  not to be used: {scope.refusal}")
            for one in scope.versions:
                mark = "newest" if one.is_newest else ""
                what = counted(one.objects, "object")
                if scope.name == OWN:
                    what += f", {counted(one.secrets, 'secret')}"
                print(f"  version {one.number:<4}  {one.made_at:%Y-%m-%d %H:%M}  {mark:<6}  {what}")
            if scope.untold_objects:
                untold = counted(scope.untold_objects, "object")
                print(f"  {untold} of an older program, for `holdfast kms rewrap` to look at")

    return refusals_as_text(show)


def _rotate(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def rotate() -> None:
        on = backends(settings)
        for scope in registry.kms.scopes_of(on, options.key):
            version = registry.kms.rotate(on, scope)
            if scope == OWN and on.keys.file is not None:
                print(f"Version {version} wraps everything from now on; running servers know it already.")
                print(f"Next: copy {on.keys.file.path} to where its backup is, then holdfast kms rewrap")
            else:
                print(f"{scope}: version {version} wraps everything within five minutes.")
                print("Next: holdfast kms rewrap")

    return refusals_as_text(rotate)


def _rewrap(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def rewrap() -> None:
        on = backends(settings)
        if options.later:
            registry.rewraps.want(on)
            print("It is done in the background; `holdfast work list` shows how far it is.")
            return
        try:
            with Progress() as progress:
                progress.begin("rewrapping", 0)
                tally = registry.rewraps.run(on, lambda _tx, tally: progress.reach(tally.done, tally.total))
        except KeyboardInterrupt:
            print("Stopped. Nothing is lost, and the next `holdfast kms rewrap` goes on from here.")
            raise
        print(f"{counted(tally.done, 'object')} and all secrets are under the newest versions.")
        for scope in tally.refused:
            print(f"Left alone, since its key is not to be used: {scope}")
        if tally.unreadable:
            unreadable = counted(tally.unreadable, "object is", "objects are")
            print(f"{unreadable} unreadable: wrapped keys are missing or damaged.")

    return refusals_as_text(rewrap)


def _retire(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def retire() -> None:
        on = backends(settings)
        for scope in registry.kms.scopes_of(on, options.key):
            registry.kms.retire(on, options.version, scope)
        print(f"Version {options.version} is gone. Backups from before the last rewrap need the keys of their time:")
        print("keep those keys with them.")

    return refusals_as_text(retire)


def _create_key(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def create() -> None:
        on = backends(settings)
        key = registry.kms_keys.create(on, on.home, options.description, options.alias)
        print(key.arn)
        sys.stderr.write(
            "Next: aws ecr create-repository --repository-name NAME "
            f"--encryption-configuration encryptionType=KMS,kmsKey={options.alias or key.arn}\n"
        )

    return refusals_as_text(create)


def _list_keys(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry

    for key, aliases in registry.kms_keys.list_all(backends(settings)):
        state = "enabled " if key.is_enabled else "disabled"
        print("  ".join((key.arn, state, *aliases, key.description)).rstrip())
    return 0


def _disable_key(settings: Settings, options: argparse.Namespace) -> int:
    return _change_key(settings, options.arn, is_enabled=False)


def _enable_key(settings: Settings, options: argparse.Namespace) -> int:
    return _change_key(settings, options.arn, is_enabled=True)


def _change_key(settings: Settings, arn: str, *, is_enabled: bool) -> int:
    from holdfast import registry

    def change() -> None:
        registry.kms_keys.set_enabled(backends(settings), arn, is_enabled=is_enabled)
        print(f"The key {arn} is {'enabled' if is_enabled else 'disabled; nothing under it is lost'}.")

    return refusals_as_text(change)


def _move(settings: Settings, options: argparse.Namespace) -> int:
    from dataclasses import replace

    from holdfast import boot, registry
    from holdfast.model import key_urls
    from holdfast.settings import BadSetting

    try:
        target = replace(settings, keys=key_urls.parse(options.to))
    except ValueError as fault:
        raise BadSetting(f"{options.to}: {fault}") from None
    service = None if target.keys is None else boot.open_key_service(target)
    try:
        registry.kms.move(backends(settings), service, boot.key_file_path(settings))
    except registry.kms.KeysElsewhere as fault:
        raise BadSetting(str(fault)) from None
    print(f"The registry's own keys are in {options.to} now. Restart every server with --keys {options.to}")
    if service is not None:
        print(f"Then keep a copy of {boot.key_file_path(settings)} in a safe place, and remove it here.")
    return 0
