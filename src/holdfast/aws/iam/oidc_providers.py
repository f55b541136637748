"""Create, describe, change and delete the providers of identities that the account trusts."""

from __future__ import annotations

from holdfast import registry
from holdfast.aws.iam import tags
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model import iam_oidc_providers
from holdfast.model.errors import InvalidInput
from holdfast.model.iam_oidc_providers import SCHEME, OidcProviderArn
from holdfast.model.names import Arn

UNSUPPORTED = ("ContextProvider", "IdentityCenterInstanceArn")


def _named(request: Shape) -> OidcProviderArn:
    return iam_oidc_providers.read_arn(request["OpenIDConnectProviderArn"])


def _the_provider(_call: Call, request: Shape) -> Arn:
    """The provider whose ARN a request has."""
    provider = _named(request)
    return Arn(provider.account_id, provider.text)


def _new_provider(call: Call, request: Shape) -> Arn:
    """The provider that would be made."""
    account_id = call.caller.account_id
    return Arn(account_id, f"arn:aws:iam::{account_id}:oidc-provider/{request['Url'].removeprefix(SCHEME)}")


def _providers(call: Call, _request: Shape) -> Arn:
    """All providers of the account."""
    account_id = call.caller.account_id
    return Arn(account_id, f"arn:aws:iam::{account_id}:oidc-provider/*")


@operation(on=_new_provider, lacks="ContextProvider and IdentityCenterInstanceArn", facts=tags.told)
def create_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """Trust the tokens of an issuer that are meant for some clients."""
    if request.get("Tags"):
        call.require("iam:TagOpenIDConnectProvider", _new_provider(call, request), tags.told(request)[0])
    for member in UNSUPPORTED:
        if member in request:
            raise InvalidInput(f"{member} is not supported: there is no Identity Center here")
    provider = registry.iam.oidc_providers.create(
        call.on,
        call.caller.account_id,
        request["Url"],
        client_ids=request.get("ClientIDList", []),
        thumbprints=request.get("ThumbprintList", []),
        tags=tags.given(request),
    )
    return {"OpenIDConnectProviderArn": provider.arn, "Tags": tags.rendered(provider.tags)}


@operation(on=_the_provider)
def get_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """A provider, with the clients for whom its tokens must be meant."""
    provider = registry.iam.oidc_providers.get(call.on, _named(request))
    return {
        "Url": provider.url,
        "ClientIDList": list(provider.client_ids),
        "ThumbprintList": list(provider.thumbprints),
        "CreateDate": provider.created_at,
        "Tags": tags.rendered(provider.tags),
    }


@operation(on=_providers)
def list_open_id_connect_providers(call: Call, _request: Shape) -> Shape:
    """Every provider of the account."""
    found = registry.iam.oidc_providers.list_all(call.on, call.caller.account_id)
    return {"OpenIDConnectProviderList": [{"Arn": provider.arn} for provider in found]}


@operation(on=_the_provider)
def delete_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """Trust an issuer no longer."""
    registry.iam.oidc_providers.delete(call.on, _named(request))
    return {}


@operation(on=_the_provider)
def add_client_id_to_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """Trust the tokens for one client more; that they are trusted is no fault."""
    registry.iam.oidc_providers.add_client(call.on, _named(request), request["ClientID"])
    return {}


@operation(on=_the_provider)
def remove_client_id_from_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """Trust the tokens for a client no longer; that they are not is no fault."""
    registry.iam.oidc_providers.remove_client(call.on, _named(request), request["ClientID"])
    return {}


@operation(on=_the_provider)
def update_open_id_connect_provider_thumbprint(call: Call, request: Shape) -> Shape:
    """Note other certificates of an issuer."""
    registry.iam.oidc_providers.set_thumbprints(call.on, _named(request), request["ThumbprintList"])
    return {}


@operation(on=_the_provider, facts=tags.told)
def tag_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """Add tags, or overwrite those of the same keys."""
    registry.iam.oidc_providers.tag(call.on, _named(request), tags.given(request))
    return {}


@operation(on=_the_provider, facts=tags.keys_told)
def untag_open_id_connect_provider(call: Call, request: Shape) -> Shape:
    """Remove tags."""
    registry.iam.oidc_providers.untag(call.on, _named(request), request["TagKeys"])
    return {}


@operation(on=_the_provider)
def list_open_id_connect_provider_tags(call: Call, request: Shape) -> Shape:
    """The tags of a provider."""
    return tags.page(request, registry.iam.oidc_providers.get(call.on, _named(request)).tags)
