"""Say which images are signed when they come, and note that they were not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import signing
from holdfast.model.errors import SigningConfigurationNotFound
from holdfast.model.signing import SETTING, Signing

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.images import Image, ImageId
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.model.signing import Configuration
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

NO_SERVICE = "SigningServiceNotAvailable"
NO_SERVICE_REASON = "No signing service is connected to this registry"


def configuration(on: Backends, registry: Registry) -> Configuration:
    """What is set for a registry, or `SigningConfigurationNotFound`."""
    with on.database.snapshot() as tx:
        return _get(tx, registry)


def configure(on: Backends, registry: Registry, wanted: Configuration) -> None:
    """Replace all rules of a registry."""
    wanted.check(registry, most_rules=on.limits.signing_rules)
    with on.database.transaction() as tx:
        store.registry_settings.put(tx, registry, SETTING, wanted.text, on.clock())


def forget_configuration(on: Backends, registry: Registry) -> Configuration:
    """Sign nothing from now on; what was set until now."""
    with on.database.transaction() as tx:
        was = _get(tx, registry)
        store.registry_settings.delete_setting(tx, registry, SETTING, on.clock())
    return was


def of_image(on: Backends, at: RepositoryRef, id_: ImageId) -> tuple[Image, list[Signing]]:
    """With which profiles an image was to be signed, and how each signing stands."""
    with on.database.snapshot() as tx:
        image = store.images.get(tx, store.repositories.get(tx, at), id_)
        return image, store.signings.of_image(tx, image.id)


def pushed(_on: Backends, tx: Transaction, repository: Repository, image: Image, _now: datetime) -> None:
    """Note that an image that came should have been signed; signatures, and all else that refers to one, are not."""
    if image.subject is not None:
        return
    text = store.registry_settings.find_by_id(tx, repository.registry_id, SETTING)
    if text is None:
        return
    for arn in signing.profiles_of(signing.read(text), repository.name):
        store.signings.put(tx, image.id, Signing(arn, "FAILED", NO_SERVICE, NO_SERVICE_REASON))


def _get(tx: Transaction, registry: Registry) -> Configuration:
    text = store.registry_settings.find(tx, registry, SETTING)
    if text is None:
        raise SigningConfigurationNotFound(registry)
    return signing.read(text)
