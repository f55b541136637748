"""What is in an image: its packages, and what it wastes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from holdfast.cli.ground import add_command, add_settings, backends, printable, refusals_as_text, repository_ref

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.model.images import ImageId
    from holdfast.model.inventory import Inventory
    from holdfast.model.names import RepositoryRef
    from holdfast.settings import Settings


IMAGE: tuple[tuple[str, ...], dict[str, Any]] = (("image",), {"metavar": "REPOSITORY:TAG|REPOSITORY@DIGEST"})


def add(commands: Commands) -> None:
    """Add the commands of images."""
    group = commands.add_parser("image", help="what is in an image", description="What is in an image.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    help_ = "list the packages of an image, and read those of its layers that were not read yet"
    action = add_command(actions, "packages", _packages, help_)
    action.add_argument(*IMAGE[0], **IMAGE[1])
    action.add_argument("--again", action="store_true", help="read again what could not be read before")
    action.add_argument("--json", action="store_true", help="print JSON, one package a line")
    add_settings(action)
    help_ = "tell what an image makes everybody store and fetch for nothing, and what to do about it"
    action = add_command(actions, "advise", _advise, help_)
    action.add_argument(*IMAGE[0], **IMAGE[1])
    action.add_argument("--json", action="store_true", help="print one JSON document")
    add_settings(action)


def named_image(settings: Settings, text: str) -> tuple[RepositoryRef, ImageId]:
    """The repository and the image that an argument names."""
    from holdfast.model.images import ImageId
    from holdfast.settings import BadSetting

    name, is_digest, digest = text.partition("@")
    name, is_tag, tag = name.partition(":")
    if not name or not (digest or tag) or bool(is_digest) == bool(is_tag):
        raise BadSetting(f"{text}: it must be REPOSITORY:TAG or REPOSITORY@DIGEST")
    return repository_ref(settings, name), ImageId(digest or None, tag or None)


def _packages(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.inventory import State

    status = 0

    def packages() -> None:
        nonlocal status
        on = backends(settings)
        at, id_ = named_image(settings, options.image)
        digest, taken = registry.inventories.take_now(on, at, id_, again=options.again)
        if taken.inventory is None:
            status = 1
            print(f"{digest} has no inventory ({taken.state.lower()}): {taken.reason}")
            if taken.state is State.FAILED:
                print("Layers that could not be read are tried again with --again.")
            return
        for document, line in _lines(taken.inventory):
            print(json.dumps(document) if options.json else line)
        if not options.json:
            os = taken.inventory.os
            print(f"{len(taken.inventory.packages)} packages in {digest} ({os.name or os.id if os else 'no system'}).")
            for note in taken.inventory.notes:
                print(f"Left out: {printable(note)}")

    return refusals_as_text(packages) or status


def _advise(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    status = 0

    def advise() -> None:
        nonlocal status
        on = backends(settings)
        at, id_ = named_image(settings, options.image)
        digest, taken = registry.inventories.take_now(on, at, id_)
        if taken.inventory is None:
            status = 1
            print(f"{digest} has no inventory ({taken.state.lower()}): {taken.reason}")
            return
        image, _, _ = registry.inventories.get(on, at, id_)
        judged = registry.efficiency.find(on, at, image, lambda _: True)
        assert judged is not None, "it is kept together with the inventory"
        print(json.dumps(advice.document(digest, judged)) if options.json else advice.text(digest, judged))

    from holdfast.cli import advice

    return refusals_as_text(advise) or status


def _lines(found: Inventory) -> list[tuple[dict[str, Any], str]]:
    """Each package as a document and as a line; what images say of themselves is not let at the terminal."""
    lines = []
    for one in found.packages:
        purl = one.package.purl(found.os)
        document = {"type": one.package.type, "name": one.package.name, "version": one.package.version, "purl": purl,
                    "path": one.file_path, "layer": one.layer}  # fmt: skip
        name, version = printable(one.package.name), printable(one.package.version)
        line = (
            f"{one.package.type:<8}  {name:<40}  {version:<30}  layer {one.layer + 1:<3}  /{printable(one.file_path)}"
        )
        lines.append((document, line))
    return lines
