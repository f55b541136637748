"""Leases: list and release them here, and watch clusters for those who run images, wherever the registry is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, counted, refusals_as_text, repository_ref

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from holdfast.cli.ground import Commands
    from holdfast.model.names import RepositoryRef
    from holdfast.registry import Backends
    from holdfast.settings import Settings

PAGE = 500
DAY = 86_400  # seconds


def add(commands: Commands) -> None:
    """Add the commands of leases."""
    group = commands.add_parser("lease", help="images that run", description="Images that run, and who says so.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = add_command(actions, "list", _list, "list which images are in use, by what and until when")
    listing.add_argument("repository", metavar="REPOSITORY", nargs="?", help="one repository [all of the registry]")
    listing.add_argument("--holder", metavar="NAME", help="only those of this holder")
    listing.add_argument("--json", action="store_true", help="print JSON, one document a line")
    add_settings(listing)
    release = add_command(actions, "release", _release, "end the leases of a holder before their time")
    release.add_argument("repository", metavar="REPOSITORY", nargs="?", help="one repository [all of the registry]")
    release.add_argument("--holder", metavar="NAME", required=True, help="whose leases")
    release.add_argument("--digest", metavar="DIGEST", help="that on one image only")
    add_settings(release)
    watch = add_command(
        actions, "watch", _watch, "see what a cluster runs, and keep leases on it at a Holdfast, again and again"
    )
    kind = watch.add_mutually_exclusive_group(required=True)
    kind.add_argument(
        "--kubernetes", action="store_true", help="pods of a Kubernetes cluster: the one that this runs in"
    )
    kind.add_argument("--ecs", action="store_true", help="tasks of all Amazon ECS clusters of a region")
    watch.add_argument("--endpoint-url", metavar="URL", required=True, help="the Holdfast that keeps the leases")
    watch.add_argument("--holder", metavar="NAME", required=True, help="the cluster's name, as refusals will tell it")
    watch.add_argument("--templates", action="store_true", help="also what the cluster could start again: templates of "
                       "Deployments and their earlier revisions, CronJobs and so on; or task definitions of services"
                       )  # fmt: skip
    watch.add_argument("--registry", metavar="HOST", action="append", default=[],
                       help="a host by which the cluster pulls from that Holdfast; may be given again "
                            "[the host of --endpoint-url]")  # fmt: skip
    watch.add_argument("--registry-region", metavar="REGION", default="us-east-1",
                       help="the region of repositories whose host does not tell it [us-east-1]")  # fmt: skip
    watch.add_argument("--lease-seconds", metavar="N", type=int, default=DAY, help="how long an image is held after "
                       "it was last seen [86400]")  # fmt: skip
    watch.add_argument(
        "--every", metavar="SECONDS", type=int, default=300, help="how long from one renewal to the next [300]"
    )
    watch.add_argument("--once", action="store_true", help="look once, and end")
    watch.add_argument(
        "--aws-profile", metavar="NAME", help="a profile with the Holdfast's access key; else the environment's"
    )
    watch.add_argument(
        "--ca-file", metavar="FILE", type=Path, help="certificates of private CAs that vouch for the Holdfast"
    )
    watch.add_argument("--kubernetes-url", metavar="URL", help="the API of another cluster")
    watch.add_argument("--kubernetes-token", metavar="FILE", type=Path, help="a token for it, read for each request")
    watch.add_argument("--kubernetes-ca", metavar="FILE", type=Path, help="the CA that vouches for it")
    watch.add_argument(
        "--ecs-region", metavar="REGION", default="us-east-1", help="the region of the clusters [us-east-1]"
    )
    watch.add_argument("--ecs-profile", metavar="NAME", help="a profile with the clusters' credentials; else as above")
    watch.add_argument("--ecs-endpoint-url", metavar="URL", help="ECS's API, if it is not Amazon's")


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def list_them() -> None:
        on, count = backends(settings), 0
        for at in _repositories(on, settings, options.repository):
            after, more = 0, True
            while more:
                found, more = registry.leases.page(on, at, after, PAGE, holder=options.holder)
                for one in found:
                    after, count = one.id, count + 1
                    document = {name: str(getattr(one, name)) for name in type(one).__slots__}
                    print(json.dumps({"repository": at.name, **document}) if options.json
                          else f"{at.name}@{one.digest}  {one.told}")  # fmt: skip
        if not options.json:
            print(f"{counted(count, 'lease')}.")

    return refusals_as_text(list_them)


def _release(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.settings import BadSetting

    def release() -> None:
        digests = [options.digest] if options.digest else None
        if digests and options.repository is None:
            raise BadSetting("--digest: say of which repository")
        on = backends(settings)
        places = _repositories(on, settings, options.repository)
        count = sum(registry.leases.release(on, at, options.holder, digests) for at in places)
        print(f"{counted(count, 'lease')} released.")

    return refusals_as_text(release)


def _repositories(on: Backends, settings: Settings, name: str | None) -> Iterator[RepositoryRef]:
    """The repository of a name, or all of the registry."""
    from holdfast import registry

    if name is not None:
        yield repository_ref(settings, name)
        return
    after, more = "", True
    while more:
        found, more = registry.repositories.page(on, on.home, after, PAGE)
        for one in found:
            after = one.name
            yield one.ref


def _watch(_settings: Settings, options: argparse.Namespace) -> int:
    from holdfast.cli.watching import Keeper, complain, looks_at_ecs, looks_at_pods
    from holdfast.settings import BadSetting

    if not 1 <= options.every <= options.lease_seconds // 2:
        raise BadSetting("--every: from 1 second to half of --lease-seconds, so that one renewal may fail")
    keeper = Keeper(options)
    for look in (looks_at_ecs if options.ecs else looks_at_pods)(options):
        is_whole = keeper.keep(look.running) and look.fault is None
        if look.fault is not None:
            complain(f"{look.fault}; what was seen last stays held")
        if options.once:
            return 0 if is_whole else 1
    return 0
