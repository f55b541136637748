"""What clients do, one request each, and what its answer proves."""

from holdfast.simulation.errands import access, blobs, images, repositories
from holdfast.simulation.errands.marks import mark_background

__all__ = ["access", "blobs", "images", "mark_background", "repositories"]
