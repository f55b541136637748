"""The open handles and settled choices that every use case is given."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from holdfast.inventory import LayerReader
from holdfast.inventory import Limits as Bounds
from holdfast.model.names import Registry
from holdfast.model.profiles import Profile
from holdfast.model.uploads import MAXIMUM_LAYER_BYTES
from holdfast.outbound import AwsEvents, Fetcher, Harbors, Poster, Scanner
from holdfast.registry.access import Access
from holdfast.registry.audit import Audit
from holdfast.registry.damage import ReadFaults
from holdfast.registry.iam.key_uses import KeyUses
from holdfast.registry.identity_providers import IdentityProviders
from holdfast.registry.peer_sessions import PeerSessions
from holdfast.registry.pull_through.upstreams import Upstreams
from holdfast.registry.pulls import Pulls
from holdfast.registry.refusals import Refusals
from holdfast.registry.session_keys import KeyCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.blobs import SealedStore
    from holdfast.registry.keys import Keys
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
    users: int = 5000  # of an account
    groups: int = 300  # of an account
    groups_per_user: int = 10
    roles: int = 1000  # of an account
    trust_policy_characters: int = 2048
    instance_profiles: int = 1000  # of an account
    customer_policies: int = 1500  # of an account
    policies_per_entity: int = 10  # managed ones
    oidc_providers: int = 100  # of an account
    keys_per_user: int = 2
    scan_layer_bytes: int = Bounds().layer_bytes  # unpacked
    scan_image_bytes: int = 64 * 1024**3  # likewise
    scan_seconds: int = Bounds().wall_seconds  # of a layer, likewise the memory
    scan_memory_bytes: int = Bounds().memory_bytes
    scan_interval: timedelta = timedelta(hours=24)  # between two scans of one image
    scan_watch: timedelta = timedelta(days=14)  # after a push or pull, in which an image is scanned continuously
    suppressions: int = 1000  # of a repository, and of a registry by itself
    vex_documents: int = 1000  # of a registry, but for those of referrers
    vex_referrers: int = 100  # of an image
    harbor_scans: int = 50  # that wait or are being done
    harbor_scan_lifetime: timedelta = timedelta(hours=1)  # in which its report can be fetched
    lifecycle_deeds: int = 10_000  # of one evaluation; the rest waits for the next one
    lifecycle_interval: timedelta = timedelta(hours=1)  # between two evaluations of a policy; ECR promises a day
    referrer_delay: timedelta = timedelta(hours=1)  # until referrers go after their subject; ECR promises a day
    preview_lifetime: timedelta = timedelta(hours=24)
    backfill_lifetime: timedelta = timedelta(days=90)
    event_lifetime: timedelta = timedelta(days=7)
    event_wait: timedelta = timedelta(days=14)  # until an event is forgotten that a target still has to be told
    dead_letter_lifetime: timedelta = timedelta(days=30)
    event_targets: int = 100  # of an account
    deleted_lifetime: timedelta = timedelta(days=7)  # in which what was deleted can be restored
    push_time: timedelta = timedelta(hours=24)  # in which an image must need a layer that was pushed
    quarantine: timedelta = timedelta(days=7)  # of what no image needs, before its bytes are deleted
    surprising_share: float = 0.5  # of all blobs; if as many would go, the collector asks first
    collects_garbage: bool = True
    refusal_lifetime: timedelta = timedelta(days=7)
    refusals: int = 100_000  # that are kept, of all accounts
    damaged_object_lifetime: timedelta = timedelta(days=30)  # of bytes that others took the place of
    scrub_bytes_per_second: int = 8 * 1024 * 1024  # 0: never
    scrub_interval: timedelta = timedelta(days=7)  # between two looks at the same bytes
    failed_work_lifetime: timedelta = timedelta(days=90)  # of what was given up
    upload_lifetime: timedelta = timedelta(hours=24)
    token_lifetime: timedelta = timedelta(hours=12)
    layer_url_lifetime: timedelta = timedelta(hours=1)


HOME = Registry("000000000000", "us-east-1")


@dataclass(frozen=True)
class Backends:
    """Everything outside the registry's own rules; time, ids and chance among it."""

    database: Database
    blobs: SealedStore
    keys: Keys
    clock: Callable[[], datetime]
    new_id: Callable[[], str] = field(default=lambda: str(uuid.uuid4()))
    random_bytes: Callable[[int], bytes] = field(default=os.urandom)
    monotonic: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)
    limits: Limits = field(default_factory=Limits)
    profile: Profile = Profile.SPEC
    pulls: Pulls = field(default_factory=Pulls)
    key_uses: KeyUses = field(default_factory=KeyUses)
    access: Access = field(default_factory=Access)
    refusals: Refusals = field(default_factory=Refusals)
    audit: Audit = field(default_factory=Audit)  # off, unless it is given a folder
    read_faults: ReadFaults = field(default_factory=ReadFaults)
    session_keys: KeyCache = field(default_factory=KeyCache)
    identity_providers: IdentityProviders = field(default_factory=IdentityProviders)
    peers: PeerSessions = field(default_factory=PeerSessions)
    fetcher: Fetcher = field(default_factory=Fetcher)
    upstreams: Upstreams = field(default_factory=Upstreams)
    poster: Poster = field(default_factory=Poster)
    aws_events: AwsEvents = field(default_factory=AwsEvents)
    layer_reader: LayerReader = field(default_factory=LayerReader)
    harbors: Harbors | None = None  # that may ask us to scan their images
    scanner: Scanner | None = None  # that looks at images in place of our own engine
    throttle: Throttle | None = None
    web_identity_throttle: Throttle | None = None
    seals_layers: bool = True  # under our keys; else the store seals those that no named key is asked for
    redirects_blobs: bool = False  # to the store, for those that it seals
    home: Registry = HOME  # of whoever does not say which one he means
    public_repositories: bool = False  # whether a repository policy may let in who has no credentials
