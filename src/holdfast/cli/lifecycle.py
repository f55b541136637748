"""Lifecycle policies: see what one would do with each image, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, counted, refusals_as_text, repository_ref

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.model.lifecycle import Verdict
    from holdfast.settings import Settings


def add(commands: Commands) -> None:
    """Add the commands of lifecycle policies."""
    group = commands.add_parser("lifecycle", help="lifecycle policies", description="Lifecycle policies.")
    actions = group.add_subparsers(dest="action", metavar="ACTION", required=True)
    help_ = "tell what a policy would do with each image now, and why; nothing is changed"
    action = add_command(actions, "explain", _explain, help_)
    action.add_argument("repository", metavar="REPOSITORY")
    action.add_argument("--policy", metavar="FILE", help="a policy to try instead of the repository's own")
    add_settings(action)


def _explain(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.settings import BadSetting

    try:
        text = Path(options.policy).read_text() if options.policy else None
    except (OSError, UnicodeDecodeError) as fault:
        raise BadSetting(f"--policy {options.policy}: {fault}") from None

    def explain() -> None:
        at = repository_ref(settings, options.repository)
        verdicts = registry.lifecycle.explain(backends(settings), at, text)
        for verdict in verdicts:
            print(_line(verdict))
        counts = {action: sum(one.action == action for one in verdicts) for action in ("expire", "transition")}
        images = counted(len(verdicts), "image")
        print(f"{images}: {counts['expire']} would expire, {counts['transition']} would be archived.")

    return refusals_as_text(explain)


def _line(verdict: Verdict) -> str:
    image = verdict.image
    tags = ", ".join(image.tags[:3]) + (", …" if len(image.tags) > 3 else "") if image.tags else "untagged"
    return f"{verdict.action or 'keep':<10}  {image.digest[:19]}  {tags:<24}  {verdict.reason}"
