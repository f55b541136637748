"""Pull-through cache rules: which upstream registries there are, and what each asks for (ECR user guide)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidParameter, UnableToAccessSecret, UnsupportedUpstreamRegistry
from holdfast.model.names import check_role_arn, partition, registry_of_host
from holdfast.model.prefixes import ROOT
from holdfast.model.remotes import AUTHORITY, AccessKey, Password, Remote

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.names import Registry
    from holdfast.model.remotes import Credentials

ACCESS_KEY_ID = re.compile(r"A[KS]IA[A-Z0-9]{16,124}", re.ASCII)  # which is nobody's name elsewhere


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of registry whose images can be cached."""

    name: str  # ECR's upstreamRegistry
    url: str  # a pattern
    needs_credential: bool = False

    def matches(self, url: str) -> re.Match[str] | None:
        """Whether an address is one of this kind's."""
        return re.fullmatch(self.url, url, re.ASCII)


KINDS = (
    Kind("ecr", r"(?P<account>[0-9]{12})\.dkr[.-]ecr(-fips)?\.[0-9a-z-]{2,25}\.(amazonaws\.com(\.cn)?|on\.aws)"),
    Kind("ecr-public", r"public\.ecr\.aws"),
    Kind("k8s", r"registry\.k8s\.io"),
    Kind("quay", r"quay\.io"),
    Kind("docker-hub", r"registry-1\.docker\.io", needs_credential=True),
    Kind("github-container-registry", r"ghcr\.io", needs_credential=True),
    Kind("gitlab-container-registry", r"registry\.gitlab\.com", needs_credential=True),
    Kind("azure-container-registry", r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.azurecr\.io", needs_credential=True),
    Kind("chainguard", r"cgr\.dev", needs_credential=True),
)


ANY = Kind("", r"(?=.*[.:])(?!docker\.io$)[a-z0-9.:\[\]_-]+")  # any other host, which ECR does not know
MANY = range(1, 1001)


@dataclass(frozen=True, slots=True)
class Options:
    """What ECR's rules do not have: how an upstream is spoken to, and how much of it is kept for how long."""

    is_plain: bool = False  # it speaks plain HTTP
    ca_pem: str | None = None  # vouches for it
    tag_seconds: int = 24 * 3600  # for which a tag is not asked for again
    referrer_seconds: int = 6 * 3600  # likewise, what refers to an image
    budget_bytes: int | None = None  # of all that is cached by the rule
    at_once: int = 8  # blobs that are fetched from it at the same time, by all nodes

    def __post_init__(self) -> None:
        if self.at_once not in MANY:
            raise InvalidParameter("atOnce", f"Member must be from {MANY[0]} to {MANY[-1]}")
        if not 0 <= self.tag_seconds <= 10**9 or not 0 <= self.referrer_seconds <= 10**9:
            raise InvalidParameter("tagSeconds", "Member must be a number of seconds")
        if self.budget_bytes is not None and not 0 < self.budget_bytes < 2**62:
            raise InvalidParameter("budgetBytes", "Member must be a number of bytes")


@dataclass(frozen=True, slots=True)
class Upstream:
    """A registry whose images are cached, and by whose leave."""

    kind: str
    url: str
    prefix: str = ROOT
    credential_arn: str | None = None
    custom_role_arn: str | None = None


@dataclass(frozen=True, slots=True)
class CacheRule:
    """What is below a prefix comes from an upstream."""

    registry: Registry
    prefix: str
    upstream: Upstream
    created_at: datetime
    updated_at: datetime
    options: Options = Options()

    def __post_init__(self) -> None:
        upstream = self.upstream
        kind = kind_of(upstream.url)
        if kind.name != upstream.kind and kind is not ANY:
            raise UnsupportedUpstreamRegistry(upstream.url)
        if kind.needs_credential and upstream.credential_arn is None:
            raise UnsupportedUpstreamRegistry(upstream.url)
        has_any = upstream.custom_role_arn is not None or upstream.credential_arn is not None
        if needs_role(self.registry, upstream.url) and not has_any:
            raise UnsupportedUpstreamRegistry(upstream.url)
        if self.prefix == ROOT and upstream.prefix != ROOT:
            raise InvalidParameter(
                "upstreamRepositoryPrefix", "Member must be ROOT when ecrRepositoryPrefix is set as ROOT"
            )
        if upstream.credential_arn is not None:
            _check_secret(self.registry, upstream.credential_arn)
        if upstream.custom_role_arn is not None:
            check_role_arn("customRoleArn", upstream.custom_role_arn)

    @property
    def remote(self) -> Remote:
        """The upstream as it is called."""
        return Remote(self.upstream.url, self.options.is_plain, self.options.ca_pem)

    def credentials(self, username: str, secret: str) -> Credentials:
        """What a secret's name and text are: an access key, which assumes the role of the rule, or a password."""
        if not ACCESS_KEY_ID.fullmatch(username):
            return Password(username, secret)
        named = registry_of_host(self.upstream.url.partition(":")[0])
        region = self.registry.region if named is None else named.region
        return AccessKey(username, secret, region, role_arn=self.upstream.custom_role_arn)

    def upstream_name(self, name: str) -> str:
        """What a repository below the prefix is called at the upstream."""
        own, theirs = (prefix.removesuffix("/") for prefix in (self.prefix, self.upstream.prefix))
        rest = name if own == ROOT else name.removeprefix(f"{own}/")
        found = rest if theirs == ROOT else f"{theirs}/{rest}"
        return f"library/{found}" if self.upstream.kind == "docker-hub" and "/" not in found else found


def own_name(prefix: str, upstream_prefix: str, upstream_name: str) -> str | None:
    """What a repository of an upstream is called below a rule's prefix; None if the rule does not reach it."""
    own, theirs = prefix.removesuffix("/"), upstream_prefix.removesuffix("/")
    if theirs != ROOT and not upstream_name.startswith(f"{theirs}/"):
        return None
    rest = upstream_name if theirs == ROOT else upstream_name.removeprefix(f"{theirs}/")
    return rest if own == ROOT else f"{own}/{rest}"


def kind_of(url: str) -> Kind:
    """The kind of registry that an address belongs to, or `UnsupportedUpstreamRegistry`."""
    for kind in KINDS:
        if kind.matches(url):
            return kind
    found = AUTHORITY.fullmatch(url)
    if ANY.matches(url) and found and 0 < int(found["port"] or 443) < 65536:
        return ANY
    raise UnsupportedUpstreamRegistry(url)


def needs_role(home: Registry, url: str) -> bool:
    """Whether an address is of another account's ECR, which only a role of its trust, or a key of its own, may read."""
    found = KINDS[0].matches(url)
    return found is not None and found["account"] != home.account_id


def _check_secret(home: Registry, arn: str) -> None:
    """Refuse a secret that lies where the registry may not read."""
    place = f"arn:{partition(home.region)}:secretsmanager:{home.region}:{home.account_id}:secret:"
    if not arn.startswith(place):
        raise UnableToAccessSecret(arn)
