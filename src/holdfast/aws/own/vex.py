"""What VEX documents say of findings: take it in, list it, and take it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_image, the_place, the_repository, the_repository_or_all
from holdfast.model.errors import InvalidParameter

if TYPE_CHECKING:
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.vex import Kept


@operation(on=the_repository_or_all)
def put_vex_document(call: Call, request: Shape) -> Shape:
    """Let what a VEX document says count for an image, a repository or all of them; it is given, or a referrer."""
    where, owner = the_place(call, request), call.caller.arn
    if ("document" in request) == ("vexDigest" in request):
        raise InvalidParameter("document", "Either the document or the digest of a referrer that brings it is needed")
    if "vexDigest" in request:
        if "repositoryName" not in request or "imageId" in request or "expiresAt" in request:
            raise InvalidParameter("vexDigest", "It names a referrer in a repository, which counts while it is there")
        found = registry.vex.put_referrer(call.on, the_repository(call, request), request["vexDigest"], owner)
    else:
        id_ = the_image(request) if "imageId" in request else None
        data = request["document"].encode()
        found = [registry.vex.put(call.on, where, id_, data, owner, request.get("expiresAt"))]
    return {"vexDocuments": [_rendered(where, one) for one in found]}


@operation(on=the_repository_or_all)
def list_vex_documents(call: Call, request: Shape) -> Shape:
    """The VEX documents of a repository, or of the registry with all its repositories."""
    where = the_place(call, request)
    found, more = registry.vex.page(call.on, where, pages.after(request, 0), pages.size(request))
    return {
        "vexDocuments": [_rendered(where, one) for one in found],
        "nextToken": pages.token(found[-1].id) if more else None,
    }


@operation(on=the_repository_or_all)
def delete_vex_document(call: Call, request: Shape) -> Shape:
    """Let what a VEX document says count no more."""
    registry.vex.delete(call.on, the_place(call, request), request["vexDocumentId"])
    return {}


def _rendered(where: Registry | RepositoryRef, one: Kept) -> Shape:
    return {
        "registryId": registry.suppressions.told(where)[0],
        "repositoryName": one.repository,
        "imageDigest": one.digest,
        "vexDocumentId": one.id,
        "format": one.form.value,
        "name": one.ident,
        "version": one.version or None,
        "author": one.author or None,
        "issuedAt": one.issued_at,
        "owner": one.owner,
        "createdAt": one.created_at,
        "expiresAt": one.expires_at,
        "statementCount": one.statement_count,
        "productsLeftOut": one.left_out,
        "vexDigest": one.origin_digest,
    }
