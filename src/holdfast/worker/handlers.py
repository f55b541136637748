"""What is done for each kind of work: one row a kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.model import work

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.registry import Backends
    from holdfast.registry.work import Job

# A handler may be run twice for the same work; it says when the work comes again, if it does.
Handler = Callable[["Backends", "Job"], "datetime | None"]

HANDLERS: dict[str, Handler] = {
    work.SweepUploads.__name__: registry.cleaning.sweep_uploads,
    work.ForgetThePast.__name__: registry.cleaning.forget_the_past,
    work.RewrapKeys.__name__: registry.rewraps.rewrap,
    work.PurgeDeleted.__name__: registry.purging.purge,
    work.ScrubBytes.__name__: registry.scrub.scrub_bytes,
    work.RepairDamage.__name__: registry.repairs.repair_damage,
    work.CollectGarbage.__name__: registry.garbage.collect,
    work.SettleAdvisories.__name__: registry.news.settle,
    work.EvaluateLifecycle.__name__: registry.lifecycle.evaluate,
    work.PreviewLifecycle.__name__: registry.lifecycle.preview,
    work.FollowSubject.__name__: registry.referrers.follow_subject,
    work.ActivateImage.__name__: registry.archive.activate,
    work.ScanImage.__name__: registry.image_scans.scan,
    work.FollowScanner.__name__: registry.rescans.follow,
    work.RescanImage.__name__: registry.rescans.rescan,
    work.ScanForHarbor.__name__: registry.harbor_scans.scan,
    work.TakeInventory.__name__: registry.inventories.take_inventory,
    work.ScanRepository.__name__: registry.image_scans.scan_repository,
    work.ReplicateImage.__name__: registry.replicas.replicate,
    work.PushImage.__name__: registry.replicas.replicate,
    work.ReplicateDeletion.__name__: registry.replicas.replicate_deletion,
    work.PushDeletion.__name__: registry.replicas.replicate_deletion,
    work.ReplicateSettings.__name__: registry.setting_replicas.replicate,
    work.SpreadSettings.__name__: registry.setting_replicas.spread,
    work.ImportImage.__name__: registry.pull_through.importing.import_image,
    work.FetchReferrers.__name__: registry.pull_through.importing.fetch_referrers,
    work.EvictCached.__name__: registry.pull_through.evicting.evict,
    work.RunBackfill.__name__: registry.backfills.run,
    work.VerifyReplicas.__name__: registry.verification.verify_replicas,
    work.VerifyReplica.__name__: registry.verification.verify_replica,
    work.TellScanFrequencies.__name__: registry.scan_frequencies.tell,
    work.DeliverEvents.__name__: registry.deliveries.deliver,
}
