"""Pull-through caches: what ECR's rules do not have, how they stand, and what cannot wait."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.ground import add_command, add_settings, backends, counted, named_image, printable, refusals_as_text

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.model.caching import Options
    from holdfast.settings import Settings

PREFIX = ("prefix", {"metavar": "PREFIX", "help": "the rule's ecrRepositoryPrefix"})
FLAGS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "set": (
        PREFIX,
        ("--plain-http", {"choices": ("on", "off"), "help": "whether the upstream speaks plain HTTP"}),
        ("--ca-file", {"metavar": "FILE", "help": "certificates of private CAs that vouch for it; '' for none"}),
        ("--tag-seconds", {"metavar": "N", "type": int, "help": "how long a tag is not asked for again [86400]"}),
        ("--referrer-seconds", {"metavar": "N", "type": int, "help": "likewise, what refers to an image [21600]"}),
        ("--budget", {"metavar": "BYTES", "type": int, "help": "how much may be cached; 0 is any number"}),
        ("--at-once", {"metavar": "N", "type": int, "help": "how many blobs are fetched at the same time [8]"}),
    ),
    "refresh": (("image", {"metavar": "REPOSITORY:TAG"}),),
}


def add(commands: Commands) -> None:
    """Add the commands of caches."""
    group = commands.add_parser("cache", help="pull-through caches", description="Pull-through caches.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, help_ in (
        ("status", _status, "list the rules: what is cached, what is under way, and what went wrong"),
        ("set", _set, "say of a rule what the ECR API cannot: private CA, plain HTTP, times, budget"),
        ("refresh", _refresh, "ask the upstream of a tag now, whenever that was done last"),
        ("evict", _evict, "make room now where more is cached than may be, instead of within minutes"),
    ):
        action = add_command(actions, name, run, help_)
        for flag, members in FLAGS.get(name, ()):
            action.add_argument(flag, **members)
        add_settings(action)


def _status(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.names import Registry

    on = backends(settings)
    found = registry.pull_through.status(on, Registry(settings.account, settings.region))
    if not found.rules:
        print("There are no pull through cache rules; `aws ecr create-pull-through-cache-rule` makes one.")
    for one in found.rules:
        options = one.rule.options
        most = f" of {options.budget_bytes:,}" if options.budget_bytes else ""
        images = counted(one.images, "image")
        print(f"{one.rule.prefix}  from {one.rule.remote.url}: {images}, {one.size_bytes:,}{most} bytes")
        if one.failure is not None:
            print(f"  since {one.failed_at:%Y-%m-%d %H:%M}: {printable(one.failure)}")
    for fetch in found.fetches:
        how = f"{fetch.received_bytes:,} of {fetch.size_bytes:,} bytes" if fetch.size_bytes else "is asked for"
        if fetch.failure is not None:
            how = f"failed: {printable(fetch.failure)}"
        print(f"  {fetch.repository_name}  {fetch.reference}  {how}")
    for coming in found.imports:
        how = f"given up: {printable(coming['failure'])}" if coming["failure"] else "on its way"
        print(f"  {coming['name']}:{coming['tag']}@{coming['digest']}  {how}")
    return 0


def _set(settings: Settings, options: argparse.Namespace) -> int:
    from dataclasses import replace

    from holdfast import registry
    from holdfast.model.names import Registry
    from holdfast.settings import BadSetting

    try:
        ca_pem = Path(options.ca_file).read_text() if options.ca_file else None
    except (OSError, UnicodeDecodeError) as fault:
        raise BadSetting(f"--ca-file {options.ca_file}: {fault}") from None
    told = {
        "is_plain": None if options.plain_http is None else options.plain_http == "on",
        "tag_seconds": options.tag_seconds,
        "referrer_seconds": options.referrer_seconds,
        "at_once": options.at_once,
    }
    changed: dict[str, Any] = {name: value for name, value in told.items() if value is not None}
    if options.ca_file is not None:
        changed["ca_pem"] = ca_pem
    if options.budget is not None:
        changed["budget_bytes"] = options.budget or None

    def change(before: Options) -> Options:
        return replace(before, **changed)

    def keep() -> None:
        home = Registry(settings.account, settings.region)
        rule = registry.caching.set_options(backends(settings), home, options.prefix, change)
        print(
            f"The rule {rule.prefix} asks {rule.remote.url}, and a tag again after {rule.options.tag_seconds} seconds."
        )

    return refusals_as_text(keep)


def _refresh(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.settings import BadSetting

    at, id_ = named_image(settings, options.image)
    tag = id_.tag
    if tag is None:
        raise BadSetting(f"{options.image}: what has a digest never changes; it must be REPOSITORY:TAG")

    def refresh() -> None:
        found = registry.pull_through.refresh(backends(settings), at, tag)
        print(f"{at.name}:{tag} is {found.digest} at its upstream; pulls get that from now on.")

    return refusals_as_text(refresh)


def _evict(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.names import Registry

    on = backends(settings)
    gone = registry.pull_through.evicting.evict_all(on)
    print(
        f"{counted(gone, 'image')} went, and their bytes go within little more than an hour; "
        "`holdfast deleted list REPOSITORY` shows those that their upstream does not have any more."
    )
    for one in registry.pull_through.status(on, Registry(settings.account, settings.region)).rules:
        most = one.rule.options.budget_bytes
        if most is not None and one.size_bytes > most:
            print(
                f"{one.rule.prefix} still has {one.size_bytes - most:,} bytes more than it may: the rest is pushed, "
                f"signed, listed or leased, or {one.rule.remote.url} cannot be asked now; "
                "`holdfast cache status` tells what went wrong."
            )
    return 0
