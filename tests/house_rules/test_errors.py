"""Every refusal has a code that clients of each door know."""

from __future__ import annotations

import pytest

from holdfast.aws import query_protocol
from holdfast.aws.door import SPOKEN_IN_JSON, WORDS
from holdfast.aws.service_models import load
from holdfast.model import errors
from holdfast.oci.errors import words

FAMILIES = {
    errors.Refusal,
    errors.Invalid,
    errors.NotFound,
    errors.AlreadyExists,
    errors.Denied,
    errors.Unavailable,
}
# AWS, "Common errors": codes that any operation may answer, though no description lists them.
COMMON = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "RequestEntityTooLarge",
    "ServiceUnavailableException",
    "ThrottlingException",
    "UnrecognizedClientException",
}
COMMON_OF_QUERY = {
    "AccessDenied",
    "ExpiredToken",
    "InvalidClientTokenId",
    "InvalidParameterValue",
    "RequestEntityTooLarge",
    "ServiceUnavailable",
    "Throttling",
    "ValidationError",
}
ONLY_OVER_OCI = {  # the API tells them item by item, as failure codes
    errors.ImageReferencedByManifestList,
    errors.UpstreamAccessDenied,
    errors.UpstreamTooManyRequests,
    errors.UpstreamUnavailable,
}

REFUSALS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.Refusal) and kind not in FAMILIES
]


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_an_api_has_a_code_for_it(kind):
    code = WORDS[kind][1] if kind in WORDS else f"{kind.__name__}Exception"

    known = {code for name in SPOKEN_IN_JSON for code in load(name).faults} | COMMON
    assert kind in ONLY_OVER_OCI or code in known or codes_of_query(kind)


def codes_of_query(kind):
    """Its codes in those of IAM and STS that know it."""
    refusal = kind.__new__(kind)
    errors.Refusal.__init__(refusal, "")
    services = [load("iam"), load("sts")]
    codes = [query_protocol.words(service, refusal)[1] for service in services]
    known = [COMMON_OF_QUERY.union(code for _, code in service.faults.values()) for service in services]
    return [code for code, those in zip(codes, known, strict=True) if code in those]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_the_registry_protocol_has_a_status_for_it(kind, strict):
    status, code = words(kind, strict=strict)

    assert 400 <= status < 600
    assert code == "UNKNOWN" if kind is errors.BytesDamaged else code != "UNKNOWN"
