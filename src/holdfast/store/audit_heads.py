"""Where each chain of the audit log stood when its process last said so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, select

from holdfast.model.audit_chain import Ending
from holdfast.store.statements import Statement, batches, upsert
from holdfast.store.tables import audit_heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.store.database import Transaction

_where: dict[str, Any] = {name: bindparam(f"the_{name}") for name in ("folder", "file", "sequence", "digest")}
_KEEP = Statement(
    upsert(audit_heads)
    .values(chain=bindparam("the_chain"), **_where)
    .on_conflict_do_update(index_elements=["chain"], set_=_where)
)
_in_folder = audit_heads.c.folder == bindparam("folder")
_OF_FOLDER = Statement(select(audit_heads.c.file, audit_heads.c.sequence, audit_heads.c.digest).where(_in_folder))
_ELSEWHERE = Statement(select(func.count()).select_from(audit_heads).where(audit_heads.c.folder != bindparam("folder")))
_FORGET = Statement(delete(audit_heads).where(audit_heads.c.file.in_(bindparam("files", expanding=True))))


def keep(tx: Transaction, folder: str, chain: str, ending: Ending) -> None:
    """Keep where a chain stands, whose files lie in a folder."""
    tx.run(_KEEP, the_folder=folder, the_chain=chain, the_file=ending.file, the_sequence=ending.sequence,
           the_digest=ending.digest)  # fmt: skip


def of_folder(tx: Transaction, folder: str) -> list[Ending]:
    """Where the chains in a folder stood."""
    return [Ending(row["file"], row["sequence"], row["digest"]) for row in tx.all(_OF_FOLDER, folder=folder)]


def count_elsewhere(tx: Transaction, folder: str) -> int:
    """How many chains lie in other folders."""
    return int(tx.value(_ELSEWHERE, folder=folder))


def forget(tx: Transaction, files: Sequence[str]) -> None:
    """Forget the chains that ended with files which are to be removed."""
    for some in batches(files):
        tx.run(_FORGET, files=list(some))
