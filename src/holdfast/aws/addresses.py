"""Where clients find a registry: the way by which the caller came in, mirrored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdfast.model.names import REGISTRY_HOST

if TYPE_CHECKING:
    from holdfast.http import Request
    from holdfast.model.names import Registry, RepositoryRef

API_HOST = re.compile(r"(?:api\.)?(?P<kind>ecr(?:-fips)?)\.[0-9a-z-]{2,25}\.(?P<domain>[a-z0-9.-]+)", re.ASCII)
DUAL_STACK = {"api.aws": "on.aws"}  # Amazon's names for the same thing at the API and at the registry


def registry_address(request: Request, registry: Registry) -> str:
    """Host and port of a registry: ECR's form if the caller used ECR's form, else the very address he used."""
    host = (request.header("host") or "").lower()
    name, colon, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
    own, api = REGISTRY_HOST.fullmatch(name), API_HOST.fullmatch(name)
    if own:
        kind, domain = own["kind"], own["domain"]
    elif api:
        domain = DUAL_STACK.get(api["domain"], api["domain"])
        kind = f"dkr{'-' if api['domain'] in DUAL_STACK else '.'}{api['kind']}"
    else:
        return host
    return f"{registry.account_id}.{kind}.{registry.region}.{domain}{colon}{port}"


def repository_uri(request: Request, at: RepositoryRef) -> str:
    """What `docker push` is given."""
    return f"{registry_address(request, at.registry)}/{at.name}"


def proxy_endpoint(request: Request, registry: Registry) -> str:
    """What `docker login` is given."""
    return f"{'https' if request.is_secure else 'http'}://{registry_address(request, registry)}"
