"""What is in images: packages, SBOMs of them, what is wasted, and which images hold a package or a vulnerability."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli import decisions
from holdfast.cli.ground import add_command, add_settings, backends, counted, named_image, printable, refusals_as_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from holdfast.cli.ground import Commands
    from holdfast.model.inventory import Inventory, Taken
    from holdfast.registry.package_search import Answer
    from holdfast.settings import Settings

Flag = tuple[str, dict[str, Any]]

PAGE = 500
IMAGE: Flag = ("image", {"metavar": "REPOSITORY:TAG|REPOSITORY@DIGEST"})
FLAGS: dict[str, tuple[Flag, ...]] = {
    "packages": (
        IMAGE,
        ("--again", {"action": "store_true", "help": "read again what could not be read before"}),
        ("--json", {"action": "store_true", "help": "print JSON, one package a line"}),
    ),
    "with": (
        ("package", {"metavar": "PACKAGE", "help": "its name; of a Debian or Alpine package that of its source"}),
        ("--ecosystem", {"metavar": "NAME", "default": "", "help": "such as npm, PyPI, Debian or Debian:12"}),
        ("--version", {"metavar": "VERSION", "help": "this version only"}),
        ("--from", {"metavar": "VERSION", "dest": "at_least", "help": "this version and later ones"}),
        ("--below", {"metavar": "VERSION", "help": "versions before this one"}),
        ("--json", {"action": "store_true", "help": "print JSON, one image a line"}),
    ),
    "affected": (
        ("vulnerability", {"metavar": "CVE", "help": "its name in any feed, such as CVE-2021-44228"}),
        ("--pullers", {"action": "store_true", "help": "tell who pulled each since it was published"}),
        ("--json", {"action": "store_true", "help": "print JSON, one image a line"}),
    ),
    "advise": (IMAGE, ("--json", {"action": "store_true", "help": "print one JSON document"})),
    "sbom": (
        IMAGE,
        ("--format", {"choices": ("cyclonedx", "spdx"), "default": "cyclonedx", "help": "its form [cyclonedx]"}),
        ("--attach", {"action": "store_true", "help": "push it instead of printing it"}),
    ),
    "import-sbom": (IMAGE, ("--replace", {"action": "store_true", "help": "let it take the place of what is found"})),
}


def add(commands: Commands) -> None:
    """Add the commands of images."""
    group = commands.add_parser("image", help="what is in an image", description="What is in an image.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, run, help_ in (
        ("packages", _packages, "list the packages of an image, and read those of its layers that were not read yet"),
        ("with", _with_package, "list the images that hold a package, in one version, a range of them, or any"),
        ("affected", _affected, "list the images that hold a version of a package that a vulnerability is in"),
        ("advise", _advise, "tell what an image makes everybody store and fetch for nothing, and what to do about it"),
        ("sbom", _sbom, "print the SBOM of an image, or push it as a referrer of the image"),
        ("import-sbom", _import, "let an SBOM that you have add to what is found in an image, or take the place of it"),
    ):
        action = add_command(actions, name, run, help_)
        for flag, kind in FLAGS[name]:
            action.add_argument(flag, **kind)
        if name == "import-sbom":
            which = action.add_mutually_exclusive_group(required=True)
            which.add_argument("file", metavar="FILE", nargs="?", help="CycloneDX, SPDX or syft's own form, as JSON")
            which.add_argument("--withdraw", action="store_true", help="forget what was imported")
        add_settings(action)
    decisions.add_to(actions)


def _sbom(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.sboms import Format

    def sbom() -> None:
        on, form = backends(settings), Format(options.format)
        at, id_ = named_image(settings, options.image)
        registry.inventories.take_now(on, at, id_)
        if options.attach:
            image, attached = registry.sboms.attach(on, at, id_, form)
            print(f"{attached.digest} is the SBOM of {image.digest}, and refers to it.")
        else:
            sys.stdout.buffer.write(registry.sboms.document(on, at, id_, form)[1] + b"\n")

    return refusals_as_text(sbom)


def _import(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.supplied_sboms import Mode
    from holdfast.settings import BadSetting

    def import_() -> None:
        on = backends(settings)
        at, id_ = named_image(settings, options.image)
        if options.withdraw:
            registry.sboms.withdraw(on, at, id_)
            print("It is forgotten.")
        else:
            try:
                data = Path(options.file).read_bytes()
            except OSError as fault:
                raise BadSetting(f"{options.file}: {fault.strerror}") from None
            mode = Mode.REPLACE if options.replace else Mode.ADD
            _, supplied = registry.sboms.supply(on, at, id_, data, mode)
            print(f"{options.file} tells of {counted(len(supplied.packages), 'package')}.")
        _, taken = registry.inventories.take_now(on, at, id_)
        print(f"{counted(len(taken.inventory.packages), 'package')} in the image." if taken.inventory else taken.reason)

    return refusals_as_text(import_)


def _packages(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.inventory import State

    status = 0

    def packages() -> None:
        nonlocal status
        on = backends(settings)
        at, id_ = named_image(settings, options.image)
        digest, taken = registry.inventories.take_now(on, at, id_, again=options.again)
        found = _inventory(digest, taken)
        if found is None:
            status = 1
            if taken.state in {State.FAILED, State.TOO_LARGE}:
                print("Layers that could not be read are tried again with --again.")
            return
        for document, line in _lines(found):
            print(json.dumps(document) if options.json else line)
        if not options.json:
            os = found.os
            print(f"{counted(len(found.packages), 'package')} in {digest} ({os.name or os.id if os else 'no system'}).")
            for note in found.notes:
                print(f"Left out: {printable(note)}")

    return refusals_as_text(packages) or status


def _inventory(digest: str, taken: Taken) -> Inventory | None:
    """The inventory that was taken; if there is none, it is said why."""
    if taken.inventory is None:
        print(f"{digest} has no inventory ({taken.state.lower()}): {taken.reason}")
    return taken.inventory


def _advise(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.cli import advice

    status = 0

    def advise() -> None:
        nonlocal status
        on = backends(settings)
        at, id_ = named_image(settings, options.image)
        digest, taken = registry.inventories.take_now(on, at, id_)
        if _inventory(digest, taken) is None:
            status = 1
            return
        image, _, _ = registry.inventories.get(on, at, id_)
        judged = registry.efficiency.find(on, at, image, lambda _: True)
        assert judged is not None, "it is kept together with the inventory"
        print(json.dumps(advice.document(digest, judged)) if options.json else advice.text(digest, judged))

    return refusals_as_text(advise) or status


def _with_package(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def with_package() -> None:
        on = backends(settings)
        wanted = registry.package_search.Wanted(
            options.package, options.ecosystem, options.version, options.at_least, options.below
        )
        _print_images(options, lambda after: registry.package_search.holding(on, on.home, wanted, after, PAGE))

    return refusals_as_text(with_package)


def _affected(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.settings import BadSetting

    def affected() -> None:
        on = backends(settings)
        if not registry.advisories.are_there(on):
            raise BadSetting("No advisories were imported: `holdfast advisories import` brings them in")

        def page(after: int) -> Answer:
            return registry.package_search.affected(
                on, on.home, options.vulnerability, after, PAGE, with_pullers=options.pullers
            )

        _print_images(options, page)

    return refusals_as_text(affected)


def _print_images(options: argparse.Namespace, page: Callable[[int], Answer]) -> None:
    after = count = 0
    while True:
        found = page(after)
        for one in found.images:
            count += 1
            after = one.image.id
            versions = [f"{version.ecosystem} {version.name} {version.version}" for version in one.versions]
            if options.json:
                document = {"repository": one.at.name, "digest": one.image.digest, "tags": one.image.tags,
                            "packages": versions, "pullers": [puller.principal for puller in one.pullers],
                            "runs": [lease.told for lease in one.leases]}  # fmt: skip
                print(json.dumps(document))
            else:
                tags = ", ".join(one.image.tags[:3]) + (", …" if len(one.image.tags) > 3 else "") or "untagged"
                print(f"{one.at.name:<40}  {tags:<24}  {one.image.digest}  {printable('; '.join(versions))}")
                for lease in one.leases:
                    print(f"    runs in {lease.told}")
                for puller in one.pullers:
                    print(f"    {puller.last_pulled_at:%Y-%m-%d %H:%M}  {puller.principal}")
        if not found.more:
            break
    if not options.json:
        print(f"{counted(count, 'image')}.")


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
