"""Writes images that nobody pushed into the database of a started Holdfast: a million of them in a minute."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy
from content import MANIFEST_TYPE

from holdfast.store import SqliteDatabase
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import manifest_bodies, manifest_references, manifests, repositories, tags

PORTION = 10_000  # rows of a table in one transaction
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"
BODY = bytes(1200)  # as long as the manifest of a config and five layers
BASE_LAYERS = 3  # that every image has
OWN_LAYERS = 2
# How every ten images are tagged, which is half of them.
TAGS = ("pr-{}", None, "main-{}", None, "pr-{}", None, "release-{}", None, "v{}-rc1", None)

WITH_ID = Statement(sqlalchemy.insert(manifests), [column.name for column in manifests.c])
_TAG = insertion(tags)
_BODY = insertion(manifest_bodies)
_REFERENCE = insertion(manifest_references)
LAST_IMAGE = Statement(sqlalchemy.select(sqlalchemy.func.max(manifests.c.id)))
NAMED = repositories.c.name == sqlalchemy.bindparam("repository")
_FIND = Statement(sqlalchemy.select(repositories.c.id).where(NAMED))
_COUNT = Statement(sqlalchemy.select(repositories.c.image_count).where(NAMED))
COUNT_IMAGES = Statement(
    sqlalchemy.update(repositories)
    .where(NAMED)
    .values(image_count=repositories.c.image_count + sqlalchemy.bindparam("more"))
)


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago images were pushed: evenly, from the oldest to the newest."""

    oldest: timedelta
    newest: timedelta


@dataclass(frozen=True, slots=True)
class Filling:
    """Images for one repository; whole ones have what only pulls and removals look at, too: bodies and references."""

    database: Path
    repository: str
    amount: int
    age: Age
    is_whole: bool = False

    def add(self) -> range:
        """Write the images; their rows, which follow each other because nobody else pushes meanwhile."""
        database, begin = SqliteDatabase(self.database), datetime.now(UTC) - self.age.oldest
        step = (self.age.oldest - self.age.newest) / max(self.amount, 1)
        with database.snapshot() as tx:
            repository_id = tx.value(_FIND, repository=self.repository)
            first = (tx.value(LAST_IMAGE) or 0) + 1
        rows = range(first, first + self.amount)
        for start in range(0, self.amount, PORTION):
            images = [(row, begin + step * (row - first)) for row in rows[start : start + PORTION]]
            with database.transaction(durable=False) as tx:
                tx.run_each(WITH_ID, [image_row(repository_id, *image) for image in images])
                tx.run_each(_TAG, [_tag(repository_id, *image) for image in images if _tag_of(image[0])])
                if self.is_whole:
                    tx.run_each(_BODY, [{"manifest_id": row, "body": BODY} for row, _ in images])
                    tx.run_each(_REFERENCE, [one for row, _ in images for one in _references(repository_id, row)])
                tx.run(COUNT_IMAGES, repository=self.repository, more=len(images))
        database.close()
        return rows


def counted(database: Path, repository: str) -> int:
    """How many images a repository has."""
    opened = SqliteDatabase(database)
    with opened.snapshot() as tx:
        number = tx.value(_COUNT, repository=repository)
    opened.close()
    return number


def image_row(repository_id: int, row: int, pushed_at: datetime) -> dict:
    """The row of an image."""
    return {
        "id": row,
        "repository_id": repository_id,
        "digest": digest(f"manifest {row}"),
        "media_type": MANIFEST_TYPE,
        "artifact_type": None,
        "config_media_type": CONFIG_TYPE,
        "subject": None,
        "manifest_bytes": len(BODY),
        "size_bytes": 50_000_000,
        "annotations": {},
        "pushed_at": pushed_at,
        "pulled_at": None,
        "status": "ACTIVE",
        "archived_at": None,
        "activated_at": None,
        "is_tagged": _tag_of(row) is not None,
        "verified_at": datetime.now(UTC),  # the scrub leaves them alone
        "damaged_at": None,
    }


def _tag(repository_id: int, row: int, pushed_at: datetime) -> dict:
    return {
        "repository_id": repository_id,
        "name": _tag_of(row),
        "manifest_id": row,
        "tagged_at": pushed_at,
        "is_active": True,
        "stale_at": None,
    }


def _references(repository_id: int, row: int) -> list[dict]:
    layers = [digest(f"layer {number}") for number in range(BASE_LAYERS)]
    layers += [digest(f"layer {row} {number}") for number in range(OWN_LAYERS)]
    needed = {digest(f"config {row}"): CONFIG_TYPE} | dict.fromkeys(layers, LAYER_TYPE)
    return [
        {
            "manifest_id": row,
            "digest": needed_digest,
            "repository_id": repository_id,
            "is_manifest": False,
            "media_type": media_type,
        }
        for needed_digest, media_type in needed.items()
    ]


def _tag_of(row: int) -> str | None:
    form = TAGS[row % len(TAGS)]
    return form and form.format(row)


def digest(text: str) -> str:
    """A digest that is of nothing but this text."""
    return f"sha256:{hashlib.sha256(text.encode('ascii')).hexdigest()}"
