"""Where bytes are kept, and how they are sealed."""

from holdfast.blobs.files import FileStore
from holdfast.blobs.interface import BlobStore, ObjectDamaged, ObjectMissing, ObjectReader, ObjectWriter, OutOfSpace
from holdfast.blobs.keys import KeyRing
from holdfast.blobs.sealed import SealedReader, SealedStore, SealedWriter

__all__ = [
    "BlobStore",
    "FileStore",
    "KeyRing",
    "ObjectDamaged",
    "ObjectMissing",
    "ObjectReader",
    "ObjectWriter",
    "OutOfSpace",
    "SealedReader",
    "SealedStore",
    "SealedWriter",
]
