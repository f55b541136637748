"""Writes blobs that nobody pushed into a database: as many as there are in a large registry, and garbage among them."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy
from filling import COUNT_IMAGES, LAST_IMAGE, LAYER_TYPE, NAMED, PORTION, WITH_ID, digest, image_row

from holdfast.model.work import CollectGarbage
from holdfast.store import Database, work
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import (
    EPOCH,
    blobs,
    gc_candidates,
    manifest_references,
    objects,
    quarantined_links,
    repositories,
    repository_blobs,
)

SEALED = bytes(300)
BLOBS_AN_IMAGE = 10

_FIND = Statement(sqlalchemy.select(repositories.c.id, repositories.c.registry_id).where(NAMED))
_LAST = Statement(sqlalchemy.select(sqlalchemy.func.max(blobs.c.id)))
_BLOB = Statement(sqlalchemy.insert(blobs), [column.name for column in blobs.c])
_OBJECT, _LINK, _REFERENCE = insertion(objects), insertion(repository_blobs), insertion(manifest_references)
_CANDIDATE, _QUARANTINED = insertion(gc_candidates), insertion(quarantined_links)
_LEFT = [
    Statement(sqlalchemy.select(gc_candidates.c.digest).where(gc_candidates.c.due_at == EPOCH).limit(1)),
    Statement(
        sqlalchemy.select(quarantined_links.c.digest).where(quarantined_links.c.quarantined_at == EPOCH).limit(1)
    ),
    Statement(sqlalchemy.select(objects.c.key).where(objects.c.expires_at == EPOCH).limit(1)),
]


@dataclass(frozen=True, slots=True)
class Litter:
    """Blobs of a repository; each has its bytes in a row of its own."""

    database: Database
    repository: str

    def keep(self, amount: int) -> None:
        """Write blobs that images need."""
        with self.database.snapshot() as tx:
            image = (tx.value(LAST_IMAGE) or 0) + 1
        for ids in self._portions(amount):
            with self.database.transaction(durable=False) as tx:
                at = self._blobs(tx, ids)
                tx.run_each(_LINK, [_link(at, number) for number in ids])
                images = range(image, image + len(ids) // BLOBS_AN_IMAGE)
                tx.run_each(WITH_ID, [image_row(at["id"], number, datetime.now(UTC)) for number in images])
                references = [_reference(at, image + (number - ids[0]) // BLOBS_AN_IMAGE, number) for number in ids]
                tx.run_each(_REFERENCE, references)
                tx.run(COUNT_IMAGES, repository=self.repository, more=len(images))
                image += len(images)

    def drop(self, amount: int) -> None:
        """Write blobs that no image needs: so many for the quarantine, and as many that were there long enough."""
        for ids in self._portions(amount):
            with self.database.transaction(durable=False) as tx:
                at = self._blobs(tx, ids)
                tx.run_each(_LINK, [_link(at, number) for number in ids])
                tx.run_each(_CANDIDATE, [_candidate(at, number) for number in ids])
        for ids in self._portions(amount):
            with self.database.transaction(durable=False) as tx:
                at = self._blobs(tx, ids)
                tx.run_each(_QUARANTINED, [_quarantined(at, number) for number in ids])

    def collect(self) -> None:
        """Have a collector begin."""
        with self.database.transaction() as tx:
            work.add(tx, CollectGarbage(), datetime.now(UTC))

    def is_collected(self) -> bool:
        """Whether no garbage is left that was due, and no bytes of it."""
        with self.database.snapshot() as tx:
            return all(tx.first(statement) is None for statement in _LEFT)

    def _portions(self, amount: int):
        with self.database.snapshot() as tx:
            first = (tx.value(_LAST) or 0) + 1
        for start in range(first, first + amount, PORTION):
            yield range(start, min(start + PORTION, first + amount))

    def _blobs(self, tx, ids: range) -> dict:
        at = tx.first(_FIND, repository=self.repository)
        tx.run_each(_OBJECT, [_object(number) for number in ids])
        tx.run_each(_BLOB, [_blob(at, number) for number in ids])
        return at


def _key(number: int) -> str:
    return hashlib.sha256(b"key %d" % number).hexdigest()[:32]


def _object(number: int) -> dict:
    return {
        "key": _key(number),
        "expires_at": None,
        "sealed": SEALED,
        "key_scope": "AES256",
        "key_version": 1,
        "wrapped_key": None,
    }


def _blob(at: dict, number: int) -> dict:
    return {
        "id": number,
        "registry_id": at["registry_id"],
        "key_scope": "AES256",
        "digest": digest(f"blob {number}"),
        "size_bytes": 200,
        "object_key": _key(number),
        "created_at": EPOCH,
        "verified_at": datetime.now(UTC),  # the scrub leaves them alone
        "damaged_at": None,
        "damage": None,
    }


def _link(at: dict, number: int) -> dict:
    return {"repository_id": at["id"], "digest": digest(f"blob {number}"), "blob_id": number, "added_at": EPOCH}


def _candidate(at: dict, number: int) -> dict:
    return {"repository_id": at["id"], "digest": digest(f"blob {number}"), "due_at": EPOCH}


def _quarantined(at: dict, number: int) -> dict:
    return {**_link(at, number), "quarantined_at": EPOCH, "is_deleted": False}


def _reference(at: dict, image: int, number: int) -> dict:
    return {
        "manifest_id": image,
        "digest": digest(f"blob {number}"),
        "repository_id": at["id"],
        "is_manifest": False,
        "media_type": LAYER_TYPE,
    }
