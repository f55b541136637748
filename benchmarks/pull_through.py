"""How fast images come through a cache, at first and again: Holdfast beside distribution's proxy mode.

    python benchmarks/pull_through.py [--images 20] [--layer-mib 8] [--layers 4] [--at-once 4] [--rounds 3]

Both are in front of one upstream, a distribution on this machine; it needs Debian's `docker-registry`, or the program
that PEER_REGISTRY names. A pull is the manifest by its tag and every blob, over connections that are kept.
"""

import argparse
import base64
import hashlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path

from replication import MIB, NETWORK, Server, push_images

from holdfast.model.remotes import Remote
from holdfast.outbound.distribution import Pusher, Wire

CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  cache: {{blobdescriptor: inmemory}}
http: {{addr: "{address}"}}
"""
TYPE = "application/vnd.oci.image.manifest.v1+json"
NAME = "bench/app"


class Distribution:
    """A distribution, as it is or as the proxy of another one."""

    def __init__(self, folder, upstream=None):
        folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        text = CONFIG.format(folder=folder / "data", address=self.address)
        if upstream is not None:
            text += f"proxy: {{remoteurl: 'http://{upstream}'}}\n"
        (folder / "config.yml").write_text(text)
        program = os.environ.get("PEER_REGISTRY") or shutil.which("docker-registry")
        if program is None:
            raise SystemExit("docker-registry is missing: apt-get install docker-registry, or set PEER_REGISTRY")
        self._process = subprocess.Popen(
            [program, "serve", folder / "config.yml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while True:
            try:
                urllib.request.urlopen(f"http://{self.address}/v2/").close()
            except urllib.error.URLError:
                if self._process.poll() is not None:
                    raise SystemExit("the peer did not start") from None
                time.sleep(0.05)
            else:
                return

    def stop(self):
        self._process.terminate()
        self._process.wait()


def pull(address, name, login, tags, at_once):
    """Pull images, some at a time; how many seconds it took. Every byte is proved."""

    def pull_some(some):
        connection = http.client.HTTPConnection(address, timeout=120)

        def get(path):
            headers = {"Accept": TYPE} | ({"Authorization": login} if login else {})
            connection.request("GET", f"/v2/{name}/{path}", headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise SystemExit(f"{address} answered {answer.status} for {path}: {body[:300]!r}")
            return body

        for tag in some:
            manifest = json.loads(get(f"manifests/{tag}"))
            for part in [manifest["config"], *manifest["layers"]]:
                digest = part["digest"]
                if f"sha256:{hashlib.sha256(get(f'blobs/{digest}')).hexdigest()}" != digest:
                    raise SystemExit(f"{address} sent other bytes as {digest}")
        connection.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(pull_some, [tags[start::at_once] for start in range(at_once)]))
    return time.perf_counter() - began


def holdfast(folder, upstream):
    """A Holdfast with a rule: its server, and what a pull is asked with."""
    server = Server(folder)
    server.client("ecr").create_pull_through_cache_rule(ecrRepositoryPrefix="up", upstreamRegistryUrl=upstream)
    subprocess.run([*server.program, "cache", "set", "up", "--plain-http", "on", "--data", folder], check=True)
    login = "Basic " + base64.b64encode(f"AWS:{server.password()}".encode()).decode()
    return server, (server.address, f"up/{NAME}", login)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--layer-mib", type=float, default=8)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="holdfast-bench-"))
    tags = [f"v{number}" for number in range(options.images)]
    mib = options.images * options.layers * options.layer_mib
    seconds = {(who, what): [] for what in ("cold", "cached") for who in ("Holdfast", "distribution")}
    running = []
    try:
        running.append(upstream := Distribution(folder / "upstream"))
        pusher = Pusher(Remote(upstream.address, is_plain=True), None, wire=Wire([ip_network(NETWORK)]))
        push_images(pusher, NAME, options.images, options.layers, int(options.layer_mib * MIB))
        for number in range(options.rounds):
            ours, how = holdfast(folder / f"ours-{number}", upstream.address)
            theirs = Distribution(folder / f"theirs-{number}", upstream.address)
            running += [ours, theirs]
            for who, where in (("Holdfast", how), ("distribution", (theirs.address, NAME, None))):
                for what in ("cold", "cached"):
                    seconds[who, what].append(pull(*where, tags, options.at_once))
            for server in (ours, theirs):
                server.stop()
                running.remove(server)
    finally:
        for server in running:
            server.stop()
        shutil.rmtree(folder)
    print(f"{options.images} images of {options.layers} layers of {options.layer_mib:g} MiB, {options.at_once} at once")
    for what in ("cold", "cached"):
        ours, theirs = (statistics.median(seconds[who, what]) for who in ("Holdfast", "distribution"))
        print(f"{what:<8} Holdfast {mib / ours:8.1f} MiB/s {options.images / ours:8.1f} images/s    "
              f"distribution {mib / theirs:8.1f} MiB/s {options.images / theirs:8.1f} images/s    "
              f"{theirs / ours:.2f} x")  # fmt: skip


if __name__ == "__main__":
    main()
