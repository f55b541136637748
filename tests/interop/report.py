"""What is checked, and how each check went."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.interop import clients

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.places import Place

LINES_SHOWN = 15
TROUBLE = re.compile(r"^( *Traceback|\S+ \S+ (ERROR|CRITICAL) .*)", re.MULTILINE)


class Failed(Exception):
    """A client did not do what it should; the text says what it did."""


class Unable(Exception):
    """This machine cannot do what a check needs."""


@dataclass(frozen=True)
class Check:
    """One thing that people do with a registry."""

    name: str
    clients: tuple[str, ...]
    do: Callable[[Place], None]
    only: str = ""  # the name of the one place where it makes sense


class Checks(list[Check]):
    """The checks of one file, in the order in which they are run."""

    def add(self, name: str, *needed: str, only: str = "") -> Callable[[Callable[[Place], None]], None]:
        """Mark a function as a check."""
        return lambda do: self.append(Check(name, needed, do, only))


class Report:
    """One line a check, and a summary that cannot be overlooked."""

    def __init__(self, found: dict[str, str]) -> None:
        self._found = found
        self._passed = 0
        self._failed: list[str] = []
        self._skipped: list[str] = []
        for name, path in found.items():
            self._say(f"{name:<12} {'.'.join(map(str, clients.version(path))):<10} {path}")
        self._say()

    def run(self, check: Check, at: Place) -> None:
        """Make one check, if its clients are here."""
        if check.only not in {"", at.name}:
            return
        name = f"{check.name} over {at.name}"
        missing = [client for client in check.clients if client not in self._found]
        if missing:
            self._skip(name, f"{', '.join(missing)} missing")
            return
        before, began = len(at.log()), time.monotonic()
        try:
            check.do(at)
        except Unable as reason:
            self._skip(name, str(reason))
        except Exception as fault:  # noqa: BLE001 - whatever it is, the next check is made all the same
            what = str(fault) if isinstance(fault, Failed) else f"{type(fault).__name__}: {fault}"
            self.fail(name, time.monotonic() - began, f"{what}\nserver log:\n{_shorten(at.log()[before:])}")
        else:
            self._pass(name, time.monotonic() - began)

    def finish(self, at: Place) -> None:
        """Stop a server; it must have had no trouble of its own."""
        name, began = f"server stops, and logged no trouble, over {at.name}", time.monotonic()
        status = at.product.stop()
        seconds = time.monotonic() - began
        trouble = TROUBLE.search(at.log())
        if status or trouble:
            self.fail(name, seconds, f"exit status {status}; {trouble[0] if trouble else ''}\n{_shorten(at.log())}")
        else:
            self._pass(name, seconds)

    def fail(self, name: str, seconds: float, why: str) -> None:
        """Say that something failed, and why."""
        self._failed.append(name)
        self._say(f"FAIL {name:<76} {seconds:5.1f} s")
        self._say("\n".join(f"     | {line}" for line in why.splitlines()))

    def conclude(self, *, require_all: bool) -> int:
        """Say the outcome; the exit status."""
        self._say(f"\n{self._passed} passed, {len(self._failed)} failed, {len(self._skipped)} skipped")
        for name in self._failed:
            self._say(f"  FAIL {name}")
        if self._skipped:
            self._say(f"\n{'!' * 100}\nNOT EVERYTHING WAS CHECKED. These were skipped:")
            for name in self._skipped:
                self._say(f"  {name}")
            missing = [name for name in [*clients.PACKAGES, *clients.UNPACKAGED] if name not in self._found]
            for name in missing:
                self._say(f"{name} is missing; it is in {clients.origin(name)}")
            self._say(f"`tests/interop/run.py --install` installs what Debian has.\n{'!' * 100}")
        return 1 if self._failed or (require_all and self._skipped) else 0

    def _pass(self, name: str, seconds: float) -> None:
        self._passed += 1
        self._say(f"ok   {name:<76} {seconds:5.1f} s")

    def _skip(self, name: str, why: str) -> None:
        self._skipped.append(f"{name}: {why}")
        self._say(f"skip {name}: {why}")

    def _say(self, text: str = "") -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _shorten(text: str) -> str:
    lines = text.strip().splitlines()
    return "\n".join(["…", *lines[-LINES_SHOWN:]] if len(lines) > LINES_SHOWN else lines) or "(nothing)"


def shown(output: str) -> str:
    """The end of what a client printed, as a person would have seen it."""
    # Progress bars rewrite their lines; only the last state counts.
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", output)
    return _shorten("\n".join(line.rpartition("\r")[2] for line in plain.replace("\r\n", "\n").splitlines()))
