"""What clients do, one request each, and what its answer proves."""

from holdfast.simulation.errands import access, blobs, cached, images, leases, repositories
from holdfast.simulation.errands.marks import mark_background

__all__ = ["access", "blobs", "cached", "images", "leases", "mark_background", "repositories"]
