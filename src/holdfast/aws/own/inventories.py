"""What images hold: ask for it, and list it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_image, the_repository

if TYPE_CHECKING:
    from holdfast.model.packages import OperatingSystem
    from holdfast.store.inventories import Found, ImageInventory

PLACES = 2**32  # more than an image has packages


@operation(on=the_repository)
def start_image_inventory(call: Call, request: Shape) -> Shape:
    """Find out in the background which packages an image holds."""
    at = the_repository(call, request)
    image = registry.inventories.ask(call.on, at, the_image(request), again=request.get("again", False))
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageDigest": image.digest,
        "inventoryStatus": "PENDING",
    }


@operation(on=the_repository)
def list_image_packages(call: Call, request: Shape) -> Shape:
    """The packages that an image holds, each with the file that tells of it and the layer that brought it."""
    at = the_repository(call, request)
    image, found, is_coming = registry.inventories.get(call.on, at, the_image(request))
    answer: Shape = {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageDigest": image.digest,
        "inventoryStatus": rendered_state(found, is_coming=is_coming),
        "packages": [],
    }
    if found is None:
        return answer
    place = divmod(pages.after(request, 0) - 1, PLACES)
    packages, more = registry.inventories.page(call.on, image, place, pages.size(request))
    return {
        **answer,
        "inventoryStatusDescription": found.reason or None,
        "inventoryTakenAt": found.taken_at,
        "operatingSystem": _system(found.os) if found.os else None,
        "packageCount": found.package_count,
        "notes": list(found.notes) or None,
        "packages": [_package(one, found.os) for one in packages],
        "nextToken": pages.token(packages[-1].place[0] * PLACES + packages[-1].place[1] + 1) if more else None,
    }


def rendered_state(found: ImageInventory | None, *, is_coming: bool) -> str:
    """How an inventory stands."""
    return "PENDING" if is_coming else found.state if found else "NOT_TAKEN"


def _system(os: OperatingSystem) -> Shape:
    return {"id": os.id, "version": os.version or None, "name": os.name or None}


def _package(found: Found, os: OperatingSystem | None) -> Shape:
    package = found.installed.package
    return {
        "type": package.type,
        "name": package.name,
        "version": package.version,
        "architecture": package.architecture or None,
        "sourceName": package.source_name or None,
        "sourceVersion": package.source_version or None,
        "packageUrl": package.purl(os),
        "filePath": found.installed.file_path,
        "sourceLayerHash": found.layer_digest,
    }
