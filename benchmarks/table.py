"""The table: aligned Markdown that a terminal shows as well as a browser."""

import os
import platform
import re
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from measuring import Result
from samples import Sample, shown
from seats import ABSENCES, CANDIDATE, LIMIT, PEER, STUB, Contender

NOTES = (
    "Figures are medians [lowest..highest]; servers and clients share the machine, and the servers take turns.",
    "The ratio is Holdfast's figure divided by the peer's: more is better, except for memory.",
    "Cost is user and system time of all processes of the server; a busy machine distorts it less than the figure.",
    "For memory, the figure is the proportional set size of the largest process, and the cost that of all together.",
    "For milliseconds, the figure is the 99th percentile of single requests, and the cost their median.",
    "Others is the share of the machine that neither server nor clients used, at worst: where high, distrust the row.",
    "Holdfast authenticates, authorises, keeps metadata, encrypts and fsyncs; the peer has no users and no encryption.",
    "nginx sends plain files: a limit, not a rival.",
)
STUB_NOTE = "Calls of the ECR API that others answer are measured beside {}, in the peer's column."


def report(results: list[Result], contenders: dict[str, Contender], command: str, began: datetime) -> str:
    """Everything a reader needs to judge the figures, and the figures."""
    missing = [text for seat, text in ABSENCES.items() if seat not in contenders]
    stub = contenders.get(STUB)
    stub = stub if stub != contenders.get(PEER) else None
    facts = (
        f"Made by `{command}`",
        f"on {began:%Y-%m-%d %H:%M} UTC in {(datetime.now(UTC) - began).total_seconds() / 60:.0f} min",
        machine(),
    )
    titles = [contenders[seat].title for seat in (LIMIT, PEER, CANDIDATE) if seat in contenders]
    notes = NOTES
    if stub is not None:
        titles.append(stub.title)
        notes += (STUB_NOTE.format(stub.title),)
    lines = [", ".join(facts) + ".", f"Taking part: {', '.join(titles)}.", ""]
    lines += aligned([_heading(contenders), *(_cells(result) for result in results)])
    lines += ["", *(f"- {note}" for note in (*notes, *missing, *_failures(results, contenders)))]
    return "\n".join(lines) + "\n"


def aligned(rows: list[list[str]]) -> list[str]:
    """Lay cells out as a Markdown table with even columns; the first row is the heading."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    # The first column is words, the others are figures.
    lines = [
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    ]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return ["| " + " | ".join(cells) + " |" for cells in (lines[0], rule, *lines[1:])]


def machine() -> str:
    """The machine in one line."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    kernel = re.match(r"[\d.]+", platform.release())
    return (
        f"on {os.cpu_count()} cores ({model[1] if model else platform.machine()}) and {memory:.0f} GB of memory, "
        f"{platform.system()} {kernel[0] if kernel else ''}, Python {platform.python_version()}, "
        f"data on {_filesystem()}"
    )


def _filesystem() -> str:
    """Name the kind of file system that temporary folders are on."""
    folder = Path(tempfile.gettempdir()).resolve()
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    return max((mount for mount in mounts if folder.is_relative_to(mount[0])), key=lambda mount: len(mount[0]))[1]


def _heading(contenders: dict[str, Contender]) -> list[str]:
    titles = [contenders[seat].title if seat in contenders else seat for seat in (LIMIT, PEER, CANDIDATE)]
    costs = [f"cost {title.split()[0]}" for title in titles]
    return ["work", "unit", *titles, "ratio", "cost in", *costs, "others"]


def _cells(result: Result) -> list[str]:
    row = result.row
    seats = [LIMIT, STUB if STUB in row.seats else PEER, CANDIDATE]
    figures = [_figure(result, seat) for seat in seats]
    costs = [_cost(result.samples.get(seat)) for seat in seats]
    others = max((sample.others for samples in result.samples.values() for sample in samples), default=0.0)
    peer, candidate = (result.median(seat) for seat in seats[1:])
    ratio = f"{candidate / peer:.2f}" if peer and candidate else "-"
    return [row.work, row.unit.name, *figures, ratio, row.unit.cost, *costs, f"{others:.0%}"]


def _figure(result: Result, seat: str) -> str:
    if seat in result.failures:
        return "failed"
    values = [sample.value for sample in result.samples.get(seat, [])]
    if not values:
        return "-"
    median = shown(statistics.median(values))
    return median if len(values) == 1 else f"{median} [{shown(min(values))}..{shown(max(values))}]"


def _cost(samples: list[Sample] | None) -> str:
    if not samples:
        return "-"
    return shown(statistics.median(sample.cost for sample in samples))


def _failures(results: list[Result], contenders: dict[str, Contender]) -> list[str]:
    return [
        f"{result.row.name}: {contenders[seat].title} failed: {' '.join(reason.split())[:300]}"
        for result in results
        for seat, reason in result.failures.items()
    ]
