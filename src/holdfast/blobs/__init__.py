"""Where bytes are kept, and how they are sealed."""

from holdfast.blobs.data_keys import NO_KEYS, DataKeys
from holdfast.blobs.files import FileStore
from holdfast.blobs.interface import (
    BlobStore,
    ObjectDamaged,
    ObjectMissing,
    ObjectReader,
    ObjectWriter,
    OutOfSpace,
    StoreUnavailable,
)
from holdfast.blobs.key_file import KeyFile, KeyFileFault
from holdfast.blobs.keys import KeyRing, WrongKey
from holdfast.blobs.plain import PlainReader, PlainWriter
from holdfast.blobs.sealed import SealedReader, SealedWriter
from holdfast.blobs.sealed_store import SealedStore

__all__ = [
    "NO_KEYS",
    "BlobStore",
    "DataKeys",
    "FileStore",
    "KeyFile",
    "KeyFileFault",
    "KeyRing",
    "ObjectDamaged",
    "ObjectMissing",
    "ObjectReader",
    "ObjectWriter",
    "OutOfSpace",
    "PlainReader",
    "PlainWriter",
    "SealedReader",
    "SealedStore",
    "SealedWriter",
    "StoreUnavailable",
    "WrongKey",
]
