"""How much and how often: what an operator may set, and what Amazon ECR has."""

from __future__ import annotations

# What an operator may raise or lower: its name, the field of `Limits`, what it is counted in, and what it limits.
QUOTAS = {
    "repositories": ("repositories", 1, "repositories of a registry"),
    "images": ("images", 1, "images of a repository"),
    "tags": ("tags_per_image", 1, "tags of an image"),
    "layer-mib": ("layer_bytes", 2**20, "MiB of a layer"),
    "layer-parts": ("layer_parts", 1, "parts of a layer that is uploaded through the ECR API"),
    "lifecycle-rules": ("lifecycle_rules", 1, "rules of a lifecycle policy"),
    "replication-rules": ("replication_rules", 1, "rules of a replication configuration"),
    "replication-destinations": ("replication_destinations", 1, "distinct destinations over all replication rules"),
    "cache-rules": ("cache_rules", 1, "pull-through cache rules of a registry"),
    "creation-templates": ("creation_templates", 1, "repository creation templates of a registry"),
    "pull-exclusions": ("pull_exclusions", 1, "principals of a registry whose pulls are not recorded"),
    "signing-rules": ("signing_rules", 1, "rules of a signing configuration"),
    "backfills": ("backfills", 1, "replication backfills of a registry that run at the same time"),
    "scans": ("scans_per_day", 1, "scans of a registry in 24 hours"),
    "scan-layer-gib": ("scan_layer_bytes", 2**30, "GiB, unpacked, of a layer that is looked into"),
    "scan-image-gib": ("scan_image_bytes", 2**30, "GiB, unpacked, of an image that is looked into"),
    "scan-minutes": ("scan_seconds", 60, "minutes that looking into a layer takes"),
    "scan-memory-mib": ("scan_memory_bytes", 2**20, "MiB of memory that looking into a layer takes"),
}

# Calls a second, of an account in a region (ECR user guide, "Service quotas").
ECR_RATES = {
    "BatchCheckLayerAvailability": 1000.0,
    "BatchGetImage": 2000.0,
    "CompleteLayerUpload": 100.0,
    "GetAuthorizationToken": 500.0,
    "GetDownloadUrlForLayer": 3000.0,
    "InitiateLayerUpload": 100.0,
    "PutImage": 10.0,
    "UploadLayerPart": 500.0,
}
ANY = "*"  # every operation that has no rate of its own
