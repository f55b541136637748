"""Which images hold a package, or a vulnerability."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_registry
from holdfast.aws.own import leases
from holdfast.registry.package_search import Wanted

if TYPE_CHECKING:
    from holdfast.registry.package_search import Answer, Holding


@operation(on=the_registry)
def list_images_with_package(call: Call, request: Shape) -> Shape:
    """The images of a registry that hold a package, in one version, a range of them, or any."""
    wanted = Wanted(
        request["packageName"],
        request.get("ecosystem", ""),
        version=request.get("version"),
        at_least=request.get("versionFrom"),
        below=request.get("versionBelow"),
    )
    found = registry.package_search.holding(
        call.on, the_registry(call, request), wanted, pages.after(request, 0), pages.size(request),
        is_counted=request.get("includeCount", False),
    )  # fmt: skip
    return _rendered(found)


@operation(on=the_registry)
def list_images_with_vulnerability(call: Call, request: Shape) -> Shape:
    """The images of a registry that hold a version of a package that a vulnerability is in."""
    found = registry.package_search.affected(
        call.on, the_registry(call, request), request["vulnerabilityId"], pages.after(request, 0),
        pages.size(request), is_counted=request.get("includeCount", False),
        with_pullers=request.get("includePullers", False), since=request.get("pulledSince"),
    )  # fmt: skip
    return _rendered(found)


def _rendered(found: Answer) -> Shape:
    return {
        "images": [_image(one) for one in found.images],
        "imageCount": found.count,
        "pulledSince": found.since,
        "nextToken": pages.token(found.images[-1].image.id) if found.more else None,
    }


def _image(one: Holding) -> Shape:
    return {
        "repositoryName": one.at.name,
        "imageDigest": one.image.digest,
        "imageTags": list(one.image.tags) or None,
        "imagePushedAt": one.image.pushed_at,
        "packageVersions": [
            {"ecosystem": version.ecosystem, "name": version.name, "version": version.version}
            for version in one.versions
        ],
        "pullers": [
            {
                "principalArn": puller.principal,
                "firstPulledAt": puller.first_pulled_at,
                "lastPulledAt": puller.last_pulled_at,
            }
            for puller in one.pullers
        ]
        or None,
        "leases": [leases.rendered(lease) for lease in one.leases] or None,
    }
