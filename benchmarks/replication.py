"""How fast images go to another Holdfast: by a replication backfill, and by `skopeo sync` from the same server.

    python benchmarks/replication.py [--images 40] [--layer-mib 8] [--layers 2] [--delay-ms 0]

Both send over HTTP on this machine, to a destination of their own that has nothing yet; a delay makes that a far one.
"""

import argparse
import base64
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from ipaddress import ip_network
from pathlib import Path

import boto3
import botocore.session

from holdfast.aws.service_models import OWN_MODELS
from holdfast.model.digests import digest_of
from holdfast.model.remotes import Password, Remote
from holdfast.outbound.distribution import Pusher, Wire

READY = re.compile(r"^Holdfast serves (http://\S+?),? ", re.MULTILINE)
TYPES = "application/vnd.oci.image.{}.v1{}"
TO = {"region": "eu-central-1", "registryId": "111122223333"}
NETWORK = "127.0.0.0/8"
MIB = 1024 * 1024


class Server:
    """A Holdfast that is served for this run."""

    def __init__(self, folder):
        self.folder = folder
        self.log = folder.parent / f"{folder.name}.log"
        self.program = [sys.executable, "-m", "holdfast"]
        command = [*self.program, "serve", "--data", folder, "--listen", "127.0.0.1:0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*command, "--upstream-allow", NETWORK], stdout=log, stderr=log)
        while not (found := READY.search(self.log.read_text())):
            if self.process.poll() is not None:
                raise SystemExit(self.log.read_text())
            time.sleep(0.05)
        self.url = found[1]
        self.address = self.far_address = self.url.partition("://")[2]
        self.road = None
        kept = configparser.ConfigParser()
        kept.read(folder / "root.credentials")
        [section] = [kept[name] for name in kept.sections()]
        self.key = section["aws_access_key_id"], section["aws_secret_access_key"]
        core = botocore.session.get_session()
        core.get_component("data_loader").search_paths.append(str(OWN_MODELS))
        self._session = boto3.Session(
            botocore_session=core, aws_access_key_id=self.key[0], aws_secret_access_key=self.key[1]
        )

    def move_away(self, delay_ms):
        """Let those who come by its address find it so many milliseconds away."""
        command = [sys.executable, Path(__file__).with_name("far.py"), self.address, "--delay-ms", str(delay_ms)]
        self.road = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.far_address = self.road.stdout.readline().strip()

    def client(self, service, region="us-east-1"):
        return self._session.client(service, region, endpoint_url=self.url)

    def password(self, region="us-east-1"):
        told = self.client("ecr", region).get_authorization_token()["authorizationData"][0]["authorizationToken"]
        return base64.b64decode(told).decode().partition(":")[2]

    def stop(self):
        for process in filter(None, (self.road, self.process)):
            process.terminate()
            process.wait()


def fill(server, images, layers, layer_bytes):
    """Push images that share nothing."""
    server.client("ecr").create_repository(repositoryName="bench/app")
    remote = Remote(server.address, is_plain=True)
    pusher = Pusher(remote, Password("AWS", server.password()), wire=Wire([ip_network(NETWORK)]))
    push_images(pusher, "bench/app", images, layers, layer_bytes)


def push_images(pusher, name, images, layers, layer_bytes):
    """Push images that share nothing to a repository."""

    def push(kind, suffix, data):
        pusher.push_blob(name, digest_of(data, "sha256"), len(data), lambda start: [data[start:]])
        return {"mediaType": TYPES.format(kind, suffix), "digest": digest_of(data, "sha256"), "size": len(data)}

    for number in range(images):
        config = json.dumps({"architecture": "amd64", "os": "linux", "number": number,
                             "rootfs": {"type": "layers", "diff_ids": []}}).encode()  # fmt: skip
        members = {
            "schemaVersion": 2,
            "mediaType": TYPES.format("manifest", "+json"),
            "config": push("config", "+json", config),
            "layers": [push("layer", ".tar", os.urandom(layer_bytes)) for _ in range(layers)],
        }
        pusher.push_manifest(name, f"v{number}", members["mediaType"], json.dumps(members).encode())


def by_backfill(source, there):
    """Copy everything by a backfill; how many seconds it took."""
    value = json.dumps({"username": there.key[0], "accessToken": there.key[1]})
    arn = source.client("secretsmanager").create_secret(Name="ecr-replication/there", SecretString=value)["ARN"]
    peer = {"destination": TO, "kind": "HOLDFAST", "url": f"http://{there.far_address}", "credentialArn": arn}
    source.client("holdfast").put_replication_peer(**peer)
    ecr = source.client("ecr")
    ecr.put_replication_configuration(replicationConfiguration={"rules": [{"destinations": [TO]}]})
    began = time.perf_counter()
    ecr.start_replication_backfill(destination=TO)
    while (one := ecr.list_replication_backfills()["backfills"][0])["status"] in {"PREPARING", "IN_PROGRESS"}:
        time.sleep(0.1)
    seconds = time.perf_counter() - began
    if one["status"] != "COMPLETE":
        raise SystemExit(f"the backfill ended as {one}")
    return seconds


def by_skopeo(source, there):
    """Copy everything by skopeo; how many seconds it took."""
    there.client("ecr").create_repository(repositoryName="synced/app")
    creds = [f"--src-creds=AWS:{source.password()}", f"--dest-creds=AWS:{there.password()}"]
    plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    began = time.perf_counter()
    subprocess.run(
        ["skopeo", "sync", "--src", "docker", "--dest", "docker", *plain, *creds, f"{source.address}/bench/app",
         f"{there.far_address}/synced"],
        check=True, capture_output=True,
    )  # fmt: skip
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--layer-mib", type=float, default=8)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--delay-ms", type=float, default=0, help="of each direction")
    options = parser.parse_args()
    ways = {"replication backfill": by_backfill, "skopeo sync": by_skopeo}
    if shutil.which("skopeo") is None:
        del ways["skopeo sync"]
    folder = Path(tempfile.mkdtemp(prefix="holdfast-bench-"))
    servers = []
    try:
        servers.append(source := Server(folder / "source"))
        fill(source, options.images, options.layers, int(options.layer_mib * MIB))
        mib = options.images * options.layers * options.layer_mib
        print(f"{options.images} images of {options.layers} layers of {options.layer_mib:g} MiB")
        for way, copy in ways.items():
            servers.append(there := Server(folder / way.split()[0]))
            if options.delay_ms:
                there.move_away(options.delay_ms)
            seconds = copy(source, there)
            print(f"{way:<24} {seconds:8.2f} s {mib / seconds:8.1f} MiB/s {options.images / seconds:8.1f} images/s")
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
