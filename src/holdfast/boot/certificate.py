"""The certificate that is shown to clients: the operator's, or one of our own authority."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.boot.opening import now
from holdfast.http import certificates
from holdfast.settings import BadSetting

if TYPE_CHECKING:
    import ssl

    from holdfast.settings import Settings


def given(settings: Settings) -> ssl.SSLContext | None:
    """The certificate that the operator gives, if he does."""
    if settings.tls in {"", "auto", "off"}:
        return None
    try:
        return certificates.context(Path(settings.tls))
    except (OSError, ValueError) as fault:
        raise BadSetting(f"--tls {settings.tls}: the certificate or its key cannot be used: {fault}") from None


def own(settings: Settings) -> ssl.SSLContext | None:
    """A certificate of our own authority, if one is needed."""
    if not any(settings.encrypts(address) for address in settings.listen):
        return None
    folder = settings.data.absolute() / "tls"
    certificates.ensure(folder, _names(settings), now())
    return certificates.context(folder)


def _names(settings: Settings) -> list[str]:
    """Every name by which clients may reach this server; ECR's form is one wildcard a domain and region."""
    host = platform.node()
    names = ["localhost", "127.0.0.1", "::1", host, *settings.tls_names]
    names += [address.host for address in settings.listen if address.host not in {"0.0.0.0", "::"}]  # noqa: S104
    names += [f"*.dkr.ecr.{settings.region}.{domain}" for domain in ("localhost", host)]
    return sorted(set(names), key=names.index)
