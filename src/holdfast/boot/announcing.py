"""What a server tells whoever started it."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from holdfast.settings import Listen

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.settings import Settings


def announce(settings: Settings, addresses: list[tuple[tuple[str, int], bool]], credentials: Path) -> None:
    """Tell whoever started us that requests are served, and how to log in."""
    shown = []
    for asked, ((_, port, *_), encrypted) in zip(settings.listen, addresses, strict=True):
        host = "localhost" if asked.host in {"0.0.0.0", "::"} else asked.host  # noqa: S104 - compared, not bound
        shown.append((f"{'https' if encrypted else 'http'}://{Listen(host, port)}", str(Listen(host, port)), encrypted))
    url, host_port, encrypted = shown[0]
    lines = [f"Holdfast serves {', '.join(address for address, _, _ in shown)}  (data in {settings.data})", ""]
    if encrypted and settings.tls in {"", "auto"}:
        lines += [*_trust_lines(settings.data.absolute() / "tls" / "ca.crt", host_port), ""]
    if settings.root_secret_access_key is not None:
        keys = f"AWS_ACCESS_KEY_ID={settings.root_access_key_id} AWS_SECRET_ACCESS_KEY=…"
    elif credentials.exists():
        keys = f"AWS_SHARED_CREDENTIALS_FILE={shlex.quote(str(credentials))}"
    else:
        keys = "AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…"
    lines += [
        "Log in and create a repository:",
        f"  export {keys} AWS_REGION={settings.region}",
        f"  aws --endpoint-url {url} ecr create-repository --repository-name hello",
        f"  aws --endpoint-url {url} ecr get-login-password | docker login --username AWS --password-stdin {host_port}",
    ]
    if not encrypted:
        lines.append("With podman, skopeo or buildah add --tls-verify=false: this address speaks plain HTTP.")
    sys.stdout.write("\n".join(lines) + "\n\n")
    sys.stdout.flush()


def _trust_lines(authority: Path, host_port: str) -> list[str]:
    """What each client needs, to trust our own authority."""
    quoted = shlex.quote(str(authority))
    return [
        f"The certificate is signed by a private CA, {authority}. To trust it:",
        f"  docker      install -D {quoted} /etc/docker/certs.d/{host_port}/ca.crt",
        f"  podman      install -D {quoted} /etc/containers/certs.d/{host_port}/ca.crt   (skopeo and buildah too)",
        f"  containerd  install -D {quoted} /etc/containerd/certs.d/{host_port}/ca.crt, and beside it hosts.toml:",
        f'                server = "https://{host_port}"',
        f'                [host."https://{host_port}"]',
        f'                  ca = "/etc/containerd/certs.d/{host_port}/ca.crt"',
        f"  aws, boto3  export AWS_CA_BUNDLE={quoted}",
    ]
