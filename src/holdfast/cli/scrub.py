"""Whether what is kept still is what was pushed: verify it now, and see how much was verified lately."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from holdfast.cli.ground import add_command, add_settings, backends, counted, refusals_as_text, repository_ref
from holdfast.cli.progress import Progress, size

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from holdfast.cli.ground import Commands
    from holdfast.model.damage import Kept
    from holdfast.registry import Backends
    from holdfast.registry.scrub import Finding, Status
    from holdfast.settings import Settings
    from holdfast.store.scrub import Covered


def add(commands: Commands) -> None:
    """Add the commands of scrubbing."""
    group = commands.add_parser("scrub", help="verify what is kept", description="Verify what is kept.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    help_ = "read blobs and manifests to their end and tell what is damaged; such is not served any more"
    action = add_command(actions, "run", _run, help_)
    which = action.add_mutually_exclusive_group(required=True)
    which.add_argument("--all", action="store_true", help="everything, what was not verified for longest first")
    which.add_argument("--repository", metavar="NAME", help="what a repository of the default registry holds")
    which.add_argument("--digest", metavar="DIGEST", help="the blob of one digest")
    action.add_argument("--even-if-all", action="store_true", help="let blobs count as damaged even if nothing else "
                        "can be read either, as when the disk is really lost")  # fmt: skip
    action.add_argument("--json", action="store_true", help="print it for machines: a JSON document a line")
    add_settings(action)
    help_ = "tell how much was verified lately, and what is damaged"
    action = add_command(actions, "status", _status, help_)
    action.add_argument("--days", metavar="N", type=int, default=30, help="what counts as lately [30]")
    action.add_argument("--json", action="store_true", help="print it for machines")
    add_settings(action)


def _run(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    status = 0

    def run() -> None:
        nonlocal status
        at = repository_ref(settings, options.repository) if options.repository else None
        wanted = registry.scrub.Wanted(options.digest, at)
        on = backends(settings)
        counts = {"sound": 0, "damaged": 0, "unreadable": 0}
        with Progress(quiet=options.json) as progress:
            progress.begin("verifying", *registry.scrub.amount(on, wanted))
            found = registry.scrub.run(on, wanted, progress.add_bytes, even_if_all=options.even_if_all)
            for finding in found:
                verdict = _verdict(finding)
                counts[verdict] += 1
                progress.add(1)
                if options.json:
                    print(json.dumps(_document(finding)), flush=True)
                elif verdict != "sound":
                    progress.clear()
                    print(f"{verdict:<10}  {finding.what.digest}  {finding.damage or 'tried twice'}", flush=True)
        if not options.json:
            print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".")
            if counts["damaged"]:
                print("What is damaged counts as absent: push it again to repair it. It is looked for in other "
                      "registries and key scopes of this installation as well.")  # fmt: skip
        status = 1 if counts["damaged"] or counts["unreadable"] else 0

    return refusals_as_text(run) or status


def _verdict(finding: Finding) -> str:
    return "unreadable" if finding.is_unreadable else "damaged" if finding.damage else "sound"


def _document(finding: Finding) -> dict[str, Any]:
    told = {"digest": finding.what.digest, "kind": type(finding.what).__name__, "verdict": _verdict(finding)}
    return {**told, "damage": finding.damage} if finding.damage else told


def _status(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    on = backends(settings)
    status = registry.scrub.status(on, timedelta(days=options.days))
    if options.json:
        print(json.dumps(_status_document(on, status, options.days), indent=2))
    else:
        for line in _lines(on, status, options.days):
            print(line)
    return 1 if status.damaged or status.damaged_manifests else 0


def _status_document(on: Backends, status: Status, days: int) -> dict[str, Any]:
    from holdfast import registry

    return {
        "days": days,
        "blobs": _covered_document(status.blobs),
        "manifests": _covered_document(status.manifests),
        "damaged": [_damaged_document(*one) for one in _damaged(on)],
        "damagedManifests": [
            {"digest": one.digest, "repositoryName": one.repository_name}
            for one in registry.scrub.damaged_manifests(on, limit=1000)
        ],
        "setApart": status.set_apart,
        "bytesPerSecond": on.limits.scrub_bytes_per_second,
    }


def _covered_document(covered: Covered) -> dict[str, Any]:
    return {
        "count": covered.count,
        "bytes": covered.size_bytes,
        "verified": covered.recent,
        "verifiedBytes": covered.recent_bytes,
        "oldest": None if covered.oldest is None else f"{covered.oldest:%Y-%m-%dT%H:%M:%SZ}",
    }


def _damaged_document(blob: Kept, repositories: list[str]) -> dict[str, Any]:
    assert blob.damaged_at is not None
    return {
        "digest": blob.digest,
        "account": blob.registry.account_id,
        "region": blob.registry.region,
        "repositories": repositories,
        "size": blob.size_bytes,
        "object": blob.object_key,
        "foundAt": f"{blob.damaged_at:%Y-%m-%dT%H:%M:%SZ}",
        "damage": blob.damage,
    }


def _lines(on: Backends, status: Status, days: int) -> Iterator[str]:
    from holdfast import registry

    for what, covered in (("blobs", status.blobs), ("manifests", status.manifests)):
        share = covered.recent_bytes / covered.size_bytes if covered.size_bytes else 1.0
        yield (f"{what:<10}  {covered.count} with {size(covered.size_bytes)}: {share:.1%} verified in the last "
               f"{days} days{_oldest(covered)}")  # fmt: skip
    yield f"{'damaged':<10}  {counted(status.damaged, 'blob')}, {counted(status.damaged_manifests, 'manifest')}"
    for blob, repositories in _damaged(on):
        yield f"  {blob.digest}  {blob.registry.account_id}/{blob.registry.region}"
        yield f"    in {', '.join(repositories) or 'no repository'}; {blob.damaged_at:%Y-%m-%d %H:%M:%S}: {blob.damage}"
    for manifest in registry.scrub.damaged_manifests(on, limit=1000):
        yield f"  {manifest.digest}  manifest of {manifest.repository_name}; {manifest.damaged_at:%Y-%m-%d %H:%M:%S}"
    if status.damaged or status.damaged_manifests:
        yield "  They count as absent: push them again to repair them."
    if status.set_apart:
        days = on.limits.damaged_object_lifetime.days
        replaced = counted(status.set_apart, "damaged object that was replaced", "damaged objects that were replaced")
        yield f"{'set apart':<10}  {replaced}, each kept for {counted(days, 'day')}"
    rate = on.limits.scrub_bytes_per_second
    yield f"{'background':<10}  {f'up to {size(rate)}/s' if rate else 'off (--scrub-rate 0)'}"


def _oldest(covered: Covered) -> str:
    if covered.oldest is None:
        return ""
    never = covered.oldest.year == 1970
    return ", some never" if never else f", the oldest {covered.oldest:%Y-%m-%d %H:%M:%S} UTC"


def _damaged(on: Backends) -> Iterator[tuple[Kept, list[str]]]:
    from holdfast import registry

    after = 0
    while page := registry.scrub.damaged(on, after):
        yield from page
        after = page[-1][0].id
