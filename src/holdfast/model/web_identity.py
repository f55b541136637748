"""What a token of an identity provider says: a JWT whose signature somebody else proves.

A claim that is written twice could be read in two ways, so such a token is none. Times are whole seconds.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.model import iam_session_limits
from holdfast.model.errors import ExpiredToken, IDPRejectedClaim, InvalidIdentityToken, InvalidParameterValue

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from holdfast.model.iam_oidc_providers import OidcProvider
    from holdfast.model.iam_session_limits import SessionTags

TOKEN_CHARACTERS = 20_000
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
LEEWAY_SECONDS = 60  # by which a provider's clock may be ahead
NO_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
REQUIRED = ("iss", "sub", "aud", "exp", "iat")
TAGS = "https://aws.amazon.com/tags"
SOURCE_IDENTITY = "https://aws.amazon.com/source_identity"
OURS = {"sub", "aud", "oaud", "amr"}  # keys whose values are made here, whatever a token's other claims are called

_TAG_KEY = re.compile(r"[\w \u00a0.:/=+@-]{1,128}")  # STS API, "tagKeyType" and "tagValueType"
_TAG_VALUE = re.compile(r"[\w \u00a0.:/=+@-]{0,256}")
_SOURCE_IDENTITY = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)

Fact = str | list[str]


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart, and not yet believed."""

    text: str
    algorithm: str
    key_id: str | None
    claims: Mapping[str, Any]

    @property
    def issuer(self) -> str:
        """Who says that he issued it."""
        return str(self.claims["iss"])

    @property
    def subject(self) -> str:
        """Whom it speaks of."""
        return str(self.claims["sub"])

    @property
    def audiences(self) -> tuple[str, ...]:
        """For whom it is meant."""
        found = self.claims["aud"]
        return (found,) if isinstance(found, str) else tuple(found)


def read(text: str) -> Token:
    """Take a token apart; or `InvalidIdentityToken`."""
    parts = text.split(".")
    if len(parts) != 3 or len(text) > TOKEN_CHARACTERS:
        raise InvalidIdentityToken(NO_JWT)
    header, claims = _object(parts[0]), _object(parts[1])
    algorithm, key_id = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise InvalidIdentityToken(f"The signature algorithm of the token must be one of {', '.join(ALGORITHMS)}")
    if "crit" in header or not isinstance(key_id, str | None):
        raise InvalidIdentityToken(NO_JWT)
    for name in REQUIRED:
        if name not in claims:
            raise InvalidIdentityToken(f"Missing a required claim: {name}")
    if not _are_of_their_types(claims):
        raise InvalidIdentityToken(NO_JWT)
    return Token(text, algorithm, key_id, claims)


def check_times(token: Token, now: datetime) -> None:
    """Refuse a token that is over, or not yet valid."""
    seconds, claims = int(now.timestamp()), token.claims
    if claims["exp"] <= seconds:
        raise ExpiredToken(seconds, claims["exp"])
    for name in ("iat", "nbf"):
        if claims.get(name, 0) > seconds + LEEWAY_SECONDS:
            raise InvalidIdentityToken(f"Token is not valid yet: its claim {name} is in the future")


def check_audience(token: Token, provider: OidcProvider) -> str:
    """The audience of a token that the provider's account has registered; or `InvalidIdentityToken`."""
    for audience in token.audiences:
        if audience in provider.client_ids:
            return audience
    raise InvalidIdentityToken("Incorrect token audience")


def audience_of(token: Token, registered: str) -> str:
    """What policies know as the audience: for whom the token was made, if it tells that beside who may accept it."""
    azp = token.claims.get("azp")
    return azp if isinstance(azp, str) else registered


def lasting_facts(token: Token, provider: OidcProvider, registered: str) -> dict[str, Fact]:
    """What policies may ask of a token for as long as a session made of it lasts."""
    prefix = provider.url.lower()
    facts: dict[str, Fact] = {
        f"{prefix}:sub": token.subject,
        f"{prefix}:aud": audience_of(token, registered),
    }
    if isinstance(token.claims.get("azp"), str):
        facts[f"{prefix}:oaud"] = registered
    if _is_texts(token.claims.get("amr")):
        facts[f"{prefix}:amr"] = token.claims["amr"]
    return facts


def all_facts(token: Token, provider: OidcProvider, registered: str) -> dict[str, Fact]:
    """What a trust policy may ask of a token: on AWS the lasting facts only, here every claim that is plain text."""
    prefix = provider.url.lower()
    facts: dict[str, Fact] = {}
    for name, value in token.claims.items():
        key = name.lower()
        if key in OURS:
            continue
        if isinstance(value, bool):
            facts[f"{prefix}:{key}"] = str(value).lower()
        elif isinstance(value, str) or _is_texts(value):
            facts[f"{prefix}:{key}"] = value
    return facts | lasting_facts(token, provider, registered)


# ---- What a provider says of the session


def source_identity(token: Token) -> str | None:
    """The source identity that a provider sets; or `IDPRejectedClaim`."""
    found = token.claims.get(SOURCE_IDENTITY)
    if found is not None and not (isinstance(found, str) and _SOURCE_IDENTITY.fullmatch(found)):
        raise IDPRejectedClaim(f"The claim {SOURCE_IDENTITY} is not a source identity")
    return found


def session_tags(token: Token) -> SessionTags:
    """The session tags that a provider sets; or `IDPRejectedClaim`."""
    found = token.claims.get(TAGS, {})
    try:
        tags = {key: _only(value) for key, value in found.get("principal_tags", {}).items()}
        transitive = found.get("transitive_tag_keys", [])
        if (
            all(map(_TAG_KEY.fullmatch, tags))
            and all(map(_TAG_VALUE.fullmatch, tags.values()))
            and _is_texts(transitive)
        ):
            return iam_session_limits.session_tags(tags.items(), transitive)
    except (AttributeError, TypeError, InvalidParameterValue):
        pass
    raise IDPRejectedClaim(f"The claim {TAGS} does not list tags that a session can have")


def _only(value: object) -> Any:
    """A value, alone or as the only one of a list."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


# ---- JSON


def _object(part: str) -> dict[str, Any]:
    try:
        if not part.isascii() or "=" in part:
            raise InvalidIdentityToken(NO_JWT)
        data = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
        found = json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse)
    except (binascii.Error, ValueError, RecursionError):
        raise InvalidIdentityToken(NO_JWT) from None
    if not isinstance(found, dict):
        raise InvalidIdentityToken(NO_JWT)
    return found


def _unique(pairs: Collection[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidIdentityToken(NO_JWT)
    return found


def _refuse(_constant: str) -> None:
    raise InvalidIdentityToken(NO_JWT)


def _are_of_their_types(claims: Mapping[str, Any]) -> bool:
    audience = claims["aud"]
    times = (claims["exp"], claims["iat"], claims.get("nbf", 0))
    return (
        all(isinstance(claims[name], str) and claims[name] for name in ("iss", "sub"))
        and (isinstance(audience, str) or (_is_texts(audience) and audience != []))
        and all(isinstance(time, int) and not isinstance(time, bool) for time in times)
    )


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)
