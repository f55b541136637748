"""The mark of an operation, what it is given, and the table of all that are marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.model.errors import InvalidParameter
from holdfast.model.images import ImageId
from holdfast.model.names import Arn, Registry, RepositoryRef
from holdfast.model.repositories import repository_of_arn

if TYPE_CHECKING:
    from types import ModuleType

    from holdfast.http import Request
    from holdfast.model.callers import Caller
    from holdfast.registry import Backends
    from holdfast.registry.accounts import Tokens

Shape = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls an operation, and by which region's endpoint."""

    on: Backends
    tokens: Tokens
    http: Request
    caller: Caller
    region: str


Resource = Callable[[Call, Shape], Registry | RepositoryRef | Arn]
Function = Callable[[Call, Shape], Shape]


@dataclass(frozen=True, slots=True)
class Operation:
    """A marked function: its name as AWS writes it, the resource that its action is asked for, and what it lacks."""

    name: str
    function: Function
    resource: Resource
    lacks: str = ""


def operation(on: Resource, *, lacks: str = "") -> Callable[[Function], Function]:
    """Mark a function as the operation of its name: `put_image` answers PutImage.

    What it `lacks` is what its callers would expect of it and this version does not do.
    """

    def mark(function: Function) -> Function:
        name = "".join(word.capitalize() for word in function.__name__.split("_"))
        function.operation = Operation(name, function, on, lacks)  # type: ignore[attr-defined]
        return function

    return mark


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
