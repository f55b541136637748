"""Two servers in networks of their own: what is copied from one to the other survives cut cables and deaths."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

from tests.interop.layouts import MEBIBYTE
from tests.interop.networks import FAR, Networks, Server
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks, Failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.places import Place

CHECKS = Checks()
WEST, EAST = ("000000000000", "us-west-2"), ("111122223333", "eu-central-1")
THREE = {
    "west": ("000000000000", "us-west-2"),
    "east": ("111122223333", "eu-central-1"),
    "south": ("444455556666", "sa-east-1"),
}
RATE = "150mbit"
SECONDS = 180
REPOSITORY = "team/app"
MOTIONLESS = 5  # looks in a row that find nothing on its way


@CHECKS.add("replication between two networks, cut off and killed mid-copy", "skopeo", only="HTTP")
def replicate(at: Place) -> None:
    digest = at.layout.image("replicated", size=64 * MEBIBYTE)
    with Networks(RATE, "west", "east") as networks:
        west = plain(at, networks, "west", WEST)
        east = Server(networks.space("east"), at.folder / "east", *EAST,
                      "--listen", f"{networks.far('east')}:5000,{networks.near('east')}:5000",
                      "--tls", "auto", "--tls-names", f"{networks.far('east')},{networks.near('east')}")  # fmt: skip
        at.stack.callback(east.stop)
        url = f"http://{networks.near('west')}:5000"
        ecr, there = west.client("ecr", url), east.client("ecr", f"https://{networks.near('east')}:5000")
        join(west, url, {f"https://{networks.far('east')}:5000": east})
        ecr.create_repository(repositoryName=REPOSITORY)
        push(at, ecr, networks.near("west"), "replicated")

        wait("the first bytes are on their way", lambda: is_begun(there))
        networks.cut("east")
        time.sleep(3)
        networks.mend("east")
        time.sleep(1)
        west.kill()
        west.start()
        east.kill()
        east.start()
        wait("the copy is complete", lambda: status(ecr, digest) == ["COMPLETE"])

        [image] = there.describe_images(repositoryName=REPOSITORY)["imageDetails"]
        expect_same((image["imageDigest"], image["imageTags"]), (digest, ["replicated"]))
        expect_same(pulled(at, there, east, networks.near("east")), digest)
        for server in (west, east):
            stop_and_look(server)


@CHECKS.add("replication among three networks, each to both others, one cut off and one killed", "skopeo", only="HTTP")
def spread(at: Place) -> None:
    at.layout.image("spread", size=24 * MEBIBYTE)
    with Networks(RATE, *THREE) as networks:
        servers = {name: plain(at, networks, name, home) for name, home in THREE.items()}
        urls = {name: f"http://{networks.near(name)}:5000" for name in THREE}
        ecrs = {name: server.client("ecr", urls[name]) for name, server in servers.items()}
        for name, server in servers.items():
            others = {f"http://{networks.far(other)}:5000": servers[other] for other in THREE if other != name}
            join(server, urls[name], others)
        ecrs["west"].create_repository(repositoryName=REPOSITORY)
        push(at, ecrs["west"], networks.near("west"), "spread")

        wait("the first bytes are on their way", lambda: is_begun(ecrs["east"]))
        networks.cut("south")
        servers["east"].kill()
        servers["east"].start()
        time.sleep(2)
        networks.mend("south")
        wait("all three have the same", lambda: all(contents(ecrs[name]) == contents(ecrs["west"]) for name in THREE))
        expect_same([tag for _, tag in contents(ecrs["south"])], ["spread"])

        again(ecrs["east"], "spread", "moved")
        wait("a tag goes everywhere", lambda: all(tags(ecrs[name]) == {"spread", "moved"} for name in THREE))
        ecrs["south"].batch_delete_image(repositoryName=REPOSITORY, imageIds=[{"imageTag": "moved"}])
        wait("its removal goes everywhere", lambda: all(tags(ecrs[name]) == {"spread"} for name in THREE))
        owns = [server.client("holdfast", urls[name]) for name, server in servers.items()]
        wait("all three come to rest", lambda: all(is_at_rest(owns) for _ in range(MOTIONLESS)))
        expect_same([tags(ecrs[name]) for name in THREE], [{"spread"}] * len(THREE))
        for server in servers.values():
            stop_and_look(server)


def plain(at: Place, networks: Networks, name: str, home: tuple[str, str]) -> Server:
    """A server of a network that speaks plain HTTP, and may call the others in plain HTTP."""
    listen = f"{networks.near(name)}:5000,{networks.far(name)}:5000"
    server = Server(networks.space(name), at.folder / f"of-{name}-{len(networks.names)}", *home, "--listen", listen,
                    "--insecure-http", "--upstream-allow", f"{FAR}.0/24")  # fmt: skip
    at.stack.callback(server.stop)
    return server


def stop_and_look(server: Server) -> None:
    """End a server, which had no trouble of its own."""
    text = server.log.read_text(errors="replace")
    expect("Traceback" not in text, f"a server had trouble of its own:\n{text[-3000:]}")
    server.stop()


def join(server: Server, url: str, peers: dict[str, Server]) -> None:
    """Let the registry of a server be copied to peers, by their addresses, with what is deleted."""
    destinations = []
    for address, peer in peers.items():
        key_id, secret = peer.credentials
        made = server.client("secretsmanager", url).create_secret(
            Name=f"ecr-replication/{peer.region}", SecretString=json.dumps({"username": key_id, "accessToken": secret})
        )
        destination = {"region": peer.region, "registryId": peer.account}
        certificates = {}
        if address.startswith("https"):
            certificates = {"caCertificates": (peer.data / "tls" / "ca.crt").read_text()}
        server.client("holdfast", url).put_replication_peer(
            destination=destination, kind="HOLDFAST", url=address, credentialArn=made["ARN"], **certificates
        )
        destinations.append(destination)
    rule = {"destinations": destinations, "deleteReplication": {"enabled": True}}
    server.client("ecr", url).put_replication_configuration(replicationConfiguration={"rules": [rule]})


def push(at: Place, ecr: Any, address: str, tag: str) -> None:
    """Push an image of the layout."""
    flags = ("--dest-tls-verify=false", "--dest-creds", login(ecr))
    at.run("skopeo", "copy", *flags, at.layout.name(tag), f"docker://{address}:5000/{REPOSITORY}:{tag}")


def again(ecr: Any, tag: str, other: str) -> None:
    """Let another tag name an image."""
    [image] = ecr.batch_get_image(repositoryName=REPOSITORY, imageIds=[{"imageTag": tag}])["images"]
    ecr.put_image(repositoryName=REPOSITORY, imageManifest=image["imageManifest"], imageTag=other)


def pulled(at: Place, ecr: Any, server: Server, address: str) -> str:
    """The digest of what comes when the copy is pulled."""
    folder = at.folder / "ca-of-east"
    folder.mkdir()
    (folder / "ca.crt").write_bytes((server.data / "tls" / "ca.crt").read_bytes())
    flags = ("--src-cert-dir", str(folder), "--src-creds", login(ecr))
    back = at.folder / "from-east"
    at.run("skopeo", "copy", *flags, f"docker://{address}:5000/{REPOSITORY}:replicated", f"oci:{back}:1")
    [found] = json.loads((back / "index.json").read_text())["manifests"]
    digest: str = found["digest"]
    return digest


def login(ecr: Any) -> str:
    """Name and password for docker and its like."""
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(token).decode()


def contents(ecr: Any) -> set[tuple[str, str | None]]:
    """The images and tags of the repository, if it is there."""
    if not is_begun(ecr):
        return set()
    found = ecr.list_images(repositoryName=REPOSITORY)["imageIds"]
    return {(one["imageDigest"], one.get("imageTag")) for one in found}


def tags(ecr: Any) -> set[str | None]:
    """The tags of the repository."""
    return {tag for _, tag in contents(ecr)}


def is_at_rest(owns: list[Any]) -> bool:
    """Whether no image waits to be copied anywhere."""
    time.sleep(0.2)
    told = [one for own in owns for one in own.describe_replication_destinations()["destinations"]]
    return not any(one["waitingCount"] for one in told)


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
