"""Layers in S3: a client notices nothing, nor that it is sent there."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from tests.conftest import Product
from tests.interop.layouts import MEBIBYTE
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks
from tests.seaweed import BUCKET, SeaweedFS

if TYPE_CHECKING:
    from tests.interop.places import Place

CHECKS = Checks()
WAYS = {"sealed by us": (), "by redirect": ("--seal", "store", "--blob-redirect", "on")}


@CHECKS.add("skopeo push and pull, layers in S3, sealed by us and by redirect", "skopeo", only="HTTP")
def push_and_pull(at: Place) -> None:
    made = at.layout.image("s3", size=20 * MEBIBYTE)
    store = SeaweedFS(at.folder / "seaweed")
    at.stack.callback(store.stop)

    for number, (way, flags) in enumerate(WAYS.items()):
        url = store.url(f"way{number}", sse="none")
        product = Product(at.folder / f"s3-{number}", "--blobs", url, *flags, **store.environment)
        try:
            expect_same(through(product, at, number), made)
        finally:
            product.stop()
        kept = store.s3().list_objects_v2(Bucket=BUCKET, Prefix=f"way{number}/")["Contents"]
        expect(len(kept) >= 1, f"no layer is in S3 when it is {way}")


def through(product: Product, at: Place, number: int) -> str:
    """Push an image and pull it; the digest of what came back."""
    ecr = product.ecr()
    ecr.create_repository(repositoryName="s3")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    # Another name than the store's: clients send a login along when only the port differs.
    remote = f"docker://{product.address.replace('127.0.0.1', 'localhost')}/s3:1"
    login = ("--{}-tls-verify=false", "--{}-creds", base64.b64decode(token).decode())

    at.run("skopeo", "copy", *(word.format("dest") for word in login), at.layout.name("s3"), remote)
    at.run("skopeo", "copy", *(word.format("src") for word in login), remote, f"oci:{at.folder}/from-s3-{number}:1")

    [back] = json.loads((at.folder / f"from-s3-{number}" / "index.json").read_text())["manifests"]
    return back["digest"]
