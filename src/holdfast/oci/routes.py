"""The whole protocol, one row an endpoint, with the IAM action that it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

from holdfast.oci import blobs, lists, manifests, uploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.http import Answer
    from holdfast.oci.call import Call


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint."""

    method: str
    path: str
    handler: Callable[[Call], Answer]
    needs: str | None  # the IAM action on the repository, or on all of the registry where none is named
    is_hot: bool = False  # answered from one read of the database, on the event loop
    or_needs: str | None = None  # another action that will do
    is_public: bool = False  # open to strangers where policies say so
    outlives_login: bool = False  # a push that began with a login goes on when that is over
    is_pull: bool = False  # of which the audit log may have a share only

    event: str = field(init=False)  # the operation of the ECR API that it stands for
    title: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "event", (self.needs or "").removeprefix("ecr:"))
        object.__setattr__(self, "title", f"{self.method} {self.path}")


# fmt: off
ROUTES = (  # read from top to bottom, this is the protocol
    Route("GET", "/v2/", lists.ping, None, is_hot=True),
    Route("HEAD", "/v2/", lists.ping, None, is_hot=True),
    Route("GET", "/v2/_catalog", lists.catalogue, "ecr:DescribeRepositories"),
    Route("GET", "/v2/{name}/tags/list", lists.tags, "ecr:ListImages", is_public=True),
    Route("GET", "/v2/{name}/referrers/{reference}", lists.referrers, "ecr:BatchGetImage", is_public=True),
    Route("GET", "/v2/{name}/manifests/{reference}", manifests.pull, "ecr:BatchGetImage", is_hot=True, is_public=True,
          is_pull=True),
    Route("HEAD", "/v2/{name}/manifests/{reference}", manifests.pull, "ecr:BatchGetImage", is_hot=True, is_public=True,
          is_pull=True),
    Route("PUT", "/v2/{name}/manifests/{reference}", manifests.push, "ecr:PutImage"),
    Route("DELETE", "/v2/{name}/manifests/{reference}", manifests.delete, "ecr:BatchDeleteImage"),
    Route("HEAD", "/v2/{name}/blobs/{reference}", blobs.stat, "ecr:BatchCheckLayerAvailability", is_hot=True,
          or_needs="ecr:GetDownloadUrlForLayer", is_public=True, is_pull=True),
    Route("GET", "/v2/{name}/blobs/{reference}", blobs.pull, "ecr:GetDownloadUrlForLayer", is_public=True,
          is_pull=True),
    Route("DELETE", "/v2/{name}/blobs/{reference}", blobs.delete, "ecr:BatchDeleteImage"),
    Route("POST", "/v2/{name}/blobs/uploads/", uploads.begin, "ecr:InitiateLayerUpload"),
    Route("GET", "/v2/{name}/blobs/uploads/{reference}", uploads.status, "ecr:UploadLayerPart",
          outlives_login=True),
    Route("PATCH", "/v2/{name}/blobs/uploads/{reference}", uploads.append, "ecr:UploadLayerPart",
          outlives_login=True),
    Route("PUT", "/v2/{name}/blobs/uploads/{reference}", uploads.complete, "ecr:CompleteLayerUpload",
          outlives_login=True),
    Route("DELETE", "/v2/{name}/blobs/uploads/{reference}", uploads.cancel, "ecr:InitiateLayerUpload"),
)
# fmt: on

NOTHING_SENSIBLE = "\N{REPLACEMENT CHARACTER}"  # what `unquote` makes of bytes that are no text, here of a zero as well
# An address that an authorized caller was given: whoever has it is believed to be that caller.
SIGNED = {
    method: Route(method, "/layers/{token}", blobs.serve, "ecr:GetDownloadUrlForLayer", is_pull=True)
    for method in ("GET", "HEAD")
}

SHORT_PATH = 600  # longer ones are nobody's names, and are not remembered

# What follows a repository's name. Names contain slashes, so a path is read from its right end.
_TAILS = ("/blobs/uploads/", "/blobs/", "/manifests/", "/referrers/", "/tags/")
_BY_PATH: dict[str, dict[str, Route]] = {}
for _route in ROUTES:
    _BY_PATH.setdefault(_route.path, {})[_route.method] = _route


def match(path: str) -> tuple[dict[str, Route], str, str] | None:
    """The rows of a path by method, the repository's name and the reference; None if it is no endpoint."""
    return _match_short(path) if len(path) <= SHORT_PATH else _match(path)


def _match(path: str) -> tuple[dict[str, Route], str, str] | None:
    if "%" in path:
        path = unquote(path).replace("\0", NOTHING_SENSIBLE)
    if path in {"/v2/", "/v2"}:
        return _BY_PATH["/v2/"], "", ""
    if path == "/v2/_catalog":
        return _BY_PATH[path], "", ""
    if path.endswith("/blobs/uploads"):
        path += "/"
    for tail in _TAILS:
        head, found, reference = path.rpartition(tail)
        if found and "/" not in reference and head.startswith("/v2/"):
            pattern = f"/v2/{{name}}{tail}{'list' if tail == '/tags/' else '{reference}' if reference else ''}"
            rows = _BY_PATH.get(pattern)
            if rows is None or (tail == "/tags/" and reference != "list"):
                return None
            return rows, head[4:], reference
    return None


_match_short = lru_cache(maxsize=4096)(_match)  # asked twice a request, and clients ask for the same things
