"""What is done in the background: a frozen value for each kind, and how it stands.

A value's fields are its identity: the same work asked for twice is done once. Handlers are written to be run twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from datetime import datetime


class Lane(Enum):
    """Work of each lane is done beside that of the others."""

    PROMPT = auto()
    PATIENT = auto()
    DELIVERY = auto()
    ABROAD = auto()


@dataclass(frozen=True, slots=True)
class Work:
    """Something to do; a subclass names it, and `every` lets it come again for ever."""

    every: ClassVar[timedelta | None] = None
    is_lasting: ClassVar[bool] = False  # it says itself when it comes again, and is never given up
    is_persistent: ClassVar[bool] = False  # it is tried again until it is done, or nobody wants it any more
    is_patient: ClassVar[bool] = False  # it takes its time, and nothing else shall wait for it
    is_delivery: ClassVar[bool] = False  # it waits for somebody else's server
    is_abroad: ClassVar[bool] = False  # it waits for a registry elsewhere, and sends much

    @classmethod
    def lane(cls) -> Lane:
        """Beside what it is done."""
        if cls.is_abroad:
            return Lane.ABROAD
        return Lane.DELIVERY if cls.is_delivery else Lane.PATIENT if cls.is_patient else Lane.PROMPT

    @property
    def kind(self) -> str:
        """The name under which it is kept."""
        return type(self).__name__

    @property
    def key(self) -> str:
        """What tells it from others of its kind."""
        return "/".join(str(getattr(self, field.name)) for field in fields(self))

    @property
    def place(self) -> str:
        """To which of several places it goes that must not hold each other up; its key ends with that."""
        return ""

    @property
    def payload(self) -> dict[str, Any]:
        """Its fields, as they are kept."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SweepUploads(Work):
    """Forget abandoned uploads and the bytes that nothing holds."""

    every = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ForgetThePast(Work):
    """Remove events, previews and backfills that are older than they are kept."""

    every = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class RewrapKeys(Work):
    """Bring everything that is wrapped under an older key under the newest one."""


@dataclass(frozen=True, slots=True)
class PurgeDeleted(Work):
    """Remove for good what was deleted longer ago than it is kept."""

    every = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ScrubBytes(Work):
    """Read what was not verified for longest, and see whether it is what was pushed."""

    every = timedelta(minutes=10)
    is_patient = True


@dataclass(frozen=True, slots=True)
class RepairDamage(Work):
    """Give damaged blobs and manifests their bytes again; comes again as long as there are any."""

    is_lasting = True
    is_patient = True


@dataclass(frozen=True, slots=True)
class CollectGarbage(Work):
    """Delete bytes that no image needs."""

    every = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SettleAdvisories(Work):
    """Tell what imported advisories changed, and remove those that count no more."""


@dataclass(frozen=True, slots=True)
class EvaluateLifecycle(Work):
    """Do what the lifecycle policy of a repository says; comes again as long as there is one."""

    is_lasting = True

    repository_id: int


@dataclass(frozen=True, slots=True)
class PreviewLifecycle(Work):
    """Find out what a lifecycle policy would do."""

    repository_id: int


@dataclass(frozen=True, slots=True)
class FollowSubject(Work):
    """Let the referrers of a digest go where their subject went."""

    repository_id: int
    subject: str


@dataclass(frozen=True, slots=True)
class ActivateImage(Work):
    """Bring an image back from the archive."""

    image_id: int


@dataclass(frozen=True, slots=True)
class ScanImage(Work):
    """Look for vulnerabilities in an image."""

    is_patient = True

    image_id: int


@dataclass(frozen=True, slots=True)
class ScanRepository(Work):
    """Scan the images that were in a repository before it was to be scanned as it is now."""

    repository_id: int


@dataclass(frozen=True, slots=True)
class FollowScanner(Work):
    """See whether a plugged scanner has other advisories, and let it look at images that are watched once more."""

    every = timedelta(hours=1)
    is_patient = True


@dataclass(frozen=True, slots=True)
class RescanImage(Work):
    """Let a plugged scanner look once more at an image that is watched."""

    is_patient = True

    image_id: int


@dataclass(frozen=True, slots=True)
class ScanForHarbor(Work):
    """Look for vulnerabilities in an image of another registry."""

    is_patient = True

    scan_id: str


@dataclass(frozen=True, slots=True)
class TakeInventory(Work):
    """Find out which packages an image holds."""

    is_patient = True

    image_id: int


@dataclass(frozen=True, slots=True)
class ReplicateImage(Work):
    """Copy an image to one destination."""

    image_id: int
    region: str
    account_id: str


@dataclass(frozen=True, slots=True)
class PushImage(Work):
    """Copy an image to a destination behind which there is a registry elsewhere: that takes its time."""

    is_abroad = True

    image_id: int
    region: str
    account_id: str

    @property
    def place(self) -> str:
        """The destination."""
        return f"{self.region}/{self.account_id}"


@dataclass(frozen=True, slots=True)
class ReplicateDeletion(Work):
    """Remove a tag, or with an empty one an image, from one destination, since it was removed where it came from."""

    is_persistent = True

    repository_id: int
    digest: str
    tag: str
    region: str
    account_id: str

    @property
    def key(self) -> str:
        """Digest and tag may be longer together than a key may be."""
        return f"{self.repository_id}/{self.region}/{self.account_id}/{_short(self.digest, self.tag)}"


@dataclass(frozen=True, slots=True)
class PushDeletion(Work):
    """The same, where there is a registry elsewhere behind the destination."""

    is_persistent = True
    is_abroad = True

    repository_id: int
    digest: str
    tag: str
    region: str
    account_id: str

    @property
    def key(self) -> str:
        """As that of the other, with the place at its end."""
        return f"{self.repository_id}/{_short(self.digest, self.tag)}/{self.place}"

    @property
    def place(self) -> str:
        """The destination."""
        return f"{self.region}/{self.account_id}"


@dataclass(frozen=True, slots=True)
class ReplicateSettings(Work):
    """Set a repository at one destination as it is here."""

    is_delivery = True

    repository_id: int
    region: str
    account_id: str


@dataclass(frozen=True, slots=True)
class SpreadSettings(Work):
    """Set every repository of a registry at one destination as it is here."""

    account_id: str
    region: str
    to_account_id: str
    to_region: str


@dataclass(frozen=True, slots=True)
class VerifyReplicas(Work):
    """Compare every repository that is copied with its copies, and repair what drifted."""

    every = timedelta(hours=1)
    is_patient = True


@dataclass(frozen=True, slots=True)
class VerifyReplica(Work):
    """Compare one repository with one copy because somebody asked for it."""

    is_patient = True

    repository_id: int
    region: str
    account_id: str
    repairs: bool
    everything: bool


@dataclass(frozen=True, slots=True)
class ImportImage(Work):
    """Fetch from an upstream what an image needs that was pulled through, and keep it."""

    is_delivery = True

    repository_id: int
    digest: str
    tag: str  # empty for one that was asked for by its digest


@dataclass(frozen=True, slots=True)
class FetchReferrers(Work):
    """Ask an upstream what refers to a cached image, and let that come as well."""

    is_delivery = True

    repository_id: int
    digest: str


@dataclass(frozen=True, slots=True)
class EvictCached(Work):
    """Let cached images go that nobody pulled for longest, where more is cached than may be."""

    every = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class RunBackfill(Work):
    """Copy what was pushed before a replication rule."""

    is_patient = True

    backfill_id: str


@dataclass(frozen=True, slots=True)
class TellScanFrequencies(Work):
    """Tell which repositories are scanned otherwise since a registry's scanning configuration was changed."""

    account_id: str
    region: str


@dataclass(frozen=True, slots=True)
class DeliverEvents(Work):
    """Tell a target what happened since it was told last."""

    is_lasting = True
    is_delivery = True

    target_id: int
    account_id: str = ""  # whose target it is

    @property
    def place(self) -> str:
        """The account."""
        return self.account_id


def _short(digest: str, tag: str) -> str:
    return hashlib.sha256(f"{digest}/{tag}".encode()).hexdigest()


KINDS: dict[str, type[Work]] = {kind.__name__: kind for kind in Work.__subclasses__()}


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the work table."""

    id: int
    kind: str
    key: str
    payload: dict[str, Any]
    due_at: datetime | None
    again_at: datetime | None
    attempts: int
    fence: int
    owner: str | None
    is_cancelled: bool
    progress: dict[str, Any] | None
    error: str | None
    created_at: datetime

    @property
    def work(self) -> Work:
        """What is to be done."""
        return KINDS[self.kind](**self.payload)

    @property
    def state(self) -> str:
        """How it stands, in a word."""
        if self.due_at is None:
            return "given up"
        if self.is_cancelled:
            return "stopping"
        return "running" if self.owner is not None else "waiting"
