"""The rows of the table: what is measured, on what ground, in which unit. Those of the OCI door are made here."""

import functools
import json
import os

import api_rows
import clients
import deeds
import garbage_rows
import ground
import lifecycle_rows
import search_rows
import watched_rows
from content import MANIFEST_TYPE, digest_of, fresh_blob, fresh_config, manifest, shared_blob
from deeds import CLIENTS
from samples import BYTES, MEMORY, PAIRS, REQUESTS, SLOW_CLIENTS, Sample, occupied, paced, peak
from scenes import SMALL, Row, Scale, Scene, count, size
from seats import CANDIDATE, LIMIT, PEER
from servers import REPOSITORY, Server
from wire import Connection, UnexpectedAnswerError

# ECR allows a thousand tags an image, so many tags need several images.
TAGS_AN_IMAGE = 500


def scenes(scale: Scale) -> list[Scene]:
    """Everything that can be measured, in the order of the table."""
    return [
        manifest_reads(scale),
        pulls(scale),
        *(push(scale, *way) for way in ((False, 1), (False, 4), (True, 1), (True, 4))),
        small_pushes(scale),
        tag_lists(scale),
        api_rows.calls(scale),
        api_rows.pages(scale),
        lifecycle_rows.lifecycle(scale),
        search_rows.search(scale),
        watched_rows.watched(scale),
        garbage_rows.garbage(scale, scale.blobs // 10, is_felt=False),
        garbage_rows.garbage(scale, scale.blobs, is_felt=True),
        idleness(),
    ]


def manifest_reads(scale: Scale) -> Scene:
    config, layer = fresh_config(), fresh_blob(SMALL)
    body = manifest(config, layer, "bench")
    by_tag, by_digest = (f"/v2/{REPOSITORY}/manifests/{reference}" for reference in ("latest", digest_of(body)))

    def prepare(server: Server) -> None:
        server.put_blob(REPOSITORY, config)
        server.put_blob(REPOSITORY, layer)
        for reference in (digest_of(body), "latest"):
            server.put_manifest(REPOSITORY, reference, body)
        if Connection(server.door).request("GET", by_tag, Accept=MANIFEST_TYPE).expect(200).body != body:
            raise UnexpectedAnswerError("the manifest came back changed")
        clients.wrk(server.door, by_tag, 16, 1)

    def row(name: str, path: str, connections: int) -> Row:
        return Row(
            f"manifest-{name}-{connections}",
            f"manifest GET by {name}, {connections} connections",
            REQUESTS,
            lambda server: paced(server, REQUESTS, lambda: clients.wrk(server.door, path, connections, scale.seconds)),
            (LIMIT, PEER, CANDIDATE),
        )

    return Scene((row("tag", by_tag, 16), row("tag", by_tag, 64), row("digest", by_digest, 16)), prepare)


def pulls(scale: Scale) -> Scene:
    def path() -> str:
        return f"/v2/{REPOSITORY}/blobs/{shared_blob(scale.bulk).digest}"

    def prepare(server: Server) -> None:
        server.put_blob(REPOSITORY, shared_blob(scale.bulk))
        # Reads the file once, so that all start with it in the page cache.
        deeds.pull_and_check(server.door, path(), shared_blob(scale.bulk))
        os.sync()

    def row(streams: int) -> Row:
        def measure(server: Server) -> Sample:
            prepared = functools.partial(deeds.pull, server.door, path())
            return paced(server, BYTES, lambda: clients.together(streams, prepared))

        label = f"blob pull {size(scale.bulk)}, {count(streams, 'stream')}"
        return Row(f"pull-{streams}", label, BYTES, measure, (LIMIT, PEER, CANDIDATE))

    slow = f"memory, largest process, {SLOW_CLIENTS} slow clients pull {size(scale.bulk)}"
    return Scene(
        (row(1), row(4), Row("memory-slow", slow, MEMORY, lambda server: peak(server, path()), once=True)), prepare
    )


def push(scale: Scale, at_once: bool, streams: int) -> Scene:
    each = scale.bulk if streams == 1 else scale.share

    def measure(server: Server) -> Sample:
        ground.level(streams * each)
        if at_once:
            prepared = functools.partial(deeds.push_at_once, server.door, REPOSITORY, each)
        else:
            prepared = functools.partial(deeds.push_as_docker, server.door, REPOSITORY, each, scale.chunk)
        return paced(server, BYTES, lambda: clients.together(streams, prepared))

    way = "in one PUT" if at_once else "by PATCH, chunked"
    label = f"blob push {size(each)} {way}, {count(streams, 'stream')}"
    row = Row(f"push-{'put' if at_once else 'patch'}-{streams}", label, BYTES, measure)
    return Scene((row,), lambda server: server.put_blob(REPOSITORY, fresh_blob(SMALL)))


def small_pushes(scale: Scale) -> Scene:
    config, layer = fresh_config(), fresh_blob(SMALL)

    def prepare(server: Server) -> None:
        server.put_blob(REPOSITORY, config)
        server.put_blob(REPOSITORY, layer)

    def blobs(server: Server) -> Sample:
        prepared = functools.partial(deeds.push_small_blobs, server.door, REPOSITORY, SMALL, scale.seconds)
        return paced(server, PAIRS, lambda: clients.together(CLIENTS, prepared))

    def manifests(server: Server) -> Sample:
        prepared = functools.partial(deeds.push_manifests, server.door, REPOSITORY, config, layer, scale.seconds)
        return paced(server, REQUESTS, lambda: clients.together(CLIENTS, prepared))

    return Scene(
        (
            Row("push-small", f"blob push 10 KiB (POST and PUT), {CLIENTS} connections", PAIRS, blobs),
            Row("manifest-put", f"manifest PUT under a new tag, {CLIENTS} connections", REQUESTS, manifests),
        ),
        prepare,
    )


def tag_lists(scale: Scale) -> Scene:
    amounts = {"bench/few": 1000, "bench/many": scale.many_tags}

    def prepare(server: Server) -> None:
        for repository, amount in amounts.items():
            server.create_repository(repository)
            config, layer = fresh_config(), fresh_blob(SMALL)
            server.put_blob(repository, config)
            server.put_blob(repository, layer)
            tags = [f"v{number:06}" for number in range(amount)]
            images = [manifest(config, layer, str(number)) for number in range(amount // TAGS_AN_IMAGE)]
            clients.together(CLIENTS, functools.partial(deeds.push_tags, server.door, repository, tags, images))
            listed = json.loads(Connection(server.door).request("GET", page(repository)).expect(200).body)["tags"]
            if len(listed) != 100:
                raise UnexpectedAnswerError(f"tags/list?n=100 answers {len(listed)} tags, so it does other work")

    def page(repository: str) -> str:
        # A page from the middle: the first one is the cheapest.
        return f"/v2/{repository}/tags/list?n=100&last=v{amounts[repository] // 2:06}"

    def row(repository: str) -> Row:
        return Row(
            f"tags-{repository.removeprefix('bench/')}",
            f"tags/list?n=100 of {amounts[repository]:,} tags, {CLIENTS} connections",
            REQUESTS,
            lambda server: paced(
                server, REQUESTS, lambda: clients.wrk(server.door, page(repository), CLIENTS, scale.seconds)
            ),
        )

    return Scene(tuple(row(repository) for repository in amounts), prepare)


def idleness() -> Scene:
    row = Row("memory-idle", "memory, largest process, idle", MEMORY, occupied, once=True)
    return Scene((row,), lambda server: server.put_blob(REPOSITORY, fresh_blob(SMALL)))
