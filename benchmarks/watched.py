"""Writes that images are watched, and makes feeds whose advisories change: what an import means for all of them."""

import io
import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy
from inventories import BASE_PACKAGES, Inventories
from latency import wait

from holdfast.model.scanning import Configuration, Frequency, Rule, ScanType
from holdfast.model.severities import ORDER
from holdfast.store import SqliteDatabase
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import (
    image_scans,
    package_set_counts,
    package_sets,
    registries,
    registry_settings,
    work,
)

BASE_CVES, OWN_CVES = 600, 4_000  # in packages that all images have, and in those that few have
CHANGED = 500  # of the latter, each time; and one vulnerability that every image has
SEVERITIES = ("CRITICAL", "HIGH", "MODERATE", "LOW")

_SETS = Statement(sqlalchemy.select(package_sets.c.id))
_REGISTRY = Statement(sqlalchemy.select(sqlalchemy.func.min(registries.c.id)))
_COUNTS = Statement(sqlalchemy.insert(package_set_counts), [column.name for column in package_set_counts.c])
_SCAN = Statement(sqlalchemy.insert(image_scans), [column.name for column in image_scans.c])
_SETTING = insertion(registry_settings)
_SETTLING = Statement(sqlalchemy.select(work.c.id).where(work.c.kind == "SettleAdvisories"))


@dataclass(frozen=True, slots=True)
class Watched:
    """A registry in a folder, whose images are scanned continuously."""

    data: Path
    program: str

    def add(self, images: range) -> None:
        """Write what is in images, what is known of it, and that they are watched; nothing of it is news."""
        database = self._open()
        Inventories(database, images).add()
        self.load(0)
        wait(self.is_told)
        now = datetime.now(UTC)
        with database.transaction() as tx:
            registry_id = tx.value(_REGISTRY)
            text = Configuration(ScanType.ENHANCED, (Rule(Frequency.CONTINUOUS_SCAN, ("*",)),)).text
            tx.run(_SETTING, registry_id=registry_id, name="scanning", value=text, updated_at=now)
            none = {severity.lower(): 0 for severity in ORDER} | {"news_of": None, "news": None}
            tx.run_each(_COUNTS, [{"set_id": set_id, **none} for set_id in tx.column(_SETS)])
            scan = {
                "registry_id": registry_id, "status": "ACTIVE", "description": "", "requested_at": now,
                "completed_at": now, "scan_type": "ENHANCED", "is_live": True, "counts": None,
                "ecosystems": ["Debian:12", "npm"], "source_updated_at": now,
            }  # fmt: skip
            tx.run_each(_SCAN, [{"manifest_id": row, **scan} for row in images])
        database.close()

    def load(self, day: int) -> None:
        """Import what the feeds say on a day; it counts from then on."""
        for ecosystem, records in (("Debian", _base(day)), ("npm", _own(day))):
            file = self.data / f"{ecosystem}.zip"
            file.write_bytes(_archive(records))
            os.utime(file, (1_800_000_000 + day, 1_800_000_000 + day))
            command = [self.program, "advisories", "import", str(file), "--feed", f"osv/{ecosystem}"]
            subprocess.run([*command, "--data", str(self.data)], check=True, capture_output=True)

    def is_told(self) -> bool:
        """Whether all that changed is counted and told."""
        database = self._open()
        with database.snapshot() as tx:
            is_waiting = tx.first(_SETTLING) is not None
        database.close()
        return not is_waiting

    def _open(self) -> SqliteDatabase:
        return SqliteDatabase(self.data / "holdfast.db")


def _base(day: int) -> list[dict]:
    records = [
        _record(
            f"CVE-2026-1{number:04}", "Debian:12", f"package-{number % BASE_PACKAGES}", f"1.{number % 30}-1", number
        )
        for number in range(BASE_CVES)
    ]
    return records + [_record(f"CVE-2026-9{one:04}", "Debian:12", f"package-{one}", "2-1", one) for one in range(day)]


def _own(day: int) -> list[dict]:
    return [
        _record(
            f"GHSA-{number:04}-aaaa-bbbb",
            "npm",
            f"module-{number}",
            f"1.{5 + day if number % (OWN_CVES // CHANGED) == day % (OWN_CVES // CHANGED) else 5}.0",
            number,
        )
        for number in range(OWN_CVES)
    ]


def _record(name: str, ecosystem: str, package: str, fixed: str, number: int) -> dict:
    return {
        "id": name,
        "modified": "2026-01-01T00:00:00Z",
        "summary": f"Something in {package} is wrong",
        "details": "A sentence that says more about it than its title does. " * 5,
        "database_specific": {"severity": SEVERITIES[number % 4]},
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }


def _archive(records: list[dict]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for one in records:
            made.writestr(f"{one['id']}.json", json.dumps(one))
    return content.getvalue()
