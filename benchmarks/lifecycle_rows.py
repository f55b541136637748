"""The rows of lifecycle policies: how long plans and their execution take, and what requests feel meanwhile."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import deeds
from content import MANIFEST_TYPE, fresh_blob, fresh_config, manifest
from filling import TAGS, Age, Filling, counted
from latency import PACE, paced, wait
from samples import LATENCY, SECONDS, Sample, felt, timed
from scenes import SMALL, Row, Scale, Scene
from seats import CANDIDATE
from servers import REPOSITORY, Server
from wire import Connection, UnexpectedAnswerError

CROWD = "bench/crowd"
RECENT = Age(timedelta(days=100), timedelta(0))
OLD = Age(timedelta(days=300), timedelta(days=200))
OLD_SHARE = 10  # one image of so many is old
GET = f"/v2/{REPOSITORY}/manifests/latest"

# Begins something, and gives a function that says whether it is over.
Begin = Callable[[Server], Callable[[], bool]]
Ask = Callable[[Connection], object]


@dataclass(frozen=True, slots=True)
class Crowd:
    """A repository of many images, a tenth of them old, and what lifecycle policies do with it."""

    amount: int

    @property
    def leaving(self) -> int:
        return self.amount // OLD_SHARE

    @property
    def staying(self) -> int:
        return self.amount - self.leaving

    def create(self, server: Server) -> None:
        server.create_repository(CROWD)
        Filling(server.database, CROWD, self.staying, RECENT, is_whole=True).add()

    def fill_up(self, server: Server) -> None:
        """Put old images in the place of those that went."""
        missing = self.amount - counted(server.database, CROWD)
        Filling(server.database, CROWD, missing, OLD, is_whole=True).add()
        os.sync()

    def preview(self, server: Server) -> Callable[[], bool]:
        """Try a policy that would take most images, as the first one of a repository does."""
        text = policy(days=14, releases=self.amount // 100)
        server.cloud.call("StartLifecyclePolicyPreview", repositoryName=CROWD, lifecyclePolicyText=text)

        def is_over() -> bool:
            answer = server.cloud.call("GetLifecyclePolicyPreview", repositoryName=CROWD, maxResults=1)
            if answer["status"] not in {"IN_PROGRESS", "COMPLETE"}:
                raise UnexpectedAnswerError(f"the preview is {answer['status']}")
            if answer["status"] == "COMPLETE" and answer["summary"]["expiringImageTotalCount"] < self.amount / 2:
                raise UnexpectedAnswerError(f"the preview takes too few images: {answer['summary']}")
            return answer["status"] == "COMPLETE"

        return is_over

    def expiry(self, server: Server) -> Callable[[], bool]:
        """Follow a policy that takes the old images and no other."""
        text = policy(days=150, releases=self.staying // len(TAGS))
        server.cloud.call("PutLifecyclePolicy", repositoryName=CROWD, lifecyclePolicyText=text)

        def is_over() -> bool:
            # Until the policy was followed, the answer is the epoch.
            was_followed = server.cloud.call("GetLifecyclePolicy", repositoryName=CROWD)["lastEvaluatedAt"] > 0
            if was_followed and (left := counted(server.database, CROWD)) != self.staying:
                raise UnexpectedAnswerError(f"{left} images are left, not {self.staying}")
            return was_followed

        return is_over


class Probe:
    """Single requests that are made while something else goes on, or nothing."""

    def __init__(self, scale: Scale) -> None:
        self._seconds = scale.seconds
        self._config, self._layer = fresh_config(), fresh_blob(SMALL)
        every = f"every {PACE * 1e3:.0f} ms"
        self.asks = (("get", f"manifest GET, {every}", self._get), ("put", f"manifest PUT, {every}", self._put))

    def prepare(self, server: Server) -> None:
        server.put_blob(REPOSITORY, self._config)
        server.put_blob(REPOSITORY, self._layer)
        server.put_manifest(REPOSITORY, "latest", manifest(self._config, self._layer, "bench"))

    def nothing(self, _server: Server) -> Callable[[], bool]:
        """Something that does nothing, for a while."""
        end = time.perf_counter() + self._seconds
        return lambda: time.perf_counter() > end

    def _get(self, connection: Connection) -> None:
        connection.request("GET", GET, Accept=MANIFEST_TYPE).expect(200)

    def _put(self, connection: Connection) -> None:
        tag = str(time.time_ns())
        deeds.put_manifest(connection, REPOSITORY, tag, manifest(self._config, self._layer, tag))


def lifecycle(scale: Scale) -> Scene:
    """How long a preview and an expiry take, and single requests without and beside them."""
    crowd = Crowd(scale.planned_images)
    probe = Probe(scale)

    def prepare(server: Server) -> None:
        probe.prepare(server)
        crowd.create(server)

    previewed = f"a preview of {crowd.amount:,} images"
    expired = f"an expiry of {crowd.leaving:,} of {crowd.amount:,} images"
    rows = [
        duration(crowd, "lifecycle-preview", f"lifecycle policy, {previewed}", crowd.preview),
        duration(crowd, "lifecycle-expiry", f"lifecycle policy, {expired}", crowd.expiry),
    ]
    for name, label, ask in probe.asks:
        rows += [
            latency(crowd, f"{name}-alone", label, probe.nothing, ask),
            latency(crowd, f"{name}-during-preview", f"{label}, during {previewed}", crowd.preview, ask),
            latency(crowd, f"{name}-during-expiry", f"{label}, during {expired}", crowd.expiry, ask),
        ]
    return Scene(tuple(rows), prepare)


def duration(crowd: Crowd, name: str, label: str, begin: Begin) -> Row:
    """How long something takes when nobody asks for anything else."""

    def measure(server: Server) -> Sample:
        crowd.fill_up(server)
        return timed(server, lambda: wait(begin(server)))

    return Row(name, label, SECONDS, measure, (CANDIDATE,))


def latency(crowd: Crowd, name: str, label: str, begin: Begin, ask: Ask) -> Row:
    """How long single requests take from the beginning of something until it is over."""

    def measure(server: Server) -> Sample:
        crowd.fill_up(server)
        # In a thread, because the call that begins it may keep others waiting, too.
        with ThreadPoolExecutor(1) as thread:
            begun = thread.submit(begin, server)
            return felt(server, lambda: paced(server.door, ask, lambda: begun.done() and begun.result()()))

    return Row(name, label, LATENCY, measure, (CANDIDATE,))


def policy(*, days: int, releases: int) -> str:
    """A policy of five rules as teams write them, by the age and the number that decide how much it takes."""
    aged = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}
    selections = {
        "releases": {
            "tagStatus": "tagged",
            "tagPrefixList": ["release-"],
            "countType": "imageCountMoreThan",
            "countNumber": releases,
        },
        "candidates": {"tagStatus": "tagged", "tagPatternList": ["v*-rc*"], **aged},
        "pull requests": {"tagStatus": "tagged", "tagPrefixList": ["pr-"], **aged},
        "untagged": {"tagStatus": "untagged", **aged},
        "the rest": {"tagStatus": "any", **aged, "countNumber": max(days, 60)},
    }
    rules = [
        {"rulePriority": number, "description": text, "selection": selection, "action": {"type": "expire"}}
        for number, (text, selection) in enumerate(selections.items(), 1)
    ]
    return json.dumps({"rules": rules})
