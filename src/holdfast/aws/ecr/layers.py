"""The five operations by which layers are checked, pushed and pulled without docker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import service_models
from holdfast.aws.operations import Again, Call, Shape, operation, pull_leave, the_repository
from holdfast.aws.service_models import DIGEST_PATTERN
from holdfast.model import digests
from holdfast.model.errors import (
    DigestInvalid,
    EmptyUpload,
    InvalidLayer,
    InvalidLayerPart,
    LayerAlreadyExists,
    LayerInaccessible,
    LayerPartTooSmall,
    LayersNotFound,
    LimitExceeded,
    RangeInvalid,
    SizeInvalid,
)
from holdfast.model.uploads import MINIMUM_PART_BYTES, PART_BYTES, Upload

if TYPE_CHECKING:
    from holdfast.model.names import RepositoryRef


@operation(on=the_repository)
def batch_check_layer_availability(call: Call, request: Shape) -> Shape:
    """Say which layers a repository holds."""
    at = the_repository(call, request)
    wanted = list(dict.fromkeys(request["layerDigests"]))
    known = registry.layers.describe(call.on, at, [digest for digest in wanted if digests.is_digest(digest)])
    layers, failures = [], []
    for digest in wanted:
        if digest in known:
            layers.append(
                {
                    "layerDigest": digest,
                    "layerAvailability": "ARCHIVED" if known[digest].is_archived else "AVAILABLE",
                    "layerSize": known[digest].size_bytes,
                    "mediaType": known[digest].media_type,
                }
            )
        elif service_models.matches(DIGEST_PATTERN, digest):
            layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
        else:
            code = "InvalidLayerDigest" if digest else "MissingLayerDigest"
            reason = "Invalid request parameters: layer digest " + ("is malformed" if digest else "cannot be empty")
            failures.append({"layerDigest": digest, "failureCode": code, "failureReason": reason})
    return {"layers": layers, "failures": failures}


@operation(on=the_repository)
def initiate_layer_upload(call: Call, request: Shape) -> Shape:
    """Open an upload."""
    at = the_repository(call, request)
    registry.repositories.ensure_for_push(call.on, at, may_create=lambda: call.require("ecr:CreateRepository", at))
    return {"uploadId": registry.uploads.begin(call.on, at), "partSize": PART_BYTES}


@operation(on=the_repository)
def upload_layer_part(call: Call, request: Shape) -> Shape:
    """Take the next bytes of an upload."""
    at = the_repository(call, request)
    upload = registry.uploads.get(call.on, at, request["uploadId"])
    if len(upload.parts) >= call.on.limits.layer_parts:
        raise LimitExceeded(f"A layer cannot have more than {call.on.limits.layer_parts} parts")
    first, last, data = request["partFirstByte"], request["partLastByte"], request["layerPartBlob"]
    if not data or last - first + 1 != len(data):
        raise SizeInvalid(
            f"The layer part has {len(data)} bytes; from partFirstByte to partLastByte are {last - first + 1}",
            registryId=at.registry.account_id,
            repositoryName=at.name,
            uploadId=upload.id,
            lastValidByteReceived=max(upload.received_bytes - 1, 0),
        )
    try:
        writer = registry.uploads.receive(call.on, upload, first)
        try:
            writer.write(data)
            received = registry.uploads.append(call.on, at, upload, writer)
        except BaseException:
            writer.discard()
            raise
    except RangeInvalid as refusal:
        now = refusal.details.get("received")
        received = now.received_bytes if isinstance(now, Upload) else upload.received_bytes
        raise InvalidLayerPart(at, upload.id, received - 1, first) from None
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "uploadId": upload.id,
        "lastByteReceived": received - 1,
    }


@operation(on=the_repository)
def complete_layer_upload(call: Call, request: Shape) -> Shape:
    """Make an upload a layer, if it has one of the digests."""
    at = the_repository(call, request)
    upload = registry.uploads.get(call.on, at, request["uploadId"])
    if not upload.parts:
        raise EmptyUpload(at, upload.id)
    if any(part.size_bytes < MINIMUM_PART_BYTES for part in upload.parts[:-1]):
        raise LayerPartTooSmall(MINIMUM_PART_BYTES)
    wanted = [digest for digest in request["layerDigests"] if digests.is_digest(digest)]
    if not wanted:
        raise InvalidLayer
    _refuse_known(call, at, upload, wanted)
    try:
        blob = registry.uploads.complete(call.on, at, upload, wanted)
    except DigestInvalid:
        raise InvalidLayer from None
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "uploadId": upload.id,
        "layerDigest": blob.digest,
    }


def _refuse_known(call: Call, at: RepositoryRef, upload: Upload, wanted: list[str]) -> None:
    """Tell that a layer is there already, when the upload can be no other; the upload is over either way."""
    if len(upload.parts) == 1:
        own = f"sha256:{upload.parts[0].sha256}"
        wanted = [own] if own in wanted else []
    if wanted and all(registry.uploads.confirm(call.on, at, digest) for digest in wanted):
        registry.uploads.cancel(call.on, at, upload.id)
        raise LayerAlreadyExists(at, wanted[0])


@operation(on=the_repository)
def get_download_url_for_layer(call: Call, request: Shape) -> Shape | Again:
    """An address from which a layer of an image can be read for a while; what only an upstream has comes with that."""
    at, digest = the_repository(call, request), request["layerDigest"]
    if not digests.is_digest(digest):
        raise LayersNotFound(at, [digest])
    told = {
        "layerDigest": digest,
        "downloadUrl": f"{call.http.origin}/layers/{call.tokens.sign_layer(call.caller, at.arn, digest)}",
    }

    def asked() -> Shape:
        registry.pull_through.require_layer(call.on, at, digest, pull_leave(call, at))
        return told

    try:
        registry.layers.require_in_image(call.on, at, digest)
    except (LayersNotFound, LayerInaccessible):
        if not registry.pull_through.may_have(call.on, at):
            raise
        return Again(asked)
    return told
