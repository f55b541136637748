"""What every command stands on: the settings as flags, an open registry, and refusals as text."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from holdfast import registry
    from holdfast.model.images import ImageId
    from holdfast.model.names import RepositoryRef
    from holdfast.settings import Settings

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - it has no public name


USUAL = frozenset({"data", "database", "account", "region"})


def add_command(
    commands: Commands, name: str, run: Callable[[Settings, argparse.Namespace], int], help_: str
) -> argparse.ArgumentParser:
    """Add a command that is described by what its help says, as a sentence."""
    command = commands.add_parser(name, help=help_, description=help_[0].upper() + help_[1:] + ".")
    command.set_defaults(run=run)
    return command


def add_settings(command: argparse.ArgumentParser, *, shown: Collection[str] = USUAL) -> None:
    """Let a command take every setting as a flag; its help shows some, so that what is its own can be seen."""
    from holdfast.settings import CHOICES

    others = "those of `holdfast serve --help`, by flag or by variable; these are the usual ones"
    settings = command.add_argument_group("settings", others if shown is USUAL else None)
    for choice in CHOICES:
        if not choice.flag:
            continue
        flag = f"--{choice.name.replace('_', '-')}"
        default = f" [{choice.default}]" if choice.default and not choice.switch else ""
        help_ = f"{choice.help}{default} ({choice.variable})".replace("%", "%%")
        if choice.name not in shown:
            help_ = argparse.SUPPRESS
        if choice.switch:
            settings.add_argument(flag, dest=choice.name, action="store_const", const="true", help=help_)
        elif choice.name == "listen":
            settings.add_argument(flag, dest=choice.name, action=_Repeat, metavar=choice.placeholder, help=help_)
        else:
            settings.add_argument(flag, dest=choice.name, metavar=choice.placeholder, help=help_)


class _Repeat(argparse.Action):
    """Collects a repeated flag as one text with commas."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        _option: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, f"{before},{values}" if before else values)


def backends(settings: Settings) -> registry.Backends:
    """Open a registry that was served before."""
    from holdfast import boot

    return boot.open_existing(settings)


def repository_ref(settings: Settings, name: str) -> RepositoryRef:
    """A repository of the default registry."""
    from holdfast.model.names import Registry, RepositoryRef

    return RepositoryRef(Registry(settings.account, settings.region), name)


def named_image(settings: Settings, text: str) -> tuple[RepositoryRef, ImageId]:
    """The repository and the image that an argument names."""
    from holdfast.model.images import ImageId
    from holdfast.settings import BadSetting

    name, is_digest, digest = text.partition("@")
    name, is_tag, tag = name.partition(":")
    if not name or not (digest or tag) or bool(is_digest) == bool(is_tag):
        raise BadSetting(f"{text}: it must be REPOSITORY:TAG or REPOSITORY@DIGEST")
    return repository_ref(settings, name), ImageId(digest or None, tag or None)


def refusals_as_text(do: Callable[[], None]) -> int:
    """Do something; the exit status, which a refusal makes 1."""
    from holdfast.model.errors import Refusal

    try:
        do()
    except Refusal as refusal:
        sys.stderr.write(f"holdfast: {refusal.message}\n")
        return 1
    return 0


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """So many of something: `1 image`, `1,204 images`; the noun may bring a verb, if its plural is told."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def printable(text: str) -> str:
    """A text that somebody else wrote, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
