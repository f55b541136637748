"""SBOMs of images: get them, attach them, and take in those of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.operations import Call, Shape, operation, the_image, the_repository
from holdfast.model.errors import InvalidParameter
from holdfast.model.sboms import Format
from holdfast.model.supplied_sboms import Mode

if TYPE_CHECKING:
    from holdfast.model.images import Image
    from holdfast.model.names import RepositoryRef

DOCUMENT_BYTES = 32 * 1024 * 1024  # in an answer; larger ones are attached and pulled


@operation(on=the_repository)
def get_image_sbom(call: Call, request: Shape) -> Shape:
    """The SBOM of an image whose inventory was taken, as CycloneDX or SPDX."""
    at, form = the_repository(call, request), _format(request)
    image, document = registry.sboms.document(call.on, at, the_image(request), form)
    if len(document) > DOCUMENT_BYTES:
        raise InvalidParameter(
            "imageId", f"The SBOM has more than {DOCUMENT_BYTES} bytes; AttachImageSbom lets it be pulled"
        )
    return {**_named(at, image), "format": form.value, "mediaType": form.media_type, "document": document.decode()}


@operation(on=the_repository)
def attach_image_sbom(call: Call, request: Shape) -> Shape:
    """Push the SBOM of an image as a referrer of it."""
    at, form = the_repository(call, request), _format(request)
    image, sbom = registry.sboms.attach(call.on, at, the_image(request), form)
    return {**_named(at, image), "sbomDigest": sbom.digest}


@operation(on=the_repository)
def import_image_sbom(call: Call, request: Shape) -> Shape:
    """Let an SBOM in the repository add to the inventory of an image, or take the place of it."""
    at, mode = the_repository(call, request), Mode(request.get("mode", Mode.ADD))
    data = registry.sboms.attached(call.on, at, request["sbomDigest"])
    image, supplied = registry.sboms.supply(call.on, at, the_image(request), data, mode)
    return {**_named(at, image), "inventoryStatus": "PENDING", "packageCount": len(supplied.packages)}


@operation(on=the_repository)
def withdraw_image_sbom(call: Call, request: Shape) -> Shape:
    """Forget the SBOM that was imported for an image, and take its inventory without it."""
    at = the_repository(call, request)
    image = registry.sboms.withdraw(call.on, at, the_image(request))
    return {**_named(at, image), "inventoryStatus": "PENDING"}


def _format(request: Shape) -> Format:
    return Format(request.get("format", Format.CYCLONEDX))


def _named(at: RepositoryRef, image: Image) -> Shape:
    return {"registryId": at.registry.account_id, "repositoryName": at.name, "imageDigest": image.digest}
