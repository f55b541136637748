"""What clients do, one request each, and what its answer proves."""

from holdfast.simulation.errands import access, blobs, images, leases, repositories
from holdfast.simulation.errands.marks import mark_background

__all__ = ["access", "blobs", "images", "leases", "mark_background", "repositories"]
