"""Peers of replication: which registry elsewhere stands behind a destination."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.cli.ground import add_command, add_settings, backends, printable, refusals_as_text

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.model.names import Registry
    from holdfast.model.peers import Peer
    from holdfast.settings import Settings


def add(commands: Commands) -> None:
    """Add the commands of peers."""
    group = commands.add_parser("peer", help="registries elsewhere", description="Registries elsewhere.")
    actions = group.add_subparsers(dest="deed", metavar="ACTION", required=True)
    put = add_command(actions, "put", _put, "say which registry elsewhere stands behind a destination of rules")
    list_ = add_command(actions, "list", _list, "list the registries elsewhere, and which destinations they are")
    remove = add_command(actions, "remove", _remove, "let a destination be a registry of this installation again")
    test = add_command(actions, "test", _test, "log in at a registry elsewhere, as a copy does")
    for action in (put, remove, test):
        action.add_argument("to", metavar="REGION[/ACCOUNT]", help="the destination, as rules name it")
    put.add_argument("url", metavar="URL", help="https://host, or http://host if --upstream-allow lets it")
    put.add_argument("--kind", required=True, choices=("holdfast", "ecr", "oci"), help="what it speaks")
    put.add_argument("--secret", metavar="NAME", help="the secret with its access key, or with a name and a password")
    put.add_argument("--prefix", default="", help="what the names of repositories there begin with, such as mirror/")
    put.add_argument("--ca-file", metavar="FILE", help="certificates of private CAs that vouch for it")
    put.add_argument(
        "--signing-region", metavar="NAME", default="", help="the region of its API, if not the destination's"
    )
    list_.add_argument("--json", action="store_true", help="print JSON")
    test.add_argument("repository", nargs="?", default="holdfast-test", metavar="REPOSITORY",
                      help="of which a copy would be made [any]")  # fmt: skip
    for action in (put, list_, remove, test):
        add_settings(action)


def named_registry(home: Registry, text: str) -> Registry:
    """The registry that `REGION` or `REGION/ACCOUNT` names."""
    from holdfast.model.errors import NameInvalid
    from holdfast.model.names import Registry
    from holdfast.settings import BadSetting

    region, _, account = text.partition("/")
    try:
        return Registry(account or home.account_id, region)
    except NameInvalid:
        raise BadSetting(f"{text}: it must be a region, or with an account such as eu-west-1/111122223333") from None


def name_of(registry: Registry) -> str:
    """How a registry is named."""
    return f"{registry.region}/{registry.account_id}"


def _put(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.model.peers import Kind, Peer
    from holdfast.settings import BadSetting

    try:
        ca_pem = Path(options.ca_file).read_text() if options.ca_file else None
    except (OSError, UnicodeDecodeError) as fault:
        raise BadSetting(f"--ca-file {options.ca_file}: {fault}") from None
    if options.secret is None and options.kind != "oci":
        raise BadSetting("--secret: its API is called with an access key; `aws secretsmanager create-secret` keeps one")
    on = backends(settings)

    def keep() -> None:
        arn = registry.secrets.arn_of(on, on.home, options.secret) if options.secret else None
        destination = named_registry(on.home, options.to)
        kind = Kind(options.kind.upper())
        peer = Peer(destination, kind, options.url, options.prefix, arn, ca_pem, options.signing_region)
        registry.peers.put(on, on.home, peer)
        print(_told(peer))
        print(f"Next: holdfast replication peer test {options.to}")

    return refusals_as_text(keep)


def _list(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    on = backends(settings)
    found = registry.peers.page(on, on.home)
    if options.json:
        print(json.dumps([_document(peer) for peer in found]))
    elif not found:
        print("Every destination is a registry of this installation; `holdfast replication peer put` changes that.")
    else:
        for peer in found:
            print(_told(peer))
    return 0


def _remove(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry

    on = backends(settings)

    def remove() -> None:
        destination = named_registry(on.home, options.to)
        gone = registry.peers.delete(on, on.home, destination)
        if gone is None:
            print(f"{options.to} is no registry elsewhere, so nothing changed.")
        else:
            print(f"{options.to} is a registry of this installation again; what was copied to {gone.url} stays there.")

    return refusals_as_text(remove)


def _test(settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import registry
    from holdfast.settings import BadSetting

    on, faults = backends(settings), list[str]()

    def test() -> None:
        peer = registry.peers.find(on, on.home, named_registry(on.home, options.to))
        if peer is None:
            raise BadSetting(f"{options.to} is no registry elsewhere; `holdfast replication peer list` shows those")
        fault = registry.peers.attempt(on, peer, options.repository)
        if fault is None:
            print(f"{peer.url} lets us in.")
            return
        faults.append(fault)
        sys.stderr.write(f"holdfast: {printable(fault)}\n")
        if "--upstream-allow" in fault:
            sys.stderr.write("holdfast: this command calls out by its own settings: give it the server's\n")
        elif "certificate verify failed" in fault:
            sys.stderr.write(
                "holdfast: `holdfast replication peer put … --ca-file FILE` names the CA that vouches for it\n"
            )

    return refusals_as_text(test) or int(bool(faults))


def _document(peer: Peer) -> dict[str, object]:
    return {
        "region": peer.destination.region,
        "registryId": peer.destination.account_id,
        "kind": peer.kind.value,
        "url": peer.url,
        "prefix": peer.prefix,
        "credentialArn": peer.credential_arn,
        "hasCaCertificates": peer.ca_pem is not None,
        "signingRegion": peer.region or peer.destination.region,
    }


def _told(peer: Peer) -> str:
    secret = f"with {peer.credential_arn.rpartition(':')[2]}" if peer.credential_arn else "without a secret"
    private = ", a private CA" if peer.ca_pem else ""
    return f"{name_of(peer.destination)} is {peer.url}/{peer.prefix} ({peer.kind.value}), {secret}{private}"
