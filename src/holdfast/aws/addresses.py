"""Where clients find a registry: the way by which the caller came in, mirrored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdfast.model.names import REGISTRY_HOST, registry_host

if TYPE_CHECKING:
    from holdfast.http import Request
    from holdfast.model.names import Registry, RepositoryRef

# api.ecr.<region>.<domain>, and the dual-stack ecr.<region>.<domain>
API_HOST = re.compile(r"(?:api\.)?ecr(?:-fips)?\.[0-9a-z-]{2,25}\.(?P<domain>[a-z0-9.-]+)", re.ASCII)


def registry_address(request: Request, registry: Registry) -> str:
    """Host and port of a registry: ECR's form if the caller used ECR's form, else the very address he used."""
    host = (request.header("host") or "").lower()
    name, colon, port = host.rpartition(":") if re.search(r":\d+$", host) else (host, "", "")
    found = REGISTRY_HOST.fullmatch(name) or API_HOST.fullmatch(name)
    return f"{registry_host(registry, found['domain'])}{colon}{port}" if found else host


def repository_uri(request: Request, at: RepositoryRef) -> str:
    """What `docker push` is given."""
    return f"{registry_address(request, at.registry)}/{at.name}"


def proxy_endpoint(request: Request, registry: Registry) -> str:
    """What `docker login` is given."""
    return f"{'https' if request.is_secure else 'http'}://{registry_address(request, registry)}"
