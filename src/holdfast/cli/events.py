"""Events: what happened, what happens, and what could not be told."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from holdfast.cli import event_targets
from holdfast.cli.ground import add_command, add_settings, backends, counted, printable, refusals_as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings

PAGE = 1000


def add(commands: Commands) -> None:
    """Add the commands of events."""
    group = commands.add_parser("events", help="what happened", description="What happened, and who is told.")
    group.set_defaults(run=lambda *_: _nothing_said(group))
    actions = group.add_subparsers(dest="action", metavar="ACTION")
    help_ = "list the events of the last days, one JSON document a line"
    action = add_command(actions, "list", _list, help_)
    action.add_argument("--after", metavar="NUMBER", type=int, default=0, help="only those after this one")
    add_settings(action)
    follow = add_command(actions, "follow", _follow, "print events as they happen, one JSON document a line")
    _describe_follow(follow)
    group.add_argument("--follow", nargs=argparse.REMAINDER, action=_Shorthand, parser=follow,
                       help="the same as `holdfast events follow`")  # fmt: skip
    dead = add_command(actions, "dead", _dead, "list the events that a target did not get, one JSON document a line")
    replay = add_command(actions, "replay", _replay, "tell a target its dead letters once more, or what happened since")
    replay.add_argument("--id", metavar="NUMBER", type=int, help="only this dead letter")
    replay.add_argument("--since", metavar="TIME", help="everything since, such as 2026-11-28T12:00:00Z")
    forget = add_command(actions, "forget", _forget, "forget what a target did not get")
    forget.add_argument("--id", metavar="NUMBER", type=int, help="only this dead letter")
    for one in (dead, replay, forget):
        one.add_argument("name", metavar="NAME", help="name of the target")
        event_targets.add_scope(one)
        add_settings(one)
    event_targets.add(actions)


class _Shorthand(argparse.Action):
    """Lets a flag stand for a command of the same group, with all that comes after it."""

    def __init__(self, *, parser: argparse.ArgumentParser, **rest: Any) -> None:
        super().__init__(**rest)
        self._parser = parser

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        _option: str | None = None,
    ) -> None:
        del namespace.run
        self._parser.parse_args(list(values or ()), namespace)


def _nothing_said(group: argparse.ArgumentParser) -> int:
    group.print_help()
    return 2


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    on, after = backends(settings), options.after
    while page := registry.events.page(on, after, PAGE):
        for told in page:
            print(json.dumps({"number": told.number, **told.envelope}))
        after = page[-1].number
    return 0


def _describe_follow(action: argparse.ArgumentParser) -> None:
    action.add_argument("--after", metavar="NUMBER", type=int, help="begin after this one, instead of now")
    action.add_argument("--pattern", metavar="JSON", help="only those that match this event pattern")
    action.add_argument("--pulls", action="store_true", help="pulls too, where a target wants them")
    action.add_argument("--url", metavar="URL", help="address of the registry [that of --listen]")
    action.add_argument("--password-stdin", action="store_true", help="take a login password from the standard input, "
                        "as docker does [that of the root of --account, from DIR]")  # fmt: skip
    action.add_argument(
        "--ca-file", metavar="FILE", help="certificate of a private CA [DIR/tls/ca.crt, if there is one]"
    )
    add_settings(action)


def _follow(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast.cli.following import Cut, Follower, Refused

    password = sys.stdin.read().strip() if options.password_stdin else None
    follower = Follower(settings, options.url, options.ca_file, password)
    after, complaint = options.after, ""
    while True:
        try:
            for number, event in follower.events(after, pattern=options.pattern, pulls=options.pulls):
                after, complaint = number, ""
                if event is not None:
                    print(json.dumps({"number": number, **event}), flush=True)
        except Refused as refusal:
            sys.stderr.write(f"holdfast: {printable(str(refusal))}\n")
            return 1
        except Cut as fault:
            if str(fault) != complaint:
                complaint = str(fault)
                where = "" if options.url or after is not None else " (or say --url, if it is served elsewhere)"
                sys.stderr.write(f"holdfast: {printable(complaint)}; trying again{where}\n")
            follower.rest()
        except BrokenPipeError:  # whoever read this has seen enough
            sys.stderr.close()
            return 0


def _dead(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def dead() -> None:
        on, after, more = backends(settings), 0, True
        while more:
            found, more = registry.event_targets.dead_letters(
                on, event_targets.scope(settings, options), options.name, after, PAGE
            )
            for one in found:
                told = {"id": one.id, "reason": one.reason, "attempts": one.attempts, "died_at": str(one.died_at)}
                print(json.dumps({**told, "event": one.envelope}))
                after = one.id

    return refusals_as_text(dead)


def _forget(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def forget() -> None:
        scope = event_targets.scope(settings, options)
        count = registry.event_targets.forget_dead(backends(settings), scope, options.name, options.id)
        forgotten = f"{counted(count, 'dead letter is', 'dead letters are')} forgotten."
        print(forgotten if count else f"{options.name} has no dead letters.")

    return refusals_as_text(forget)


def _replay(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model import instants
    from holdfast.settings import BadSetting

    since = instants.read(options.since) if options.since else None
    if options.since and since is None:
        raise BadSetting("--since: it must be a time such as 2026-11-28T12:00:00Z")
    if since is not None and options.id is not None:
        raise BadSetting("--since and --id cannot be used together")

    def replay() -> None:
        on, scope = backends(settings), event_targets.scope(settings, options)
        if since is not None:
            first = registry.event_targets.replay_since(on, scope, options.name, since)
            print(f"{options.name} is told again what happened since {first:%Y-%m-%d %H:%M:%S}." if first
                  else "Nothing that is kept happened since then.")  # fmt: skip
            return
        count = registry.event_targets.replay_dead(on, scope, options.name, options.id)
        again = f"{counted(count, 'dead letter is', 'dead letters are')} tried once more."
        print(again if count else f"{options.name} has no dead letters.")

    return refusals_as_text(replay)
