"""Drive a started Holdfast with the clients that people use, over plain HTTP and over TLS."""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # the tests are a package of the checkout, not an installed one

from tests.interop import (
    clients,
    with_accounts,
    with_aws,
    with_aws_settings,
    with_buildah,
    with_containerd,
    with_iam,
    with_inventory,
    with_networks,
    with_object_store,
    with_peers,
    with_podman,
    with_skopeo,
    with_upstreams,
    with_what_it_prints,
)
from tests.interop.places import Place
from tests.interop.report import Report

PLACES = {
    "HTTP": ("--listen", "127.0.0.1:0"),
    "TLS": ("--listen", "localhost:0", "--tls", "auto"),
}
CHECKS = [
    *with_aws.CHECKS,
    *with_aws_settings.CHECKS,
    *with_iam.CHECKS,
    *with_inventory.CHECKS,
    *with_skopeo.CHECKS,
    *with_podman.CHECKS,
    *with_accounts.CHECKS,
    *with_buildah.CHECKS,
    *with_containerd.CHECKS,
    *with_object_store.CHECKS,
    *with_networks.CHECKS,
    *with_upstreams.CHECKS,
    *with_peers.CHECKS,
    *with_what_it_prints.CHECKS,
]


def main() -> int:
    """Run every check in every place; 0 if nothing failed."""
    options = _options()
    if options.install:
        clients.install()
    with tempfile.TemporaryDirectory(prefix="holdfast-interop-") as folder, ExitStack() as stack:
        found = clients.find(Path(folder) / "wheels")
        report = Report(found)
        for name, flags in PLACES.items():
            try:
                place = stack.enter_context(Place(name, Path(folder) / name.lower(), flags, found))
            except AssertionError as fault:
                report.fail(f"server starts, over {name}", 0, str(fault))
                continue
            for check in CHECKS:
                report.run(check, place)
            report.finish(place)
    return report.conclude(require_all=options.require_all)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="first install the clients with apt-get (needs root)")
    parser.add_argument("--require-all", action="store_true", help="what had to be skipped counts as failed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
