"""Replication: see how it stands, and whether copies agree with what they are copies of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from holdfast.cli import replication_peers, replication_rules
from holdfast.cli.ground import add_command, add_settings, backends, refusals_as_text
from holdfast.cli.replication_peers import name_of, named_registry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from holdfast.cli.ground import Commands
    from holdfast.model.replicated_settings import Setting
    from holdfast.model.verification import Check
    from holdfast.settings import Settings

SETTINGS = ("tag-mutability", "scan-on-push", "lifecycle-policy", "repository-policy", "resource-tags")


def add(commands: Commands) -> None:
    """Add the commands of replication."""
    group = commands.add_parser("replication", help="replication", description="Replication.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = add_command(
        actions, "status", _status, "tell what waits for each destination and for how long, what failed, what drifted"
    )
    cancel = add_command(
        actions, "cancel", _cancel, "end all that waits for a destination, and backfills to it; its rule stays"
    )
    cancel.add_argument("to", metavar="REGION[/ACCOUNT]")
    set_ = add_command(
        actions, "settings", _settings, "say which settings of repositories go to a destination, or show that"
    )
    set_.add_argument("to", metavar="REGION[/ACCOUNT]")
    set_.add_argument("settings", nargs="*", metavar="SETTING", help=f"{', '.join(SETTINGS)}, or none; shown if absent")
    for action in (cancel, set_):
        add_settings(action)
    replication_peers.add(actions)
    replication_rules.add(actions)
    verify = add_command(
        actions, "verify", _verify, "compare repositories with their copies now, and copy again what has drifted"
    )
    verify.add_argument("repository", nargs="?", metavar="REPOSITORY", help="only this one; all by default")
    verify.add_argument("--to", metavar="REGION[/ACCOUNT]", help="only this destination; all by default")
    verify.add_argument("--no-repair", action="store_true", help="tell what has drifted, and change nothing")
    verify.add_argument(
        "--everything", action="store_true", help="copy even what was pushed before its rule, as a backfill does"
    )
    for action in (status, verify):
        action.add_argument("--json", action="store_true", help="print JSON")
        add_settings(action)


def _status(settings: Settings, options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from holdfast import registry

    on = backends(settings)
    found = registry.replication_status.destinations(on, on.home)
    if options.json:
        print(json.dumps([asdict(one) for one in found]))
        return 0
    if not found:
        print(f"No rule of {name_of(on.home)} copies anything; PutReplicationConfiguration sets some.")
    for one in found:
        print(f"{name_of(one.registry)}: {one.waiting:,} images wait, the first for {one.lag_seconds:,.0f} s; "
              f"{one.completed:,} are there, {one.failed:,} failed{_cancelled(one.cancelled)}.")  # fmt: skip
        if one.settings:
            print(f"  {_listed(one.settings)} of repositories go there, too.")
    after, more = "", True
    while more:
        checks, more = registry.verification.page(on, on.home, after, 1000)
        for check in checks:
            if check.counts.drifted or check.failure:
                print(f"  {_told(check)}")
        after = checks[-1].at.name if checks else ""
    return 0


def _cancelled(count: int) -> str:
    return f", {count:,} were cancelled" if count else ""


def _cancel(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    on = backends(settings)
    destination = named_registry(on.home, options.to)
    total, is_more = 0, True
    while is_more:
        count, is_more = registry.replication_queues.cancel(on, on.home, destination)
        total += count
        if is_more:
            print(f"{total:,} images are cancelled so far …", flush=True)
    print(
        f"{total:,} images are not copied to {name_of(destination)}, and what was to be removed or set there is not. "
        "The rule stays; `holdfast replication verify --everything` copies them after all."
    )
    return 0


def _settings(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.replicated_settings import Setting
    from holdfast.settings import BadSetting

    on = backends(settings)
    destination, names = named_registry(on.home, options.to), options.settings
    if wrong := [name for name in names if name not in {*SETTINGS, "none"}]:
        raise BadSetting(f"{wrong[0]}: it must be one of {', '.join(SETTINGS)}, or none")

    def choose() -> None:
        if names:
            wanted = [Setting(name.upper().replace("-", "_")) for name in names if name != "none"]
            registry.replicated_settings.choose(on, on.home, destination, wanted)
        found = registry.replicated_settings.chosen(on, on.home).get(destination, ())
        print(f"{_listed(found)} of repositories that are copied to {name_of(destination)} go there, too.")

    return refusals_as_text(choose)


def _listed(settings: Sequence[Setting]) -> str:
    return ", ".join(one.value.lower().replace("_", "-") for one in settings) or "no settings"


def _verify(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.errors import RepositoryNotFound
    from holdfast.model.names import RepositoryRef

    on = backends(settings)
    wanted = named_registry(on.home, options.to) if options.to else None
    checks: list[Check] = []

    def verify() -> None:
        if options.repository is not None:
            at = RepositoryRef(on.home, options.repository)
            registry.repositories.get(on, at)
        for repository, destination in list(registry.verification.copied(on, on.home)):
            if options.repository not in {None, repository.name} or wanted not in {None, destination}:
                continue
            try:
                check = registry.verification.verify(
                    on, repository.ref, destination, repairs=not options.no_repair, everything=options.everything
                )
            except RepositoryNotFound:  # it went meanwhile
                continue
            checks.append(check)
            if not options.json:
                print(_told(check), flush=True)

    status = refusals_as_text(verify)
    if options.json:
        print(json.dumps([_document(check) for check in checks], default=str))
    elif not checks and status == 0:
        print("No rule copies what was asked for, so there is nothing to compare.")
    return status or int(any(check.counts.drifted or check.failure for check in checks))


def _document(check: Check) -> dict[str, object]:
    return {
        "repositoryName": check.at.name,
        "region": check.destination.region,
        "registryId": check.destination.account_id,
        "status": check.state.value,
        "contentDigest": check.digest,
        "failure": check.failure,
        **check.counts.document,
    }


def _told(check: Check) -> str:
    counts = check.counts
    copy = f"{check.at.name} → {name_of(check.destination)}"
    if check.failure and not counts.agreeing:
        return f"{copy}: could not be compared: {check.failure}"
    words = [
        (counts.missing_images, "images are missing"),
        (counts.missing_tags, "tags are missing"),
        (counts.moved_tags, "tags name other images"),
        (counts.frozen_tags, "tags are frozen there on other images"),
        (counts.copying, "are on their way"),
        (counts.unreplicated, "were pushed before their rule"),
        (counts.extra, "are only there"),
        (counts.deletions, "deletions wait"),
        (counts.differing_settings, "settings differ"),
        (counts.repairs, "are repaired"),
    ]
    told = ", ".join(f"{count:,} {what}" for count, what in words if count)
    parts = (f"{counts.agreeing:,} images and tags agree", told, check.failure)
    return f"{copy}: {'; '.join(part for part in parts if part)}"
