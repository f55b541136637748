"""The mark of an operation, what it is given, and the table of all that are marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast import registry
from holdfast.model.circumstances import NOTHING, tag_keys
from holdfast.model.errors import InvalidParameter
from holdfast.model.images import ImageId
from holdfast.model.names import AllRepositories, Arn, Registry, RepositoryRef
from holdfast.model.repositories import repository_of_arn
from holdfast.registry.access import Resource
from holdfast.registry.pull_through import Leave

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast.http import Request
    from holdfast.model.callers import Caller
    from holdfast.model.circumstances import Facts
    from holdfast.registry import Backends
    from holdfast.registry.accounts import Tokens

__all__ = ["GLOBAL_REGION", "Again", "Call", "Operation", "Resource", "Shape", "ask_leave", "collect", "operation",
           "pull_leave", "tags_told", "the_image", "the_place", "the_registry", "the_repositories", "the_repository",
           "the_repository_or_all", "the_tagged"]  # fmt: skip

Shape = dict[str, Any]
GLOBAL_REGION = "us-east-1"  # where IAM is, whatever a call is signed for; and of a call that is not signed
ABBREVIATIONS = {"id": "ID", "mfa": "MFA", "saml": "SAML", "ssh": "SSH"}  # as AWS spells them in IAM's names


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls an operation, and by which region's endpoint."""

    on: Backends
    tokens: Tokens
    http: Request
    caller: Caller
    region: str

    def require(self, action: str, resource: Resource, facts: Facts = NOTHING) -> None:
        """Return if the caller may do something to a resource, else refuse."""
        if isinstance(resource, Arn):  # other resources say where they are
            region = GLOBAL_REGION if action.startswith("iam:") else self.region
            facts = {"aws:requestedregion": region, **facts}
        registry.access.require(self.on, self.caller, action, resource, self.http, facts)

    def may(self, action: str, resource: Resource) -> bool:
        """Whether the caller may do something to a resource, which he is not refused if not."""
        return registry.access.may(self.on, self.caller, action, resource, self.http)


Resources = Callable[[Call, Shape], Resource | Sequence[Resource]]


@dataclass(frozen=True, slots=True)
class Again:
    """In place of members: a wish to be asked again after so many seconds, in a thread that may wait for others."""

    then: Callable[[], Shape | Again]
    seconds: float = 0.0


Function = Callable[[Call, Shape], Shape | Again]


@dataclass(frozen=True, slots=True)
class Operation:
    """A marked function: its name as AWS writes it, and what it is asked leave for."""

    name: str
    function: Function
    resource: Resources | None
    lacks: str = ""
    unsigned: bool = False
    own_action: str = ""  # the IAM action, if its name is not the operation's
    facts: Callable[[Shape], Sequence[Facts]] | None = None  # leave is asked once for each

    @property
    def action(self) -> str:
        """The IAM action that its callers need, without the service."""
        return self.own_action or self.name


def operation(
    on: Resources | None,
    *,
    lacks: str = "",
    unsigned: bool = False,
    action: str = "",
    facts: Callable[[Shape], Sequence[Facts]] | None = None,
) -> Callable[[Function], Function]:
    """Mark a function as the operation of its name: `put_image` answers PutImage.

    One on None needs no leave, or asks for it in a way of its own; one that is `unsigned` is called by `ANONYMOUS`.
    What it `lacks` is what its callers would expect of it and this version does not do. Its `facts` are condition keys
    that a request tells, in lower case.
    """

    def mark(function: Function) -> Function:
        words = function.__name__.split("_")
        name = "".join(ABBREVIATIONS.get(word) or word.capitalize() for word in words)
        found = Operation(name, function, on, lacks, unsigned, action, facts)
        function.operation = found  # type: ignore[attr-defined]
        return function

    return mark


def ask_leave(call: Call, service: str, found: Operation, request: Shape) -> None:
    """Refuse a caller who may not call an operation on one of its resources."""
    if found.resource is None:
        return
    resources = found.resource(call, request)
    told = (found.facts(request) if found.facts else ()) or (NOTHING,)
    for resource in resources if isinstance(resources, list | tuple) else (resources,):
        for facts in told:
            call.require(f"{service}:{found.action}", resource, facts)


def collect(modules: Iterable[ModuleType]) -> dict[str, Operation]:
    """Every marked function of some modules, by AWS's name."""
    marked = (getattr(value, "operation", None) for module in modules for value in vars(module).values())
    return {found.name: found for found in marked if isinstance(found, Operation)}


def the_registry(call: Call, request: Shape) -> Registry:
    """The registry a request names, or the caller's own, in the region it was signed for."""
    return Registry(request.get("registryId", call.caller.account_id), call.region)


def the_repository(call: Call, request: Shape) -> RepositoryRef:
    """The repository a request names."""
    return RepositoryRef(the_registry(call, request), request["repositoryName"])


def pull_leave(call: Call, at: RepositoryRef) -> Leave:
    """What the caller may do that a pull through a cache rule needs."""
    return Leave(lambda: call.may("ecr:BatchImportUpstreamImage", at), lambda: call.may("ecr:CreateRepository", at))


def the_repository_or_all(call: Call, request: Shape) -> Resource:
    """The repository a request names, or all there are, also those to come."""
    home = the_registry(call, request)
    return RepositoryRef(home, request["repositoryName"]) if "repositoryName" in request else AllRepositories(home)


def the_place(call: Call, request: Shape) -> Registry | RepositoryRef:
    """The repository a request names, or the registry if it names none."""
    home = the_registry(call, request)
    return RepositoryRef(home, request["repositoryName"]) if "repositoryName" in request else home


def the_repositories(call: Call, request: Shape) -> Resource | list[Resource]:
    """The repositories a request names, or all there are."""
    home = the_registry(call, request)
    names = request.get("repositoryNames")
    return [RepositoryRef(home, name) for name in names] if names else AllRepositories(home)


def tags_told(items: Iterable[Shape]) -> dict[str, str | tuple[str, ...]]:
    """The condition keys of resource tags that a request would set."""
    pairs = [(item["Key"], item["Value"]) for item in items]
    told = tag_keys("aws:requesttag", pairs)
    return {**told, "aws:tagkeys": tuple(dict.fromkeys(key for key, _ in pairs))} if pairs else told


def the_image(request: Shape) -> ImageId:
    """The one image that a request names by digest, tag or both."""
    id_ = ImageId(request["imageId"].get("imageDigest"), request["imageId"].get("imageTag"))
    if id_ == ImageId():
        raise InvalidParameter("imageId", "both tag and digest cannot be null")
    return id_


def the_tagged(call: Call, request: Shape) -> RepositoryRef:
    """The repository whose ARN a request names; it must be of the region that is called."""
    at = repository_of_arn(request["resourceArn"])
    if at.registry.region != call.region or at.arn != request["resourceArn"]:  # the same but for its partition
        raise InvalidParameter("resourceArn", "Invalid ARN")
    return at
