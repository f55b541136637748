"""Tokens of identity providers: whether one is what it says, and meant for this account.

    parsed ─► the provider is one of the role's account ─► its key ─► signature ─► times ─► audience

Nothing is asked of a provider that the account has not registered, and nothing of what a token says about keys but the
id of the key is looked at: whoever wrote the token would choose the key, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from joserfc import jws
from joserfc.errors import JoseError

from holdfast import store
from holdfast.model import web_identity
from holdfast.model.errors import InvalidIdentityToken
from holdfast.model.iam_oidc_providers import SCHEME
from holdfast.model.iam_sessions import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.iam_session_limits import SessionTags
    from holdfast.model.web_identity import Fact, Token
    from holdfast.registry.backends import Backends
    from holdfast.registry.identity_providers import Key


class _Signatures(jws.JWSRegistry):
    """What joserfc lets a token be; its own bounds on sizes are tighter than AWS's."""

    max_header_length = web_identity.TOKEN_CHARACTERS


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """The holder of a token that was proven."""

    provider_arn: str
    subject: str
    audience: str
    facts: Mapping[str, str | tuple[str, ...]]  # that a trust policy may ask for
    lasting_facts: Mapping[str, Fact]  # that policies may ask for as long as the session lasts
    tags: SessionTags
    source_identity: str | None


def verify(on: Backends, account_id: str, text: str) -> WebIdentity:
    """Whom a token speaks of, if a provider of an account vouches for it; or the refusal of the token."""
    token = web_identity.read(text)
    with on.database.snapshot() as tx:
        host = token.issuer.removeprefix(SCHEME)
        provider = store.iam_oidc_providers.find(tx, account_id, host) if host != token.issuer else None
    if provider is None:
        raise InvalidIdentityToken(f"No OpenIDConnect provider found in your account for {token.issuer[:300]}")
    _prove(token, on.identity_providers.key(on, token, provider.thumbprints))
    web_identity.check_times(token, on.clock())
    registered = web_identity.check_audience(token, provider)
    facts = web_identity.all_facts(token, provider, registered) | {PROVIDER: provider.arn}
    return WebIdentity(
        provider.arn,
        token.subject,
        web_identity.audience_of(token, registered),
        {key: tuple(fact) if isinstance(fact, list) else fact for key, fact in facts.items()},
        web_identity.lasting_facts(token, provider, registered),
        web_identity.session_tags(token),
        web_identity.source_identity(token),
    )


def _prove(token: Token, key: Key) -> None:
    """Refuse a token that the provider did not sign."""
    registry = _Signatures(algorithms=[token.algorithm], strict_check_header=False)
    try:
        jws.deserialize_compact(token.text, key, registry=registry)
    except (JoseError, ValueError, TypeError):
        raise InvalidIdentityToken("The signature of the token is not valid") from None
