"""A full disk, damaged files, slow clients: what cannot be done is said, and nothing is half done."""

from __future__ import annotations

import http.client
import resource
import socket
from pathlib import Path

import pytest

from tests import builders

MIB = 1024 * 1024
SLOW_CLIENTS = 64


def workers(product) -> list[int]:
    children = Path(f"/proc/{product.process.pid}/task/{product.process.pid}/children")
    return [int(pid) for pid in children.read_text().split()]


def let_files_grow_to(product, size: int) -> None:
    """A file that may not grow is, to the server, a disk that is full."""
    for pid in workers(product):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def files(product) -> list[Path]:
    return [path for path in (product.data / "objects").rglob("*") if path.is_file()]


@pytest.mark.parametrize("way", ["whole", "streamed"])
def test_a_full_disk_is_told_and_nothing_is_left(start, way):
    product = start("--workers", "2")
    repository = product.registry("much/data")
    data = bytes(8 * MIB)
    let_files_grow_to(product, 4 * MIB)

    if way == "whole":
        refused = repository("POST", f"/blobs/uploads/?digest={builders.digest(data)}", data)
    else:
        refused = repository.http("PATCH", repository.begin_upload(), data)

    assert (refused.status, refused.code) == (507, "UNAVAILABLE")
    assert "no space left" in refused.message
    assert files(product) == []
    assert repository("HEAD", f"/blobs/{builders.digest(data)}").status == 404

    let_files_grow_to(product, resource.RLIM_INFINITY)
    assert repository.push_blob(data) == builders.digest(data)


def test_the_api_tells_of_a_full_disk(start):
    product = start("--workers", "1")
    product.ecr().create_repository(repositoryName="much/data")
    upload = product.ecr().initiate_layer_upload(repositoryName="much/data")
    let_files_grow_to(product, MIB)

    with pytest.raises(product.ecr().exceptions.ClientError) as refused:
        product.ecr().upload_layer_part(
            repositoryName="much/data",
            uploadId=upload["uploadId"],
            partFirstByte=0,
            partLastByte=4 * MIB - 1,
            layerPartBlob=bytes(4 * MIB),
        )

    assert refused.value.response["Error"]["Code"] == "ServiceUnavailableException"
    assert files(product) == []


def test_a_flipped_bit_cuts_the_connection_until_the_layer_is_pushed_again(start):
    product = start()
    repository = product.registry("some/thing")
    data = bytes(3 * MIB)
    digest = repository.push_blob(data)
    [file] = files(product)
    raw = bytearray(file.read_bytes())
    raw[2 * MIB] ^= 1
    file.write_bytes(raw)

    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        product.http()("GET", f"/v2/some/thing/blobs/{digest}")

    lost = repository("GET", f"/blobs/{digest}")
    repository.push_blob(data)

    assert (lost.status, lost.code) == (404, "BLOB_UNKNOWN")
    assert repository("GET", f"/blobs/{digest}").body == data


def test_a_lost_file_is_an_error_until_the_layer_is_pushed_again(start):
    product = start()
    repository = product.registry("some/thing")
    data = bytes(MIB)
    digest = repository.push_blob(data)
    [file] = files(product)
    file.unlink()
    lost = repository("GET", f"/blobs/{digest}")

    repository.push_blob(data)

    assert (lost.status, lost.code) == (404, "BLOB_UNKNOWN")
    assert "missing or damaged" in lost.message
    assert repository("GET", f"/blobs/{digest}").body == data


def test_slow_clients_cost_positions_and_not_buffers(start):
    product = start("--workers", "1")
    repository = product.registry("some/thing")
    digest = repository.push_blob(bytes(64 * MIB))
    repository("GET", f"/blobs/{digest}")
    [worker] = workers(product)
    before = memory_of(worker)
    host, _, port = product.address.rpartition(":")
    login = repository.http.authorization
    ask = f"GET /v2/some/thing/blobs/{digest} HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n"

    clients = [socket.create_connection((host, int(port))) for _ in range(SLOW_CLIENTS)]
    for client in clients:
        client.sendall(ask.encode())
    received = [len(client.recv(MIB)) for client in clients for _ in range(4)]

    assert min(received) > 0
    assert memory_of(worker) - before < 40 * MIB
    for client in clients:
        client.close()


def memory_of(pid: int) -> int:
    """The proportional set size of a process in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
