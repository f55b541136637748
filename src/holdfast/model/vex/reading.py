"""Reads VEX in any of its formats, by itself or in what signs it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.model.vex import csaf, cyclonedx, openvex
from holdfast.model.vex.statements import PRODUCTS, STATEMENTS, BadVex

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from holdfast.model.manifests import Manifest
    from holdfast.model.vex.statements import Document, Statement

MAXIMUM_BYTES = 16 * 1024 * 1024
SIGNED_TYPES = ("application/vnd.dsse.envelope", "application/vnd.dev.sigstore.bundle", "application/vnd.in-toto")
TYPES = (
    "application/openvex",
    "application/vnd.openvex",
    "application/vnd.cyclonedx",
    "application/csaf",
    "application/vnd.csaf",
    "application/json",
    *SIGNED_TYPES,
)
_TAG = re.compile(r"sha256-([0-9a-f]{64})\.att", re.ASCII)  # where cosign puts attestations that are no referrers
_FAULTS = (msgspec.MsgspecError, UnicodeError, RecursionError, binascii.Error)


class _Kind(msgspec.Struct):
    context: Any = msgspec.field(name="@context", default=None)
    bom_format: Any = msgspec.field(name="bomFormat", default=None)
    document: Any = None


class _Envelope(msgspec.Struct, rename="camel"):
    payload: str = ""
    payload_type: str = ""


class _Bundle(msgspec.Struct, rename="camel"):
    dsse_envelope: _Envelope | None = None


class _Subject(msgspec.Struct):
    digest: dict[str, str] = {}


class _Attested(msgspec.Struct, rename="camel"):
    predicate_type: str = ""
    subject: list[_Subject] = []
    predicate: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


def read(data: bytes, *, is_of_image: bool) -> Document:
    """The statements of a document; `BadVex` if it is none.

    Where it is put to an image, what names no product is about that image.
    """
    if len(data) > MAXIMUM_BYTES:
        raise BadVex(f"it has more than {MAXIMUM_BYTES} bytes")
    try:
        found = _reader(data)(data, is_of_image=is_of_image)
    except _FAULTS as fault:
        raise BadVex(f"it cannot be read: {str(fault)[:200]}") from None
    if found.row_count > STATEMENTS:
        raise BadVex(f"it has more than {STATEMENTS} statements")
    if any(len(one.products) > PRODUCTS or _packages(one) > PRODUCTS for one in found.statements):
        raise BadVex(f"one of its statements is about more than {PRODUCTS} products")
    return found


def _packages(one: Statement) -> int:
    return sum(len(some.packages) for some in one.products)


def _reader(data: bytes) -> Callable[..., Document]:
    kind = msgspec.json.decode(data, type=_Kind)
    if isinstance(kind.context, str) and kind.context.startswith("https://openvex.dev/ns"):
        return openvex.read
    if kind.bom_format == "CycloneDX":
        return cyclonedx.read
    if isinstance(kind.document, dict):
        return csaf.read
    raise BadVex("it is neither OpenVEX, nor CycloneDX, nor CSAF, as JSON")


# ---- As referrers


def is_referrer(manifest: Manifest, tags: Collection[str] = ()) -> bool:
    """Whether a manifest may bring VEX of an image, by its types alone."""
    if not manifest.subject and not any(_TAG.fullmatch(tag) for tag in tags):
        return False
    types = [manifest.artifact_type or "", *(one.media_type for one in manifest.layers[1:])]
    return any(one.startswith(TYPES) for one in types)


def subject_of_tag(tag: str) -> str | None:
    """The digest of the image whose attestations a tag of cosign names."""
    found = _TAG.fullmatch(tag)
    return f"sha256:{found[1]}" if found else None


def read_attached(data: bytes, media_type: str, digests: Collection[str]) -> Document | None:
    """The statements that something attached to an image brings; None if it is no VEX.

    An attestation that is about none of the digests is `BadVex`; who signed it is not looked at.
    """
    if len(data) > MAXIMUM_BYTES:
        raise BadVex(f"it has more than {MAXIMUM_BYTES} bytes")
    try:
        if media_type.startswith(SIGNED_TYPES):
            predicate = _predicate(data, media_type, digests)
            if predicate is None:
                return None
            data = predicate
        kind = msgspec.json.decode(data, type=_Kind)
    except _FAULTS as fault:
        raise BadVex(f"it cannot be read: {str(fault)[:200]}") from None
    if kind.context is None and kind.bom_format is None and kind.document is None:
        return None
    found = read(data, is_of_image=True)
    return found if found.statements or found.left_out else None


def _predicate(data: bytes, media_type: str, digests: Collection[str]) -> bytes | None:
    """What is attested, if that is VEX (github.com/in-toto/attestation, spec/v1)."""
    if not media_type.startswith("application/vnd.in-toto"):
        envelope = msgspec.json.decode(data, type=_Envelope)
        if media_type.startswith("application/vnd.dev.sigstore.bundle"):
            found = msgspec.json.decode(data, type=_Bundle).dsse_envelope
            if found is None:
                return None
            envelope = found
        if envelope.payload_type != "application/vnd.in-toto+json":
            return None
        data = base64.b64decode(envelope.payload, validate=True)
    attested = msgspec.json.decode(data, type=_Attested)
    if not attested.predicate_type.startswith(("https://openvex.dev/ns", "https://cyclonedx.org/")):
        return None
    named = {f"{algorithm}:{value}" for one in attested.subject for algorithm, value in one.digest.items()}
    if named.isdisjoint(digests):
        raise BadVex("it attests something of another image")
    return bytes(attested.predicate)
