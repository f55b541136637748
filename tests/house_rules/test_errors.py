"""Every refusal has a code that clients of each door know."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader

from holdfast.aws.door import WORDS
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
ONLY_OVER_OCI = {errors.ImageReferencedByManifestList}  # the API tells it item by item, as a failure code

REFUSALS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.Refusal) and kind not in FAMILIES
]


def modelled() -> set[str]:
    shapes = Loader().load_service_model("ecr", "service-2")["shapes"]
    return {name for name, shape in shapes.items() if shape.get("exception")}


@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_the_api_has_a_code_for_it(kind):
    code = WORDS[kind][1] if kind in WORDS else f"{kind.__name__}Exception"

    assert kind in ONLY_OVER_OCI or code in modelled() | COMMON


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", REFUSALS, ids=lambda kind: kind.__name__)
def test_the_registry_protocol_has_a_status_for_it(kind, strict):
    status, code = words(kind, strict=strict)

    assert 400 <= status < 600
    assert code == "UNKNOWN" if kind is errors.BytesDamaged else code != "UNKNOWN"
