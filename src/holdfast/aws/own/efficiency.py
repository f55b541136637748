"""What images waste."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.operations import Call, Shape, operation, the_image, the_repository
from holdfast.aws.own.inventories import rendered_state

if TYPE_CHECKING:
    from holdfast.model.efficiency import Advice, LayerShare
    from holdfast.model.names import RepositoryRef
    from holdfast.registry.efficiency import Judged, Layer
    from holdfast.store.image_reports import Base


@operation(on=the_repository)
def describe_image_efficiency(call: Call, request: Shape) -> Shape:
    """What an image makes everybody store and fetch for nothing, and what to do about it."""

    def may_see(repository: RepositoryRef) -> bool:
        return registry.access.may(call.on, call.caller, "ecr:DescribeImages", repository, call.http)

    at = the_repository(call, request)
    image, found, is_coming = registry.inventories.get(call.on, at, the_image(request))
    judged = registry.efficiency.find(call.on, at, image, may_see)
    answer: Shape = {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "imageDigest": image.digest,
        "inventoryStatus": rendered_state(found, is_coming=is_coming),
        "inventoryStatusDescription": (found and found.reason) or None,
    }
    return answer if judged is None else {**answer, **_report(judged)}


def _report(judged: Judged) -> Shape:
    report = judged.report
    layers = zip(judged.layers, report.layers, strict=True)
    return {
        "score": report.score,
        "storedBytes": report.stored_bytes,
        "wastedBytes": report.wasted_bytes,
        "sharedLayerBytes": judged.shared_bytes,
        "ownLayerBytes": judged.own_bytes,
        "layers": [_layer(layer, share) for layer, share in layers],
        "advice": [_advice(one, judged) for one in report.advice],
        "baseImage": _base(judged.base) if judged.base else None,
    }


def _layer(layer: Layer, share: LayerShare) -> Shape:
    return {
        "layerDigest": layer.descriptor.digest,
        "layerSizeInBytes": layer.descriptor.size,
        "createdBy": share.instruction or None,
        "fileCount": share.files,
        "storedBytes": share.stored_bytes,
        "wastedBytes": share.wasted_bytes,
        "imageCount": layer.images,
    }


def _advice(one: Advice, judged: Judged) -> Shape:
    return {
        "kind": one.kind,
        "severity": "HIGH" if one.is_severe else "INFORMATIONAL",
        "sizeInBytes": one.size_bytes,
        "count": one.count,
        "layerDigest": None if one.layer is None else judged.layers[one.layer].descriptor.digest,
        "hiddenByLayerDigest": None if one.hidden_by is None else judged.layers[one.hidden_by].descriptor.digest,
        "paths": list(one.paths),
        "text": one.text,
    }


def _base(base: Base) -> Shape:
    return {
        "repositoryName": base.repository_name,
        "imageDigest": base.image.digest,
        "imageTags": list(base.image.tags) or None,
        "imagePushedAt": base.image.pushed_at,
        "layerCount": base.layers,
    }
