"""The registry itself, and credentials for docker."""

from __future__ import annotations

import base64

from holdfast.aws import addresses
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.names import Registry


def _own_registry(call: Call, _request: Shape) -> Registry:
    """A login token is the caller's own, whichever registries it is asked for."""
    return Registry(call.caller.account_id, call.region)


@operation(on=_own_registry)
def get_authorization_token(call: Call, request: Shape) -> Shape:
    """Credentials for `docker login`, one for each registry that is named."""
    answers = []
    for account_id in request.get("registryIds", [call.caller.account_id]):
        named = Registry(account_id, call.region)
        password, expires_at = call.tokens.issue(call.caller, named)
        answers.append(
            {
                "authorizationToken": base64.b64encode(f"AWS:{password}".encode()).decode(),
                "expiresAt": expires_at,
                "proxyEndpoint": addresses.proxy_endpoint(call.http, named),
            }
        )
    return {"authorizationData": answers}
