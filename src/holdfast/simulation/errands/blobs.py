"""Look at, pull, mount and delete blobs, and note what became of uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.simulation.client import check_bytes
from holdfast.simulation.errands.marks import blob_of, found_repository
from holdfast.simulation.registers import becomes, sees
from holdfast.simulation.things import name_of

if TYPE_CHECKING:
    from holdfast.simulation.client import Client, Reply
    from holdfast.simulation.history import Deed


def stat(client: Client, repository: str, digest: str) -> bool:
    """Ask whether a blob is there."""
    deed, reply = client.ask(f"head {name_of(digest)} of {repository}", "HEAD", f"/v2/{repository}/blobs/{digest}")
    if found_repository(deed, reply, repository):
        deed.mark(blob_of(repository, digest), sees(reply.status == 200))
    return reply.status == 200


def get(client: Client, repository: str, digest: str) -> None:
    """Pull a blob."""
    deed, reply = client.ask(f"get {name_of(digest)} of {repository}", "GET", f"/v2/{repository}/blobs/{digest}")
    if found_repository(deed, reply, repository):
        deed.mark(blob_of(repository, digest), sees(reply.status == 200))
        if reply.status == 200:
            check_bytes(digest, reply.body)


def delete(client: Client, repository: str, digest: str) -> None:
    """Take a blob out of a repository."""
    deed, reply = client.ask(f"delete {name_of(digest)} of {repository}", "DELETE", f"/v2/{repository}/blobs/{digest}")
    if reply.status == 202 or not deed.is_known:
        deed.is_kept = deed.is_known
        deed.mark(blob_of(repository, digest), becomes(False, was=(True,)))
    elif found_repository(deed, reply, repository):
        deed.mark(blob_of(repository, digest), sees(reply.code != "BLOB_UNKNOWN"))


def finish(deed: Deed, reply: Reply, repository: str, digest: str) -> bool:
    """Note what the last answer to an upload proves; whether the blob is there now."""
    if reply.status == 201 or not deed.is_known:
        deed.is_kept = deed.is_known
        deed.mark(("repository", repository), sees(True))
        deed.mark(blob_of(repository, digest), becomes(True))
    else:
        found_repository(deed, reply, repository)
    return reply.status == 201


def mount(client: Client, repository: str, source: str, digest: str) -> Reply:
    """Let a repository hold a blob of another one; or begin its upload."""
    deed, reply = client.ask(
        f"mount {name_of(digest)} of {source} into {repository}", "POST", f"/v2/{repository}/blobs/uploads/",
        f"mount={digest}&from={source}",
    )  # fmt: skip
    if reply.status == 202:
        deed.mark(blob_of(source, digest), sees(False))
    elif finish(deed, reply, repository, digest) or not deed.is_known:
        deed.mark(blob_of(source, digest), sees(True))
    return reply
