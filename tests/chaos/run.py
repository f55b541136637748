"""Three nodes on PostgreSQL and an object store, behind one address, while everything around them falls.

    clients ─► balancer ─► node 1, 2, 3 ─┬─► relay ─► PostgreSQL
                                         └─► relay ─► SeaweedFS

Clients push, move tags and pull. Nodes are killed, stopped, told to drain; connections to the database and to the store
are reset or held. In the end every node is asked for everything that was acknowledged, and the histories of the tags
must have an order that explains them.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2]))  # the tests are a package of the checkout, not an installed one

import boto3

from tests.chaos.load import SHARED_TAG, Client, GaveUp, Ledger
from tests.chaos.register import contradiction
from tests.chaos.relay import Relay
from tests.conftest import Product
from tests.postgres import Postgres
from tests.seaweed import SeaweedFS

if TYPE_CHECKING:
    from collections.abc import Callable

NODES = 3
WRITERS = 3
READERS = 2
TRIES = 3
KEY = ("AKIACHAOSCHAOSCHAOS1", "chaos-secret-of-forty-characters-0123456")
ROOT = {"HOLDFAST_ROOT_ACCESS_KEY_ID": KEY[0], "HOLDFAST_ROOT_SECRET_ACCESS_KEY": KEY[1]}


class Cluster:
    """Nodes that share a database, a store and their keys, and nothing else."""

    def __init__(self, folder: Path, database: Postgres, store: SeaweedFS) -> None:
        self.database = Relay([database.address])
        self.store = Relay([store.endpoint.removeprefix("http://")])
        urls = (
            database.url(database.create(), self.database.address),
            store.url("chaos", endpoint=f"http://{self.store.address}"),
        )
        self.nodes: list[Product] = []
        for number in range(NODES):
            data = folder / f"node{number + 1}"
            if self.nodes:
                shutil.copytree(self.nodes[0].data / "keys", data / "keys")
            flags = ("--database", urls[0], "--blobs", urls[1], "--workers", "1")
            self.nodes.append(Product(data, *flags, **ROOT, **store.environment))
        self.balancer = Relay([node.address for node in self.nodes])

    def restart(self, number: int) -> None:
        """Start a node again where it listened before."""
        node = self.nodes[number]
        node.start(node.address)

    def close(self) -> None:
        """End everything."""
        for node in self.nodes:
            node.kill()
        for relay in (self.balancer, self.database, self.store):
            relay.close()


class Monkey:
    """Breaks something every few seconds, one thing at a time, as one node of three may always be down."""

    def __init__(self, cluster: Cluster, chance: random.Random, say: Callable[[str], None]) -> None:
        self._cluster, self._chance, self._say = cluster, chance, say
        self._deeds = [self._kill, self._drain, self._freeze, self._cut_database, self._hold_database,
                       self._cut_store, self._hold_store]  # fmt: skip

    def run(self, until: float) -> None:
        """Break things until the end."""
        while time.monotonic() < until:
            time.sleep(self._chance.uniform(1, 4))
            self._chance.choice(self._deeds)()

    def _kill(self) -> None:
        number = self._chance.randrange(NODES)
        self._say(f"kill -9 node {number + 1}")
        self._cluster.nodes[number].kill()
        time.sleep(self._chance.uniform(0, 3))
        self._cluster.restart(number)

    def _drain(self) -> None:
        number = self._chance.randrange(NODES)
        self._say(f"restart node {number + 1}")
        self._cluster.nodes[number].stop()
        self._cluster.restart(number)

    def _freeze(self) -> None:
        number = self._chance.randrange(NODES)
        seconds = self._chance.uniform(1, 8)
        self._say(f"freeze node {number + 1} for {seconds:.0f} s")
        group = self._cluster.nodes[number].process.pid
        os.killpg(group, signal.SIGSTOP)
        time.sleep(seconds)
        os.killpg(group, signal.SIGCONT)

    def _cut_database(self) -> None:
        self._say("reset the connections to the database")
        self._cluster.database.cut()

    def _cut_store(self) -> None:
        self._say("reset the connections to the store")
        self._cluster.store.cut()

    def _hold_database(self) -> None:
        self._hold(self._cluster.database, "database")

    def _hold_store(self) -> None:
        self._hold(self._cluster.store, "store")

    def _hold(self, relay: Relay, name: str) -> None:
        seconds = self._chance.uniform(0.5, 4)
        self._say(f"hold the {name} for {seconds:.0f} s")
        relay.hold()
        time.sleep(seconds)
        relay.release()


def main() -> int:
    """Run, audit, and tell; 0 if nothing was lost."""
    options = _options()
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {text}\n")
        sys.stdout.flush()

    chance = random.Random(options.seed)
    ledger = Ledger()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-chaos-")))
        say(f"seed {options.seed}; starting PostgreSQL, SeaweedFS and {NODES} nodes")
        database = Postgres()
        stack.callback(database.close)
        store = SeaweedFS(folder / "store")
        stack.callback(store.stop)
        cluster = Cluster(folder, database, store)
        stack.callback(cluster.close)
        token = _make_repositories(cluster)
        over = threading.Event()
        clients = _clients(ledger, cluster, token, over)
        for client in clients:
            client.start()
        Monkey(cluster, chance, say).run(time.monotonic() + options.minutes * 60)
        over.set()
        say("nothing falls any more; waiting for the clients")
        for client in clients:
            client.join()
        say("asking every node for everything that was acknowledged")
        for node in cluster.nodes:
            _audit(ledger, node.address, token)
        troubles = [line for node in cluster.nodes for line in _troubles(node)]
    return _conclude(ledger, troubles, say)


def _make_repositories(cluster: Cluster) -> str:
    api = boto3.client(
        "ecr", endpoint_url=cluster.nodes[0].url, region_name="us-east-1",
        aws_access_key_id=KEY[0], aws_secret_access_key=KEY[1],
    )  # fmt: skip
    for name in ("chaos/shared", "chaos/skopeo", *(f"chaos/{number}" for number in range(WRITERS))):
        api.create_repository(repositoryName=name)
    return f"Basic {api.get_authorization_token()['authorizationData'][0]['authorizationToken']}"


def _clients(ledger: Ledger, cluster: Cluster, token: str, over: threading.Event) -> list[threading.Thread]:
    address = cluster.balancer.address
    Client(ledger, address, token, "chaos/shared", 30).push_image(SHARED_TAG)  # so that readers find something
    threads = []
    for number in range(WRITERS):
        own = Client(ledger, address, token, f"chaos/{number}", number)
        threads.append(threading.Thread(target=own.run, args=(lambda own=own: own.push_image("moving"), over)))
        shared = Client(ledger, address, token, "chaos/shared", 10 + number)
        step = lambda shared=shared: shared.push_image(SHARED_TAG)  # noqa: E731 - one line of many alike
        threads.append(threading.Thread(target=shared.run, args=(step, over)))
    for number in range(READERS):
        reader = Client(ledger, address, token, "chaos/shared", 20 + number)
        step = lambda reader=reader: reader.read_tag(SHARED_TAG)  # noqa: E731 - likewise
        threads.append(threading.Thread(target=reader.run, args=(step, over)))
    if shutil.which("skopeo"):
        threads.append(threading.Thread(target=_skopeo, args=(ledger, address, token, over)))
    return threads


def _skopeo(ledger: Ledger, address: str, token: str, over: threading.Event) -> None:
    """Copy an image in and out again, with the retries that skopeo offers."""
    from base64 import b64decode

    from tests.interop.layouts import MEBIBYTE, Layout

    with tempfile.TemporaryDirectory(prefix="holdfast-chaos-skopeo-") as name:
        layout, number = Layout(Path(name) / "layout", None), 0
        login = b64decode(token.removeprefix("Basic ")).decode()
        while not over.is_set():
            number += 1
            digest = layout.image(f"t{number}", size=2 * MEBIBYTE)
            remote = f"docker://{address}/chaos/skopeo:t{number}"
            push = ("--dest-creds", login, "--dest-tls-verify=false", layout.name(f"t{number}"), remote)
            pull = ("--src-creds", login, "--src-tls-verify=false", remote, f"dir:{name}/back{number}")
            for way, arguments in (("push", push), ("pull", pull)):
                command = ["skopeo", "copy", "--retry-times", "8", *arguments]
                for _ in range(TRIES):  # Debian's skopeo takes a 503 in the middle of a layer for the last word
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    if done.returncode == 0:
                        break
                    ledger.count("skopeo run again")
                else:
                    ledger.gave_up.append(f"skopeo {way} t{number}: {done.stderr.strip()[-300:]}")
                    break
                ledger.count(f"skopeo {way}")
            else:
                body = (Path(name) / f"back{number}" / "manifest.json").read_bytes()
                ledger.manifest(digest, "chaos/skopeo", body)
            shutil.rmtree(f"{name}/back{number}", ignore_errors=True)


def _audit(ledger: Ledger, address: str, token: str) -> None:
    """Ask one node for everything."""

    def ask(repository: str, look: Callable[[Client], None]) -> None:
        try:
            look(Client(ledger, address, token, repository, 0))
        except (AssertionError, GaveUp) as fault:
            ledger.fault(f"in the audit: {fault}")

    for digest, repository in ledger.blobs.items():
        ask(repository, lambda at, digest=digest: at.pull_blob(digest))
    for digest, (repository, body) in ledger.manifests.items():
        ask(repository, lambda at, digest=digest, body=body: at.audit_manifest(digest, body))
    acknowledged = [at for at, history in ledger.tags.items() if any(one.ended < math.inf for one in history)]
    for repository, tag in acknowledged:
        ask(repository, lambda at, tag=tag: at.read_tag(tag))


def _troubles(node: Product) -> list[str]:
    return [line for line in node.log.read_text(errors="replace").splitlines() if line.startswith("Traceback")]


def _conclude(ledger: Ledger, troubles: list[str], say: Callable[[str], None]) -> int:
    for (repository, tag), history in ledger.tags.items():
        why = contradiction(history)
        if why:
            ledger.fault(f"{repository}:{tag}: {why}")
    for what, number in sorted(ledger.counts.items()):
        say(f"{what:<20} {number:>8,}")
    say(f"{'tag operations':<20} {sum(map(len, ledger.tags.values())):>8,}")
    say(f"{'tracebacks in logs':<20} {len(troubles):>8,}")
    for text in ledger.gave_up[:20]:
        say(f"GAVE UP  {text}")
    for text in ledger.wrong[:20]:
        say(f"WRONG    {text}")
    failed = len(ledger.gave_up) + len(ledger.wrong)
    say(f"{failed} requests failed for good or told something wrong" if failed else "nothing was lost")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long things fall (default 5)")
    parser.add_argument(
        "--seed", type=int, default=random.randrange(10**6), help="what falls when (default: by chance)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
