"""What can be done: one function a use case, one transaction each. The only floor that decides."""

from holdfast.registry import access, accounts, cleaning, images, layers, objects, repositories, uploads
from holdfast.registry.backends import Backends, Limits

__all__ = [
    "Backends",
    "Limits",
    "access",
    "accounts",
    "cleaning",
    "images",
    "layers",
    "objects",
    "repositories",
    "uploads",
]
