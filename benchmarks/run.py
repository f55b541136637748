"""Measure Holdfast beside a peer registry and moto, with nginx as the limit, in one run."""

import argparse
import dataclasses
import shlex
import shutil
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import measuring
import rows
import scenes
import seats
import table

GIBIBYTE = 1 << 30
# Go copies a layer into the request in pieces of this size.
DOCKER_CHUNK = 32 * 1024

FULL = scenes.Scale(
    bulk=GIBIBYTE,
    share=GIBIBYTE // 4,
    seconds=3,
    many_tags=20_000,
    many_images=1_000_000,
    planned_images=100_000,
    blobs=1_000_000,
    rounds=3,
    chunk=DOCKER_CHUNK,
)
QUICK = scenes.Scale(
    bulk=GIBIBYTE // 4,
    share=GIBIBYTE // 16,
    seconds=2,
    many_tags=5_000,
    many_images=100_000,
    planned_images=20_000,
    blobs=100_000,
    rounds=2,
    chunk=DOCKER_CHUNK,
)


def main() -> int:
    """Run what was asked for, print the table, and say by the exit status whether all of it worked."""
    options = _options()
    began = datetime.now(UTC)
    scale = dataclasses.replace(QUICK if options.quick else FULL, chunk=options.chunk)
    chosen = _chosen(rows.scenes(scale), options.rows)
    contenders = seats.taken(stand_in=options.stand_in, on_s3=options.s3, on_postgresql=options.postgresql)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = []
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        for number, scene in enumerate(chosen, 1):
            measuring.tell(f"{number}/{len(chosen)} {', '.join(row.name for row in scene.rows)}")
            results += measuring.measured(scene, contenders, options.rounds or scale.rounds, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    command = shlex.join(["python", "benchmarks/run.py", *sys.argv[1:]])
    text = table.report(results, contenders, command, began)
    print(text, end="")
    if options.markdown:
        options.markdown.write_text(f"# Benchmark results\n\n{text}", encoding="utf-8")
    return 1 if any(result.failures for result in results) else 0


def _options() -> argparse.Namespace:
    names = [f"  {row.name:<24} {row.work}" for scene in rows.scenes(FULL) for row in scene.rows]
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="\n".join(("rows:", *names)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="smaller blobs, shorter and fewer rounds")
    parser.add_argument("--rows", type=lambda text: text.split(","), metavar="NAME,NAME", help="only these rows")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each server is measured")
    parser.add_argument(
        "--chunk", type=int, default=DOCKER_CHUNK, metavar="BYTES", help="chunk of a PATCH (%(default)s)"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument(
        "--stand-in", action="store_true", help="put docker-registry in Holdfast's place, to try the benchmark itself"
    )
    parser.add_argument("--s3", action="store_true", help="keep the layers of both registries in SeaweedFS")
    parser.add_argument("--postgresql", action="store_true", help="Holdfast on PostgreSQL beside Holdfast on SQLite")
    options = parser.parse_args()
    known = {row.name for scene in rows.scenes(FULL) for row in scene.rows}
    if unknown := set(options.rows or ()) - known:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; --help lists them")
    return options


def _chosen(known: list[scenes.Scene], names: list[str] | None) -> list[scenes.Scene]:
    if not names:
        return known
    kept = [dataclasses.replace(scene, rows=tuple(row for row in scene.rows if row.name in names)) for scene in known]
    return [scene for scene in kept if scene.rows]


if __name__ == "__main__":
    sys.exit(main())
