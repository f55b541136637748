"""What a client does over and over: pull a blob, push one in either way, push manifests.

Each function prepares in the client's own process (it connects, and makes and hashes what it will send) and returns the
deed that is timed, which says how much it did.
"""

import functools
import hashlib
import time

from clients import Deed
from content import MANIFEST_TYPE, MEBIBYTE, Blob, fresh_blob, manifest
from servers import closing
from wire import Connection, Door, UnexpectedAnswerError

CLIENTS = 8


def pull(door: Door, path: str, _number: int = 0) -> Deed:
    """GET a blob through one fixed buffer."""
    connection = Connection(door)
    buffer = memoryview(bytearray(MEBIBYTE))
    return functools.partial(connection.pull, path, buffer)


def pull_and_check(door: Door, path: str, blob: Blob) -> None:
    """GET a blob and compare its digest, untimed: fast bytes must be the right ones."""
    digest = hashlib.sha256()
    Connection(door).pull(path, memoryview(bytearray(MEBIBYTE)), digest.update)
    if f"sha256:{digest.hexdigest()}" != blob.digest:
        raise UnexpectedAnswerError(f"the bytes of {path} came back changed")


def push_as_docker(door: Door, repository: str, size: int, chunk: int, _number: int = 0) -> Deed:
    """POST, one PATCH of unknown length in chunks, PUT: what docker, podman and skopeo do."""
    connection, blob = Connection(door), fresh_blob(size)
    chunks = list(blob.chunks(chunk))

    def deed() -> int:
        upload = connection.request("POST", f"/v2/{repository}/blobs/uploads/").expect(202)
        answer = connection.stream(
            "PATCH",
            upload.location,
            chunks,
            Content_Type="application/octet-stream",
            Transfer_Encoding="chunked",
        ).expect(202)
        connection.request("PUT", closing(answer.location, blob)).expect(201)
        return blob.size

    return deed


def push_at_once(door: Door, repository: str, size: int, _number: int = 0) -> Deed:
    """POST, then PUT with the whole body: what crane, oras and most scripts do."""
    connection, blob = Connection(door), fresh_blob(size)
    return functools.partial(_post_and_put, connection, repository, blob)


def push_small_blobs(door: Door, repository: str, size: int, seconds: float, _number: int = 0) -> Deed:
    """POST and PUT fresh small blobs until the time is up; hashing them is microseconds and the same for all."""
    connection = Connection(door)

    def deed() -> int:
        limit, pairs = time.perf_counter() + seconds, 0
        while time.perf_counter() < limit:
            _post_and_put(connection, repository, fresh_blob(size))
            pairs += 1
        return pairs

    return deed


def push_manifests(door: Door, repository: str, config: Blob, layer: Blob, seconds: float, number: int) -> Deed:
    """PUT fresh manifests under fresh tags until the time is up."""
    connection = Connection(door)
    stamp = f"{time.time_ns()}-{number}"

    def deed() -> int:
        limit, count = time.perf_counter() + seconds, 0
        while time.perf_counter() < limit:
            tag = f"{stamp}-{count}"
            put_manifest(connection, repository, tag, manifest(config, layer, tag))
            count += 1
        return count

    return deed


def push_tags(door: Door, repository: str, tags: list[str], images: list[bytes], number: int) -> Deed:
    """PUT one client's share of the tags, spread evenly over some images."""
    connection = Connection(door)
    share = range(number, len(tags), CLIENTS)

    def deed() -> int:
        for index in share:
            put_manifest(connection, repository, tags[index], images[index * len(images) // len(tags)])
        return len(share)

    return deed


def _post_and_put(connection: Connection, repository: str, blob: Blob) -> int:
    upload = connection.request("POST", f"/v2/{repository}/blobs/uploads/").expect(202)
    length = str(blob.size)
    connection.stream("PUT", closing(upload.location, blob), blob.pieces(), Content_Length=length).expect(201)
    return blob.size


def put_manifest(connection: Connection, repository: str, reference: str, body: bytes) -> None:
    path = f"/v2/{repository}/manifests/{reference}"
    connection.request("PUT", path, body, Content_Type=MANIFEST_TYPE).expect(201)
