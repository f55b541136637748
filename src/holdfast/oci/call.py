"""One call of the registry protocol, as its handlers see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from holdfast import registry
from holdfast.model.circumstances import NOTHING
from holdfast.model.errors import InvalidParameter, NameInvalid
from holdfast.model.names import AllRepositories, Registry
from holdfast.model.profiles import Profile
from holdfast.registry.pull_through import Leave

if TYPE_CHECKING:
    from holdfast.http import Request
    from holdfast.model.callers import Caller
    from holdfast.model.circumstances import Facts
    from holdfast.model.names import RepositoryRef
    from holdfast.registry import Backends
    from holdfast.registry.accounts import Tokens

MAXIMUM_QUERY_FIELDS = 100


@dataclass(slots=True)
class Call:
    """Who asks, in which registry, about what."""

    on: Backends
    tokens: Tokens
    request: Request
    caller: Caller
    registry: Registry
    repository: RepositoryRef | None = None
    reference: str = ""

    @property
    def at(self) -> RepositoryRef:
        """The repository of a call that names one."""
        assert self.repository is not None, "only routes with a name ask for it"
        return self.repository

    def require(self, action: str, facts: Facts = NOTHING) -> None:
        """Refuse a caller who may not do this to the repository, or to all of them where none is named."""
        resource = self.repository or AllRepositories(self.registry)
        registry.access.require(self.on, self.caller, action, resource, self.request, facts)

    def may(self, action: str, at: RepositoryRef | None = None) -> bool:
        """Whether the caller may do this to the repository, or to another one."""
        resource = at or self.repository or AllRepositories(self.registry)
        return registry.access.may(self.on, self.caller, action, resource, self.request)

    def ensure_repository(self) -> None:
        """Let the repository of a push be there; a template may make it."""
        registry.repositories.ensure_for_push(self.on, self.at, may_create=lambda: self.require("ecr:CreateRepository"))

    @property
    def copied_from(self) -> Registry | None:
        """The registry that another Holdfast copies; what it says counts if it may replicate, and goes no further."""
        told = self.request.header("holdfast-copied-from")
        if told is None or not self.may("ecr:ReplicateImage"):
            return None
        account_id, _, region = told.partition("/")
        try:
            return Registry(account_id, region)
        except NameInvalid:
            return None

    @property
    def leave(self) -> Leave:
        """What the caller may do that a pull through a cache rule needs.

        Clients ask by HEAD what they need not push: whoever may push is not held up by an upstream that does not tell.
        """
        return Leave(
            lambda: self.may("ecr:BatchImportUpstreamImage"),
            lambda: self.may("ecr:CreateRepository"),
            lambda: self.request.method == "HEAD" and self.may("ecr:InitiateLayerUpload"),
        )

    @property
    def is_strict(self) -> bool:
        """Whether ECR's quirks are wanted."""
        return self.on.profile is Profile.ECR_STRICT

    def query(self, name: str) -> str | None:
        """The first value of a query parameter."""
        values = self.query_all(name)
        return values[0] if values else None

    def query_all(self, name: str) -> list[str]:
        """Every value of a query parameter."""
        if not self.request.query:
            return []
        try:
            pairs = parse_qsl(self.request.query, keep_blank_values=True, max_num_fields=MAXIMUM_QUERY_FIELDS)
        except ValueError:
            raise InvalidParameter("query", f"There are more than {MAXIMUM_QUERY_FIELDS} fields") from None
        return [value for key, value in pairs if key == name]

    def url(self, path: str) -> str:
        """Where to find something: relative, so that proxies in between do not matter; absolute where ECR is."""
        return self.request.origin + path if self.is_strict else path

    def repository_path(self, tail: str) -> str:
        """A path below the repository."""
        return f"/v2/{self.at.name}/{quote(tail, safe='/:')}"
