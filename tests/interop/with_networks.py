"""Two servers in networks of their own: what is copied from one to the other survives cut cables and deaths."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

from tests.interop.layouts import MEBIBYTE
from tests.interop.networks import Networks, Server
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks, Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.places import Place

CHECKS = Checks()
WEST, EAST = ("000000000000", "us-west-2"), ("111122223333", "eu-central-1")
RATE = "150mbit"
SECONDS = 180
REPOSITORY = "team/app"


@CHECKS.add("replication between two networks, cut off and killed mid-copy", "skopeo", only="HTTP")
def replicate(at: Place) -> None:
    digest = at.layout.image("replicated", size=64 * MEBIBYTE)
    with Networks(RATE) as networks:
        west = Server(networks.west, at.folder / "west", *WEST, "--listen", "10.77.1.2:5000", "--insecure-http",
                      "--upstream-allow", "10.77.0.0/24")  # fmt: skip
        at.stack.callback(west.stop)
        east = Server(networks.east, at.folder / "east", *EAST, "--listen", "10.77.0.2:5000,10.77.2.2:5000",
                      "--tls", "auto", "--tls-names", "10.77.0.2,10.77.2.2")  # fmt: skip
        at.stack.callback(east.stop)
        ecr, there = west.client("ecr", "http://10.77.1.2:5000"), east.client("ecr", "https://10.77.2.2:5000")
        join(west, east)
        ecr.create_repository(repositoryName=REPOSITORY)
        push(at, ecr, "replicated")

        wait("the first bytes are on their way", lambda: is_begun(there))
        networks.cut()
        time.sleep(3)
        networks.mend()
        time.sleep(1)
        west.kill()
        west.start()
        east.kill()
        east.start()
        wait("the copy is complete", lambda: status(ecr, digest) == ["COMPLETE"])

        [image] = there.describe_images(repositoryName=REPOSITORY)["imageDetails"]
        expect_same((image["imageDigest"], image["imageTags"]), (digest, ["replicated"]))
        expect_same(pulled(at, there, east), digest)
        for server in (west, east):
            text = server.log.read_text(errors="replace")
            expect("Traceback" not in text, f"a server had trouble of its own:\n{text[-3000:]}")
            server.stop()


def join(west: Server, east: Server) -> None:
    """Let the registry in the west be copied to the one in the east."""
    url = "http://10.77.1.2:5000"
    key_id, secret = east.credentials
    made = west.client("secretsmanager", url).create_secret(
        Name="ecr-replication/east", SecretString=json.dumps({"username": key_id, "accessToken": secret})
    )
    destination = {"region": EAST[1], "registryId": EAST[0]}
    west.client("holdfast", url).put_replication_peer(
        destination=destination, kind="HOLDFAST", url="https://10.77.0.2:5000", credentialArn=made["ARN"],
        caCertificates=(east.data / "tls" / "ca.crt").read_text(),
    )  # fmt: skip
    west.client("ecr", url).put_replication_configuration(
        replicationConfiguration={"rules": [{"destinations": [destination]}]}
    )


def push(at: Place, ecr: Any, tag: str) -> None:
    """Push an image of the layout."""
    flags = ("--dest-tls-verify=false", "--dest-creds", login(ecr))
    at.run("skopeo", "copy", *flags, at.layout.name(tag), f"docker://10.77.1.2:5000/{REPOSITORY}:{tag}")


def pulled(at: Place, ecr: Any, server: Server) -> str:
    """The digest of what comes when the copy is pulled."""
    folder = at.folder / "ca-of-east"
    folder.mkdir()
    (folder / "ca.crt").write_bytes((server.data / "tls" / "ca.crt").read_bytes())
    flags = ("--src-cert-dir", str(folder), "--src-creds", login(ecr))
    back = at.folder / "from-east"
    at.run("skopeo", "copy", *flags, f"docker://10.77.2.2:5000/{REPOSITORY}:replicated", f"oci:{back}:1")
    [found] = json.loads((back / "index.json").read_text())["manifests"]
    digest: str = found["digest"]
    return digest


def login(ecr: Any) -> str:
    """Name and password for docker and its like."""
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(token).decode()


def is_begun(there: Any) -> bool:
    """Whether anything of the copy is there: the repository is made before its layers come."""
    return any(one["repositoryName"] == REPOSITORY for one in there.describe_repositories()["repositories"])


def status(ecr: Any, digest: str) -> list[str]:
    """How the copying stands."""
    told = ecr.describe_image_replication_status(repositoryName=REPOSITORY, imageId={"imageDigest": digest})
    return [one["status"] for one in told["replicationStatuses"]]


def wait(what: str, is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise Failed(f"not within {SECONDS} seconds: {what}")
        time.sleep(0.2)
