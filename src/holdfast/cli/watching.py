"""What clusters run, again and again, and the leases on it that a Holdfast keeps."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from holdfast.aws.service_models import OWN_MODELS
from holdfast.cli.ground import counted, printable
from holdfast.model.names import registry_of_host
from holdfast.model.running import by_repository, of_definition, of_pod, of_task, of_template
from holdfast.outbound.aws_ecs import AwsEcs, EcsFault
from holdfast.outbound.kubernetes import Cluster, ClusterAt, ClusterFault, TooOld
from holdfast.outbound.own_api import OwnApi, OwnApiFault
from holdfast.settings import BadSetting

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Mapping

    from holdfast.model.running import Running
    from holdfast.outbound.kubernetes import Change

LONGEST_WATCH = 240  # seconds, after which an API server ends it anyway
LONGEST_PAUSE = 60  # seconds, after faults
SHOWN = 3  # hosts


@dataclass(slots=True)
class Look:
    """What runs, by image and by what runs it; and why it could not be seen just now."""

    running: Iterable[tuple[Running, str]]
    fault: str | None = None


@dataclass(slots=True)
class Pods:
    """The images of every pod, by uid."""

    images: dict[str, Mapping[Running, str]] = field(default_factory=dict)
    counts: Counter[Running] = field(default_factory=Counter)

    def replace(self, pods: Mapping[str, Any]) -> None:
        """These are all pods now."""
        self.images = {uid: of_pod(pod) for uid, pod in pods.items()}
        self.counts = Counter(one for images in self.images.values() for one in images)

    def apply(self, change: Change) -> bool:
        """A pod came, changed or went; whether an image runs now that did not before."""
        images = of_pod(change.pod) if change.pod is not None else {}
        is_new = any(self.counts[one] <= 0 for one in images)
        self.counts.subtract(dict.fromkeys(self.images.pop(change.uid, {}), 1))
        if images:
            self.images[change.uid] = images
        self.counts.update(dict.fromkeys(images, 1))
        return is_new

    def running(self) -> Iterator[tuple[Running, str]]:
        """Every image with what runs it."""
        return (pair for images in self.images.values() for pair in images.items())


class Keeper:
    """Keeps leases on what runs, and renews them when it is time."""

    def __init__(self, options: argparse.Namespace) -> None:
        try:
            self._api = OwnApi(options.endpoint_url, OWN_MODELS, options.aws_profile, options.ca_file)
        except OwnApiFault as fault:
            raise BadSetting(str(fault)) from None
        self._options = options
        self._hosts = set(options.registry) or {urlsplit(options.endpoint_url).netloc}
        self._put_at: dict[Running, float] = {}
        self._renew_at = 0.0
        self._told: set[str] = set()

    def keep(self, running: Iterable[tuple[Running, str]]) -> bool:
        """Take leases on what is new, and renew the others if it is time; whether all of it is held."""
        every, now, is_whole = list(running), time.monotonic(), True
        ours = [pair for pair in every if pair[0].host in self._hosts]
        if every and not ours:
            ours_are, others = sorted(self._hosts), sorted({one.host for one, _ in every})[:SHOWN]
            self._complain_once(
                f"nothing that runs comes from {', '.join(ours_are)}, so nothing is held; it comes from "
                f"{', '.join(others)}: --registry says by which host this Holdfast is pulled from"
            )
        is_due = now >= self._renew_at
        if is_due:
            self._renew_at = now + self._options.every
            self._put_at.clear()
        for (host, repository), images in by_repository(pair for pair in ours if pair[0] not in self._put_at):
            if self._put(host, repository, images):
                self._put_at.update(dict.fromkeys(images, now))
            else:
                is_whole = False
        return is_whole

    def _put(self, host: str, repository: str, images: Mapping[Running, str]) -> bool:
        home = registry_of_host(host.partition(":")[0])
        region, account = (home.region, home.account_id) if home else (self._options.registry_region, None)
        wishes = [
            {"imageDigest" if one.digest else "imageTag": one.digest or one.tag or "", "detail": what}
            for one, what in images.items()
        ]
        try:
            held, failed = self._api.put_leases(
                region, account, repository, wishes, holder=self._options.holder,
                kind="ECS" if self._options.ecs else "KUBERNETES", seconds=self._options.lease_seconds,
            )  # fmt: skip
        except OwnApiFault as fault:
            complain(f"{repository}: {fault}")
            return False
        if held:
            until = max(one["expiresAt"] for one in held)
            print(f"{repository}: {counted(len(held), 'image')} held until {until:%Y-%m-%d %H:%M:%S}", flush=True)
        for one in held:
            if one["imageStatus"] != "ACTIVE":
                status = one["imageStatus"].lower()
                self._complain_once(
                    f"{repository}: {one['imageDigest']} runs and is {status} in the registry; restore it"
                )
        for one in failed:
            self._complain_once(
                f"{repository}: what runs, or may again, is not in the registry: {one['failureReason']}"
            )
        return True

    def _complain_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            complain(text)


def looks_at_ecs(options: argparse.Namespace) -> Iterator[Look]:
    """What tasks of all clusters run."""
    try:
        ecs = AwsEcs(options.ecs_region, options.ecs_endpoint_url, options.ecs_profile)
    except EcsFault as fault:
        raise BadSetting(str(fault)) from None
    seen: list[tuple[Running, str]] = []
    while True:
        try:
            now = [pair for task in ecs.tasks() for pair in of_task(task).items()]
            if options.templates:
                now += [pair for one in ecs.definitions() for pair in of_definition(*one).items()]
            seen = now
            yield Look(seen)
        except EcsFault as fault:
            yield Look(seen, str(fault))
        time.sleep(options.every)


def looks_at_pods(options: argparse.Namespace) -> Iterator[Look]:
    """What pods run: when it is time, and whenever a pod came with an image that none had before."""
    cluster, pods, is_listed, pause = _cluster(options), Pods(), False, 1
    templates: list[tuple[Running, str]] = []
    look_again_at = 0.0
    while True:
        try:
            if not is_listed:
                pods.replace(cluster.pods())
                is_listed = True
            if options.templates and time.monotonic() >= look_again_at:
                templates = [pair for one in cluster.workloads() for pair in of_template(*one).items()]
                look_again_at = time.monotonic() + options.every
            yield Look([*pods.running(), *templates])
            for change in cluster.changes(min(options.every, LONGEST_WATCH)):
                if pods.apply(change):
                    yield Look([*pods.running(), *templates])
            pause = 1
        except TooOld:
            is_listed = False
        except ClusterFault as fault:
            is_listed = False
            yield Look([*pods.running(), *templates], str(fault))
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _cluster(options: argparse.Namespace) -> Cluster:
    url, token = options.kubernetes_url, options.kubernetes_token
    if url and not token:
        raise BadSetting("--kubernetes-token: a file with a token is needed for --kubernetes-url")
    try:
        here = ClusterAt(url.rstrip("/"), token, options.kubernetes_ca) if url else ClusterAt.of_this_pod(os.environ)
        return Cluster(here)
    except ClusterFault as fault:
        raise BadSetting(str(fault)) from None


def complain(text: str) -> None:
    """Tell what is not as it should be, in one line."""
    sys.stderr.write(f"holdfast: {printable(text)}\n")
    sys.stderr.flush()
