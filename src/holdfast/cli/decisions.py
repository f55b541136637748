"""What does not count of what is wrong with images: suppressions and VEX documents."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.ground import (
    add_command,
    add_settings,
    backends,
    counted,
    named_image,
    printable,
    refusals_as_text,
    repository_ref,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from holdfast.cli.ground import Commands
    from holdfast.model.images import ImageId
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.registry import Backends
    from holdfast.settings import Settings

PAGE = 500
WHERE = ("where", {"metavar": "REPOSITORY|REPOSITORY:TAG|REPOSITORY@DIGEST", "nargs": "?",
                   "help": "for what it counts; for the whole registry if nothing is named"})  # fmt: skip
NAMED = ("repository", {"metavar": "REPOSITORY", "nargs": "?", "help": "this one only"})
UNTIL = {"metavar": "TIME", "help": "when it counts no more, such as 2030-01-31 or 2030-01-31T12:00:00Z"}
NUMBER = ("number", {"metavar": "NUMBER", "type": int})
FLAGS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "vex add": (
        ("file", {"metavar": "FILE", "help": "OpenVEX, CycloneDX or CSAF, as JSON"}), WHERE, ("--until", UNTIL),
    ),
    "vex list": (NAMED,),
    "vex remove": (NUMBER,),
    "suppression add": (
        ("vulnerability", {"metavar": "CVE", "help": "or any other name of it"}), WHERE,
        ("--reason", {"metavar": "TEXT", "required": True, "help": "why it does not count"}),
        ("--until", {**UNTIL, "required": True}),
        ("--package", {"metavar": "NAME", "help": "in this package only, by the name of its source"}),
        ("--package-version", {"metavar": "VERSION", "help": "in this version of the package only"}),
        ("--at-most", {"metavar": "SEVERITY", "help": "as long as it is no worse, such as MEDIUM"}),
    ),
    "suppression list": (NAMED,),
    "suppression remove": (NUMBER,),
}  # fmt: skip


def add_to(actions: Commands) -> None:
    """Add the commands of decisions to those of images."""
    for noun, help_, rows in (
        ("vex", "what VEX documents say of findings", (
            ("add", _add_vex, "let what a VEX document says count"),
            ("list", _list_vex, "list the VEX documents that count, or did until they expired"),
            ("remove", _remove_vex, "let what a VEX document says count no more"),
        )),
        ("suppression", "findings that somebody decided do not count", (
            ("add", _add, "let a vulnerability not count, by a reason and until a time"),
            ("list", _list, "list what does not count, who decided that, why and until when"),
            ("remove", _remove, "let what was suppressed count again"),
        )),
    ):  # fmt: skip
        group = actions.add_parser(noun, help=help_, description=help_[0].upper() + help_[1:] + ".")
        inner = group.add_subparsers(dest="deed", metavar="ACTION", required=True)
        for name, run, told in rows:
            action = add_command(inner, name, run, told)
            for flag, kind in FLAGS[f"{noun} {name}"]:
                action.add_argument(flag, **kind)
            add_settings(action)
    action = add_command(actions, "suppressed", _suppressed, "list the findings of an image that do not count, and why")
    action.add_argument("image", metavar="REPOSITORY:TAG|REPOSITORY@DIGEST")
    add_settings(action)


def _add_vex(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.settings import BadSetting

    try:
        data = Path(options.file).read_bytes()
    except OSError as fault:
        raise BadSetting(f"{options.file}: {fault.strerror}") from None

    def put() -> None:
        on = backends(settings)
        where, id_ = _where(settings, on, options.where)
        kept = registry.vex.put(on, where, id_, data, _operator(), _until(options.until))
        by = f"of {printable(kept.author) or 'an unnamed author'}"
        print(f"{kept.id}: {counted(kept.statement_count, f'statement {by} counts', f'statements {by} count')} for "
              f"{options.where or 'the whole registry'}.")  # fmt: skip
        if kept.left_out:
            left_out = counted(kept.left_out, "product was", "products were")
            print(f"{left_out} left out: nothing tells them from others.")

    return refusals_as_text(put)


def _list_vex(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def list_() -> None:
        on, count = backends(settings), 0
        where = repository_ref(settings, options.repository) if options.repository else on.home
        for one in _pages(lambda after: registry.vex.page(on, where, after, PAGE)):
            count += 1
            print(f"{one.id:>6}  {one.form:<9}  {_place(one.repository, one.digest)}")
            author = f" by {printable(one.author)}" if one.author else ""
            print(f"        {printable(one.ident)}  of {one.issued_at:%Y-%m-%d %H:%M}{author}, "
                  f"{counted(one.statement_count, 'statement')}")  # fmt: skip
            until = f", until {one.expires_at:%Y-%m-%d %H:%M}" if one.expires_at else ""
            print(f"        put by {printable(one.owner)} at {one.created_at:%Y-%m-%d %H:%M}{until}"
                  f"{f', with the referrer {one.origin_digest}' if one.origin_digest else ''}")  # fmt: skip
        print(f"{counted(count, 'VEX document')}.")

    return refusals_as_text(list_)


def _remove_vex(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    return _remove_of(settings, options, registry.vex.page, registry.vex.delete, "VEX document")


def _add(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.severities import Severity
    from holdfast.model.suppressions import Suppression
    from holdfast.settings import BadSetting

    until = _until(options.until)
    assert until is not None, "it is required"
    try:
        maximum = Severity(options.at_most.upper()) if options.at_most else None
    except ValueError:
        raise BadSetting(f"--at-most {options.at_most}: it must be one of {', '.join(Severity)}") from None

    def put() -> None:
        on = backends(settings)
        where, id_ = _where(settings, on, options.where)
        digest = None
        if id_ is not None:
            digest = registry.images.describe(on, repository_ref(settings, _name(options.where)), [id_])[0].digest
        wanted = Suppression(
            0, None, options.vulnerability, options.package, options.package_version, digest, maximum,
            options.reason, _operator(), on.clock(), until,
        )  # fmt: skip
        kept = registry.suppressions.put(on, where, wanted)
        print(f"{kept.id}: {printable(kept.vulnerability)} does not count until {until:%Y-%m-%d %H:%M} in "
              f"{options.where or 'the whole registry'}.")  # fmt: skip

    return refusals_as_text(put)


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    def list_() -> None:
        on, count = backends(settings), 0
        where = repository_ref(settings, options.repository) if options.repository else on.home
        for one in _pages(lambda after: registry.suppressions.page(on, where, after, PAGE)):
            count += 1
            package = f" in {printable(one.package)} {printable(one.version or '')}".rstrip() if one.package else ""
            worst = f", at most {one.maximum}" if one.maximum else ""
            print(f"{one.id:>6}  {printable(one.vulnerability)}{package}{worst}  {_place(one.repository, one.digest)}")
            over = "" if one.expires_at > on.clock() else ", which is over"
            print(f"        until {one.expires_at:%Y-%m-%d %H:%M}{over}, by {printable(one.owner)}: "
                  f"{printable(one.reason)}")  # fmt: skip
        print(f"{counted(count, 'suppression')}.")

    return refusals_as_text(list_)


def _remove(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    return _remove_of(settings, options, registry.suppressions.page, registry.suppressions.delete, "suppression")


def _suppressed(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.image_findings import FIRST

    def list_() -> None:
        on = backends(settings)
        at, id_ = named_image(settings, options.image)
        after, count, more = FIRST, 0, True
        while more:
            report, found = registry.scanning.suppressed(on, at, id_, after, PAGE)
            more = report.has_more
            for one in found:
                count, after = count + 1, one.finding.place
                finding = one.finding
                print(f"{finding.severity:<13}  {printable(finding.name):<20}  {printable(finding.package)} "
                      f"{printable(finding.version)}")  # fmt: skip
                for why in one.verdicts:
                    until = f", until {why.until:%Y-%m-%d %H:%M}" if why.until else ""
                    source = f"VEX document {why.number} ({why.status})" if why.status else f"suppression {why.number}"
                    print(f"    {source} by {printable(why.author or why.owner)}{until}: {printable(why.reason)}")
        print(f"{counted(count, 'finding does', 'findings do')} not count. The scan: {report.scan.status}.")

    return refusals_as_text(list_)


def _remove_of(
    settings: Settings,
    options: argparse.Namespace,
    page: Callable[[Backends, Any, int, int], tuple[list[Any], bool]],
    delete: Callable[[Backends, Any, int], None],
    noun: str,
) -> int:
    def remove() -> None:
        on = backends(settings)
        found, _ = page(on, on.home, options.number - 1, 1)
        name = found[0].repository if found and found[0].id == options.number else None
        delete(on, repository_ref(settings, name) if name else on.home, options.number)
        print(f"The {noun} {options.number} counts no more.")

    return refusals_as_text(remove)


def _pages(page: Callable[[int], tuple[list[Any], bool]]) -> Iterator[Any]:
    after, more = 0, True
    while more:
        found, more = page(after)
        yield from found
        after = found[-1].id if found else after


def _where(settings: Settings, on: Backends, text: str | None) -> tuple[Registry | RepositoryRef, ImageId | None]:

    if text is None:
        return on.home, None
    if ":" in text or "@" in text:
        return named_image(settings, text)
    return repository_ref(settings, text), None


def _name(text: str) -> str:
    return text.partition("@")[0].partition(":")[0]


def _place(repository: str | None, digest: str | None) -> str:
    return f"{repository}{f'@{digest}' if digest else ''}" if repository else "the whole registry"


def _until(text: str | None) -> datetime | None:
    from holdfast.model import instants
    from holdfast.settings import BadSetting

    if text is None:
        return None
    found = instants.read(f"{text}T00:00:00Z" if len(text) == len("2030-01-31") else text)
    if found is None:
        raise BadSetting(f"--until {text}: it must be a day or an instant, such as 2030-01-31 or 2030-01-31T12:00:00Z")
    return found


def _operator() -> str:
    """Who runs this command, as the system knows."""
    try:
        return f"operator {getpass.getuser()}"
    except (OSError, KeyError):  # a container's user may have no name
        return "operator"
