"""What was deleted: list it, restore it, purge it, and tell what a tag named at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, counted, refusals_as_text, repository_ref

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from typing import Any, TypeVar

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings

    T = TypeVar("T")

PAGE = 500
AS_JSON = ("--json", {"action": "store_true", "help": "print JSON, one document a line"})
DIGEST = ("--digest", {"metavar": "DIGEST", "help": "an image of the repository instead of the whole repository"})
TAG = ("--tag", {"metavar": "TAG", "help": "a tag of the repository instead of the whole repository"})
ID = ("--id", {"metavar": "NUMBER", "type": int, "help": "which one, if several of that name were deleted"})
REPOSITORY = ("repository", {"metavar": "REPOSITORY"})
FLAGS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "list": (("repository", {"metavar": "[REPOSITORY]", "nargs": "?"}), AS_JSON),
    "restore": (
        REPOSITORY, DIGEST, TAG, ID,
        ("--as", {"metavar": "NAME", "dest": "under", "help": "restore the repository under another name"}),
        ("--with-referrers", {"action": "store_true", "help": "restore the image's signatures and the like too"}),
    ),
    "purge": (REPOSITORY, DIGEST, ID),
    "history": (REPOSITORY, TAG, AS_JSON),
    "at": (("image", {"metavar": "REPOSITORY:TAG@TIME"}),),
}  # fmt: skip


def add(commands: Commands) -> None:
    """Add the commands of what was deleted."""
    group = commands.add_parser("deleted", help="what was deleted", description="What was deleted.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, help_ in (
        ("list", _list, "list deleted repositories, or deleted images of a repository, that can be restored"),
        ("restore", _restore, "restore a deleted repository, image or tag"),
        ("purge", _purge, "remove a deleted repository or image for good"),
        ("history", _history, "list what the tags of a repository named before"),
        ("at", _at, "print the digest that a tag named at a time, such as 2026-11-28T12:00:00Z"),
    ):
        action = add_command(actions, name, run, help_)
        for flag, kind in FLAGS[name]:
            action.add_argument(flag, **kind)
        add_settings(action)


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def list_repositories() -> None:
        on = backends(settings)
        count = 0
        for one in _every(lambda after: registry.undelete.repositories(on, on.home, after, PAGE), lambda one: one.id):
            count += 1
            until = "being purged" if one.is_purging else f"until {_shown(one.deleted_at + on.limits.deleted_lifetime)}"
            document = {"id": one.id, "name": one.ref.name, "images": one.image_count, "deleted_at": one.deleted_at}
            _print(
                options, document, f"{one.id:>8}  {one.ref.name:<40}  {counted(one.image_count, 'image'):>14}  {until}"
            )
        _conclude(options, f"{counted(count, 'deleted repository', 'deleted repositories')}.")

    def list_images() -> None:
        on, at = backends(settings), repository_ref(settings, options.repository)
        count = 0
        for one in _every(lambda after: registry.undelete.deleted_images(on, at, after, PAGE), lambda one: one.id):
            count += 1
            tags = ", ".join(one.tags[:3]) + (", …" if len(one.tags) > 3 else "") or "untagged"
            document = {"digest": one.digest, "tags": one.tags, "pushed_at": one.pushed_at,
                        "deleted_at": one.deleted_at, "bytes": one.size_bytes}  # fmt: skip
            until = _shown(one.deleted_at + on.limits.deleted_lifetime)
            _print(options, document, f"{one.digest}  {tags:<24}  {one.size_bytes:>13,} bytes  until {until}")
        _conclude(options, f"{counted(count, 'deleted image')}.")

    return refusals_as_text(list_images if options.repository else list_repositories)


def _restore(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def restore() -> None:
        on, at = backends(settings), repository_ref(settings, options.repository)
        if options.digest:
            found = registry.undelete.restore_image(on, at, options.digest, with_referrers=options.with_referrers)
            for image in found:
                print(f"{image.digest} is restored, tagged {', '.join(image.tags) or 'with nothing'}.")
        elif options.tag:
            image = registry.undelete.restore_tag(on, at, options.tag)
            print(f"{at.name}:{options.tag} names {image.digest}")
        else:
            under = repository_ref(settings, options.under) if options.under else None
            repository = registry.undelete.restore_repository(on, at, repository_id=options.id, under=under)
            print(f"The repository {repository.name} is restored.")

    return refusals_as_text(restore)


def _purge(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def purge() -> None:
        on, at = backends(settings), repository_ref(settings, options.repository)
        if options.digest:
            registry.undelete.purge_image(on, at, options.digest)
            print(f"{options.digest} is gone.")
        else:
            deleted = registry.undelete.purge_repository(on, at, repository_id=options.id)
            print(
                f"The deleted repository {at.name} with {counted(deleted.image_count, 'image')} goes in the background."
            )

    return refusals_as_text(purge)


def _history(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def history() -> None:
        on, at = backends(settings), repository_ref(settings, options.repository)
        pages = lambda after: registry.undelete.taggings(on, at, options.tag, after, PAGE)  # noqa: E731
        for one in _every(pages, lambda one: one.id):
            document = {"tag": one.name, "digest": one.digest, "from": one.tagged_at, "until": one.until_at}
            _print(options, document, f"{_shown(one.tagged_at)}  {_shown(one.until_at)}  {one.digest}  {one.name}")

    return refusals_as_text(history)


def _at(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model import instants
    from holdfast.settings import BadSetting

    image, _, text = options.image.partition("@")
    name, _, tag = image.partition(":")
    instant = instants.read(text)
    if instant is None or not tag:
        raise BadSetting(f"{options.image}: it must be REPOSITORY:TAG@TIME, such as app:latest@2026-11-28T12:00:00Z")

    def at() -> None:
        print(registry.undelete.digest_at(backends(settings), repository_ref(settings, name), tag, instant))

    return refusals_as_text(at)


def _every(page: Callable[[int], tuple[list[T], bool]], key: Callable[[T], int]) -> Iterator[T]:
    after, more = 0, True
    while more:
        found, more = page(after)
        yield from found
        after = key(found[-1]) if found else after


def _print(options: argparse.Namespace, document: dict[str, Any], line: str) -> None:
    print(json.dumps(document, default=str) if options.json else line)


def _conclude(options: argparse.Namespace, line: str) -> None:
    if not options.json:
        print(line)


def _shown(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"
