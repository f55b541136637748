"""Clients under which the nodes fall: they retry as docker does, and note what they were told."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from tests import builders
from tests.callers import Answer, Http, Registry
from tests.chaos.register import Operation

if TYPE_CHECKING:
    from collections.abc import Callable

GONE = (OSError, http.client.HTTPException)
AGAIN = {408, 429, 500, 502, 503, 504}
PAUSES_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
SHARED_TAG = "shared"
LAYER_BYTES = (1, 3_000, 70_000, 1_500_000, 9_000_000)


class GaveUp(Exception):
    """Retries did not help."""


class Ledger:
    """What clients were told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.blobs: dict[str, str] = {}  # digest to the repository
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.tags: dict[tuple[str, str], list[Operation]] = defaultdict(list)
        self.counts: Counter[str] = Counter()
        self.gave_up: list[str] = []
        self.wrong: list[str] = []

    def blob(self, digest: str, repository: str) -> None:
        """A blob was acknowledged."""
        with self._lock:
            self.blobs[digest] = repository
            self.counts["blobs pushed"] += 1

    def manifest(self, digest: str, repository: str, body: bytes) -> None:
        """A manifest was acknowledged."""
        with self._lock:
            self.manifests[digest] = repository, body
            self.counts["manifests pushed"] += 1

    def tag(self, repository: str, tag: str, operation: Operation) -> None:
        """A tag was read or moved, or somebody tried to."""
        with self._lock:
            self.tags[repository, tag].append(operation)

    def count(self, what: str) -> None:
        """One more of something."""
        with self._lock:
            self.counts[what] += 1

    def fault(self, text: str) -> None:
        """An answer that nothing excuses."""
        with self._lock:
            self.wrong.append(text)


class Client:
    """One connection through the balancer, and one repository."""

    def __init__(self, ledger: Ledger, address: str, authorization: str, repository: str, seed: int) -> None:
        self.ledger = ledger
        self.repository = repository
        self.chance = random.Random(seed)
        self._address, self._authorization = address, authorization
        self._connect()

    def _connect(self) -> None:
        self.target = Registry(Http(self._address, self._authorization), self.repository)

    def run(self, step: Callable[[], None], over: threading.Event) -> None:
        """Do the same until it is over; a step that failed for good is noted."""
        while not over.is_set():
            try:
                step()
            except GaveUp as fault:
                self.ledger.gave_up.append(str(fault))
            except AssertionError as fault:
                self.ledger.fault(str(fault))

    def retried(self, what: str, do: Callable[[], Answer]) -> Answer:
        """Ask until there is an answer that does not ask to be asked again."""
        said = ""
        for pause in (*PAUSES_SECONDS, None):
            try:
                answer = do()
            except GONE as fault:
                said = f"{type(fault).__name__}: {fault}"
                self._connect()
            else:
                if answer.status not in AGAIN:
                    return answer
                said = f"{answer.status} {answer.body[:200]!r}"
            if pause is not None:
                self.ledger.count("retries")
                time.sleep(pause * self.chance.uniform(0.5, 1.5))
        raise GaveUp(f"{what}: {said}")

    def push_image(self, *tags: str) -> None:
        """Push an image with a layer, and move tags to it."""
        config = self.push_blob(self.chance.randbytes(40))
        layer = self.push_blob(self.chance.randbytes(self.chance.choice(LAYER_BYTES)))
        image = builders.document(
            builders.OCI_MANIFEST,
            config=builders.descriptor(builders.OCI_CONFIG, config),
            layers=[builders.descriptor(builders.OCI_LAYER, layer)],
        )
        for tag in tags:
            began = time.monotonic()
            try:
                answer = self.retried(f"put manifest {tag}", lambda tag=tag: self.target.push_manifest(image, tag))
            except GaveUp:
                self.ledger.tag(self.repository, tag, Operation(True, image.digest, began))
                raise
            assert answer.status == 201, f"put manifest {tag}: {answer}"
            self.ledger.manifest(image.digest, self.repository, image.body)
            self.ledger.tag(self.repository, tag, Operation(True, image.digest, began, time.monotonic()))

    def push_blob(self, data: bytes) -> bytes:
        """Push a blob: in one go and from the start when that fails, or in chunks and on from where it stands."""
        digest = builders.digest(data)
        if len(data) < 3 or self.chance.random() < 0.5:
            answer = self.retried("push blob", lambda: self.target.push_whole(data))
        else:
            answer = self.retried("push blob in chunks", lambda: self._push_chunks(data, digest))
        assert answer.status == 201, f"push blob: {answer}"
        self.ledger.blob(digest, self.repository)
        return data

    def _push_chunks(self, data: bytes, digest: str) -> Answer:
        begun = self.retried("begin upload", lambda: self.target("POST", "/blobs/uploads/"))
        if begun.status != 202:
            return begun
        location, size = begun.headers["location"], max(1, len(data) // 3)
        while True:
            stood = self.retried("ask upload", lambda: self.target.http("GET", location))
            if stood.status == 404:  # it was completed, and its answer lost
                return self.target("HEAD", f"/blobs/{digest}")
            assert stood.status == 204, f"ask upload: {stood}"
            first = int(stood.headers["range"].partition("-")[2]) + 1 if stood.headers["range"] != "0-0" else 0
            if first >= len(data):
                break
            piece = data[first : first + size]
            try:
                sent = self.target.append(location, piece, first)
            except GONE:
                self._connect()
            else:
                if sent.status not in {202, 416, *AGAIN}:
                    return sent
                if sent.status == 202:
                    continue
            self.ledger.count("retries")
            time.sleep(PAUSES_SECONDS[0])
        done = self.retried("complete upload", lambda: self.target.complete(location, digest))
        if done.status == 404:
            found = self.retried("find blob", lambda: self.target("HEAD", f"/blobs/{digest}"))
            return Answer(201, found.headers, b"") if found.status == 200 else done
        return done

    def read_tag(self, tag: str) -> None:
        """Pull an image by its tag, with its layers."""
        began = time.monotonic()
        answer = self.retried(f"get manifest {tag}", lambda: self.target("GET", f"/manifests/{tag}"))
        assert answer.status == 200, f"get manifest {tag}: {answer}"
        digest = answer.headers["docker-content-digest"]
        self.ledger.tag(self.repository, tag, Operation(False, digest, began, time.monotonic()))
        assert builders.digest(answer.body) == digest, f"{tag}: the manifest is not {digest}"
        for part in (answer.json()["config"], *answer.json()["layers"]):
            self.pull_blob(part["digest"])

    def pull_blob(self, digest: str) -> None:
        """Pull a blob and look at its bytes."""
        answer = self.retried("get blob", lambda: self.target("GET", f"/blobs/{digest}"))
        assert answer.status == 200, f"get blob {digest}: {answer.status} {answer.body[:200]!r}"
        assert builders.digest(answer.body) == digest, f"blob {digest}: other bytes"
        self.ledger.count("blobs pulled")

    def audit_manifest(self, digest: str, body: bytes) -> None:
        """Pull an acknowledged manifest."""
        answer = self.retried("get manifest", lambda: self.target("GET", f"/manifests/{digest}"))
        assert (answer.status, answer.body) == (200, body), f"manifest {digest}: {answer.status}"
