"""Every refusal, named as AWS names it.

    Refusal
    ├── Invalid          the request cannot be right, whatever is stored
    ├── NotFound         it names something that is not there
    ├── AlreadyExists    it would make something that is there
    ├── Denied           the caller may not
    ├── LimitExceeded    a quota or a size is exhausted
    └── Unavailable      it was right, but we cannot do it now

A class composes its own message; whoever raises it passes facts. The AWS code of a class is its name with the suffix
`Exception`. Messages are those of the real service where one has been captured.
"""

from holdfast.model.errors.already_exists import (
    ImageAlreadyExists,
    ImageReferencedByManifestList,
    ImageTagAlreadyExists,
    LayerAlreadyExists,
    LayerReferenced,
    RepositoryAlreadyExists,
    RepositoryNotEmpty,
)
from holdfast.model.errors.denied import (
    AccessDenied,
    TokenExpired,
    Unauthenticated,
    UnrecognizedClient,
)
from holdfast.model.errors.families import (
    AlreadyExists,
    Denied,
    Invalid,
    LimitExceeded,
    NotFound,
    Refusal,
    Unavailable,
)
from holdfast.model.errors.invalid import (
    DigestInvalid,
    EmptyUpload,
    ImageDigestDoesNotMatch,
    InvalidLayer,
    InvalidLayerPart,
    InvalidParameter,
    InvalidTagParameter,
    LayerPartTooSmall,
    ManifestInvalid,
    NameInvalid,
    RangeInvalid,
    SizeInvalid,
    TagInvalid,
    Unsupported,
    Validation,
)
from holdfast.model.errors.limit_exceeded import (
    LayerTooLarge,
    ManifestTooLarge,
    RequestTooLarge,
    TooManyTags,
)
from holdfast.model.errors.not_found import (
    BlobNotFound,
    ImageNotFound,
    LayerInaccessible,
    LayersNotFound,
    ReferencedImagesNotFound,
    RepositoryNotFound,
    UploadNotFound,
)
from holdfast.model.errors.unavailable import (
    BytesDamaged,
    Kms,
    StorageFull,
)

__all__ = [
    "AccessDenied",
    "AlreadyExists",
    "BlobNotFound",
    "BytesDamaged",
    "Denied",
    "DigestInvalid",
    "EmptyUpload",
    "ImageAlreadyExists",
    "ImageDigestDoesNotMatch",
    "ImageNotFound",
    "ImageReferencedByManifestList",
    "ImageTagAlreadyExists",
    "Invalid",
    "InvalidLayer",
    "InvalidLayerPart",
    "InvalidParameter",
    "InvalidTagParameter",
    "Kms",
    "LayerAlreadyExists",
    "LayerInaccessible",
    "LayerPartTooSmall",
    "LayerReferenced",
    "LayerTooLarge",
    "LayersNotFound",
    "LimitExceeded",
    "ManifestInvalid",
    "ManifestTooLarge",
    "NameInvalid",
    "NotFound",
    "RangeInvalid",
    "ReferencedImagesNotFound",
    "Refusal",
    "RepositoryAlreadyExists",
    "RepositoryNotEmpty",
    "RepositoryNotFound",
    "RequestTooLarge",
    "SizeInvalid",
    "StorageFull",
    "TagInvalid",
    "TokenExpired",
    "TooManyTags",
    "Unauthenticated",
    "Unavailable",
    "UnrecognizedClient",
    "Unsupported",
    "UploadNotFound",
    "Validation",
]
