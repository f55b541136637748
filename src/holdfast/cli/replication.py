"""Replication: see how it stands, and whether copies agree with what they are copies of."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from holdfast.cli import replication_peers, replication_rules
from holdfast.cli.ground import add_command, add_settings, backends, counted, printable, refusals_as_text
from holdfast.cli.replication_peers import name_of, named_registry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from holdfast.cli.ground import Commands
    from holdfast.model.replicated_settings import Setting
    from holdfast.model.verification import Check
    from holdfast.registry.replication_status import Destination
    from holdfast.settings import Settings

# What to do about what does not pass by itself; after that, `verify` copies what is missing.
REMEDIES = {
    "AccessDeniedException": "its registry policy must allow ecr:ReplicateImage and ecr:CreateRepository",
    "DestinationAccountNotFound": "holdfast account create {}, or holdfast replication peer put if it is elsewhere",
    "ImageArchived": "restore the image from the archive",
    "KmsException": "enable the key of the repository there",
    "LayerDamagedException": "push the image again",
    "LimitExceededException": "raise the quota there, or delete images",
    "ManifestDamaged": "push the image again",
    "PeerAccessDenied": "put the right access key or token into the peer's secret",
    "PeerAddressNotAllowed": "serve with --upstream-allow and the peer's network, if it is meant to be there",
    "PeerFullException": "make room at the peer; it is tried again every hour",
    "PeerRepositoryNotFound": "make the repository there",
    "PeerUnavailableException": "the peer does not answer; it is tried again every hour",
    "ReplicationRuleRemoved": "the rule went before the copy was made",
    "PeerMisbehaved": "the log of the process that does background work has the peer's own words",
    "PeerRejected": "the log of the process that does background work has the peer's own words",
    "SecretNotFoundException": "make the peer's secret, or restore it: aws secretsmanager restore-secret",
    "UnableToDecryptSecretValueException": "the peer's secret must have a 'username' and an 'accessToken'",
    "RepositoryNotFoundException": "give the creation template for that repository a customRoleArn",
}
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
        print(json.dumps([asdict(one) for one in found], default=str))
        return 0
    if not found:
        print(f"No rule of {name_of(on.home)} copies anything; `holdfast replication rule add` makes one.")
    for one in found:
        print("\n  ".join(_standing(one)))
    after, more = "", True
    while more:
        checks, more = registry.verification.page(on, on.home, after, 1000)
        for check in checks:
            if check.counts.drifted or check.failure:
                print(f"  {check.checked_at:%Y-%m-%d %H:%M} UTC: {_told(check)}")
        after = checks[-1].at.name if checks else ""
    return 0


def _standing(one: Destination) -> Iterator[str]:
    """How a destination stands: a line, and one for each thing that somebody may want to know of."""
    first = f", the first for {one.lag_seconds:,.0f} s" if one.waiting else ""
    cancelled = f", {counted(one.cancelled, 'was', 'were')} cancelled" if one.cancelled else ""
    yield (f"{name_of(one.registry)}: {counted(one.waiting, 'image waits', 'images wait')}{first}; "
           f"{counted(one.completed, 'is', 'are')} there, {one.failed:,} failed{cancelled}.")  # fmt: skip
    if one.trouble is not None and one.again_at is not None:
        yield f"Tried again at {one.again_at:%H:%M:%S} UTC: {printable(one.trouble)}"
    for code, count in sorted(one.failures.items()):
        remedy = REMEDIES.get(code, "the log of the process that does background work may tell more")
        yield f"{count:,} failed with {code}: {remedy.format(one.registry.account_id)}"
    if one.settings:
        yield f"{_listed(one.settings)} of repositories go there, too."


def _cancel(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    on = backends(settings)
    destination = named_registry(on.home, options.to)
    total, is_more = 0, True
    while is_more:
        count, is_more = registry.replication_queues.cancel(on, on.home, destination)
        total += count
        if is_more:
            print(f"{counted(total, 'image is', 'images are')} cancelled so far …", flush=True)
    print(
        f"{counted(total, 'image is', 'images are')} not copied to {name_of(destination)}, and what was to be removed "
        "or set there is not. The rule stays; `holdfast replication verify --everything` copies after all."
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
    if any(check.failure and "--upstream-allow" in check.failure for check in checks):
        sys.stderr.write(
            "holdfast: this command calls out by its own settings: give it the server's --upstream-allow\n"
        )
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
        (counts.missing_images, "image is missing", "images are missing"),
        (counts.missing_tags, "tag is missing", "tags are missing"),
        (counts.moved_tags, "tag names another image", "tags name other images"),
        (counts.frozen_tags, "tag is frozen there on another image", "tags are frozen there on other images"),
        (counts.copying, "is on its way", "are on their way"),
        (counts.unreplicated, "was pushed before its rule", "were pushed before their rule"),
        (counts.extra, "is only there", "are only there"),
        (counts.deletions, "deletion waits", "deletions wait"),
        (counts.differing_settings, "setting differs", "settings differ"),
        (counts.repairs, "is copied again", "are copied again"),
    ]
    told = ", ".join(counted(count, *what) for count, *what in words if count)
    agreeing = counted(counts.agreeing, "image or tag agrees", "images and tags agree")
    return f"{copy}: {'; '.join(part for part in (agreeing, told, check.failure) if part)}"
