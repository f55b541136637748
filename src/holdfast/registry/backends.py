"""The open handles and settled choices that every use case is given."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.model.profiles import Profile
from holdfast.model.uploads import MAXIMUM_LAYER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.blobs import KeyRing, SealedStore
    from holdfast.store import Database


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and times, as Amazon ECR has them."""

    layer_bytes: int = MAXIMUM_LAYER_BYTES
    tags_per_image: int = 1000
    upload_lifetime: timedelta = timedelta(hours=24)
    token_lifetime: timedelta = timedelta(hours=12)
    layer_url_lifetime: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Backends:
    """Everything outside the registry's own rules; time, ids and chance among it."""

    database: Database
    blobs: SealedStore
    keys: KeyRing
    clock: Callable[[], datetime]
    new_id: Callable[[], str] = field(default=lambda: str(uuid.uuid4()))
    random_bytes: Callable[[int], bytes] = field(default=os.urandom)
    limits: Limits = field(default_factory=Limits)
    profile: Profile = Profile.SPEC
