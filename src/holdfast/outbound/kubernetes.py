"""The pods of a Kubernetes cluster, listed, and then watched for as long as its API has the words; and its workloads.

    list, page by page ──► watch from that moment ──► changes … ── time is up ──► watch on
            ▲                                              └── 410: too old ─┐
            └────────────────────────────────────────────────────────────────┘

(Kubernetes API concepts, "Efficient detection of changes".) The token is read anew for each request: kubelet renews it.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")  # what a pod finds of its own
PODS = "/api/v1/pods"
WORKLOADS = {  # which have templates of pods
    "Deployment": "/apis/apps/v1/deployments",
    "ReplicaSet": "/apis/apps/v1/replicasets",
    "StatefulSet": "/apis/apps/v1/statefulsets",
    "DaemonSet": "/apis/apps/v1/daemonsets",
    "CronJob": "/apis/batch/v1/cronjobs",
    "Job": "/apis/batch/v1/jobs",
}
ALIVE = "status.phase!=Succeeded,status.phase!=Failed"
PAGE = 500
PAGE_BYTES = 256 * 1024 * 1024
LINE_BYTES = 8 * 1024 * 1024
PIECE_BYTES = 64 * 1024
MOST_PODS = 250_000  # Kubernetes itself promises 150,000
CONNECT_SECONDS, READ_SECONDS = 10, 60
GONE = 410


class ClusterFault(Exception):
    """The API does not answer, or not as it should; the message says what and why."""


class TooOld(ClusterFault):
    """The moment from which changes are wanted is known no more: list again."""


@dataclass(frozen=True, slots=True)
class ClusterAt:
    """Where a cluster's API is, and by what it lets us in."""

    url: str
    token_file: Path
    ca_file: Path | None

    @classmethod
    def of_this_pod(cls, environment: Mapping[str, str]) -> ClusterAt:
        """The cluster that this process runs in, or `ClusterFault`."""
        host, port = (environment.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
        if not host or not (ACCOUNT / "token").exists():
            raise ClusterFault("this is no pod of Kubernetes with a service account: say --kubernetes-url")
        host = f"[{host}]" if ":" in host else host
        return cls(f"https://{host}:{port or 443}", ACCOUNT / "token", ACCOUNT / "ca.crt")


@dataclass(frozen=True, slots=True)
class Change:
    """A pod that came, changed or went."""

    uid: str
    pod: Any  # None: it went


class Cluster:
    """A client of one cluster's API; asked by one thread."""

    def __init__(self, at: ClusterAt) -> None:
        self._at = at
        try:
            trust = ssl.create_default_context(cafile=at.ca_file) if at.url.startswith("https:") else None
        except (OSError, ssl.SSLError) as fault:
            raise ClusterFault(f"{at.ca_file}: {fault}") from None
        self._pool = urllib3.PoolManager(ssl_context=trust, retries=False)
        self._version = ""

    def pods(self) -> dict[str, Any]:
        """Every pod that is not over, by its uid; `changes` go on from there."""
        found: dict[str, Any] = {}
        for items, version in self._pages(PODS, {"fieldSelector": ALIVE}):
            found.update({uid: pod for pod in items if (uid := _uid(pod))})
            if len(found) > MOST_PODS:
                raise ClusterFault(f"the cluster has more than {MOST_PODS} pods")
            self._version = version
        return found

    def workloads(self) -> Iterator[tuple[str, Any]]:
        """Whatever starts pods by a template, with its kind."""
        for kind, path in WORKLOADS.items():
            for number, (items, _) in enumerate(self._pages(path, {})):
                if number > MOST_PODS // PAGE:
                    raise ClusterFault(f"the cluster has more than {MOST_PODS} of the kind {kind}")
                yield from ((kind, item) for item in items)

    def _pages(self, path: str, wish: dict[str, str]) -> Iterator[tuple[list[Any], str]]:
        """The items of each page of a list, and of which moment it is."""
        token = ""
        while True:
            page = self._document(path, {"limit": str(PAGE)} | wish | ({"continue": token} if token else {}))
            about, items = page.get("metadata"), page.get("items")
            if not isinstance(about, dict) or not isinstance(items, list):
                raise ClusterFault(f"{self._at.url}{path} answers with something that is no list")
            yield items, str(about.get("resourceVersion", ""))
            token = about.get("continue") or ""
            if not token:
                return

    def changes(self, seconds: int) -> Iterator[Change]:
        """What happens within some seconds; or `TooOld`, and then `pods` must be asked again."""
        wish = {"watch": "1", "resourceVersion": self._version, "allowWatchBookmarks": "true",
                "timeoutSeconds": str(seconds), "fieldSelector": ALIVE}  # fmt: skip
        response = self._ask(PODS, wish, seconds + READ_SECONDS)
        try:
            for line in self._lines(response):
                event = _json(line)
                kind, pod = event.get("type"), event.get("object")
                if kind == "ERROR":
                    raise self._fault(PODS, pod if isinstance(pod, dict) else {})
                about = pod.get("metadata") if isinstance(pod, dict) else None
                if isinstance(about, dict):
                    self._version = str(about.get("resourceVersion", self._version))
                uid = _uid(pod)
                if kind in {"ADDED", "MODIFIED", "DELETED"} and uid:
                    yield Change(uid, None if kind == "DELETED" else pod)
        except (urllib3.exceptions.HTTPError, OSError) as fault:
            raise ClusterFault(f"{self._at.url}: {fault}") from None
        finally:
            response.close()

    def _document(self, path: str, wish: dict[str, str]) -> dict[str, Any]:
        response = self._ask(path, wish, READ_SECONDS)
        try:
            body = response.read(PAGE_BYTES + 1, decode_content=True)
        except (urllib3.exceptions.HTTPError, OSError) as fault:
            raise ClusterFault(f"{self._at.url}: {fault}") from None
        finally:
            response.close()
        if len(body) > PAGE_BYTES:
            raise ClusterFault(f"{self._at.url}: a page of {path} has more than {PAGE_BYTES} bytes")
        return _json(body)

    def _ask(self, path: str, wish: dict[str, str], seconds: int) -> urllib3.BaseHTTPResponse:
        try:
            token = self._at.token_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as fault:
            raise ClusterFault(f"{self._at.token_file}: {fault}") from None
        try:
            response = self._pool.request(
                "GET",
                f"{self._at.url}{path}",
                fields=wish,
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds),
                preload_content=False,
                redirect=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as fault:
            raise ClusterFault(f"{self._at.url}: {fault}") from None
        if response.status != 200:
            body = response.read(PIECE_BYTES, decode_content=True)
            response.close()
            told = _json(body) if body.startswith(b"{") else {}
            raise self._fault(path, told | {"code": response.status})
        return response

    def _fault(self, path: str, told: dict[str, Any]) -> ClusterFault:
        code, message = told.get("code"), str(told.get("message", "no reason given"))[:300]
        kind = TooOld if code == GONE else ClusterFault
        return kind(f"{self._at.url}{path}: {code} {message}")

    @staticmethod
    def _lines(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        rest = b""
        for piece in response.stream(PIECE_BYTES, decode_content=True):
            *lines, rest = (rest + piece).split(b"\n")
            yield from filter(None, lines)
            if len(rest) > LINE_BYTES:
                raise ClusterFault(f"an event of the watch has more than {LINE_BYTES} bytes")


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as fault:
        raise ClusterFault(f"Kubernetes answers with something that is no JSON: {fault}") from None
    return found if isinstance(found, dict) else {}


def _uid(pod: Any) -> str:
    about = pod.get("metadata") if isinstance(pod, dict) else None
    uid = about.get("uid") if isinstance(about, dict) else None
    return uid if isinstance(uid, str) else ""
