"""What a server costs: processor time and memory of its whole process tree, and what the rest of the machine did."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1


@dataclass(slots=True)
class Meter:
    """The processor seconds a server used in a span, and the share of the machine that neither it nor we used."""

    cpu: float = 0.0
    others: float = 0.0


@contextmanager
def metering(pid: int) -> Iterator[Meter]:
    """Fill a meter with what happens inside the block; clients must have ended when the block does."""
    meter = Meter()
    begin, busy, ours, theirs = time.monotonic(), _machine_seconds(), _our_seconds(), cpu_seconds(pid)
    yield meter
    meter.cpu = cpu_seconds(pid) - theirs
    elapsed = time.monotonic() - begin
    others = (_machine_seconds() - busy) - (_our_seconds() - ours) - meter.cpu
    meter.others = max(0.0, others / (elapsed * CORES))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree, with the children it has already buried."""
    return sum(sum(int(field) for field in _stat(member)[11:15]) for member in _tree(pid)) / TICKS


def memory(pid: int) -> list[int]:
    """The proportional set size of each process of a tree, in bytes, largest first."""
    return sorted((_proportional_set_size(member) for member in _tree(pid)), reverse=True)


def _tree(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    members = [pid]
    for member in members:
        members += children.get(member, [])
    return members


def _stat(pid: int) -> list[str]:
    """Give the fields of /proc/PID/stat from the third (state) on; nothing if the process is gone."""
    try:
        # The second field is the program's name in brackets and may hold blanks.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _proportional_set_size(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _machine_seconds() -> float:
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, _first_line("/proc/stat").split()[1:])
    return (user + nice + system + irq + softirq + steal) / TICKS


def _first_line(path: str) -> str:
    with Path(path).open(encoding="ascii") as file:
        return file.readline()


def _our_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
