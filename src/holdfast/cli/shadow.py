"""Follow a registry of Amazon ECR: bring what it holds here, once or again and again."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, counted, printable
from holdfast.cli.progress import Progress, size

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.registry.shadows import Pass
    from holdfast.settings import Settings

LONGEST_PAUSE = 3600  # seconds, after passes that left something out
MOST_AT_ONCE = 32
SHOWN = 50  # faults of one pass


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_command(
        commands, "shadow", _run, "follow a registry of Amazon ECR: repositories, settings, images, tags"
    )
    command.add_argument("--from", dest="source", metavar="REGION", required=True, help="the region of that registry")
    command.add_argument(
        "--endpoint-url", metavar="URL", help="its ECR API, if it is not Amazon's: another Holdfast, …"
    )
    command.add_argument(
        "--aws-profile", metavar="NAME", help="a profile of the AWS configuration; else the environment's"
    )
    command.add_argument("--ca-file", type=Path, metavar="FILE", help="certificates of private CAs that vouch for it")
    command.add_argument(
        "--repositories", metavar="PREFIX,…", default="", help="only those whose names begin so; all of them by default"
    )
    command.add_argument("--once", action="store_true", help="bring everything up to date, and end")
    command.add_argument(
        "--every", type=int, default=300, metavar="SECONDS", help="how long from one pass to the next [300]"
    )
    command.add_argument("--at-once", type=int, default=4, metavar="N", help="images that come at a time [4]")
    command.add_argument(
        "--follow-deletions",
        action="store_true",
        help="remove what the source has not, too; it can be restored for days",
    )
    command.add_argument(
        "--confirm-deletions", action="store_true", help="remove even more than half of a repository, or of all of them"
    )
    add_settings(command)


def _run(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import boot
    from holdfast.outbound import EcrRefused
    from holdfast.outbound.distribution import RemoteFault
    from holdfast.registry import shadows
    from holdfast.settings import BadSetting

    if options.every < 1:
        raise BadSetting("--every: at least 1 second")
    if not 1 <= options.at_once <= MOST_AT_ONCE:
        raise BadSetting(f"--at-once: 1 to {MOST_AT_ONCE}")
    on = backends(settings)
    prefixes = tuple(filter(None, options.repositories.split(",")))
    wanted = shadows.Wanted(on.home, prefixes, options.follow_deletions, options.confirm_deletions, options.at_once)
    pauses = 0
    while True:
        try:
            ecr, there = boot.open_shadowed(settings, options.source, options.endpoint_url, options.aws_profile,
                                            options.ca_file)  # fmt: skip
            there.log_in()
            with Progress() as progress:
                progress.begin("bringing layers", 0)

                def tell(text: str, progress: Progress = progress) -> None:
                    progress.clear()
                    print(text, flush=True)

                done = shadows.follow(on, ecr, there, wanted, tell, progress.add_bytes)
            is_whole = _told(done)
        except (EcrRefused, RemoteFault) as fault:
            sys.stderr.write(f"holdfast: {fault}\n")
            is_whole = False
        if options.once:
            return 0 if is_whole else 1
        pauses = 0 if is_whole else pauses + 1
        time.sleep(min(options.every * 2 ** min(pauses, 10), max(LONGEST_PAUSE, options.every)))


def pass_as_text(done: Pass) -> str:
    """What a pass did, in a sentence."""
    came = done.brought
    tags, gone = counted(done.tags, "tag was", "tags were"), counted(done.removed, "thing was", "things were")
    return (
        f"{counted(done.repositories, 'repository', 'repositories')}, {done.created:,} of them new; "
        f"{counted(came.images, 'image')} with {size(came.size_bytes)} came, {tags} set, {gone} removed."
    )


def _told(done: Pass) -> bool:
    """Tell what a pass did; whether it left nothing out."""
    print(pass_as_text(done), flush=True)
    for what, why in done.faults[:SHOWN]:
        sys.stderr.write(f"holdfast: {printable(what)}: {printable(why)}\n")
    if done.faults:
        left_out = counted(len(done.faults), "thing was", "things were")
        sys.stderr.write(f"holdfast: {left_out} left out; the next pass tries again.\n")
    return not done.faults
