"""The open handles and settled choices that every use case is given."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.model.profiles import Profile
from holdfast.model.uploads import MAXIMUM_LAYER_BYTES
from holdfast.registry.pulls import Pulls

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.blobs import KeyRing, SealedStore
    from holdfast.registry.throttle import Throttle
    from holdfast.store import Database


@dataclass(frozen=True, slots=True)
class Limits:
    """Quotas and times, as Amazon ECR has them; where it tells none, what we chose."""

    layer_bytes: int = MAXIMUM_LAYER_BYTES
    layer_parts: int = 4200  # through the ECR API
    tags_per_image: int = 1000
    repositories: int = 100_000  # of a registry
    images: int = 100_000  # of a repository
    lifecycle_rules: int = 50
    replication_rules: int = 25
    replication_destinations: int = 25  # distinct ones, over all rules
    cache_rules: int = 50
    creation_templates: int = 1000  # ECR tells none
    pull_exclusions: int = 100
    signing_rules: int = 10
    backfills: int = 10  # that run at the same time
    scans_per_day: int = 100_000  # of a registry
    scan_interval: timedelta = timedelta(hours=24)  # between two scans of one image
    lifecycle_interval: timedelta = timedelta(hours=1)  # between two evaluations of a policy; ECR promises a day
    referrer_delay: timedelta = timedelta(hours=1)  # until referrers go after their subject; ECR promises a day
    preview_lifetime: timedelta = timedelta(hours=24)
    backfill_lifetime: timedelta = timedelta(days=90)
    event_lifetime: timedelta = timedelta(days=7)
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
    pulls: Pulls = field(default_factory=Pulls)
    throttle: Throttle | None = None
