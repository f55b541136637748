"""The command line: serve, worker and check; what operators look at and steer; and selftest."""

from __future__ import annotations

import argparse
import atexit
import gc as collector  # a command has the name
import logging
import sys
from typing import TYPE_CHECKING, Any

from holdfast import __version__
from holdfast.cli import (
    account,
    advisories,
    audit,
    backup,
    bundle,
    cache,
    deleted,
    events,
    explain,
    gc,
    image,
    kms,
    lease,
    lifecycle,
    replication,
    restore,
    scrub,
    selftest,
    shadow,
    work,
)
from holdfast.cli.ground import add_command, add_settings, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    from holdfast.model.errors import DatabaseUnavailable
    from holdfast.settings import BadSetting, read

    # What a command loads stays: to look for garbage in it, while it comes and at the end, took a third of a start.
    collector.set_threshold(100_000, 20, 20)
    atexit.register(collector.freeze)
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 2
    try:
        settings = read(vars(options))
        to_stderr = logging.StreamHandler(sys.stderr)
        to_stderr.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
        logging.basicConfig(level=settings.log_level.upper(), handlers=[to_stderr])
        for library in ("alembic", "botocore"):
            logging.getLogger(library).setLevel(logging.WARNING)
        status: int = options.run(settings, options)
    except BadSetting as fault:
        sys.stderr.write(f"holdfast: {fault}\n")
        return 2
    except DatabaseUnavailable as fault:
        sys.stderr.write(f"holdfast: --database: {fault.__cause__ or fault}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return status


class _OneLine(logging.Formatter):
    """A message is one line, whatever a client put into it: nobody writes lines of the log, nor to a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - likewise
        """A traceback, whose lines are indented: what an exception says is no line of the log either."""
        return "\n".join(f"    {printable(line)}" for line in super().formatException(ei).splitlines())


def _parser() -> argparse.ArgumentParser:
    from holdfast.settings import CHOICES

    parser = argparse.ArgumentParser(prog="holdfast", description="An Amazon ECR that anyone can run.")
    parser.add_argument("--version", action="version", version=f"holdfast {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, run, help_ in (
        ("serve", _serve, "serve the ECR API and the registry"),
        ("worker", _worker, "do background work only"),
        ("migrate", _migrate, "bring the database to this program's schema"),
        ("check", _check, "try the settings and every part behind them"),
    ):
        command = add_command(commands, name, run, help_)
        command.usage = "%(prog)s [SETTINGS]"
        add_settings(command, shown={choice.name for choice in CHOICES})
    for group in (
        account,
        advisories,
        audit,
        explain,
        kms,
        lifecycle,
        image,
        deleted,
        lease,
        gc,
        scrub,
        backup,
        cache,
        restore,
        bundle,
        shadow,
        replication,
        work,
        events,
        selftest,
    ):
        group.add(commands)
    return parser


def _serve(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import boot

    return boot.serve(settings)


def _worker(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import boot

    return boot.work(settings)


def _migrate(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import boot
    from holdfast.settings import BadSetting
    from holdfast.store.migrations import SchemaTooNew, migrate

    try:
        steps = migrate(boot.open_backends(settings).database)
    except SchemaTooNew as fault:
        raise BadSetting(str(fault)) from None
    for step in steps:
        print(f"migrated: {step}")
    print("The database has this program's schema.")
    return 0


def _check(settings: Settings, _options: argparse.Namespace) -> int:
    from holdfast import boot

    results = boot.check(settings)
    for part, fault in results:
        print(f"{part:<14} {'ok' if fault is None else fault}")
    return 0 if all(fault is None for _, fault in results) else 1
