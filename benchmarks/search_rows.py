"""The rows of questions over a registry: which images hold a package or a vulnerability, and how many."""

import os
import time
from datetime import timedelta

from filling import Age, Filling
from inventories import COMMON, COMMON_CVE, RARE, RARE_CVE, Inventories
from samples import LATENCY, Sample, felt
from scenes import Row, Scale, Scene
from seats import CANDIDATE
from servers import Server
from wire import UnexpectedAnswerError

from holdfast.store import SqliteDatabase

CROWD = "bench/inventories"
CALLS = 20
PAGE = 100


def search(scale: Scale) -> Scene:
    """How long a page of each answer takes, and a page that says how many there are."""

    def prepare(server: Server) -> None:
        server.create_repository(CROWD)
        age = Age(timedelta(days=100), timedelta(0))
        images = Filling(server.database, CROWD, scale.planned_images, age).add()
        database = SqliteDatabase(server.database)
        Inventories(database, images).add()
        database.close()
        os.sync()

    rows = []
    for name, label, operation, member, common, rare in (
        ("package", "that hold a package", "ListImagesWithPackage", "packageName", COMMON, RARE),
        ("cve", "with a vulnerability", "ListImagesWithVulnerability", "vulnerabilityId", COMMON_CVE, RARE_CVE),
    ):
        for kind, wanted in (("all", common), ("few", rare)):
            label_of_kind = f"{PAGE} images {label} of {scale.planned_images:,}, {kind} of which do"
            for suffix, more in (("", {}), ("-count", {"includeCount": True})):
                rows.append(
                    _row(
                        f"search-{name}-{kind}{suffix}",
                        f"{label_of_kind}{' and how many' if more else ''}",
                        operation,
                        {member: wanted, "maxResults": PAGE, **more},
                        scale.planned_images if more and kind == "all" else None,
                    )
                )
    return Scene(tuple(rows), prepare)


def _row(name: str, label: str, operation: str, members: dict, count: int | None) -> Row:
    def ask(server: Server) -> list[float]:
        taken = []
        for _ in range(CALLS):
            begin = time.perf_counter()
            answer = server.cloud.call(operation, prefix="Holdfast_V20261128", **members)
            taken.append(time.perf_counter() - begin)
            if not answer["images"] or (count is not None and answer["imageCount"] != count):
                raise UnexpectedAnswerError(f"{operation} found {len(answer['images'])} of {answer.get('imageCount')}")
        return taken

    def measure(server: Server) -> Sample:
        return felt(server, lambda: ask(server))

    return Row(name, label, LATENCY, measure, (CANDIDATE,))
